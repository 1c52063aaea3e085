//! A socket that knows how much came over it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use lockgate_relay::driver::{Between, Reads};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;

/// The socket of one client.
pub(crate) type Counted = Between<Count, TcpStream>;

/// Bytes that were read.
#[derive(Debug, Default)]
pub(crate) struct Count(u64);

/// Bytes that came, whether or not they were read: of a client that sends more than is taken in at the moment, the answer to a ping cannot be.
pub(super) fn heard(counted: &Counted) -> u64 {
    // Without it only what was read counts.
    counted.reads.0 + rustix::io::ioctl_fionread(&counted.socket).unwrap_or(0)
}

impl Reads for Count {
    fn poll_read<S: AsyncRead + Unpin>(
        &mut self,
        socket: &mut S,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(socket).poll_read(cx, buffer);
        self.0 += (buffer.filled().len() - before) as u64;
        outcome
    }
}
