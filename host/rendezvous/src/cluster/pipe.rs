//! A pipe as the tasks at its end see it.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use bytes::Bytes;
use futures_util::{Sink, Stream};
use tokio_tungstenite::tungstenite::{self, Message};

use super::NodeId;
use super::flow::Flow;
use super::packet::{Packet, PipeId};
use super::share::Part;
use crate::large::{Asking, Gate, Parcel, Turns};
use crate::limits;
use crate::outlet::Close;

/// One end of a pipe.
pub(crate) struct Pipe {
    pub(crate) id: PipeId,
    /// The other node.
    pub(crate) node: NodeId,
    state: Mutex<State>,
}

struct State {
    flow: Flow,
    /// Of what the other node may make us hold.
    part: Part,
    /// For large frames that come, if they have none of their own.
    turns: Option<Turns>,
    asking: Option<Asking>,
    closed: Option<Closed>,
    /// To be closed so when all is sent.
    finishing: Option<Closed>,
    /// The close was told to the other node, or came from it.
    told: bool,
    /// When something came.
    heard: Instant,
    pinged: Instant,
    /// The task at this end.
    user: Option<Waker>,
    /// The task that sends packets.
    sender: Option<Waker>,
}

/// How a pipe ended: the code of a websocket's close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closed(pub(crate) u16);

impl Closed {
    pub(crate) const MOVED: Closed = Closed(Close::MOVED.code);
    pub(crate) const GONE: Closed = Closed(Close::GONE.code);
}

impl Pipe {
    /// `turns`: for the large frames that come, where nothing else holds them up.
    pub(super) fn new(id: PipeId, node: NodeId, part: Part, turns: Option<Turns>) -> Arc<Pipe> {
        let now = Instant::now();
        let mut flow = Flow::default();
        if turns.is_some() {
            flow.gate();
        }
        Arc::new(Pipe {
            id,
            node,
            state: Mutex::new(State {
                flow,
                part,
                turns,
                asking: None,
                closed: None,
                finishing: None,
                told: false,
                heard: now,
                pinged: now,
                user: None,
                sender: None,
            }),
        })
    }

    /// No frame above 256 KiB may come.
    pub(crate) fn is_small(&self) {
        self.lock().flow.limit(limits::SMALL_FRAME);
    }

