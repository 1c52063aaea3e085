//! Answers that are not given yet.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The longest that an answer is held, whatever a test does: more than a server here takes to give up, less than the time after which a test is ended.
pub const HELD_AT_MOST: Duration = Duration::from_secs(20);

type Answer = Box<dyn FnOnce() + Send>;

/// Answers that are held until they are let go.
#[derive(Clone, Default)]
pub struct Held(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<(Instant, Answer)>,
    let_go: bool,
}

impl Held {
    /// None yet, and a thread that gives each at the latest when it has been held for [`HELD_AT_MOST`].
    pub fn new() -> Held {
        let held = Held::default();
        let shared = Arc::clone(&held.0);
        std::thread::spawn(move || shared.give_in_time());
        held
    }

    /// Gives an answer when the others are let go; at once after that.
    pub fn hold(&self, answer: impl FnOnce() + Send + 'static) {
        let mut state = self.0.state();
        if state.let_go {
            drop(state);
            return answer();
        }
        state.waiting.push((Instant::now(), Box::new(answer)));
        self.0.changed.notify_all();
    }

    /// Gives all answers, and those that come later at once.
    pub fn let_go(&self) {
        let mut state = self.0.state();
        state.let_go = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        for (_, answer) in waiting {
            answer();
        }
    }

    /// Holds again what comes from now on.
    pub fn hold_again(&self) {
        self.0.state().let_go = false;
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_in_time(&self) {
        let mut state = self.state();
        loop {
            let old = state
                .waiting
                .extract_if(.., |(since, _)| since.elapsed() >= HELD_AT_MOST);
            let old: Vec<_> = old.collect();
            if !old.is_empty() {
                drop(state);
                for (_, answer) in old {
                    answer();
                }
                state = self.state();
                continue;
            }
            let waited = self.changed.wait_timeout(state, Duration::from_secs(1));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
