//! The files that one connection has open (`fs/open`).
//!
//! Requests for blocks run beside each other, and the one that meets the end of the file closes the handle. So names
//! are taken, looked up and given back when a request comes in, in the order in which they come; a
//! request holds what its name meant then, and one that was sent later takes nothing away from it.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use lockgate_capfs::{Download, OpenFile, OpenFor, Upload, Workers, WritableFile};

use crate::budget::{Budget, Share};
use crate::failure::Failure;
use crate::handlers::lockgate::lines::Lines;
use crate::limits;
use crate::policy::Permit;

/// What a name is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// A file that is read.
    File,
    /// A file that is written.
    Writing(OpenFor),
    Tree,
}

/// What stands behind a name.
pub(crate) enum Held {
    File(OpenFile),
    Writing(WritableFile),
    /// And the offset of its next block.
    Tree(Box<Mutex<(Tree, u64)>>),
}

/// A tree, in one direction or the other.
pub(crate) enum Tree {
    Out(Download),
    Listed(Lines),
    In(Upload),
}

impl Held {
    pub(crate) fn tree(tree: Tree) -> Held {
        Held::Tree(Box::new(Mutex::new((tree, 0))))
    }
}

/// Open files by the name that the client gave them.
pub(crate) struct Handles {
    workers: Workers,
    budget: Budget,
    open: Mutex<HashMap<String, Arc<Handle>>>,
}

/// One handle, from the request to open it.
pub(crate) struct Handle {
    taken_for: Use,
    held: OnceLock<(Closing<Held>, Permit)>,
    /// Bytes that it has returned so far.
    returned: AtomicU64,
    workers: Workers,
    _share: Share,
}

/// What holds descriptors, and is dropped on a thread of the pool, whoever lets go of it: closing one may wait for a server (FUSE
/// is asked first).
pub(crate) struct Closing<T: Send + 'static> {
    thing: Option<T>,
    workers: Workers,
}

impl<T: Send + 'static> Closing<T> {
    pub(crate) fn new(thing: T, workers: Workers) -> Closing<T> {
        Closing {
            thing: Some(thing),
            workers,
        }
    }
}

impl<T: Send + 'static> Deref for Closing<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.thing {
            Some(thing) => thing,
            None => unreachable!("only the end of the value takes the thing"),
        }
    }
}

impl<T: Send + 'static> Drop for Closing<T> {
    fn drop(&mut self) {
        if let Some(thing) = self.thing.take() {
            self.workers.drop_later(thing);
        }
    }
}

impl Handle {
    pub(crate) fn taken_for(&self) -> Use {
        self.taken_for
    }

    /// It was opened, within a permit.
    pub(crate) fn opened(&self, held: Held, permit: Permit) {
        // Only the one request that took the name opens it.
        let held = Closing::new(held, self.workers.clone());
        let _ = self.held.set((held, permit));
    }

    /// So many bytes more are about to be returned. A failure once they are more than the permit allows: what was returned before stays.
    pub(crate) fn returns(&self, bytes: usize) -> Result<(), Failure> {
        let before = self.returned.fetch_add(bytes as u64, Ordering::Relaxed);
        match self.held.get() {
            Some((_, permit)) => permit.allows(before.saturating_add(bytes as u64)),
            None => Ok(()),
        }
    }

    /// What was opened; none if it could not be.
    pub(crate) fn held(&self) -> Option<&Held> {
        self.held.get().map(|(held, _)| &**held)
    }
}

impl Handles {
    /// None yet. What is opened is closed on `workers`.
    pub(crate) fn new(workers: Workers, budget: Budget) -> Handles {
        Handles {
            workers,
            budget,
            open: Mutex::default(),
        }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<String, Arc<Handle>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a name for what is about to be opened.
    pub(crate) fn take(&self, handle_id: &str, taken_for: Use) -> Result<Arc<Handle>, Failure> {
        if handle_id.is_empty() || handle_id.len() > limits::HANDLE_ID_BYTES {
            return Err(Failure::invalid_params(format!(
                "handleId must have 1 to {} bytes, it has {}",
                limits::HANDLE_ID_BYTES,
                handle_id.len()
            )));
        }
        let mut open = self.open();
        if open.contains_key(handle_id) {
            return Err(Failure::invalid_request(format!(
                "file handle `{handle_id}` is already open: close it first or choose another name"
            )));
        }
        if open.len() >= limits::OPEN_FILES {
            return Err(Failure::invalid_request(format!(
                "at most {} file handles may be open per connection",
                limits::OPEN_FILES
            )));
        }
        let trees = || open.values().filter(|handle| handle.taken_for == Use::Tree);
        if taken_for == Use::Tree && trees().count() >= limits::OPEN_TREES {
            return Err(Failure::invalid_request(format!(
                "at most {} trees may be open per connection: finish or close one first",
                limits::OPEN_TREES
            )));
        }
        let share = self.budget.take().ok_or_else(|| {
            Failure::invalid_request(
                "all clients together have as many files open as this server may have: close some, or try again later"
                    .to_owned(),
            )
        })?;
        let handle = Arc::new(Handle {
            _share: share,
            taken_for,
            held: OnceLock::new(),
            returned: AtomicU64::new(0),
            workers: self.workers.clone(),
        });
        open.insert(handle_id.to_owned(), Arc::clone(&handle));
        Ok(handle)
    }

    pub(crate) fn get(&self, handle_id: &str) -> Result<Arc<Handle>, Failure> {
        let handle = self.open().get(handle_id).cloned();
        handle.ok_or_else(|| unknown(handle_id))
    }

    /// Gives a name back, whatever it means now.
    pub(crate) fn close(&self, handle_id: &str) -> Option<Arc<Handle>> {
        self.open().remove(handle_id)
    }

    /// Gives a name back if it still means this handle.
    pub(crate) fn close_this(&self, handle_id: &str, handle: &Arc<Handle>) {
        let mut open = self.open();
        if open
            .get(handle_id)
            .is_some_and(|held| Arc::ptr_eq(held, handle))
        {
            open.remove(handle_id);
        }
    }
}

pub(crate) fn unknown(handle_id: &str) -> Failure {
    // The name may be anything where it is not of an open handle.
    let name: String = handle_id.chars().take(limits::HANDLE_ID_BYTES).collect();
    Failure::not_found(format!("unknown file handle `{name}`"))
}
