//! Calls that wait for their client to come back with somebody's answer.
//!
//! Since protocol 2026-07-28 a server does not ask in the middle of a call: it answers the call with what it wants to know, and the client
//! makes the same call again. What the executor has begun meanwhile waits here. The name that the client gets for it is random and opens
//! only a call with the same tool and arguments.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use rmcp::model::CallToolRequestParams;
use uuid::Uuid;

use super::call::Running;
use super::limits;

#[derive(Default)]
pub(super) struct Parked(Mutex<HashMap<String, Waiting>>);

struct Waiting {
    running: Running,
    since: Instant,
}

impl Parked {
    /// Its name, or the call again if too many wait.
    pub(super) fn put(&self, running: Running) -> Result<String, Box<Running>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, waiting| waiting.since.elapsed() < limits::PARKED_TIME);
        if all.len() >= limits::PARKED {
            // Whoever would have come back for these would hear that nobody answered in time.
            all.retain(|_, waiting| !waiting.running.is_done());
        }
        if all.len() >= limits::PARKED {
            return Err(Box::new(running));
        }
        let name = Uuid::new_v4().to_string();
        let since = Instant::now();
        all.insert(name.clone(), Waiting { running, since });
        Ok(name)
    }

    /// The call of that name, if it is the same as this one.
    pub(super) fn take(&self, name: &str, request: &CallToolRequestParams) -> Option<Running> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = all.get(name)?;
        if !waiting.running.is_of(request) {
            return None;
        }
        all.remove(name).map(|waiting| waiting.running)
    }

    pub(super) fn clear(&self) {
        let all = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        // Outside the lock: a call that ends does things.
        drop(all);
    }
}
