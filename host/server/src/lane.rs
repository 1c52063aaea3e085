//! How file requests of one connection run: in which order, on which thread, with how much memory.
//!
//! Order. A client may send a write and a read of the same file without waiting in between, and the
//! reference answers strictly in turn. So requests that only look (and process starts) share the
//! lane, and requests that change something have it alone: what was sent before is done before.
//!
//! Threads. File calls may block, so they run on blocking threads, one hop each. What can be answered
//! from the kernel's caches without blocking is answered on the connection's own thread: see
//! [`FileCalls::try_shared`].
//!
//! Memory. A large answer holds a share of the connection's budget until the socket takes it. Who
//! never reads stops getting large answers made for it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::sync::{
    OwnedRwLockReadGuard, OwnedRwLockWriteGuard, OwnedSemaphorePermit, RwLock, Semaphore,
};

use crate::limits;
use crate::pending::Pending;

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

type Waiting = Pin<Box<dyn Future<Output = Place> + Send>>;

/// The file requests of one connection.
pub(crate) struct FileCalls {
    lane: Arc<RwLock<()>>,
    threads: Arc<Semaphore>,
    answers: Answers,
}

/// The connection's memory for large answers.
#[derive(Clone)]
pub(crate) struct Answers {
    kilobytes: Arc<Semaphore>,
}

impl FileCalls {
    pub(crate) fn new() -> FileCalls {
        FileCalls {
            lane: Arc::new(RwLock::new(())),
            threads: Arc::new(Semaphore::new(limits::FILE_CALLS_AT_ONCE)),
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
    fn queue(&self, order: Order) -> Result<Place, Waiting> {
        let lane = Arc::clone(&self.lane);
        let mut waiting: Waiting = match order {
            Order::Shared => Box::pin(async move {
                Place::Shared {
                    _guard: lane.read_owned().await,
                }
            }),
            Order::Alone => Box::pin(async move {
                Place::Alone {
                    _guard: lane.write_owned().await,
                }
            }),
        };
        // The first poll is what queues: it has to happen here, in the order of the requests.
        match waiting
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(place) => Ok(place),
            Poll::Pending => Err(waiting),
        }
    }

    /// Runs `work` on a blocking thread when it is this request's turn.
    pub(crate) fn run<W>(&self, order: Order, pending: Pending, work: W)
    where
        W: FnOnce(Work) + Send + 'static,
    {
        let answers = self.answers.clone();
        let place = match self.queue(order) {
            Ok(place) => {
                if let Ok(thread) = Arc::clone(&self.threads).try_acquire_owned() {
                    Work {
                        pending,
                        answers,
                        _held: (place, thread),
                    }
                    .start(work);
                    return;
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
            Work {
                pending,
                answers,
                _held: (place, thread),
            }
            .start(work);
        });
    }
}

/// A request whose turn it is, on its blocking thread.
pub(crate) struct Work {
    pub(crate) pending: Pending,
    answers: Answers,
    _held: (Place, OwnedSemaphorePermit),
}

impl Work {
    fn start(self, work: impl FnOnce(Work) + Send + 'static) {
        tokio::task::spawn_blocking(move || {
            if !self.pending.is_moot() {
                work(self);
            }
        });
    }

    /// Goes on with `work` once the connection has room for an answer of `bytes`. Where it has, that is
    /// now and here; otherwise the thread is given back meanwhile, not the place in the lane.
    pub(crate) fn with_room(
        self,
        bytes: usize,
        work: impl FnOnce(Work, Option<OwnedSemaphorePermit>) + Send + 'static,
    ) {
        if bytes <= limits::SMALL_ANSWER_BYTES {
            return work(self, None);
        }
        match self.answers.try_take(bytes) {
            Some(share) => work(self, Some(share)),
            None => {
                let answers = self.answers.clone();
                tokio::runtime::Handle::current().spawn(async move {
                    let share = tokio::select! {
                        share = answers.take(bytes) => share,
                        () = self.pending.moot() => return,
                    };
                    tokio::task::spawn_blocking(move || work(self, share));
                });
            }
        }
    }

    /// Gives an encoded answer of any size.
    pub(crate) fn send(self, text: String) {
        self.with_room(text.len(), |work, share| work.pending.send(text, share));
    }
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
}
