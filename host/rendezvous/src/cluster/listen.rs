//! What the other nodes say and ask.

use std::sync::Arc;
use std::time::Instant;

use async_nats::Subject;
use bytes::Bytes;
use futures_util::StreamExt;
use lockgate_relay::registry::EnvironmentId;
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::attach::Attached;
use super::{Cluster, ClusterError};
use crate::hub::Presence;
use crate::limits;

/// Listens for ever, and says that this node is there.
pub(super) async fn listen(cluster: &Arc<Cluster>) -> Result<(), ClusterError> {
    let failed = |error: async_nats::SubscribeError| ClusterError::Connect(error.to_string());
    let nats = &cluster.bucket.nats;
    let own = &cluster.node;
    let packets = cluster.frames.subscribe(cluster.subject("pipes", own));
    let mut packets = packets.await.map_err(failed)?;
    let requests = nats.subscribe(cluster.subject("attach", own));
    let mut requests = requests.await.map_err(failed)?;
    let questions = nats.subscribe(cluster.subject("presence", own));
    let mut questions = questions.await.map_err(failed)?;
    let lives = nats.subscribe(cluster.subject("alive", "*"));
    let mut lives = lives.await.map_err(failed)?;
    let here = Arc::clone(cluster);
    tokio::spawn(async move {
        while let Some(message) = packets.next().await {
            here.receive(message).await;
        }
    });
    let here = Arc::clone(cluster);
    tokio::spawn(async move {
        while let Some(message) = requests.next().await {
            let answer = match serde_json::from_slice(&message.payload) {
                Ok(asked) => here.attached(asked),
                Err(_) => Attached::Refused,
            };
            here.answer(message.reply, &answer).await;
        }
    });
    let here = Arc::clone(cluster);
    tokio::spawn(async move {
        while let Some(message) = questions.next().await {
            let asked: Vec<String> = serde_json::from_slice(&message.payload).unwrap_or_default();
            let ids: Vec<EnvironmentId> = asked.iter().filter_map(|id| id.parse().ok()).collect();
            let answer: Vec<Presence> = here.hub.presence(ids.into_iter());
            here.answer(message.reply, &answer).await;
        }
    });
    let here = Arc::clone(cluster);
    tokio::spawn(async move {
        while let Some(message) = lives.next().await {
            if let Some(node) = message.subject.as_str().rsplit('.').next() {
                here.table().heard(&here.node, node, Instant::now());
            }
        }
    });
    let here = Arc::clone(cluster);
    tokio::spawn(async move {
        let mut tick = interval(limits::ALIVE);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tick.tick().await;
            let subject = here.subject("alive", &here.node);
            let said = here.bucket.nats.publish(subject, Bytes::new());
            // Without a connection it waits, or is lost: then nobody hears it, we neither.
            match timeout(limits::ALIVE, said).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "no sign of life"),
                Err(_) => tracing::debug!("no sign of life: NATS takes nothing"),
            }
            here.look_after();
        }
    });
    let flushed = async {
        nats.flush().await?;
        cluster.frames.flush().await
    };
    flushed
        .await
        .map_err(|error| ClusterError::Connect(error.to_string()))
}

impl Cluster {
    async fn answer(&self, to: Option<Subject>, answer: &impl Serialize) {
        let Some(to) = to else { return };
        // Our own types can be written; who asked will ask again.
        let text = serde_json::to_vec(answer).unwrap_or_default();
        if let Err(error) = self.bucket.nats.publish(to, text.into()).await {
            tracing::debug!(%error, "no answer");
        }
    }
}
