//! How long a job may take.

use std::time::Duration;

use crate::limits;

/// How long a job may take before the one who asked for it is told that it hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Without a sign of life: that long one system call, or one call of the guest that makes none, may take.
    pub silence: Duration,
    /// In all.
    pub total: Duration,
    /// The job changes something, which may still happen after it was given up. Only the message depends on it.
    pub changes: bool,
}

impl Patience {
    /// This long without a sign of life and in all. A little is added to both: the deadline of a guest comes first, which costs no thread
    /// and says more.
    pub fn within(silence: Duration, total: Duration) -> Patience {
        Patience {
            silence: silence.saturating_add(limits::GRACE),
            total: total.max(silence).saturating_add(limits::GRACE),
            changes: false,
        }
    }

    /// This long, for one call.
    pub fn of(time: Duration) -> Patience {
        Patience::within(time, time)
    }

    /// The same for a job that changes something.
    #[must_use]
    pub fn for_a_change(self) -> Patience {
        Patience {
            changes: true,
            ..self
        }
    }
}
