//! Events of one process between the connection's task and one reader.
//!
//! The task puts them in by their number and never waits, unless it is to ([`Queue::has_room`]); the reader takes the next number. What
//! had no room is marked, and fetched when the reader gets there. The queue also knows what has come at all: after the loss of a link that,
//! and not how far the reader is, says what is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lockgate_wire::process::ReadResult;
use tokio::sync::Notify;

use crate::events::Event;
use crate::{gap, limits};

/// Events that wait for their turn or for their reader.
#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<Waiting>,
    changed: Notify,
    /// Told when a full queue has room again, and when nobody needs that room any more.
    room: Notify,
    /// The connection waits for room, so that nothing has to be dropped.
    waited_for: bool,
    /// The server may wait for what its reader acknowledges.
    acknowledges: bool,
}

#[derive(Default)]
struct Waiting {
    events: BTreeMap<u64, Event>,
    bytes: usize,
    /// The number that is read next, minus one.
    last: u64,
    /// Some are missing here and not on their way: they did not fit, or their reader came late.
    overflowed: bool,
    /// Its reader came late, and what happened before is not fetched yet.
    is_late: bool,
    /// Everything up to this number has come, whether or not it had room.
    received: u64,
    /// Numbers beyond it that have come.
    ahead: BTreeSet<u64>,
    /// The number of the exit, once that has come.
    exit: Option<u64>,
    /// And was read.
    exit_read: bool,
    /// The number of the close, once that has come.
    closed: Option<u64>,
    /// Its reader waits for an answer, or is gone: the connection must not wait for it.
    released: bool,
    failed: Option<String>,
}

impl Waiting {
    /// Remembers what has come.
    fn receive(&mut self, seq: u64, event: &Event) {
        match event {
            Event::Exited { .. } => self.exit = Some(seq),
            Event::Closed => self.closed = Some(seq),
            _ => {}
        }
        if seq == self.received + 1 {
            self.advance(seq);
        // A server that only sends what nobody can deliver yet is not to fill our memory: what is not remembered is fetched.
        } else if seq > self.received && self.ahead.len() < limits::EVENTS {
            self.ahead.insert(seq);
        }
    }

    fn advance(&mut self, received: u64) {
        self.received = self.received.max(received);
        while let Some(&first) = self.ahead.first()
            && first <= self.received.saturating_add(1)
        {
            self.received = self.received.max(first);
            self.ahead.pop_first();
        }
    }

    fn has_room_for(&self, event: &Event, is_waited_for: bool, is_open: bool) -> bool {
        // Where the connection waits for the reader, nothing is to be lost: after this one it waits, or, while it cannot, as much again is kept.
        if is_waited_for && is_open && !self.released {
            return true;
        }
        let times = if is_waited_for && !is_open { 2 } else { 1 };
        self.bytes + event.bytes() <= times * limits::EVENT_BYTES
            && self.events.len() < times * limits::EVENTS
    }

    fn is_full(&self) -> bool {
        self.bytes >= limits::EVENT_BYTES || self.events.len() >= limits::EVENTS
    }
}

pub(crate) enum Next {
    Event(Event),
    /// Numbers are missing; later ones are here or were dropped.
    Gap {
        overflowed: bool,
    },
    Nothing,
    Failed(String),
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in an event; old and repeated ones are dropped. `is_open` says whether the connection can wait for the reader: not while the
    /// session is recovered, when the answers that it waits for are behind what is pushed.
    pub(crate) fn push(&self, seq: u64, event: Event, is_open: bool) {
        let mut state = self.state();
        if seq <= state.last || state.events.contains_key(&seq) {
            return;
        }
        let event = match state.exit {
            // A process exits once, whatever its server says: what else has that number nobody knows.
            Some(exit) if event.is_exit() && exit != seq => Event::Lost { count: 1 },
            _ => event,
        };
        state.receive(seq, &event);
        if state.has_room_for(&event, self.waited_for, is_open) {
            state.bytes += event.bytes();
            state.events.insert(seq, event);
        } else {
            state.overflowed = true;
        }
        drop(state);
        self.changed.notify_one();
    }

    /// For a process that is about to start. `waited_for` says that the connection waits for the reader, `acknowledges` that the process may do so,
    /// over there.
    pub(crate) fn new(waited_for: bool, acknowledges: bool) -> Arc<Queue> {
        Arc::new(Queue {
            waited_for,
            acknowledges,
            ..Queue::default()
        })
    }

    /// For one that was started before: what it did so far is to be fetched.
    pub(crate) fn late(waited_for: bool, acknowledges: bool) -> Arc<Queue> {
        let queue = Queue::new(waited_for, acknowledges);
        {
            let mut state = queue.state();
            (state.overflowed, state.is_late) = (true, true);
        }
        queue
    }

    /// Returns at once unless the connection is to wait for the reader and the reader is far behind.
    pub(crate) async fn has_room(&self) {
        loop {
            {
                let state = self.state();
                if !self.waited_for || state.released || !state.is_full() {
                    return;
                }
            }
            // A notification between the look and the wait is kept by `notify_one`.
            self.room.notified().await;
        }
    }

