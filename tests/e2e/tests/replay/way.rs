//! The ways on which a recorded client's messages come to a server: whole messages there, whole messages back, whatever carries them.

use std::any::Any;
use std::ffi::OsString;
use std::future::poll_fn;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use bytes::Bytes;
use lockgate_client::{Credentials, Registry};
use lockgate_e2e::{DEADLINE, Executor, Rendezvous, Server, Wire, lockgate};
use lockgate_relay::Role;
use lockgate_relay::driver::{Backoff, Channel, Streams, dial};
use lockgate_relay::noise::{Identity, Initiator, Prologue};
use lockgate_relay::registry::EnvironmentId;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Which one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Websocket,
    Stdio,
    Relay,
    /// Clients of May 2026 know no encryption.
    RelayEncrypted,
}

/// One that leads to a server of its own.
pub(crate) struct Way {
    carrier: Carrier,
    /// What has to run for it.
    _keeps: Box<dyn Any>,
}

enum Carrier {
    Websocket(Wire),
    Stdio(Lines<BufReader<ChildStdout>>, ChildStdin),
    Relay(Channel),
}

impl Way {
    /// To a server that works in this folder and has no other variables than a search path and these.
    pub(crate) async fn to(
        kind: Kind,
        work: &Path,
        folder: &Path,
        variables: &[(&str, &str)],
    ) -> Way {
        let set = |command: &mut std::process::Command| {
            let given = command.get_envs().map(|(name, _)| name.to_owned());
            let given: Vec<OsString> = given.filter(|name| name != "LOCKGATE_TOKEN").collect();
            for name in given {
                command.env_remove(name);
            }
            command
                .env("PATH", "/usr/local/bin:/usr/bin:/bin")
                .envs(variables.iter().copied())
                .current_dir(work);
        };
        match kind {
            Kind::Websocket => {
                let mut command = Server::command();
                set(&mut command);
                let server = Server::from_command(command);
                let carrier = Carrier::Websocket(Wire::connect(&server).await);
                Way::new(carrier, server)
            }
            Kind::Stdio => {
                let mut command = std::process::Command::new(lockgate());
                command.args(["serve", "--listen", "stdio"]).env_clear();
                set(&mut command);
                let mut child = Command::from(command)
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .kill_on_drop(true)
                    .spawn()
                    .expect("the server starts");
                let output = child.stdout.take().expect("a pipe");
                let input = child.stdin.take().expect("a pipe");
                let carrier = Carrier::Stdio(BufReader::new(output).lines(), input);
                Way::new(carrier, child)
            }
            Kind::Relay | Kind::RelayEncrypted => {
                let encrypt = matches!(kind, Kind::RelayEncrypted);
                let rendezvous = Rendezvous::start(folder);
                let token = rendezvous.token("box", "executor");
                let mut command = match encrypt {
                    true => Executor::encrypting(rendezvous.url(), "box", &token),
                    false => Executor::command(rendezvous.url(), "box", &token),
                };
                set(&mut command);
                let executor = Executor::from_command(command);
                let (channel, carried) = stream(&rendezvous, encrypt).await;
                Way::new(Carrier::Relay(channel), (carried, executor, rendezvous))
            }
        }
    }

    fn new(carrier: Carrier, keeps: impl Any) -> Way {
        Way {
            carrier,
            _keeps: Box::new(keeps),
        }
    }

    pub(crate) async fn send(&mut self, message: &Value) {
        let text = message.to_string();
        let sent = async {
            match &mut self.carrier {
                Carrier::Websocket(wire) => wire.send_text(text).await,
                Carrier::Stdio(_, input) => {
                    let line = text + "\n";
                    input.write_all(line.as_bytes()).await.expect("written");
                }
                Carrier::Relay(channel) => {
                    let ready = poll_fn(|cx| channel.poll_ready(cx)).await;
                    ready.expect("the stream is there");
                    channel.send(Bytes::from(text)).expect("sent");
                    let flushed = poll_fn(|cx| channel.poll_flush(cx)).await;
                    flushed.expect("the stream is there");
                }
            }
        };
        timeout(DEADLINE, sent).await.expect("sent in time");
    }

    /// The server's next one.
    pub(crate) async fn message(&mut self) -> Value {
        let came = async {
            match &mut self.carrier {
                Carrier::Websocket(wire) => wire.message().await,
                Carrier::Stdio(lines, _) => {
                    let line = lines.next_line().await.expect("text");
                    serde_json::from_str(&line.expect("a line")).expect("JSON")
                }
                Carrier::Relay(channel) => {
                    let message = poll_fn(|cx| channel.poll_recv(cx)).await;
                    serde_json::from_slice(&message.expect("a message")).expect("JSON")
                }
            }
        };
        timeout(DEADLINE, came).await.expect("a message in time")
    }
}

/// The task that carries a stream; it ends with this.
struct Carried(JoinHandle<()>);

impl Drop for Carried {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A harness's stream.
async fn stream(rendezvous: &Rendezvous, encrypt: bool) -> (Channel, Carried) {
    let streams = Streams::new(Role::Harness);
    let stream = streams.open().expect("a stream");
    let (url, secure) = match encrypt {
        false => (rendezvous.harness_url("box", None), None),
        true => {
            let credentials = Credentials::Token {
                token: rendezvous.token("box", "harness"),
                from: "the test".to_owned(),
            };
            let registry = Registry::new(rendezvous.url(), credentials).expect("a registry");
            let environment: EnvironmentId = "box".parse().expect("a name");
            let identity = Identity::generate();
            let asked = registry.connect(&environment, identity.public()).await;
            let bundle = asked.expect("a way");
            let prologue = Prologue::new(
                &bundle.environment_id,
                &bundle.executor_registration_id,
                stream.id(),
            );
            let begun = Initiator::start(
                &identity,
                &bundle.executor_public_key,
                &prologue,
                &bundle.harness_key_authorization,
            );
            let (initiator, message) = begun.expect("a handshake");
            stream.send_handshake(message).expect("sent");
            (bundle.url, Some(initiator))
        }
    };
    let mut socket = dial(&url).await.expect("connected");
    let carrying = streams.clone();
    let carried = Carried(tokio::spawn(async move {
        carrying.carry(&mut socket, &mut Backoff::default()).await;
    }));
    let stream = Arc::new(stream);
    let channel = match secure {
        None => Channel::plain(stream),
        Some(initiator) => {
            let answer = timeout(DEADLINE, stream.handshake()).await;
            let answer = answer.expect("in time").expect("an answer");
            Channel::secured(stream, initiator.finish(&answer).expect("secured"))
        }
    };
    (channel, carried)
}
