//! The receiving side of a stream: segments in any order come in, messages in order go out, and what is acknowledged is decided here.
//!
//! The frames carry no window, so holding back the acknowledgement is what stops the peer: while more is unread than it should be, nothing more is acknowledged,
//! the peer fills its window and waits. It asks now and then by sending its oldest segment again.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use bytes::Bytes;

use crate::limits::{ACK_DELAY, ACK_SEGMENTS, ENTRY_BYTES, UNREAD_BYTES, WINDOW_SEGMENTS};
use crate::streams::ack_bits;
use crate::streams::frame::Acks;
use crate::streams::reassembly::Reassembly;
use crate::streams::seen::Seen;
use crate::streams::segment::Segment;
use crate::streams::seq;
use crate::streams::violation::Violation;

/// What became of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is held, or a part of a message.
    New,
    /// It was there before.
    Duplicate,
    /// It lies too far ahead; it will be sent again.
    Beyond,
    /// There is no room for it.
    NoRoom,
}

#[derive(Debug)]
pub(crate) struct Receiving {
    /// The first number that is missing.
    next: u32,
    /// The first number that is not acknowledged: `next`, unless too much is unread.
    acknowledged: u32,
    /// What came before something that is missing.
    early: BTreeMap<u32, Segment>,
    early_bytes: usize,
    reassembly: Reassembly,
    ready: VecDeque<Bytes>,
    unread: usize,
    seen: Seen,
    /// When an acknowledgement has to be on its way, if nothing else carries it.
    ack_by: Option<Instant>,
    since_ack: u32,
    /// When something last came that was new.
    progress: Instant,
    has_message: bool,
}

fn cost(bytes: &Bytes) -> usize {
    bytes.len() + ENTRY_BYTES
}

impl Receiving {
    pub(crate) fn new(next: u32, now: Instant) -> Self {
        Self {
            next,
            acknowledged: next,
            early: BTreeMap::new(),
            early_bytes: 0,
            reassembly: Reassembly::default(),
            ready: VecDeque::new(),
            unread: 0,
            seen: Seen::default(),
            ack_by: None,
            since_ack: 0,
            progress: now,
            has_message: false,
        }
    }

    /// A segment of a peer that acknowledges. `room`: bytes that may be held beyond what is held already.
    pub(crate) fn take(
        &mut self,
        segment: Segment,
        room: usize,
        now: Instant,
    ) -> Result<Taken, Violation> {
        let limit = self.held() + room;
        let seq = segment.seq();
        if seq == seq::END {
            return Err(Violation::LastNumber);
        }
        let in_order = seq == self.next && self.early.is_empty();
        let mut taken = if seq < self.next {
            Taken::Duplicate
        } else if seq - self.next >= WINDOW_SEGMENTS {
            Taken::Beyond
        } else if self.early.contains_key(&seq) {
            Taken::Duplicate
        } else if self.held() + cost(segment.payload()) > limit {
            Taken::NoRoom
        } else {
            self.early_bytes += cost(segment.payload());
            self.early.insert(seq, segment);
            self.progress = now;
            Taken::New
        };
        // Also after a duplicate: it may be the one that there was no room to put to its message.
        if !self.advance(limit)? {
            taken = Taken::NoRoom;
        }
        self.since_ack += 1;
        let at_once = !in_order || taken != Taken::New || self.since_ack >= ACK_SEGMENTS;
        let by = if at_once { now } else { now + ACK_DELAY };
        self.ack_by = Some(self.ack_by.map_or(by, |before| before.min(by)));
        Ok(taken)
    }

    /// Puts together what is complete; false where there is no room for that.
    fn advance(&mut self, limit: usize) -> Result<bool, Violation> {
        while let Some(segment) = self.early.get(&self.next) {
            let freed = cost(segment.payload());
            let needed = match segment.count() {
                1 => freed,
                _ => self.reassembly.growth(segment),
            };
            if self.held() + needed > limit + freed {
                return Ok(false);
            }
            let Some(segment) = self.early.remove(&self.next) else {
                break;
            };
            self.early_bytes -= freed;
            self.next += 1;
            if let Some(message) = self.reassembly.push(segment)? {
                self.deliver(message);
            }
        }
        Ok(true)
    }

    /// A segment of a plain peer: a message, taken as it comes.
    pub(crate) fn take_plain(&mut self, segment: Segment, room: usize, now: Instant) -> Taken {
        if cost(segment.payload()) > room {
            return Taken::NoRoom;
        }
        if !self.seen.is_new(segment.seq()) {
            return Taken::Duplicate;
        }
        self.progress = now;
        self.deliver(segment.into_payload());
        Taken::New
    }

    /// The peer was taken for a plain one, and is more: from here on its numbers count.
    pub(crate) fn count_from_what_was_seen(&mut self) {
        self.next = self.seen.next();
        self.acknowledged = self.next;
    }

    /// The stream has a handshake, so its peer numbers what it sends.
    pub(crate) fn must_count(&mut self) {
        self.seen.must_count();
    }

    fn deliver(&mut self, message: Bytes) {
        self.unread += cost(&message);
        self.has_message = true;
        self.ready.push_back(message);
    }

    /// The next message. What reading it makes room for, [`Self::release`] acknowledges.
    pub(crate) fn read(&mut self) -> Option<Bytes> {
        let message = self.ready.pop_front()?;
        self.unread -= cost(&message);
        Some(message)
    }

    /// Acknowledges what came, unless too much of it is unread here, or there is unread what was unread everywhere (`crowded`).
    pub(crate) fn release(&mut self, crowded: bool, now: Instant) {
        if self.unread > UNREAD_BYTES || (crowded && self.unread > 0) {
            return;
        }
        // If it was held back for longer than a moment the peer is waiting for it.
        if self.acknowledged != self.next && self.ack_by.is_none() {
            self.ack_by = Some(now);
        }
        self.acknowledged = self.next;
    }

    /// What every frame says of what came.
    pub(crate) fn acks(&self) -> Acks {
        let all = self.acknowledged == self.next;
        ack_bits::write(self.acknowledged, |seq| {
            all && self.early.contains_key(&seq)
        })
    }

    /// A frame with [`Self::acks`] is on its way.
    pub(crate) fn ack_is_sent(&mut self) {
        self.ack_by = None;
        self.since_ack = 0;
    }

    pub(crate) fn ack_now(&mut self, now: Instant) {
        self.ack_by = Some(now);
    }

    pub(crate) fn ack_by(&self) -> Option<Instant> {
        self.ack_by
    }

    /// The first number that is not acknowledged: where the peer is to resume.
    pub(crate) fn acknowledged(&self) -> u32 {
        self.acknowledged
    }

    /// Bytes held, as they are counted: in parts, out of order and unread.
    pub(crate) fn held(&self) -> usize {
        self.reassembly.held() + self.early_bytes + self.unread
    }

    /// Bytes of whole messages that wait to be read.
    pub(crate) fn unread(&self) -> usize {
        self.unread
    }

    pub(crate) fn has_message(&self) -> bool {
        self.has_message
    }

    pub(crate) fn progress(&self) -> Instant {
        self.progress
    }

    /// What nobody has read, when the stream is over.
    pub(crate) fn into_unread(self) -> Vec<Bytes> {
        self.ready.into()
    }
}
