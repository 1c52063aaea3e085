//! Through a rendezvous: one stream of a relay, which outlives the websocket below it.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use lockgate_relay::driver::{
    Backoff, Channel, DialError, Io, Lost, RelayStream, Socket, Streams, dial_frames, without_query,
};
use lockgate_relay::noise::{Identity, Initiator, Prologue};
use lockgate_relay::registry::{Bundle, EnvironmentId, Registry, RegistryError};
use lockgate_relay::{Ended, Reason, Role};
use lockgate_wire::has_bytes;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::{Bytes, Utf8Bytes};

use super::heard::{self, Ear, Silence};
use super::target::Undialled;
use super::{Receive, Received, Send};
use crate::{Awaited, ClientError, limits};

/// Whether this websocket URL leads to a rendezvous and not to an executor.
pub fn is_rendezvous(url: &str) -> bool {
    let query = url.split('#').next().and_then(|url| url.split_once('?'));
    query.is_some_and(|(_, query)| query.split('&').any(|pair| pair == "role=harness"))
}

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
enum NoWay {
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
    async fn begin(&self, ear: &Ear) -> Result<(Socket, Option<Bundle>), NoWay> {
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
    async fn resume(&self, ear: &Ear) -> Result<Socket, NoWay> {
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
    fn is_final(&self) -> bool {
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

    fn retry_after(&self) -> Option<std::time::Duration> {
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

/// A new stream to the executor. `silence` is told while nothing is heard, and `reached` from where on nobody but the executor is waited for.
pub(crate) async fn open(
    way: &Way,
    silence: &Silence,
    reached: &AtomicBool,
) -> Result<(Reader, Writer), Undialled> {
    let shown = way.shown();
    let failed = |reason: String| Undialled {
        error: ClientError::Connect {
            url: shown.clone(),
            reason,
        },
        is_final: false,
    };
    // One for all physical connections: it is the stream that goes silent, whether they do or there is none.
    let ear = Ear::new();
    let late = |of: Awaited, after| Undialled {
        error: ClientError::Timeout { of, after },
        is_final: false,
    };
    let to = || shown.clone();
    let begun = way.begin(&ear).await;
    let (socket, bundle) = begun.map_err(|error| match error {
        NoWay::Dial(DialError::Timeout { after, .. }) => {
            late(Awaited::Connection { to: to() }, after)
        }
        error => Undialled {
            is_final: error.is_final(),
            ..failed(error.to_string())
        },
    })?;
    let streams = Streams::new(Role::Harness);
    let stream = streams.open().map_err(|error| failed(error.to_string()))?;
    let begun = match (way, &bundle) {
        (
            Way::Registry {
                identity: Some(identity),
                ..
            },
            Some(bundle),
        ) => {
            let prologue = Prologue::new(
                &bundle.environment_id,
                &bundle.executor_registration_id,
                stream.id(),
            );
            let (initiator, message) = Initiator::start(
                identity,
                &bundle.executor_public_key,
                &prologue,
                &bundle.harness_key_authorization,
            )
            .map_err(|error| failed(error.to_string()))?;
            stream
                .send_handshake(message)
                .map_err(|error| failed(error.to_string()))?;
            Some(initiator)
        }
        _ => None,
    };
    let stream = Arc::new(stream);
    let refused = Arc::new(OnceLock::new());
    let kept = keep_connected(
        socket,
        (way.clone(), ear.clone()),
        streams.clone(),
        Arc::clone(&stream),
        Arc::clone(&refused),
    );
    let silence = silence.clone();
    let link = Link(tokio::spawn(async move {
        tokio::select! {
            () = kept => {}
            never = heard::tell(&ear, limits::STREAM_UNHEARD, &silence) => match never {},
        }
    }));
    let channel = match begun {
        None => Channel::plain(stream),
        Some(initiator) => {
            reached.store(true, Ordering::Relaxed);
            let after = lockgate_relay::limits::HANDSHAKE;
            let answer = timeout(after, stream.handshake())
                .await
                .map_err(|_| late(Awaited::Executor { to: to() }, after))?
                // The words of a reset are anybody's.
                .map_err(|_| failed("the executor refused the handshake".to_owned()))?;
            match initiator.finish(&answer) {
                Ok(secured) => Channel::secured(stream, secured),
                Err(error) => {
                    return Err(failed(format!(
                        "this is not the executor that the registry named: {error}"
                    )));
                }
            }
        }
    };
    let channel = Arc::new(channel);
    Ok((
        Reader {
            channel: Arc::clone(&channel),
            refused,
        },
        Writer {
            channel,
            streams,
            link,
        },
    ))
}

/// The task that keeps a stream connected; it ends with this.
struct Link(JoinHandle<()>);

impl Drop for Link {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Carries the stream until it has ended.
async fn keep_connected(
    mut socket: Socket,
    (way, ear): (Way, Ear),
    streams: Streams,
    stream: Arc<RelayStream>,
    refused: Arc<OnceLock<String>>,
) {
    let mut backoff = Backoff::default();
    loop {
        let lost = streams.carry(&mut socket, &mut backoff).await;
        Streams::close(&mut socket).await;
        if matches!(lost, Lost::Shut) {
            return;
        }
        tracing::debug!("the connection to the rendezvous was lost: {lost}");
        let mut asked_for = None;
        loop {
            streams
                .rest(sleep(backoff.next_wait(asked_for, &streams)))
                .await;
            // It waited for too long, or cannot resume.
            if stream.is_over() {
                return;
            }
            match streams.rest(way.resume(&ear)).await {
                Ok(found) => {
                    socket = found;
                    break;
                }
                Err(error) if error.is_final() => {
                    // Nobody else sets it.
                    let _ = refused.set(error.to_string());
                    stream.reset(Reason::shortened("the harness cannot come back"));
                    return;
                }
                Err(error) => {
                    tracing::debug!("{error}");
                    asked_for = error.retry_after();
                }
            }
        }
    }
}

pub(crate) struct Reader {
    channel: Arc<Channel>,
    refused: Arc<OnceLock<String>>,
}

impl Receive for Reader {
    const CARRIES_BYTES: bool = true;

    async fn receive(&mut self) -> Result<Option<Received>, String> {
        match poll_fn(|cx| self.channel.poll_recv(cx)).await {
            Ok(message) if has_bytes(&message) => Ok(Some(Received::Bytes(message))),
            Ok(message) => Utf8Bytes::try_from(message)
                .map(|text| Some(Received::Text(text)))
                .map_err(|_| "a message is not UTF-8".to_owned()),
            Err(Ended::Here) => match self.refused.get() {
                Some(refused) => Err(refused.clone()),
                None => Ok(None),
            },
            Err(ended) => Err(ended.to_string()),
        }
    }
}

pub(crate) struct Writer {
    channel: Arc<Channel>,
    streams: Streams,
    link: Link,
}

impl Send for Writer {
    async fn feed(&mut self, message: String) -> Result<(), String> {
        poll_fn(|cx| self.channel.poll_ready(cx))
            .await
            .map_err(|ended| ended.to_string())?;
        self.channel
            .send(Bytes::from(message))
            .map_err(|error| error.to_string())
    }

    async fn flush(&mut self) -> Result<(), String> {
        // What the stream has, its carrier writes as soon as it can.
        poll_fn(|cx| self.channel.poll_flush(cx))
            .await
            .map_err(|ended| ended.to_string())
    }

    async fn close(&mut self) {
        self.channel.stream().finish();
        self.streams.shut();
        if timeout(limits::GOODBYE, &mut self.link.0).await.is_err() {
            self.link.0.abort();
        }
    }
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
