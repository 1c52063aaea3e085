//! Calls that wait for their client to come back with somebody's answer.
//!
//! Since protocol 2026-07-28 a server does not ask in the middle of a call: it answers the call with what it wants to know, and the client
//! makes the same call again. What the executor has begun meanwhile waits here. The name that the client gets for it is random and opens
//! only a call with the same tool and arguments.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use rmcp::model::CallToolRequestParams;
use uuid::Uuid;

use super::call::Running;
use super::limits;

#[derive(Default)]
pub(super) struct Parked(Arc<All>);

type All = Mutex<HashMap<String, Running>>;

impl Parked {
    /// Its name, or the call again if too many wait.
    pub(super) fn put(&self, running: Running) -> Result<String, Box<Running>> {
        self.put_for(running, limits::PARKED_TIME)
    }

    /// It ends after that time also where nothing else happens: a session with a call that waits is not idle.
    pub(super) fn put_for(&self, running: Running, time: Duration) -> Result<String, Box<Running>> {
        let mut all = locked(&self.0);
        if all.len() >= limits::PARKED {
            // Whoever would have come back for these would hear that nobody answered in time.
            all.retain(|_, waiting| !waiting.is_done());
        }
        if all.len() >= limits::PARKED {
            return Err(Box::new(running));
        }
        let name = Uuid::new_v4().to_string();
        all.insert(name.clone(), running);
        tokio::spawn(expire(Arc::downgrade(&self.0), name.clone(), time));
        Ok(name)
    }

    /// The call of that name, if it is the same as this one.
    pub(super) fn take(&self, name: &str, request: &CallToolRequestParams) -> Option<Running> {
        let mut all = locked(&self.0);
        if !all.get(name)?.is_of(request) {
            return None;
        }
        all.remove(name)
    }

    pub(super) fn clear(&self) {
        let all = std::mem::take(&mut *locked(&self.0));
        // Outside the lock: a call that ends does things.
        drop(all);
    }
}

fn locked(all: &All) -> MutexGuard<'_, HashMap<String, Running>> {
    all.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn expire(all: Weak<All>, name: String, time: Duration) {
    tokio::time::sleep(time).await;
    if let Some(all) = all.upgrade() {
        let expired = locked(&all).remove(&name);
        drop(expired);
    }
}