    /// Whether the end of the process has come.
    pub(crate) fn has_closed(&self) -> bool {
        self.state().closed.is_some()
    }

    /// Whether the connection may wait for this queue's reader.
    pub(crate) fn release(&self, released: bool) {
        self.state().released = released;
        self.room.notify_one();
    }

    /// Events are missing for good: what came without a gap can still be read, and then the reason.
    pub(crate) fn abandon(&self, reason: String) {
        let mut state = self.state();
        let rest = state.received.saturating_add(1);
        state.events.split_off(&rest);
        drop(state);
        self.fail(reason);
    }

    /// The connection is gone. What is here can still be read.
    pub(crate) fn fail(&self, reason: String) {
        self.state().failed.get_or_insert(reason);
        self.changed.notify_one();
    }

    pub(crate) fn next(&self) -> Next {
        let mut state = self.state();
        let wanted = state.last + 1;
        if let Some(event) = state.events.remove(&wanted) {
            state.bytes -= event.bytes();
            state.last += event.numbers();
            state.exit_read |= event.is_exit();
            if self.waited_for && !state.is_full() {
                self.room.notify_one();
            }
            return Next::Event(event);
        }
        let first = state.events.keys().next().copied();
        match (&state.failed, first) {
            // What lies in between cannot be fetched any more.
            (Some(_), Some(first)) => {
                state.last = first - 1;
                Next::Event(Event::Lost {
                    count: first - wanted,
                })
            }
            (Some(reason), None) => Next::Failed(reason.clone()),
            (None, None) if !state.overflowed => Next::Nothing,
            (None, _) => Next::Gap {
                overflowed: state.overflowed,
            },
        }
    }

    /// Whether the process may wait for what its reader acknowledges.
    pub(crate) fn acknowledges(&self) -> bool {
        self.acknowledges
    }

    /// The number of what was read last.
    pub(crate) fn last(&self) -> u64 {
        self.state().last
    }

    /// Returns when something may have changed.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Takes in what a `process/read` after [`Self::last`] said. What it does not account for the server no longer has.
    pub(crate) fn fill(&self, read: ReadResult) {
        let mut state = self.state();
        let state = &mut *state;
        let (last, end) = (state.last, read.next_seq.saturating_sub(1));
        let (exited, closed) = (read.exited, read.closed);
        gap::fill(last, &mut state.events, read, state.exit_read);
        state.bytes = state.events.values().map(Event::bytes).sum();
        let exit = state.events.iter().find(|(_, event)| event.is_exit());
        state.exit = exit.map(|(&seq, _)| seq).or(state.exit);
        let mut here = state.events.iter().rev();
        let close = here.find(|(_, event)| **event == Event::Closed);
        state.closed = close.map(|(&seq, _)| seq).or(state.closed);
        // Of servers of May 2026 an answer with output says that the process has ended, and only the next one with which number.
        let says_more = exited && state.exit.is_none() || closed && state.closed.is_none();
        // What had no room while the answer was on its way.
        let came = state.received.saturating_sub(end);
        let kept = state
            .events
            .range(end.saturating_add(1)..=state.received.max(end + 1));
        state.overflowed = says_more && end > last || (kept.count() as u64) < came;
        state.is_late = false;
        state.advance(end);
    }

    /// What everything has come up to, if anything may follow it: what a link has brought that is lost now. Nothing is lost of what a late
    /// reader has still to fetch, wherever the server may have evicted it: that is what [`Event::Lost`] is for.
    pub(crate) fn received(&self) -> Option<u64> {
        let state = self.state();
        let is_whole = state.closed.is_some_and(|closed| closed <= state.received);
        (!is_whole && !state.is_late && state.failed.is_none()).then_some(state.received)
    }

    /// Takes in what a `process/read` after number `after` said, when the link is back. All numbers must be there: in the answer, or pushed on
    /// the new link before it, for the server pushes from its attachment on and may have evicted that by the time at which it answers.
    pub(crate) fn recover(&self, after: u64, read: ReadResult) -> Recovered {
        let mut state = self.state();
        let end = read.next_seq.saturating_sub(1);
        let (exited, closed) = (read.exited, read.closed);
        let from = state.received.max(after);
        let came = match gap::recover(from, &state.ahead, read, state.exit.is_some()) {
            Ok(came) => came,
            Err(missing) => return Recovered::Missing(missing),
        };
        let is_progress = end > after;
        drop(state);
        for (seq, event) in came {
            // What has no room is fetched later.
            self.push(seq, event, false);
        }
        state = self.state();
        state.advance(end);
        match exited && state.exit.is_none() || closed && state.closed.is_none() {
            false => Recovered::Whole,
            // Of May 2026, as above.
            true if is_progress => Recovered::More,
            true => Recovered::Missing(0),
        }
    }
}

/// What a look after the loss of a link showed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Recovered {
    /// Nothing is missing.
    Whole,
    /// Nothing is missing so far; another look shows the rest.
    More,
    /// So many events are nowhere any more; with none, the server contradicts itself.
    Missing(u64),
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Queue")
    }
}

#[cfg(test)]
mod tests;
