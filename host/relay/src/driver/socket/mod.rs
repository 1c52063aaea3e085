//! A websocket for frames of the relay.
//!
//! What carries a stream spends its time on copies: a general websocket library copies each message into a buffer of its own on the way in, and again on the way
//! out. Nearly all that goes over these sockets are whole binary messages of some 44 KiB, and of those nobody needs a copy: the bytes of one are read from the
//! socket to where they stay, and written from where they are. Everything else that RFC 6455 knows (texts, parts of messages, large messages, control frames, the good-bye, and
//! whatever breaks the rules) is the [`library`]'s business, which gets the bytes of those frames as they came and says what comes of them, and what is to be
//! answered.

mod inflow;
mod library;
mod mask;
mod outflow;

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use self::inflow::{Inflow, Step};
use self::library::Library;
use self::mask::Masks;
use self::outflow::Outflow;
use crate::limits;

/// A websocket over any socket, for one task. Messages and errors are those of the library; so are the sizes, but for what is said of [`WebSocketConfig`] in
/// [`FrameSocket::new`].
#[derive(Debug)]
pub struct FrameSocket<S> {
    socket: S,
    inflow: Inflow,
    outflow: Outflow,
    library: Library,
    /// A client masks what it sends.
    masks: Option<Masks>,
    /// Bytes that may wait before the next message has to.
    most_waiting: usize,
    has_ended: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> FrameSocket<S> {
    /// Takes over a socket after the opening handshake; `came`: what of the peer's frames was read with it. `read_buffer_size` is what is read at once where
    /// no frame has begun, but not more than [`limits::LOOK`], and `write_buffer_size` what is gathered before it is written.
    pub fn new(socket: S, came: &[u8], role: Role, config: WebSocketConfig) -> FrameSocket<S> {
        FrameSocket {
            socket,
            inflow: Inflow::new(came, role, &config),
            outflow: Outflow::default(),
            library: Library::new(role, config),
            masks: (role == Role::Client).then(Masks::default),
            most_waiting: config.write_buffer_size,
            has_ended: false,
        }
    }

    /// What is below.
    pub fn get_ref(&self) -> &S {
        &self.socket
    }

    /// Sends these, one after the other, as a binary message, copied once to where they are sent from. After [`Sink::poll_ready`].
    pub(crate) fn start_binary(&mut self, parts: &[&[u8]]) -> Result<(), Error> {
        if !self.library.can_write() {
            return self.start_by_library(Message::Binary(Bytes::new()));
        }
        let length = parts.iter().map(|part| part.len()).sum();
        let (mut frame, mask) = self.head(BINARY, length, length);
        append(&mut frame, parts, mask);
        self.outflow.push(frame.into());
        Ok(())
    }

    /// The head of a frame, with room behind it; and the mask that is in it.
    fn head(
        &mut self,
        mut header: FrameHeader,
        length: usize,
        room: usize,
    ) -> (Vec<u8>, Option<[u8; 4]>) {
        header.mask = self.masks.as_mut().map(Masks::next);
        let mut bytes = Vec::with_capacity(header.len(length as u64) + room);
        // Nothing is wrong with a vector.
        let _ = header.format(length as u64, &mut bytes);
        (bytes, header.mask)
    }

    fn start_data(&mut self, header: FrameHeader, payload: Bytes) {
        let length = payload.len();
        if self.masks.is_some() || length <= limits::SMALL_PART {
            let (mut frame, mask) = self.head(header, length, length);
            append(&mut frame, &[&payload], mask);
            self.outflow.push(frame.into());
        } else {
            let (head, _) = self.head(header, length, 0);
            self.outflow.push(head.into());
            self.outflow.push(payload);
        }
    }

    fn start_by_library(&mut self, message: Message) -> Result<(), Error> {
        let outcome = self.library.write(message);
        self.library.hand_over(&mut self.outflow);
        outcome
    }

    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, Error>> {
        loop {
            let heard = self.library.read();
            self.library.hand_over(&mut self.outflow);
            if let Some(heard) = heard {
                return Poll::Ready(heard);
            }
            match self.inflow.next(self.library.input()) {
                Step::Message(message) => return Poll::Ready(Ok(Message::Binary(message))),
                Step::Passed => {}
                Step::Read => match self.inflow.poll_read(&mut self.socket, cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(0)) => self.library.end(Ok(())),
                    Poll::Ready(Ok(_)) => {}
                    Poll::Ready(Err(error)) => self.library.end(Err(error)),
                },
            }
        }
    }

    fn poll_written(&mut self, down_to: usize, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.outflow
            .poll_write(&mut self.socket, down_to, cx)
            .map_err(Error::Io)
    }
}

/// Appends a payload to the head of its frame.
fn append(frame: &mut Vec<u8>, payload: &[&[u8]], mask: Option<[u8; 4]>) {
    let begin = frame.len();
    for part in payload {
        match mask {
            Some(mask) => mask::append(frame, part, mask::after(frame.len() - begin, mask)),
            None => frame.extend_from_slice(part),
        }
    }
}

/// The head of a whole binary message.
const BINARY: FrameHeader = FrameHeader {
    is_final: true,
    rsv1: false,
    rsv2: false,
    rsv3: false,
    opcode: OpCode::Data(Data::Binary),
    mask: None,
};

fn is_end(error: &Error) -> bool {
    matches!(error, Error::ConnectionClosed | Error::AlreadyClosed)
}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for FrameSocket<S> {
    type Item = Result<Message, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.has_ended {
            return Poll::Ready(None);
        }
        let read = this.poll_message(cx);
        // Whoever only reads answers, too.
        let error = match this.outflow.owes() {
            true => match this.poll_written(0, cx) {
                Poll::Ready(Err(error)) => Some(error),
                _ => None,
            },
            false => None,
        };
        let read = match (read, error) {
            (Poll::Pending, Some(error)) => Err(error),
            (Poll::Pending, None) => return Poll::Pending,
            (Poll::Ready(read), _) => read,
        };
        this.has_ended = read.is_err();
        Poll::Ready(match read {
            Err(error) if is_end(&error) => None,
            read => Some(read),
        })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Sink<Message> for FrameSocket<S> {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let most = self.most_waiting;
        self.poll_written(most, cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        let this = &mut *self;
        match message {
            Message::Binary(payload) if this.library.can_write() => {
                this.start_data(BINARY, payload);
                Ok(())
            }
            Message::Frame(frame)
                if this.library.can_write() && matches!(frame.header().opcode, OpCode::Data(_)) =>
            {
                this.start_data(frame.header().clone(), frame.into_payload());
                Ok(())
            }
            message => this.start_by_library(message),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let this = &mut *self;
        let flushed = this.library.flush();
        this.library.hand_over(&mut this.outflow);
        match flushed {
            Err(error) if !is_end(&error) => return Poll::Ready(Err(error)),
            _ => {}
        }
        match this.poll_written(0, cx) {
            Poll::Ready(Ok(())) => Pin::new(&mut this.socket).poll_flush(cx).map_err(Error::Io),
            other => other,
        }
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        // Once: after that it is only flushed.
        let closed = self.library.close();
        let this = &mut *self;
        this.library.hand_over(&mut this.outflow);
        match closed {
            Err(error) if !is_end(&error) => Poll::Ready(Err(error)),
            _ => self.poll_flush(cx),
        }
    }
}

#[cfg(test)]
mod tests;