    /// Whether another frame may be put in; the task that asks is woken when there is room, when a frame comes, and at the end. That is told when what came before it
    /// is taken.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        let mut state = self.lock();
        state.user = Some(cx.waker().clone());
        match state.closed {
            Some(closed) if state.flow.next_size().is_none() => Poll::Ready(Err(closed)),
            None if state.flow.has_room() => Poll::Ready(Ok(())),
            _ => Poll::Pending,
        }
    }

    /// Puts a frame in, or a part of one.
    pub(crate) fn push(&self, part: impl Into<Parcel>, last: bool) {
        let mut state = self.lock();
        state.flow.push(part, last);
        wake(&mut state.sender);
    }

    /// Whether a frame came, and its size. What came before the end is still taken.
    pub(crate) fn poll_frame(&self, cx: &mut Context<'_>) -> Poll<Result<usize, Closed>> {
        let mut state = self.lock();
        state.user = Some(cx.waker().clone());
        if let Some(size) = state.flow.next_size() {
            return Poll::Ready(Ok(size));
        }
        if let Some(closed) = state.closed {
            return Poll::Ready(Err(closed));
        }
        if state.flow.wants_turn()
            && let Some(turns) = state.turns.clone()
        {
            let asking = state.asking.get_or_insert_with(|| turns.ask());
            if let Poll::Ready(turn) = asking.as_mut().poll(cx) {
                state.asking = None;
                // They are never closed.
                if let Ok(turn) = turn {
                    state.flow.has_turn(turn);
                    wake(&mut state.sender);
                }
            }
        }
        Poll::Pending
    }

    /// Takes the next frame.
    pub(crate) fn take(&self) -> Option<Parcel> {
        let mut state = self.lock();
        let parcel = state.flow.take();
        // Less is always allowed.
        let _ = state.hold();
        // It may have to be reported.
        wake(&mut state.sender);
        parcel
    }

    /// What the other node is to be told next; none at the end.
    pub(crate) fn poll_packet(&self, cx: &mut Context<'_>) -> Poll<Option<Packet>> {
        let mut state = self.lock();
        if state.closed.is_none() {
            if let Some(packet) = state.flow.next_packet() {
                wake(&mut state.user);
                return Poll::Ready(Some(packet));
            }
            if state.flow.is_sent() {
                state.closed = state.finishing;
            }
        }
        match state.closed {
            Some(Closed(code)) => {
                let is_told = std::mem::replace(&mut state.told, true);
                wake(&mut state.user);
                Poll::Ready((!is_told).then_some(Packet::Close(code)))
            }
            None => {
                state.sender = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// What is told to the other end from time to time; the pipe is given up where nothing comes from there.
    pub(crate) fn ping(&self, now: Instant) -> Option<Packet> {
        let mut state = self.lock();
        if now >= state.heard + limits::PIPE_SILENCE {
            drop(state);
            self.end(Closed::MOVED);
            return None;
        }
        if state.closed.is_some() || now < state.pinged + limits::PIPE_PING {
            return None;
        }
        state.pinged = now;
        Some(state.flow.pings())
    }

    /// A packet came from the other node.
    pub(crate) fn receive(&self, packet: Packet) {
        let mut state = self.lock();
        state.heard = Instant::now();
        let with = state.flow.held_with(&packet);
        if with > state.flow.held() && !state.part.set(with) {
            drop(state);
            tracing::warn!(node = %self.node, "a pipe to another node is given up: too much that came from there waits here");
            return self.end(Closed::MOVED);
        }
        let outcome = match packet {
            Packet::Data {
                number,
                last,
                bytes,
            } => state.flow.data(number, last, bytes),
            Packet::Credit(bytes) => state.flow.credit(bytes),
            Packet::Ping { sent, taken } => state.flow.ping(sent, taken),
            Packet::Close(code) => {
                state.told = true;
                drop(state);
                return self.end(Closed(code));
            }
        };
        match outcome {
            Ok(()) => {
                wake(&mut state.user);
                wake(&mut state.sender);
            }
            Err(broken) => {
                drop(state);
                tracing::warn!(node = %self.node, "a pipe to another node is given up: {broken}");
                self.end(Closed::MOVED);
            }
        }
    }

    /// Ends it once everything is sent.
    pub(crate) fn finish(&self, closed: Closed) {
        let mut state = self.lock();
        state.finishing.get_or_insert(closed);
        wake(&mut state.sender);
    }

    /// Waits until the other node was told of the end.
    pub(crate) fn poll_told(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        state.user = Some(cx.waker().clone());
        match state.told {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    /// Ends it; what was not sent is dropped.
    pub(crate) fn end(&self, closed: Closed) {
        let mut state = self.lock();
        state.closed.get_or_insert(closed);
        wake(&mut state.user);
        wake(&mut state.sender);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Counts what is held.
    fn hold(&mut self) -> bool {
        let held = self.flow.held();
        self.part.set(held)
    }
}

impl fmt::Debug for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pipe({})", self.node)
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

/// The end of a pipe at the executor's node, in the place of a harness's websocket.
pub(crate) struct PipeSocket {
    pub(crate) pipe: Arc<Pipe>,
    /// For large frames that have come.
    gate: Gate,
    /// A ping that is not answered yet. The pipe has its own, so whoever asks here may have its answer.
    pinged: bool,
}

impl PipeSocket {
    pub(crate) fn new(pipe: Arc<Pipe>, gate: Gate) -> PipeSocket {
        PipeSocket {
            pipe,
            gate,
            pinged: false,
        }
    }
}

impl Drop for PipeSocket {
    fn drop(&mut self) {
        self.pipe.end(Closed::MOVED);
    }
}

impl Stream for PipeSocket {
    type Item = Result<Message, tungstenite::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.pinged) {
            return Poll::Ready(Some(Ok(Message::Pong(Bytes::new()))));
        }
        match self.pipe.poll_frame(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(size)) => {
                if size > limits::SMALL_FRAME {
                    ready!(self.gate.poll_turn(cx));
                }
                let parcel = self.pipe.take();
                Poll::Ready(parcel.map(|parcel| Ok(Message::Binary(parcel.frame))))
            }
            Poll::Ready(Err(_)) => Poll::Ready(None),
        }
    }
}

impl Sink<Message> for PipeSocket {
    type Error = tungstenite::Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.pipe
            .poll_room(cx)
            .map_err(|_| tungstenite::Error::ConnectionClosed)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), Self::Error> {
        match message {
            Message::Binary(frame) => self.pipe.push(frame, true),
            // A large frame in pieces.
            Message::Frame(piece) => {
                let last = piece.header().is_final;
                self.pipe.push(piece.into_payload(), last);
            }
            Message::Ping(_) => self.pinged = true,
            Message::Close(frame) => {
                let code = frame.map_or(Close::MOVED.code, |frame| frame.code.into());
                self.pipe.end(Closed(code));
            }
            _ => {}
        }
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::super::share::Share;
    use super::*;

    #[tokio::test]
    async fn attack_33_what_waits_from_one_node_has_a_bound_and_others_keep_theirs() {
        let share = Arc::new(Share::new(2, 3 * limits::PIPE_WINDOW / 2));
        let other = Arc::new(Share::new(2, 2 * limits::PIPE_WINDOW));
        let of = |share: &Arc<Share>, id| {
            let part = share.pipe().expect("a place");
            Pipe::new([id; 16], "n".to_owned(), part, None)
        };
        let (one, two, three) = (of(&share, 1), of(&share, 2), of(&other, 3));
        let data = |number| Packet::Data {
            number,
            last: true,
            bytes: Bytes::from(vec![0; limits::PACKET]),
        };
        for number in 0..4 {
            one.receive(data(number));
            three.receive(data(number));
        }
        // The second one would go beyond.
        two.receive(data(0));
        two.receive(data(1));
        let size = poll_fn(|cx| two.poll_frame(cx)).await;
        assert_eq!(size, Ok(limits::PACKET));
        two.take().expect("what came before it");
        let size = poll_fn(|cx| two.poll_frame(cx)).await;
        assert_eq!(size, Err(Closed::MOVED));
        for pipe in [&one, &three] {
            for _ in 0..4 {
                let size = poll_fn(|cx| pipe.poll_frame(cx)).await;
                assert_eq!(size, Ok(limits::PACKET));
                pipe.take().expect("a frame");
            }
        }
        // What was taken makes room, and so does a pipe that is gone.
        drop(two);
        let two = of(&share, 4);
        for number in 0..4 {
            two.receive(data(number));
        }
        let size = poll_fn(|cx| two.poll_frame(cx)).await;
        assert_eq!(size, Ok(limits::PACKET));
    }
}
