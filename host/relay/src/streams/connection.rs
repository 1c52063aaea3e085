//! Many streams over one physical connection that may be lost and come back.
//!
//! Frames, messages and the time go in; frames, messages, events and a deadline come out. Whoever drives it, after each input: sends what
//! [`Connection::poll_transmit`] gives until it gives nothing (or stops while the socket is full: nothing piles up here), looks at
//! [`Connection::poll_event`] until there is none, and calls [`Connection::on_time`] at [`Connection::deadline`].

mod meeting;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Instant;

use bytes::Bytes;

use crate::limits;
use crate::streams::ended::{Ended, EndedStreams};
use crate::streams::error::StreamError;
use crate::streams::event::Event;
use crate::streams::frame::{Body, Frame, Reason};
use crate::streams::receiving::Taken;
use crate::streams::schedule::{Schedule, Turn};
use crate::streams::stream::{Heard, Stream};
use crate::streams::stream_id::StreamId;

/// Which end this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Streams are opened by peers.
    Executor,
    /// Streams are opened here; frames of others are none of our business.
    Harness,
}

/// The streams of one physical connection after another.
#[derive(Debug)]
pub struct Connection {
    role: Role,
    link: Link,
    /// By age. The names lead to the keys.
    streams: BTreeMap<u64, Stream>,
    names: HashMap<StreamId, u64>,
    next_key: u64,
    schedule: Schedule,
    ended: EndedStreams,
    replies: VecDeque<Frame>,
    events: VecDeque<Event>,
    first_seq: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Up,
    DownSince(Instant),
}

impl Connection {
    /// A connection whose physical one is up.
    pub fn new(role: Role) -> Self {
        Self {
            role,
            link: Link::Up,
            streams: BTreeMap::new(),
            names: HashMap::new(),
            next_key: 0,
            schedule: Schedule::default(),
            ended: EndedStreams::default(),
            replies: VecDeque::new(),
            events: VecDeque::new(),
            first_seq: 0,
        }
    }

    /// One whose streams count from another number than 0: for tests of where the numbers end. Both ends must agree.
    #[doc(hidden)]
    pub fn counting_from(role: Role, first_seq: u32) -> Self {
        Self {
            first_seq,
            ..Self::new(role)
        }
    }

    /// Opens a stream. Its name must be one that no stream had: a fresh UUID.
    ///
    /// # Errors
    /// [`StreamError::NameTaken`], [`StreamError::TooMany`].
    pub fn open(&mut self, id: &StreamId, now: Instant) -> Result<(), StreamError> {
        if self.names.contains_key(id) || self.ended.contains(id) {
            return Err(StreamError::NameTaken(id.clone()));
        }
        if self.streams.len() >= limits::STREAMS {
            return Err(StreamError::TooMany);
        }
        self.insert(Stream::opened_here(id.clone(), self.first_seq, now));
        Ok(())
    }

    fn insert(&mut self, stream: Stream) -> u64 {
        let key = self.next_key;
        self.next_key += 1;
        self.names.insert(stream.id.clone(), key);
        self.streams.insert(key, stream);
        key
    }

    fn find(&mut self, id: &StreamId) -> Result<(u64, &mut Stream), StreamError> {
        let key = self.names.get(id).copied();
        key.and_then(|key| Some((key, self.streams.get_mut(&key)?)))
            .ok_or_else(|| StreamError::NotOpen(id.clone()))
    }

    /// Sends a message on a stream, in order after those before it.
    ///
    /// # Errors
    /// [`StreamError`], and then nothing of it is sent.
    pub fn send(&mut self, id: &StreamId, message: Bytes) -> Result<(), StreamError> {
        let (key, stream) = self.find(id)?;
        if stream.finishing {
            return Err(StreamError::Finishing(id.clone()));
        }
        if message.is_empty() {
            return Err(StreamError::EmptyMessage);
        }
        if message.len() > limits::MESSAGE_BYTES {
            return Err(StreamError::MessageTooLarge {
                bytes: message.len(),
            });
        }
        if !stream.sending.has_room() {
            stream.wants_room = true;
            return Err(StreamError::Full(id.clone()));
        }
        stream.has_begun = true;
        stream.sending.queue(message);
        self.schedule.activate(key);
        Ok(())
    }

