//! One end of a simulated network: a connection with an application that sends what it was given and keeps what it reads.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use bytes::Bytes;
use lockgate_relay::{Connection, Ended, Event, Role, StreamError, StreamId};

pub(crate) struct End {
    pub(crate) connection: Connection,
    /// What is still to be given to the connection.
    pub(crate) to_send: BTreeMap<StreamId, VecDeque<Bytes>>,
    pub(crate) received: BTreeMap<StreamId, Vec<Bytes>>,
    pub(crate) handshakes: BTreeMap<StreamId, Bytes>,
    /// What it answers to handshakes.
    pub(crate) answer: Option<Bytes>,
    /// Streams on which it sends nothing before the peer's handshake.
    pub(crate) greeted: BTreeSet<StreamId>,
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
            handshakes: BTreeMap::new(),
            answer: None,
            greeted: BTreeSet::new(),
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

    /// Begins a stream with a handshake, and waits for the other's.
    pub(crate) fn greet(&mut self, id: &StreamId, payload: Bytes) {
        self.connection
            .send_handshake(id, payload)
            .expect("an open stream");
        self.greeted.insert(id.clone());
    }

    /// Gives the connection what it takes, and looks at what it tells.
    pub(crate) fn work(&mut self, now: Instant) {
        while let Some(event) = self.connection.poll_event() {
            match event {
                Event::Opened(id) => drop(self.received.entry(id).or_default()),
                Event::Readable(id) => self.readable.push(id),
                Event::Writable(_) => {}
                Event::Handshake { stream, payload } => {
                    if let Some(answer) = &self.answer {
                        self.connection
                            .send_handshake(&stream, answer.clone())
                            .expect("the first one");
                    }
                    let before = self.handshakes.insert(stream, payload);
                    assert_eq!(before, None, "a handshake comes once");
                }
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
            if self.greeted.contains(id) && !self.handshakes.contains_key(id) {
                continue;
            }
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
