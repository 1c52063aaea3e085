//! The output log of one process: the source of truth for what it wrote, and the only thing between its reader and its readers.
//!
//! Two ways out. *Pull*: [`OutputLog::snapshot`] copies what is retained, for `process/read`. *Push*: a connection attaches an [`Observer`],
//! is told when there is something, and takes events one at a time with [`OutputLog::next_event`], straight from the ring. There is no
//! queue of chunks anywhere: a connection that is slow has a cursor that lags, and one that is too slow loses bytes, not the child time.
//!
//! A child outruns even a connection that reads. So while an attached cursor lags far and moves, the child is paced (its next read waits for
//! the cursor); a cursor that does not move for [`limits::PACE_PATIENCE`] is stalled and holds nobody up until it moves again. Where
//! every byte matters more than the child's time, [`Readers::Needed`] turns that patience into a wait without end, as a pipe would.
//!
//! A cursor says what was handed to a connection, and that is lost with it, megabytes in the system's buffers. [`Readers::Acknowledging`] waits for what
//! has been read at the other end instead, also while nobody is attached: then all that was on its way is still here.

mod snapshot;
mod state;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::Notify;

pub use self::snapshot::{Chunk, Exceeded, Snapshot};
use self::state::{Attachment, State};
use crate::limits;
use crate::record::{Event, Record, Stream};

/// Told that a cursor which had nothing to read has something now. Called from the task that reads the child, so it must be cheap and must
/// not block; no lock is held.
pub trait Observer: Send + Sync {
    /// `process` is [`crate::Process::id`]. Said once; then again only after [`OutputLog::next_event`] gave `None`.
    fn output_available(&self, process: u64);
}

/// What becomes of a process whose output is not taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Readers {
    /// It goes on after a moment, and the oldest output is dropped: a client that does not read never stops a process.
    #[default]
    Optional,
    /// It is held up while an attached reader is far behind, until that moves or goes away: nothing is lost for a reader that is attached
    /// from the start.
    Needed,
    /// It is held up while much is not acknowledged ([`OutputLog::acknowledge`]), whether or not somebody is attached.
    Acknowledging,
}

/// Where a new cursor stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// At the first event that is retained: for the connection that started the process.
    Oldest,
    /// Behind everything that happened: for a connection that resumed the session and catches up with `process/read`.
    Now,
}

/// A place in one process's log, and the right to be told when there is more. Made by [`OutputLog::attach`].
#[derive(Debug)]
pub struct Cursor {
    attachment: u64,
    next: u64,
}

/// See the module.
pub struct OutputLog {
    process: u64,
    state: Mutex<State>,
    changed: Notify,
    progress: Notify,
    /// Bytes that it may write.
    most: Option<u64>,
    exceeded: OnceLock<Exceeded>,
}

impl OutputLog {
    pub(crate) fn new(
        process: u64,
        streams: &[Stream],
        readers: Readers,
        most: Option<u64>,
    ) -> OutputLog {
        OutputLog {
            process,
            state: Mutex::new(State::new(streams, readers)),
            changed: Notify::new(),
            progress: Notify::new(),
            most,
            exceeded: OnceLock::new(),
        }
    }

    // --- pull -------------------------------------------------------------------------------------------------------------------------

    /// The retained chunks with a number above `after_seq`, and how things stand. With `max_bytes` at least one chunk is given if there is
    /// one, and no more than fit; chunks are never split.
    ///
    /// `next_seq`: without `max_bytes` the next number that will be given; with it the last returned chunk's plus one, or, when no chunk was
    /// returned, the next that will be given.
    pub fn snapshot(&self, after_seq: u64, max_bytes: Option<usize>) -> Snapshot {
        Snapshot::of(&self.lock().record, after_seq, max_bytes, self.exceeded())
    }

    /// The bound that ended it, if one did.
    pub fn exceeded(&self) -> Option<Exceeded> {
        self.exceeded.get().copied()
    }

    /// It went beyond a bound. The first one counts.
    pub(crate) fn exceed(&self, bound: Exceeded) {
        let _ = self.exceeded.set(bound);
    }

