//! HTTP through the executor: answers in one piece, and bodies as they come.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use lockgate_wire::http::{
    BodyDeltaNotification, Header, RedirectPolicy, RequestParams, RequestResult,
};
use lockgate_wire::lockgate::http::{AcknowledgeParams, CancelParams};
use lockgate_wire::{Base64Text, Method};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::inbound::Behind;
use crate::routes::Begins;
use crate::{Client, ClientError, limits};

/// A request for the executor to send.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpRequest {
    /// Case-sensitive.
    pub method: String,
    /// Absolute, http or https.
    pub url: String,
    /// In order, repeats kept.
    pub headers: Vec<Header>,
    /// The body, if there is one.
    pub body: Option<Vec<u8>>,
    /// For the whole exchange, at the executor; its end is a failure of the call or of the body.
    pub timeout: Option<Duration>,
    /// What becomes of redirects.
    pub redirects: RedirectPolicy,
}

/// The beginning of an answer whose body follows.
#[derive(Debug)]
pub struct HttpResponse {
    /// Of the last hop.
    pub status: u16,
    /// Names in lower case, repeats kept.
    pub headers: Vec<Header>,
    /// What follows.
    pub body: HttpBody,
}

/// A body as it comes. One that is dropped before its end is not listened to any more, and given up at a server that has `lockgate/http/cancel`;
/// at others it goes on until the connection ends.
#[derive(Debug)]
pub struct HttpBody {
    client: Client,
    name: String,
    pieces: mpsc::Receiver<Piece>,
    failed: Arc<OnceLock<Failed>>,
    ended: bool,
    progress: Progress,
}

/// How far a body was read.
#[derive(Debug)]
struct Progress {
    /// Bytes that came and were not read.
    unread: Arc<AtomicU64>,
    read: u64,
    /// The server wants to hear of it, and has heard this.
    acknowledged: Option<u64>,
}

/// Where the pieces of one body go.
pub(crate) struct Route {
    pieces: mpsc::Sender<Piece>,
    failed: Arc<OnceLock<Failed>>,
    /// The number that comes next.
    next: u64,
    unread: Arc<AtomicU64>,
    waited_for: bool,
    /// The executor said that it keeps to the window: with more than that it does not.
    acknowledged: bool,
}

/// Why a body does not come to its end.
#[derive(Debug)]
struct Failed {
    why: String,
    /// At the server it has ended as well, with its link.
    everywhere: bool,
}

/// One piece; the last one says how the body ended.
#[derive(Debug)]
pub(crate) struct Piece {
    data: Vec<u8>,
    end: Option<Option<String>>,
}

/// What became of a piece.
pub(crate) enum Pushed {
    /// It is in the queue.
    Taken,
    /// It was the last one, or the stream has failed: nothing more will be taken.
    Over,
    /// Its reader is behind, and the connection waits.
    Behind(Behind),
}

impl Route {
    /// Takes in a piece. A number that is missing or comes again fails the stream, and so does a reader who is too far behind.
    pub(crate) fn push(&mut self, delta: BodyDeltaNotification) -> Pushed {
        if delta.seq != self.next {
            return self.fail(format!(
                "piece {} came where piece {} was due",
                delta.seq, self.next
            ));
        }
        self.next += 1;
        let piece = Piece {
            data: delta.delta_base64.0,
            end: delta.done.then_some(delta.error),
        };
        let is_last = piece.end.is_some();
        let bytes = piece.data.len() as u64;
        let unread = self.unread.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if unread > limits::BODY_BYTES && (self.acknowledged || !self.waited_for) {
            let most = limits::BODY_BYTES;
            return self.fail(match self.acknowledged {
                true => format!("more than {most} bytes came beyond those that were acknowledged"),
                false => format!("its reader is more than {most} bytes behind"),
            });
        }
        match self.pieces.try_send(piece) {
            Ok(()) if is_last => Pushed::Over,
            Ok(()) => Pushed::Taken,
            Err(mpsc::error::TrySendError::Full(piece)) if self.waited_for => {
                Pushed::Behind(Behind::Body(self.pieces.clone(), piece))
            }
            Err(mpsc::error::TrySendError::Full(_)) => self.fail(format!(
                "its reader is more than {} pieces behind",
                self.pieces.max_capacity()
            )),
            // Nobody listens any more.
            Err(mpsc::error::TrySendError::Closed(_)) => Pushed::Over,
        }
    }

    fn fail(&self, why: String) -> Pushed {
        let everywhere = false;
        let _ = self.failed.set(Failed { why, everywhere });
        Pushed::Over
    }

    /// Its link is lost.
    pub(crate) fn lost(&self, why: &str) {
        let _ = self.failed.set(Failed {
            why: format!("the connection was lost before its end ({why})"),
            everywhere: true,
        });
    }
}

impl Client {
    /// Sends a request; the answer comes in one piece.
    pub async fn http(&self, request: &HttpRequest) -> Result<RequestResult, ClientError> {
        let params = params(request, self.calls().routes().http_name(), false);
        self.call(Method::HttpRequest.name(), &params).await
    }