    /// Sends this side's handshake on a stream, before its first message: on one that was opened here, or whose peer began with a handshake. It is sent again until a
    /// peer of the contract has it; to any other peer once.
    ///
    /// # Errors
    /// [`StreamError`], and then nothing is sent.
    pub fn send_handshake(&mut self, id: &StreamId, payload: Bytes) -> Result<(), StreamError> {
        let (_, stream) = self.find(id)?;
        if stream.finishing {
            return Err(StreamError::Finishing(id.clone()));
        }
        let bytes = payload.len();
        if !(1..=limits::HANDSHAKE_BYTES).contains(&bytes) {
            return Err(StreamError::HandshakeSize { bytes });
        }
        if !stream.can_send_handshake() {
            return Err(StreamError::HandshakeLate(id.clone()));
        }
        stream.send_handshake(payload);
        Ok(())
    }

    /// Whether there is no stream.
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// Whether `send` would take a message now; if not, there will be [`Event::Writable`].
    pub fn has_room(&mut self, id: &StreamId) -> bool {
        match self.find(id) {
            Ok((_, stream)) => {
                stream.wants_room = !stream.sending.has_room();
                !stream.wants_room
            }
            // `send` says why not.
            Err(_) => true,
        }
    }

    /// The next message that came on a stream, if there is one.
    ///
    /// # Errors
    /// [`StreamError::NotOpen`]; what was unread when it closed is in [`Event::Closed`].
    pub fn read(&mut self, id: &StreamId, now: Instant) -> Result<Option<Bytes>, StreamError> {
        let was_crowded = self.is_crowded();
        let (key, stream) = self.find(id)?;
        let message = stream.receiving.read();
        let crowded = self.is_crowded();
        if was_crowded && !crowded {
            for stream in self.streams.values_mut() {
                stream.receiving.release(false, now);
            }
        } else if let Some(stream) = self.streams.get_mut(&key) {
            stream.receiving.release(crowded, now);
        }
        Ok(message)
    }

    /// Asks a stream's peer for a sign of life, sooner than that is done anyway.
    ///
    /// # Errors
    /// [`StreamError::NotOpen`].
    pub fn ask(&mut self, id: &StreamId) -> Result<(), StreamError> {
        self.find(id)?.1.ask();
        Ok(())
    }

    /// How much was heard of a stream's peer so far: more than before [`Self::ask`] is an answer. None where the peer is of a kind that answers no such question.
    ///
    /// # Errors
    /// [`StreamError::NotOpen`].
    pub fn heard(&mut self, id: &StreamId) -> Result<Option<u64>, StreamError> {
        Ok(self.find(id)?.1.words())
    }

    /// Ends a stream once everything that was sent on it has been acknowledged. A peer that is never heard acknowledges nothing: who cannot
    /// wait for that resets.
    ///
    /// # Errors
    /// [`StreamError::NotOpen`].
    pub fn finish(&mut self, id: &StreamId) -> Result<(), StreamError> {
        let (key, stream) = self.find(id)?;
        stream.finishing = true;
        self.end_if_over(key);
        Ok(())
    }

    /// Ends a stream at once, with a reason for the peer. What was not acknowledged may be lost.
    ///
    /// # Errors
    /// [`StreamError::NotOpen`].
    pub fn reset(&mut self, id: &StreamId, reason: Reason) -> Result<(), StreamError> {
        let (key, _) = self.find(id)?;
        self.end(key, Ended::Here, Some(reason));
        Ok(())
    }

