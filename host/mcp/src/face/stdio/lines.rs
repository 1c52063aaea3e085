//! The transport below the SDK: messages a line, and batches where the session's version of the protocol has them.
//!
//! Everything that comes is answered here which the SDK would not answer: what is no message, what is too long, and a batch that may not be. A client would wait for
//! ever.

use std::collections::{HashSet, VecDeque};
use std::io;

use rmcp::RoleServer;
use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, ClientRequest, JsonRpcMessage, ProtocolVersion,
};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use super::input::Input;
use super::output::Output;
use super::oversized::Oversized;
use crate::face::messages::{self, Heard, Refused};

/// Lines in both directions.
pub(super) struct Lines<R, W> {
    input: Input<R>,
    output: Output<W>,
    oversized: mpsc::Receiver<Oversized>,
    /// What has come and the SDK has not got yet.
    heard: VecDeque<ClientJsonRpcMessage>,
    /// `initialize` has come. Its answer may not have gone: clients may go on at once.
    has_begun: bool,
}

impl<R, W> Lines<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    /// `oversized`: what was too long in `input`.
    pub(super) fn new(input: R, output: W, oversized: mpsc::Receiver<Oversized>) -> Self {
        Lines {
            input: Input::new(input),
            output: Output::new(output),
            oversized,
            heard: VecDeque::new(),
            has_begun: false,
        }
    }

    /// The next message; none at the end of the input.
    async fn next(&mut self) -> Option<ClientJsonRpcMessage> {
        loop {
            if let Some(message) = self.heard.pop_front() {
                return Some(message);
            }
            let line = tokio::select! {
                biased;
                Some(Oversized { id, bytes }) = self.oversized.recv() => {
                    self.output.refuse(Refused::too_long(bytes).about(id).answer());
                    continue;
                }
                line = self.input.next() => line,
            };
            let line = match line {
                Ok(line) => line?,
                Err(error) => {
                    tracing::warn!("the input cannot be read any more: {error}");
                    return None;
                }
            };
            if line.is_empty() {
                continue;
            }
            match messages::heard(line) {
                Ok(Heard::One(message)) => {
                    self.has_begun |= is_initialize(&message);
                    if !self.has_begun
                        && let Some(refused) = messages::is_too_early(line)
                    {
                        self.output.refuse(refused.answer());
                        continue;
                    }
                    heed(&self.output, &message);
                    return Some(*message);
                }
                Ok(Heard::Batch(parts)) => match refuses(&self.output, &parts) {
                    Some(refused) => self.output.refuse(refused.answer()),
                    None => self.heard.extend(split(&self.output, parts)),
                },
                Ok(Heard::Nothing) => {}
                Err(refused) => self.output.refuse(refused.answer()),
            }
        }
    }
}

fn is_initialize(message: &ClientJsonRpcMessage) -> bool {
    matches!(message, JsonRpcMessage::Request(request) if matches!(request.request, ClientRequest::InitializeRequest(_)))
}

/// What a client cancels has no answer any more that a batch could wait for.
fn heed<W: AsyncWrite + Send + Unpin + 'static>(
    output: &Output<W>,
    message: &ClientJsonRpcMessage,
) {
    if let JsonRpcMessage::Notification(notification) = message
        && let ClientNotification::CancelledNotification(cancelled) = &notification.notification
        && let Some(id) = &cancelled.params.request_id
    {
        output.cancelled(id);
    }
}

/// Why that is no batch that is taken here.
fn refuses<W: AsyncWrite + Send + Unpin + 'static>(
    output: &Output<W>,
    parts: &[&RawValue],
) -> Option<Refused> {
    let version = output.version();
    match version {
        None => Some(Refused::request(
            "a session begins with `initialize`, which comes by itself: nothing of this batch was done",
        )),
        Some(version) if version != ProtocolVersion::V_2025_03_26 => {
            Some(messages::no_batches(&version))
        }
        Some(_) => messages::is_no_batch(parts.len()),
    }
}

/// The messages of a batch that are for the SDK.
fn split<W: AsyncWrite + Send + Unpin + 'static>(
    output: &Output<W>,
    parts: Vec<&RawValue>,
) -> Vec<ClientJsonRpcMessage> {
    let (mut heard, mut requests, mut answers) = (Vec::new(), HashSet::new(), Vec::new());
    for part in parts {
        let is_known = |id: &_| requests.contains(id) || output.waits_for(id);
        match messages::of_batch(part, is_known) {
            Ok(None) => {}
            Ok(Some(message)) => {
                if let JsonRpcMessage::Request(request) = &*message {
                    requests.insert(request.id.clone());
                }
                heard.push(*message);
            }
            Err(refused) => answers.push(refused.answer()),
        }
    }
    output.begin(requests.into_iter().collect(), answers);
    for message in &heard {
        heed(output, message);
    }
    heard
}

impl<R, W> Transport<RoleServer> for Lines<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    type Error = io::Error;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = io::Result<()>> + Send + 'static {
        self.output.clone().send(message)
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        self.next().await
    }

    async fn close(&mut self) -> io::Result<()> {
        self.output.close().await
    }
}
