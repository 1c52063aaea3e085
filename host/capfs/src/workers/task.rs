//! One job and the one who waits for it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::not_done::NotDone;

/// A job with its `done`. Whoever takes `done` first gives the answer; there is no second one.
pub(super) struct Task<J, D> {
    job: Mutex<Option<J>>,
    done: Mutex<Option<D>>,
}

/// A task as the pool sees it.
pub(super) trait Run: Send + Sync {
    /// Does the job, once, and gives the result if it is still wanted. Never unwinds.
    fn run(&self);

    /// Tells that there will be no result, unless one was given. Never unwinds.
    fn give_up(&self, why: NotDone);
}

impl<J, D> Task<J, D> {
    pub(super) fn new(job: J, done: D) -> Task<J, D> {
        Task {
            job: Mutex::new(Some(job)),
            done: Mutex::new(Some(done)),
        }
    }
}

impl<T, J, D> Run for Task<J, D>
where
    J: FnOnce() -> T + Send,
    D: FnOnce(Result<T, NotDone>) + Send,
{
    fn run(&self) {
        let Some(job) = lock(&self.job).take() else {
            return;
        };
        if lock(&self.done).is_none() {
            // Given up before it began. What it holds goes here, where it may hang.
            return quietly(move || drop(job));
        }
        let outcome = catch_unwind(AssertUnwindSafe(job)).map_err(|_| NotDone::Panicked);
        let done = lock(&self.done).take();
        // A late result ends here: its descriptors are closed on this thread, which may hang in that too.
        quietly(move || match done {
            Some(done) => done(outcome),
            None => drop(outcome),
        });
    }

    fn give_up(&self, why: NotDone) {
        let done = lock(&self.done).take();
        if let Some(done) = done {
            quietly(move || done(Err(why)));
        }
    }
}

fn lock<V>(mutex: &Mutex<V>) -> MutexGuard<'_, V> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A panic of a caller's closure costs that caller its answer, not others their thread.
fn quietly(work: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(work)).is_err() {
        tracing::error!("what a file call's result was given to panicked");
    }
}
