//! Signs of life: what a long job gives between its system calls, so that it is not taken for one that hangs.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// When a thread gave its last sign, in milliseconds since the pool began.
#[derive(Debug)]
pub(super) struct Sign {
    epoch: Instant,
    millis: AtomicU64,
}

thread_local! {
    static MINE: RefCell<Option<Arc<Sign>>> = const { RefCell::new(None) };
}

impl Sign {
    pub(super) fn new(epoch: Instant) -> Sign {
        Sign {
            epoch,
            millis: AtomicU64::new(0),
        }
    }

    /// This thread's signs are given here from now on.
    pub(super) fn adopt(self: &Arc<Sign>) {
        MINE.set(Some(Arc::clone(self)));
    }

    pub(super) fn give(&self, now: Instant) {
        let millis = now.saturating_duration_since(self.epoch).as_millis();
        let millis = u64::try_from(millis).unwrap_or(u64::MAX);
        self.millis.store(millis, Ordering::Relaxed);
    }

    pub(super) fn last(&self) -> Instant {
        let millis = self.millis.load(Ordering::Relaxed);
        self.epoch + std::time::Duration::from_millis(millis)
    }
}

/// The job on this thread lives: called between system calls where a job may make many of them. Does nothing on other threads.
pub fn alive() {
    alive_at(Instant::now());
}

/// The same where the time is known.
pub(crate) fn alive_at(now: Instant) {
    MINE.with_borrow(|mine| {
        if let Some(sign) = mine {
            sign.give(now);
        }
    });
}
