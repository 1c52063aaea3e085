//! Instances of one policy between its decisions.
//!
//! Where the operator chose so, an instance that has decided waits here for its next decision. Otherwise each decision has an instance of its own, and what
//! that costs is done here outside of the decision, where somebody calls [`Idle::prepare`] while nobody waits: the next instance is started before it is needed, and
//! one that has decided is dropped when its answer has left. It is never asked again.
//!
//! Whoever prepares has other work to do. So that is for small instances that start in no time: what takes longer, or holds much, is started and dropped by its
//! decision, within the decision's time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

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
    /// The last start was quick.
    starts_quickly: AtomicBool,
}

/// An instance, its place in the pool, and the time that its start took before any decision wanted it.
struct Kept {
    started: Started,
    took: Duration,
    _ticket: WarmTicket,
}

impl Idle {
    /// One that is ready for a decision, and what its start took.
    pub(crate) fn take(&self) -> Option<(Started, Duration)> {
        let kept = lock(&self.at_hand).pop();
        kept.map(|kept| (kept.started, kept.took))
    }

    /// How many are.
    pub(crate) fn at_hand(&self) -> usize {
        lock(&self.at_hand).len()
    }

    /// A start, by a decision or before one, has taken so long.
    pub(crate) fn has_started(&self, took: Duration) {
        let is_quick = took <= limits::QUICK_START;
        self.starts_quickly.store(is_quick, Ordering::Relaxed);
    }

    /// Keeps one that has decided for the next decision, if it has not grown too large and there is room for it.
    pub(crate) fn keep(&self, started: Started, evaluator: &Evaluator) {
        if started.growth() <= limits::WARM_GROWTH_BYTES
            && let Some(ticket) = evaluator.warm_ticket()
        {
            put(
                &self.at_hand,
                Kept::new(started, ticket),
                limits::WARM_PER_POLICY,
            );
        }
    }

    /// Takes one that has decided and will not do so again.
    pub(crate) fn set_aside(&self, started: Started, evaluator: &Evaluator) {
        if self.is_tended.load(Ordering::Relaxed)
            && started.is_small()
            && let Some(ticket) = evaluator.warm_ticket()
        {
            put(
                &self.spent,
                Kept::new(started, ticket),
                limits::SPENT_PER_POLICY,
            );
        }
    }

    /// Drops what was set aside, and starts the next instance, if that is a matter of microseconds.
    pub(crate) fn prepare(
        &self,
        evaluator: &Evaluator,
        start: impl FnOnce() -> Result<Started, Fault>,
    ) {
        self.is_tended.store(true, Ordering::Relaxed);
        drop(std::mem::take(&mut *lock(&self.spent)));
        if !self.starts_quickly.load(Ordering::Relaxed) || !lock(&self.at_hand).is_empty() {
            return;
        }
        // Before the start: the pool has room for so many beside the decisions.
        let Some(ticket) = evaluator.warm_ticket() else {
            return;
        };
        let begin = Instant::now();
        let started = start();
        let took = begin.elapsed();
        match started {
            Ok(started) => {
                self.has_started(took);
                if started.is_small() {
                    let mut kept = Kept::new(started, ticket);
                    kept.took = took;
                    put(&self.at_hand, kept, 1);
                }
            }
            // The next decision tries it again, and tells of it.
            Err(_) => self.has_started(Duration::MAX),
        }
    }
}

impl Kept {
    fn new(started: Started, ticket: WarmTicket) -> Kept {
        Kept {
            started,
            took: Duration::ZERO,
            _ticket: ticket,
        }
    }
}

/// Puts it there if there is room, and drops it otherwise.
fn put(place: &Mutex<Vec<Kept>>, kept: Kept, most: usize) {
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
