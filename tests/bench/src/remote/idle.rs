//! Executors that are connected and have nothing to do.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Instant;

use futures_util::StreamExt as _;
use lockgate_client::{Client, Credentials, Registry, Remote};
use lockgate_relay::driver::dial;
use lockgate_relay::noise::Identity;
use lockgate_relay::registry::EnvironmentId;
use tokio::task::JoinHandle;

use super::{failed, options, rendezvous, runtime, token};
use crate::failure::Failure;
use crate::ground::text;
use crate::probe::Scene;
use crate::server::{Guard, Server, Shown};
use crate::subject::Subject;
use crate::{limits, tree};

/// So many of the executors are whole ones; of the others only the connection is there.
const SERVING: usize = 8;

/// Resident KiB of a rendezvous with so many of them, each of another environment and registered for encrypted streams. All of them are connected at the end,
/// and those that serve are called.
pub(crate) fn memory_of_executors(
    scene: &mut Scene<'_>,
    subject: &Subject,
) -> Result<f64, Failure> {
    let name = scene.process_id();
    let (rendezvous, store) = rendezvous(scene, subject, &name)?;
    let mut serving = Vec::new();
    for number in 0..SERVING {
        let environment = format!("serving-{number}");
        let token = token(subject, &store, &environment)?;
        let file = scene
            .ground
            .configuration(&format!("{name}-{number}.token"));
        super::keep(&file, token.as_bytes())?;
        let command = format!(
            "{} --remote {} --environment-id {environment} --token-file {}",
            subject.command,
            rendezvous.url,
            text(&file)
        );
        let server = Server::spawn(&command, Guard::EndsWithUs, Shown::Nothing)?;
        serving.push((server, environment, token));
    }
    let mut held = Vec::new();
    for number in SERVING..limits::IDLE_CONNECTIONS {
        let name = format!("idle-{number}");
        let token = token(subject, &store, &name)?;
        held.push(runtime()?.block_on(idle(&rendezvous.url, &name, token))?);
    }
    let (_, _, asks) = &serving[0];
    let begin = Instant::now();
    // Those that serve say nowhere that they have registered.
    while connected(&rendezvous.url, asks)? < limits::IDLE_CONNECTIONS {
        if begin.elapsed() > limits::START {
            return all_are_there(&rendezvous.url, asks, &held).map(|()| f64::NAN);
        }
        std::thread::sleep(limits::REGISTERED_YET);
    }
    let (resident, _) = tree::memory(rendezvous.root());
    for (_, environment, token) in &serving {
        runtime()?.block_on(call(&rendezvous.url, environment, token))?;
    }
    all_are_there(&rendezvous.url, asks, &held)?;
    for task in held {
        task.abort();
    }
    Ok(resident)
}

/// A registry under this token.
fn registry(url: &str, token: &str) -> Result<Registry, Failure> {
    let credentials = Credentials::Token {
        token: token.to_owned(),
        from: "the bench".to_owned(),
    };
    Registry::new(url, credentials).map_err(|error| Failure::Wrong(error.to_string()))
}

fn environment(name: &str) -> Result<EnvironmentId, Failure> {
    name.parse()
        .map_err(|error| Failure::Wrong(format!("{error}")))
}

/// Connects an executor that does nothing but answer pings; the task ends with its connection.
async fn idle(url: &str, name: &str, token: String) -> Result<JoinHandle<()>, Failure> {
    let wrong = |error: String| Failure::Wrong(error);
    let identity = Identity::generate();
    let registration = registry(url, &token)?
        .register(&environment(name)?, Some(identity.public()))
        .await
        .map_err(|error| wrong(error.to_string()))?;
    let mut socket = dial(&registration.url)
        .await
        .map_err(|error| wrong(error.to_string()))?;
    Ok(tokio::spawn(async move {
        while let Some(Ok(_)) = socket.next().await {}
    }))
}

/// One call to an executor that serves.
async fn call(url: &str, name: &str, token: &str) -> Result<(), Failure> {
    let remote = Remote {
        registry: registry(url, token)?,
        environment: environment(name)?,
        encrypt: true,
    };
    let client = Client::connect_remote(remote, options())
        .await
        .map_err(|error| failed(&error))?;
    client
        .environment_info()
        .await
        .map_err(|error| failed(&error))?;
    client.close().await;
    Ok(())
}

/// Nobody was disconnected, as the rendezvous sees it and as the executors do.
fn all_are_there(url: &str, token: &str, held: &[JoinHandle<()>]) -> Result<(), Failure> {
    let listed = connected(url, token)?;
    let lost = held.iter().filter(|task| task.is_finished()).count();
    if listed == limits::IDLE_CONNECTIONS && lost == 0 {
        return Ok(());
    }
    Err(Failure::Wrong(format!(
        "of {} executors the rendezvous has {listed}, and {lost} have lost their connection",
        limits::IDLE_CONNECTIONS
    )))
}

/// How many executors the rendezvous says are connected.
fn connected(url: &str, token: &str) -> Result<usize, Failure> {
    let address = url.trim_start_matches("http://");
    let mut socket = TcpStream::connect(address)?;
    write!(
        socket,
        "GET /cloud/environments HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\r\n"
    )?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let list: serde_json::Value = serde_json::from_str(body)
        .map_err(|error| Failure::Wrong(format!("the list of environments: {error}")))?;
    let all = list["environments"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    Ok(all.iter().filter(|one| one["connected"] == true).count())
}
