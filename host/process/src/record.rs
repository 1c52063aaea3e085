//! What happened to a process, in order: output, exit, close, under one gapless sequence. Old output is evicted in whole
//! chunks (4.7); exit and close are never forgotten. Pure: no lock, no clock, no descriptor.
//!
//! A chunk's number is not stored but counted from the oldest one, and the one exit that may lie between two chunks is skipped: 12 bytes an
//! entry, since there may be 50,000.

use std::collections::VecDeque;

use crate::limits::{HELD_BYTES, RETAINED_BYTES, RETAINED_CHUNKS, RING_SLACK};
use crate::ring::Ring;
use crate::surplus::Surplus;

/// Where a chunk of output came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// The pipe at descriptor 1.
    Stdout,
    /// The pipe at descriptor 2.
    Stderr,
    /// The terminal.
    Pty,
}

impl Stream {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
            Stream::Pty => "pty",
        }
    }
}

/// One thing that happened, as [`crate::OutputLog::next_event`] shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The process wrote something.
    Output {
        /// Its number.
        seq: u64,
        /// Where to.
        stream: Stream,
        /// What, at most [`crate::limits::CHUNK_BYTES`], never empty. Lies in the ring.
        data: &'a [u8],
    },
    /// The process ended. Output may still follow.
    Exited {
        /// Its number.
        seq: u64,
        /// Its status, 128 + the signal that killed it, or -1 (terminated, or not known).
        code: i32,
    },
    /// Nothing will follow.
    Closed {
        /// Its number, the last.
        seq: u64,
    },
}

struct Entry {
    start: u32,
    len: u32,
    stream: Stream,
}

pub(crate) struct Record {
    ring: Ring,
    chunks: VecDeque<Entry>,
    /// The number of `chunks[0]`, if there is one.
    first: u64,
    next: u64,
    exit: Option<(u64, i32)>,
    closed: Option<u64>,
    open: Vec<Stream>,
    retained: usize,
    /// Somebody still needs what has a higher number, and it is kept if it may be.
    needed_after: Option<u64>,
    /// The right to keep more than usual.
    surplus: Option<Surplus>,
    /// Bytes ever written, and those of them that were evicted.
    written: u64,
    evicted: u64,
}

impl Record {
    pub(crate) fn new(streams: &[Stream]) -> Record {
        Record {
            ring: Ring::default(),
            chunks: VecDeque::new(),
            first: 1,
            next: 1,
            exit: None,
            closed: None,
            open: streams.to_vec(),
            retained: 0,
            needed_after: None,
            surplus: None,
            written: 0,
            evicted: 0,
        }
    }

    /// Room for the next output; then [`Record::push`].
    pub(crate) fn space(&mut self) -> &mut [u8] {
        let oldest = self.chunks.front().map(|entry| entry.start as usize);
        self.ring.space(oldest)
    }

    /// Makes the first `len` bytes of the room a chunk, and evicts what is too much then.
    pub(crate) fn push(&mut self, stream: Stream, len: usize) {
        debug_assert!(self.closed.is_none());
        if len == 0 {
            return;
        }
        let start = self.ring.commit(len);
        let seq = self.take_number();
        if self.chunks.is_empty() {
            self.first = seq;
        }
        self.chunks.push_back(Entry {
            start: start as u32,
            len: len as u32,
            stream,
        });
        self.retained += len;
        self.written += len as u64;
        while self.retained > RETAINED_BYTES || self.chunks.len() > RETAINED_CHUNKS {
            if self.keeps_more() {
                self.widen();
                break;
            }
            self.evict();
        }
    }

    /// What has a higher number is needed from now on; with `None` nothing is.
    pub(crate) fn need_after(&mut self, seq: Option<u64>) {
        self.needed_after = seq;
    }

    /// Whether [`HELD_BYTES`] of what is needed are kept: so it stays, once it was granted.
    pub(crate) fn holds_more(&mut self) -> bool {
        if self.surplus.is_none() && self.needed_after.is_some() {
            self.surplus = Surplus::take();
        }
        self.surplus.is_some()
    }

    fn keeps_more(&self) -> bool {
        self.surplus.is_some()
            && self.needed_after.is_some_and(|seq| self.first > seq)
            && self.retained <= HELD_BYTES
            && self.chunks.len() <= RETAINED_CHUNKS
    }

    /// Room in the ring for all that may be kept now.
    fn widen(&mut self) {
        if self.ring.size() < HELD_BYTES + RING_SLACK {
            self.rewrite(Ring::wide());
        }
    }

    /// Whether output of this stream may still come.
    pub(crate) fn is_open(&self, stream: Stream) -> bool {
        self.open.contains(&stream)
    }

    pub(crate) fn end(&mut self, stream: Stream) {
        self.open.retain(|open| *open != stream);
        self.close_if_over();
    }

    pub(crate) fn end_all(&mut self) {
        self.open.clear();
        self.close_if_over();
    }

