//! What keeps a stream connected: one physical connection after the other below it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use lockgate_relay::Reason;
use lockgate_relay::driver::{Backoff, Lost, RelayStream, Socket, Streams};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::Way;
use crate::transport::heard::Ear;
use crate::transport::{NO_ATTEMPT, Outage};

/// The task that keeps a stream connected; it ends with this.
pub(super) struct Link(pub(super) JoinHandle<()>);

impl Drop for Link {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A stream that is kept connected.
pub(super) struct Kept {
    pub(super) way: Way,
    pub(super) ear: Ear,
    pub(super) streams: Streams,
    pub(super) stream: Arc<RelayStream>,
    /// For how long it may be without a connection, where that is less than streams wait by themselves.
    pub(super) patience: Option<Duration>,
    /// While it is without one.
    pub(super) outage: watch::Sender<Option<Outage>>,
    /// Why it was ended here.
    pub(super) refused: Arc<OnceLock<String>>,
}

impl Kept {
    /// Carries the stream until it has ended.
    pub(super) async fn carry(self, mut socket: Socket) {
        let mut backoff = Backoff::default();
        loop {
            let lost = self.streams.carry(&mut socket, &mut backoff).await;
            if matches!(lost, Lost::Shut) {
                Streams::close(&mut socket).await;
                return;
            }
            let since = Instant::now();
            let why = format!("that to the rendezvous: {lost}");
            tracing::debug!(why, "the connection was lost");
            self.outage.send_replace(Some(Outage { since, why }));
            let mut last = NO_ATTEMPT.to_owned();
            let again = self.again(socket, &mut backoff, &mut last);
            let found = match self.patience {
                Some(patience) => timeout(patience, again).await,
                None => Ok(again.await),
            };
            match found {
                Ok(Some(found)) => socket = found,
                Ok(None) => return,
                Err(_) => {
                    self.give_up(last, "the harness waits no longer for a connection");
                    return;
                }
            }
            self.outage.send_replace(None);
        }
    }

    /// Another connection in the place of one that was lost, or nothing where the stream is over. `last` is what came of the last attempt.
    async fn again(
        &self,
        mut before: Socket,
        backoff: &mut Backoff,
        last: &mut String,
    ) -> Option<Socket> {
        Streams::close(&mut before).await;
        drop(before);
        let mut asked_for = None;
        loop {
            let wait = backoff.next_wait(asked_for, &self.streams);
            self.streams.rest(sleep(wait)).await;
            // It waited for too long, or cannot resume.
            if self.stream.is_over() {
                return None;
            }
            match self.streams.rest(self.way.resume(&self.ear)).await {
                Ok(found) => return Some(found),
                Err(error) if error.is_final() => {
                    self.give_up(error.to_string(), "the harness cannot come back");
                    return None;
                }
                Err(error) => {
                    tracing::debug!("{error}");
                    asked_for = error.retry_after();
                    *last = error.to_string();
                }
            }
        }
    }

    fn give_up(&self, why: String, told: &str) {
        // Nobody else sets it.
        let _ = self.refused.set(why);
        self.stream.reset(Reason::shortened(told));
    }
}
