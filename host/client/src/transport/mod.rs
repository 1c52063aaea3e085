//! The connection's task, over any transport.

pub(crate) mod messages;
pub(crate) mod relay;
pub(crate) mod stdio;
pub(crate) mod websocket;

use std::future::Future;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::calls::Calls;
use crate::child::Child;
use crate::{ClientError, limits};

/// The half that reads.
pub(crate) trait Receive: std::marker::Send + 'static {
    /// The next message; `None` at the end.
    fn receive(
        &mut self,
    ) -> impl Future<Output = Result<Option<Utf8Bytes>, String>> + std::marker::Send;
}

/// The half that writes.
pub(crate) trait Send: std::marker::Send + 'static {
    /// Hands a message over; it may still be buffered afterwards.
    fn feed(
        &mut self,
        message: String,
    ) -> impl Future<Output = Result<(), String>> + std::marker::Send;
    /// Writes what is buffered.
    fn flush(&mut self) -> impl Future<Output = Result<(), String>> + std::marker::Send;
    /// Says goodbye, best effort, within a bounded time.
    fn close(&mut self) -> impl Future<Output = ()> + std::marker::Send;
}

/// Messages taken from the queue before they are flushed: many small calls at once become one write.
const BATCH: usize = 32;

/// Runs a connection to its end and tells everyone who waits.
pub(crate) async fn drive<R: Receive, S: Send>(
    mut receiver: R,
    mut sender: S,
    mut messages: mpsc::Receiver<String>,
    replies: mpsc::WeakSender<String>,
    stopped: watch::Receiver<bool>,
    calls: Arc<Calls>,
    child: Option<Child>,
) {
    let read = async {
        loop {
            match receiver.receive().await {
                Ok(Some(message)) => match calls.receive(&message, &replies) {
                    Err(error) => break error,
                    Ok(Some(behind)) => behind.caught_up().await,
                    Ok(None) => {}
                },
                Ok(None) => break ClientError::Closed("the server closed it".into()),
                Err(reason) => break ClientError::Closed(reason),
            }
        }
    };
    let write = async {
        let mut batch = Vec::with_capacity(BATCH);
        let mut stopped = stopped.clone();
        let mut closing = false;
        loop {
            let taken = tokio::select! {
                biased;
                taken = messages.recv_many(&mut batch, BATCH) => taken,
                // What was queued before still goes out. An error means that the client is gone, which is the same.
                _ = stopped.wait_for(|stop| *stop), if !closing => {
                    closing = true;
                    messages.close();
                    continue;
                }
            };
            if taken == 0 {
                return ClientError::Closed("it was closed here".into());
            }
            let written = async {
                for message in batch.drain(..) {
                    sender.feed(message).await?;
                }
                sender.flush().await
            };
            if let Err(reason) = written.await {
                return ClientError::Closed(reason);
            }
        }
    };
    let stop = async {
        let _ = stopped.clone().wait_for(|stop| *stop).await;
        // A server that takes nothing more does not hold us.
        tokio::time::sleep(limits::GOODBYE).await;
        ClientError::Closed("it was closed here".into())
    };
    let gone = async {
        match &child {
            Some(child) => child.exited().await,
            None => std::future::pending().await,
        }
        tokio::time::sleep(limits::LINGER).await;
        ClientError::Closed("the server has exited".into())
    };
    let reason = tokio::select! {
        reason = read => reason,
        reason = write => reason,
        reason = stop => reason,
        reason = gone => reason,
    };
    tracing::debug!(%reason, "connection ended");
    messages.close();
    calls.fail(reason);
    sender.close().await;
    drop((receiver, sender));
    if let Some(child) = child {
        child.end().await;
    }
}
