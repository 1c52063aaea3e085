//! Three nodes over NATS, one of which is killed under several streams.

use std::time::{Duration, Instant};

use lockgate_client::{Client, Credentials, Registry, Remote};
use lockgate_wire::process::StartParams;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::{Far, Network, failed, gaps, options, runtime};
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

/// Harnesses whose streams are under way when the node is killed, each with a connection of its own.
const STREAMS: usize = 8;

/// Microseconds of the longest silence of each stream while a node that carries all of them is killed.
pub(crate) fn after_a_kill(
    scene: &mut Scene<'_>,
    subject: &Subject,
    killed: Killed,
) -> Result<Vec<f64>, Failure> {
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
    super::keep(&token, &output.stdout)?;
    let command = format!(
        "{} --remote http://{} --environment-id bench --token-file {}",
        subject.command,
        near_executor.address,
        text(&token)
    );
    let _executor = Server::spawn(&command, Guard::EndsWithUs, Shown::Nothing)?;
    let doomed = match killed {
        Killed::Harness => &nodes[1],
        Killed::Executor => &nodes[0],
    };
    let mut streams = Vec::new();
    for number in 0..STREAMS {
        let params = json!({
            "processId": format!("{name}-{number}"),
            "argv": ["/bin/sh", "-c", gaps::TICKS],
            "cwd": subject.path(&scene.ground.project()),
            "env": {"PATH": "/usr/bin:/bin"},
            "tty": false,
        });
        let params: StartParams =
            serde_json::from_value(params).map_err(|error| Failure::Wrong(error.to_string()))?;
        streams.push((connected(&near_harness, &token)?, params));
    }
    runtime()?.block_on(gaps::longest(&streams, || kill(doomed.root())))
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
