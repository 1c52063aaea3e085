//! How long `process/signal` takes to be answered while the same connection carries a flood, without and
//! with a second client that never reads its own.

use std::time::Instant;

use serde_json::json;

use super::processes::start_params;
use super::{Budget, Group, Placement, Probe, Row, Scene, Series, Unit};
use crate::connection::{Connection, microseconds, unreadable};
use crate::failure::Failure;
use crate::ground::text;
use crate::incoming::{self, Incoming};
use crate::subject::Subject;
use crate::{limits, tree};

/// The budget of the answer.
const BUDGETS: &[Budget] = &[Budget::Median(1_000.0), Budget::P99(5_000.0)];

/// Interrupts.
pub(crate) const INTERRUPT: Group = Group {
    name: "interrupt",
    placement: Placement::Free,
    rounds: (2, 6),
    probes: &[
        Probe {
            rows: &[
                Row {
                    name: "interrupt",
                    title: "interrupt answered in a flood",
                    unit: Unit::Time,
                    floor: &[],
                    budgets: BUDGETS,
                },
                Row {
                    name: "interrupt-exit",
                    title: "  and the process exited",
                    unit: Unit::Time,
                    floor: &[],
                    budgets: &[],
                },
            ],
            take: |scene, subject| interrupts(scene, subject),
        },
        Probe {
            rows: &[
                Row {
                    name: "interrupt-stalled",
                    title: "the same beside a stalled client",
                    unit: Unit::Time,
                    floor: &[],
                    budgets: BUDGETS,
                },
                Row {
                    name: "interrupt-stalled-exit",
                    title: "  and the process exited",
                    unit: Unit::Time,
                    floor: &[],
                    budgets: &[],
                },
                Row {
                    name: "stalled-growth",
                    title: "  memory growth by the stalled client",
                    unit: Unit::Memory,
                    floor: &[],
                    budgets: &[],
                },
            ],
            take: |scene, subject| {
                let (before, _) = tree::memory(subject.server.root());
                // Nothing is read from this one after its start was answered.
                let stalled = Flood::start(scene, subject)?;
                let mut series = interrupts(scene, subject)?;
                // The flood's child is part of the tree: its few hundred KiB count as well.
                let (after, _) = tree::memory(subject.server.root());
                series.push(vec![(after - before).max(0.0)]);
                stalled.end()?;
                Ok(series)
            },
        },
    ],
};

/// A connection with a process that writes without end.
struct Flood {
    connection: Connection,
    process: String,
}

impl Flood {
    fn start(scene: &mut Scene<'_>, subject: &Subject) -> Result<Self, Failure> {
        let mut connection = subject.connect(limits::LARGE_READS)?;
        let process = scene.process_id();
        let program = text(&std::env::current_exe()?);
        let argv = [program.as_str(), "child", "flood"];
        connection.call(
            "process/start",
            &start_params(scene, subject, &process, &argv, false, false),
        )?;
        Ok(Self {
            connection,
            process,
        })
    }

    /// Ends the flood and reads what is left of it.
    fn end(mut self) -> Result<(), Failure> {
        let params = json!({"processId": self.process}).to_string();
        self.connection.call("process/terminate", &params)?;
        self.connection.close();
        Ok(())
    }
}

fn interrupts(scene: &mut Scene<'_>, subject: &Subject) -> Result<Series, Failure> {
    let mut flood = Flood::start(scene, subject)?;
    let mut answered = Vec::new();
    let mut exited = Vec::new();
    for _ in 0..scene.pick(25, 50) {
        let id = scene.process_id();
        let params = start_params(scene, subject, &id, &["/bin/sleep", "60"], false, false);
        flood.connection.call("process/start", &params)?;
        let (answer, exit) = interrupt(&mut flood.connection, &id)?;
        answered.push(answer);
        exited.push(exit);
    }
    flood.end()?;
    Ok(vec![answered, exited])
}

/// Sends the signal and reads, flood and all, until it is answered and the process is gone.
fn interrupt(connection: &mut Connection, id: &str) -> Result<(f64, f64), Failure> {
    let params = json!({"processId": id, "signal": "interrupt"}).to_string();
    let begin = Instant::now();
    let request = connection.send("process/signal", &params)?;
    let mut answer = None;
    let mut exit = None;
    loop {
        let text = connection.next()?;
        match incoming::read(&text) {
            Some(Incoming::Answer { id, ok }) if id == request => {
                if !ok {
                    crate::connection::accept("process/signal", &text)?;
                }
                answer = Some(microseconds(begin));
            }
            Some(Incoming::Exited { process, .. }) if process == id => {
                exit = Some(microseconds(begin));
            }
            Some(_) => {}
            None => return Err(unreadable(&text)),
        }
        if let (Some(answer), Some(exit)) = (answer, exit) {
            return Ok((answer, exit));
        }
        if begin.elapsed() > limits::SILENCE {
            return Err(Failure::Silence {
                what: "an interrupted process",
                seconds: limits::SILENCE.as_secs(),
            });
        }
    }
}
