//! The sending side of a stream: messages go in, segments come out, again if need be, until they are acknowledged.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;

use crate::limits::{ENTRY_BYTES, QUEUE_BYTES, REORDERING, WINDOW_BYTES, WINDOW_SEGMENTS};
use crate::streams::ack_bits;
use crate::streams::cutter::Cutter;
use crate::streams::frame::Acks;
use crate::streams::peer::Peer;
use crate::streams::rtt::Rtt;
use crate::streams::segment::Segment;
use crate::streams::seq;
use crate::streams::violation::Violation;

/// Fewest segments at once that a loss told by acknowledging bits leaves.
const LEAST_AFTER_LOSS: u32 = 8;

#[derive(Debug)]
pub(crate) struct Sending {
    queue: VecDeque<Bytes>,
    queued: usize,
    cutter: Option<Cutter>,
    /// What was sent and not acknowledged with all before it: the numbers from `next - unacked.len()` to `next`.
    unacked: VecDeque<Sent>,
    unacked_bytes: usize,
    next: u32,
    in_flight: u32,
    in_flight_bytes: usize,
    lost: u32,
    /// How many segments may be on their way at once; less after a loss, and never more than the window.
    allowed: u32,
    /// Transmissions so far, and the newest of them that was surely acknowledged. A segment that is sent again has a new one.
    transmissions: u64,
    newest_acked: u64,
    /// Losses of transmissions before this one were already answered with sending less.
    reduced_at: u64,
    rtt: Rtt,
    timer: Option<Instant>,
    /// The numbers are used up: what is queued cannot be sent.
    exhausted: bool,
}

#[derive(Debug)]
struct Sent {
    segment: Segment,
    at: Instant,
    transmission: u64,
    again: bool,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    InFlight,
    Lost,
    Acknowledged,
}

impl Sending {
    pub(crate) fn new(next: u32) -> Self {
        Self {
            queue: VecDeque::new(),
            queued: 0,
            cutter: None,
            unacked: VecDeque::new(),
            unacked_bytes: 0,
            next,
            in_flight: 0,
            in_flight_bytes: 0,
            lost: 0,
            allowed: WINDOW_SEGMENTS,
            transmissions: 0,
            newest_acked: 0,
            reduced_at: 0,
            rtt: Rtt::default(),
            timer: None,
            exhausted: false,
        }
    }

    /// Whether a message may be queued; one of any size may follow what is below the limit.
    pub(crate) fn has_room(&self) -> bool {
        self.queued < QUEUE_BYTES
    }

    pub(crate) fn queue(&mut self, message: Bytes) {
        self.queued += message.len() + ENTRY_BYTES;
        self.queue.push_back(message);
    }

    /// Whether [`Self::poll`] would give a segment. `crowded`: so much is on its way on other streams that one segment has to do here.
    pub(crate) fn can_send(&self, crowded: bool) -> bool {
        if self.in_flight >= self.allowed || (crowded && self.in_flight > 0) {
            return false;
        }
        self.lost > 0 || (self.has_more() && self.window_is_open())
    }

    fn has_more(&self) -> bool {
        !self.exhausted && (self.cutter.is_some() || !self.queue.is_empty())
    }

    fn window_is_open(&self) -> bool {
        self.unacked.len() < WINDOW_SEGMENTS as usize && self.unacked_bytes < WINDOW_BYTES
    }

    /// The next segment to send: one that was lost, or a new one.
    pub(crate) fn poll(&mut self, peer: Peer, crowded: bool, now: Instant) -> Option<Segment> {
        if !self.can_send(crowded) {
            return None;
        }
        let segment = if self.lost > 0 {
            self.again(now)
        } else {
            self.first_time(peer, now)
        }?;
        if peer.acknowledges() && self.timer.is_none() {
            self.timer = Some(now + self.rtt.timeout());
        }
        Some(segment)
    }

