//! Threads for file calls, which may hang: no signal and no deadline ends a system call that waits for a dead server or for a FUSE
//! process that does not answer. What can end is the waiting for it.
//!
//! A job runs on a thread of the pool; what comes of it goes to its [`done`](Workers::run), exactly once: the result, or why there is
//! none. A job that gives no sign of life for as long as its [`Patience`] says is given up: `done` is told at once, and thread, guest instance
//! and descriptors are *abandoned*. A thread that comes back later drops its late result where it is and goes on with other work.
//!
//! So nobody waits behind a call that hangs, and what hangs is bounded: once [`WorkerLimits::abandoned`] threads do, no more are started and
//! work that finds no free one is refused at once. Nothing joins these threads: a process that exits does not wait for them (the kernel
//! may, for those that it cannot end itself).
//!
//! Costs: a job is one allocation and one wake-up of a thread. The thread that looks at deadlines sleeps until the nearest of them, so
//! it neither costs a job anything nor wakes an idle process.

mod not_done;
mod patience;
mod pool;
mod sign;
mod state;
mod task;
mod watch;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use not_done::NotDone;
pub use patience::Patience;
pub use pool::WorkersReport;
pub use sign::alive;
pub(crate) use sign::alive_at;

use crate::limits;
use pool::Pool;
use task::Task;

/// The threads. Cheap to clone; after the last clone is gone they finish what was asked for and end.
#[derive(Clone, Debug)]
pub struct Workers(Arc<Handle>);

/// Ends the pool's idle threads when nobody can give them work any more.
#[derive(Debug)]
struct Handle(Arc<Pool>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// How many threads there may be, and how long they wait for work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerLimits {
    /// Threads that work or wait for work; work beyond that waits for one.
    pub live: usize,
    /// Threads whose job was given up. At this number no further thread is started.
    pub abandoned: usize,
    /// A thread without work ends after this time.
    pub idle: std::time::Duration,
}

impl Default for WorkerLimits {
    fn default() -> Self {
        WorkerLimits {
            live: limits::LIVE_THREADS,
            abandoned: limits::ABANDONED_THREADS,
            idle: limits::IDLE_THREAD,
        }
    }
}

impl Default for Workers {
    fn default() -> Self {
        Workers::new(WorkerLimits::default())
    }
}

impl Workers {
    /// A pool without any thread yet: each is started by the first job that needs it.
    pub fn new(limits: WorkerLimits) -> Workers {
        Workers(Arc::new(Handle(Arc::new(Pool::new(limits)))))
    }

    /// Runs `job` on a thread and gives `done` what came of it, exactly once: on that thread, or, where the job was given up or never
    /// begun, on another one. `done` must not block. A job that is refused is told so before this returns.
    pub fn run<T, J, D>(&self, patience: Patience, job: J, done: D)
    where
        T: 'static,
        J: FnOnce() -> T + Send + 'static,
        D: FnOnce(Result<T, NotDone>) + Send + 'static,
    {
        let pool = &self.0.0;
        pool.submit(Arc::new(Task::new(job, done)), patience);
    }

    /// Drops something whose end may block (a descriptor: closing one may wait for a server). Never refused; where no thread is free it
    /// happens as soon as one is.
    pub fn drop_later<T: Send + 'static>(&self, thing: T) {
        let patience = Patience::of(limits::OPERATION_TIME);
        let task = Task::new(move || drop(thing), |_: Result<(), NotDone>| {});
        self.0.0.queue(Arc::new(task), patience);
    }

    /// How many threads there are and what hangs.
    pub fn report(&self) -> WorkersReport {
        self.0.0.report()
    }
}
