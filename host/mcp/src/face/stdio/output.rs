//! What is written, a message a line: answers of the SDK, those of whole batches, and refusals of what never came to the SDK.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex as Locked, MutexGuard, PoisonError};

use rmcp::model::{JsonRpcMessage, ProtocolVersion, RequestId, ServerJsonRpcMessage, ServerResult};
use serde_json::Value;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::Mutex;

use super::batches::Batches;
use crate::face::limits;

/// Clones write to the same.
pub(super) struct Output<W>(Arc<Inner<W>>);

struct Inner<W> {
    /// None once it is closed.
    writer: Mutex<Option<W>>,
    state: Locked<State>,
}

#[derive(Default)]
struct State {
    batches: Batches,
    /// The protocol's version, once it is settled.
    version: Option<ProtocolVersion>,
    /// Refusals that are not written yet.
    refusals: VecDeque<Value>,
}

impl<W> Clone for Output<W> {
    fn clone(&self) -> Output<W> {
        Output(Arc::clone(&self.0))
    }
}

impl<W: AsyncWrite + Send + Unpin + 'static> Output<W> {
    pub(super) fn new(writer: W) -> Output<W> {
        Output(Arc::new(Inner {
            writer: Mutex::new(Some(writer)),
            state: Locked::default(),
        }))
    }

    /// The protocol's version, once it is settled.
    pub(super) fn version(&self) -> Option<ProtocolVersion> {
        self.state().version.clone()
    }

    /// Whether a batch waits for the answer to a request of that id.
    pub(super) fn waits_for(&self, id: &RequestId) -> bool {
        self.state().batches.waits_for(id)
    }

    /// A batch has come: the requests that are answered later, and the answers that there are.
    pub(super) fn begin(&self, requests: Vec<RequestId>, answers: Vec<Value>) {
        let whole = self.state().batches.begin(requests, answers);
        self.refuse_all(whole);
    }

    /// A request has been cancelled, and will have no answer.
    pub(super) fn cancelled(&self, id: &RequestId) {
        let whole = self.state().batches.cancelled(id);
        self.refuse_all(whole);
    }

    /// Not within the future of whoever hears: that is given up whenever something else happens.
    pub(super) fn refuse(&self, refusal: Value) {
        self.refuse_all(Some(refusal));
    }

    fn refuse_all(&self, refusal: Option<Value>) {
        let Some(refusal) = refusal else { return };
        {
            let mut state = self.state();
            // Nobody reads them.
            if state.refusals.len() >= limits::REFUSALS {
                return;
            }
            state.refusals.push_back(refusal);
        }
        let output = self.clone();
        tokio::spawn(async move {
            let mut writer = output.0.writer.lock().await;
            // It fails where nobody reads any more.
            let _ = output.catch_up(&mut writer).await;
        });
    }

    pub(super) async fn send(self, message: ServerJsonRpcMessage) -> io::Result<()> {
        if let JsonRpcMessage::Response(response) = &message
            && let ServerResult::InitializeResult(begun) = &response.result
        {
            self.state().version = Some(begun.protocol_version.clone());
        }
        let id = match &message {
            JsonRpcMessage::Response(response) => Some(&response.id),
            JsonRpcMessage::Error(error) => error.id.as_ref(),
            _ => None,
        };
        let waits = id.filter(|id| self.waits_for(id)).cloned();
        let mut writer = self.0.writer.lock().await;
        match waits {
            Some(id) => {
                let answer = serde_json::to_value(&message)?;
                let whole = self.state().batches.answered(&id, answer);
                match whole {
                    Some(whole) => write(&mut writer, &whole).await,
                    None => Ok(()),
                }
            }
            None => write(&mut writer, &message).await,
        }
    }

    /// Writes what there is, and nothing more.
    pub(super) async fn close(&self) -> io::Result<()> {
        let mut writer = self.0.writer.lock().await;
        let rest = self.state().batches.end();
        self.state().refusals.extend(rest);
        let outcome = self.catch_up(&mut writer).await;
        drop(writer.take());
        outcome
    }

    async fn catch_up(&self, writer: &mut Option<W>) -> io::Result<()> {
        loop {
            let next = self.state().refusals.pop_front();
            let Some(next) = next else { return Ok(()) };
            write(writer, &next).await?;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn write<W: AsyncWrite + Unpin>(
    writer: &mut Option<W>,
    message: &impl serde::Serialize,
) -> io::Result<()> {
    let Some(writer) = writer else {
        return Err(io::ErrorKind::NotConnected.into());
    };
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    writer.write_all(&line).await?;
    writer.flush().await
}
