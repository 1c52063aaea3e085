//! Several nodes as one rendezvous, over NATS.
//!
//! What nodes share is in the [`bucket`]: the key, the tokens, and where each executor is connected. A harness that comes to one node while its executor is at
//! another gets a place at both: at its own for its websocket, and one at the executor's, to which a [`pipe`] leads. So only the executor's node routes streams, by the
//! same rules for every harness, and the other one carries frames. When the executor comes to be elsewhere, or its node is gone, the harness is asked to
//! connect again, and its streams resume.
//!
//! Nodes say several times a second that they are there, and write a pulse into the registry. One that does not see its own come back lets nobody new in: it
//! could miss a revocation ([`follow`]).

mod announce;
mod attach;
mod bucket;
mod entry;
mod flow;
mod follow;
mod listen;
mod packet;
mod pipe;
mod share;
mod table;
mod uplink;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

use async_nats::Client;
use lockgate_relay::registry::EnvironmentId;
use tokio::sync::{Notify, oneshot};
use tokio::time::{sleep, timeout};

pub(crate) use self::announce::Announced;
use self::announce::Announcer;
pub(crate) use self::attach::NoWay;
pub(crate) use self::bucket::Bucket;
pub use self::bucket::{ClusterError, Nats};
use self::entry::{Change, Connected, Entry};
use self::packet::PipeId;
use self::pipe::{Closed, Pipe};
use self::share::Shares;
use self::table::Table;
pub(crate) use self::uplink::Uplink;
use crate::clock::seconds;
use crate::hub::{Hub, LinkId, Presence, Registered, There, lock};
use crate::known::Known;
use crate::limits;

/// Names a running node: another one after each start.
pub(crate) type NodeId = String;

/// This node among the others.
#[derive(Debug)]
pub(crate) struct Cluster {
    node: NodeId,
    name: String,
    bucket: Bucket,
    /// A connection for frames alone: no flood of theirs delays a sign of life.
    frames: Client,
    hub: Arc<Hub>,
    known: Mutex<Known>,
    table: Mutex<Table>,
    pipes: Mutex<HashMap<PipeId, Arc<Pipe>>>,
    shares: Shares,
    announcer: Announcer,
    /// The registry is to be read from its beginning.
    anew: Notify,
    /// Told when a pulse of this node has come back.
    came_back: Notify,
}

impl Cluster {
    /// Joins the others, and knows what they know when this returns.
    pub(crate) async fn join(options: &Nats, hub: Arc<Hub>) -> Result<Arc<Cluster>, ClusterError> {
        let bucket = Bucket::open(options).await?;
        let frames = bucket::connect(options).await?;
        let node = uuid::Uuid::new_v4().simple().to_string();
        let cluster = Arc::new_cyclic(|cluster: &Weak<Cluster>| Cluster {
            announcer: Announcer::start(cluster, &bucket),
            node,
            name: options.name.clone(),
            bucket,
            frames,
            hub,
            known: Mutex::default(),
            table: Mutex::default(),
            pipes: Mutex::default(),
            shares: Shares::default(),
            anew: Notify::new(),
            came_back: Notify::new(),
        });
        let (first, known) = oneshot::channel();
        tokio::spawn(follow::follow(Arc::clone(&cluster), first));
        if let Ok(error) = known.await {
            return Err(error);
        }
        listen::listen(&cluster).await?;
        tokio::spawn(follow::pulse(Arc::clone(&cluster)));
        let begun = Instant::now();
        while !cluster.table().is_current(Instant::now()) {
            if begun.elapsed() > limits::NATS {
                return Err(ClusterError::Registry("it takes nothing".to_owned()));
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(cluster)
    }

    /// Says good-bye. Places and pipes have ended by themselves.
    pub(crate) async fn leave(&self) {
        let said = async {
            self.bucket.ended(&self.node).await?;
            let flushed = self.bucket.nats.flush().await;
            flushed.map_err(|error| ClusterError::Connect(error.to_string()))
        };
        match timeout(limits::GOODBYE, said).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!("{error}"),
            Err(_) => tracing::debug!("NATS does not hear the good-bye"),
        }
    }

    fn subject(&self, what: &str, of: &str) -> String {
        format!("lockgate.{}.{what}.{of}", self.name)
    }

    /// What all nodes know.
    pub(crate) fn known(&self) -> MutexGuard<'_, Known> {
        let is_current = self.table().is_current(Instant::now());
        let mut known = lock(&self.known);
        // Nothing is signed with a key that is not there.
        let has_key = !known.key().is_empty();
        known.set_current(is_current && has_key);
        known
    }

    /// Waits until everything is known that was written before this was called: what is not known here may have been made a moment ago, at another node.
    /// If that takes too long, this node is not current any more.
    pub(crate) async fn catch_up(&self) {
        let begun = Instant::now();
        let caught_up = async {
            loop {
                let came_back = self.came_back.notified();
                if self.table().knows_until(begun) {
                    return;
                }
                came_back.await;
            }
        };
        // What is current now says the same.
        let _ = timeout(limits::CURRENT, caught_up).await;
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        lock(&self.table)
    }

