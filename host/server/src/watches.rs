//! The watches of one connection (`lockgate/fs/watch`). As with file handles, names are taken and given back in the order of the
//! requests.
//!
//! A watch keeps what has changed, merged and bounded, until the socket has room: then the outbox asks for it, after answers and in turn with
//! the output of processes. So a client that does not read delays nothing, and costs no more than one notification a watch.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use lockgate_capfs::workers::NotDone;
use lockgate_capfs::{AbsPath, ChangeKind, Watch, WatchQuota};
use lockgate_wire::lockgate::watch::{self as wire, ChangedNotification};
use lockgate_wire::{PathStyle, WirePath, notify};

use crate::failure::Failure;
use crate::limits;
use crate::outbox::{Message, Outbox, Source};

/// Watches by the name that the client gave them.
#[derive(Default)]
pub(crate) struct Watches {
    named: Mutex<HashMap<String, Arc<Told>>>,
    quota: WatchQuota,
}

/// One watch as its client is told of it.
pub(crate) struct Told {
    watch_id: String,
    /// As the client gave it; names are told below this.
    path: AbsPath,
    style: PathStyle,
    watch: OnceLock<Arc<Watch>>,
    queued: AtomicBool,
    ended: AtomicBool,
    outbox: Weak<Outbox>,
    this: Weak<Told>,
}

impl Watches {
    fn named(&self) -> MutexGuard<'_, HashMap<String, Arc<Told>>> {
        self.named.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn quota(&self) -> &WatchQuota {
        &self.quota
    }

    /// Takes a name for a watch that is about to begin.
    pub(crate) fn take(
        &self,
        watch_id: String,
        path: WirePath,
        outbox: &Arc<Outbox>,
    ) -> Result<Arc<Told>, Failure> {
        if watch_id.is_empty() || watch_id.len() > limits::HANDLE_ID_BYTES {
            return Err(Failure::invalid_params(format!(
                "watchId must have 1 to {} bytes, it has {}",
                limits::HANDLE_ID_BYTES,
                watch_id.len()
            )));
        }
        let mut named = self.named();
        if named.contains_key(&watch_id) {
            return Err(Failure::invalid_request(format!(
                "watch `{watch_id}` is there already: end it first or choose another name"
            )));
        }
        if named.len() >= limits::WATCHES {
            return Err(Failure::invalid_request(format!(
                "at most {} watches may be open per connection",
                limits::WATCHES
            )));
        }
        let told = Arc::new_cyclic(|this| Told {
            watch_id: watch_id.clone(),
            path: path.path,
            style: path.style,
            watch: OnceLock::new(),
            queued: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            outbox: Arc::downgrade(outbox),
            this: Weak::clone(this),
        });
        named.insert(watch_id, Arc::clone(&told));
        Ok(told)
    }

    /// Ends a watch, if there is one of that name. Nothing is told of it any more.
    pub(crate) fn end(&self, watch_id: &str) {
        let ended = self.named().remove(watch_id);
        if let Some(told) = ended {
            told.ended.store(true, Ordering::Release);
        }
    }

    /// Gives back the name of one that could not begin, if it still means that.
    pub(crate) fn end_this(&self, told: &Arc<Told>) {
        let mut named = self.named();
        let this = named.get(&told.watch_id);
        if this.is_some_and(|held| Arc::ptr_eq(held, told)) {
            named.remove(&told.watch_id);
        }
    }
}

impl Told {
    /// It has begun.
    pub(crate) fn begun(&self, watch: Arc<Watch>) {
        // Only the one request that took the name begins it.
        let _ = self.watch.set(watch);
    }

    /// Looks at what has happened; may block.
    pub(crate) fn work(&self) {
        let (Some(watch), Some(this), Some(outbox)) =
            (self.watch.get(), self.this.upgrade(), self.outbox.upgrade())
        else {
            return;
        };
        if watch.work() && !self.ended.load(Ordering::Acquire) {
            outbox.enqueue(this);
            outbox.wake();
        }
    }

    /// Nobody could look, or whoever did hangs: the client is told that something was lost.
    pub(crate) fn missed(&self, not_done: &NotDone) {
        let (Some(watch), Some(this), Some(outbox)) =
            (self.watch.get(), self.this.upgrade(), self.outbox.upgrade())
        else {
            return;
        };
        tracing::debug!(%not_done, "a watch is silent");
        watch.missed(matches!(not_done, NotDone::GaveUp { .. }));
        outbox.enqueue(this);
        outbox.wake();
    }

    fn path_of(&self, name: &std::ffi::OsStr) -> WirePath {
        // A name of the directory itself is empty; one that makes no path has not been told by the system.
        let path = name
            .as_encoded_bytes()
            .split(|byte| *byte == b'/')
            .filter(|part| !part.is_empty())
            .try_fold(self.path.clone(), |path, part| {
                path.join(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(part))
            });
        WirePath {
            path: path.unwrap_or_else(|_| self.path.clone()),
            style: self.style,
        }
    }
}

impl Source for Told {
    fn queued(&self) -> &AtomicBool {
        &self.queued
    }

    fn next_message(&self) -> Option<Message> {
        if self.ended.load(Ordering::Acquire) {
            return None;
        }
        let changes = self.watch.get()?.changes()?;
        let changed = ChangedNotification {
            watch_id: self.watch_id.clone(),
            changes: changes
                .changes
                .iter()
                .map(|change| wire::Change {
                    path: self.path_of(&change.name),
                    kind: match change.kind {
                        ChangeKind::Created => wire::ChangeKind::Created,
                        ChangeKind::Modified => wire::ChangeKind::Modified,
                        ChangeKind::Removed => wire::ChangeKind::Removed,
                    },
                })
                .collect(),
            overflowed: changes.overflowed,
        };
        let text = lockgate_wire::notification(notify::LOCKGATE_FS_CHANGED, &changed);
        Some(text.into())
    }
}
