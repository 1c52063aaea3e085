//! How often event streams are opened.
//!
//! The SDK opens a stream that fails again, at once where it had been open: a server that accepts streams and cuts them would be
//! asked as fast as the network goes.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::{Instant, sleep_until};

use crate::through::limits;

/// Of one server.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace(Arc<Mutex<Opened>>);

#[derive(Debug, Default)]
struct Opened {
    /// When the last streams were opened, or will be.
    last: VecDeque<Instant>,
    stopped: bool,
    /// How often nothing came after these events.
    in_vain: HashMap<String, u32>,
}

impl Pace {
    /// Returns when a stream may be opened; false: none may any more.
    pub(super) async fn turn(&self) -> bool {
        let Some(at) = self.next(Instant::now()) else {
            return false;
        };
        sleep_until(at).await;
        true
    }

    /// No more streams from here on.
    pub(super) fn stop(&self) {
        self.opened().stopped = true;
    }

    /// A stream that was to go on after that event ended at once, with nothing.
    pub(super) fn came_to_nothing(&self, after: &str) {
        let in_vain = &mut self.opened().in_vain;
        if in_vain.len() >= limits::IN_VAIN_KEPT {
            in_vain.clear();
        }
        *in_vain.entry(after.to_owned()).or_default() += 1;
    }

    /// Something came after it.
    pub(super) fn goes_on(&self, after: &str) {
        self.opened().in_vain.remove(after);
    }

    /// Whether it was tried often enough to go on after that event.
    pub(super) fn is_in_vain(&self, after: &str) -> bool {
        let opened = self.opened();
        let tried = opened.in_vain.get(after);
        tried.is_some_and(|tried| *tried >= limits::IN_VAIN)
    }

    fn opened(&self) -> MutexGuard<'_, Opened> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self, now: Instant) -> Option<Instant> {
        let mut opened = self.opened();
        if opened.stopped {
            return None;
        }
        let at = match opened.last.len() {
            limits::STREAMS_AT_ONCE => {
                let first = opened.last.pop_front().unwrap_or(now);
                now.max(first + limits::STREAMS_WITHIN)
            }
            _ => now,
        };
        opened.last.push_back(at);
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_to_nothing_twice_is_in_vain_unless_something_came_in_between() {
        let pace = Pace::default();
        pace.came_to_nothing("e");
        pace.goes_on("e");
        pace.came_to_nothing("e");
        assert!(!pace.is_in_vain("e"));
        pace.came_to_nothing("e");
        assert!(pace.is_in_vain("e") && !pace.is_in_vain("f"));
        for number in 0..2 * limits::IN_VAIN_KEPT {
            pace.came_to_nothing(&number.to_string());
        }
        assert!(pace.opened().in_vain.len() <= limits::IN_VAIN_KEPT);
    }

    #[test]
    fn some_are_opened_at_once_and_more_in_turn() {
        let pace = Pace::default();
        let now = Instant::now();
        for _ in 0..limits::STREAMS_AT_ONCE {
            assert_eq!(pace.next(now), Some(now));
        }
        for _ in 0..limits::STREAMS_AT_ONCE {
            assert_eq!(pace.next(now), Some(now + limits::STREAMS_WITHIN));
        }
        assert_eq!(pace.next(now), Some(now + 2 * limits::STREAMS_WITHIN));
        let later = now + 10 * limits::STREAMS_WITHIN;
        assert_eq!(pace.next(later), Some(later));
        pace.stop();
        assert_eq!(pace.next(later), None);
    }
}
