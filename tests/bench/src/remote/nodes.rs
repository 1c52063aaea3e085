//! Three nodes over NATS, one of which is killed under a stream.

use std::time::{Duration, Instant};

use lockgate_client::{Client, Credentials, Event, Registry, Remote};
use lockgate_wire::process::StartParams;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::{Far, Network, failed, options, runtime};
use crate::connection::microseconds;
use crate::failure::Failure;
use crate::ground::text;
use crate::limits;
use crate::probe::Scene;
use crate::server::{Guard, Server, Shown};
use crate::subject::Subject;

/// Whose node is killed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Killed {
    Harness,
    Executor,
}

/// What the process under the stream does: a line each few milliseconds.
const TICKS: &str = "i=0; while :; do echo $i; i=$((i + 1)); sleep 0.005; done";

/// Lines before the kill and after it.
const LINES: usize = 100;

/// Microseconds from the kill of a node to the next byte of a stream through it.
pub(crate) fn after_a_kill(
    scene: &mut Scene<'_>,
    subject: &Subject,
    killed: Killed,
) -> Result<f64, Failure> {
    let name = scene.process_id();
    let ports = scene.ground.configuration(&format!("{name}.ports"));
    std::fs::create_dir(&ports)?;
    let data = scene.ground.configuration(&format!("{name}.nats"));
    let command = format!(
        "nats-server -js -a 127.0.0.1 -p -1 -sd {} --ports_file_dir {}",
        text(&data),
        text(&ports)
    );
    let _nats = Server::spawn(&command, Guard::EndsWithUs, Shown::Nothing)?;
    let begin = Instant::now();
    let nats = loop {
        match url_in(&ports) {
            Some(url) => break url,
            None if begin.elapsed() > limits::START => {
                return Err(Failure::Wrong(
                    "nats-server says no port (is it installed?)".into(),
                ));
            }
            None => std::thread::sleep(limits::REGISTERED_YET),
        }
    };
    let node = || {
        let command = format!("{} rendezvous serve --nats {nats}", subject.program()?);
        Server::start(&command, Guard::EndsWithUs)
    };
    let nodes = [node()?, node()?, node()?];
    let [one, two, three] = [0, 1, 2].map(|number| nodes[number].url.trim_start_matches("http://"));
    // What stands before nodes, as each end sees it: the third is where both find a way.
    let near_executor = Far::start(&[one, three], Network::Long(Duration::ZERO))?;
    let near_harness = Far::start(&[two, three], Network::Long(Duration::ZERO))?;
    let output = std::process::Command::new(subject.program()?)
        .args(["rendezvous", "token", "create", "--role", "both"])
        .args(["--environment", "bench", "--nats", &nats])
        .output()?;
    let token = scene.ground.configuration(&format!("{name}.token"));
    std::fs::write(&token, output.stdout)?;
    let command = format!(
        "{} --remote http://{} --environment-id bench --token-file {}",
        subject.command,
        near_executor.address,
        text(&token)
    );
    let _executor = Server::spawn(&command, Guard::EndsWithUs, Shown::Nothing)?;
    let client = connected(&near_harness, &token)?;
    let doomed = match killed {
        Killed::Harness => &nodes[1],
        Killed::Executor => &nodes[0],
    };
    let params = json!({
        "processId": name,
        "argv": ["/bin/sh", "-c", TICKS],
        "cwd": subject.path(&scene.ground.project()),
        "env": {"PATH": "/usr/bin:/bin"},
        "tty": false,
    });
    let params: StartParams =
        serde_json::from_value(params).map_err(|error| Failure::Wrong(error.to_string()))?;
    runtime()?.block_on(async {
        let mut process = client
            .start(&params)
            .await
            .map_err(|error| failed(&error))?;
        let mut said = Vec::new();
        let (mut killed, mut gap) = (None, None);
        while gap.is_none() || said.iter().filter(|byte| **byte == b'\n').count() < 2 * LINES {
            match tokio::time::timeout(limits::SILENCE, process.events.next()).await {
                Ok(Some(Event::Output { data, .. })) => said.extend(data),
                Ok(other) => return Err(Failure::Wrong(format!("{other:?} in the stream"))),
                Err(_) => {
                    return Err(Failure::Silence {
                        what: "a stream whose node was killed",
                        seconds: limits::SILENCE.as_secs(),
                    });
                }
            }
            match killed {
                None if said.iter().filter(|byte| **byte == b'\n').count() >= LINES => {
                    kill(doomed.root())?;
                    killed = Some(Instant::now());
                }
                // What was already here does not count.
                Some(at) if gap.is_none() && at.elapsed() > Duration::from_millis(20) => {
                    gap = Some(microseconds(at));
                }
                _ => {}
            }
        }
        let lines = String::from_utf8_lossy(&said);
        let mut whole: Vec<&str> = lines.lines().collect();
        whole.pop();
        if whole
            .iter()
            .enumerate()
            .any(|(number, line)| *line != number.to_string())
        {
            return Err(Failure::Wrong(
                "a line is missing, or came twice".to_owned(),
            ));
        }
        client.close().await;
        gap.ok_or_else(|| Failure::Wrong("nothing was killed".to_owned()))
    })
}

fn kill(pid: u32) -> Result<(), Failure> {
    let pid = Pid::from_raw(pid as i32).ok_or_else(|| Failure::Wrong("no process".to_owned()))?;
    Ok(kill_process(pid, Signal::KILL)?)
}

/// What nats-server wrote when it listened.
fn url_in(folder: &std::path::Path) -> Option<String> {
    let file = std::fs::read_dir(folder).ok()?.next()?.ok()?.path();
    let ports: serde_json::Value = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    Some(ports["nats"][0].as_str()?.to_owned())
}

fn connected(by: &Far, token: &std::path::Path) -> Result<Client, Failure> {
    let begin = Instant::now();
    loop {
        let credentials = Credentials::File(token.to_owned());
        let registry = Registry::new(&format!("http://{}", by.address), credentials)
            .map_err(|error| Failure::Wrong(error.to_string()))?;
        let remote = Remote {
            registry,
            environment: "bench"
                .parse()
                .map_err(|error| Failure::Wrong(format!("{error}")))?,
            encrypt: true,
        };
        match runtime()?.block_on(Client::connect_remote(remote, options())) {
            Ok(client) => return Ok(client),
            Err(error) if begin.elapsed() > limits::START => return Err(failed(&error)),
            Err(_) => std::thread::sleep(limits::REGISTERED_YET),
        }
    }
}
