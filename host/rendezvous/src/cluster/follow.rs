//! Following what is written in the shared registry.
//!
//! Who misses a revocation lets in who must not be let in, and a subscription can fall silent without a word: its server was cut off from the others, or has lost its
//! data. So each node writes a pulse, and is current only while it sees its own come back, in the order of everything else. When nothing comes, when its connection was
//! lost, or when the order goes back, it begins anew, from the beginning: what is not written there any more does not hold.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use futures_util::StreamExt;
use lockgate_relay::registry::EnvironmentId;
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::Cluster;
use super::bucket::ClusterError;
use super::entry::{Change, Connected, Entry};
use crate::hub::lock;
use crate::known::Known;
use crate::limits;

/// What is written, read from the beginning.
#[derive(Default)]
struct Fresh {
    known: Known,
    environments: HashMap<EnvironmentId, (Connected, u64)>,
}

impl Fresh {
    fn learn(&mut self, entry: Entry) {
        match entry.change {
            Change::Key(key) => self.known.set_key(key),
            Change::Token(token) => self.known.insert(token),
            Change::Revoked(id) => self.known.remove(&id),
            Change::Connected(id, connected) => {
                self.environments.insert(id, (connected, entry.revision));
            }
            Change::Left(id) => drop(self.environments.remove(&id)),
            Change::Pulse(..) | Change::Ended(_) | Change::Unknown => {}
        }
    }
}

/// Follows for ever; says on `first` when everything is known for the first time, or why not.
pub(super) async fn follow(cluster: Arc<Cluster>, first: oneshot::Sender<ClusterError>) {
    let mut first = Some(first);
    loop {
        let error = match once(&cluster, &mut first).await {
            Ok(never) => match never {},
            Err(error) => error,
        };
        cluster.table().is_lost();
        match first.take() {
            // Who waits for it is told, and this ends with it.
            Some(first) => return drop(first.send(error)),
            None => tracing::warn!("{error}; nobody new is let in until everything is read again"),
        }
        sleep(limits::NATS_AGAIN).await;
    }
}

async fn once(
    cluster: &Arc<Cluster>,
    first: &mut Option<oneshot::Sender<ClusterError>>,
) -> Result<std::convert::Infallible, ClusterError> {
    let late = || ClusterError::Registry("nothing comes from it".to_owned());
    if first.is_none() {
        // It may be gone.
        let made = timeout(limits::NATS, cluster.bucket.make()).await;
        made.map_err(|_| late())??;
    }
    let watch = timeout(limits::NATS, cluster.bucket.watch()).await;
    let mut entries = Box::pin(watch.map_err(|_| late())??);
    let mut fresh = Some(Fresh::default());
    loop {
        // Pulses come all the time.
        let entry = tokio::select! {
            entry = timeout(limits::CURRENT, entries.next()) => entry,
            () = cluster.anew.notified() => {
                let words = "the connection was lost, or it is another one than before".to_owned();
                return Err(ClusterError::Registry(words));
            }
        };
        let ended = || ClusterError::Registry("it was closed".to_owned());
        let entry = entry.map_err(|_| late())?.ok_or_else(ended)??;
        match &mut fresh {
            None => cluster.learn(entry),
            Some(all) => {
                let is_latest = entry.is_latest;
                all.learn(entry);
                if is_latest
                    && let Some(Fresh {
                        known,
                        environments,
                    }) = fresh.take()
                {
                    *lock(&cluster.known) = known;
                    cluster.table().replace(environments);
                    cluster.announcer.all_again();
                    if first.is_none() {
                        tracing::warn!("the registry on NATS: everything is read again");
                    }
                    // Dropping it says so.
                    first.take();
                }
            }
        }
    }
}

/// Writes this node's pulse for ever.
pub(super) async fn pulse(cluster: Arc<Cluster>) {
    let mut tick = interval(limits::PULSE);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (mut number, mut last, mut connects) = (0, 0, cluster.bucket.connects());
    loop {
        tick.tick().await;
        number += 1;
        // A server that was started again may have other data, and goes on with its numbers where it left off, or somewhere else.
        let now = cluster.bucket.connects();
        if std::mem::replace(&mut connects, now) != now {
            last = 0;
            cluster.anew.notify_one();
        }
        cluster.table().pulses(number, Instant::now());
        match timeout(limits::CURRENT, cluster.bucket.pulse(&cluster.node, number)).await {
            Ok(Ok(revision)) => {
                if std::mem::replace(&mut last, revision) >= revision {
                    cluster.anew.notify_one();
                }
            }
            Ok(Err(error)) => tracing::debug!("{error}"),
            Err(_) => tracing::debug!("the registry on NATS takes nothing"),
        }
    }
}
