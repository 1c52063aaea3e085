//! One physical connection: frames in, frames out, until it is lost.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use futures_util::{Sink, SinkExt as _, Stream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};

use super::{Backoff, FrameSocket, Streams};
use crate::{Frame, limits};

/// How a physical connection was lost.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Lost {
    /// The other side closed it.
    #[error("it was closed by the other side{0}")]
    Closed(String),
    /// Another executor has taken this one's place.
    #[error("another executor has registered for this environment")]
    Replaced,
    /// It broke.
    #[error("{0}")]
    Broken(String),
    /// It was ended here: [`Streams::shut`].
    #[error("it was ended here")]
    Shut,
    /// Nothing was heard, not even answers to pings.
    #[error("nothing was heard for {} s", limits::LINK_SILENCE.as_secs())]
    Silent,
}

/// The code with which a rendezvous closes the connection of an executor whose place another one has taken.
const REPLACED: u16 = 4001;

/// Frames of the largest size, little memory for idle connections.
pub fn websocket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(limits::READ_BUFFER)
        .write_buffer_size(limits::WRITE_BUFFER)
        .max_message_size(Some(limits::FRAME_BYTES))
        .max_frame_size(Some(limits::FRAME_BYTES))
}

impl Streams {
    /// Carries the streams over this socket until it is lost. Streams that can resume wait for the next call. `backoff` begins anew if the
    /// connection was of use: one that is closed as soon as it is open is not to be tried in a hurry.
    pub async fn carry<S>(&self, socket: &mut FrameSocket<S>, backoff: &mut Backoff) -> Lost
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        {
            let mut table = self.lock();
            if std::mem::replace(&mut table.was_carried, true) {
                table.connection.link_up(Instant::now());
                table.settle();
            }
        }
        // Also where the future is dropped in the middle.
        let _down = LinkDown(self);
        let now = Instant::now();
        let mut carrier = Carrier {
            streams: self,
            socket,
            flushed: true,
            blocked: false,
            pings: 0,
            told: None,
            heard: now,
            was_useful: false,
            pinged: now,
            alarm: Box::pin(sleep_until(now.into())),
            alarm_at: now,
        };
        let lost = poll_fn(|cx| carrier.poll(cx)).await;
        if carrier.was_useful || now.elapsed() >= limits::LINK_PING {
            backoff.reset();
        }
        lost
    }

    /// Waits for something while there is no physical connection. Streams that wait for one too long end meanwhile.
    pub async fn rest<T>(&self, until: impl Future<Output = T>) -> T {
        let mut until = std::pin::pin!(until);
        loop {
            let deadline = self.lock().connection.deadline();
            let alarm = async {
                match deadline {
                    Some(at) => sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                done = &mut until => return done,
                () = alarm => {
                    let mut table = self.lock();
                    table.connection.on_time(Instant::now());
                    table.settle();
                }
            }
        }
    }

    /// Says good-bye on a socket, as far as that goes.
    pub async fn close<S>(socket: &mut FrameSocket<S>)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        // The other side may be gone, or not listening.
        let _ = timeout(limits::GOODBYE, socket.close()).await;
    }
}

struct LinkDown<'a>(&'a Streams);

impl Drop for LinkDown<'_> {
    fn drop(&mut self) {
        let mut table = self.0.lock();
        table.carrier = None;
        table.connection.link_lost(Instant::now());
        table.settle();
    }
}

