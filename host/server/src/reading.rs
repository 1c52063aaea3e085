//! How far a client has read a process by `process/read`.
//!
//! Clients of May 2026 take output only that way: what is pushed merely tells them that there is something to read. If only
//! the pushed output paced the child, a flood would leave the log between two of their reads, and bytes would be missing
//! without a word. So the first read makes a place in the log as a connection has one, and every answer moves it on. A client
//! that stops reading holds the child up for a moment once, as a connection does that is not read.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lockgate_process::{Cursor, Observer, OutputLog, Position};

/// The place of the client that reads one process.
#[derive(Default)]
pub(crate) struct Reading(Mutex<State>);

#[derive(Default)]
enum State {
    /// Reads pace nothing: before the start, and where the process waits without end for its attached reader, which
    /// a client that reads once, after a resume, must not become.
    #[default]
    Off,
    /// Nobody has read yet.
    Unread,
    Begun {
        cursor: Cursor,
        last: u64,
    },
}

/// A reader asks by itself; it is not told.
struct Untold;

impl Observer for Untold {
    fn output_available(&self, _process: u64) {}
}

impl Reading {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on reads pace the process.
    pub(crate) fn allow(&self) {
        *self.state() = State::Unread;
    }

    /// Somebody reads, or is going to.
    pub(crate) fn begin(&self, log: &OutputLog) {
        let mut state = self.state();
        if matches!(*state, State::Unread) {
            let cursor = log.attach(Arc::new(Untold), Position::Oldest);
            *state = State::Begun { cursor, last: 0 };
        }
    }

    /// What is numbered up to `seq` was read.
    pub(crate) fn read_up_to(&self, log: &OutputLog, seq: u64) {
        if let State::Begun { cursor, last } = &mut *self.state() {
            while *last < seq {
                match log.next_event(cursor, |event| event.seq()) {
                    Some(taken) => *last = taken,
                    None => return,
                }
            }
        }
    }
}
