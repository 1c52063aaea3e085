//! The files that one connection has open (`fs/open`, PROTOCOL-LATER 2).
//!
//! Requests for blocks run beside each other, and the one that meets the end of the file closes the handle. So names
//! are taken, looked up and given back when a request comes in, in the order in which they come; a
//! request holds what its name meant then, and one that was sent later takes nothing away from it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use lockgate_capfs::OpenFile;

use crate::failure::Failure;
use crate::limits;

/// Open files by the name that the client gave them.
#[derive(Default)]
pub(crate) struct Handles {
    open: Mutex<HashMap<String, Arc<Handle>>>,
}

/// One handle, from the request to open it.
#[derive(Default)]
pub(crate) struct Handle {
    file: OnceLock<OpenFile>,
}

impl Handle {
    /// The file was opened.
    pub(crate) fn opened(&self, file: OpenFile) {
        // Only the one request that took the name opens it.
        let _ = self.file.set(file);
    }

    /// The file; none if it could not be opened.
    pub(crate) fn file(&self) -> Option<&OpenFile> {
        self.file.get()
    }
}

impl Handles {
    fn open(&self) -> MutexGuard<'_, HashMap<String, Arc<Handle>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a name for a file that is about to be opened.
    pub(crate) fn take(&self, handle_id: &str) -> Result<Arc<Handle>, Failure> {
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
                "at most {} file reads may be open per connection",
                limits::OPEN_FILES
            )));
        }
        let handle = Arc::<Handle>::default();
        open.insert(handle_id.to_owned(), Arc::clone(&handle));
        Ok(handle)
    }

    pub(crate) fn get(&self, handle_id: &str) -> Result<Arc<Handle>, Failure> {
        let handle = self.open().get(handle_id).cloned();
        handle.ok_or_else(|| unknown(handle_id))
    }

    /// Gives a name back, whatever it means now.
    pub(crate) fn close(&self, handle_id: &str) {
        self.open().remove(handle_id);
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
