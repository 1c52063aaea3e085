//! What a rendezvous between harness and executor costs: of a call, of a stream, in memory, and to an interrupt behind a flood.

use std::time::{Duration, Instant};

use lockgate_client::{Client, Event, Process};
use lockgate_wire::process::StartParams;
use serde_json::{Value, json, value::RawValue};

use super::files::time;
use super::{Budget, Group, Placement, Probe, Row, Scene, Series, Unit};
use crate::connection::microseconds;
use crate::failure::Failure;
use crate::floor::local::mib_per_second;
use crate::ground::text;
use crate::limits;
use crate::remote::{
    Far, Killed, Network, Security, address, after_a_kill, direct, failed, memory_of_executors,
    runtime, world,
};
use crate::subject::{Profile, Subject};

/// Half of the round trip of 100 ms.
const ONE_WAY: Duration = Duration::from_millis(50);

/// A link of 1 Gbit/s, in bytes a second.
const LINK: f64 = 125e6;

/// 80 % of what a window of 4 MiB lets through in a round trip; output travels in base64, 4 bytes for 3.
const FAR: f64 = 0.8 * (4.0 / 0.1) * 0.75;

/// Small calls. All rows through the client library, which costs more than the bench's own connection. Not on one CPU: a call that goes through three processes
/// has four turns there instead of two, and nothing but the kernel's work for each is measured (`--pin all` shows it). Many short rounds, each with connections
/// of its own: in some the system keeps both ends of the direct one on one CPU, which makes it twice as fast, and a few rounds catch too many or too few of these.
pub(crate) const CALLS: Group = Group {
    name: "remote-calls",
    placement: Placement::Free,
    rounds: (15, 61),
    probes: &[
        Probe {
            rows: &[time(
                "direct-call",
                "metadata through the client library",
                &[],
                &[],
            )],
            take: |scene, subject| calls(scene, subject, None),
        },
        Probe {
            rows: &[time(
                "relay-call",
                "  and a rendezvous, encrypted",
                &[],
                &[Budget::Row("direct-call", 2.0)],
            )],
            take: |scene, subject| calls(scene, subject, Some(Security::Noise)),
        },
        Probe {
            rows: &[time(
                "relay-plain-call",
                "  and a rendezvous, not encrypted",
                &[],
                &[Budget::Row("direct-call", 2.0)],
            )],
            take: |scene, subject| calls(scene, subject, Some(Security::Direct)),
        },
    ],
};

/// A row of throughput.
const fn throughput(name: &'static str, title: &'static str, budgets: &'static [Budget]) -> Row {
    Row {
        name,
        title,
        unit: Unit::Throughput,
        floor: &[],
        budgets,
    }
}

/// A child's output.
pub(crate) const STREAMS: Group = Group {
    name: "remote-streams",
    placement: Placement::Free,
    rounds: (2, 6),
    probes: &[
        Probe {
            rows: &[throughput(
                "direct-stream",
                "256 MiB of output through the client library",
                &[],
            )],
            take: |scene, subject| stream(scene, subject, direct(subject, None)?, 256 << 20),
        },
        Probe {
            rows: &[throughput(
                "relay-stream",
                "  and a rendezvous, encrypted",
                &[Budget::Row("direct-stream", 0.7)],
            )],
            take: |scene, subject| {
                let client = world(scene, subject, Security::Noise)?.connect(None)?;
                stream(scene, subject, client, 256 << 20)
            },
        },
        Probe {
            rows: &[throughput(
                "relay-plain-stream",
                "  and a rendezvous, not encrypted",
                &[Budget::Row("direct-stream", 0.7)],
            )],
            take: |scene, subject| {
                let client = world(scene, subject, Security::Direct)?.connect(None)?;
                stream(scene, subject, client, 256 << 20)
            },
        },
        Probe {
            rows: &[throughput(
                "relay-far-stream",
                "  the same at 100 ms of round trip, encrypted",
                &[Budget::Median(FAR)],
            )],
            take: |scene, subject| {
                let world = world(scene, subject, Security::Noise)?;
                let far = Far::start(&[world.address()], Network::Long(ONE_WAY))?;
                let client = world.connect(Some(&far.address.to_string()))?;
                stream(scene, subject, client, 128 << 20)
            },
        },
        // Above, three programs share the CPUs of one machine, and these are the bound. Between machines it is the slowest link.
        Probe {
            rows: &[throughput(
                "direct-link-stream",
                "64 MiB of output over a link of 1 Gbit/s",
                &[],
            )],
            take: |scene, subject| {
                let link = Far::start(&[address(&subject.server)], Network::Narrow(LINK))?;
                let client = direct(subject, Some(link.address))?;
                stream(scene, subject, client, 64 << 20)
            },
        },
        Probe {
            rows: &[throughput(
                "relay-link-stream",
                "  from a rendezvous, encrypted",
                &[Budget::Row("direct-link-stream", 0.7)],
            )],
            take: |scene, subject| {
                let world = world(scene, subject, Security::Noise)?;
                let link = Far::start(&[world.address()], Network::Narrow(LINK))?;
                let client = world.connect(Some(&link.address.to_string()))?;
                stream(scene, subject, client, 64 << 20)
            },
        },
    ],
};

