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

use super::Cluster;
use super::bucket::Bucket;
use super::entry::Connected;
use crate::hub::{LinkId, lock};
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
    /// Its place at the hub.
    link: LinkId,
    connected: Connected,
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

    pub(super) fn announce(
        &self,
        id: EnvironmentId,
        link: LinkId,
        connected: Connected,
    ) -> Announced {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let task = self.task(&id).clone();
        let own = Own {
            number,
            link,
            connected: connected.clone(),
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

    /// The one that writes what is said of this environment.
    fn task(&self, id: &EnvironmentId) -> &UnboundedSender<Said> {
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        &self.tasks[(hasher.finish() % self.tasks.len() as u64) as usize]
    }

    /// Whether an executor of this environment is here.
    pub(super) fn is_here(&self, id: &EnvironmentId) -> bool {
        lock(&self.own).contains_key(id)
    }

    /// The place of the executor here, if what another node said with this revision came after what was said of it. While that is not written yet, nobody can
    /// know; it is looked at again when it is.
    pub(super) fn superseded(&self, id: &EnvironmentId, revision: u64) -> Option<LinkId> {
        let own = lock(&self.own);
        let own = own.get(id)?;
        own.revision
            .is_some_and(|written| written < revision)
            .then_some(own.link)
    }

    /// Says it again, where somebody took it for gone with this revision.
    pub(super) fn again(&self, id: &EnvironmentId, revision: u64) {
        let own = lock(&self.own);
        if let Some(own) = own.get(id)
            && own.revision.is_some_and(|written| written < revision)
        {
            self.say(id, own);
        }
    }

    /// Says all of it again, to a registry that may have been lost.
    pub(super) fn all_again(&self) {
        for (id, own) in &*lock(&self.own) {
            self.say(id, own);
        }
    }

    fn say(&self, id: &EnvironmentId, own: &Own) {
        // The tasks live as long as this.
        let _ = self.task(id).send(Said {
            id: id.clone(),
            number: own.number,
            connected: Some(own.connected.clone()),
        });
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
                    let link = lock(&own)
                        .get_mut(&id)
                        .filter(|own| own.number == number)
                        .map(|own| {
                            own.revision = Some(revision);
                            own.link
                        });
                    let Some(cluster) = cluster.upgrade() else {
                        return;
                    };
                    if let Some(link) = link {
                        cluster.settled(&id, link, revision);
                    }
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