    fn again(&mut self, now: Instant) -> Option<Segment> {
        let sent = self
            .unacked
            .iter_mut()
            .find(|sent| sent.state == State::Lost)?;
        self.lost -= 1;
        self.in_flight += 1;
        self.in_flight_bytes += sent.segment.payload().len();
        self.transmissions += 1;
        sent.state = State::InFlight;
        sent.again = true;
        sent.at = now;
        sent.transmission = self.transmissions;
        Some(sent.segment.clone())
    }

    fn first_time(&mut self, peer: Peer, now: Instant) -> Option<Segment> {
        let mut cutter = match self.cutter.take() {
            Some(cutter) => cutter,
            None => self.next_message(peer)?,
        };
        let count = cutter.count();
        let (index, part) = cutter.next()?;
        if !cutter.is_done() {
            self.cutter = Some(cutter);
        }
        let segment = Segment::new(self.next, index, count, part).ok()?;
        self.next += 1;
        self.transmissions += 1;
        // A plain peer acknowledges nothing, so there is nothing to keep.
        if peer != Peer::Plain {
            let bytes = segment.payload().len();
            self.unacked_bytes += bytes;
            self.in_flight += 1;
            self.in_flight_bytes += bytes;
            self.unacked.push_back(Sent {
                segment: segment.clone(),
                at: now,
                transmission: self.transmissions,
                again: false,
                state: State::InFlight,
            });
        }
        Some(segment)
    }

    fn next_message(&mut self, peer: Peer) -> Option<Cutter> {
        let cutter = Cutter::new(self.queue.front()?.clone(), peer != Peer::Contract);
        if cutter.count() > seq::END - self.next {
            self.exhausted = true;
            return None;
        }
        let message = self.queue.pop_front()?;
        self.queued -= message.len() + ENTRY_BYTES;
        Some(cutter)
    }

    /// What the peer says it has. True if it is behind what it said before: then it is an old frame, or of a peer that forgot.
    /// `prompt`: it was said as soon as it could be, so it tells how long the way is; what comes with a resume waited for the connection.
    pub(crate) fn acknowledge(
        &mut self,
        acks: Acks,
        prompt: bool,
        now: Instant,
    ) -> Result<bool, Violation> {
        let unsent = |ack| Violation::AckOfUnsent {
            ack,
            next: self.next,
        };
        if ack_bits::first_missing(acks) > self.next {
            return Err(unsent(acks.ack));
        }
        if let Some(seq) = ack_bits::bits(acks).find(|seq| *seq >= u64::from(self.next)) {
            return Err(unsent(u32::try_from(seq).unwrap_or(u32::MAX)));
        }
        let behind = ack_bits::first_missing_of_all(acks) < self.first_unacked();
        let mut news = News::default();
        let first = self.first_unacked();
        for at in 0..self.index_of(ack_bits::first_missing(acks)) {
            self.settle(at, &mut news);
        }
        for seq in ack_bits::bits(acks).filter(|seq| *seq >= u64::from(first)) {
            self.settle((seq - u64::from(first)) as usize, &mut news);
        }
        self.drop_settled();
        if let Some((transmission, at)) = news.measurable {
            self.newest_acked = self.newest_acked.max(transmission);
            if prompt {
                self.rtt.measure(now.saturating_duration_since(at));
            }
        }
        if news.count > 0 {
            self.rtt.forgive();
            self.allowed = (self.allowed + news.count).min(WINDOW_SEGMENTS);
            self.find_lost();
            self.timer = (self.in_flight > 0).then(|| now + self.rtt.timeout());
        }
        Ok(behind)
    }

    fn first_unacked(&self) -> u32 {
        self.next - self.unacked.len() as u32
    }

    /// The place among the unacknowledged where that number is or would be.
    fn index_of(&self, seq: u32) -> usize {
        (seq.saturating_sub(self.first_unacked()) as usize).min(self.unacked.len())
    }

    fn settle(&mut self, at: usize, news: &mut News) {
        let Some(sent) = self.unacked.get_mut(at) else {
            return;
        };
        let bytes = sent.segment.payload().len();
        match sent.state {
            State::Acknowledged => return,
            State::Lost => self.lost -= 1,
            State::InFlight => {
                self.in_flight -= 1;
                self.in_flight_bytes -= bytes;
            }
        }
        sent.state = State::Acknowledged;
        self.unacked_bytes -= bytes;
        news.count += 1;
        // Karn's rule: of what was sent twice nobody knows which one was acknowledged.
        if !sent.again {
            news.measurable = news.measurable.max(Some((sent.transmission, sent.at)));
        }
    }

