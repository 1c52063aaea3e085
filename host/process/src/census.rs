//! Which process groups have living members, for those who wait for one to become empty.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::RawPid;

use crate::descendants;

/// The groups that have living members, found by one look at all of /proc that many waiters share.
#[derive(Debug, Default)]
pub(crate) struct Census {
    last: tokio::sync::Mutex<Option<(Instant, Arc<HashSet<RawPid>>)>>,
}

impl Census {
    /// A census that began after `moment`.
    pub(crate) async fn since(&self, moment: Instant) -> Arc<HashSet<RawPid>> {
        let mut last = self.last.lock().await;
        if let Some((taken, groups)) = &*last
            && *taken >= moment
            && taken.elapsed() < Duration::from_secs(1)
        {
            return Arc::clone(groups);
        }
        let taken = Instant::now();
        let count = || {
            descendants::all()
                .filter(|(_, stat)| !stat.is_dead())
                .map(|(_, stat)| stat.group)
                .collect::<HashSet<RawPid>>()
        };
        let groups = Arc::new(tokio::task::spawn_blocking(count).await.unwrap_or_default());
        *last = Some((taken, Arc::clone(&groups)));
        groups
    }
}
