//! A pipe as the tasks at its end see it.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use futures_util::{Sink, Stream};
use tokio_tungstenite::tungstenite::{self, Message};

use super::NodeId;
use super::flow::{Broken, Flow, Packet, PipeId};
use crate::large::{Gate, Parcel};
use crate::limits;
use crate::outlet::Close;

/// One end of a pipe.
pub(crate) struct Pipe {
    pub(crate) id: PipeId,
    /// The other node.
    pub(crate) node: NodeId,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    flow: Flow,
    closed: Option<Closed>,
    /// The close was told to the other node, or came from it.
    told: bool,
    /// The task at this end.
    user: Option<Waker>,
    /// The task that sends packets.
    sender: Option<Waker>,
}

/// How a pipe ended: the code of a websocket's close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closed(pub(crate) u16);

impl Pipe {
    pub(crate) fn new(id: PipeId, node: NodeId) -> Arc<Pipe> {
        Arc::new(Pipe {
            id,
            node,
            state: Mutex::default(),
        })
    }

    /// Whether another frame may be put in; the task that asks is woken when there is room, when a frame comes, and at the end.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        let mut state = self.lock();
        if let Some(closed) = state.closed {
            return Poll::Ready(Err(closed));
        }
        if state.flow.has_room() {
            return Poll::Ready(Ok(()));
        }
        state.user = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Puts a frame in.
    pub(crate) fn push(&self, parcel: impl Into<Parcel>) {
        let mut state = self.lock();
        state.flow.push(parcel);
        wake(&mut state.sender);
    }

    /// Whether a frame came, and its size. What came before the end is still taken.
    pub(crate) fn poll_frame(&self, cx: &mut Context<'_>) -> Poll<Result<usize, Closed>> {
        let mut state = self.lock();
        if let Some(size) = state.flow.next_size() {
            return Poll::Ready(Ok(size));
        }
        if let Some(closed) = state.closed {
            return Poll::Ready(Err(closed));
        }
        state.user = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Takes the next frame.
    pub(crate) fn take(&self) -> Option<Bytes> {
        let mut state = self.lock();
        let frame = state.flow.take();
        // It may have to be reported.
        wake(&mut state.sender);
        frame
    }

    /// What the other node is to be told next; none at the end.
    pub(crate) fn poll_packet(&self, cx: &mut Context<'_>) -> Poll<Option<Packet>> {
        let mut state = self.lock();
        if let Some(Closed(code)) = state.closed {
            let is_told = std::mem::replace(&mut state.told, true);
            return Poll::Ready((!is_told).then_some(Packet::Close(code)));
        }
        match state.flow.next_packet() {
            Some(packet) => {
                wake(&mut state.user);
                Poll::Ready(Some(packet))
            }
            None => {
                state.sender = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// A packet came from the other node.
    pub(crate) fn receive(&self, packet: Packet) {
        let mut state = self.lock();
        let outcome = match packet {
            Packet::Data {
                number,
                last,
                bytes,
            } => state.flow.data(number, last, bytes),
            Packet::Credit(bytes) => state.flow.credit(bytes),
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
                self.broken(broken);
            }
        }
    }

    fn broken(&self, why: Broken) {
        tracing::warn!(node = %self.node, "a pipe to another node is given up: {why}");
        self.end(Closed(Close::MOVED.code));
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
    /// A ping that is not answered yet. The other node is known to be there: otherwise the pipe would have been ended.
    pinged: bool,
    /// A frame that is written in pieces.
    pieces: BytesMut,
    /// For large frames that have come.
    gate: Gate,
}

impl PipeSocket {
    pub(crate) fn new(pipe: Arc<Pipe>, gate: Gate) -> PipeSocket {
        PipeSocket {
            pipe,
            gate,
            pinged: false,
            pieces: BytesMut::new(),
        }
    }
}

impl Drop for PipeSocket {
    fn drop(&mut self) {
        self.pipe.end(Closed(Close::MOVED.code));
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
                Poll::Ready(self.pipe.take().map(|frame| Ok(Message::Binary(frame))))
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
            Message::Binary(frame) => self.pipe.push(frame),
            // A large frame in pieces.
            Message::Frame(piece) => {
                let is_last = piece.header().is_final;
                self.pieces.extend_from_slice(piece.payload());
                if is_last {
                    let frame = std::mem::take(&mut self.pieces).freeze();
                    self.pipe.push(frame);
                }
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
