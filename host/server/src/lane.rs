//! How file requests of one connection run: in which order, on which thread, with how much memory.
//!
//! Order. A client may send a write and a read of the same file without waiting in between, and the
//! reference answers strictly in turn. So requests that only look (and process starts) share the
//! lane, and requests that change something have it alone: what was sent before is done before.
//!
//! Threads. File calls may block, and hang, so they run on the threads of [`Workers`], one hop each: a call that hangs is given up,
//! answered and loses its place here, so that nobody waits behind it. What can be answered from the kernel's caches without
//! blocking is answered on the connection's own thread: see [`FileCalls::try_shared`].
//!
//! Memory. A large answer holds a share of the connection's budget until the socket takes it. Who
//! never reads stops getting large answers made for it.

use std::sync::Arc;

use lockgate_capfs::Workers;
use lockgate_capfs::workers::Patience;
use lockgate_wire::Id;
use tokio::runtime::Handle;
use tokio::sync::{
    OwnedRwLockReadGuard, OwnedRwLockWriteGuard, OwnedSemaphorePermit, RwLock, Semaphore,
};

use crate::failure::Failure;
use crate::fitting::fitting;
use crate::limits;
use crate::outbox::Outbox;
use crate::pending::Pending;
use crate::policy::{Asking, Decision};
use crate::queued::{Waiting, queued};

/// Whether a request may run beside others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// It only looks.
    Shared,
    /// It changes something.
    Alone,
}

/// A request's place in the lane.
pub(crate) enum Place {
    Shared { _guard: OwnedRwLockReadGuard<()> },
    Alone { _guard: OwnedRwLockWriteGuard<()> },
}

/// The file requests of one connection. Clones share it.
#[derive(Clone)]
pub(crate) struct FileCalls {
    lane: Arc<RwLock<()>>,
    threads: Arc<Semaphore>,
    held: Arc<Semaphore>,
    answers: Answers,
    workers: Workers,
    patience: Patience,
}

/// The connection's memory for large answers.
#[derive(Clone)]
pub(crate) struct Answers {
    kilobytes: Arc<Semaphore>,
}

impl FileCalls {
    /// None yet. They run on `workers`, and are given up when their `patience` is at its end.
    pub(crate) fn new(workers: Workers, patience: Patience) -> FileCalls {
        FileCalls {
            workers,
            patience,
            lane: Arc::new(RwLock::new(())),
            threads: Arc::new(Semaphore::new(limits::FILE_CALLS_AT_ONCE)),
            held: Arc::new(Semaphore::new(limits::FILE_CALLS_HELD)),
            answers: Answers {
                kilobytes: Arc::new(Semaphore::new(limits::ANSWER_BYTES >> 10)),
            },
        }
    }

    pub(crate) fn answers(&self) -> &Answers {
        &self.answers
    }

    /// A place for a request that looks and is answered at once, if nothing that changes something runs
    /// or waits before it.
    pub(crate) fn try_shared(&self) -> Option<Place> {
        let guard = Arc::clone(&self.lane).try_read_owned().ok()?;
        Some(Place::Shared { _guard: guard })
    }

    /// Takes a place in the lane now; the place comes when it is this request's turn.
    fn queue(&self, order: Order) -> Result<Place, Waiting<Place>> {
        let lane = Arc::clone(&self.lane);
        match order {
            Order::Shared => queued(async move {
                Place::Shared {
                    _guard: lane.read_owned().await,
                }
            }),
            Order::Alone => queued(async move {
                Place::Alone {
                    _guard: lane.write_owned().await,
                }
            }),
        }
    }

