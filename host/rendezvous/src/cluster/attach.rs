//! Places of harnesses at another node, and the pipes that lead there.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::{Message, Subject};
use lockgate_relay::registry::EnvironmentId;
use serde::{Deserialize, Serialize};
use tokio::time::{MissedTickBehavior, interval};

use super::packet::{Packet, PipeId};
use super::pipe::{Closed, Pipe, PipeSocket};
use super::uplink::Uplink;
use super::{Cluster, NodeId};
use crate::clock::seconds;
use crate::hub::{Counted, NoPlace, There, lock};
use crate::large::{Gate, Meter};
use crate::outlet::Close;
use crate::signed::{Pass, Side};
use crate::{limits, link};

/// Asks an executor's node for a place.
#[derive(Serialize, Deserialize)]
pub(super) struct Attach {
    node: NodeId,
    pipe: PipeId,
    /// The query of the harness's signed URL.
    query: String,
}

/// The answer.
#[derive(Serialize, Deserialize)]
pub(super) enum Attached {
    Here {
        /// Its streams are encrypted, so frames are small.
        encrypts: bool,
    },
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
    /// That node does not take the URL.
    Refused,
    Place(NoPlace),
}

impl Cluster {
    /// Gets a harness a place at its executor's node. `query` is that of its signed URL.
    pub(crate) async fn attach(
        self: &Arc<Self>,
        id: &EnvironmentId,
        query: &str,
    ) -> Result<Uplink, NoWay> {
        let node = self.node_of(id).ok_or(NoWay::Nobody)?;
        let name = uuid::Uuid::new_v4().into_bytes();
        let part = self.shares.of(&node).pipe();
        let part = part.ok_or(NoWay::Place(NoPlace::Harnesses))?;
        let pipe = Pipe::new(name, node.clone(), part, Some(self.hub.turns_down(id)));
        // Frames may come before the answer.
        self.begin(Arc::clone(&pipe));
        let mut uplink = Uplink::new(Arc::clone(&pipe));
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
            Some(Attached::Here { encrypts }) => {
                if encrypts {
                    pipe.is_small();
                }
                uplink.encrypts = encrypts;
                Ok(uplink)
            }
            Some(Attached::Full) => Err(NoWay::Place(NoPlace::Harnesses)),
            Some(Attached::Refused) => Err(NoWay::Refused),
            Some(Attached::Draining | Attached::Nobody) | None => Err(NoWay::Nobody),
        }
    }

    /// Another node asks for a place for one of its harnesses.
    pub(super) fn attached(self: &Arc<Self>, asked: Attach) -> Attached {
        let now = seconds();
        let allowed = {
            let known = self.known();
            if !known.is_current() {
                return Attached::Draining;
            }
            Pass::read(&asked.query, known.key(), Duration::from_secs(now))
                .ok()
                .filter(|pass| pass.side == Side::Harness)
                .and_then(|pass| {
                    let token = known.named(&pass.token)?;
                    (!token.is_expired(now)).then_some(pass)
                })
        };
        let Some(pass) = allowed else {
            return Attached::Refused;
        };
        let encrypts = match self.hub.who(&pass.environment) {
            There::Nobody => return Attached::Nobody,
            There::Plain => false,
            There::Encrypted(_) => true,
        };
        // One that was not heard yet may have a place all the same, among all of these.
        let name = match self.table().is_node(&asked.node) {
            true => asked.node.clone(),
            false => NodeId::new(),
        };
        let Some(part) = self.shares.of(&name).pipe() else {
            tracing::warn!(node = %asked.node, "another node asks for more places than it may have");
            return Attached::Full;
        };
        // Names are drawn by chance. One that is taken is another one's, and stays so.
        if lock(&self.pipes).contains_key(&asked.pipe) {
            return Attached::Refused;
        }
        let seat = match self.hub.join(&pass, Counted::Elsewhere) {
            Ok(seat) => seat,
            Err(NoPlace::Draining) => return Attached::Draining,
            Err(_) => return Attached::Full,
        };
        let pipe = Pipe::new(asked.pipe, asked.node, part, None);
        if seat.small_frames {
            pipe.is_small();
        }
        self.begin(Arc::clone(&pipe));
        let meter = Arc::new(Meter::default());
        let gate = Gate::new(Arc::clone(&meter), seat.turns.clone());
        let socket = PipeSocket::new(pipe, gate);
        tokio::spawn(link::serve(socket, seat, meter));
        Attached::Here { encrypts }
    }

    /// Lets a pipe receive, and sends what goes through it, until its end.
    fn begin(self: &Arc<Self>, pipe: Arc<Pipe>) {
        lock(&self.pipes).insert(pipe.id, Arc::clone(&pipe));
        let cluster = Arc::clone(self);
        tokio::spawn(async move {
            let to = Subject::from(cluster.subject("pipes", &pipe.node));
            let from = Subject::from(cluster.subject("pipes", &cluster.node));
            let mut tick = interval(limits::PIPE_PING);
            tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
            loop {
                let packet = tokio::select! {
                    packet = poll_fn(|cx| pipe.poll_packet(cx)) => match packet {
                        Some(packet) => packet,
                        None => break,
                    },
                    _ = tick.tick() => match pipe.ping(Instant::now()) {
                        Some(packet) => packet,
                        None => continue,
                    },
                };
                let bytes = packet.encode(pipe.id);
                let sent = cluster
                    .frames
                    .publish_with_reply(to.clone(), from.clone(), bytes);
                if let Err(error) = sent.await {
                    tracing::debug!(%error, "a packet was not sent");
                    pipe.end(Closed::MOVED);
                }
            }
            lock(&cluster.pipes).remove(&pipe.id);
        });
    }

    /// A packet came; who sent it is told if it is for nobody.
    pub(super) async fn receive(&self, message: Message) {
        if message.payload.is_empty() {
            // What NATS answers where nobody listens; the pipe's own silence ends it.
            return tracing::debug!("a node that was sent something is not there");
        }
        let Some((id, packet)) = Packet::decode(message.payload) else {
            return tracing::warn!("what another node sent is no packet");
        };
        let pipe = lock(&self.pipes).get(&id).cloned();
        match (pipe, packet, message.reply) {
            (Some(pipe), packet, _) => pipe.receive(packet),
            (None, Packet::Close(_) | Packet::Credit(_), _) | (None, _, None) => {}
            (None, _, Some(reply)) => {
                let close = Packet::Close(Close::MOVED.code).encode(id);
                if let Err(error) = self.frames.publish(reply, close).await {
                    tracing::debug!(%error, "a packet was not sent");
                }
            }
        }
    }
}
