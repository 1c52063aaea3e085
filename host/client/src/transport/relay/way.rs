//! Where a stream's physical connections lead, and how each is opened.

use std::sync::Arc;

use lockgate_relay::driver::{DialError, Io, Socket, dial_frames, without_query};
use lockgate_relay::noise::Identity;
use lockgate_relay::registry::{Bundle, EnvironmentId, Registry, RegistryError};
use tokio::time::timeout;

use crate::transport::heard::Ear;

/// Where URLs of the rendezvous come from: each physical connection needs one that has not expired.
#[derive(Clone)]
pub(crate) enum Way {
    /// The same each time.
    Url(String),
    /// From a registry.
    Registry {
        registry: Registry,
        environment: EnvironmentId,
        /// The keys of this harness, for encrypted streams.
        identity: Option<Arc<Identity>>,
    },
}

/// Why there is no physical connection.
pub(super) enum NoWay {
    Dial(DialError),
    Registry(RegistryError),
}

impl Way {
    /// To the rendezvous at a URL, without encryption: there are no keys in a URL.
    pub(crate) fn at(url: &str) -> Way {
        Way::Url(url.to_owned())
    }

    /// Through a registry.
    pub(crate) fn through(registry: Registry, environment: EnvironmentId, encrypt: bool) -> Way {
        Way::Registry {
            registry,
            environment,
            identity: encrypt.then(|| Arc::new(Identity::generate())),
        }
    }

    /// A URL, and what the registry says of the executor.
    async fn find(&self) -> Result<(String, Option<Bundle>), NoWay> {
        match self {
            Way::Url(url) => Ok((url.clone(), None)),
            Way::Registry {
                registry,
                environment,
                identity: Some(identity),
            } => {
                let bundle = registry.connect(environment, identity.public()).await;
                let bundle = bundle.map_err(NoWay::Registry)?;
                Ok((bundle.url.clone(), Some(bundle)))
            }
            Way::Registry {
                registry,
                environment,
                identity: None,
            } => {
                let way = registry.connect_directly(environment).await;
                Ok((way.map_err(NoWay::Registry)?.url, None))
            }
        }
    }

    /// Connects for the first time. A URL that has expired meanwhile is replaced once.
    pub(super) async fn begin(&self, ear: &Ear) -> Result<(Socket, Option<Bundle>), NoWay> {
        let (url, bundle) = self.find().await?;
        match dial(&url, ear).await {
            Ok(socket) => Ok((socket, bundle)),
            Err(DialError::Refused { status: 401, .. }) if matches!(self, Way::Registry { .. }) => {
                let (url, bundle) = self.find().await?;
                Ok((dial(&url, ear).await.map_err(NoWay::Dial)?, bundle))
            }
            Err(error) => Err(NoWay::Dial(error)),
        }
    }

    /// Connects again.
    pub(super) async fn resume(&self, ear: &Ear) -> Result<Socket, NoWay> {
        let (url, _) = self.find().await?;
        // Says that its streams wait for their executor, too, should that not be there either.
        dial(&format!("{url}&resume=1"), ear)
            .await
            .map_err(NoWay::Dial)
    }

    /// As it may be shown.
    pub(crate) fn shown(&self) -> String {
        match self {
            Way::Url(url) => without_query(url),
            Way::Registry {
                registry,
                environment,
                ..
            } => format!("{environment} at {}", registry.shown()),
        }
    }
}

impl NoWay {
    /// Whether no other attempt will do better.
    pub(super) fn is_final(&self) -> bool {
        match self {
            NoWay::Dial(error) => {
                matches!(
                    error,
                    DialError::Refused {
                        status: 401 | 403,
                        ..
                    }
                )
            }
            NoWay::Registry(error) => !error.is_passing(),
        }
    }

    pub(super) fn retry_after(&self) -> Option<std::time::Duration> {
        match self {
            NoWay::Dial(error) => error.retry_after(),
            NoWay::Registry(error) => error.retry_after(),
        }
    }
}

impl std::fmt::Display for NoWay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NoWay::Dial(error) => error.fmt(f),
            NoWay::Registry(error) => error.fmt(f),
        }
    }
}

/// One physical connection, which is listened to.
async fn dial(url: &str, ear: &Ear) -> Result<Socket, DialError> {
    let after = lockgate_relay::limits::CONNECT;
    let between = |io| Box::new(ear.at(io)) as Box<dyn Io>;
    timeout(after, dial_frames(url, between))
        .await
        .unwrap_or_else(|_| {
            let url = without_query(url);
            Err(DialError::Timeout { url, after })
        })
}

/// Whether this websocket URL leads to a rendezvous and not to an executor.
pub fn is_rendezvous(url: &str) -> bool {
    let query = url.split('#').next().and_then(|url| url.split_once('?'));
    query.is_some_and(|(_, query)| query.split('&').any(|pair| pair == "role=harness"))
}

#[cfg(test)]
mod tests {
    use super::is_rendezvous;

    #[test]
    fn only_the_exact_pair_makes_it_a_rendezvous() {
        for url in ["ws://h/?role=harness", "wss://h/r?a=b&role=harness&c=d"] {
            assert!(is_rendezvous(url), "{url}");
        }
        for url in [
            "ws://h/",
            "ws://h/role=harness",
            "ws://h/?role=harnesses",
            "ws://h/?xrole=harness",
            "ws://h/?role=environment",
            "ws://h/?a#role=harness",
        ] {
            assert!(!is_rendezvous(url), "{url}");
        }
    }
}