struct Carrier<'a, S> {
    streams: &'a Streams,
    socket: &'a mut FrameSocket<S>,
    flushed: bool,
    /// The socket takes nothing at the moment.
    blocked: bool,
    /// Pings read since the answers to those before are known to have gone out.
    pings: usize,
    /// When the streams were told the time while the socket took nothing.
    told: Option<Instant>,
    heard: Instant,
    /// A frame came.
    was_useful: bool,
    pinged: Instant,
    alarm: Pin<Box<Sleep>>,
    alarm_at: Instant,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Carrier<'_, S> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Lost> {
        let mut now = Instant::now();
        {
            let mut table = self.streams.lock();
            if !table
                .carrier
                .as_ref()
                .is_some_and(|known| known.will_wake(cx.waker()))
            {
                table.carrier = Some(cx.waker().clone());
            }
        }
        for _ in 0..limits::TURNS {
            let read = match self.read(cx, now) {
                Ok(read) => read,
                Err(lost) => return Poll::Ready(lost),
            };
            let more = match self.write(cx, now) {
                Ok(more) => more,
                Err(error) => return Poll::Ready(broken(&error)),
            };
            if !read && !more {
                if self.flushed && self.streams.lock().is_shut() {
                    return Poll::Ready(Lost::Shut);
                }
                match self.poll_alarm(cx, now) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Some(lost)) => return Poll::Ready(lost),
                    Poll::Ready(None) => {}
                }
            }
            now = Instant::now();
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Takes in what has come, a few frames at most. False: nothing more is there, or may be taken in.
    fn read(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<bool, Lost> {
        for _ in 0..limits::FRAMES_A_TURN {
            if self.streams.lock().holds_up() {
                return Ok(false);
            }
            if self.pings >= limits::PINGS_UNSENT {
                match self.poll_flush(cx) {
                    Ok(Poll::Ready(())) => {}
                    Ok(Poll::Pending) => return Ok(false),
                    Err(error) => return Err(broken(&error)),
                }
            }
            let message = match Pin::new(&mut *self.socket).poll_next(cx) {
                Poll::Pending => return Ok(false),
                Poll::Ready(None) => return Err(Lost::Closed(String::new())),
                Poll::Ready(Some(Err(error))) => return Err(broken(&error)),
                Poll::Ready(Some(Ok(message))) => message,
            };
            self.heard = now;
            match message {
                Message::Binary(bytes) => match Frame::decode(bytes) {
                    Ok(frame) => {
                        self.was_useful = true;
                        let mut table = self.streams.lock();
                        table.connection.receive(frame, now);
                        table.settle();
                    }
                    // Other streams go on.
                    Err(error) => tracing::warn!(%error, "a frame was dropped"),
                },
                Message::Text(_) => tracing::warn!("a text message was dropped: frames are binary"),
                Message::Close(Some(close)) if u16::from(close.code) == REPLACED => {
                    return Err(Lost::Replaced);
                }
                Message::Close(close) => {
                    let why = close.map(|close| {
                        // Whatever somebody else wrote there must not become lines of our log.
                        format!(" ({}, {:?})", u16::from(close.code), close.reason.as_str())
                    });
                    return Err(Lost::Closed(why.unwrap_or_default()));
                }
                // Pings are answered by the library.
                Message::Ping(_) => {
                    self.flushed = false;
                    self.pings += 1;
                }
                Message::Pong(_) | Message::Frame(_) => {}
            }
        }
        Ok(true)
    }

    /// Sends what the streams have while the socket takes it, a few frames at most. False: whatever comes next wakes this task.
    fn write(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<bool, tungstenite::Error> {
        let mut more = true;
        for _ in 0..limits::FRAMES_A_TURN {
            match Pin::new(&mut *self.socket).poll_ready(cx) {
                Poll::Pending => {
                    self.blocked = true;
                    return Ok(false);
                }
                Poll::Ready(outcome) => outcome?,
            }
            self.blocked = false;
            let frame = {
                let mut table = self.streams.lock();
                let frame = table.connection.poll_transmit(now);
                table.settle();
                frame
            };
            let Some(frame) = frame else {
                more = false;
                break;
            };
            let written = frame.written();
            self.socket
                .start_binary(&[written.head(), written.payload()])?;
            self.flushed = false;
        }
        if !self.flushed {
            let _ = self.poll_flush(cx)?;
        }
        Ok(more)
    }

    /// Writes what was given to the socket.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, tungstenite::Error> {
        let flushed = Pin::new(&mut *self.socket).poll_flush(cx)?;
        if flushed.is_ready() {
            self.flushed = true;
            self.pings = 0;
        }
        Ok(flushed)
    }

    /// Does what the time has come for. Ready(None): look again.
    fn poll_alarm(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<Option<Lost>> {
        if now >= self.heard + limits::LINK_SILENCE {
            return Poll::Ready(Some(Lost::Silent));
        }
        let ping_at = self.heard.max(self.pinged) + limits::LINK_PING;
        if now >= ping_at {
            self.pinged = now;
            return match Pin::new(&mut *self.socket).start_send(Message::Ping(Bytes::new())) {
                Ok(()) => {
                    self.flushed = false;
                    Poll::Ready(None)
                }
                Err(error) => Poll::Ready(Some(broken(&error))),
            };
        }
        let deadline = {
            let mut table = self.streams.lock();
            // What is due may be a frame that the socket does not take: then asking again at once would change nothing.
            let again = self
                .told
                .filter(|_| self.blocked)
                .map(|at| at + limits::BLOCKED);
            let due = |at: Instant| again.map_or(at, |again| at.max(again));
            if table.connection.deadline().is_some_and(|at| due(at) <= now) {
                table.connection.on_time(now);
                table.settle();
                self.told = Some(now);
                return Poll::Ready(None);
            }
            table.connection.deadline().map(due)
        };
        let silent_at = self.heard + limits::LINK_SILENCE;
        let at = deadline
            .map_or(ping_at, |at| at.min(ping_at))
            .min(silent_at);
        // An alarm that rings too early costs less than moving it at every frame.
        if at < self.alarm_at || self.alarm.is_elapsed() {
            self.alarm.as_mut().reset(at.into());
            self.alarm_at = at;
        }
        match self.alarm.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

fn broken(error: &tungstenite::Error) -> Lost {
    match error {
        tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed => {
            Lost::Closed(String::new())
        }
        error => Lost::Broken(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
