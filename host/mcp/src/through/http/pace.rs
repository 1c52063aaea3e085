//! How often event streams are opened.
//!
//! The SDK opens a stream that fails again, at once where it had been open: a server that accepts streams and cuts them would be
//! asked as fast as the network goes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

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
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .stopped = true;
    }

    fn next(&self, now: Instant) -> Option<Instant> {
        let mut opened = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
