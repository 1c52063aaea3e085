//! One connection: reads requests, hands them to the dispatcher, writes what the outbox has.
//!
//! Reading and writing are polled by one task and neither waits for the other: with a socket that
//! takes nothing, an interrupt is still read and acted upon. What stops the reading is a full table
//! of unanswered requests, nothing else, and that costs only the client which filled it.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::time::{Instant, Interval, MissedTickBehavior};

use crate::dispatch::{Caller, Turn};
use crate::doubt::{Answer, Doubt};
use crate::limits;
use crate::outbox::{Message, Outbox, Reply};
use crate::service::Service;
use crate::transport::{Inbound, Transport};

/// Serves a connection until its peer is gone, it breaks the protocol, or the server stops.
pub(crate) async fn serve<T: Transport>(mut transport: T, service: Arc<Service>) {
    let outbox = Outbox::new(T::CARRIES_BYTES);
    let caller = Caller::new(Arc::clone(&service), Arc::clone(&outbox), &transport.peer());
    let number = caller.connection();
    tracing::debug!(connection = number, transport = T::NAME, "connected");
    let mut connection = Connection {
        transport: &mut transport,
        outbox: &outbox,
        caller,
        flushed: true,
        full: None,
        doubt: None,
        ping: T::PINGS.then(|| {
            let mut ping = tokio::time::interval_at(Instant::now() + limits::PING, limits::PING);
            ping.set_missed_tick_behavior(MissedTickBehavior::Skip);
            Box::pin(ping)
        }),
    };
    service.joined(number, &outbox);
    let end = poll_fn(|cx| connection.poll(cx)).await;
    service.left(number);
    connection.caller.disconnect();
    if matches!(end, End::Gone) {
        // What was asked for is still answered: a client may close its end and read on.
        let rest = poll_fn(|cx| connection.poll_rest(cx));
        if tokio::time::timeout(limits::LAST_ANSWERS, rest)
            .await
            .is_err()
        {
            tracing::debug!(
                connection = number,
                "the peer did not take its last answers"
            );
        }
    }
    outbox.close();
    match &end {
        End::Gone => tracing::debug!(connection = number, "disconnected"),
        End::Failed(error) => tracing::debug!(connection = number, %error, "connection lost"),
        End::Silent => tracing::debug!(
            connection = number,
            "nothing is heard of the peer, and its session is asked for"
        ),
        End::Broken(reason) => tracing::warn!(connection = number, reason, "connection closed"),
        End::Violation(reason) => {
            tracing::debug!(connection = number, reason, "the peer broke the rules");
        }
        End::Stopping => {}
    }
    if !matches!(end, End::Failed(_) | End::Silent) {
        // Also the answer to the good-bye of a peer. Best effort: the peer may not be listening.
        let goodbye = poll_fn(|cx| transport.poll_close(cx));
        if tokio::time::timeout(limits::GOODBYE, goodbye)
            .await
            .is_err()
        {
            tracing::debug!(connection = number, "the peer did not take the close");
        }
    }
}

/// Why a connection ended.
enum End {
    Gone,
    Failed(io::Error),
    /// Somebody else wants the session, and this peer gave no sign of life.
    Silent,
    /// The client broke the protocol in a way that closes the connection.
    Broken(&'static str),
    /// The same, in a way that the transport has told it already.
    Violation(String),
    Stopping,
}

struct Connection<'a, T> {
    transport: &'a mut T,
    outbox: &'a Arc<Outbox>,
    caller: Caller,
    flushed: bool,
    /// Ticks while nothing may be taken in.
    full: Option<Pin<Box<Interval>>>,
    ping: Option<Pin<Box<Interval>>>,
    /// Its session is asked for.
    doubt: Option<Doubt>,
}

