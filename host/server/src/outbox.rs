//! What one connection has to send: answers, the output of its session's processes, and what its watches tell.
//!
//! Theory of operation. Answers wait here, already encoded; output does not: it stays in the
//! processes' logs, and a *feed* (one process as one connection sees it) remembers how far this
//! connection has got. When the socket takes more, the connection asks for the next message and gets
//! the oldest answer, or else the next event of the next feed that has one, encoded straight
//! from the log. So answers overtake output, processes take turns, and a socket that is not read
//! costs no memory: its feeds just fall behind, and the log drops what is oldest.

mod feed;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::task::AtomicWaker;
use tokio::sync::OwnedSemaphorePermit;

pub(crate) use self::feed::{Feed, wire_stream};
use crate::failure::Failure;
use crate::limits;

/// Something encoded.
pub(crate) enum Message {
    Text(String),
    /// Only where the connection carries it, and the client knows it.
    Bytes(Vec<u8>),
}

impl Message {
    fn len(&self) -> usize {
        match self {
            Message::Text(text) => text.len(),
            Message::Bytes(bytes) => bytes.len(),
        }
    }
}

impl From<String> for Message {
    fn from(text: String) -> Message {
        Message::Text(text)
    }
}

/// An encoded answer, with what is given back once it is on its way.
pub(crate) struct Reply {
    pub(crate) message: Message,
    /// The answer's share of the connection's memory for large answers.
    pub(crate) share: Option<OwnedSemaphorePermit>,
}

impl Reply {
    pub(crate) fn new(text: String, share: Option<OwnedSemaphorePermit>) -> Reply {
        let message = text.into();
        Reply { message, share }
    }

    /// Its bytes, unless they are a share of the memory for large answers.
    fn uncounted(&self) -> usize {
        if self.share.is_none() {
            self.message.len()
        } else {
            0
        }
    }
}

/// The sending side of one connection.
pub(crate) struct Outbox {
    queues: Mutex<Queues>,
    waker: AtomicWaker,
    unanswered: AtomicUsize,
    /// See [`limits::HELD_BYTES`].
    held: AtomicUsize,
    /// Requests that wait for somebody's answer, and their bytes.
    parked: Mutex<(usize, usize)>,
    closed: AtomicBool,
    /// Somebody asks for what this connection has.
    doubted: AtomicBool,
    /// Messages need not be texts.
    carries_bytes: bool,
    /// And the client wants them that way.
    wants_bytes: AtomicBool,
    /// Told once, when the connection is gone.
    gone: tokio::sync::Notify,
}

#[derive(Default)]
struct Queues {
    replies: VecDeque<Reply>,
    feeds: VecDeque<Arc<dyn Source>>,
}

/// Something that has messages for the client of its own accord, made when the socket takes them.
pub(crate) trait Source: Send + Sync {
    /// Whether it waits in the outbox for its turn.
    fn queued(&self) -> &AtomicBool;

    /// Its next message, if it has one.
    fn next_message(&self) -> Option<Message>;
}

impl Outbox {
    /// `carries_bytes`: what is sent need not be texts.
    pub(crate) fn new(carries_bytes: bool) -> Arc<Outbox> {
        Arc::new(Outbox {
            queues: Mutex::default(),
            waker: AtomicWaker::new(),
            unanswered: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            parked: Mutex::default(),
            closed: AtomicBool::new(false),
            doubted: AtomicBool::new(false),
            carries_bytes,
            wants_bytes: AtomicBool::new(false),
            gone: tokio::sync::Notify::new(),
        })
    }

    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request was taken in: it counts until its answer is on its way.
    pub(crate) fn expect_reply(&self) {
        self.unanswered.fetch_add(1, Ordering::Relaxed);
    }

    /// What was taken in wants no answer.
    pub(crate) fn expect_no_reply(&self) {
        self.unanswered.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether answers are being made that are not on their way yet.
    pub(crate) fn awaits_answers(&self) -> bool {
        self.unanswered.load(Ordering::Relaxed) > 0
    }

    /// Whether another request may be taken in.
    pub(crate) fn has_room(&self) -> bool {
        self.unanswered.load(Ordering::Relaxed) < limits::REQUESTS_IN_FLIGHT
            && self.held.load(Ordering::Relaxed) < limits::HELD_BYTES
    }

    /// Whether a connection that is full is read on, for the answers to questions: what waits behind one cannot go on before that. Every request is
    /// refused meanwhile, so this ends where refusals pile up.
    pub(crate) fn hears_answers(&self) -> bool {
        let parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner).0;
        parked > 0 && self.unanswered.load(Ordering::Relaxed) < 2 * limits::REQUESTS_IN_FLIGHT
    }

