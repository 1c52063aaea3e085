//! Several nodes as one rendezvous, over NATS.
//!
//! What nodes share is in the [`bucket`]: the key, the tokens, and where each executor is connected. A harness that comes to one node while its executor is at
//! another gets a place at both: at its own for its websocket, and one at the executor's, to which a [`pipe`] leads. So only the executor's node routes streams, by the
//! same rules for every harness, and the other one carries frames. When the executor comes to be elsewhere, or its node is gone, the harness is asked to
//! connect again, and its streams resume.
//!
//! Nodes say twice a second that they are there. One that does not hear itself lets nobody new in: it could miss a revocation.

mod announce;
mod bucket;
mod flow;
mod pipe;
mod table;
mod uplink;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use lockgate_relay::registry::EnvironmentId;
use serde::{Deserialize, Serialize};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

pub(crate) use self::announce::Announced;
use self::announce::Announcer;
pub(crate) use self::bucket::Bucket;
use self::bucket::{Change, Connected, Entry};
pub use self::bucket::{ClusterError, Nats};
use self::flow::{Packet, PipeId};
use self::pipe::{Closed, Pipe, PipeSocket};
use self::table::Table;
pub(crate) use self::uplink::Uplink;
use crate::hub::{Counted, Hub, NoPlace, Presence, Registered, There, seconds};
use crate::known::Known;
use crate::large::{Gate, Meter};
use crate::outlet::Close;
use crate::signed::{Pass, Side};
use crate::{limits, link};

/// Names a running node: another one after each start.
pub(crate) type NodeId = String;

/// This node among the others.
#[derive(Debug)]
pub(crate) struct Cluster {
    node: NodeId,
    name: String,
    bucket: Bucket,
    hub: Arc<Hub>,
    known: Mutex<Known>,
    table: Mutex<Table>,
    pipes: Mutex<HashMap<PipeId, Arc<Pipe>>>,
    announcer: Announcer,
}

/// Asks an executor's node for a place.
#[derive(Serialize, Deserialize)]
struct Attach {
    node: NodeId,
    pipe: PipeId,
    /// The query of the harness's signed URL.
    query: String,
}

/// The answer.
#[derive(Serialize, Deserialize)]
enum Attached {
    Here,
    /// The executor is not.
    Nobody,
    Full,
    Draining,
    Refused,
}

/// Why a harness gets no place at its executor's node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoWay {
    /// The executor is not there, or its node is not.
    Nobody,
    Place(NoPlace),
}

impl Cluster {
    /// Joins the others, and knows what they know when this returns.
    pub(crate) async fn join(options: &Nats, hub: Arc<Hub>) -> Result<Arc<Cluster>, ClusterError> {
        let bucket = Bucket::open(options).await?;
        let node = uuid::Uuid::new_v4().simple().to_string();
        let cluster = Arc::new_cyclic(|cluster: &Weak<Cluster>| Cluster {
            announcer: Announcer::start(cluster, &bucket),
            node,
            name: options.name.clone(),
            bucket,
            hub,
            known: Mutex::default(),
            table: Mutex::default(),
            pipes: Mutex::default(),
        });
        let mut entries = Box::pin(cluster.bucket.watch().await?);
        let all = async {
            while let Some(entry) = entries.next().await {
                let entry = entry?;
                let is_latest = entry.is_latest;
                cluster.learn(entry);
                if is_latest {
                    return Ok(());
                }
            }
            Err(ClusterError::Registry("it cannot be read".to_owned()))
        };
        let late = || ClusterError::Registry("it did not answer in time".to_owned());
        timeout(limits::NATS, all).await.map_err(|_| late())??;
        cluster.serve().await?;
        let following = Arc::clone(&cluster);
        tokio::spawn(async move {
            loop {
                while let Some(entry) = entries.next().await {
                    match entry {
                        Ok(entry) => following.learn(entry),
                        // What makes no sense here may be a revocation.
                        Err(error @ ClusterError::Entry { .. }) => {
                            tracing::error!("{error}; nobody new is let in");
                            following.table().is_torn = true;
                        }
                        Err(error) => {
                            tracing::warn!("{error}");
                            break;
                        }
                    }
                }
                following.table().follows = false;
                entries = loop {
                    sleep(limits::NATS_AGAIN).await;
                    match following.bucket.watch().await {
                        Ok(entries) => break Box::pin(entries),
                        Err(error) => tracing::debug!("{error}"),
                    }
                };
                following.table().follows = true;
            }
        });
        Ok(cluster)
    }

