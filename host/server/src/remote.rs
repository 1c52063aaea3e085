//! Serving through a rendezvous: register, connect, carry streams, and again when the connection is lost.
//!
//! Each stream that a harness opens is a connection like any other. Streams and sessions live beside the physical connection, so that losing it
//! costs them nothing but time.

use std::io::Write;
use std::sync::Arc;

use lockgate_relay::Role;
use lockgate_relay::driver::{Backoff, Channel, Lost, Streams, dial};
use lockgate_relay::registry::{EnvironmentId, Registry, RegistryError};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::door::Door;
use crate::service::Service;
use crate::transport::Relayed;
use crate::{connection, limits};

/// Where to register, and as what.
#[derive(Clone, Debug)]
pub struct RemoteOptions {
    /// The registry.
    pub registry: Registry,
    /// The environment that this executor is.
    pub environment: EnvironmentId,
    /// Encrypt streams from end to end, and take no others.
    pub encrypt: bool,
    /// A name for people, in the log.
    pub name: Option<String>,
    /// Who says on stderr that it is registered.
    pub announced: Announced,
}

/// Whose words the line has that operators and their scripts wait for, once it is registered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Announced {
    /// Lockgate's.
    #[default]
    Lockgate,
    /// Those of `codex exec-server`, for scripts that started one.
    ExecServer,
}

/// The streams of this executor, and the task that keeps them connected.
pub(crate) struct Remote {
    streams: Streams,
    environment: EnvironmentId,
    door: Option<Arc<Door>>,
    link: JoinHandle<Option<RegistryError>>,
    /// That task has ended.
    is_over: bool,
}

impl Remote {
    pub(crate) fn start(options: RemoteOptions) -> Remote {
        let streams = Streams::new(Role::Executor);
        let environment = options.environment.clone();
        let door = options
            .encrypt
            .then(|| Arc::new(Door::new(options.registry.clone(), environment.clone())));
        let link = tokio::spawn(keep_connected(options, streams.clone(), door.clone()));
        Remote {
            streams,
            environment,
            door,
            link,
            is_over: false,
        }
    }

    /// Serves until the registry refuses for good.
    pub(crate) async fn serve(&mut self, service: &Arc<Service>) -> Option<RegistryError> {
        loop {
            let stream = tokio::select! {
                stream = self.streams.accept() => stream,
                refused = &mut self.link => {
                    self.is_over = true;
                    return refused.ok().flatten();
                }
            };
            let (door, service) = (self.door.clone(), Arc::clone(service));
            let environment = self.environment.to_string();
            tokio::spawn(async move {
                let channel = match door {
                    Some(door) => door.admit(stream).await,
                    None => Some(Channel::plain(stream)),
                };
                if let Some(channel) = channel {
                    connection::serve(Relayed::new(channel, environment), service).await;
                }
            });
        }
    }

    /// After the service was stopped: gives the streams a moment for their last words.
    pub(crate) async fn end(mut self) {
        if self.is_over {
            return;
        }
        self.streams.shut();
        if timeout(limits::GOODBYE, &mut self.link).await.is_err() {
            tracing::debug!("some clients were not reached by the good-bye");
            self.link.abort();
        }
    }
}

/// Registers, connects and carries, for ever. Ends when it was shut, or with what the registry said for good.
///
/// Registrations are tried again while the registry is not there: it may be about to be started, as whole sets of services are, or restarted. What no other
/// attempt would change ends it. Of a first registration that is more: a certificate that is not trusted, and somebody who is no registry, are mistakes until there was one.
async fn keep_connected(
    options: RemoteOptions,
    streams: Streams,
    door: Option<Arc<Door>>,
) -> Option<RegistryError> {
    let RemoteOptions {
        registry,
        environment,
        name,
        announced,
        ..
    } = options;
    // Left out of the log where there is none.
    let name = name.as_deref();
    let mut backoff = Backoff::default();
    let mut is_known = false;
    let mut is_away = false;
    loop {
        let keys = door.as_ref().map(|door| door.keys());
        let asked_for = match streams.rest(registry.register(&environment, keys)).await {
            Ok(registration) => {
                if !std::mem::replace(&mut is_known, true) {
                    announce(&environment, announced);
                }
                if let (Some(door), Some(id)) = (&door, registration.executor_registration_id) {
                    door.registered(id);
                }
                match streams.rest(dial(&registration.url)).await {
                    Ok(mut socket) => {
                        match std::mem::take(&mut is_away) {
                            // Who was told that it is lost is told that it is back.
                            true => {
                                tracing::warn!(%environment, name, "connected to the rendezvous again")
                            }
                            false => {
                                tracing::info!(%environment, name, "connected to the rendezvous")
                            }
                        }
                        let lost = streams.carry(&mut socket, &mut backoff).await;
                        Streams::close(&mut socket).await;
                        is_away = true;
                        if matches!(lost, Lost::Shut) {
                            return None;
                        }
                        if matches!(lost, Lost::Replaced) {
                            // Coming back at once would only take the place away again.
                            let after = limits::REPLACED;
                            tracing::warn!(
                                "{lost}: stop one of the two, or give it an environment of its own; this one tries again in {} s",
                                after.as_secs()
                            );
                            Some(after)
                        } else {
                            tracing::warn!("the connection to the rendezvous was lost: {lost}");
                            None
                        }
                    }
                    Err(error) => {
                        tracing::warn!("{error}");
                        error.retry_after()
                    }
                }
            }
            Err(error) if is_known && error.is_passing() => {
                tracing::warn!("{error}");
                error.retry_after()
            }
            Err(error) if !is_known && error.is_not_up() => {
                let asked_for = error.retry_after();
                let wait = backoff.next_wait(asked_for, &streams);
                tracing::warn!(
                    "not registered yet, trying again in {:.1} s: {error}",
                    wait.as_secs_f32()
                );
                streams.rest(sleep(wait)).await;
                continue;
            }
            Err(error) => return Some(error),
        };
        let wait = backoff.next_wait(asked_for, &streams);
        tracing::debug!(?wait, "waiting before the next attempt");
        streams.rest(sleep(wait)).await;
    }
}

fn announce(environment: &EnvironmentId, announced: Announced) {
    let who = match announced {
        Announced::Lockgate => "lockgate:",
        Announced::ExecServer => "codex exec-server remote environment",
    };
    // Without a stderr nobody waits for it.
    let _ = writeln!(
        std::io::stderr(),
        "{who} registered with environment_id {environment}"
    );
}
