//! The thread that gives up on what is overdue.

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use super::pool::Pool;

/// Runs until the pool has ended and nothing of it is left.
pub(super) fn watch(pool: &Arc<Pool>) {
    let mut state = pool.state();
    loop {
        if state.is_over() {
            return;
        }
        let now = Instant::now();
        let overdue = state.look(now);
        state.next_look = overdue.nearest;
        let started: Vec<_> = std::iter::from_fn(|| state.thread_for_the_queue()).collect();
        if overdue.given_up.is_empty() && started.is_empty() {
            state = match overdue.nearest {
                Some(due) => {
                    let waited = pool.look.wait_timeout(state, due - now);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => {
                    let waited = pool.look.wait(state);
                    waited.unwrap_or_else(PoisonError::into_inner)
                }
            };
            continue;
        }
        let hanging = state.abandoned();
        drop(state);
        for (number, sign) in started {
            pool.start(number, sign, None);
        }
        for (task, why) in overdue.given_up {
            tracing::warn!(hanging, "{why}");
            task.give_up(why);
        }
        state = pool.state();
    }
}
