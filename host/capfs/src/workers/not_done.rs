//! Why a job has no result.

use std::time::Duration;

/// Why a job has no result. The text is what a client reads: what happened and what may help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotDone {
    /// It began and did not come back in time.
    #[error(
        "the file system does not answer: gave up after {} s; it may be a network or FUSE mount whose server hangs{}",
        .after.as_secs(),
        if *.may_still_happen { "; the change may still happen when it answers again, so look before you repeat it" } else { "" }
    )]
    GaveUp {
        /// How long it had run.
        after: Duration,
        /// It changes something, which may be half done or still be done.
        may_still_happen: bool,
    },
    /// It did not begin in time.
    #[error(
        "nothing was done: all threads for files were busy for {} s ({hanging} file calls hang below this server); try again later",
        .after.as_secs()
    )]
    Crowded {
        /// How long it had waited.
        after: Duration,
        /// Calls that were given up and have not come back.
        hanging: usize,
    },
    /// It was not begun: too many calls hang already.
    #[error(
        "nothing was done: {hanging} file calls hang below this server, the longest for {} s, and no more are begun; \
         look for a network or FUSE mount whose server does not answer, and mend or unmount it (umount -f, umount -l)",
        .longest.as_secs()
    )]
    Refused {
        /// Calls that were given up and have not come back.
        hanging: usize,
        /// How long the first of them has hung.
        longest: Duration,
    },
    /// The system gives no thread.
    #[error("nothing was done: no thread for file calls can be started: {0}; try again later")]
    NoThread(String),
    /// A bug of ours.
    #[error("internal error: the file call panicked")]
    Panicked,
}
