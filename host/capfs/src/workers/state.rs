//! What the pool knows: its threads, what each does since when, and what waits for one. Decides; starts and tells nothing.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::WorkerLimits;
use super::not_done::NotDone;
use super::patience::Patience;
use super::sign::Sign;
use super::task::Run;

/// Names a thread of the pool; never used twice.
pub(super) type Number = u64;

/// Behind the pool's lock.
pub(super) struct State {
    limits: WorkerLimits,
    queue: VecDeque<Work>,
    threads: HashMap<Number, Thread>,
    next: Number,
    /// Threads that wait for work. One that was woken counts until it runs, and what it was woken for stands in the queue.
    pub(super) idle: usize,
    live: usize,
    abandoned: usize,
    /// Nobody can give work any more.
    pub(super) ended: bool,
    /// When the watching thread will look again; not before it is told to, if none.
    pub(super) next_look: Option<Instant>,
}

/// Work that no thread has taken yet.
#[derive(Clone)]
pub(super) struct Work {
    pub(super) task: Arc<dyn Run>,
    pub(super) patience: Patience,
    pub(super) since: Instant,
    /// Its owner waits for it, and is to be told when no thread has come free for long.
    pub(super) awaited: bool,
}

struct Thread {
    sign: Arc<Sign>,
    job: Option<Job>,
}

struct Job {
    work: Work,
    since: Instant,
    abandoned: bool,
}

impl Job {
    fn due(&self, sign: &Sign) -> Instant {
        let patience = self.work.patience;
        let last_sign = self.since.max(sign.last());
        (last_sign + patience.silence).min(self.since + patience.total)
    }
}

/// What becomes of new work.
pub(super) enum Place {
    /// In the queue, where a thread takes it.
    Queued,
    /// With a thread that is to be started for it.
    NewThread(Number, Arc<Sign>),
    Refused(NotDone),
}

/// What a look at the deadlines has found.
#[derive(Default)]
pub(super) struct Overdue {
    /// To be told so.
    pub(super) given_up: Vec<(Arc<dyn Run>, NotDone)>,
    /// The next deadline.
    pub(super) nearest: Option<Instant>,
}

impl State {
    pub(super) fn new(limits: WorkerLimits) -> State {
        State {
            limits,
            queue: VecDeque::new(),
            threads: HashMap::new(),
            next: 0,
            idle: 0,
            live: 0,
            abandoned: 0,
            ended: false,
            next_look: None,
        }
    }

    pub(super) fn live(&self) -> usize {
        self.live
    }

    pub(super) fn abandoned(&self) -> usize {
        self.abandoned
    }

    /// No thread is left and nothing waits for one.
    pub(super) fn is_over(&self) -> bool {
        self.ended && self.threads.is_empty() && self.queue.is_empty()
    }

    /// As many threads hang as may: those that are left are kept, and no others are started.
    fn is_at_bound(&self) -> bool {
        self.abandoned >= self.limits.abandoned
    }

    /// How long the call that hangs longest has done so.
    pub(super) fn longest(&self, now: Instant) -> Option<Duration> {
        let hanging = self.threads.values().filter_map(|thread| {
            let job = thread.job.as_ref().filter(|job| job.abandoned)?;
            Some(now.saturating_duration_since(job.since))
        });
        hanging.max()
    }

    fn refusal(&self, now: Instant) -> NotDone {
        NotDone::Refused {
            hanging: self.abandoned,
            longest: self.longest(now).unwrap_or_default(),
        }
    }

    /// Finds a place for new work. Work that nobody awaits is never refused.
    pub(super) fn place(&mut self, work: Work) -> Place {
        let waits_for_it = self.idle > self.queue.len();
        if !waits_for_it && self.is_at_bound() && work.awaited {
            return Place::Refused(self.refusal(work.since));
        }
        if waits_for_it || !self.may_start() {
            self.queue.push_back(work);
            return Place::Queued;
        }
        let (number, sign) = self.start();
        self.begin(number, work);
        Place::NewThread(number, sign)
    }

    fn may_start(&self) -> bool {
        self.live < self.limits.live && !self.is_at_bound()
    }

