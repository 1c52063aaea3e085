//! The websocket library, without a socket: it reads what it is given, and what it writes is handed over.

use std::io::{self, Read, Write};

use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::outflow::Outflow;

#[derive(Debug)]
pub(super) struct Library {
    context: WebSocketContext,
    pipe: Pipe,
    is_server: bool,
}

/// What it takes for a socket.
#[derive(Debug, Default)]
struct Pipe {
    input: Input,
    output: Vec<u8>,
}

/// Bytes for it to read.
#[derive(Debug, Default)]
pub(super) struct Input {
    bytes: Vec<u8>,
    read: usize,
    /// How the socket ended, until it has been told.
    end: Option<io::Result<()>>,
}

impl Library {
    pub(super) fn new(role: Role, config: WebSocketConfig) -> Library {
        Library {
            // Nothing is gathered twice.
            context: WebSocketContext::new(role, Some(config.write_buffer_size(0))),
            pipe: Pipe::default(),
            is_server: role == Role::Server,
        }
    }

    /// Whether messages may be sent.
    pub(super) fn can_write(&self) -> bool {
        self.context.can_write()
    }

    /// Where bytes of frames go that it is to read.
    pub(super) fn input(&mut self) -> &mut Input {
        &mut self.pipe.input
    }

    /// The socket has ended; an error it tells as it sees fit.
    pub(super) fn end(&mut self, how: io::Result<()>) {
        self.pipe.input.end = Some(how);
    }

    /// What it makes of what it was given. None: it needs more.
    pub(super) fn read(&mut self) -> Option<Result<Message, Error>> {
        // A server that has said good-bye and heard it ends here, whatever else comes.
        let is_over = self.is_server && !self.context.can_read();
        if self.pipe.input.is_empty() && !is_over {
            return None;
        }
        match self.context.read(&mut self.pipe) {
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => None,
            Ok(message) => {
                // What it answers goes before what comes after.
                let _ = self.context.flush(&mut self.pipe);
                Some(Ok(message))
            }
            other => Some(other),
        }
    }

    pub(super) fn write(&mut self, message: Message) -> Result<(), Error> {
        self.context.write(&mut self.pipe, message)
    }

    pub(super) fn flush(&mut self) -> Result<(), Error> {
        self.context.flush(&mut self.pipe)
    }

    /// Says good-bye, unless it has.
    pub(super) fn close(&mut self) -> Result<(), Error> {
        self.context.close(&mut self.pipe, None)
    }

    /// Gives out what it has written.
    pub(super) fn hand_over(&mut self, outflow: &mut Outflow) {
        if !self.pipe.output.is_empty() {
            outflow.push_owed(std::mem::take(&mut self.pipe.output).into());
        }
    }
}

impl Input {
    fn is_empty(&self) -> bool {
        self.read == self.bytes.len() && self.end.is_none()
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }
}

impl Read for Pipe {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let input = &mut self.input;
        let rest = &input.bytes[input.read..];
        if rest.is_empty() {
            return match input.end.take() {
                Some(how) => how.map(|()| 0),
                None => Err(io::ErrorKind::WouldBlock.into()),
            };
        }
        let length = rest.len().min(out.len());
        out[..length].copy_from_slice(&rest[..length]);
        input.read += length;
        if input.read == input.bytes.len() {
            // Idle connections keep nothing.
            (input.bytes, input.read) = (Vec::new(), 0);
        }
        Ok(length)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
