//! Signs of life of a call, to whoever waits for it.

use std::sync::{Arc, Mutex, PoisonError};

use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::{Peer, RoleServer};
use tokio::time::timeout;

use super::limits;

/// Where progress is told; nowhere if the client did not ask for it. A call that is taken up again gets another place.
#[derive(Clone, Default)]
pub(super) struct Progress(Arc<Mutex<Option<Listener>>>);

/// Who wants to know, and by which name.
type Listener = (Peer<RoleServer>, ProgressToken);

impl Progress {
    /// From now on there.
    pub(super) fn is_for(&self, peer: &Peer<RoleServer>, token: Option<ProgressToken>) {
        let place = token.map(|token| (peer.clone(), token));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = place;
    }

    /// Tells it: a number that grows, and words.
    pub(super) async fn tell(&self, progress: f64, message: impl FnOnce() -> String) {
        let place = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some((peer, token)) = place {
            let params = ProgressNotificationParam::new(token, progress).with_message(message());
            // Neither a client that is gone nor one that does not read is waited for.
            let _ = timeout(limits::PROGRESS, peer.notify_progress(params)).await;
        }
    }
}
