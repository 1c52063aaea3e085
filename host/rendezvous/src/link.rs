//! One websocket: reads frames and hands them on, writes what waits in its outlet.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use futures_util::{Sink, SinkExt as _, Stream};
use lockgate_relay::Address;
use lockgate_relay::driver::violation;
use lockgate_relay::limits::PINGS_UNSENT;
use tokio::time::{Sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{self, Message};

use crate::hub::{Seat, Way};
use crate::large::{Meter, Parcel};
use crate::limits;
use crate::outlet::{Close, Outlet};

/// Serves a link to its end.
pub(crate) async fn serve<S: Wire>(mut socket: S, seat: Seat, meter: Arc<Meter>) {
    let now = Instant::now();
    let mut link = Link {
        socket: &mut socket,
        seat: &seat,
        meter: &meter,
        held: None,
        large: None,
        flushed: true,
        pings: 0,
        wrote: now,
        heard: now,
        pinged: now,
        alarm: Box::pin(sleep_until(now.into())),
    };
    let end = poll_fn(|cx| link.poll(cx)).await;
    let environment = seat.id.clone();
    // Others learn of it before the good-bye, which may take a while.
    drop(seat);
    let frame = match end {
        End::Closed => {
            tracing::debug!(%environment, "a link was closed");
            None
        }
        End::Failed(error) => {
            tracing::debug!(%environment, %error, "a link was lost");
            match violation(&error) {
                Some(frame) => Some(frame),
                // Nobody is there any more.
                None => return,
            }
        }
        End::Ended(close) => {
            tracing::debug!(%environment, why = close.words, "a link is ended");
            Some(CloseFrame {
                code: close.code.into(),
                reason: close.words.into(),
            })
        }
    };
    let goodbye = async {
        if frame.is_some() {
            socket.send(Message::Close(frame)).await?;
        }
        // Where the other end said it first: the answer to that.
        socket.close().await
    };
    // Who does not listen is left.
    let _ = timeout(limits::GOODBYE, goodbye).await;
}

/// A websocket, or what stands for one.
pub(crate) trait Wire:
    Stream<Item = Result<Message, tungstenite::Error>>
    + Sink<Message, Error = tungstenite::Error>
    + Send
    + Unpin
{
}

impl<T> Wire for T where
    T: Stream<Item = Result<Message, tungstenite::Error>>
        + Sink<Message, Error = tungstenite::Error>
        + Send
        + Unpin
{
}

enum End {
    Closed,
    Failed(tungstenite::Error),
    Ended(Close),
}

struct Link<'a, S> {
    socket: &'a mut S,
    seat: &'a Seat,
    meter: &'a Meter,
    /// A frame that waits for room, and until when it may.
    held: Option<Held>,
    /// A frame that is being written in pieces.
    large: Option<Large>,
    flushed: bool,
    /// Pings read since the answers to those before are known to have gone out.
    pings: usize,
    /// When the socket last took something.
    wrote: Instant,
    heard: Instant,
    pinged: Instant,
    alarm: Pin<Box<Sleep>>,
}

struct Held {
    parcel: Parcel,
    outlet: Arc<Outlet>,
    limit: usize,
    until: Option<Instant>,
}

/// What is left of a frame that is written in pieces, as the parts of one message.
struct Large {
    parcel: Parcel,
    begun: bool,
    since: Instant,
}

impl Large {
    fn next(&mut self) -> Message {
        let rest = &mut self.parcel.frame;
        let piece = rest.split_to(rest.len().min(limits::PIECE));
        let kind = match std::mem::replace(&mut self.begun, true) {
            true => Data::Continue,
            false => Data::Binary,
        };
        Message::Frame(Frame::message(piece, OpCode::Data(kind), rest.is_empty()))
    }
}

