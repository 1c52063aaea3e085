//! Large frames come in by turns: memory for a few of them is all that an environment can make us hold.
//!
//! Without encryption a frame may have 64 MiB, and its parts have to be kept until it is whole, and then until the other end takes it. A thousand harnesses
//! that each begin one would fill any machine. So a websocket that has read more than a small frame without a whole message waits for one of
//! [`limits::LARGE_FRAMES`] turns before it reads on. The turn goes with the frame, and is given back when that has left or is dropped. The two directions have
//! turns of their own: what executors say leaves or its harness is given up, while what they are told may have to wait for what they say.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use crate::limits;

/// The turns of one environment in one direction.
#[derive(Clone, Debug)]
pub(crate) struct Turns(Arc<Semaphore>);

/// One large frame's. Dropping it gives it back.
pub(crate) type Turn = OwnedSemaphorePermit;

impl Default for Turns {
    fn default() -> Turns {
        Turns(Arc::new(Semaphore::new(limits::LARGE_FRAMES)))
    }
}

impl Turns {
    /// Waits for one.
    pub(crate) fn ask(&self) -> Asking {
        Box::pin(Arc::clone(&self.0).acquire_owned())
    }
}

/// Waits for a turn. They are never closed.
pub(crate) type Asking = Pin<Box<dyn Future<Output = Result<Turn, AcquireError>> + Send>>;

/// A frame on its way, with its turn if it is large.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) frame: Bytes,
    turn: Option<Turn>,
}

impl Parcel {
    pub(crate) fn new(frame: Bytes, turn: Option<Turn>) -> Parcel {
        Parcel { frame, turn }
    }

    /// Whether it took a turn to come in.
    pub(crate) fn is_large(&self) -> bool {
        self.turn.is_some()
    }

    /// What has to be kept until the frame is gone.
    pub(crate) fn into_turn(self) -> Option<Turn> {
        self.turn
    }
}

impl From<Bytes> for Parcel {
    fn from(frame: Bytes) -> Parcel {
        Parcel::new(frame, None)
    }
}

/// What one websocket has read of a message that is not whole yet.
#[derive(Debug, Default)]
pub(crate) struct Meter(Mutex<Incoming>);

#[derive(Debug, Default)]
struct Incoming {
    bytes: usize,
    waits: bool,
    /// And since when.
    turn: Option<(Turn, Instant)>,
}

impl Meter {
    /// A message has become whole: gives its turn.
    pub(crate) fn is_whole(&self) -> Option<Turn> {
        let mut incoming = self.lock();
        incoming.bytes = 0;
        incoming.turn.take().map(|(turn, _)| turn)
    }

    /// A control frame of so many bytes came, perhaps between the parts of a message: it is nothing that is kept.
    pub(crate) fn is_control(&self, payload: usize) {
        let mut incoming = self.lock();
        // With its head and mask (RFC 6455, 5.2): control frames have 125 bytes at most.
        incoming.bytes = incoming.bytes.saturating_sub(payload + 6);
    }

    /// Nothing is read because others have their turn.
    pub(crate) fn waits(&self) -> bool {
        self.lock().waits
    }

    /// Since when this websocket has its turn.
    pub(crate) fn since(&self) -> Option<Instant> {
        self.lock().turn.as_ref().map(|(_, since)| *since)
    }

    fn lock(&self) -> MutexGuard<'_, Incoming> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a large frame waits for its turn.
pub(crate) struct Gate {
    meter: Arc<Meter>,
    turns: Turns,
    asking: Option<Asking>,
}

impl Gate {
    pub(crate) fn new(meter: Arc<Meter>, turns: Turns) -> Gate {
        Gate {
            meter,
            turns,
            asking: None,
        }
    }

    /// Whether the message that is coming in has its turn.
    pub(crate) fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        {
            let mut incoming = self.meter.lock();
            if incoming.turn.is_some() {
                return Poll::Ready(());
            }
            incoming.waits = true;
        }
        let turns = &self.turns;
        let asking = self.asking.get_or_insert_with(|| turns.ask());
        let turn = ready!(asking.as_mut().poll(cx));
        self.asking = None;
        let mut incoming = self.meter.lock();
        incoming.waits = false;
        // They are never closed.
        incoming.turn = turn.ok().map(|turn| (turn, Instant::now()));
        Poll::Ready(())
    }
}

/// A socket that is read as its meter allows.
pub(crate) struct Metered<S> {
    socket: S,
    gate: Gate,
}

impl<S> Metered<S> {
    pub(crate) fn new(socket: S, gate: Gate) -> Metered<S> {
        Metered { socket, gate }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let is_large = self.gate.meter.lock().bytes > limits::SMALL_FRAME;
        if is_large {
            ready!(self.gate.poll_turn(cx));
        }
        let before = out.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(cx, out))?;
        self.gate.meter.lock().bytes += out.filled().len() - before;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

impl<S: fmt::Debug> fmt::Debug for Metered<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Metered({:?})", self.socket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metered<'a>(bytes: &'a [u8], turns: &Turns) -> (Metered<&'a [u8]>, Arc<Meter>) {
        let meter = Arc::new(Meter::default());
        (
            Metered::new(bytes, Gate::new(Arc::clone(&meter), turns.clone())),
            meter,
        )
    }

    /// Reads until there is nothing more, or a turn is missing; gives how much.
    fn read(from: &mut Metered<&[u8]>) -> usize {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let (mut all, mut buffer) = (0, [0; 4_096]);
        loop {
            let mut into = ReadBuf::new(&mut buffer);
            match Pin::new(&mut *from).poll_read(&mut cx, &mut into) {
                Poll::Ready(read) if !into.filled().is_empty() => {
                    read.expect("read");
                    all += into.filled().len();
                }
                _ => return all,
            }
        }
    }

    #[test]
    fn attack_33_large_frames_wait_for_their_turn_and_small_ones_for_nothing() {
        let turns = Turns::default();
        let large = vec![0; 2 * limits::SMALL_FRAME];
        let mut held = Vec::new();
        for _ in 0..limits::LARGE_FRAMES {
            let (mut socket, meter) = metered(&large, &turns);
            assert_eq!(read(&mut socket), large.len());
            assert!(meter.since().is_some());
            held.push(meter.is_whole().expect("its turn"));
        }
        let (mut waiting, meter) = metered(&large, &turns);
        let some = read(&mut waiting);
        assert!(
            some <= limits::SMALL_FRAME + 4_096 && meter.waits(),
            "{some}"
        );
        // Small ones pass, however many.
        let (mut small, other) = metered(&large, &turns);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut buffer = [0; 1_024];
        for _ in 0..large.len() / buffer.len() {
            let mut into = ReadBuf::new(&mut buffer);
            let read = Pin::new(&mut small).poll_read(&mut cx, &mut into);
            assert!(read.is_ready() && into.filled().len() == 1_024);
            assert!(other.is_whole().is_none());
        }
        held.pop();
        assert_eq!(some + read(&mut waiting), large.len());
        assert!(!meter.waits() && meter.is_whole().is_some());
    }

    #[test]
    fn pings_between_the_parts_of_a_message_are_not_counted() {
        let pings = vec![0; 131 * 10_000];
        let (mut socket, meter) = metered(&pings, &Turns::default());
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut buffer = [0; 131];
        for _ in 0..10_000 {
            let mut into = ReadBuf::new(&mut buffer);
            assert!(
                Pin::new(&mut socket)
                    .poll_read(&mut cx, &mut into)
                    .is_ready()
            );
            meter.is_control(125);
        }
        assert!(meter.since().is_none());
        assert_eq!(meter.lock().bytes, 0);
    }
}
