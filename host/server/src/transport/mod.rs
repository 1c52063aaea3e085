//! Transports: what carries messages between a client and the server.
//!
//! A transport yields inbound messages and takes outbound ones; the connection above it knows
//! nothing of sockets or pipes. Both directions are polled from one task, so that a socket that
//! cannot be written does not stop requests (an interrupt, say) from being read.

mod counted;
mod http;
pub(crate) mod in_process;
mod relay;
mod stdio;
mod tcp;
mod websocket;

use std::io;
use std::os::fd::AsFd;
use std::task::{Context, Poll};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio_tungstenite::tungstenite::Utf8Bytes;

pub(crate) use http::serve_http;
pub(crate) use relay::Relayed;
pub(crate) use stdio::Stdio;
pub(crate) use tcp::bind;
pub use tcp::{ListenError, ListenUrl};
pub(crate) use websocket::WebSocket;

use crate::policy::Peer;

/// One inbound message, or what came instead of it.
#[derive(Debug)]
pub(crate) enum Inbound {
    /// One JSON text, not yet parsed.
    Message(Utf8Bytes),
    /// A frame or line that cannot hold JSON; the reason. The connection goes on.
    NotText(&'static str),
    /// What breaks the transport's rules; nothing follows. The close says to the peer what it was.
    Violation(String),
}

/// A carrier of messages, polled by exactly one task.
pub(crate) trait Transport: Unpin + Send + 'static {
    /// Whether a peer that has ended its side still reads.
    const HALF_CLOSES: bool;

    /// Name in logs: `websocket`, `stdio`, `relay` or `in-process`.
    const NAME: &'static str;

    /// Who is at the other end, as far as the transport knows.
    fn peer(&self) -> Peer;

    /// The next inbound message; `None` when the peer is gone.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Inbound>>>;

    /// Whether another message may be queued.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Queues a message. Only after `poll_ready` said so.
    fn start_send(&mut self, message: String) -> io::Result<()>;

    /// Whether messages may be any bytes.
    const CARRIES_BYTES: bool = false;

    /// Queues a message that is no text, where that is so. Only after `poll_ready` said so.
    fn start_send_bytes(&mut self, _: Vec<u8>) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Writes what is queued.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Queues a liveness probe, where the transport has one.
    fn start_ping(&mut self) -> io::Result<()>;

    /// Whether that is to be done every now and then. A transport may see to it by itself.
    const PINGS: bool;

    /// How much was heard of the peer so far: more than before a ping is its answer, or as good as that. None where it cannot be asked, because its end
    /// cannot go unnoticed.
    fn heard(&self) -> Option<u64>;

    /// Whether the peer is known to be gone, for a time in which nothing is read.
    fn has_hung_up(&self) -> bool;

    /// Says good-bye to the peer, where the transport can.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// Whether nobody is at the other end of a socket, or reads the pipe that this end writes.
fn has_hung_up(fd: impl AsFd) -> bool {
    // Hang-ups and errors are told without being asked for.
    let mut look = [PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::RDHUP)];
    let gone = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
    poll(&mut look, Some(&Timespec::default())).is_ok() && look[0].revents().intersects(gone)
}