impl<S: Wire> Link<'_, S> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        for _ in 0..8 {
            let now = Instant::now();
            let read = match self.read(cx, now) {
                Ok(read) => read,
                Err(end) => return Poll::Ready(end),
            };
            let more = match self.write(cx) {
                Ok(more) => more,
                // Who closed it after their last frame has sent that, too: it is handed on first.
                Err(End::Closed | End::Failed(_)) if self.held.is_some() => false,
                Err(end) => return Poll::Ready(end),
            };
            if !read && !more {
                match self.poll_alarm(cx, now) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Some(end)) => return Poll::Ready(end),
                    Poll::Ready(None) => {}
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn read(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<bool, End> {
        for _ in 0..limits::FRAMES_A_TURN {
            if let Some(held) = &self.held {
                if held.outlet.poll_room(held.limit, cx).is_pending() {
                    return Ok(false);
                }
                if let Some(held) = self.held.take() {
                    held.outlet.push(held.parcel);
                }
            }
            if self.pings >= PINGS_UNSENT && self.poll_flush(cx)?.is_pending() {
                return Ok(false);
            }
            let message = match Pin::new(&mut *self.socket).poll_next(cx) {
                Poll::Pending => return Ok(false),
                Poll::Ready(None) => return Err(End::Closed),
                Poll::Ready(Some(Err(error))) => return Err(failed(error)),
                Poll::Ready(Some(Ok(message))) => message,
            };
            self.heard = now;
            match message {
                Message::Binary(frame) => {
                    let turn = self.meter.is_whole();
                    match Address::read(&frame) {
                        Ok(address) => self.hand_on(Parcel::new(frame, turn), &address, now),
                        Err(error) => tracing::debug!(%error, "a frame was dropped"),
                    }
                }
                Message::Text(_) => {
                    self.meter.is_whole();
                    tracing::debug!("a text message was dropped");
                }
                Message::Close(_) => return Err(End::Closed),
                Message::Ping(payload) => {
                    self.meter.is_control(payload.len());
                    // Answered by the library.
                    self.flushed = false;
                    self.pings += 1;
                }
                Message::Pong(payload) => self.meter.is_control(payload.len()),
                Message::Frame(_) => {}
            }
        }
        Ok(true)
    }

    fn hand_on(&mut self, parcel: Parcel, address: &Address, now: Instant) {
        match self.seat.route(address) {
            Way::Wait(outlet, limit) if outlet.is_above(limit) => {
                self.held = Some(Held {
                    parcel,
                    outlet,
                    limit,
                    until: None,
                });
            }
            Way::Stall(outlet, limit) if outlet.is_above(limit) => {
                let since = outlet.crowded_since().unwrap_or(now);
                self.held = Some(Held {
                    parcel,
                    outlet,
                    limit,
                    until: Some(since + limits::PLAIN_STALL),
                });
            }
            Way::Drop(outlet, limit) if outlet.is_above(limit) => {}
            Way::Wait(outlet, _) | Way::Stall(outlet, _) | Way::Drop(outlet, _) => {
                outlet.push(parcel);
            }
            // Who does not read our answers gets no more of them.
            Way::Back(_) if self.seat.outlet.is_above(limits::PLAIN_QUEUE) => {}
            Way::Back(reset) => self.seat.outlet.push(reset),
            Way::Nowhere => {}
        }
    }

    /// Writes what waits while the socket takes it, a few frames at most. False: whatever comes next wakes this task.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<bool, End> {
        let mut more = true;
        for _ in 0..limits::FRAMES_A_TURN {
            match Pin::new(&mut *self.socket).poll_ready(cx) {
                // An end is heard even if the socket takes nothing.
                Poll::Pending => {
                    return match self.seat.outlet.poll_close(cx) {
                        Poll::Ready(close) => Err(End::Ended(close)),
                        Poll::Pending => Ok(false),
                    };
                }
                Poll::Ready(Err(error)) => return Err(failed(error)),
                Poll::Ready(Ok(())) => {}
            }
            let message = match self.poll_message(cx) {
                Poll::Pending => {
                    more = false;
                    break;
                }
                Poll::Ready(Err(close)) => return Err(End::Ended(close)),
                Poll::Ready(Ok(message)) => message,
            };
            if let Err(error) = Pin::new(&mut *self.socket).start_send(message) {
                return Err(failed(error));
            }
            self.flushed = false;
            self.wrote = Instant::now();
        }
        if !self.flushed {
            let _ = self.poll_flush(cx)?;
        }
        Ok(more)
    }

    /// Writes what was given to the socket.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, End> {
        match Pin::new(&mut *self.socket).poll_flush(cx) {
            Poll::Pending => Ok(Poll::Pending),
            Poll::Ready(Err(error)) => Err(failed(error)),
            Poll::Ready(Ok(())) => {
                self.flushed = true;
                self.pings = 0;
                Ok(Poll::Ready(()))
            }
        }
    }

    /// What is to be written next.
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, Close>> {
        let mut large = match self.large.take() {
            Some(large) => match self.seat.outlet.poll_close(cx) {
                Poll::Ready(close) => return Poll::Ready(Err(close)),
                Poll::Pending => large,
            },
            None => match ready!(self.seat.outlet.poll_take(cx)) {
                Err(close) => return Poll::Ready(Err(close)),
                Ok(parcel) if parcel.frame.len() <= limits::PIECE => {
                    return Poll::Ready(Ok(Message::Binary(parcel.frame)));
                }
                Ok(parcel) => Large {
                    parcel,
                    begun: false,
                    since: Instant::now(),
                },
            },
        };
        let piece = large.next();
        if !large.parcel.frame.is_empty() {
            self.large = Some(large);
        }
        Poll::Ready(Ok(piece))
    }

    /// When a harness that does not take a large frame is given up: its executor needs the turn.
    fn given_up_at(&self) -> Option<Instant> {
        if !self.seat.is_harness() {
            return None;
        }
        if let Some(large) = &self.large {
            let stalled = self.wrote.max(large.since) + limits::PLAIN_STALL;
            return Some(stalled.min(large.since + limits::LARGE_FRAME));
        }
        let since = self.seat.outlet.large_since()?;
        Some(self.wrote.max(since) + limits::PLAIN_STALL)
    }

    fn poll_alarm(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<Option<End>> {
        let large = self.meter.since();
        let mut at = self.heard.max(large.unwrap_or(self.heard)) + limits::SILENCE;
        // While nothing is read nothing can be heard.
        let is_read = self.held.is_none() && !self.meter.waits();
        if is_read && now >= at {
            return Poll::Ready(Some(End::Ended(Close::SILENT)));
        }
        if large.is_some_and(|since| now >= since + limits::LARGE_FRAME) {
            return Poll::Ready(Some(End::Ended(Close::SLOW)));
        }
        let given_up_at = self.given_up_at();
        if given_up_at.is_some_and(|at| now >= at) {
            return Poll::Ready(Some(End::Ended(Close::STALLED)));
        }
        let ping_at = self.heard.max(self.pinged) + limits::PING;
        if now >= ping_at {
            self.pinged = now;
            let ping = Message::Ping(Bytes::new());
            if let Err(error) = Pin::new(&mut *self.socket).start_send(ping) {
                return Poll::Ready(Some(failed(error)));
            }
            self.flushed = false;
            return Poll::Ready(None);
        }
        at = if is_read { at.min(ping_at) } else { ping_at };
        if let Some(since) = large {
            at = at.min(since + limits::LARGE_FRAME);
        }
        at = given_up_at.map_or(at, |until| at.min(until));
        if let Some(Held {
            outlet,
            until: Some(until),
            ..
        }) = &self.held
        {
            if now >= *until {
                outlet.close(Close::STALLED);
                return Poll::Ready(None);
            }
            at = at.min(*until);
        }
        if self.alarm.deadline().into_std() != at {
            self.alarm.as_mut().reset(at.into());
        }
        self.alarm.as_mut().poll(cx).map(|()| None)
    }
}

fn failed(error: tungstenite::Error) -> End {
    match error {
        tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed => End::Closed,
        error => End::Failed(error),
    }
}

#[cfg(test)]
mod tests;
