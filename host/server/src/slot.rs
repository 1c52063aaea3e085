//! One process id of a session, from its reservation to its end.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lockgate_process::Process;
use tokio::sync::Notify;

use crate::limits;
use crate::reading::Reading;

/// A process id and what stands behind it.
#[derive(Default)]
pub(crate) struct Slot {
    /// Keeps what concerns one process in order: held while the process starts and while a write waits
    /// for room, and fair, so that writes reach the process in the order in which they came.
    pub(crate) order: Arc<tokio::sync::Mutex<()>>,
    /// How far the client has read what the process wrote.
    pub(crate) reading: Reading,
    /// The first word of its command, for policies.
    argv0: Box<str>,
    /// Told once its start is cancelled.
    cancelled: Notify,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    phase: Phase,
    accepted: WriteIds,
}

#[derive(Default)]
enum Phase {
    #[default]
    Starting,
    Cancelled,
    Running(Arc<Process>),
}

/// The write ids that were accepted last.
#[derive(Default)]
struct WriteIds {
    known: HashSet<Arc<str>>,
    oldest_first: VecDeque<Arc<str>>,
}

impl Slot {
    pub(crate) fn new(argv0: &str) -> Slot {
        Slot {
            argv0: argv0.into(),
            ..Slot::default()
        }
    }

    pub(crate) fn argv0(&self) -> &str {
        &self.argv0
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The process, once it runs; also after it has ended.
    pub(crate) fn process(&self) -> Option<Arc<Process>> {
        match &self.state().phase {
            Phase::Running(process) => Some(Arc::clone(process)),
            Phase::Starting | Phase::Cancelled => None,
        }
    }

    /// The process runs now. False if the start was cancelled.
    pub(crate) fn run(&self, process: &Arc<Process>) -> bool {
        let mut state = self.state();
        match state.phase {
            Phase::Starting => {
                state.phase = Phase::Running(Arc::clone(process));
                true
            }
            Phase::Cancelled | Phase::Running(_) => false,
        }
    }

    /// Cancels a start. False if there is none to cancel.
    pub(crate) fn cancel(&self) -> bool {
        let mut state = self.state();
        match state.phase {
            Phase::Starting => {
                state.phase = Phase::Cancelled;
                // Kept for whoever is about to wait.
                self.cancelled.notify_one();
                true
            }
            Phase::Cancelled | Phase::Running(_) => false,
        }
    }

    /// Returns once the start is cancelled. For one who waits.
    pub(crate) async fn cancelled(&self) {
        self.cancelled.notified().await;
    }

    /// Whether the start was cancelled.
    pub(crate) fn is_cancelled(&self) -> bool {
        matches!(self.state().phase, Phase::Cancelled)
    }

    /// Whether a write with this id was accepted already.
    pub(crate) fn was_written(&self, write_id: &str) -> bool {
        self.state().accepted.known.contains(write_id)
    }

    /// Remembers an accepted write.
    pub(crate) fn written(&self, write_id: &str) {
        let mut state = self.state();
        let id: Arc<str> = write_id.into();
        if state.accepted.known.insert(Arc::clone(&id)) {
            state.accepted.oldest_first.push_back(id);
        }
        if state.accepted.oldest_first.len() > limits::WRITE_IDS
            && let Some(oldest) = state.accepted.oldest_first.pop_front()
        {
            state.accepted.known.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_remembers_the_last_writes_and_forgets_the_oldest() {
        let slot = Slot::default();
        for number in 0..=limits::WRITE_IDS {
            slot.written(&number.to_string());
        }
        assert!(!slot.was_written("0"));
        assert!(slot.was_written("1"));
        assert!(slot.was_written(&limits::WRITE_IDS.to_string()));
    }

    #[test]
    fn a_start_is_cancelled_once() {
        let slot = Slot::default();
        assert!(slot.cancel());
        assert!(!slot.cancel());
        assert!(slot.process().is_none());
    }
}
