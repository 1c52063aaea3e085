//! Through a rendezvous: one stream of a relay, which outlives the websocket below it.

use std::future::poll_fn;
use std::sync::{Arc, OnceLock};

use lockgate_relay::driver::{Backoff, DialError, Lost, RelayStream, Socket, Streams, dial};
use lockgate_relay::{Ended, Role};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::{Bytes, Utf8Bytes};

use super::{Receive, Send};
use crate::{ClientError, limits};

/// Whether this websocket URL leads to a rendezvous and not to an executor (PROTOCOL 8.2).
pub(crate) fn is_rendezvous(url: &str) -> bool {
    let query = url.split('#').next().and_then(|url| url.split_once('?'));
    query.is_some_and(|(_, query)| query.split('&').any(|pair| pair == "role=harness"))
}

/// Connects to a rendezvous and opens a stream.
pub(crate) async fn connect(url: &str) -> Result<(Reader, Writer), ClientError> {
    let failed = |reason: String| ClientError::Connect {
        url: without_query(url),
        reason,
    };
    let socket = dial(url).await.map_err(|error| failed(error.to_string()))?;
    let streams = Streams::new(Role::Harness);
    let stream = streams.open().map_err(|error| failed(error.to_string()))?;
    let stream = Arc::new(stream);
    let refused = Arc::new(OnceLock::new());
    let link = tokio::spawn(keep_connected(
        socket,
        url.to_owned(),
        streams.clone(),
        Arc::clone(&stream),
        Arc::clone(&refused),
    ));
    Ok((
        Reader {
            stream: Arc::clone(&stream),
            refused,
        },
        Writer {
            stream,
            streams,
            link,
        },
    ))
}

/// As it may be shown: the query holds the signature.
fn without_query(url: &str) -> String {
    url.split(['?', '#']).next().unwrap_or_default().to_owned()
}

/// Carries the stream until it has ended.
async fn keep_connected(
    mut socket: Socket,
    url: String,
    streams: Streams,
    stream: Arc<RelayStream>,
    refused: Arc<OnceLock<String>>,
) {
    let mut backoff = Backoff::default();
    // Says that its streams wait for their executor, too, should that not be there either.
    let again = format!("{url}&resume=1");
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
            match streams.rest(dial(&again)).await {
                Ok(found) => {
                    socket = found;
                    break;
                }
                Err(
                    error @ DialError::Refused {
                        status: 401 | 403, ..
                    },
                ) => {
                    // The URL has expired: no other attempt will do better.
                    let _ = refused.set(error.to_string());
                    stream.reset("the harness cannot come back");
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
    stream: Arc<RelayStream>,
    refused: Arc<OnceLock<String>>,
}

impl Receive for Reader {
    async fn receive(&mut self) -> Result<Option<Utf8Bytes>, String> {
        match poll_fn(|cx| self.stream.poll_recv(cx)).await {
            Ok(message) => Utf8Bytes::try_from(message)
                .map(Some)
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
    stream: Arc<RelayStream>,
    streams: Streams,
    link: JoinHandle<()>,
}

impl Send for Writer {
    async fn feed(&mut self, message: String) -> Result<(), String> {
        poll_fn(|cx| self.stream.poll_ready(cx))
            .await
            .map_err(|ended| ended.to_string())?;
        self.stream
            .send(Bytes::from(message))
            .map_err(|error| error.to_string())
    }

    async fn flush(&mut self) -> Result<(), String> {
        // The carrier writes what is there as soon as it can.
        Ok(())
    }

    async fn close(&mut self) {
        self.stream.finish();
        self.streams.shut();
        if timeout(limits::GOODBYE, &mut self.link).await.is_err() {
            self.link.abort();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.link.abort();
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
