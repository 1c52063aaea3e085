//! The pool: starts threads, hands them work, and has one of them watch the deadlines.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::WorkerLimits;
use super::not_done::NotDone;
use super::patience::Patience;
use super::sign::Sign;
use super::state::{Number, Place, State, Work};
use super::task::Run;
use super::watch;

/// What all threads of a pool share.
pub(super) struct Pool {
    limits: WorkerLimits,
    pub(super) state: Mutex<State>,
    /// Something was put into the queue.
    work: Condvar,
    /// The watching thread is to look earlier than it meant to.
    pub(super) look: Condvar,
    watched: Mutex<bool>,
}

/// A pool's threads at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkersReport {
    /// Threads that work or wait for work.
    pub live: usize,
    /// Calls that were given up and have not come back.
    pub hanging: usize,
    /// How long the first of them has hung.
    pub longest: Option<Duration>,
}

impl Pool {
    pub(super) fn new(limits: WorkerLimits) -> Pool {
        Pool {
            limits,
            state: Mutex::new(State::new(limits)),
            work: Condvar::new(),
            look: Condvar::new(),
            watched: Mutex::new(false),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn report(&self) -> WorkersReport {
        let state = self.state();
        WorkersReport {
            live: state.live(),
            hanging: state.abandoned(),
            longest: state.longest(Instant::now()),
        }
    }

    /// Takes work that somebody waits for, or refuses it.
    pub(super) fn submit(self: &Arc<Pool>, task: Arc<dyn Run>, patience: Patience) {
        self.take_in(task, patience, true);
    }

    /// Takes work that nobody waits for.
    pub(super) fn queue(self: &Arc<Pool>, task: Arc<dyn Run>, patience: Patience) {
        self.take_in(task, patience, false);
    }

    fn take_in(self: &Arc<Pool>, task: Arc<dyn Run>, patience: Patience, awaited: bool) {
        let since = Instant::now();
        let work = Work {
            task: Arc::clone(&task),
            patience,
            since,
            awaited,
        };
        let mut state = self.state();
        let place = state.place(work);
        let watch = self.look_by(&mut state, State::earliest(patience, since));
        drop(state);
        match place {
            Place::Queued => self.work.notify_one(),
            Place::NewThread(number, sign) => self.start(number, sign, Some(task)),
            Place::Refused(why) => return task.give_up(why),
        }
        if watch {
            self.watch();
        }
    }

    /// Whether the watching thread has to be told: it would look too late.
    fn look_by(&self, state: &mut State, due: Instant) -> bool {
        let early = state.next_look.is_some_and(|next| next <= due);
        if !early {
            state.next_look = Some(due);
        }
        !early
    }

    /// Wakes the watching thread, or starts it. Without it nothing is given up, so a start that fails is tried again with
    /// the next work.
    fn watch(self: &Arc<Pool>) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if *watched {
            return self.look.notify_one();
        }
        let pool = Arc::clone(self);
        let started = std::thread::Builder::new()
            .name("lockgate-watch".to_owned())
            .spawn(move || watch::watch(&pool));
        match started {
            Ok(_detached) => *watched = true,
            Err(error) => {
                tracing::error!(%error, "no thread to watch the deadlines of file calls");
                self.state().next_look = None;
            }
        }
    }

    /// Starts a thread, which begins with `first` if there is any.
    pub(super) fn start(
        self: &Arc<Pool>,
        number: Number,
        sign: Arc<Sign>,
        first: Option<Arc<dyn Run>>,
    ) {
        let pool = Arc::clone(self);
        // The standard library's stack of 2 MiB, touched as far as it is used: a guest may take half a MiB of it.
        let started = std::thread::Builder::new()
            .name("lockgate-files".to_owned())
            .spawn(move || {
                sign.adopt();
                pool.serve(number, first);
            });
        if let Err(error) = started {
            tracing::warn!(%error, "no further thread for file calls");
            let refused = self.state().did_not_start(number);
            if let Some(work) = refused {
                work.task.give_up(NotDone::NoThread(error.to_string()));
            }
        }
    }

    /// What a thread does.
    fn serve(&self, number: Number, first: Option<Arc<dyn Run>>) {
        let mut task = first;
        loop {
            if let Some(task) = task.take() {
                task.run();
                // Before the lock: with it goes what the job left.
                drop(task);
                if !self.finish(number) {
                    return;
                }
            }
            match self.next(number) {
                Some(next) => task = Some(next),
                None => return,
            }
        }
    }

    /// Whether the thread, whose job is over, goes on.
    fn finish(&self, number: Number) -> bool {
        let (hung, stays) = self.state().finish(number);
        if let Some(hung) = hung {
            tracing::info!(
                seconds = hung.as_secs(),
                "a file call that hung has come back"
            );
        }
        stays
    }

    /// The next work; none if the thread is to end.
    fn next(&self, number: Number) -> Option<Arc<dyn Run>> {
        let mut state = self.state();
        loop {
            if let Some(task) = state.take(number) {
                return Some(task);
            }
            if state.ended {
                state.leave(number);
                self.look.notify_one();
                return None;
            }
            state.idle += 1;
            let (woken, timeout) = self
                .work
                .wait_timeout(state, self.limits.idle)
                .unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            if timeout.timed_out() && state.may_leave() {
                state.leave(number);
                return None;
            }
        }
    }

    /// No more work will come. What is there is still done; nobody waits for what hangs.
    pub(super) fn end(&self) {
        self.state().ended = true;
        self.work.notify_all();
        self.look.notify_one();
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.report().fmt(f)
    }
}