/// Idle executors.
pub(crate) const MEMORY: Group = Group {
    name: "remote-memory",
    placement: Placement::Free,
    rounds: (1, 1),
    probes: &[Probe {
        rows: &[Row {
            name: "rendezvous-executors",
            title: "a rendezvous with 1,000 idle executors (RSS)",
            unit: Unit::Memory,
            floor: &[],
            budgets: &[Budget::Median(102_400.0)],
        }],
        take: |scene, subject| Ok(vec![vec![memory_of_executors(scene, subject)?]]),
    }],
};

/// Nodes that are killed.
pub(crate) const NODES: Group = Group {
    name: "remote-nodes",
    placement: Placement::Free,
    rounds: (2, 4),
    probes: &[
        Probe {
            rows: &[time(
                "node-killed",
                "longest silence of 8 streams whose harnesses' node of three is killed",
                &[],
                RESUMED,
            )],
            take: |scene, subject| Ok(vec![after_a_kill(scene, subject, Killed::Harness)?]),
        },
        Probe {
            rows: &[time(
                "executor-node-killed",
                "  whose executor's node is",
                &[],
                RESUMED,
            )],
            take: |scene, subject| Ok(vec![after_a_kill(scene, subject, Killed::Executor)?]),
        },
    ],
};

/// Every stream resumes in under two seconds.
const RESUMED: &[Budget] = &[Budget::P99(2_000_000.0)];

/// The budget of an interrupt.
const IN_TIME: &[Budget] = &[Budget::P99(50_000.0)];

/// Interrupts, from the call to the process's end.
pub(crate) const INTERRUPT: Group = Group {
    name: "remote-interrupt",
    placement: Placement::Free,
    rounds: (2, 6),
    probes: &[
        Probe {
            rows: &[time(
                "relay-interrupt",
                "interrupt beside another stream's flood, to the process's end",
                &[],
                IN_TIME,
            )],
            take: |scene, subject| interrupts(scene, subject, Flood::Beside),
        },
        Probe {
            rows: &[time(
                "relay-interrupt-behind",
                "  in the flooded stream itself",
                &[],
                IN_TIME,
            )],
            take: |scene, subject| interrupts(scene, subject, Flood::Same),
        },
        Probe {
            rows: &[time(
                "relay-interrupt-up",
                "  beside a flood of writes to the executor",
                &[],
                IN_TIME,
            )],
            take: |scene, subject| interrupts(scene, subject, Flood::Up),
        },
    ],
};

fn calls(
    scene: &mut Scene<'_>,
    subject: &Subject,
    security: Option<Security>,
) -> Result<Series, Failure> {
    let client = match security {
        None => direct(subject, None)?,
        Some(security) => world(scene, subject, security)?.connect(None)?,
    };
    let params = RawValue::from_string(subject.stat(scene.ground, Profile::Direct))
        .map_err(|error| Failure::Wrong(error.to_string()))?;
    let runtime = runtime()?;
    let times = scene.batch(|| {
        runtime.block_on(async {
            let begin = Instant::now();
            let answer: Result<Value, _> = client.call("fs/getMetadata", &params).await;
            answer.map_err(|error| failed(&error))?;
            Ok(microseconds(begin))
        })
    })?;
    runtime.block_on(client.close());
    Ok(vec![times])
}