    /// The first call counts.
    pub(crate) fn set_exit(&mut self, code: i32) {
        if self.exit.is_none() {
            let seq = self.take_number();
            self.exit = Some((seq, code));
            self.close_if_over();
        }
    }

    pub(crate) fn exit_code(&self) -> Option<i32> {
        self.exit.map(|(_, code)| code)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.is_some()
    }

    /// The next number to be given.
    pub(crate) fn next_seq(&self) -> u64 {
        self.next
    }

    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    pub(crate) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// The first event that is still known and has at least this number.
    pub(crate) fn event_from(&self, seq: u64) -> Option<Event<'_>> {
        let chunk = self.chunks_from(seq).next();
        let exit = self
            .exit
            .filter(|(at, _)| *at >= seq)
            .map(|(seq, code)| Event::Exited { seq, code });
        match (chunk, exit) {
            (Some(chunk), Some(exit)) if exit.seq() < chunk.seq() => Some(exit),
            (Some(chunk), _) => Some(chunk),
            (None, Some(exit)) => Some(exit),
            (None, None) => self
                .closed
                .filter(|at| *at >= seq)
                .map(|seq| Event::Closed { seq }),
        }
    }

    /// The chunks that are still known and have at least this number.
    pub(crate) fn chunks_from(&self, seq: u64) -> impl Iterator<Item = Event<'_>> {
        let exit_before = |bound: u64| {
            self.exit
                .is_some_and(|(at, _)| self.first < at && at < bound)
        };
        let skip = seq.saturating_sub(self.first) - u64::from(exit_before(seq));
        let skip = usize::try_from(skip)
            .unwrap_or(usize::MAX)
            .min(self.chunks.len());
        self.chunks
            .iter()
            .enumerate()
            .skip(skip)
            .map(move |(index, entry)| {
                let counted = self.first + index as u64;
                Event::Output {
                    seq: counted + u64::from(exit_before(counted + 1)),
                    stream: entry.stream,
                    data: self.ring.slice(entry.start as usize, entry.len as usize),
                }
            })
    }

    fn evict(&mut self) {
        if let Some(entry) = self.chunks.pop_front() {
            self.retained -= entry.len as usize;
            self.evicted += u64::from(entry.len);
            self.first += 1;
            if self.exit.is_some_and(|(at, _)| at == self.first) {
                self.first += 1;
            }
        }
    }

    fn take_number(&mut self) -> u64 {
        let seq = self.next;
        self.next += 1;
        seq
    }

    fn close_if_over(&mut self) {
        if self.exit.is_some() && self.open.is_empty() && self.closed.is_none() {
            self.closed = Some(self.take_number());
            self.compact();
        }
    }

    /// Nothing will be added any more. A closed process is kept for a while, and thousands of small ones must not keep their rings.
    fn compact(&mut self) {
        if self.retained * 2 > self.ring.size() {
            return;
        }
        self.rewrite(Ring::of_size(self.retained));
        self.chunks.shrink_to_fit();
        self.surplus = None;
    }

    /// Moves what is kept into another ring.
    fn rewrite(&mut self, mut ring: Ring) {
        for entry in &mut self.chunks {
            let len = entry.len as usize;
            entry.start = ring.append(self.ring.slice(entry.start as usize, len)) as u32;
        }
        self.ring = ring;
    }
}