    /// Whether the next frame should be read from the socket. A plain peer cannot be told to wait, so while what it sent is unread the whole
    /// connection has to; peers of the contract wait by themselves.
    pub fn wants_frames(&self) -> bool {
        !self
            .streams
            .values()
            .any(|stream| stream.is_plain() && stream.receiving.unread() > limits::UNREAD_BYTES)
    }

    /// A frame has come. One that was still read from a physical connection that is given up is dropped: what it says comes again on the next.
    pub fn receive(&mut self, frame: Frame, now: Instant) {
        if self.link != Link::Up {
            return;
        }
        let key = match self.names.get(&frame.stream) {
            Some(key) => *key,
            None => match self.meet(&frame, now) {
                Some(key) => key,
                None => return,
            },
        };
        if let Body::Reset(reason) = frame.body {
            return self.end(key, Ended::ByPeer(reason), None);
        }
        let held = self.held();
        let crowded = self.is_crowded();
        let Some(stream) = self.streams.get_mut(&key) else {
            return;
        };
        let own = limits::RESERVED_BYTES.saturating_sub(stream.receiving.held());
        let room = limits::CONNECTION_HELD_BYTES.saturating_sub(held).max(own);
        let had_message = stream.receiving.unread() > 0;
        let heard = match stream.hear(frame, room, now) {
            Ok(heard) => heard,
            Err(ended) => return self.fail(key, ended),
        };
        if !had_message && stream.receiving.unread() > 0 {
            self.events.push_back(Event::Readable(stream.id.clone()));
        }
        stream.receiving.release(crowded, now);
        if stream.can_send(false) {
            self.schedule.activate(key);
        }
        match heard {
            Heard::Handshake(payload) => self.events.push_back(Event::Handshake {
                stream: stream.id.clone(),
                payload,
            }),
            Heard::Segment(Taken::NoRoom) => self.make_room(key),
            Heard::Segment(_) | Heard::Word => {}
        }
        self.end_if_over(key);
    }

    /// A segment was dropped for want of room. As long as somebody has something to read, room will come. Else the message that has made no progress for
    /// longest is given up. What a plain peer sent is not sent again, so its stream is over.
    fn make_room(&mut self, key: u64) {
        if self.streams.get(&key).is_some_and(Stream::is_plain) {
            return self.fail(key, Ended::NoRoom);
        }
        if self
            .streams
            .values()
            .any(|stream| stream.receiving.unread() > 0)
        {
            return;
        }
        let stalest = self
            .streams
            .iter()
            .filter(|(_, stream)| stream.receiving.held() > limits::RESERVED_BYTES)
            .min_by_key(|(_, stream)| stream.receiving.progress());
        if let Some((key, _)) = stalest {
            self.fail(*key, Ended::NoRoom);
        }
    }

    /// Bytes of what came that are held: unread, in parts, and out of order, as they are counted ([`limits::CONNECTION_HELD_BYTES`]).
    pub fn held(&self) -> usize {
        let streams = self.streams.values();
        streams.map(|stream| stream.receiving.held()).sum()
    }

    fn is_crowded(&self) -> bool {
        let unread: usize = self
            .streams
            .values()
            .map(|stream| stream.receiving.unread())
            .sum();
        unread > limits::CONNECTION_UNREAD_BYTES
    }

    fn end_if_over(&mut self, key: u64) {
        if let Some(ended) = self.streams.get(&key).and_then(Stream::is_over) {
            self.fail(key, ended);
        }
    }

    fn fail(&mut self, key: u64, why: Ended) {
        let told = why.reason();
        self.end(key, why, told);
    }

    fn end(&mut self, key: u64, why: Ended, told: Option<Reason>) {
        let Some(stream) = self.streams.remove(&key) else {
            return;
        };
        self.names.remove(&stream.id);
        self.schedule.remove(key);
        self.ended.remember(stream.id.clone());
        if let Some(reason) = told {
            self.reply(Frame {
                stream: stream.id.clone(),
                acks: stream.acks(),
                body: Body::Reset(reason),
            });
        }
        self.events.push_back(Event::Closed {
            stream: stream.id,
            why,
            unread: stream.receiving.into_unread(),
        });
    }

