//! Two connections that keep the contract and a link that loses, doubles, exchanges and cuts as the input says: every message comes once and
//! in order, none is invented, and once the link is good again all of them arrive.
#![no_main]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use lockgate_relay::{
    Connection, Ended, Event, Frame, Reason, Role, StreamError, StreamId, limits,
};

/// Frames on their way in one direction; more are lost.
const WIRE: usize = 400;

const SECOND: Duration = Duration::from_secs(1);

fuzz_target!(|bytes: &[u8]| {
    let Some((first, operations)) = bytes.split_first() else {
        return;
    };
    // Some runs come to where the numbers end.
    let first_seq = if first & 1 == 0 {
        0
    } else {
        u32::MAX - 1 - u32::from(*first)
    };
    let mut world = World::new(first_seq);
    let (pairs, _) = operations.as_chunks::<2>();
    for [operation, argument] in pairs {
        world.step(*operation, *argument);
        world.work();
        world.check();
    }
    world.settle();
});

struct World {
    now: Instant,
    ends: [End; 2],
    /// From each end to the other.
    wires: [VecDeque<Bytes>; 2],
    is_cut: bool,
    /// The link loses nothing any more.
    good_since: Option<Instant>,
    /// What makes messages differ.
    number: u32,
}

struct End {
    connection: Connection,
    sent: BTreeMap<StreamId, Vec<Bytes>>,
    read: BTreeMap<StreamId, Vec<Bytes>>,
    handshakes: BTreeMap<StreamId, Bytes>,
    greeted: BTreeSet<StreamId>,
    closed: BTreeSet<StreamId>,
}

impl End {
    fn new(role: Role, first_seq: u32) -> Self {
        Self {
            connection: Connection::counting_from(role, first_seq),
            sent: BTreeMap::new(),
            read: BTreeMap::new(),
            handshakes: BTreeMap::new(),
            greeted: BTreeSet::new(),
            closed: BTreeSet::new(),
        }
    }
}

fn id(number: u8) -> StreamId {
    StreamId::new(&format!("stream-{}", number % 3)).expect("a name")
}

/// A handshake as it is on that stream from that end.
fn handshake(side: usize, id: &StreamId) -> Bytes {
    format!("message {} of {id}", side + 1).into()
}

impl World {
    fn new(first_seq: u32) -> Self {
        let roles = [Role::Harness, Role::Executor];
        Self {
            now: Instant::now(),
            ends: roles.map(|role| End::new(role, first_seq)),
            wires: Default::default(),
            is_cut: false,
            good_since: None,
            number: 0,
        }
    }

    fn step(&mut self, operation: u8, argument: u8) {
        let side = usize::from(operation >> 7);
        let at = usize::from(argument);
        let wire = &mut self.wires[side];
        match operation & 0x0f {
            0 => self.open(argument),
            1 | 2 => self.send(side, argument),
            3..=5 => self.deliver(side, at),
            6 => {
                let length = wire.len();
                wire.truncate(length.saturating_sub(at % 8));
            }
            7 => drop(wire.remove(at)),
            8 => {
                if let Some(frame) = wire.get(at).cloned() {
                    wire.push_back(frame);
                }
            }
            9 => self.now += Duration::from_millis(1 << (at % 16)),
            10 => self.read(side, argument),
            11 => self.cut(argument),
            12 => self.mend(),
            13 => drop(self.ends[side].connection.finish(&id(argument))),
            14 => {
                let reason = Reason::new("enough").expect("a reason");
                drop(self.ends[side].connection.reset(&id(argument), reason));
            }
            _ => {
                while !self.wires[side].is_empty() {
                    self.deliver(side, 0);
                }
            }
        }
    }

    fn open(&mut self, argument: u8) {
        let (now, harness) = (self.now, &mut self.ends[0]);
        let id = id(argument);
        if harness.connection.open(&id, now).is_ok() && argument & 0x80 != 0 {
            let greeting = handshake(0, &id);
            harness
                .connection
                .send_handshake(&id, greeting)
                .expect("the first");
            harness.greeted.insert(id);
        }
    }

    fn send(&mut self, side: usize, argument: u8) {
        let (id, end) = (id(argument), &mut self.ends[side]);
        // With a handshake nothing can be said before the other's.
        if end.greeted.contains(&id) && !end.handshakes.contains_key(&id) {
            return;
        }
        self.number += 1;
        let mut message = self.number.to_be_bytes().to_vec();
        message.resize(
            4 + (usize::from(argument >> 2) << (argument >> 5)) * 16,
            argument,
        );
        let message = Bytes::from(message);
        match end.connection.send(&id, message.clone()) {
            Ok(()) => end.sent.entry(id).or_default().push(message),
            Err(StreamError::NotOpen(_) | StreamError::Full(_) | StreamError::Finishing(_)) => {}
            Err(other) => panic!("{other}"),
        }
    }

