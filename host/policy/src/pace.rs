//! Whether decisions are fast enough to be made on a thread that has other work to do.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::limits;

/// How long decisions of one kind take of late, in nanoseconds: a running average over some eight of them.
#[derive(Debug)]
pub(crate) struct Pace(AtomicU64);

impl Default for Pace {
    /// Nothing is known at first, so nobody waits for it.
    fn default() -> Self {
        Pace(AtomicU64::new(limits::QUICK.as_nanos() as u64 + 1))
    }
}

impl Pace {
    pub(crate) fn took(&self, time: Duration) {
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX) / 8;
        // Two at once may lose one of them: an average can bear it.
        let before = self.0.load(Ordering::Relaxed);
        self.0.store(before - before / 8 + time, Ordering::Relaxed);
    }

    /// One was given up where other work waits: the next ones are made elsewhere, whatever the average was.
    pub(crate) fn was_given_up(&self) {
        self.took(limits::QUICK * 8);
    }

    pub(crate) fn is_quick(&self) -> bool {
        self.0.load(Ordering::Relaxed) <= limits::QUICK.as_nanos() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slow_decision_moves_the_next_ones_away_until_they_are_fast_again() {
        let pace = Pace::default();
        assert!(!pace.is_quick());
        let fast = || pace.took(Duration::from_micros(20));
        (0..8).for_each(|_| fast());
        assert!(pace.is_quick());
        pace.took(Duration::from_millis(50));
        assert!(!pace.is_quick());
        (0..40).for_each(|_| fast());
        assert!(pace.is_quick());
        pace.took(Duration::MAX);
        assert!(!pace.is_quick());
    }

    #[test]
    fn one_that_was_given_up_moves_the_next_ones_away_however_fast_the_others_were() {
        let pace = Pace::default();
        (0..1000).for_each(|_| pace.took(Duration::from_nanos(1)));
        assert!(pace.is_quick());
        pace.was_given_up();
        assert!(!pace.is_quick());
    }
}