    /// Runs `job` on a thread when it is this request's turn. `done` gets what came of it, or why nothing did, and gives the answer; it
    /// is called on some thread, once, and must not block.
    pub(crate) fn run<T, J, D>(&self, order: Order, pending: Pending, job: J, done: D)
    where
        T: Send + 'static,
        J: FnOnce(&Asked) -> Result<T, Failure> + Send + 'static,
        D: FnOnce(Work, Result<T, Failure>) + Send + 'static,
    {
        let means = Means {
            answers: self.answers.clone(),
            workers: self.workers.clone(),
            held: Arc::clone(&self.held),
            patience: match order {
                Order::Shared => self.patience,
                Order::Alone => self.patience.for_a_change(),
            },
            runtime: Handle::current(),
        };
        let place = match self.queue(order) {
            Ok(place) => {
                if let Ok(thread) = Arc::clone(&self.threads).try_acquire_owned() {
                    return Work::new(pending, means, place, thread).go(job, done);
                }
                Box::pin(async move { place })
            }
            Err(waiting) => waiting,
        };
        let threads = Arc::clone(&self.threads);
        tokio::spawn(async move {
            let place = tokio::select! {
                place = place => place,
                () = pending.moot() => return,
            };
            // The semaphore is never closed.
            let Ok(thread) = threads.acquire_owned().await else {
                return;
            };
            Work::new(pending, means, place, thread).go(job, done);
        });
    }

    /// Runs `job` with what policies leave of a request. `question` decides, on the same thread before it; where somebody has to agree, the
    /// request leaves its place meanwhile, and comes back to the end of the lane.
    pub(crate) fn guarded<A, T, Q, J, D>(
        &self,
        order: Order,
        pending: Pending,
        question: Q,
        job: J,
        done: D,
    ) where
        A: Send + 'static,
        T: Send + 'static,
        Q: FnOnce(&Asked) -> Result<Decision<A>, Failure> + Send + 'static,
        J: FnOnce(&Asked, A) -> Result<T, Failure> + Send + 'static,
        D: FnOnce(Work, Result<T, Failure>) + Send + 'static,
    {
        let lane = self.clone();
        let first = move |asked: &Asked| match question(asked)? {
            Decision::Settled(permit) => job(asked, permit).map(Stage::Done),
            Decision::Asks(asking) => Ok(Stage::Asks(asking, job)),
        };
        self.run(order, pending, first, move |work, outcome| match outcome {
            Ok(Stage::Done(result)) => done(work, Ok(result)),
            Ok(Stage::Asks(asking, job)) => lane.after(asking, order, work, job, done),
            Err(failure) => done(work, Err(failure)),
        });
    }

    /// Runs `job` once somebody has agreed.
    fn after<A, T, J, D>(&self, asking: Asking<A>, order: Order, work: Work, job: J, done: D)
    where
        A: Send + 'static,
        T: Send + 'static,
        J: FnOnce(&Asked, A) -> Result<T, Failure> + Send + 'static,
        D: FnOnce(Work, Result<T, Failure>) + Send + 'static,
    {
        let lane = self.clone();
        let runtime = work.means.runtime.clone();
        let work = work.without_place();
        runtime.spawn(async move {
            let agreed = match work.pending.park() {
                Err(failure) => Err(failure),
                Ok(_parked) => tokio::select! {
                    agreed = asking => agreed,
                    () = work.pending.moot() => return,
                },
            };
            match agreed {
                Ok(permit) => {
                    let job = move |asked: &Asked| job(asked, permit);
                    lane.run(order, work.pending, job, done);
                }
                Err(failure) => done(work, Err(failure)),
            }
        });
    }

    /// [`FileCalls::guarded`], where the job also waits until the connection has room for an answer of `bytes`.
    pub(crate) fn guarded_with_room<A, Q, J>(
        &self,
        order: Order,
        pending: Pending,
        bytes: usize,
        question: Q,
        job: J,
    ) where
        A: Send + 'static,
        Q: FnOnce(&Asked) -> Result<Decision<A>, Failure> + Send + 'static,
        J: FnOnce(&Asked, A, Option<OwnedSemaphorePermit>) -> Result<Encoded, Failure>
            + Send
            + 'static,
    {
        let first = move |asked: &Asked, permit: A| match asked.try_room(bytes) {
            Some(share) => job(asked, permit, share).map(Step::Encoded),
            None => Ok(Step::Waits(move |asked: &Asked, share| {
                job(asked, permit, share)
            })),
        };
        let done = move |work, outcome| finish_with_room(work, bytes, outcome);
        self.guarded(order, pending, question, first, done);
    }

