//! `fs/watchMissing` of 0.169: a client that found nothing at some paths is told once when something may be there.
//!
//! What is watched is, for each path, the nearest directory above it that exists, and in it only the arrival of the one name on the way.

use std::collections::HashMap;
use std::ffi::OsString;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use lockgate_capfs::operation::Follow;
use lockgate_capfs::workers::NotDone;
use lockgate_capfs::{AbsPath, Files, FsError, Watch};
use lockgate_wire::fs::MissingChangedNotification;
use lockgate_wire::notify;

use crate::failure::Failure;
use crate::limits;
use crate::outbox::{Message, Outbox, Source};

/// What one connection misses, by the numbers that the client gave.
#[derive(Default)]
pub(crate) struct Missed {
    by_number: Mutex<HashMap<u64, Arc<Missing>>>,
}

/// Paths at which nothing is, until something may be.
pub(crate) struct Missing {
    watch_id: u64,
    watched: OnceLock<Vec<Awaited>>,
    queued: AtomicBool,
    /// It was told, or is not wanted any more.
    over: AtomicBool,
    outbox: Weak<Outbox>,
    this: Weak<Missing>,
}

/// A directory, and the names that are awaited in it.
pub(crate) struct Awaited {
    pub(crate) watch: Arc<Watch>,
    pub(crate) names: Vec<OsString>,
}

impl Missed {
    fn by_number(&self) -> MutexGuard<'_, HashMap<u64, Arc<Missing>>> {
        self.by_number
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a number. One that is taken means this from now on.
    pub(crate) fn take(
        &self,
        watch_id: u64,
        outbox: &Arc<Outbox>,
    ) -> Result<Arc<Missing>, Failure> {
        let mut by_number = self.by_number();
        by_number.retain(|_, missing| !missing.over.load(Ordering::Acquire));
        if by_number.len() >= limits::WATCHES && !by_number.contains_key(&watch_id) {
            return Err(Failure::invalid_request(format!(
                "at most {} watches may be open per connection",
                limits::WATCHES
            )));
        }
        let missing = Arc::new_cyclic(|this| Missing {
            watch_id,
            watched: OnceLock::new(),
            queued: AtomicBool::new(false),
            over: AtomicBool::new(false),
            outbox: Arc::downgrade(outbox),
            this: Weak::clone(this),
        });
        if let Some(former) = by_number.insert(watch_id, Arc::clone(&missing)) {
            former.over.store(true, Ordering::Release);
        }
        Ok(missing)
    }
}

impl Missing {
    pub(crate) fn begun(&self, watched: Vec<Awaited>) {
        // Only the one request that took the number begins it.
        let _ = self.watched.set(watched);
    }

    /// There is nothing to watch, or it cannot be.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Release);
    }

    /// Looks at what has happened; may block.
    pub(crate) fn work(&self) {
        let watched = self.watched.get().into_iter().flatten();
        // All of them: each asks for work once.
        let any = watched.fold(false, |any, awaited| awaited.watch.work() | any);
        if any {
            self.enqueue();
        }
    }

    /// Nobody could look: the client had better.
    pub(crate) fn missed(&self, not_done: &NotDone) {
        for awaited in self.watched.get().into_iter().flatten() {
            awaited
                .watch
                .missed(matches!(not_done, NotDone::GaveUp { .. }));
        }
        self.enqueue();
    }

    fn enqueue(&self) {
        if let (Some(this), Some(outbox)) = (self.this.upgrade(), self.outbox.upgrade()) {
            outbox.enqueue(this);
            outbox.wake();
        }
    }

    /// What is awaited has come, or can no longer be waited for where it was.
    fn has_come(&self) -> bool {
        let watched = self.watched.get().into_iter().flatten();
        watched
            .filter_map(|awaited| Some((awaited.watch.changes()?, &awaited.names)))
            .fold(false, |come, (changes, names)| {
                come | changes.overflowed
                    | changes
                        .changes
                        .iter()
                        .any(|change| change.name.is_empty() || names.contains(&change.name))
            })
    }
}

impl Source for Missing {
    fn queued(&self) -> &AtomicBool {
        &self.queued
    }

    fn next_message(&self) -> Option<Message> {
        if self.over.load(Ordering::Acquire) || !self.has_come() {
            return None;
        }
        self.end();
        let params = MissingChangedNotification {
            watch_id: self.watch_id,
        };
        let text = lockgate_wire::notification(notify::FS_MISSING_CHANGED, &params);
        Some(text.into())
    }
}

/// Where to wait for a path: the nearest directory above it that is there, and the first name below that. None where the path itself is
/// there, or nothing can come to be there.
pub(crate) fn awaited_at(
    files: &Files,
    path: &AbsPath,
) -> Result<Option<(AbsPath, OsString)>, FsError> {
    let mut path = path.clone();
    if exists(files, &path)?.is_some() {
        return Ok(None);
    }
    loop {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Ok(None);
        };
        match exists(files, &parent)? {
            Some(true) => return Ok(Some((parent, name.to_owned()))),
            Some(false) => return Ok(None),
            None => path = parent,
        }
    }
}

/// Whether something is there, and whether it is a directory.
pub(crate) fn exists(files: &Files, path: &AbsPath) -> Result<Option<bool>, FsError> {
    use lockgate_capfs::ErrorKind;
    match files.metadata(path, Follow::Links) {
        Ok(found) => Ok(Some(found.is_directory)),
        Err(error @ FsError::Gate(_)) => Err(error),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        // Something is in the way.
        Err(_) => Ok(Some(false)),
    }
}
