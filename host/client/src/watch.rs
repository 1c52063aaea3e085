//! Watches: what a server tells about changes in its directories.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lockgate_wire::lockgate::watch::{ChangedNotification, UnwatchParams, WatchParams};
use lockgate_wire::{Empty, Method};
use tokio::sync::mpsc;

use crate::routes::Begins;
use crate::{Client, ClientError, limits};

/// A watch. Changes that come while nobody asks are kept in bounds; beyond these it is as if the server had lost them.
/// One that is dropped goes on at the server until the connection ends: [`Watch::end`] ends it.
#[derive(Debug)]
pub struct Watch {
    client: Client,
    watch_id: String,
    changes: mpsc::Receiver<ChangedNotification>,
    lost: Arc<AtomicBool>,
}

/// Where the notifications of one watch go.
pub(crate) struct Route {
    changes: mpsc::Sender<ChangedNotification>,
    lost: Arc<AtomicBool>,
}

impl Route {
    /// Whether it is that of the watch with this flag.
    pub(crate) fn is_of(&self, lost: &Arc<AtomicBool>) -> bool {
        Arc::ptr_eq(&self.lost, lost)
    }

    pub(crate) fn push(&self, changed: ChangedNotification) {
        // A watch that was dropped has no receiver, and misses nothing.
        if let Err(mpsc::error::TrySendError::Full(_)) = self.changes.try_send(changed) {
            self.lost.store(true, Ordering::Release);
        }
    }
}

impl Client {
    /// Extension: has what changes in a directory told.
    pub async fn watch(&self, params: &WatchParams) -> Result<Watch, ClientError> {
        let (sender, changes) = mpsc::channel(limits::CHANGES);
        let lost = Arc::new(AtomicBool::new(false));
        let route = Route {
            changes: sender,
            lost: Arc::clone(&lost),
        };
        // Also forgets the route when the call fails.
        let watch = Watch {
            client: self.clone(),
            watch_id: params.watch_id.clone(),
            changes,
            lost,
        };
        let begins = Begins::Watch(&params.watch_id, route);
        let method = Method::LockgateFsWatch.name();
        let Empty {} = self.begin(method, params, begins).await?;
        Ok(watch)
    }
}

impl Watch {
    /// The next changes; none when the connection was lost or has ended: a watch does not survive its link, and what changed meanwhile has
    /// to be looked for.
    pub async fn next(&mut self) -> Option<ChangedNotification> {
        let mut changed = self.changes.recv().await?;
        changed.overflowed |= self.lost.swap(false, Ordering::AcqRel);
        Some(changed)
    }

    /// Ends it, here and there. One that has ended with its link is over already, and another one of its name is not concerned.
    pub async fn end(self) -> Result<(), ClientError> {
        let params = UnwatchParams {
            watch_id: self.watch_id.clone(),
        };
        let method = Method::LockgateFsUnwatch.name();
        let ends = Begins::WatchEnds(&self.watch_id, &self.lost);
        let ended = self.client.begin_beyond_limit(method, &params, ends).await;
        let is_there = || {
            self.client
                .calls()
                .routes()
                .watches(&self.watch_id, &self.lost)
        };
        match ended {
            Err(error) if is_there() => Err(error),
            Ok(Empty {}) | Err(_) => Ok(()),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.client
            .calls()
            .routes()
            .unwatch(&self.watch_id, &self.lost);
    }
}