impl Event<'_> {
    /// The number of the event.
    pub fn seq(&self) -> u64 {
        match self {
            Event::Output { seq, .. } | Event::Exited { seq, .. } | Event::Closed { seq } => *seq,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::CHUNK_BYTES;

    fn pipes() -> Record {
        Record::new(&[Stream::Stdout, Stream::Stderr])
    }

    fn push(record: &mut Record, fill: u8, len: usize) {
        let mut left = len;
        while left > 0 {
            let space = record.space();
            assert!(!space.is_empty());
            let now = left.min(space.len());
            space[..now].fill(fill);
            record.push(Stream::Stdout, now);
            left -= now;
        }
    }

    fn all(record: &Record) -> Vec<(u64, String)> {
        let mut out = Vec::new();
        let mut next = 0;
        while let Some(event) = record.event_from(next) {
            next = event.seq() + 1;
            let what = match event {
                Event::Output { data, .. } => String::from_utf8_lossy(data).into_owned(),
                Event::Exited { code, .. } => format!("exited {code}"),
                Event::Closed { .. } => "closed".to_owned(),
            };
            out.push((event.seq(), what));
        }
        out
    }

    fn words(list: &[(u64, &str)]) -> Vec<(u64, String)> {
        list.iter()
            .map(|(seq, what)| (*seq, (*what).to_owned()))
            .collect()
    }

    #[test]
    fn one_gapless_sequence_counts_output_exit_and_close() {
        let mut record = pipes();
        push(&mut record, b'a', 1);
        push(&mut record, b'b', 2);
        record.end(Stream::Stdout);
        record.end(Stream::Stderr);
        assert!(!record.is_closed());
        record.set_exit(3);
        assert_eq!(
            all(&record),
            words(&[(1, "a"), (2, "bb"), (3, "exited 3"), (4, "closed")])
        );
    }

    #[test]
    fn output_after_the_exit_keeps_its_place() {
        let mut record = pipes();
        push(&mut record, b'a', 1);
        record.set_exit(0);
        push(&mut record, b'b', 1);
        push(&mut record, b'c', 1);
        record.end(Stream::Stderr);
        record.set_exit(9);
        assert_eq!(record.next_seq(), 5);
        record.end(Stream::Stdout);
        let expected = words(&[(1, "a"), (2, "exited 0"), (3, "b"), (4, "c"), (5, "closed")]);
        assert_eq!(all(&record), expected);
        for seq in 1..=5 {
            assert_eq!(record.event_from(seq).map(|event| event.seq()), Some(seq));
            let chunks: Vec<u64> = record.chunks_from(seq).map(|event| event.seq()).collect();
            let expected: Vec<u64> = [1, 3, 4].into_iter().filter(|at| *at >= seq).collect();
            assert_eq!(chunks, expected, "from {seq}");
        }
        assert_eq!(record.event_from(6), None);
        assert_eq!(record.event_from(u64::MAX), None);
    }

    #[test]
    fn old_output_goes_in_whole_chunks_and_exit_and_close_stay() {
        let mut record = pipes();
        push(&mut record, b'x', 10);
        record.set_exit(0);
        for round in 0..40_u8 {
            push(&mut record, round, 100_000);
        }
        record.end_all();
        assert_eq!(
            record.event_from(0),
            Some(Event::Exited { seq: 2, code: 0 })
        );
        let chunks: Vec<(u64, usize)> = record
            .chunks_from(0)
            .map(|event| match event {
                Event::Output { seq, data, .. } => (seq, data.len()),
                _ => (0, 0),
            })
            .collect();
        let kept: usize = chunks.iter().map(|(_, len)| len).sum();
        assert!(
            kept <= RETAINED_BYTES && kept > RETAINED_BYTES - CHUNK_BYTES,
            "{kept}"
        );
        assert!(chunks.windows(2).all(|pair| pair[0].0 + 1 == pair[1].0));
        assert_eq!(
            chunks.last().map(|(seq, _)| seq + 2),
            Some(record.next_seq())
        );
        assert_eq!(record.written() - record.evicted(), kept as u64);
    }

    #[test]
    fn what_is_kept_is_what_was_written_however_the_sizes_fall() {
        let mut record = pipes();
        let mut model: Vec<u8> = Vec::new();
        let mut size = 1_usize;
        for round in 0..2_000_usize {
            size = (size * 7 + round) % CHUNK_BYTES + 1;
            let space = record.space();
            assert!(!space.is_empty());
            let now = size.min(space.len());
            for (at, byte) in space[..now].iter_mut().enumerate() {
                *byte = (at.wrapping_mul(31) + round) as u8;
            }
            model.extend_from_slice(&space[..now]);
            record.push(Stream::Stdout, now);
            if round % 50 == 0 {
                let kept: Vec<u8> = record
                    .chunks_from(0)
                    .flat_map(|event| match event {
                        Event::Output { data, .. } => data.to_vec(),
                        _ => vec![],
                    })
                    .collect();
                assert!(kept.len() <= RETAINED_BYTES);
                assert!(model.ends_with(&kept), "round {round}");
                assert_eq!(record.evicted(), (model.len() - kept.len()) as u64);
            }
        }
    }

    #[test]
    fn a_closed_record_keeps_its_output_and_no_more_memory_than_that() {
        for len in [0, 1, 5_000, 70_000, 900_000, 3_000_000] {
            let mut record = pipes();
            push(&mut record, b'a', len / 2);
            record.set_exit(0);
            push(&mut record, b'b', len - len / 2);
            let kept = |record: &Record| -> Vec<(u64, Vec<u8>)> {
                record
                    .chunks_from(0)
                    .map(|event| match event {
                        Event::Output { seq, data, .. } => (seq, data.to_vec()),
                        _ => (0, vec![]),
                    })
                    .collect()
            };
            let before = kept(&record);
            record.end_all();
            assert_eq!(kept(&record), before);
            assert!(record.ring.size() <= record.retained * 2, "{len}");
        }
    }

    #[test]
    fn tiny_chunks_are_bounded_by_their_number() {
        let mut record = pipes();
        for _ in 0..RETAINED_CHUNKS + 1_000 {
            push(&mut record, b'.', 1);
        }
        assert_eq!(record.chunks_from(0).count(), RETAINED_CHUNKS);
        assert_eq!(record.event_from(0).map(|event| event.seq()), Some(1_001));
    }
}
