//! Watching directories for changes (inotify), directly and through the gate.
//!
//! Theory of operation. One inotify instance serves all of a process ([`Watcher`]; a user has 128 of them). Its thread does nothing but
//! read events and hand each to the watches that it concerns: no look at a file, so that no file system that hangs holds up another's
//! watch. Each [`Watch`] keeps a few events and asks to be given a thread that may block; there it looks whether what has changed may be
//! told, follows new directories, and merges what came of each name. What does not fit in its bounds becomes a mark that something was
//! lost: whoever never listens costs some KiB.
//!
//! A kernel's watch is on a directory itself, wherever that is moved, while a grant is on a path. So the watch is put on the descriptor that
//! the files gave for the path, through `/proc/self/fd`, which follows nothing; names are told only while the directory is found at its
//! path (ATTACKS 6), and only those that the grants let be seen. A directory that is gone from there is watched no more.

mod changes;
mod system;
mod watched;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lockgate_grant::AbsPath;

pub use changes::{Change, ChangeKind, Changes};
pub use watched::Watch;

use crate::files::Files;
use crate::operation::FsError;
use system::System;
use watched::What;

/// What all watches of a process share. Cheap to clone; ends with the last watch.
#[derive(Clone)]
pub struct Watcher {
    system: Arc<System>,
}

/// Directories that watches with the same quota have under watch, together at most
/// [`WATCHED_DIRECTORIES`](crate::limits::WATCHED_DIRECTORIES).
#[derive(Clone, Debug, Default)]
pub struct WatchQuota {
    used: Arc<AtomicUsize>,
}

impl WatchQuota {
    /// Directories under watch at the moment.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

impl Watcher {
    /// Starts the thread that reads events.
    pub fn new() -> Result<Watcher, FsError> {
        let system = System::start()?;
        Ok(Watcher { system })
    }
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watcher").finish_non_exhaustive()
    }
}

impl Files {
    /// Watches the directory `path`; with `recursive` all below it, as far as it may be listed.
    ///
    /// `wake` is called, on a thread that must not block, when [`Watch::work`] has something to do.
    pub fn watch(
        &self,
        watcher: &Watcher,
        quota: &WatchQuota,
        path: &AbsPath,
        recursive: bool,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Result<Arc<Watch>, FsError> {
        // From here on no link is followed.
        let root = self.canonicalize(path)?;
        let what = match recursive {
            true => What::AllBelow,
            false => What::All,
        };
        Watch::begin(watcher, quota, self.ground()?, root, what, Box::new(wake))
    }

    /// Watches for names that come to be in the directory `path`, and for nothing else: also a busy directory costs little.
    pub fn watch_arrivals(
        &self,
        watcher: &Watcher,
        quota: &WatchQuota,
        path: &AbsPath,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Result<Arc<Watch>, FsError> {
        let root = self.canonicalize(path)?;
        let wake = Box::new(wake);
        Watch::begin(watcher, quota, self.ground()?, root, What::Arrivals, wake)
    }
}
