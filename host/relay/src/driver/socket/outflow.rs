//! What waits to be written, each part where it is.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use tokio::io::AsyncWrite;

/// Parts of one system call.
const PARTS: usize = 32;

#[derive(Debug, Default)]
pub(super) struct Outflow {
    parts: VecDeque<Bytes>,
    bytes: usize,
    /// Something in it is an answer that nobody asked to be sent.
    owes: bool,
}

impl Outflow {
    pub(super) fn push(&mut self, part: Bytes) {
        if !part.is_empty() {
            self.bytes += part.len();
            self.parts.push_back(part);
        }
    }

    pub(super) fn push_owed(&mut self, part: Bytes) {
        self.owes = true;
        self.push(part);
    }

    /// Whether it is to be written even if nobody flushes.
    pub(super) fn owes(&self) -> bool {
        self.owes
    }

    /// Writes until no more than so many bytes are left.
    pub(super) fn poll_write<S: AsyncWrite + Unpin>(
        &mut self,
        socket: &mut S,
        down_to: usize,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while self.bytes > down_to {
            let socket = Pin::new(&mut *socket);
            let written = if let (Some(part), 1) = (self.parts.front(), self.parts.len()) {
                // Costs the system less.
                ready!(socket.poll_write(cx, part))?
            } else {
                let mut slices = [IoSlice::new(&[]); PARTS];
                let mut count = 0;
                for (slice, part) in slices.iter_mut().zip(&self.parts) {
                    *slice = IoSlice::new(part);
                    count += 1;
                }
                ready!(socket.poll_write_vectored(cx, &slices[..count]))?
            };
            if written == 0 {
                let words = "the connection was reset while something was sent";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionReset, words)));
            }
            self.is_written(written);
        }
        if self.bytes == 0 {
            self.owes = false;
        }
        Poll::Ready(Ok(()))
    }

    fn is_written(&mut self, mut written: usize) {
        self.bytes -= written;
        while written > 0 {
            let Some(part) = self.parts.front_mut() else {
                return;
            };
            let now = part.len().min(written);
            part.advance(now);
            written -= now;
            if part.is_empty() {
                self.parts.pop_front();
            }
        }
    }
}
