//! Where a connection leads, for opening it, and for opening another link in the place of one that was lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lockgate_relay::driver::without_query;
use tokio::sync::watch;
use tokio::time::timeout;

use super::{Link, relay, websocket};
use crate::calls::Calls;
use crate::resume::Pace;
use crate::{Awaited, ClientError, Remote};

/// Where a connection leads.
pub(crate) enum Target {
    /// To an executor that listens.
    Websocket(String),
    /// To one behind a rendezvous.
    Relay(relay::Way),
}

/// Why there is no link.
pub(crate) struct Undialled {
    pub(crate) error: ClientError,
    /// Whether no other attempt will do better.
    pub(crate) is_final: bool,
}

impl Target {
    pub(crate) fn of_url(url: &str) -> Target {
        match relay::is_rendezvous(url) {
            true => Target::Relay(relay::Way::at(url)),
            false => Target::Websocket(url.to_owned()),
        }
    }

    pub(crate) fn of_remote(remote: Remote) -> Target {
        Target::Relay(relay::Way::through(
            remote.registry,
            remote.environment,
            remote.encrypt,
        ))
    }

    /// A link that leads there. One that outlives its connections does so for `patience` at most.
    pub(crate) async fn dial(
        &self,
        within: Duration,
        patience: Option<Duration>,
        stopped: &watch::Receiver<bool>,
        calls: &Arc<Calls>,
    ) -> Result<Link, Undialled> {
        let (stopped, calls) = (stopped.clone(), Arc::clone(calls));
        // Then it is the executor that takes its time, and nothing on the way to it.
        let reached = AtomicBool::new(false);
        let dialling = async {
            Ok(match self {
                Target::Relay(way) => {
                    let halves = relay::open(way, patience, calls.silence(), &reached).await?;
                    Link::over(halves, None, stopped, calls)
                }
                Target::Websocket(url) => {
                    let halves = websocket::connect(url, calls.silence()).await?;
                    Link::over(halves, None, stopped, calls)
                }
            })
        };
        let late = || {
            let to = self.shown();
            let of = match reached.load(Ordering::Relaxed) {
                true => Awaited::Executor { to },
                false => Awaited::Connection { to },
            };
            Undialled {
                error: ClientError::Timeout { of, after: within },
                is_final: false,
            }
        };
        // Without time nothing is begun: what fails at once would else be told in place of what is to be changed.
        if within.is_zero() {
            return Err(late());
        }
        timeout(within, dialling)
            .await
            .unwrap_or_else(|_| Err(late()))
    }

    /// How attempts to come back follow each other.
    pub(crate) fn pace(&self, session: &str) -> Pace {
        match self {
            Target::Websocket(_) => Pace::Even,
            Target::Relay(_) => Pace::growing(session),
        }
    }

    /// As it may be shown: the query may hold a signature.
    fn shown(&self) -> String {
        match self {
            Target::Websocket(url) => without_query(url),
            Target::Relay(way) => way.shown(),
        }
    }
}
