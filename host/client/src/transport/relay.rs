//! Through a rendezvous: one stream of a relay, which outlives the websocket below it.

mod kept;
mod way;

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use lockgate_relay::driver::{Channel, DialError, Streams};
use lockgate_relay::noise::{Initiator, Prologue};
use lockgate_relay::{Ended, Role};
use lockgate_wire::has_bytes;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Bytes, Utf8Bytes};

use self::kept::{Kept, Link};
use self::way::NoWay;
pub(crate) use self::way::Way;
pub use self::way::is_rendezvous;
use super::heard::{self, Ear, Silence};
use super::target::Undialled;
use super::{Outage, Receive, Received, Send};
use crate::{Awaited, ClientError, limits};

/// A new stream to the executor. It may be without a physical connection for as long as `patience` says, where that says anything; `silence` is told while
/// nothing is heard, and `reached` from where on nobody but the executor is waited for.
pub(crate) async fn open(
    way: &Way,
    patience: Option<Duration>,
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
    let (outage, outages) = watch::channel(None);
    let kept = Kept {
        way: way.clone(),
        ear: ear.clone(),
        streams: streams.clone(),
        stream: Arc::clone(&stream),
        patience,
        outage,
        refused: Arc::clone(&refused),
    };
    let silence = silence.clone();
    let link = Link(tokio::spawn(async move {
        tokio::select! {
            () = kept.carry(socket) => {}
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
            outages,
            refused,
        },
        Writer {
            channel,
            streams,
            link,
        },
    ))
}

pub(crate) struct Reader {
    channel: Arc<Channel>,
    outages: watch::Receiver<Option<Outage>>,
    refused: Arc<OnceLock<String>>,
}

impl Receive for Reader {
    const CARRIES_BYTES: bool = true;

    fn outages(&self) -> Option<watch::Receiver<Option<Outage>>> {
        Some(self.outages.clone())
    }

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
