//! One physical connection, over any transport: what drives it, and how it ends.

pub(crate) mod heard;
pub(crate) mod messages;
pub(crate) mod relay;
pub(crate) mod stdio;
pub(crate) mod target;
pub(crate) mod websocket;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{Bytes, Utf8Bytes};

use crate::calls::{Calls, Wire};
use crate::child::Child;
use crate::{ClientError, limits};

/// How a link is lost that the server ended in good order.
pub(crate) const CLOSED: &str = "the server closed it";

/// What came of the last attempt to replace a link, before there was one.
pub(crate) const NO_ATTEMPT: &str = "the first attempt to connect had not come to an end";

/// A link that is there, and at the moment without a connection that carries it.
pub(crate) struct Outage {
    pub(crate) since: Instant,
    pub(crate) why: String,
}

/// A message of the server.
pub(crate) enum Received {
    Text(Utf8Bytes),
    /// See [`lockgate_wire::output_bytes`].
    Bytes(Bytes),
}

/// The half that reads.
pub(crate) trait Receive: std::marker::Send + 'static {
    /// Whether messages may be any bytes.
    const CARRIES_BYTES: bool = false;

    /// The next message; `None` at the end.
    fn receive(
        &mut self,
    ) -> impl Future<Output = Result<Option<Received>, String>> + std::marker::Send;

    /// Of a link that outlives the connections which carry it: whether it has one.
    fn outages(&self) -> Option<watch::Receiver<Option<Outage>>> {
        None
    }

    /// Takes what still comes, for nobody, so that whoever writes it is not held up.
    fn drain(&mut self) -> impl Future<Output = Infallible> + std::marker::Send {
        std::future::pending()
    }
}

/// The half that writes.
pub(crate) trait Send: std::marker::Send + 'static {
    /// Hands a message over; it may still be buffered afterwards.
    fn feed(
        &mut self,
        message: String,
    ) -> impl Future<Output = Result<(), String>> + std::marker::Send;
    /// Waits until a transport has something to send of its own accord, and sends it. Given up when there is something else to send, and begun anew after it.
    fn tend(&mut self) -> impl Future<Output = Result<(), String>> + std::marker::Send {
        std::future::pending()
    }
    /// Writes what is buffered.
    fn flush(&mut self) -> impl Future<Output = Result<(), String>> + std::marker::Send;
    /// Says goodbye, best effort, within a bounded time.
    fn close(&mut self) -> impl Future<Output = ()> + std::marker::Send;
}

/// How a link ended.
pub(crate) enum End {
    /// It is gone. Another one may take its place.
    Lost(String),
    /// The server sent what makes no sense.
    Broken(ClientError),
    /// We wanted that.
    Here,
}

/// What is still to be done for a link that has ended; nobody needs to wait for it.
pub(crate) type Goodbye = Pin<Box<dyn Future<Output = ()> + std::marker::Send>>;

/// Drives a link to its end.
pub(crate) type Running = Pin<Box<dyn Future<Output = (End, Goodbye)> + std::marker::Send>>;

/// A physical connection. It ends when all that can send on it are gone, too.
pub(crate) struct Link {
    pub(crate) wire: Wire,
    pub(crate) running: Running,
}

impl Link {
    pub(crate) fn over<R: Receive, S: Send>(
        (receiver, sender): (R, S),
        child: Option<Child>,
        stopped: watch::Receiver<bool>,
        calls: Arc<Calls>,
    ) -> Link {
        let (outbound, messages) = mpsc::channel(limits::OUTBOUND);
        let wire = Wire {
            number: calls.number(),
            carries_bytes: R::CARRIES_BYTES,
            outbound,
        };
        let (replies, answers) = mpsc::channel(limits::REPLIES);
        let inbound = Inbound {
            link: wire.number,
            replies,
            calls,
        };
        let outbound = Outbound { messages, answers };
        let running = drive(receiver, sender, outbound, stopped, inbound, child);
        Link {
            wire,
            running: Box::pin(running),
        }
    }
}

/// Where messages of the server go.
struct Inbound {
    link: u64,
    /// For answers to the server's own requests.
    replies: mpsc::Sender<String>,
    calls: Arc<Calls>,
}

/// Messages of ours.
struct Outbound {
    /// When nobody can send any more, the link ends.
    messages: mpsc::Receiver<String>,
    /// To requests of the server. They have a queue of their own: that of the calls may be full, and the reading half waits for nothing.
    answers: mpsc::Receiver<String>,
}