    /// Runs `job` when it is this request's turn and the connection has room for an answer of `bytes`.
    pub(crate) fn run_with_room<J>(&self, order: Order, pending: Pending, bytes: usize, job: J)
    where
        J: FnOnce(&Asked, Option<OwnedSemaphorePermit>) -> Result<Encoded, Failure>
            + Send
            + 'static,
    {
        let first = move |asked: &Asked| match asked.try_room(bytes) {
            Some(share) => job(asked, share).map(Step::Encoded),
            None => Ok(Step::Waits(job)),
        };
        self.run(order, pending, first, move |work, outcome| {
            finish_with_room(work, bytes, outcome);
        });
    }
}

fn finish_with_room<J>(work: Work, bytes: usize, outcome: Result<Step<J>, Failure>)
where
    J: FnOnce(&Asked, Option<OwnedSemaphorePermit>) -> Result<Encoded, Failure> + Send + 'static,
{
    match outcome {
        Ok(Step::Encoded(answer)) => work.deliver(Ok(answer)),
        Ok(Step::Waits(job)) => work.with_room(bytes, job, Work::deliver),
        Err(failure) => work.deliver(Err(failure)),
    }
}

/// How far a request has come that policies have something to say on.
enum Stage<T, A, J> {
    Done(T),
    /// Somebody has to agree first.
    Asks(Asking<A>, J),
}

/// How far a request that needs room has come on its first thread.
enum Step<J> {
    Encoded(Encoded),
    /// There is no room for its answer yet.
    Waits(J),
}

/// What a request runs with.
struct Means {
    answers: Answers,
    workers: Workers,
    /// Calls that are on a thread. One that is given up stays there until the system lets it go.
    held: Arc<Semaphore>,
    patience: Patience,
    runtime: Handle,
}

/// A request whose turn it is: the duty to answer it, and its place in the lane, which goes with it.
pub(crate) struct Work {
    pub(crate) pending: Pending,
    means: Means,
    /// None once the request has left the lane, to be refused.
    _held: Option<(Place, OwnedSemaphorePermit)>,
}

/// What a job knows of its request. The duty to answer is not with it: a job may hang.
pub(crate) struct Asked {
    id: Id,
    outbox: Arc<Outbox>,
    answers: Answers,
    runtime: Handle,
}

/// An encoded answer, and the share of the connection's memory that was taken for it.
pub(crate) type Encoded = (String, Option<OwnedSemaphorePermit>);

impl Asked {
    pub(crate) fn id(&self) -> &Id {
        &self.id
    }

    /// A failure when nobody waits for the answer any more: what is left of the work would be for nothing.
    pub(crate) fn is_awaited(&self) -> Result<(), Failure> {
        match self.outbox.is_closed() {
            true => Err(Failure::internal("the connection is gone")),
            false => Ok(()),
        }
    }

    /// The runtime that the job's thread is none of.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Room for an answer of `bytes`, where the connection has it now. A small one needs no share.
    pub(crate) fn try_room(&self, bytes: usize) -> Option<Option<OwnedSemaphorePermit>> {
        match bytes <= limits::SMALL_ANSWER_BYTES {
            true => Some(None),
            false => self.answers.try_take(bytes).map(Some),
        }
    }
}

impl Work {
    fn new(pending: Pending, means: Means, place: Place, thread: OwnedSemaphorePermit) -> Work {
        Work {
            pending,
            means,
            _held: Some((place, thread)),
        }
    }

    /// Lets those behind it go on.
    fn without_place(self) -> Work {
        Work {
            _held: None,
            ..self
        }
    }

