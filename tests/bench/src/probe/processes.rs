//! Processes: from start to exit, stdin to its echo, and fifty at once.

use std::time::Instant;

use serde_json::json;

use super::{Budget, Floor, Group, Placement, Probe, Row, Scene, Series, Unit};
use crate::connection::{Connection, microseconds, unreadable};
use crate::failure::Failure;
use crate::incoming::{self, Incoming};
use crate::limits;
use crate::subject::Subject;

/// Processes of the burst: what the issue asks for.
pub(crate) const MANY: usize = 50;
/// What is typed into `cat`.
pub(crate) const TYPED: &[u8] = b"hello\n";

const SPAWN: &[(Floor, f64)] = &[(Floor::Spawn, 1.0), (Floor::Echo, 2.0)];

/// Round trips around one process.
pub(crate) const PINNED: Group = Group {
    name: "processes",
    placement: Placement::Together,
    rounds: (4, 15),
    probes: &[
        Probe {
            rows: &[Row {
                name: "start-pipe",
                title: "true from start to exited, pipes",
                unit: Unit::Time,
                floor: SPAWN,
                budgets: &[Budget::Floor(1.5), Budget::Peer],
            }],
            take: |scene, subject| start(scene, subject, false),
        },
        Probe {
            rows: &[Row {
                name: "start-tty",
                title: "true from start to exited, terminal",
                unit: Unit::Time,
                floor: SPAWN,
                budgets: &[Budget::Floor(1.5), Budget::Peer],
            }],
            take: |scene, subject| start(scene, subject, true),
        },
        Probe {
            rows: &[Row {
                name: "stdin-echo",
                title: "stdin of cat to its output",
                unit: Unit::Time,
                floor: &[(Floor::Pipe, 1.0), (Floor::Echo, 1.0)],
                budgets: &[Budget::Floor(2.0), Budget::Peer],
            }],
            take: stdin,
        },
    ],
};

/// Many at once, on all CPUs.
pub(crate) const FREE: Group = Group {
    name: "burst",
    placement: Placement::Free,
    rounds: (4, 15),
    probes: &[Probe {
        rows: &[Row {
            name: "start-50",
            title: "50 processes at once",
            unit: Unit::Rate,
            floor: &[(Floor::SpawnMany, 1.0)],
            budgets: &[Budget::Floor(0.8), Budget::Peer],
        }],
        take: burst,
    }],
};

/// Parameters of `process/start`.
pub(crate) fn start_params(
    scene: &Scene<'_>,
    subject: &Subject,
    id: &str,
    argv: &[&str],
    tty: bool,
    pipe_stdin: bool,
) -> String {
    json!({
        "processId": id,
        "argv": argv,
        "cwd": subject.path(&scene.ground.project()),
        "env": {},
        "tty": tty,
        "pipeStdin": pipe_stdin,
        "arg0": null,
    })
    .to_string()
}

fn start(scene: &mut Scene<'_>, subject: &Subject, tty: bool) -> Result<Series, Failure> {
    let mut connection = subject.connect(limits::SMALL_READS)?;
    let mut number = scene.processes;
    let times = scene.batch(|| {
        number += 1;
        let id = format!("bench-{number}");
        let params = start_params(scene, subject, &id, &["/bin/true"], tty, false);
        let begin = Instant::now();
        let request = connection.send("process/start", &params)?;
        let end = wait_for(&mut connection, &id, request)?;
        match end.code {
            0 => Ok(end.exited.duration_since(begin).as_nanos() as f64 / 1_000.0),
            code => Err(Failure::Wrong(format!("exit code {code} of true"))),
        }
    })?;
    scene.processes = number;
    Ok(vec![times])
}

/// How a process ended.
struct End {
    /// When `process/exited` came.
    exited: Instant,
    code: i64,
}

