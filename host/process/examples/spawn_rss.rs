//! Start-to-exit of `/bin/true` through the engine as the server's memory grows, beside std's `Command` (posix_spawn too) and a fork as a
//! `pre_exec` forces it. The engine's figure must stay flat. Run in release: `cargo run --release -p lockgate-process --example spawn_rss`.
#![allow(clippy::unwrap_used)]

use std::process::{Command, Stdio as Std};
use std::time::{Duration, Instant};

use lockgate_process::{Engine, Spawn, Stdio};

const ROUNDS: usize = 200;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let _entered = runtime.enter();
    let engine = Engine::new();
    at_once(&runtime, &engine);
    let mut ballast: Vec<Vec<u8>> = Vec::new();
    println!("start to exit of /bin/true, median of {ROUNDS} (alternating), ms");
    println!(
        "{:>10} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "resident", "floor", "engine", "ratio", "tty", "p95"
    );
    for mebibytes in [0, 20, 500, 2048] {
        while ballast.len() < mebibytes {
            ballast.push((0..1 << 20).map(|n| (n >> 12) as u8 | 1).collect());
        }
        let (mut floor, mut pipes, mut tty) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            floor.push(timed(|| {
                let mut command = Command::new("/bin/true");
                command
                    .stdin(Std::null())
                    .stdout(Std::piped())
                    .stderr(Std::piped());
                let mut child = command.spawn().unwrap();
                child.wait().unwrap();
            }));
            pipes.push(timed(|| {
                run(&runtime, &engine, Stdio::Pipes { stdin: false })
            }));
            tty.push(timed(|| {
                run(&runtime, &engine, Stdio::Tty { rows: 24, cols: 80 })
            }));
        }
        let median = |times: &mut Vec<Duration>| {
            times.sort();
            times[times.len() / 2].as_secs_f64() * 1e3
        };
        let (floor, engine_ms, tty) = (median(&mut floor), median(&mut pipes), median(&mut tty));
        let p95 = pipes[pipes.len() * 95 / 100].as_secs_f64() * 1e3;
        let ratio = engine_ms / floor;
        println!(
            "{:>6} MiB {floor:>8.3} {engine_ms:>8.3} {ratio:>8.2} {tty:>8.3} {p95:>8.3}",
            resident()
        );
    }
}

/// 1,000 processes, 50 at a time, per second: by threads that spawn and wait, and through the engine.
fn at_once(runtime: &tokio::runtime::Runtime, engine: &Engine) {
    const ALL: usize = 1_000;
    const AT_ONCE: usize = 50;
    for _ in 0..3 {
        let floor = timed(|| {
            std::thread::scope(|scope| {
                for _ in 0..AT_ONCE {
                    scope.spawn(|| {
                        for _ in 0..ALL / AT_ONCE {
                            let mut command = Command::new("/bin/true");
                            command
                                .stdin(Std::null())
                                .stdout(Std::piped())
                                .stderr(Std::piped());
                            command.spawn().unwrap().wait().unwrap();
                        }
                    });
                }
            });
        });
        let through = timed(|| {
            runtime.block_on(async {
                let mut lanes = tokio::task::JoinSet::new();
                for _ in 0..AT_ONCE {
                    let engine = engine.clone();
                    lanes.spawn(async move {
                        for _ in 0..ALL / AT_ONCE {
                            let engine = engine.clone();
                            let spawn = true_program(Stdio::Pipes { stdin: false });
                            let started = tokio::task::spawn_blocking(move || engine.spawn(spawn));
                            started.await.unwrap().unwrap().log().closed().await;
                        }
                    });
                }
                lanes.join_all().await;
            });
        });
        let rate = |time: Duration| ALL as f64 / time.as_secs_f64();
        println!(
            "50 at once: floor {:.0}/s, engine {:.0}/s, ratio {:.2}",
            rate(floor),
            rate(through),
            rate(through) / rate(floor)
        );
    }
}

fn true_program(stdio: Stdio) -> Spawn {
    Spawn {
        argv: vec!["/bin/true".into()],
        arg0: None,
        cwd: "/".into(),
        env: vec![],
        stdio,
        readers: lockgate_process::Readers::default(),
        program: None,
        bounds: lockgate_process::Bounds::default(),
    }
}

fn run(runtime: &tokio::runtime::Runtime, engine: &Engine, stdio: Stdio) {
    let process = engine.spawn(true_program(stdio)).unwrap();
    runtime.block_on(process.log().closed());
}

fn timed(work: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    work();
    begin.elapsed()
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}