    /// A request that is not answered at once keeps this much in memory.
    pub(crate) fn hold(&self, bytes: usize) {
        self.held.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The work of a request is over. Comes before its answer, which wakes the connection.
    pub(crate) fn let_go(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// A request waits for somebody's answer, for as long as what this gives lives: it does not count against what the connection may have in
    /// flight, so that the answer can be read.
    pub(crate) fn park(self: &Arc<Outbox>, bytes: usize) -> Result<Parked, Failure> {
        let mut parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        let (requests, held) = *parked;
        if requests >= limits::APPROVALS || held.saturating_add(bytes) > limits::PARKED_BYTES {
            return Err(Failure::invalid_request(format!(
                "too much of this connection waits for somebody to agree to it: at most {} requests with {} bytes may; \
                 wait until some are answered",
                limits::APPROVALS,
                limits::PARKED_BYTES
            )));
        }
        *parked = (requests + 1, held + bytes);
        drop(parked);
        self.let_go(bytes);
        self.expect_no_reply();
        // It may have been full.
        self.wake();
        Ok(Parked {
            outbox: Arc::clone(self),
            bytes,
        })
    }

    /// Queues what is no answer: a question to the client, or a word about one.
    pub(crate) fn ask(&self, text: String) {
        if !self.is_closed() {
            // What is queued counts until it is on its way.
            self.expect_reply();
            self.reply(Reply::new(text, None));
        }
    }

    /// Queues an answer and wakes the connection.
    pub(crate) fn reply(&self, reply: Reply) {
        self.push(reply);
        self.waker.wake();
    }

    /// Queues an answer; for the connection's own task, which needs no waking.
    pub(crate) fn push(&self, reply: Reply) {
        if !self.is_closed() {
            self.hold(reply.uncounted());
            self.queues().replies.push_back(reply);
        }
    }

    /// The next message for the socket, if there is one.
    pub(crate) fn next(&self) -> Option<Reply> {
        loop {
            let feed = {
                let mut queues = self.queues();
                if let Some(reply) = queues.replies.pop_front() {
                    self.unanswered.fetch_sub(1, Ordering::Relaxed);
                    self.let_go(reply.uncounted());
                    return Some(reply);
                }
                queues.feeds.pop_front()?
            };
            feed.queued().store(false, Ordering::Release);
            if let Some(message) = feed.next_message() {
                self.enqueue(feed);
                return Some(Reply {
                    message,
                    share: None,
                });
            }
        }
    }

    /// Gives a source its turn. Whoever is not the connection's own task has to wake it as well.
    pub(crate) fn enqueue(&self, feed: Arc<dyn Source>) {
        if !feed.queued().swap(true, Ordering::AcqRel) {
            self.queues().feeds.push_back(feed);
        }
    }

    /// Wakes the connection.
    pub(crate) fn wake(&self) {
        self.waker.wake();
    }

    /// The client takes output as bytes.
    pub(crate) fn understands_bytes(&self) {
        self.wants_bytes
            .store(self.carries_bytes, Ordering::Relaxed);
    }

    /// Whether output goes as bytes.
    fn sends_bytes(&self) -> bool {
        self.wants_bytes.load(Ordering::Relaxed)
    }

    /// Has the connection ask its peer for a sign of life.
    pub(crate) fn doubt(&self) {
        self.doubted.store(true, Ordering::Release);
        self.wake();
    }

    /// Whether that was wanted since the last look.
    pub(crate) fn take_doubt(&self) -> bool {
        // Looked at at each turn: no write where there is nothing to take.
        self.doubted.load(Ordering::Acquire) && self.doubted.swap(false, Ordering::AcqRel)
    }

    /// The task to wake when something is queued.
    pub(crate) fn register(&self, waker: &std::task::Waker) {
        self.waker.register(waker);
    }

    /// The connection is gone: nothing will be sent any more.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        let dropped = std::mem::take(&mut *self.queues());
        drop(dropped);
        self.gone.notify_waiters();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Returns when the connection is gone.
    pub(crate) async fn closed(&self) {
        let gone = self.gone.notified();
        if !self.is_closed() {
            gone.await;
        }
    }
}

/// A request that waits for somebody's answer.
pub(crate) struct Parked {
    outbox: Arc<Outbox>,
    bytes: usize,
}

impl Drop for Parked {
    fn drop(&mut self) {
        let Outbox { parked, .. } = &*self.outbox;
        let mut parked = parked.lock().unwrap_or_else(PoisonError::into_inner);
        *parked = (parked.0 - 1, parked.1 - self.bytes);
        drop(parked);
        self.outbox.expect_reply();
        self.outbox.hold(self.bytes);
    }
}
