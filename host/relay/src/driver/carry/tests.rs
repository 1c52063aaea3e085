//! A rendezvous that means harm: executors and harnesses need not trust theirs.

use std::io;
use std::task::{Context, Poll};

use tokio::io::ReadBuf;
use tokio_tungstenite::tungstenite::protocol::Role as Side;

use super::*;
use crate::Role;

/// What a harness is sent: a ping with as much in it as it may have. Servers do not mask.
const PING: [u8; 127] = {
    let mut ping = [b'p'; 127];
    (ping[0], ping[1]) = (0x89, 125);
    ping
};

/// A socket from which pings come without end, and that takes nothing.
#[derive(Default)]
struct Flood {
    read: usize,
}

impl AsyncRead for Flood {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let at = self.read % PING.len();
        let length = out.remaining().min(PING.len() - at);
        out.put_slice(&PING[at..at + length]);
        self.read += length;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Flood {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn attack_30_pings_of_a_rendezvous_that_takes_no_answers_are_not_read_without_end() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let _guard = runtime.enter();
    let from = Flood::default();
    let mut socket = FrameSocket::new(from, &[], Side::Client, websocket_config());
    let streams = Streams::new(Role::Harness);
    let mut backoff = Backoff::default();
    {
        let mut carried = std::pin::pin!(streams.carry(&mut socket, &mut backoff));
        let mut cx = Context::from_waker(std::task::Waker::noop());
        for _ in 0..1_000 {
            assert!(carried.as_mut().poll(&mut cx).is_pending(), "it was lost");
        }
    }
    let read = socket.get_ref().read;
    let most = limits::PINGS_UNSENT * PING.len() + limits::READ_BUFFER;
    assert!(read <= most, "{read} bytes of pings");
}

/// A socket on which nothing comes, and that takes everything.
#[derive(Default)]
struct Quiet {
    /// How often it was looked whether something has come.
    looks: usize,
    taken: Vec<u8>,
}

impl AsyncRead for Quiet {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.looks += 1;
        Poll::Pending
    }
}

impl AsyncWrite for Quiet {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.taken.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Everything that is there is done in one turn, and what a small call costs is mostly turns.
#[tokio::test]
async fn a_turn_that_sent_all_there_was_is_over() {
    // Not masked, to be read here.
    let mut socket = FrameSocket::new(Quiet::default(), &[], Side::Server, websocket_config());
    let streams = Streams::new(Role::Harness);
    let stream = streams.open().expect("a stream");
    stream.send(Bytes::from_static(b"words")).expect("sent");
    let mut backoff = Backoff::default();
    {
        let mut carried = std::pin::pin!(streams.carry(&mut socket, &mut backoff));
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(carried.as_mut().poll(&mut cx).is_pending(), "it was lost");
    }
    let socket = socket.get_ref();
    assert!(!socket.taken.is_empty());
    assert_eq!(socket.looks, 1);
}