    /// Hears the other nodes.
    async fn serve(self: &Arc<Self>) -> Result<(), ClusterError> {
        let failed = |error: async_nats::SubscribeError| ClusterError::Connect(error.to_string());
        let nats = &self.bucket.nats;
        let mut packets = nats
            .subscribe(self.subject("pipes", &self.node))
            .await
            .map_err(failed)?;
        let mut requests = nats
            .subscribe(self.subject("attach", &self.node))
            .await
            .map_err(failed)?;
        let mut questions = nats
            .subscribe(self.subject("presence", &self.node))
            .await
            .map_err(failed)?;
        let mut lives = nats
            .subscribe(self.subject("alive", "*"))
            .await
            .map_err(failed)?;
        let cluster = Arc::clone(self);
        tokio::spawn(async move {
            while let Some(message) = packets.next().await {
                cluster.receive(message.payload);
            }
        });
        let cluster = Arc::clone(self);
        tokio::spawn(async move {
            while let Some(message) = requests.next().await {
                let answer = match serde_json::from_slice(&message.payload) {
                    Ok(asked) => cluster.attached(asked),
                    Err(_) => Attached::Refused,
                };
                cluster.answer(message.reply, &answer).await;
            }
        });
        let cluster = Arc::clone(self);
        tokio::spawn(async move {
            while let Some(message) = questions.next().await {
                let ids: Vec<EnvironmentId> =
                    serde_json::from_slice::<Vec<String>>(&message.payload)
                        .unwrap_or_default()
                        .iter()
                        .filter_map(|id| id.parse().ok())
                        .collect();
                let answer: Vec<Presence> = cluster.hub.presence(ids.into_iter());
                cluster.answer(message.reply, &answer).await;
            }
        });
        let cluster = Arc::clone(self);
        tokio::spawn(async move {
            while let Some(message) = lives.next().await {
                if let Some(node) = message.subject.as_str().rsplit('.').next() {
                    cluster.table().heard(node, Instant::now());
                }
            }
        });
        let cluster = Arc::clone(self);
        tokio::spawn(async move {
            let mut tick = interval(limits::ALIVE);
            tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
            loop {
                tick.tick().await;
                let subject = cluster.subject("alive", &cluster.node);
                // Without a connection it is buffered, or lost: then nobody hears it, we neither.
                if let Err(error) = cluster.bucket.nats.publish(subject, Bytes::new()).await {
                    tracing::debug!(%error, "no sign of life");
                }
                cluster.look_after();
            }
        });
        nats.flush()
            .await
            .map_err(|error| ClusterError::Connect(error.to_string()))
    }

    async fn answer(&self, to: Option<async_nats::Subject>, answer: &impl Serialize) {
        let Some(to) = to else { return };
        // Our own types can be written; who asked will ask again.
        let text = serde_json::to_vec(answer).unwrap_or_default();
        if let Err(error) = self.bucket.nats.publish(to, text.into()).await {
            tracing::debug!(%error, "no answer");
        }
    }

    fn subject(&self, what: &str, of: &str) -> String {
        format!("lockgate.{}.{what}.{of}", self.name)
    }