/// Messages taken from the queue before they are flushed: many small calls at once become one write.
const BATCH: usize = 32;

async fn drive<R: Receive, S: Send>(
    mut receiver: R,
    mut sender: S,
    outbound: Outbound,
    stopped: watch::Receiver<bool>,
    inbound: Inbound,
    child: Option<Child>,
) -> (End, Goodbye) {
    let Outbound {
        mut messages,
        mut answers,
    } = outbound;
    let mut outages = receiver.outages();
    let (calls, number) = (Arc::clone(&inbound.calls), inbound.link);
    let carried = async {
        match &mut outages {
            Some(outages) => follow(outages, number, &calls).await,
            None => std::future::pending().await,
        }
    };
    let read = async {
        let Inbound {
            link,
            replies,
            calls,
        } = &inbound;
        loop {
            match receiver.receive().await {
                Ok(Some(message)) => match calls.receive(message, *link, replies) {
                    Err(error) => break End::Broken(error),
                    Ok(Some(behind)) => behind.caught_up().await,
                    Ok(None) => {}
                },
                Ok(None) => break End::Lost(CLOSED.into()),
                Err(reason) => break End::Lost(reason),
            }
        }
    };
    let write = async {
        let mut batch = Vec::with_capacity(BATCH);
        let mut stopped = stopped.clone();
        let mut closing = false;
        loop {
            let taken = tokio::select! {
                biased;
                Some(answer) = answers.recv() => {
                    batch.push(answer);
                    Ok(1)
                }
                taken = messages.recv_many(&mut batch, BATCH) => Ok(taken),
                // What was queued before still goes out. An error means that the client is gone, which is the same.
                _ = stopped.wait_for(|stop| *stop), if !closing => {
                    closing = true;
                    messages.close();
                    continue;
                }
                tended = sender.tend() => match tended {
                    Ok(()) => continue,
                    Err(reason) => Err(reason),
                },
            };
            if taken == Ok(0) {
                return End::Here;
            }
            let written = async {
                taken?;
                for message in batch.drain(..) {
                    sender.feed(message).await?;
                }
                sender.flush().await
            };
            if let Err(reason) = written.await {
                // What the server said before it went may still be there to be read; its end comes after that.
                tokio::time::sleep(limits::LINGER).await;
                return End::Lost(reason);
            }
        }
    };
    let stop = async {
        let _ = stopped.clone().wait_for(|stop| *stop).await;
        // A server that takes nothing more does not hold us.
        tokio::time::sleep(limits::GOODBYE).await;
        End::Here
    };
    let gone = async {
        match &child {
            Some(child) => child.exited().await,
            None => std::future::pending().await,
        }
        tokio::time::sleep(limits::LINGER).await;
        End::Lost("the server has exited".into())
    };
    let end = tokio::select! {
        end = read => end,
        end = write => end,
        end = stop => end,
        end = gone => end,
        never = carried => match never {},
    };
    // Its end may have been seen before what led to it.
    if let Some(outages) = &outages {
        calls.outage(number, outages.borrow().as_ref());
    }
    let (is_lost, is_here) = (matches!(end, End::Lost(_)), matches!(end, End::Here));
    // Whoever waits for room learns that there will be none.
    drop(messages);
    let goodbye = Box::pin(async move {
        let unserved = child.as_ref().filter(|child| !child.words().is_served());
        let left = match unserved.filter(|_| !is_here) {
            // How it ends explains it, as long as that is not how it takes our going: so nothing is closed yet, and what it writes is taken.
            Some(child) => tokio::select! {
                left = child.leaves(limits::LAST_WORDS) => Some(left),
                never = receiver.drain() => match never {},
            },
            None => None,
        };
        sender.close().await;
        drop((receiver, sender));
        if let Some(child) = child {
            let left = match left {
                Some(left) => left,
                // One that closed its output is about to exit.
                None if is_lost => child.leaves(limits::LAST_WORDS).await,
                None => child.leaves(Duration::ZERO).await,
            };
            child.end(left).await;
        }
    });
    (end, goodbye)
}

/// Tells whether that link is carried.
async fn follow(
    outages: &mut watch::Receiver<Option<Outage>>,
    link: u64,
    calls: &Calls,
) -> Infallible {
    while outages.changed().await.is_ok() {
        calls.outage(link, outages.borrow_and_update().as_ref());
    }
    // It has ended, which its reader sees.
    std::future::pending().await
}