    /// Takes in what was written.
    fn learn(&self, entry: Entry) {
        match entry.change {
            Change::Key(key) => lock(&self.known).set_key(key),
            Change::Token(token) => lock(&self.known).insert(token),
            Change::Revoked(id) => lock(&self.known).remove(&id),
            Change::Connected(id, connected) => {
                let node = connected.node.clone();
                self.table()
                    .connected(id.clone(), connected, entry.revision);
                let is_here = node == self.node;
                if !is_here && let Some(link) = self.announcer.superseded(&id, entry.revision) {
                    self.hub.replaced(&id, link);
                }
                self.hub.moved(&id, (!is_here).then_some(node.as_str()));
            }
            Change::Left(id) => {
                self.table().left(&id, entry.revision);
                self.announcer.again(&id, entry.revision);
            }
            Change::Pulse(node, number) if node == self.node => {
                self.table().came_back(number);
                self.came_back.notify_waiters();
            }
            Change::Pulse(node, _) => self.table().is_known(&node),
            Change::Ended(node) => self.table().ended(&node, Instant::now()),
            Change::Unknown => {}
        }
    }

    /// What was said of an executor here is written; another node may have said something after it.
    fn settled(&self, id: &EnvironmentId, link: LinkId, revision: u64) {
        let is_superseded = self.table().is_elsewhere_since(id, &self.node, revision);
        if is_superseded {
            self.hub.replaced(id, link);
        }
    }

    /// Ends the pipes of nodes that are gone, finds ways for who has none, and forgets what others have left behind.
    fn look_after(&self) {
        let now = Instant::now();
        let (dead, (left, forgotten)) = {
            let mut table = self.table();
            let left = table.left_behind(&self.node, |id| self.announcer.is_here(id), now);
            (table.dead(&self.node, now), left)
        };
        if !dead.is_empty() {
            for pipe in lock(&self.pipes).values() {
                if dead.contains(&pipe.node) {
                    pipe.end(Closed::MOVED);
                }
            }
        }
        for id in self.hub.stranded() {
            let node = {
                let table = self.table();
                let found = table.find(&id, now).map(|connected| connected.node.clone());
                found.filter(|node| *node != self.node)
            };
            if let Some(node) = node {
                self.hub.moved(&id, Some(&node));
            }
        }
        if left.is_empty() && forgotten.is_empty() {
            return;
        }
        let bucket = self.bucket.clone();
        tokio::spawn(async move {
            // Others do the same, and one of them is the first.
            for (id, revision) in left {
                if let Err(error) = bucket.left(&id, revision).await {
                    tracing::debug!("{error}");
                }
            }
            for node in forgotten {
                if let Err(error) = bucket.ended(&node).await {
                    tracing::debug!("{error}");
                }
            }
        });
    }

    /// Who is connected for this environment, at another node that is there.
    pub(crate) fn who(&self, id: &EnvironmentId) -> There {
        match self.table().find(id, Instant::now()) {
            Some(connected) if connected.node != self.node => match &connected.registration {
                None => There::Plain,
                Some((registration, keys)) => There::Encrypted(Registered {
                    id: registration.clone(),
                    keys: keys.clone(),
                }),
            },
            _ => There::Nobody,
        }
    }

    /// Remembers the keys of an executor that is about to connect, to whichever node.
    pub(crate) async fn register(
        &self,
        id: &EnvironmentId,
        registered: &Registered,
    ) -> Result<(), ClusterError> {
        self.bucket.register(id, registered).await
    }

    /// The registration of that name, once.
    pub(crate) async fn take(
        &self,
        id: &EnvironmentId,
        registration: &str,
    ) -> Result<Option<Registered>, ClusterError> {
        self.bucket.take(id, registration).await
    }

    /// Tells the others that an executor is here, until this is dropped.
    pub(crate) fn announce(&self, id: EnvironmentId, link: LinkId, who: &There) -> Announced {
        let registration = match who {
            There::Encrypted(registered) => Some((registered.id.clone(), registered.keys.clone())),
            _ => None,
        };
        let connected = Connected {
            node: self.node.clone(),
            since: seconds(),
            registration,
        };
        self.announcer.announce(id, link, connected)
    }

    /// The other node where its executor is.
    pub(crate) fn node_of(&self, id: &EnvironmentId) -> Option<NodeId> {
        let table = self.table();
        let connected = table.find(id, Instant::now())?;
        (connected.node != self.node).then(|| connected.node.clone())
    }

    /// How it stands with these environments, wherever their executors are.
    pub(crate) async fn presence(&self, ids: Vec<EnvironmentId>) -> Vec<Presence> {
        let mut elsewhere: HashMap<NodeId, Vec<String>> = HashMap::new();
        {
            let table = self.table();
            let now = Instant::now();
            for id in &ids {
                if let Some(connected) = table.find(id, now)
                    && connected.node != self.node
                {
                    let of_node = elsewhere.entry(connected.node.clone()).or_default();
                    of_node.push(id.to_string());
                }
            }
        }
        let mut told: HashMap<String, Presence> = HashMap::new();
        for (node, ids) in elsewhere {
            let text = serde_json::to_vec(&ids).unwrap_or_default();
            let subject = self.subject("presence", &node);
            if let Ok(answer) = self.bucket.nats.request(subject, text.into()).await
                && let Ok(list) = serde_json::from_slice::<Vec<Presence>>(&answer.payload)
            {
                told.extend(
                    list.into_iter()
                        .map(|one| (one.environment_id.clone(), one)),
                );
            }
        }
        let here = self.hub.presence(ids.into_iter());
        here.into_iter()
            .map(|one| told.remove(&one.environment_id).unwrap_or(one))
            .collect()
    }
}
