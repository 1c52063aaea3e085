//! How fast output comes through: a flood through the log with a cursor that takes everything (and copies it, as an encoder would), beside
//! a plain read of the same pipe; a terminal; a flood nobody reads; and what a small output takes to arrive during a flood of another
//! process. Run in release: `cargo run --release -p lockgate-process --example throughput`.
#![allow(clippy::unwrap_used)]

use std::io::Read;
use std::process::{Command, Stdio as Std};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lockgate_process::{Engine, Event, Observer, Position, Process, Spawn, Stdio};
use tokio::sync::Notify;

const FLOOD: usize = 1 << 30;
const TERMINAL: usize = 64 << 20;

#[derive(Default)]
struct Bell(Notify);

impl Observer for Bell {
    fn output_available(&self, _process: u64) {
        self.0.notify_one();
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let engine = Engine::new();
    let pipes = Stdio::Pipes { stdin: false };
    let tty = Stdio::Tty { rows: 24, cols: 80 };
    for _ in 0..3 {
        let floor = plain(FLOOD);
        report("1 GiB, plain read of the pipe", FLOOD, floor, floor);
        let (time, lost) = followed(&engine, pipes, FLOOD).await;
        report(
            &format!("1 GiB through the log, {lost} bytes lost"),
            FLOOD,
            time,
            floor,
        );
        let begin = Instant::now();
        let process = start(&engine, &zeros(FLOOD), pipes);
        process.log().closed().await;
        report("1 GiB that nobody reads", FLOOD, begin.elapsed(), floor);
        let (time, lost) = followed(&engine, tty, TERMINAL).await;
        report(
            &format!("64 MiB through a terminal, {lost} bytes lost"),
            TERMINAL,
            time,
            floor,
        );
    }
    echo(&engine).await;
    println!("resident at the most: {}", peak());
}

fn report(what: &str, bytes: usize, time: Duration, floor: Duration) {
    let rate = bytes as f64 / (1 << 20) as f64 / time.as_secs_f64();
    let of_floor = FLOOD as f64 / (1 << 20) as f64 / floor.as_secs_f64();
    println!(
        "{what:<45} {rate:>7.0} MiB/s  {:>5.2} of the floor",
        rate / of_floor
    );
}

fn zeros(bytes: usize) -> String {
    format!("exec head -c {bytes} /dev/zero")
}

fn plain(bytes: usize) -> Duration {
    let begin = Instant::now();
    let mut command = Command::new("/bin/sh");
    let mut child = command
        .args(["-c", &zeros(bytes)])
        .stdout(Std::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdout.take().unwrap();
    let mut buffer = vec![0; 64 * 1024];
    let mut total = 0;
    while let Ok(len) = pipe.read(&mut buffer)
        && len > 0
    {
        total += len;
    }
    assert_eq!(total, bytes);
    child.wait().unwrap();
    begin.elapsed()
}

fn start(engine: &Engine, script: &str, stdio: Stdio) -> Arc<Process> {
    let spawn = Spawn {
        argv: ["/bin/sh", "-c", script].map(Into::into).to_vec(),
        arg0: None,
        cwd: "/".into(),
        env: vec![],
        stdio,
        readers: lockgate_process::Readers::default(),
        program: None,
        bounds: lockgate_process::Bounds::default(),
    };
    engine.spawn(spawn).unwrap()
}

async fn followed(engine: &Engine, stdio: Stdio, bytes: usize) -> (Duration, usize) {
    let begin = Instant::now();
    let process = start(engine, &zeros(bytes), stdio);
    let bell = Arc::new(Bell::default());
    let mut cursor = process.log().attach(bell.clone(), Position::Oldest);
    let task = tokio::spawn(async move {
        let mut copy = vec![0; 64 * 1024];
        let (mut total, mut over) = (0, false);
        while !over {
            let taken = process.log().next_event(&mut cursor, |event| match event {
                Event::Output { data, .. } => {
                    copy[..data.len()].copy_from_slice(data);
                    total += data.len();
                }
                Event::Closed { .. } => over = true,
                Event::Exited { .. } => {}
            });
            if taken.is_none() {
                bell.0.notified().await;
            } else {
                tokio::task::consume_budget().await;
            }
        }
        total
    });
    let total = task.await.unwrap();
    (begin.elapsed(), bytes - total)
}

/// Words to `cat` and back, alone and beside a flood.
async fn echo(engine: &Engine) {
    for flood in [false, true] {
        let noise =
            flood.then(|| start(engine, "exec cat /dev/zero", Stdio::Pipes { stdin: false }));
        let cat = start(engine, "exec cat", Stdio::Pipes { stdin: true });
        let mut times: Vec<Duration> = Vec::new();
        for round in 1..=2_000 {
            let begin = Instant::now();
            cat.write(b"word\n".to_vec()).await.unwrap();
            cat.log().wait_ready(round - 1).await;
            times.push(begin.elapsed());
        }
        times.sort();
        let at = |percent: usize| times[times.len() * percent / 100].as_secs_f64() * 1e6;
        println!(
            "stdin to its echo, beside a flood: {flood}: p50 {:.0} us, p95 {:.0} us, p99 {:.0} us",
            at(50),
            at(95),
            at(99)
        );
        drop(noise);
    }
}

fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap()
        .trim()
        .to_owned()
}