impl<T: Transport> Connection<'_, T> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        self.outbox.register(cx.waker());
        if self.caller.service().is_stopping() {
            return Poll::Ready(End::Stopping);
        }
        if let Some(ping) = &mut self.ping
            && ping.as_mut().poll_tick(cx).is_ready()
        {
            if let Err(error) = self.transport.start_ping() {
                return Poll::Ready(End::Failed(error));
            }
            self.flushed = false;
            // Polled again, so that the next tick wakes this task.
            let _ = ping.as_mut().poll_tick(cx);
        }
        match self.poll_doubt(cx) {
            Ok(false) => {}
            Ok(true) => return Poll::Ready(End::Silent),
            Err(error) => return Poll::Ready(End::Failed(error)),
        }
        for _ in 0..limits::MESSAGES_A_TURN {
            let read = self.poll_read(cx);
            if let Poll::Ready(Err(end)) = read {
                return Poll::Ready(end);
            }
            let wrote = match self.poll_write(cx) {
                Ok(wrote) => wrote,
                Err(error) => return Poll::Ready(End::Failed(error)),
            };
            if read.is_pending() && !wrote {
                if self.flushed
                    && let Some(judge) = self.caller.service().judge()
                {
                    judge.prepare();
                }
                return if self.is_abandoned(cx) {
                    Poll::Ready(End::Gone)
                } else {
                    Poll::Pending
                };
            }
        }
        // Enough for one turn: others of this thread go first, then this task comes back.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether the peer was asked for a sign of life and gave none in time.
    fn poll_doubt(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        if self.outbox.take_doubt()
            && self.doubt.is_none()
            && let Some(heard) = self.transport.heard()
        {
            self.transport.start_ping()?;
            self.flushed = false;
            self.doubt = Some(Doubt::begin(heard));
        }
        let (Some(doubt), Some(heard)) = (&mut self.doubt, self.transport.heard()) else {
            return Ok(false);
        };
        match doubt.poll(heard, cx) {
            Poll::Pending => Ok(false),
            Poll::Ready(Answer::Silent) => Ok(true),
            Poll::Ready(Answer::Alive) => {
                self.doubt = None;
                Ok(false)
            }
        }
    }

    /// Whether the peer has gone while nothing is read, so that its end cannot be read either.
    fn is_abandoned(&mut self, cx: &mut Context<'_>) -> bool {
        if self.outbox.has_room() || self.outbox.hears_answers() {
            self.full = None;
            return false;
        }
        let first = Instant::now() + limits::HANG_UP_CHECK;
        let full = self.full.get_or_insert_with(|| {
            Box::pin(tokio::time::interval_at(first, limits::HANG_UP_CHECK))
        });
        while full.as_mut().poll_tick(cx).is_ready() {
            if self.transport.has_hung_up() {
                return true;
            }
        }
        false
    }

    /// Sends what the outbox still has; where the peer can still take them, also the answers that are
    /// being made.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.outbox.register(cx.waker());
        loop {
            match self.poll_write(cx) {
                Ok(true) => {}
                Ok(false) if !self.flushed => return Poll::Pending,
                Ok(false) if T::HALF_CLOSES && self.outbox.awaits_answers() => {
                    return Poll::Pending;
                }
                Ok(false) | Err(_) => return Poll::Ready(()),
            }
        }
    }

    /// Handles what has arrived, as long as it is answered at once. Pending when nothing more is
    /// there or nothing more may be taken in.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        for _ in 0..limits::MESSAGES_A_TURN {
            let is_full = !self.outbox.has_room();
            if is_full && !self.outbox.hears_answers() {
                return Poll::Pending;
            }
            let inbound = match self.transport.poll_next(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(Err(End::Gone)),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(End::Failed(error))),
                Poll::Ready(Some(Ok(inbound))) => inbound,
            };
            // Counted before it is handled: its answer may be on its way before `take` returns.
            self.outbox.expect_reply();
            let turn = match inbound {
                Inbound::Message(text) => self.caller.take(&text, is_full),
                Inbound::NotText(reason) => self.caller.malformed(reason),
                Inbound::Violation(reason) => return Poll::Ready(Err(End::Violation(reason))),
            };
            match turn {
                Turn::Reply(text) => self.outbox.push(Reply::new(text, None)),
                Turn::Later => {}
                Turn::Nothing => self.outbox.expect_no_reply(),
                Turn::Close(reason) => return Poll::Ready(Err(End::Broken(reason))),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Sends what the outbox has while the transport takes it. True if anything was sent.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let mut sent = false;
        for _ in 0..limits::MESSAGES_A_TURN {
            match self.transport.poll_ready(cx) {
                Poll::Pending => return Ok(sent),
                Poll::Ready(outcome) => outcome?,
            }
            let Some(reply) = self.outbox.next() else {
                break;
            };
            match reply.message {
                Message::Text(text) => self.transport.start_send(text)?,
                Message::Bytes(bytes) => self.transport.start_send_bytes(bytes)?,
            }
            // The socket has it: the next large answer may be made.
            drop(reply.share);
            self.flushed = false;
            sent = true;
        }
        if !self.flushed
            && let Poll::Ready(outcome) = self.transport.poll_flush(cx)
        {
            outcome?;
            self.flushed = true;
        }
        Ok(sent)
    }
}
