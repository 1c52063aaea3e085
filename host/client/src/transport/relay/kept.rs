//! What keeps a stream connected: one physical connection after the other below it.

use std::sync::{Arc, OnceLock};

use lockgate_relay::Reason;
use lockgate_relay::driver::{Backoff, Lost, RelayStream, Socket, Streams};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::Way;
use crate::transport::heard::Ear;

/// The task that keeps a stream connected; it ends with this.
pub(super) struct Link(pub(super) JoinHandle<()>);

impl Drop for Link {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Carries the stream until it has ended.
pub(super) async fn keep_connected(
    mut socket: Socket,
    (way, ear): (Way, Ear),
    streams: Streams,
    stream: Arc<RelayStream>,
    refused: Arc<OnceLock<String>>,
) {
    let mut backoff = Backoff::default();
    loop {
        let lost = streams.carry(&mut socket, &mut backoff).await;
        Streams::close(&mut socket).await;
        if matches!(lost, Lost::Shut) {
            return;
        }
        tracing::debug!("the connection to the rendezvous was lost: {lost}");
        let mut asked_for = None;
        loop {
            streams
                .rest(sleep(backoff.next_wait(asked_for, &streams)))
                .await;
            // It waited for too long, or cannot resume.
            if stream.is_over() {
                return;
            }
            match streams.rest(way.resume(&ear)).await {
                Ok(found) => {
                    socket = found;
                    break;
                }
                Err(error) if error.is_final() => {
                    // Nobody else sets it.
                    let _ = refused.set(error.to_string());
                    stream.reset(Reason::shortened("the harness cannot come back"));
                    return;
                }
                Err(error) => {
                    tracing::debug!("{error}");
                    asked_for = error.retry_after();
                }
            }
        }
    }
}
