//! Reading ahead from a socket while there is much to read.
//!
//! For websockets of the library; frames of the relay have one of their own ([`super::FrameSocket`]). The library's buffer is
//! what one read takes at most, and what an idle connection keeps. So it is small, and a large frame would take a system call for each
//! few kilobytes. This stands below it: after a read that was filled to the brim the next ones take [`limits::READ_AHEAD`] bytes, until there is little to read;
//! then the memory is given back.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use super::{Between, Reads};
use crate::limits;

/// A socket that is read ahead.
pub type Ahead<S> = Between<ReadAhead, S>;

/// What is read ahead.
#[derive(Debug, Default)]
pub struct ReadAhead {
    /// There while there is much to read.
    buffer: Option<Box<[u8]>>,
    /// What of it was read and not handed on.
    from: usize,
    to: usize,
    /// The last read brought little.
    little: bool,
}

impl<S> Ahead<S> {
    /// Reads ahead from this one.
    pub fn new(socket: S) -> Ahead<S> {
        Between {
            reads: ReadAhead::default(),
            socket,
        }
    }
}

impl Reads for ReadAhead {
    fn poll_read<S: AsyncRead + Unpin>(
        &mut self,
        socket: &mut S,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(buffer) = &mut self.buffer else {
            let before = out.filled().len();
            ready!(Pin::new(&mut *socket).poll_read(cx, out))?;
            if out.remaining() == 0 && out.filled().len() > before {
                self.buffer = Some(vec![0; limits::READ_AHEAD].into());
            }
            return Poll::Ready(Ok(()));
        };
        if self.from == self.to {
            let mut into = ReadBuf::new(buffer);
            let read = Pin::new(socket).poll_read(cx, &mut into);
            (self.from, self.to) = (0, into.filled().len());
            // Nothing at the moment, or nothing any more.
            if self.to == 0 {
                if read.is_ready() {
                    self.buffer = None;
                }
                return read;
            }
            self.little = self.to < limits::READ_AHEAD / 8;
        }
        let rest = &buffer[self.from..self.to];
        let length = rest.len().min(out.remaining());
        out.put_slice(&rest[..length]);
        self.from += length;
        if self.from == self.to && self.little {
            self.buffer = None;
            (self.from, self.to) = (0, 0);
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime")
    }

    #[test]
    fn what_is_read_in_pieces_is_what_was_written_and_memory_is_given_back() {
        let sent: Vec<u8> = (0..1_000_000_u32).map(|number| number as u8).collect();
        let expected = sent.clone();
        runtime().block_on(async move {
            let (mut writer, reader) = duplex(300_000);
            let mut reader = Ahead::new(reader);
            let writing = tokio::spawn(async move {
                writer.write_all(&sent).await.expect("written");
                writer
            });
            let mut got = vec![0; expected.len()];
            let mut at = 0;
            let mut sizes = [7, 4_096, 100_000, 4_096].into_iter().cycle();
            let mut was_ahead = false;
            while at < got.len() {
                let end = got.len().min(at + sizes.next().unwrap_or(1));
                at += reader.read(&mut got[at..end]).await.expect("read");
                was_ahead |= reader.reads.buffer.is_some();
            }
            assert!(was_ahead && got == expected);
            let mut writer = writing.await.expect("written");
            let mut byte = [0];
            let idle = tokio::select! {
                biased;
                _ = reader.read(&mut byte) => false,
                () = std::future::ready(()) => true,
            };
            assert!(idle);
            writer.write_all(b"more").await.expect("written");
            let mut rest = [0; 4];
            reader.read_exact(&mut rest).await.expect("read");
            assert!(rest == *b"more" && reader.reads.buffer.is_none());
            drop(writer);
            assert_eq!(reader.read(&mut byte).await.expect("the end"), 0);
        });
    }
}
