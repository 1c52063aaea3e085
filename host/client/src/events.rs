//! The events of one process, in order.
//!
//! The connection's task puts events into a [`Queue`] by their number and never waits; the reader takes the next number.
//! Numbers that stay away, because the queue was full or the server dropped them, are fetched with `process/read`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lockgate_wire::Method;
use lockgate_wire::process::{ReadParams, ReadResult, Stream};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::gap;
use crate::process::ProcessHandle;
use crate::{ClientError, limits};

/// Something that happened to a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It wrote something.
    Output {
        /// Where.
        stream: Stream,
        /// What; may split a UTF-8 character.
        data: Vec<u8>,
    },
    /// Its exit code is known. Output may still follow.
    Exited {
        /// 128 + n after signal n, -1 when unknown.
        exit_code: i32,
        /// The server's guess that a sandbox was the reason.
        sandbox_denied: bool,
    },
    /// The last event: nothing more will come.
    Closed,
    /// Output that the server no longer has, because this reader or the connection was too slow for too long.
    Lost {
        /// How many events.
        count: u64,
    },
    /// The last event: the connection ended first, or the server forgot the process.
    Failed(String),
}

impl Event {
    fn bytes(&self) -> usize {
        match self {
            Event::Output { data, .. } => data.len(),
            _ => 0,
        }
    }

    /// How many sequence numbers it stands for.
    pub(crate) fn numbers(&self) -> u64 {
        match self {
            Event::Lost { count } => *count,
            _ => 1,
        }
    }
}

/// Events that wait for their turn or for their reader.
#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<Waiting>,
    changed: Notify,
    /// Told when a full queue has room again, and when nobody needs that room any more.
    room: Notify,
    /// The connection waits for room, so that nothing has to be dropped.
    waited_for: bool,
}

#[derive(Default)]
struct Waiting {
    events: BTreeMap<u64, Event>,
    bytes: usize,
    /// The number that is read next, minus one.
    last: u64,
    /// Something did not fit.
    overflowed: bool,
    /// Its reader waits for an answer, or is gone: the connection must not wait for it.
    released: bool,
    failed: Option<String>,
}

impl Waiting {
    fn is_full(&self) -> bool {
        self.bytes >= limits::EVENT_BYTES || self.events.len() >= limits::EVENTS
    }
}

enum Next {
    Event(Event),
    /// Numbers are missing; later ones are here or were dropped.
    Gap {
        overflowed: bool,
    },
    Nothing,
    Failed(String),
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in an event; old and repeated ones are dropped.
    pub(crate) fn push(&self, seq: u64, event: Event) {
        let mut state = self.state();
        if seq <= state.last || state.events.contains_key(&seq) {
            return;
        }
        let fits = state.bytes + event.bytes() <= limits::EVENT_BYTES
            && state.events.len() < limits::EVENTS
            || self.waited_for && !state.released;
        if fits {
            state.bytes += event.bytes();
            state.events.insert(seq, event);
        } else {
            state.overflowed = true;
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Of a connection that waits for its readers.
    pub(crate) fn waited_for() -> Queue {
        Queue {
            waited_for: true,
            ..Queue::default()
        }
    }

    /// Returns at once unless the connection is to wait for the reader and the reader is far behind.
    pub(crate) async fn has_room(&self) {
        loop {
            {
                let state = self.state();
                if !self.waited_for || state.released || !state.is_full() {
                    return;
                }
            }
            // A notification between the look and the wait is kept by `notify_one`.
            self.room.notified().await;
        }
    }

    /// Whether the connection may wait for this queue's reader.
    fn release(&self, released: bool) {
        self.state().released = released;
        self.room.notify_one();
    }

    /// The connection is gone. What is here can still be read.
    pub(crate) fn fail(&self, reason: String) {
        self.state().failed.get_or_insert(reason);
        self.changed.notify_one();
    }

    fn next(&self) -> Next {
        let mut state = self.state();
        let wanted = state.last + 1;
        if let Some(event) = state.events.remove(&wanted) {
            state.bytes -= event.bytes();
            state.last += event.numbers();
            if self.waited_for && !state.is_full() {
                self.room.notify_one();
            }
            return Next::Event(event);
        }
        let first = state.events.keys().next().copied();
        match (&state.failed, first) {
            // What lies in between cannot be fetched any more.
            (Some(_), Some(first)) => {
                state.last = first - 1;
                Next::Event(Event::Lost {
                    count: first - wanted,
                })
            }
            (Some(reason), None) => Next::Failed(reason.clone()),
            (None, None) if !state.overflowed => Next::Nothing,
            (None, _) => Next::Gap {
                overflowed: state.overflowed,
            },
        }
    }

    fn last(&self) -> u64 {
        self.state().last
    }

    fn fill(&self, read: ReadResult, exit_known: bool) {
        let mut state = self.state();
        let last = state.last;
        gap::fill(last, &mut state.events, read, exit_known);
        state.bytes = state.events.values().map(Event::bytes).sum();
        state.overflowed = false;
    }
}

/// The events of one process.
#[derive(Debug)]
pub struct Events {
    process: ProcessHandle,
    queue: Arc<Queue>,
    exited: bool,
    ended: bool,
    /// When a missing number is late.
    late_at: Option<Instant>,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Queue")
    }
}

impl Events {
    pub(crate) fn new(process: ProcessHandle, queue: Arc<Queue>) -> Self {
        Events {
            process,
            queue,
            exited: false,
            ended: false,
            late_at: None,
        }
    }

    /// The next event; `None` after [`Event::Closed`] and [`Event::Failed`]. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Event> {
        if self.ended {
            return None;
        }
        loop {
            match self.queue.next() {
                Next::Event(event) => {
                    self.late_at = None;
                    self.exited |= matches!(event, Event::Exited { .. });
                    self.ended = event == Event::Closed;
                    if self.ended {
                        self.process.forget();
                    }
                    return Some(event);
                }
                Next::Failed(reason) => {
                    self.ended = true;
                    return Some(Event::Failed(reason));
                }
                Next::Nothing => self.queue.changed.notified().await,
                Next::Gap { overflowed } => {
                    let late_at = *self
                        .late_at
                        .get_or_insert_with(|| Instant::now() + limits::GAP);
                    if !overflowed
                        && timeout_at(late_at, self.queue.changed.notified())
                            .await
                            .is_ok()
                    {
                        continue;
                    }
                    // The answer comes over the connection that may be waiting for us.
                    self.queue.release(true);
                    let caught_up = self.catch_up().await;
                    self.queue.release(false);
                    self.late_at = None;
                    if let Err(error) = caught_up {
                        self.ended = true;
                        self.process.forget();
                        return Some(Event::Failed(error.to_string()));
                    }
                }
            }
        }
    }

    async fn catch_up(&mut self) -> Result<(), ClientError> {
        let params = ReadParams {
            process_id: self.process.id().clone(),
            after_seq: Some(self.queue.last()),
            max_bytes: None,
            wait_ms: Some(0),
        };
        let read: ReadResult = self
            .process
            .client()
            .call(Method::ProcessRead.name(), &params)
            .await?;
        self.queue.fill(read, self.exited);
        Ok(())
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.queue.release(true);
        self.process.forget();
    }
}
