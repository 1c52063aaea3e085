//! A server reached through a rendezvous: the two run as operators would run them, and the client library is the harness, because nobody else
//! speaks the relay's contract. What is compared with it goes through the same library, over a websocket.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Instant;

use lockgate_client::{Client, ConnectOptions, Credentials, Registry, Remote};
use tokio::runtime::Runtime;

use crate::failure::Failure;
use crate::ground::text;
use crate::limits;
use crate::probe::Scene;
use crate::server::{Guard, Server, Shown};
use crate::subject::Subject;

mod far;
mod gaps;
mod idle;
mod nodes;

pub(crate) use far::{Far, Network};
pub(crate) use idle::memory_of_executors;
pub(crate) use nodes::{Killed, after_a_kill};

/// What a rendezvous sees of the streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Security {
    /// Ciphertext, as it is by itself.
    Noise,
    /// Everything.
    Direct,
}

/// A rendezvous with one executor.
pub(crate) struct World {
    of: (String, Security),
    rendezvous: Server,
    _executor: Server,
    token: PathBuf,
}

/// A rendezvous with an empty store of that name.
fn rendezvous(
    scene: &Scene<'_>,
    subject: &Subject,
    name: &str,
) -> Result<(Server, PathBuf), Failure> {
    let store = scene.ground.configuration(&format!("{name}.store"));
    let command = format!(
        "{} rendezvous serve --store {}",
        subject.program()?,
        text(&store)
    );
    Ok((Server::start(&command, Guard::EndsWithUs)?, store))
}

/// Writes a token into a file that is its owner's alone: others are refused.
fn keep(file: &std::path::Path, token: &[u8]) -> std::io::Result<()> {
    std::fs::write(file, token)?;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600))
}

/// A token for that environment.
fn token(subject: &Subject, store: &std::path::Path, environment: &str) -> Result<String, Failure> {
    let output = std::process::Command::new(subject.program()?)
        .args(["rendezvous", "token", "create", "--role", "both"])
        .args(["--environment", environment, "--store"])
        .arg(store)
        .output()?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(Failure::Wrong(format!("no token: {}", words.trim())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// What the harness's tasks run on: this thread, while it waits.
pub(crate) fn runtime() -> Result<&'static Runtime, Failure> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let made = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(RUNTIME.get_or_init(|| made))
}

/// A failure of the client library.
pub(crate) fn failed(error: &lockgate_client::ClientError) -> Failure {
    Failure::Wrong(error.to_string())
}

/// For one process whose every byte is wanted.
fn options() -> ConnectOptions {
    ConnectOptions {
        client_name: "lockgate-bench".to_owned(),
        wait_for_readers: true,
        ..ConnectOptions::default()
    }
}

/// The client library, straight to the server; `by`: another address under which it is reached.
pub(crate) fn direct(subject: &Subject, by: Option<SocketAddr>) -> Result<Client, Failure> {
    let url = by.map_or_else(|| subject.server.url.clone(), |by| format!("ws://{by}"));
    let connecting = Client::connect_ws(&url, options());
    runtime()?
        .block_on(connecting)
        .map_err(|error| failed(&error))
}

/// `HOST:PORT` of a server.
pub(crate) fn address(server: &Server) -> &str {
    server.url.rsplit('/').next().unwrap_or_default()
}

impl World {
    fn start(scene: &Scene<'_>, subject: &Subject, security: Security) -> Result<World, Failure> {
        let name = format!("{security:?}");
        let (rendezvous, store) = rendezvous(scene, subject, &name)?;
        let file = scene.ground.configuration(&format!("{name}.token"));
        keep(&file, token(subject, &store, "bench")?.as_bytes())?;
        let mut command = format!(
            "{} --remote {} --environment-id bench --token-file {}",
            subject.command,
            rendezvous.url,
            text(&file)
        );
        if security == Security::Direct {
            command.push_str(" --remote-transport direct");
        }
        let world = World {
            of: (subject.server.url.clone(), security),
            _executor: Server::spawn(&command, Guard::EndsWithUs, Shown::Nothing)?,
            rendezvous,
            token: file,
        };
        let begin = Instant::now();
        // It says nowhere that it has registered, but a harness is told.
        while let Err(failure) = world.connect(None) {
            if begin.elapsed() > limits::START {
                return Err(failure);
            }
            std::thread::sleep(limits::REGISTERED_YET);
        }
        Ok(world)
    }

    /// A harness's connection; `by`: another address under which the rendezvous is reached.
    pub(crate) fn connect(&self, by: Option<&str>) -> Result<Client, Failure> {
        let base = by.map_or_else(|| self.rendezvous.url.clone(), |by| format!("http://{by}"));
        let registry = Registry::new(&base, Credentials::File(self.token.clone()))
            .map_err(|error| Failure::Wrong(error.to_string()))?;
        let remote = Remote {
            registry,
            environment: "bench"
                .parse()
                .map_err(|error| Failure::Wrong(format!("{error}")))?,
            encrypt: self.of.1 == Security::Noise,
        };
        runtime()?
            .block_on(Client::connect_remote(remote, options()))
            .map_err(|error| failed(&error))
    }

    /// `HOST:PORT` of the rendezvous.
    pub(crate) fn address(&self) -> &str {
        address(&self.rendezvous)
    }
}

/// The rendezvous and executor beside this server; they are started when they are first asked for.
pub(crate) fn world<'a>(
    scene: &'a mut Scene<'_>,
    subject: &Subject,
    security: Security,
) -> Result<&'a World, Failure> {
    let of = (subject.server.url.clone(), security);
    let place = match scene.worlds.iter().position(|world| world.of == of) {
        Some(place) => place,
        None => {
            let world = World::start(scene, subject, security)?;
            scene.worlds.push(world);
            scene.worlds.len() - 1
        }
    };
    Ok(&scene.worlds[place])
}