    /// A thread that is to be started because more waits in the queue than there are threads waiting for it.
    pub(super) fn thread_for_the_queue(&mut self) -> Option<(Number, Arc<Sign>)> {
        (self.queue.len() > self.idle && self.may_start()).then(|| self.start())
    }

    fn start(&mut self) -> (Number, Arc<Sign>) {
        self.next += 1;
        self.live += 1;
        let sign = Arc::new(Sign::new(Instant::now()));
        let thread = Thread {
            sign: Arc::clone(&sign),
            job: None,
        };
        self.threads.insert(self.next, thread);
        (self.next, sign)
    }

    /// The system did not give that thread. Its work waits for another one; where there is none it comes back.
    pub(super) fn did_not_start(&mut self, number: Number) -> Option<Work> {
        self.live -= 1;
        let work = self.threads.remove(&number)?.job?.work;
        if self.live == 0 && work.awaited {
            return Some(work);
        }
        self.queue.push_front(work);
        None
    }

    /// The thread takes the next work from the queue.
    pub(super) fn take(&mut self, number: Number) -> Option<Arc<dyn Run>> {
        let work = self.queue.pop_front()?;
        let task = Arc::clone(&work.task);
        self.begin(number, work);
        Some(task)
    }

    fn begin(&mut self, number: Number, work: Work) {
        let since = Instant::now();
        if let Some(thread) = self.threads.get_mut(&number) {
            thread.job = Some(Job {
                work,
                since,
                abandoned: false,
            });
        }
    }

    /// When the work that a thread has just begun, or what was just queued, is overdue at the earliest.
    pub(super) fn earliest(patience: Patience, now: Instant) -> Instant {
        now + patience.silence.min(patience.total)
    }

    /// The thread's job is over. How long it hung if it had been given up; whether the thread stays.
    pub(super) fn finish(&mut self, number: Number) -> (Option<Duration>, bool) {
        let job = self
            .threads
            .get_mut(&number)
            .and_then(|thread| thread.job.take());
        let Some(job) = job.filter(|job| job.abandoned) else {
            return (None, true);
        };
        self.abandoned -= 1;
        let stays = self.live < self.limits.live;
        if stays {
            self.live += 1;
        } else {
            self.threads.remove(&number);
        }
        (Some(job.since.elapsed()), stays)
    }

    /// Whether a thread that found no work for long should end.
    pub(super) fn may_leave(&self) -> bool {
        self.queue.is_empty() && (self.ended || !self.is_at_bound())
    }

    /// The thread ends.
    pub(super) fn leave(&mut self, number: Number) {
        self.live -= 1;
        self.threads.remove(&number);
    }

    /// Gives up what is overdue.
    pub(super) fn look(&mut self, now: Instant) -> Overdue {
        let mut found = Overdue::default();
        let mut later = |due: Instant| {
            found.nearest = Some(found.nearest.map_or(due, |nearest| nearest.min(due)));
        };
        for thread in self.threads.values_mut() {
            let Some(job) = thread.job.as_mut().filter(|job| !job.abandoned) else {
                continue;
            };
            let due = job.due(&thread.sign);
            if due > now {
                later(due);
                continue;
            }
            job.abandoned = true;
            self.live -= 1;
            self.abandoned += 1;
            let why = NotDone::GaveUp {
                after: now.saturating_duration_since(job.since),
                may_still_happen: job.work.patience.changes,
            };
            found.given_up.push((Arc::clone(&job.work.task), why));
        }
        let (hanging, alone) = (self.abandoned, self.live == 0 && self.is_at_bound());
        let refusal = self.refusal(now);
        for work in self.queue.iter_mut().filter(|work| work.awaited) {
            let due = Self::earliest(work.patience, work.since);
            if due > now && !alone {
                later(due);
                continue;
            }
            // The task stays in the queue: it is dropped by a thread, which may hang in that.
            work.awaited = false;
            let why = match alone {
                true => refusal.clone(),
                false => NotDone::Crowded {
                    after: now.saturating_duration_since(work.since),
                    hanging,
                },
            };
            found.given_up.push((Arc::clone(&work.task), why));
        }
        found
    }
}