    fn deliver(&mut self, side: usize, at: usize) {
        let wire = &mut self.wires[side];
        let at = at % wire.len().max(1);
        if let Some(frame) = wire.remove(at) {
            let frame = Frame::decode(frame).expect("what was encoded");
            self.ends[1 - side].connection.receive(frame, self.now);
        }
    }

    fn read(&mut self, side: usize, argument: u8) {
        let (id, end) = (id(argument), &mut self.ends[side]);
        while let Ok(Some(message)) = end.connection.read(&id, self.now) {
            end.read.entry(id.clone()).or_default().push(message);
        }
    }

    fn cut(&mut self, argument: u8) {
        self.is_cut = true;
        for (side, end) in self.ends.iter_mut().enumerate() {
            self.wires[side].clear();
            if argument >> side & 1 == 1 {
                end.connection.link_lost(self.now);
            }
        }
    }

    fn mend(&mut self) {
        if std::mem::take(&mut self.is_cut) {
            // Who did not notice that the old one was gone has the new one now, too.
            for end in &mut self.ends {
                end.connection.link_up(self.now);
            }
        }
    }

    /// What both ends do by themselves.
    fn work(&mut self) {
        for side in 0..2 {
            let end = &mut self.ends[side];
            if end.connection.deadline().is_some_and(|at| at <= self.now) {
                end.connection.on_time(self.now);
            }
            while let Some(event) = end.connection.poll_event() {
                match event {
                    Event::Handshake { stream, payload } => {
                        if side == 1 {
                            let answer = handshake(1, &stream);
                            // The stream may be over already.
                            drop(end.connection.send_handshake(&stream, answer));
                        }
                        assert_eq!(payload, handshake(1 - side, &stream));
                        let before = end.handshakes.insert(stream, payload);
                        assert_eq!(before, None, "a handshake comes once");
                    }
                    Event::Closed {
                        stream,
                        why,
                        unread,
                    } => {
                        // Nobody here breaks the contract or sends more than there is room for; and over a good link each hears the other.
                        let is_good = self
                            .good_since
                            .is_some_and(|at| self.now >= at + 30 * SECOND);
                        match why {
                            Ended::Violation(_) | Ended::NoRoom => panic!("{why}"),
                            Ended::PeerGone => assert!(!is_good, "{why}"),
                            _ => {}
                        }
                        end.read.entry(stream.clone()).or_default().extend(unread);
                        assert!(end.closed.insert(stream), "a stream ends once");
                    }
                    Event::Opened(_) | Event::Readable(_) | Event::Writable(_) => {}
                }
            }
            while let Some(frame) = end.connection.poll_transmit(self.now) {
                let wire = &mut self.wires[side];
                if !self.is_cut && wire.len() < WIRE {
                    wire.push_back(frame.encode());
                }
            }
        }
    }

    fn check(&self) {
        for side in 0..2 {
            let (from, to) = (&self.ends[side], &self.ends[1 - side]);
            assert!(to.connection.held() <= limits::CONNECTION_HELD_BYTES);
            for (id, read) in &to.read {
                let sent = from.sent.get(id).map_or(&[][..], |sent| sent);
                assert!(sent.starts_with(read), "{id}: once and in order");
            }
        }
    }

    /// The link is good from here on: what is not over comes to its end.
    fn settle(&mut self) {
        self.mend();
        self.good_since = Some(self.now);
        let mut until = self.now + 300 * SECOND;
        let mut arrived = false;
        while self.now < until {
            for side in 0..2 {
                while !self.wires[side].is_empty() {
                    self.deliver(side, 0);
                }
                (0..3).for_each(|stream| self.read(side, stream));
            }
            self.work();
            self.check();
            if self.wires.iter().all(VecDeque::is_empty) {
                let deadlines = self.ends.iter().filter_map(|end| end.connection.deadline());
                self.now = deadlines.min().unwrap_or(until).max(self.now);
                self.work();
            }
            if !arrived && self.have_arrived() {
                // And nothing comes again for a while.
                arrived = true;
                until = until.min(self.now + 5 * SECOND);
            }
        }
        assert!(self.have_arrived(), "all of it");
    }

    /// Whether everything that was said on streams that are not over was read. Of the others what was read is the beginning of what was sent.
    fn have_arrived(&self) -> bool {
        (0..2).all(|side| {
            let (from, to) = (&self.ends[side], &self.ends[1 - side]);
            from.sent.iter().all(|(id, sent)| {
                let is_over = from.closed.contains(id) || to.closed.contains(id);
                is_over || to.read.get(id) == Some(sent)
            })
        })
    }
}