/// Reads until the start was answered and the process has exited and closed, and checks that no number is missing.
fn wait_for(connection: &mut Connection, id: &str, request: u64) -> Result<End, Failure> {
    let mut end = None;
    let mut answered = false;
    let mut events = 0;
    let mut last = None;
    loop {
        let text = connection.next()?;
        match incoming::read(&text) {
            Some(Incoming::Answer { id, ok }) if id == request => {
                if !ok {
                    crate::connection::accept("process/start", &text)?;
                }
                answered = true;
            }
            Some(Incoming::Output { process, .. }) if process == id => events += 1,
            Some(Incoming::Exited { process, code, .. }) if process == id => {
                events += 1;
                end = Some(End {
                    exited: Instant::now(),
                    code,
                });
            }
            Some(Incoming::Closed { process, seq }) if process == id => {
                events += 1;
                last = Some(seq);
            }
            Some(_) => {}
            None => return Err(unreadable(&text)),
        }
        if answered
            && let Some(last) = last
            && last == events
            && let Some(end) = end.take()
        {
            return Ok(end);
        }
    }
}

fn stdin(scene: &mut Scene<'_>, subject: &Subject) -> Result<Series, Failure> {
    let mut connection = subject.connect(limits::SMALL_READS)?;
    let id = scene.process_id();
    connection.call(
        "process/start",
        &start_params(scene, subject, &id, &["/bin/cat"], false, true),
    )?;
    let typed = base64_simd::STANDARD.encode_to_string(TYPED);
    let mut number = 0;
    let times = scene.batch(|| {
        number += 1;
        let params =
            json!({"processId": id, "chunk": typed, "writeId": number.to_string()}).to_string();
        let begin = Instant::now();
        let request = connection.send("process/write", &params)?;
        let mut taken = None;
        let mut received = 0;
        let mut answered = false;
        loop {
            let text = connection.next()?;
            match incoming::read(&text) {
                Some(Incoming::Output { chunk, .. }) => {
                    received += super::output::decoded(chunk);
                    if received == TYPED.len() {
                        taken = Some(microseconds(begin));
                    }
                }
                Some(Incoming::Answer { id, .. }) if id == request => {
                    let status = crate::connection::result("process/write", &text)?;
                    if status["status"] != "accepted" {
                        return Err(Failure::Wrong(format!("process/write: {status}")));
                    }
                    answered = true;
                }
                Some(Incoming::Other | Incoming::Answer { .. }) => {}
                Some(_) => return Err(Failure::Wrong("cat ended".into())),
                None => return Err(unreadable(&text)),
            }
            if let (Some(taken), true) = (taken, answered) {
                return Ok(taken);
            }
        }
    })?;
    connection.call("process/terminate", &json!({"processId": id}).to_string())?;
    Ok(vec![times])
}

fn burst(scene: &mut Scene<'_>, subject: &Subject) -> Result<Series, Failure> {
    let mut rates = Vec::new();
    for _ in 0..scene.pick(2, 4) {
        let mut connection = subject.connect(limits::LARGE_READS)?;
        let requests: Vec<String> = (0..MANY)
            .map(|_| {
                let id = scene.process_id();
                start_params(scene, subject, &id, &["/bin/true"], false, false)
            })
            .collect();
        let begin = Instant::now();
        for params in &requests {
            connection.queue("process/start", params)?;
        }
        connection.flush()?;
        let mut exited = 0;
        let mut closed = 0;
        let mut taken = 0.0;
        while closed < MANY {
            let text = connection.next()?;
            match incoming::read(&text) {
                Some(Incoming::Exited { code: 0, .. }) => {
                    exited += 1;
                    if exited == MANY {
                        taken = begin.elapsed().as_secs_f64();
                    }
                }
                Some(Incoming::Exited { code, .. }) => {
                    return Err(Failure::Wrong(format!("exit code {code} of true")));
                }
                Some(Incoming::Closed { .. }) => closed += 1,
                Some(Incoming::Answer { ok: false, .. }) => {
                    crate::connection::accept("process/start", &text)?;
                }
                Some(_) => {}
                None => return Err(unreadable(&text)),
            }
        }
        rates.push(MANY as f64 / taken);
    }
    Ok(vec![rates])
}