    fn drop_settled(&mut self) {
        while self
            .unacked
            .front()
            .is_some_and(|sent| sent.state == State::Acknowledged)
        {
            self.unacked.pop_front();
        }
    }

    /// What was sent well before something that was acknowledged, and is not acknowledged itself, is lost.
    fn find_lost(&mut self) {
        let mut newest_lost = 0;
        for sent in &mut self.unacked {
            if sent.state == State::InFlight && sent.transmission + REORDERING <= self.newest_acked
            {
                sent.state = State::Lost;
                self.lost += 1;
                self.in_flight -= 1;
                self.in_flight_bytes -= sent.segment.payload().len();
                newest_lost = newest_lost.max(sent.transmission);
            }
        }
        // Once a round trip: something on the way is overloaded.
        if newest_lost > self.reduced_at {
            self.reduced_at = self.transmissions;
            self.allowed = (self.allowed * 7 / 10).max(LEAST_AFTER_LOSS);
        }
    }

    /// The peer has a new physical connection and misses what begins at `next_seq`. True if that is behind, as above.
    pub(crate) fn resume(&mut self, next_seq: u32) -> Result<bool, Violation> {
        if next_seq > self.next {
            return Err(Violation::ResumeOfUnsent {
                next_seq,
                next: self.next,
            });
        }
        let behind = next_seq < self.first_unacked();
        let mut news = News::default();
        for at in 0..self.index_of(next_seq) {
            self.settle(at, &mut news);
        }
        self.drop_settled();
        if !behind {
            self.lose_all();
            self.rtt.forgive();
            self.allowed = WINDOW_SEGMENTS;
            self.timer = None;
        }
        Ok(behind)
    }

    /// Everything on its way is lost: the connection was, or nothing was heard of it for too long.
    pub(crate) fn lose_all(&mut self) {
        for sent in &mut self.unacked {
            if sent.state == State::InFlight {
                sent.state = State::Lost;
                self.lost += 1;
            }
        }
        self.in_flight = 0;
        self.in_flight_bytes = 0;
        self.timer = None;
    }

    /// Nothing was acknowledged in time. Only the oldest segment is sent now, as a question.
    pub(crate) fn time_out(&mut self) {
        self.lose_all();
        self.allowed = 1;
        self.reduced_at = self.transmissions;
        self.rtt.back_off();
    }

    /// The peer turned out to be a plain one: what was sent is its own business.
    pub(crate) fn forget_sent(&mut self) {
        self.unacked.clear();
        self.unacked_bytes = 0;
        self.in_flight = 0;
        self.in_flight_bytes = 0;
        self.lost = 0;
        self.timer = None;
    }

    /// The peer turned out to acknowledge: what was sent before is waited for from now on.
    pub(crate) fn watch_sent(&mut self, now: Instant) {
        if self.in_flight > 0 && self.timer.is_none() {
            self.timer = Some(now + self.rtt.timeout());
        }
    }

    pub(crate) fn timer(&self) -> Option<Instant> {
        self.timer
    }

    /// The first number that was not sent.
    pub(crate) fn next(&self) -> u32 {
        self.next
    }

    pub(crate) fn in_flight_bytes(&self) -> usize {
        self.in_flight_bytes
    }

    /// Everything that was given to send has been acknowledged, or sent to a plain peer.
    pub(crate) fn is_done(&self) -> bool {
        self.queue.is_empty() && self.cutter.is_none() && self.unacked.is_empty()
    }

    /// The numbers are used up, and everything that had one has been acknowledged.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.exhausted && self.unacked.is_empty()
    }
}

#[derive(Default)]
struct News {
    count: u32,
    /// The newest transmission of those that were sent once, and when it was sent.
    measurable: Option<(u64, Instant)>,
}
