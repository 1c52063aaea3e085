//! The files that one connection has open (`fs/open`, PROTOCOL-LATER 2).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lockgate_capfs::OpenFile;

use crate::failure::Failure;
use crate::limits;

/// Open files by the name that the client gave them.
#[derive(Default)]
pub(crate) struct Handles {
    files: Mutex<HashMap<String, Arc<OpenFile>>>,
}

impl Handles {
    fn files(&self) -> MutexGuard<'_, HashMap<String, Arc<OpenFile>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether another handle of this name may be opened.
    pub(crate) fn check(&self, handle_id: &str) -> Result<(), Failure> {
        if handle_id.is_empty() || handle_id.len() > limits::HANDLE_ID_BYTES {
            return Err(Failure::invalid_params(format!(
                "handleId must have 1 to {} bytes, it has {}",
                limits::HANDLE_ID_BYTES,
                handle_id.len()
            )));
        }
        let files = self.files();
        if files.contains_key(handle_id) {
            return Err(Failure::invalid_request(format!(
                "file handle `{handle_id}` is already open: close it first or choose another name"
            )));
        }
        if files.len() >= limits::OPEN_FILES {
            return Err(Failure::invalid_request(format!(
                "at most {} file reads may be open per connection",
                limits::OPEN_FILES
            )));
        }
        Ok(())
    }

    /// Keeps an open file under this name.
    pub(crate) fn insert(&self, handle_id: String, file: OpenFile) -> Result<(), Failure> {
        self.check(&handle_id)?;
        self.files().insert(handle_id, Arc::new(file));
        Ok(())
    }

    pub(crate) fn get(&self, handle_id: &str) -> Result<Arc<OpenFile>, Failure> {
        self.files()
            .get(handle_id)
            .cloned()
            .ok_or_else(|| Failure::not_found(format!("unknown file handle `{handle_id}`")))
    }

    pub(crate) fn close(&self, handle_id: &str) {
        self.files().remove(handle_id);
    }
}
