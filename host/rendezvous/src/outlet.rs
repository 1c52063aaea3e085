//! What waits to be written to one websocket.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use crate::large::Parcel;
use crate::limits;

/// Frames for one websocket, which its own task takes, and everybody else puts in.
#[derive(Debug, Default)]
pub(crate) struct Outlet(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Parcel>,
    bytes: usize,
    /// The task that writes.
    writer: Option<Waker>,
    /// Those who wait for room.
    waiting: Vec<Waker>,
    close: Option<Close>,
    /// Nothing more comes: the close is told when all is taken.
    finishing: bool,
    /// Since when each large frame in it waits.
    large: VecDeque<Instant>,
    /// Since when much has waited without a pause; a peer that reads a little now and then does not end it.
    crowded: Option<Instant>,
}

/// How a link is ended from here: the code and words of the websocket's close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Close {
    pub(crate) code: u16,
    pub(crate) words: &'static str,
}

impl Close {
    pub(crate) const RESTART: Close = Close {
        code: 1012,
        words: "the rendezvous is being restarted; connect again",
    };
    pub(crate) const REPLACED: Close = Close {
        code: 4001,
        words: "another executor has registered for this environment",
    };
    pub(crate) const REVOKED: Close = Close {
        code: 1008,
        words: "the token was revoked",
    };
    pub(crate) const STALLED: Close = Close {
        code: 1013,
        words: "too much waits to be read",
    };
    /// Its executor is connected to another node, or that node is gone.
    pub(crate) const MOVED: Close = Close {
        code: 1012,
        words: "the executor is not at this node any more; connect again",
    };
    /// Nobody is left who could be told.
    pub(crate) const GONE: Close = Close {
        code: 1006,
        words: "the connection is gone",
    };
    pub(crate) const SLOW: Close = Close {
        code: 1008,
        words: "a large frame took too long to come",
    };
    pub(crate) const SILENT: Close = Close {
        code: 1002,
        words: "nothing was heard",
    };
}

impl Close {
    /// As another node has said.
    pub(crate) fn relayed(code: u16) -> Close {
        match code {
            1008 => Close::REVOKED,
            1013 => Close::STALLED,
            _ => Close::MOVED,
        }
    }
}

impl Outlet {
    /// Puts a frame in.
    pub(crate) fn push(&self, parcel: impl Into<Parcel>) {
        let parcel = parcel.into();
        let mut queue = self.lock();
        if queue.close.is_some() {
            return;
        }
        queue.bytes += parcel.frame.len();
        if parcel.is_large() {
            queue.large.push_back(Instant::now());
        }
        queue.frames.push_back(parcel);
        if queue.bytes >= limits::PLAIN_QUEUE {
            queue.crowded.get_or_insert_with(Instant::now);
        }
        if let Some(writer) = queue.writer.take() {
            drop(queue);
            writer.wake();
        }
    }

    /// Whether there is room for another frame under this limit; whoever asks is woken when there is.
    pub(crate) fn poll_room(&self, limit: usize, cx: &mut Context<'_>) -> Poll<()> {
        let mut queue = self.lock();
        if queue.bytes < limit || queue.close.is_some() {
            return Poll::Ready(());
        }
        if !queue
            .waiting
            .iter()
            .any(|waiting| waiting.will_wake(cx.waker()))
        {
            queue.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Whether so many bytes wait.
    pub(crate) fn is_above(&self, limit: usize) -> bool {
        self.lock().bytes >= limit
    }

    /// Since when much has waited without a pause.
    pub(crate) fn crowded_since(&self) -> Option<Instant> {
        self.lock().crowded
    }

    /// Since when a large frame waits.
    pub(crate) fn large_since(&self) -> Option<Instant> {
        self.lock().large.front().copied()
    }

    /// The next frame; the writer is woken when there is one.
    pub(crate) fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Result<Parcel, Close>> {
        let mut queue = self.lock();
        if let Some(close) = queue.close {
            return Poll::Ready(Err(close));
        }
        match queue.frames.pop_front() {
            Some(parcel) => {
                queue.bytes -= parcel.frame.len();
                if parcel.is_large() {
                    queue.large.pop_front();
                }
                if queue.bytes < limits::PLAIN_QUEUE / 2 {
                    queue.crowded = None;
                }
                let waiting = std::mem::take(&mut queue.waiting);
                drop(queue);
                waiting.into_iter().for_each(Waker::wake);
                Poll::Ready(Ok(parcel))
            }
            None if queue.finishing => Poll::Ready(Err(Close::GONE)),
            None => {
                queue.writer = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Nothing more is put in; what waits is still taken.
    pub(crate) fn finish(&self) {
        let mut queue = self.lock();
        queue.finishing = true;
        let writer = queue.writer.take();
        drop(queue);
        writer.into_iter().for_each(Waker::wake);
    }

    /// How the link is ended, when it is.
    pub(crate) fn poll_close(&self, cx: &mut Context<'_>) -> Poll<Close> {
        let mut queue = self.lock();
        match queue.close {
            Some(close) => Poll::Ready(close),
            None => {
                queue.writer = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Ends the link; what waits is dropped.
    pub(crate) fn close(&self, close: Close) {
        let mut queue = self.lock();
        queue.close.get_or_insert(close);
        queue.frames.clear();
        queue.large.clear();
        queue.bytes = 0;
        let wakers: Vec<_> = std::mem::take(&mut queue.waiting)
            .into_iter()
            .chain(queue.writer.take())
            .collect();
        drop(queue);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