    /// What all nodes know.
    pub(crate) fn known(&self) -> MutexGuard<'_, Known> {
        let is_current = self.table().is_current(&self.node, Instant::now());
        let mut known = lock(&self.known);
        known.set_current(is_current);
        known
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
                if !is_here && self.announcer.is_superseded(&id, entry.revision) {
                    self.hub.replaced(&id);
                }
                self.hub.moved(&id, (!is_here).then_some(node.as_str()));
            }
            Change::Left(id) => self.table().left(&id, entry.revision),
        }
    }

    /// What was said of an executor here is written; another node may have said something after it.
    fn settled(&self, id: &EnvironmentId, revision: u64) {
        let is_superseded = self.table().is_elsewhere_since(id, &self.node, revision);
        if is_superseded {
            self.hub.replaced(id);
        }
    }

    /// Ends the pipes of nodes that are gone, and forgets what these have left behind.
    fn look_after(&self) {
        let now = Instant::now();
        let (dead, left) = {
            let mut table = self.table();
            let mut left = table.left_behind(now);
            // NATS may have been away when they left.
            left.extend(table.take_at(&self.node, |id| !self.announcer.is_here(id)));
            (table.dead(&self.node, now), left)
        };
        if !dead.is_empty() {
            for pipe in lock(&self.pipes).values() {
                if dead.contains(&pipe.node) {
                    pipe.end(Closed(Close::MOVED.code));
                }
            }
        }
        for (id, revision) in left {
            let bucket = self.bucket.clone();
            tokio::spawn(async move {
                // Others do the same, and one of them is the first.
                if let Err(error) = bucket.left(&id, revision).await {
                    tracing::debug!("{error}");
                }
            });
        }
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
    pub(crate) fn announce(self: &Arc<Self>, id: EnvironmentId, who: &There) -> Announced {
        let registration = match who {
            There::Encrypted(registered) => Some((registered.id.clone(), registered.keys.clone())),
            _ => None,
        };
        let connected = Connected {
            node: self.node.clone(),
            since: seconds(),
            registration,
        };
        self.announcer.announce(id, connected)
    }

    /// Gets a harness a place at its executor's node. `query` is that of its signed URL.
    pub(crate) async fn attach(
        self: &Arc<Self>,
        id: &EnvironmentId,
        query: &str,
    ) -> Result<Uplink, NoWay> {
        let node = self
            .table()
            .find(id, Instant::now())
            .map(|connected| connected.node.clone())
            .filter(|node| *node != self.node)
            .ok_or(NoWay::Nobody)?;
        let name = uuid::Uuid::new_v4().into_bytes();
        let pipe = Pipe::new(name, node.clone());
        // Frames may come before the answer.
        lock(&self.pipes).insert(pipe.id, Arc::clone(&pipe));
        let uplink = Uplink::new(Arc::clone(&pipe));
        self.send_packets(pipe);
        let asked = Attach {
            node: self.node.clone(),
            pipe: name,
            query: query.to_owned(),
        };
        let text = serde_json::to_vec(&asked).unwrap_or_default();
        let subject = self.subject("attach", &node);
        let answer = self.bucket.nats.request(subject, text.into()).await;
        let answer = answer
            .map_err(|error| tracing::debug!(%node, %error, "a node does not answer"))
            .ok()
            .and_then(|message| serde_json::from_slice(&message.payload).ok());
        match answer {
            Some(Attached::Here) => Ok(uplink),
            Some(Attached::Full) => Err(NoWay::Place(NoPlace::Harnesses)),
            Some(Attached::Draining | Attached::Nobody) | None => Err(NoWay::Nobody),
            Some(Attached::Refused) => Err(NoWay::Place(NoPlace::Draining)),
        }
    }

    /// Another node asks for a place for one of its harnesses.
    fn attached(self: &Arc<Self>, asked: Attach) -> Attached {
        let pass = {
            let known = self.known();
            let now = Duration::from_secs(seconds());
            Pass::read(&asked.query, known.key(), now)
                .ok()
                .filter(|pass| pass.side == Side::Harness && known.named(&pass.token).is_some())
        };
        let Some(pass) = pass else {
            return Attached::Refused;
        };
        if matches!(self.hub.who(&pass.environment), There::Nobody) {
            return Attached::Nobody;
        }
        // Its tenant's places are counted where its websocket is.
        let seat = match self.hub.join(&pass, Counted::Elsewhere) {
            Ok(seat) => seat,
            Err(NoPlace::Draining) => return Attached::Draining,
            Err(_) => return Attached::Full,
        };
        let pipe = Pipe::new(asked.pipe, asked.node);
        lock(&self.pipes).insert(pipe.id, Arc::clone(&pipe));
        self.send_packets(Arc::clone(&pipe));
        let meter = Arc::new(Meter::default());
        let gate = Gate::new(Arc::clone(&meter), seat.turns.clone());
        tokio::spawn(link::serve(PipeSocket::new(pipe, gate), seat, meter));
        Attached::Here
    }

    /// Sends what goes through a pipe, until its end.
    fn send_packets(self: &Arc<Self>, pipe: Arc<Pipe>) {
        let cluster = Arc::clone(self);
        tokio::spawn(async move {
            let subject = async_nats::Subject::from(cluster.subject("pipes", &pipe.node));
            while let Some(packet) = std::future::poll_fn(|cx| pipe.poll_packet(cx)).await {
                let bytes = packet.encode(pipe.id);
                if let Err(error) = cluster.bucket.nats.publish(subject.clone(), bytes).await {
                    tracing::debug!(%error, "a packet was not sent");
                    pipe.end(Closed(Close::MOVED.code));
                }
            }
            lock(&cluster.pipes).remove(&pipe.id);
        });
    }

    fn receive(self: &Arc<Self>, bytes: Bytes) {
        let Some((id, packet)) = Packet::decode(bytes) else {
            return tracing::warn!("what another node sent is no packet");
        };
        // One that is not known has ended here, which the other node was told.
        let pipe = lock(&self.pipes).get(&id).cloned();
        if let Some(pipe) = pipe {
            pipe.receive(packet);
        }
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
