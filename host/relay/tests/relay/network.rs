//! Two ends and what lies between them, in simulated time: frames travel as bytes, and are late, doubled, out of order, or lost.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use bytes::Bytes;
use lockgate_relay::Frame;

use crate::end::End;
use crate::random::Random;

/// What the network does to frames.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    /// Percent of the frames.
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    /// Percent of the frames that take up to `jitter` longer, and so come out of order.
    pub(crate) late: u64,
    pub(crate) jitter: Duration,
}

pub(crate) struct Network {
    pub(crate) now: Instant,
    started: Instant,
    pub(crate) ends: [End; 2],
    wires: [Wire; 2],
    pub(crate) faults: Faults,
    pub(crate) delay: Duration,
    /// Bytes a second in each direction; none: any number in no time.
    pub(crate) bandwidth: Option<u64>,
    pub(crate) random: Random,
    /// Frames sent so far by each end, and their bytes.
    pub(crate) frames: [u64; 2],
    pub(crate) bytes: [u64; 2],
    /// What happened so far.
    story: DefaultHasher,
}

/// One direction: frames by when they arrive.
#[derive(Default)]
struct Wire {
    travelling: BTreeMap<(Instant, u64), Bytes>,
    busy_until: Option<Instant>,
    is_cut: bool,
}

impl Network {
    pub(crate) fn new(ends: [End; 2], seed: u64) -> Self {
        let now = Instant::now();
        Self {
            now,
            started: now,
            ends,
            wires: Default::default(),
            faults: Faults::default(),
            delay: Duration::from_millis(5),
            bandwidth: None,
            random: Random::new(seed),
            frames: [0; 2],
            bytes: [0; 2],
            story: DefaultHasher::new(),
        }
    }

    /// A digest of when which end sent how much, and when it arrived: the same for two runs only if both went the same way, frame by frame. What is in a frame is
    /// left out, for keys are made anew each time.
    pub(crate) fn story(&self) -> u64 {
        self.story.finish()
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.now - self.started
    }

    /// One thing happens, and time goes on to when it does. False: nothing will ever happen. Not past `until`.
    pub(crate) fn step(&mut self, until: Instant) -> bool {
        for side in 0..2 {
            let end = &mut self.ends[side];
            if end.connection.deadline().is_some_and(|at| at <= self.now) {
                end.connection.on_time(self.now);
            }
            end.work(self.now);
            self.transmit(side);
            self.ends[side].work(self.now);
        }
        let arrivals = self
            .wires
            .iter()
            .filter_map(|wire| Some(wire.travelling.first_key_value()?.0.0));
        let deadlines = self
            .ends
            .iter()
            .filter_map(|end| end.connection.deadline())
            // What is due already waits for the wire to be free.
            .filter(|at| *at > self.now);
        let free = self.wires.iter().filter_map(|wire| wire.busy_until);
        let Some(next) = arrivals.chain(deadlines).chain(free).min() else {
            self.now = until;
            return false;
        };
        if next > until {
            self.now = until;
            return true;
        }
        self.now = self.now.max(next);
        for side in 0..2 {
            let wire = &mut self.wires[side];
            wire.busy_until = wire.busy_until.filter(|at| *at > self.now);
            while let Some(first) = self.wires[side].travelling.first_entry()
                && first.key().0 <= self.now
            {
                let bytes = first.remove();
                (self.elapsed(), side, "arrived", bytes.len()).hash(&mut self.story);
                let frame = Frame::decode(bytes).expect("a frame");
                self.ends[1 - side].connection.receive(frame, self.now);
            }
        }
        true
    }

    /// Runs for that long.
    pub(crate) fn run(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.step(until);
        }
    }

    /// Runs until that holds; panics if it does not within that time.
    #[track_caller]
    pub(crate) fn run_until(&mut self, within: Duration, mut holds: impl FnMut(&Self) -> bool) {
        let until = self.now + within;
        while !holds(self) {
            assert!(self.now < until, "not within {within:?}");
            self.step(until);
        }
    }

    fn transmit(&mut self, side: usize) {
        while self.wires[side].busy_until.is_none() {
            let Some(frame) = self.ends[side].connection.poll_transmit(self.now) else {
                return;
            };
            let bytes = frame.encode();
            self.frames[side] += 1;
            self.bytes[side] += bytes.len() as u64;
            (self.elapsed(), side, "sent", bytes.len()).hash(&mut self.story);
            let mut sent = self.now;
            if let Some(bandwidth) = self.bandwidth {
                sent += Duration::from_nanos(bytes.len() as u64 * 1_000_000_000 / bandwidth);
                self.wires[side].busy_until = Some(sent);
            }
            let copies = 1 + u64::from(self.random.percent(self.faults.doubled));
            for copy in 0..copies {
                if self.wires[side].is_cut || self.random.percent(self.faults.lost) {
                    continue;
                }
                let mut at = sent + self.delay;
                if self.random.percent(self.faults.late) {
                    at += self
                        .faults
                        .jitter
                        .mul_f64(self.random.below(1_000) as f64 / 1_000.0);
                }
                let key = (at, self.frames[side] * 2 + copy);
                self.wires[side].travelling.insert(key, bytes.clone());
            }
        }
    }

    /// One end's physical connection is cut, whether or not the other notices: what travels is lost, and what is sent meanwhile.
    pub(crate) fn cut(&mut self, side: usize, other_notices: bool) {
        for wire in &mut self.wires {
            wire.travelling.clear();
            wire.is_cut = true;
        }
        self.ends[side].connection.link_lost(self.now);
        if other_notices {
            self.ends[1 - side].connection.link_lost(self.now);
        }
    }

    /// It comes back.
    pub(crate) fn mend(&mut self, side: usize, other_noticed: bool) {
        for wire in &mut self.wires {
            wire.is_cut = false;
        }
        self.ends[side].connection.link_up(self.now);
        if other_noticed {
            self.ends[1 - side].connection.link_up(self.now);
        }
    }
}