    /// Sends a request; the body comes as it does.
    pub async fn http_stream(&self, request: &HttpRequest) -> Result<HttpResponse, ClientError> {
        let name = self.calls().routes().http_name();
        let acknowledges = self.has(Method::LockgateHttpAcknowledge);
        let (sender, pieces) = mpsc::channel(match acknowledges {
            true => limits::BODY_WINDOW_PIECES,
            false => limits::BODY_PIECES,
        });
        let unread = Arc::new(AtomicU64::new(0));
        let failed = Arc::new(OnceLock::new());
        let route = Route {
            pieces: sender,
            failed: Arc::clone(&failed),
            next: 1,
            unread: Arc::clone(&unread),
            waited_for: self.waits_for_readers(),
            acknowledged: acknowledges,
        };
        // Also stops listening when the call fails.
        let mut body = HttpBody {
            client: self.clone(),
            name: name.clone(),
            pieces,
            failed,
            ended: false,
            progress: Progress {
                unread,
                read: 0,
                acknowledged: acknowledges.then_some(0),
            },
        };
        let mut params = params(request, name.clone(), true);
        params.window_bytes = acknowledges.then_some(limits::BODY_WINDOW);
        let begins = Begins::Body(&name, route);
        let method = Method::HttpRequest.name();
        let result: RequestResult = match self.begin(method, &params, begins).await {
            Ok(result) => result,
            Err(error) => {
                // There is nothing to give up, unless the server is only slow.
                body.ended = !matches!(error, ClientError::Timeout { .. });
                return Err(error);
            }
        };
        Ok(HttpResponse {
            status: result.status,
            headers: result.headers,
            body,
        })
    }
}

fn params(request: &HttpRequest, name: String, stream: bool) -> RequestParams<'static> {
    RequestParams {
        method: request.method.clone(),
        url: request.url.clone(),
        headers: request.headers.clone(),
        body_base64: request.body.as_deref().map(Base64Text::encode),
        timeout_ms: request.timeout.map(milliseconds),
        request_id: name,
        stream_response: stream,
        redirect_policy: request.redirects,
        window_bytes: None,
    }
}

/// Whole ones, and not less than was said: half of one is not no time.
fn milliseconds(timeout: Duration) -> u64 {
    u64::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

impl HttpBody {
    /// The next bytes; none after the end. An error is the last thing that comes. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Result<Vec<u8>, ClientError>> {
        while !self.ended {
            match self.piece().await {
                Some(Piece { data, end: None }) if data.is_empty() => {}
                Some(Piece { data, end: None }) => return Some(Ok(data)),
                Some(Piece {
                    data,
                    end: Some(None),
                }) => {
                    self.ended = true;
                    // Normally the last piece is empty.
                    return (!data.is_empty()).then_some(Ok(data));
                }
                Some(Piece {
                    end: Some(Some(why)),
                    ..
                }) => {
                    self.ended = true;
                    return Some(Err(ClientError::Body(why)));
                }
                None => {
                    self.give_up();
                    self.ended = true;
                    let why = match self.failed.get() {
                        Some(failed) => ClientError::Body(failed.why.clone()),
                        None => self.client.calls().ended().unwrap_or_else(|| {
                            ClientError::Body("the connection ended before it".to_owned())
                        }),
                    };
                    return Some(Err(why));
                }
            }
        }
        None
    }

    /// The next one. What was read of those before is acknowledged first.
    async fn piece(&mut self) -> Option<Piece> {
        while !self.acknowledge() {
            // Others keep the connection busy.
            let again = limits::BODY_ACKNOWLEDGE_AGAIN;
            if let Ok(piece) = timeout(again, self.pieces.recv()).await {
                return self.took(piece);
            }
        }
        let piece = self.pieces.recv().await;
        self.took(piece)
    }

    fn took(&mut self, piece: Option<Piece>) -> Option<Piece> {
        let bytes = piece.as_ref().map_or(0, |piece| piece.data.len() as u64);
        self.progress.read += bytes;
        self.progress.unread.fetch_sub(bytes, Ordering::Relaxed);
        piece
    }

    /// Tells a server that waits for it how far this was read, if that is worth it. False where it had no room.
    fn acknowledge(&mut self) -> bool {
        let Progress {
            read, acknowledged, ..
        } = &mut self.progress;
        let Some(acknowledged) = acknowledged else {
            return true;
        };
        if *read - *acknowledged < limits::BODY_ACKNOWLEDGE || self.failed.get().is_some() {
            return true;
        }
        let params = AcknowledgeParams {
            request_id: self.name.clone(),
            bytes: *read,
        };
        let method = Method::LockgateHttpAcknowledge.name();
        let is_sent = self.client.calls().cast(method, &params);
        if is_sent {
            *acknowledged = *read;
        }
        is_sent
    }

    /// At the server, which knows nothing of what happens here.
    fn give_up(&self) {
        let is_over = self.failed.get().is_some_and(|failed| failed.everywhere);
        if !is_over && self.client.has(Method::LockgateHttpCancel) {
            let params = CancelParams {
                request_id: self.name.clone(),
            };
            let method = Method::LockgateHttpCancel.name();
            self.client.calls().cast(method, &params);
        }
    }

    /// All that follows, if it is at most `most` bytes.
    pub async fn read_to_end(mut self, most: usize) -> Result<Vec<u8>, ClientError> {
        let mut bytes = Vec::new();
        while let Some(piece) = self.next().await {
            bytes.extend(piece?);
            if bytes.len() > most {
                return Err(ClientError::Body(format!("it has more than {most} bytes")));
            }
        }
        Ok(bytes)
    }
}

impl Drop for HttpBody {
    fn drop(&mut self) {
        self.client.calls().routes().stop_listening(&self.name);
        if !self.ended {
            self.give_up();
        }
    }
}