/// Starts this program as a child of the server.
async fn start(client: &Client, params: Value) -> Result<Process, Failure> {
    let params: StartParams =
        serde_json::from_value(params).map_err(|error| Failure::Wrong(error.to_string()))?;
    client.start(&params).await.map_err(|error| failed(&error))
}

fn params(scene: &mut Scene<'_>, subject: &Subject, argv: &[&str]) -> Value {
    json!({
        "processId": scene.process_id(),
        "argv": argv,
        "cwd": subject.path(&scene.ground.project()),
        "env": {},
        "tty": false,
        "waitForReader": true,
    })
}

fn stream(
    scene: &mut Scene<'_>,
    subject: &Subject,
    client: Client,
    total: usize,
) -> Result<Series, Failure> {
    let total = scene.pick(total / 2, total);
    let program = text(&std::env::current_exe()?);
    let params = params(
        scene,
        subject,
        &[&program, "child", "output", &total.to_string()],
    );
    let rate = runtime()?.block_on(async {
        let mut process = start(&client, params).await?;
        let begin = Instant::now();
        let mut read = 0;
        while let Some(event) = process.events.next().await {
            match event {
                Event::Output { data, .. } => read += data.len(),
                Event::Exited { exit_code: 0, .. } | Event::Closed => {}
                other => return Err(Failure::Wrong(format!("{other:?} in the output"))),
            }
        }
        let rate = mib_per_second(total, begin);
        client.close().await;
        match read == total {
            true => Ok(rate),
            false => Err(Failure::Wrong(format!("{read} of {total} bytes arrived"))),
        }
    })?;
    Ok(vec![vec![rate]])
}

/// What an interrupt has to get through.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flood {
    /// Another harness's process writes without end.
    Beside,
    /// The own one's does.
    Same,
    /// Another harness writes files without end.
    Up,
}

fn interrupts(scene: &mut Scene<'_>, subject: &Subject, flood: Flood) -> Result<Series, Failure> {
    let world = world(scene, subject, Security::Noise)?;
    let (one, other) = (world.connect(None)?, world.connect(None)?);
    let program = text(&std::env::current_exe()?);
    let number = scene.pick(25, 50);
    let flooding = params(scene, subject, &[&program, "child", "flood"]);
    let sleeping: Vec<Value> = (0..number)
        .map(|_| params(scene, subject, &["/bin/sleep", "60"]))
        .collect();
    let target = subject.path(&scene.ground.written("flood", 0));
    let times = runtime()?.block_on(async {
        let client = match flood {
            Flood::Same => other.clone(),
            Flood::Beside | Flood::Up => one,
        };
        let flooded = match flood {
            Flood::Same | Flood::Beside => {
                let mut process = start(&other, flooding).await?;
                tokio::spawn(async move { while process.events.next().await.is_some() {} })
            }
            Flood::Up => {
                let other = other.clone();
                tokio::spawn(async move {
                    let contents =
                        base64_simd::STANDARD.encode_to_string(vec![b'x'; limits::FLOOD_WRITE]);
                    let params = json!({"path": target, "dataBase64": contents, "sandbox": null});
                    loop {
                        let written: Result<Value, _> = other.call("fs/writeFile", &params).await;
                        if written.is_err() {
                            return;
                        }
                    }
                })
            }
        };
        let mut times = Vec::new();
        for params in sleeping {
            let mut process = start(&client, params).await?;
            if flooded.is_finished() {
                return Err(Failure::Wrong("the flood ended".to_owned()));
            }
            let begin = Instant::now();
            process
                .handle
                .interrupt()
                .await
                .map_err(|error| failed(&error))?;
            loop {
                match process.events.next().await {
                    Some(Event::Exited { exit_code: 130, .. }) => {
                        break times.push(microseconds(begin));
                    }
                    Some(Event::Closed) => {}
                    other => {
                        return Err(Failure::Wrong(format!(
                            "{other:?} of a process that was interrupted"
                        )));
                    }
                }
            }
        }
        flooded.abort();
        client.close().await;
        other.close().await;
        Ok(times)
    })?;
    Ok(vec![times])
}
