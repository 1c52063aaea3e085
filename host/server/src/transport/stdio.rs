//! Newline-delimited JSON on standard input and output.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::fs::FileType;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::{Inbound, Transport};
use crate::limits;
use crate::policy::Peer;

/// Bytes read from the input at once.
const READ: usize = 64 << 10;

/// The one connection of a server on stdio.
pub(crate) struct Stdio {
    input: Box<dyn AsyncRead + Send + Unpin>,
    output: Box<dyn AsyncWrite + Send + Unpin>,
    /// Bytes read. Those before `taken` were handed on; from there to `searched` they hold no newline.
    unread: Vec<u8>,
    taken: usize,
    searched: usize,
    ended: bool,
    /// Bytes to write; those before `written` are gone already.
    unwritten: Vec<u8>,
    written: usize,
}

impl Stdio {
    /// Takes standard input and output, by descriptors of its own.
    pub(crate) fn new() -> io::Result<Stdio> {
        Ok(Stdio {
            input: input()?,
            output: output()?,
            unread: Vec::new(),
            taken: 0,
            searched: 0,
            ended: false,
            unwritten: Vec::new(),
            written: 0,
        })
    }

    /// The next line among the bytes read that is not blank, without its newline. What is left then is the
    /// beginning of a line.
    fn take_line(&mut self) -> Option<Vec<u8>> {
        while let Some(length) = memchr::memchr(b'\n', &self.unread[self.searched..]) {
            let end = self.searched + length;
            let start = std::mem::replace(&mut self.taken, end + 1);
            self.searched = self.taken;
            let line = &self.unread[start..end];
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            if end + 1 < self.unread.len() {
                return Some(line.to_vec());
            }
            // Nothing follows, as mostly: no copy.
            let mut all = std::mem::take(&mut self.unread);
            (self.taken, self.searched) = (0, 0);
            all.truncate(end);
            all.drain(..start);
            return Some(all);
        }
        self.unread.drain(..self.taken);
        self.taken = 0;
        self.searched = self.unread.len();
        None
    }

    fn poll_write_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.unwritten.len() {
            let rest = &self.unwritten[self.written..];
            let count = ready!(Pin::new(&mut self.output).poll_write(cx, rest))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += count;
        }
        self.unwritten.clear();
        self.unwritten.shrink_to(limits::WRITE_BUFFER);
        self.written = 0;
        Poll::Ready(Ok(()))
    }
}

impl Transport for Stdio {
    const NAME: &'static str = "stdio";

    const PINGS: bool = false;
    const HALF_CLOSES: bool = true;

    fn peer(&self) -> Peer {
        Peer::over(lockgate_policy_gate::Transport::Stdio)
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Inbound>>> {
        loop {
            if let Some(line) = self.take_line() {
                return Poll::Ready(Some(Ok(match Utf8Bytes::try_from(line) {
                    Ok(text) => Inbound::Message(text),
                    Err(_) => Inbound::NotText("the line is not UTF-8"),
                })));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            if self.unread.len() > limits::MESSAGE_BYTES {
                let text = format!("a line of more than {} bytes", limits::MESSAGE_BYTES);
                return Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::InvalidData, text))));
            }
            let start = self.unread.len();
            self.unread.resize(start + READ, 0);
            let mut buffer = ReadBuf::new(&mut self.unread[start..]);
            let outcome = Pin::new(&mut self.input).poll_read(cx, &mut buffer);
            let count = buffer.filled().len();
            self.unread.truncate(start + count);
            match outcome {
                Poll::Pending => {
                    if start == 0 {
                        // An idle connection holds no buffer.
                        self.unread = Vec::new();
                    }
                    return Poll::Pending;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(Ok(())) => {
                    if count == 0 {
                        self.ended = true;
                        // A last line without its newline is a message too.
                        if start > 0 {
                            self.unread.push(b'\n');
                        }
                    }
                }
            }
        }
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.unwritten.len() < limits::WRITE_BUFFER {
            return Poll::Ready(Ok(()));
        }
        self.poll_write_out(cx)
    }

    fn start_send(&mut self, message: String) -> io::Result<()> {
        self.unwritten.extend_from_slice(message.as_bytes());
        self.unwritten.push(b'\n');
        Ok(())
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_write_out(cx))?;
        Pin::new(&mut self.output).poll_flush(cx)
    }

    fn start_ping(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn heard(&self) -> Option<u64> {
        // Nor is there anybody who could ask for its session.
        None
    }

    fn has_hung_up(&self) -> bool {
        // Who has closed our input may still read our output.
        super::has_hung_up(io::stdout())
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

/// Standard input, polled where epoll can watch it; files and terminals go through tokio's blocking threads.
fn input() -> io::Result<Box<dyn AsyncRead + Send + Unpin>> {
    let fd = io::stdin().as_fd().try_clone_to_owned()?;
    Ok(match file_type(&fd)? {
        FileType::Fifo => Box::new(pipe::Receiver::from_owned_fd(fd)?),
        FileType::Socket => Box::new(socket(fd)?),
        _ => Box::new(tokio::io::stdin()),
    })
}

/// Standard output, likewise.
fn output() -> io::Result<Box<dyn AsyncWrite + Send + Unpin>> {
    let fd = io::stdout().as_fd().try_clone_to_owned()?;
    Ok(match file_type(&fd)? {
        FileType::Fifo => Box::new(pipe::Sender::from_owned_fd(fd)?),
        FileType::Socket => Box::new(socket(fd)?),
        _ => Box::new(tokio::io::stdout()),
    })
}

fn file_type(fd: &OwnedFd) -> io::Result<FileType> {
    Ok(FileType::from_raw_mode(rustix::fs::fstat(fd)?.st_mode))
}

/// A stream socket of any family: only read and write are asked of it.
fn socket(fd: OwnedFd) -> io::Result<UnixStream> {
    let socket = std::os::unix::net::UnixStream::from(fd);
    socket.set_nonblocking(true)?;
    UnixStream::from_std(socket)
}
