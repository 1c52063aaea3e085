//! Who reads one process's log, how far they are, and whether the process has to wait for them.

use std::sync::Arc;

use super::{Observer, Readers};
use crate::limits;
use crate::record::{Event, Record, Stream};

pub(super) struct State {
    pub(super) record: Record,
    pub(super) attached: Vec<Attachment>,
    readers: Readers,
    acknowledged: Acknowledged,
    /// See [`OutputLog::handed_over`].
    pub(super) handed_over: bool,
}

/// How far a reader has got at the other end.
#[derive(Clone, Copy, Default)]
struct Acknowledged {
    seq: u64,
    /// Of all that were ever written.
    bytes: u64,
}

pub(super) struct Attachment {
    pub(super) id: u64,
    pub(super) observer: Arc<dyn Observer>,
    /// Bytes before the cursor, of all that were ever written.
    pub(super) position: u64,
    /// The cursor found nothing and waits to be told.
    pub(super) idle: bool,
    /// The child was paced for it in vain.
    pub(super) stalled: bool,
}

impl State {
    pub(super) fn new(streams: &[Stream], readers: Readers) -> State {
        let mut record = Record::new(streams);
        if readers == Readers::Acknowledging {
            record.need_after(Some(0));
        }
        State {
            record,
            attached: Vec::new(),
            readers,
            acknowledged: Acknowledged::default(),
            handed_over: false,
        }
    }

    pub(super) fn readers(&self) -> Readers {
        self.readers
    }

    /// Everything up to this number has been read at the other end. False if that is nothing new, or nobody wants to know.
    pub(super) fn acknowledge(&mut self, seq: u64) -> bool {
        let seq = seq.min(self.record.next_seq() - 1);
        if self.readers != Readers::Acknowledging || seq <= self.acknowledged.seq {
            return false;
        }
        let rest = self.record.chunks_from(seq + 1).map(|event| match event {
            Event::Output { data, .. } => data.len() as u64,
            _ => 0,
        });
        let bytes = self.record.written() - rest.sum::<u64>();
        self.acknowledged = Acknowledged { seq, bytes };
        self.record.need_after(Some(seq));
        true
    }

    /// Nobody will acknowledge anything any more.
    pub(super) fn let_go(&mut self) {
        if self.readers == Readers::Acknowledging {
            self.readers = Readers::Optional;
            self.record.need_after(None);
        }
    }

    /// Whether the process has to wait now.
    pub(super) fn paced(&mut self) -> bool {
        if self.readers == Readers::Acknowledging {
            let Acknowledged { seq, bytes } = self.acknowledged;
            let unread = self.record.written() - bytes.max(self.record.evicted());
            let events = self.record.next_seq() - 1 - seq;
            let is_far = unread > limits::PACE_LAG_BYTES
                && (unread > limits::HELD_LAG_BYTES || !self.record.holds_more());
            return is_far || events > limits::PACE_CHUNKS;
        }
        if !self.handed_over && self.attached.is_empty() {
            let kept = self.record.written() - self.record.evicted();
            return kept > limits::PACE_LAG_BYTES;
        }
        self.attached.iter().any(|attachment| {
            !attachment.stalled && attachment.lag(&self.record) > limits::PACE_LAG_BYTES
        })
    }

    /// Nobody who stands still is waited for any more.
    pub(super) fn give_up_pacing(&mut self) {
        self.handed_over = true;
        for attachment in &mut self.attached {
            if attachment.lag(&self.record) > limits::PACE_LAG_BYTES {
                attachment.stalled = true;
            }
        }
    }
}

impl Attachment {
    /// Bytes that it has not taken.
    pub(super) fn lag(&self, record: &Record) -> u64 {
        record.written() - self.position.max(record.evicted())
    }
}