    /// Whether a long poll with this `after_seq` answers at once: a chunk is there, or the end, or an exit that was not read yet.
    pub fn ready(&self, after_seq: u64) -> bool {
        let state = self.lock();
        let record = &state.record;
        record.is_closed()
            || (record.exit_code().is_some() && after_seq < record.next_seq() - 1)
            || record
                .chunks_from(after_seq.saturating_add(1))
                .next()
                .is_some_and(|chunk| chunk.seq() > after_seq)
    }

    /// Resolves at the next output, exit or close after this call (not after the first poll): take it, then look at [`OutputLog::ready`],
    /// then await it.
    pub fn changed(&self) -> impl Future<Output = ()> + Send + '_ {
        self.changed.notified()
    }

    /// Waits until [`OutputLog::ready`]. Bound it with a timeout.
    pub async fn wait_ready(&self, after_seq: u64) {
        loop {
            let changed = self.changed();
            if self.ready(after_seq) {
                return;
            }
            changed.await;
        }
    }

    /// The exit code, once known.
    pub fn exit_code(&self) -> Option<i32> {
        self.lock().record.exit_code()
    }

    /// Whether everything has happened.
    pub fn is_closed(&self) -> bool {
        self.lock().record.is_closed()
    }

    /// Resolves when everything has happened; at once if it has.
    pub async fn closed(&self) {
        loop {
            let changed = self.changed();
            if self.is_closed() {
                return;
            }
            changed.await;
        }
    }

    // --- push -------------------------------------------------------------------------------------------------------------------------

    /// Whoever started the process has done with it and attached who wants to read: from now on only attached readers hold it up. Until then
    /// the process is waited for like one with a reader that is far behind, so that the first bytes of a flood are not lost to the time that
    /// it takes to attach.
    pub fn handed_over(&self) {
        self.lock().handed_over = true;
        self.progress.notify_waiters();
    }

    /// Everything up to this number has been read at the other end, for good.
    pub fn acknowledge(&self, seq: u64) {
        if self.lock().acknowledge(seq) {
            self.progress.notify_waiters();
        }
    }

    /// Nobody will acknowledge anything any more, and nobody needs it.
    pub fn let_go(&self) {
        self.lock().let_go();
        self.progress.notify_waiters();
    }

    /// Starts telling `observer` about events that the returned cursor has not taken. If there are some already, it is told before this
    /// returns. A cursor paces the child; give it back with [`OutputLog::detach`].
    pub fn attach(&self, observer: Arc<dyn Observer>, from: Position) -> Cursor {
        static ATTACHMENTS: AtomicU64 = AtomicU64::new(1);
        let mut state = self.lock();
        let (next, position) = match from {
            Position::Oldest => (1, state.record.evicted()),
            Position::Now => (state.record.next_seq(), state.record.written()),
        };
        let cursor = Cursor {
            attachment: ATTACHMENTS.fetch_add(1, Ordering::Relaxed),
            next,
        };
        let idle = state.record.event_from(next).is_none();
        state.attached.push(Attachment {
            id: cursor.attachment,
            observer: Arc::clone(&observer),
            position,
            idle,
            stalled: false,
        });
        drop(state);
        if !idle {
            observer.output_available(self.process);
        }
        cursor
    }

    /// Ends what [`OutputLog::attach`] began: the observer is dropped, nobody is paced for it any more. Cursors of another log are ignored.
    pub fn detach(&self, cursor: Cursor) {
        let mut state = self.lock();
        state
            .attached
            .retain(|attachment| attachment.id != cursor.attachment);
        drop(state);
        self.progress.notify_waiters();
    }

    /// Gives the cursor's next event to `f`, in order of numbers, and moves the cursor behind it; `None` when there is none yet, and then
    /// the observer will be told. What was evicted meanwhile is skipped: the gap shows in `seq`.
    ///
    /// `f` runs under the log's lock, so that `data` can lie in the ring: encode and return, do not wait.
    pub fn next_event<R>(&self, cursor: &mut Cursor, f: impl FnOnce(Event<'_>) -> R) -> Option<R> {
        let mut state = self.lock();
        let State {
            record, attached, ..
        } = &mut *state;
        let attachment = attached
            .iter_mut()
            .find(|attachment| attachment.id == cursor.attachment);
        let Some(event) = record.event_from(cursor.next) else {
            if let Some(attachment) = attachment {
                attachment.idle = true;
            }
            return None;
        };
        cursor.next = event.seq() + 1;
        let mut was_far = false;
        if let Some(attachment) = attachment {
            attachment.idle = false;
            attachment.stalled = false;
            was_far = attachment.lag(record) > limits::PACE_LAG_BYTES;
            if let Event::Output { data, .. } = event {
                attachment.position = attachment.position.max(record.evicted()) + data.len() as u64;
            }
        }
        let result = f(event);
        drop(state);
        if was_far {
            self.progress.notify_waiters();
        }
        Some(result)
    }

    // --- the process's side -----------------------------------------------------------------------------------------------------------

    /// Lets `read` fill the ring and appends what it read as one chunk. `Ok(0)` and errors other than `WouldBlock` end the stream. A stream
    /// that was ended (by another reader of the same descriptor, or by [`OutputLog::finish`]) is not read again.
    pub(crate) fn read(
        &self,
        stream: Stream,
        read: impl FnOnce(&mut [u8]) -> std::io::Result<usize>,
    ) -> Read {
        self.update(|record| {
            if !record.is_open(stream) {
                return Read::Ended;
            }
            let left = self.most.map(|most| most.saturating_sub(record.written()));
            let space = record.space();
            let mut surplus = [0; 1];
            let space = match left {
                Some(0) => &mut surplus[..],
                // More than fits is as much as fits.
                Some(left) if left < space.len() as u64 => &mut space[..left as usize],
                _ => space,
            };
            match read(space) {
                Ok(1..) if left == Some(0) => {
                    self.exceed(Exceeded::Output(self.most.unwrap_or_default()));
                    Read::TooMuch
                }
                Ok(0) => {
                    record.end(stream);
                    Read::Ended
                }
                Ok(len) => {
                    record.push(stream, len);
                    Read::Bytes(len)
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Read::Nothing,
                Err(_) => {
                    record.end(stream);
                    Read::Ended
                }
            }
        })
    }

    /// The exit code is known.
    pub(crate) fn set_exit(&self, code: i32) {
        self.update(|record| record.set_exit(code));
    }

    /// The exit code is known and no reader is waited for any more.
    pub(crate) fn finish(&self, code: i32) {
        self.update(|record| {
            record.set_exit(code);
            record.end_all();
        });
    }

    /// Waits until no attached, moving cursor lags far; see the module.
    pub(crate) async fn pace(&self) {
        loop {
            let progress = self.progress.notified();
            let readers = {
                let mut state = self.lock();
                if !state.paced() {
                    return;
                }
                state.readers()
            };
            if readers != Readers::Optional {
                progress.await;
            } else if tokio::time::timeout(limits::PACE_PATIENCE, progress)
                .await
                .is_err()
            {
                self.lock().give_up_pacing();
            }
        }
    }

    /// Changes the record, then tells whoever waits for what is new.
    fn update<R>(&self, change: impl FnOnce(&mut Record) -> R) -> R {
        let mut state = self.lock();
        let before = state.record.next_seq();
        let result = change(&mut state.record);
        if state.record.next_seq() == before {
            return result;
        }
        let waiting: Vec<Arc<dyn Observer>> = state
            .attached
            .iter_mut()
            .filter(|attachment| attachment.idle)
            .map(|attachment| {
                attachment.idle = false;
                Arc::clone(&attachment.observer)
            })
            .collect();
        drop(state);
        self.changed.notify_waiters();
        for observer in waiting {
            observer.output_available(self.process);
        }
        result
    }

    /// Every change keeps the state whole at each step, so a panic in `next_event`'s closure spoils nothing.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What [`OutputLog::read`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    Bytes(usize),
    Nothing,
    Ended,
    /// There is more than it may write.
    TooMuch,
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
