//! Telling the other nodes which executors are here.
//!
//! Executors come and go faster than NATS answers when a node ends and thousands move. So their changes are written by several tasks, those of one environment always
//! by the same one and in order; what NATS does not take is tried until it does, or is not true any more.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use lockgate_relay::registry::EnvironmentId;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::sleep;

use super::bucket::{Bucket, Connected};
use super::{Cluster, lock};
use crate::limits;

/// What is said of the executors here.
#[derive(Debug)]
pub(super) struct Announcer {
    own: Arc<Mutex<HashMap<EnvironmentId, Own>>>,
    next: AtomicU64,
    tasks: Vec<UnboundedSender<Said>>,
}

/// An executor that is here.
#[derive(Debug)]
struct Own {
    number: u64,
    /// Where it stands in the order of all changes, once it is written.
    revision: Option<u64>,
}

#[derive(Debug)]
struct Said {
    id: EnvironmentId,
    number: u64,
    /// None: it left.
    connected: Option<Connected>,
}

/// An executor is here until this is dropped.
#[derive(Debug)]
pub(crate) struct Announced {
    id: EnvironmentId,
    number: u64,
    own: Arc<Mutex<HashMap<EnvironmentId, Own>>>,
    task: UnboundedSender<Said>,
}

impl Announcer {
    pub(super) fn start(cluster: &Weak<Cluster>, bucket: &Bucket) -> Announcer {
        let own = Arc::default();
        let tasks = (0..limits::ANNOUNCERS).map(|_| {
            let (sender, said) = unbounded_channel();
            tokio::spawn(write(
                said,
                cluster.clone(),
                bucket.clone(),
                Arc::clone(&own),
            ));
            sender
        });
        Announcer {
            tasks: tasks.collect(),
            next: AtomicU64::new(0),
            own,
        }
    }

    pub(super) fn announce(&self, id: EnvironmentId, connected: Connected) -> Announced {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        let task = self.tasks[(hasher.finish() % self.tasks.len() as u64) as usize].clone();
        let own = Own {
            number,
            revision: None,
        };
        lock(&self.own).insert(id.clone(), own);
        // The tasks live as long as this.
        let _ = task.send(Said {
            id: id.clone(),
            number,
            connected: Some(connected),
        });
        Announced {
            id,
            number,
            own: Arc::clone(&self.own),
            task,
        }
    }

    /// Whether an executor of this environment is here.
    pub(super) fn is_here(&self, id: &EnvironmentId) -> bool {
        lock(&self.own).contains_key(id)
    }

    /// Whether what another node said with this revision came after what was said here. While that is not written yet, nobody can know; it is looked at again
    /// when it is.
    pub(super) fn is_superseded(&self, id: &EnvironmentId, revision: u64) -> bool {
        let own = lock(&self.own);
        let written = own.get(id).and_then(|own| own.revision);
        written.is_some_and(|written| written < revision)
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        // A later one of the same environment stays.
        let mut own = lock(&self.own);
        if own
            .get(&self.id)
            .is_some_and(|own| own.number == self.number)
        {
            own.remove(&self.id);
        }
        drop(own);
        let _ = self.task.send(Said {
            id: self.id.clone(),
            number: self.number,
            connected: None,
        });
    }
}

async fn write(
    mut said: UnboundedReceiver<Said>,
    cluster: Weak<Cluster>,
    bucket: Bucket,
    own: Arc<Mutex<HashMap<EnvironmentId, Own>>>,
) {
    // What was written last, of each environment.
    let mut written: HashMap<EnvironmentId, (u64, u64)> = HashMap::new();
    let is_here =
        |id: &EnvironmentId, number| lock(&own).get(id).is_some_and(|own| own.number == number);
    while let Some(Said {
        id,
        number,
        connected,
    }) = said.recv().await
    {
        let Some(connected) = connected else {
            if let Some((last, revision)) = written.get(&id).copied()
                && last == number
            {
                written.remove(&id);
                // Another node may have said something since: then that holds. If NATS is away, others see this node's silence, or its next words.
                if let Err(error) = bucket.left(&id, revision).await {
                    tracing::debug!(environment = %id, "{error}");
                }
            }
            continue;
        };
        while is_here(&id, number) {
            match bucket.connected(&id, &connected).await {
                Ok(revision) => {
                    written.insert(id.clone(), (number, revision));
                    if let Some(own) = lock(&own).get_mut(&id)
                        && own.number == number
                    {
                        own.revision = Some(revision);
                    }
                    let Some(cluster) = cluster.upgrade() else {
                        return;
                    };
                    cluster.settled(&id, revision);
                    break;
                }
                Err(error) => {
                    tracing::warn!(environment = %id, "{error}; trying again");
                    sleep(limits::NATS_AGAIN).await;
                }
            }
        }
    }
}
