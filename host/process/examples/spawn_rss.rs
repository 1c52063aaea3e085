//! Start-to-exit of `/bin/true` through the engine as the server's memory grows, beside std's `Command` (posix_spawn too), and with bounds. The engine's
//! figures must stay flat. Run in release: `cargo run --release -p lockgate-process --example spawn_rss [LOCKGATE]`; with the `lockgate` binary that is to
//! be the keeper of what has bounds, also what one costs.
#![allow(clippy::unwrap_used)]

use std::process::{Command, Stdio as Std};
use std::time::{Duration, Instant};

use lockgate_process::{Engine, Spawn, Stdio};

const ROUNDS: usize = 200;
const PIPES: Stdio = Stdio::Pipes { stdin: false };

fn main() {
    lockgate_process::keeper::run_if_asked();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let _entered = runtime.enter();
    let mut engine = Engine::new();
    if let Some(keeper) = std::env::args_os().nth(1) {
        engine = engine
            .kept_by(&std::fs::canonicalize(keeper).unwrap())
            .unwrap();
    }
    keepers(&engine);
    at_once(&runtime, &engine);
    let mut ballast: Vec<Vec<u8>> = Vec::new();
    println!("start to exit of /bin/true, median of {ROUNDS} (alternating), ms");
    println!(
        "{:>10} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "resident", "floor", "engine", "ratio", "tty", "p95", "bounds"
    );
    for mebibytes in [0, 20, 500, 2048] {
        while ballast.len() < mebibytes {
            ballast.push((0..1 << 20).map(|n| (n >> 12) as u8 | 1).collect());
        }
        let (mut floor, mut pipes, mut tty) = (Vec::new(), Vec::new(), Vec::new());
        let mut bounded = Vec::new();
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
            pipes.push(timed(|| run(&runtime, &engine, true_program(PIPES))));
            bounded.push(timed(|| {
                run(&runtime, &engine, within_bounds(true_program(PIPES)))
            }));
            tty.push(timed(|| {
                let tty = Stdio::Tty { rows: 24, cols: 80 };
                run(&runtime, &engine, true_program(tty))
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
            "{:>6} MiB {floor:>8.3} {engine_ms:>8.3} {ratio:>8.2} {tty:>8.3} {p95:>8.3} {:>8.3}",
            resident(),
            median(&mut bounded)
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
                            let spawn = true_program(PIPES);
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

/// What the keepers of so many sleeping processes take of memory, each with its holder.
fn keepers(engine: &Engine) {
    const ALL: u64 = 20;
    let sleeper = Spawn {
        argv: vec!["/bin/sleep".into(), "1000".into()],
        ..within_bounds(true_program(PIPES))
    };
    let sleepers: Vec<_> = (0..ALL)
        .map(|_| engine.spawn(sleeper.clone()).unwrap())
        .collect();
    let sum = |what: &str| -> u64 {
        let parent = |pid: u64| field(&format!("/proc/{pid}/status"), "PPid:");
        let memory = |pid: u64| field(&format!("/proc/{pid}/smaps_rollup"), what);
        let of = |pid: u32| {
            let holder = parent(pid.into());
            memory(holder) + memory(parent(holder))
        };
        sleepers.iter().map(|process| of(process.pid())).sum()
    };
    println!(
        "a keeper and its holder: {} KiB of their own, {} KiB with their share of what all have (of {ALL})",
        (sum("Private_Dirty:") + sum("Private_Clean:")) / ALL,
        sum("Pss:") / ALL
    );
}

fn within_bounds(spawn: Spawn) -> Spawn {
    let bounds = lockgate_process::Bounds {
        time: Some(Duration::from_secs(1000)),
        output: None,
    };
    Spawn { bounds, ..spawn }
}

fn run(runtime: &tokio::runtime::Runtime, engine: &Engine, spawn: Spawn) {
    let process = engine.spawn(spawn).unwrap();
    runtime.block_on(process.log().closed());
}

fn timed(work: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    work();
    begin.elapsed()
}

fn resident() -> u64 {
    field("/proc/self/status", "VmRSS:") / 1024
}

fn field(file: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(file).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let line = line.unwrap().trim().trim_end_matches(" kB");
    line.parse().unwrap()
}
