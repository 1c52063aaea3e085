//! One end of a simulated network: a connection with an application that sends what it was given and keeps what it reads.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use bytes::Bytes;
use lockgate_relay::{Connection, Ended, Event, Role, StreamError, StreamId};

pub(crate) struct End {
    pub(crate) connection: Connection,
    /// What is still to be given to the connection.
    pub(crate) to_send: BTreeMap<StreamId, VecDeque<Bytes>>,
    pub(crate) received: BTreeMap<StreamId, Vec<Bytes>>,
    pub(crate) closed: BTreeMap<StreamId, Ended>,
    /// Streams with something to read that the application has not read.
    readable: Vec<StreamId>,
    /// Reads only when told to.
    pub(crate) is_slow: bool,
}

impl End {
    pub(crate) fn new(connection: Connection) -> Self {
        Self {
            connection,
            to_send: BTreeMap::new(),
            received: BTreeMap::new(),
            closed: BTreeMap::new(),
            readable: Vec::new(),
            is_slow: false,
        }
    }

    pub(crate) fn of(role: Role) -> Self {
        Self::new(Connection::new(role))
    }

    pub(crate) fn will_send(&mut self, id: &StreamId, messages: impl IntoIterator<Item = Bytes>) {
        let queue = self.to_send.entry(id.clone()).or_default();
        queue.extend(messages);
    }

    /// Gives the connection what it takes, and looks at what it tells.
    pub(crate) fn work(&mut self, now: Instant) {
        while let Some(event) = self.connection.poll_event() {
            match event {
                Event::Opened(id) => drop(self.received.entry(id).or_default()),
                Event::Readable(id) => self.readable.push(id),
                Event::Writable(_) => {}
                Event::Closed {
                    stream,
                    why,
                    unread,
                } => {
                    self.received
                        .entry(stream.clone())
                        .or_default()
                        .extend(unread);
                    self.readable.retain(|id| *id != stream);
                    self.closed.insert(stream, why);
                }
            }
        }
        if !self.is_slow {
            self.read(now);
        }
        for (id, queue) in &mut self.to_send {
            while let Some(message) = queue.pop_front() {
                match self.connection.send(id, message.clone()) {
                    Ok(()) => {}
                    // Not opened by the peer yet, or no room: later.
                    Err(StreamError::NotOpen(_) | StreamError::Full(_)) => {
                        queue.push_front(message);
                        break;
                    }
                    Err(other) => panic!("{other}"),
                }
            }
        }
    }

    /// Reads everything that came.
    pub(crate) fn read(&mut self, now: Instant) {
        for id in std::mem::take(&mut self.readable) {
            while let Some(message) = self.connection.read(&id, now).expect("an open stream") {
                self.received.entry(id.clone()).or_default().push(message);
            }
        }
    }

    pub(crate) fn bytes_received(&self, id: &StreamId) -> usize {
        self.received
            .get(id)
            .map_or(0, |messages| messages.iter().map(Bytes::len).sum())
    }
}
