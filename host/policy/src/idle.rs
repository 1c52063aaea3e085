//! Instances of one policy between its decisions.
//!
//! Where the operator chose so, an instance that has decided waits here for its next decision. Otherwise each decision has an instance of its own, and what
//! that costs is done here outside of the decision, where somebody calls [`Idle::prepare`] while nobody waits: the next instance is started before it is needed, and
//! one that has decided is dropped when its answer has left. It is never asked again.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use lockgate_engine::Fault;

use crate::evaluator::{Evaluator, WarmTicket};
use crate::limits;
use crate::program::Started;

#[derive(Default)]
pub(crate) struct Idle {
    /// For the next decisions.
    at_hand: Mutex<Vec<Kept>>,
    /// To be dropped.
    spent: Mutex<Vec<Kept>>,
    /// Somebody prepares, so what is set aside will be dropped.
    is_tended: AtomicBool,
    /// So often in a row starting one took too long, or failed. After some of them only decisions start any, within their own time, and tell of it.
    slow_starts: AtomicU32,
}

/// An instance, and its place in the pool.
struct Kept {
    started: Started,
    _ticket: WarmTicket,
}

impl Idle {
    /// One that is ready for a decision.
    pub(crate) fn take(&self) -> Option<Started> {
        lock(&self.at_hand).pop().map(|kept| kept.started)
    }

    /// How many are.
    pub(crate) fn at_hand(&self) -> usize {
        lock(&self.at_hand).len()
    }

    /// Keeps one that has decided for the next decision, if it has not grown too large and there is room for it.
    pub(crate) fn keep(&self, started: Started, evaluator: &Evaluator) {
        if started.growth() <= limits::WARM_GROWTH_BYTES {
            put(&self.at_hand, started, evaluator, limits::WARM_PER_POLICY);
        }
    }

    /// Takes one that has decided and will not do so again.
    pub(crate) fn set_aside(&self, started: Started, evaluator: &Evaluator) {
        if self.is_tended.load(Ordering::Relaxed) {
            put(&self.spent, started, evaluator, limits::SPENT_PER_POLICY);
        }
    }

    /// Drops what was set aside, and starts the next instance.
    pub(crate) fn prepare(
        &self,
        evaluator: &Evaluator,
        start: impl FnOnce() -> Result<Started, Fault>,
    ) {
        self.is_tended.store(true, Ordering::Relaxed);
        drop(std::mem::take(&mut *lock(&self.spent)));
        let slow_starts = self.slow_starts.load(Ordering::Relaxed);
        if slow_starts >= limits::SLOW_STARTS || !lock(&self.at_hand).is_empty() {
            return;
        }
        let begin = Instant::now();
        let started = start();
        let is_quick = started.is_ok() && begin.elapsed() <= limits::QUICK;
        let slow_starts = if is_quick { 0 } else { slow_starts + 1 };
        self.slow_starts.store(slow_starts, Ordering::Relaxed);
        if let Ok(started) = started {
            put(&self.at_hand, started, evaluator, 1);
        }
    }
}

/// Puts it there if there is room, and drops it otherwise.
fn put(place: &Mutex<Vec<Kept>>, started: Started, evaluator: &Evaluator, most: usize) {
    let Some(ticket) = evaluator.warm_ticket() else {
        return;
    };
    let kept = Kept {
        started,
        _ticket: ticket,
    };
    let mut place = lock(place);
    if place.len() < most {
        place.push(kept);
    } else {
        // Not while others wait for the lock.
        drop(place);
        drop(kept);
    }
}

fn lock(kept: &Mutex<Vec<Kept>>) -> MutexGuard<'_, Vec<Kept>> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}