    /// The physical connection is gone; streams of peers that can resume wait for the next one.
    pub fn link_lost(&mut self, now: Instant) {
        if self.link != Link::Up {
            return;
        }
        self.link = Link::DownSince(now);
        self.replies.clear();
        self.each_stream(|stream| stream.link_is_lost());
    }

    /// There is a new physical connection.
    pub fn link_up(&mut self, now: Instant) {
        if self.link == Link::Up {
            self.link_lost(now);
        }
        self.link = Link::Up;
        self.each_stream(|stream| {
            stream.link_is_up(now);
            Ok(())
        });
    }

    /// When [`Self::on_time`] has something to do, and after it [`Self::poll_transmit`].
    pub fn deadline(&self) -> Option<Instant> {
        let link_is_up = self.link == Link::Up;
        let streams = self
            .streams
            .values()
            .filter_map(|stream| stream.deadline(link_is_up));
        let down = match self.link {
            Link::DownSince(since) if !self.streams.is_empty() => Some(since + limits::LINK_DOWN),
            _ => None,
        };
        streams.chain(down).min()
    }

    /// The time has come.
    pub fn on_time(&mut self, now: Instant) {
        if let Link::DownSince(since) = self.link
            && now >= since + limits::LINK_DOWN
        {
            return self.each_stream(|_| Err(Ended::LinkDown));
        }
        let link_is_up = self.link == Link::Up;
        self.each_stream(|stream| stream.on_time(link_is_up, now));
        let active = self
            .streams
            .iter()
            .filter(|(_, stream)| stream.can_send(false));
        for (key, _) in active {
            self.schedule.activate(*key);
        }
    }

    fn each_stream(&mut self, mut what: impl FnMut(&mut Stream) -> Result<(), Ended>) {
        let ended: Vec<_> = self
            .streams
            .iter_mut()
            .filter_map(|(key, stream)| Some((*key, what(stream).err()?)))
            .collect();
        for (key, why) in ended {
            self.fail(key, why);
        }
    }

    /// The next frame to send, if there is one: first answers and acknowledgements, then what streams have to say, each in its turn.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Frame> {
        if self.link != Link::Up {
            return None;
        }
        if let Some(reply) = self.replies.pop_front() {
            return Some(reply);
        }
        if let Some(frame) = self
            .streams
            .values_mut()
            .find_map(|stream| stream.poll_control(now))
        {
            return Some(frame);
        }
        let in_flight: usize = self
            .streams
            .values()
            .map(|stream| stream.sending.in_flight_bytes())
            .sum();
        let crowded = in_flight >= limits::CONNECTION_WINDOW_BYTES;
        loop {
            let streams = &self.streams;
            let key = self.schedule.next(|key| match streams.get(&key) {
                Some(stream) if stream.can_send(crowded) => Turn::Take,
                Some(stream) if stream.can_send(false) => Turn::Later,
                _ => Turn::Pass,
            })?;
            let stream = self.streams.get_mut(&key)?;
            let frame = stream.poll_data(crowded, now);
            if stream.wants_room && stream.sending.has_room() {
                stream.wants_room = false;
                self.events.push_back(Event::Writable(stream.id.clone()));
            }
            if let Some(frame) = frame {
                if let Body::Data(segment) = &frame.body {
                    self.schedule
                        .charge(key, segment.payload().len() + limits::ENTRY_BYTES);
                }
                self.end_if_over(key);
                return Some(frame);
            }
            // The numbers are used up: the stream has nothing more to send, and may be over.
            self.end_if_over(key);
        }
    }

    /// What happened, in order, if there is something that was not told.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
}