    fn go<T, J, D>(self, job: J, done: D)
    where
        T: Send + 'static,
        J: FnOnce(&Asked) -> Result<T, Failure> + Send + 'static,
        D: FnOnce(Work, Result<T, Failure>) + Send + 'static,
    {
        let asked = Asked {
            id: self.pending.id().clone(),
            outbox: Arc::clone(self.pending.outbox()),
            answers: self.means.answers.clone(),
            runtime: self.means.runtime.clone(),
        };
        let Ok(held) = Arc::clone(&self.means.held).try_acquire_owned() else {
            return done(self, Err(too_many_hang()));
        };
        let (workers, patience) = (self.means.workers.clone(), self.means.patience);
        let job = move || {
            let _held = held;
            asked.is_awaited().and_then(|()| job(&asked))
        };
        workers.run(patience, job, move |outcome| {
            done(
                self,
                outcome.unwrap_or_else(|not_done| Err(not_done.into())),
            );
        });
    }

    /// Goes on with `job` once the connection has room for an answer of `bytes`. Meanwhile no thread is held, but the place in the
    /// lane is.
    pub(crate) fn with_room<T, J, D>(self, bytes: usize, job: J, done: D)
    where
        T: Send + 'static,
        J: FnOnce(&Asked, Option<OwnedSemaphorePermit>) -> Result<T, Failure> + Send + 'static,
        D: FnOnce(Work, Result<T, Failure>) + Send + 'static,
    {
        let runtime = self.means.runtime.clone();
        runtime.spawn(async move {
            if let Some((work, share)) = self.room(bytes).await {
                work.go(move |asked| job(asked, share), done);
            }
        });
    }

    /// Waits for a share; none if nobody waits for the answer any more.
    async fn room(self, bytes: usize) -> Option<(Work, Option<OwnedSemaphorePermit>)> {
        let answers = self.means.answers.clone();
        let share = tokio::select! {
            share = answers.take(bytes) => share,
            () = self.pending.moot() => return None,
        };
        Some((self, share))
    }

    /// Gives the answer, or why there is none.
    pub(crate) fn deliver(self, outcome: Result<Encoded, Failure>) {
        match outcome {
            Ok((text, None)) => match fitting(text) {
                Ok(text) => self.send(text),
                Err(failure) => self.pending.fail(&failure),
            },
            Ok((text, share)) => self.pending.send(text, share),
            Err(failure) => self.pending.fail(&failure),
        }
    }

    /// Gives an encoded answer of any size, once there is room for it.
    fn send(self, text: String) {
        if text.len() <= limits::SMALL_ANSWER_BYTES {
            return self.pending.send(text, None);
        }
        if let Some(share) = self.means.answers.try_take(text.len()) {
            return self.pending.send(text, Some(share));
        }
        let runtime = self.means.runtime.clone();
        runtime.spawn(async move {
            if let Some((work, share)) = self.room(text.len()).await {
                work.pending.send(text, share);
            }
        });
    }
}

fn too_many_hang() -> Failure {
    Failure::internal(format!(
        "nothing was done: {} file calls of this connection hang; look for a network or FUSE mount whose server does not answer, \
         and mend or unmount it (umount -f, umount -l)",
        limits::FILE_CALLS_HELD
    ))
}

impl Answers {
    fn units(bytes: usize) -> u32 {
        // A single answer larger than the whole budget has it alone.
        (bytes.min(limits::ANSWER_BYTES) >> 10) as u32
    }

    pub(crate) fn try_take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.kilobytes)
            .try_acquire_many_owned(Self::units(bytes))
            .ok()
    }

    pub(crate) async fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.kilobytes)
            .acquire_many_owned(Self::units(bytes))
            .await
            .ok()
    }

    /// What is left of a share for an answer that turned out to be of `bytes`.
    pub(crate) fn shrink(
        &self,
        mut share: OwnedSemaphorePermit,
        bytes: usize,
    ) -> Option<OwnedSemaphorePermit> {
        let kept = share.num_permits().min(Self::units(bytes) as usize);
        share.split(kept)
    }
}
