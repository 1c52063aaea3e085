//! The SDK's transport of messages a line, which answers what is too long to be taken: a client would wait for ever.

use std::io;

use rmcp::RoleServer;
use rmcp::model::{ErrorData, JsonRpcMessage};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use rmcp::transport::async_rw::AsyncRwTransport;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use super::oversized::Oversized;
use crate::face::limits;

/// Lines in both directions.
pub(super) struct Lines<R: AsyncRead, W: AsyncWrite> {
    lines: AsyncRwTransport<RoleServer, R, W>,
    oversized: mpsc::Receiver<Oversized>,
}

impl<R, W> Lines<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    /// `oversized`: what was too long in `input`.
    pub(super) fn new(input: R, output: W, oversized: mpsc::Receiver<Oversized>) -> Self {
        let lines = AsyncRwTransport::new_server(input, output);
        Lines {
            lines: lines.with_max_line_length(limits::MESSAGE_BYTES),
            oversized,
        }
    }
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
        self.lines.send(message)
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            let Oversized { id, bytes } = tokio::select! {
                biased;
                Some(oversized) = self.oversized.recv() => oversized,
                message = self.lines.receive() => return message,
            };
            let most = limits::MESSAGE_BYTES / (1024 * 1024);
            let text = format!(
                "the message has {bytes} bytes, and {most} MiB are taken at most: give less at once"
            );
            let refusal = ErrorData::invalid_request(text, None);
            let refusal = JsonRpcMessage::error(refusal, Some(id));
            // Not within this future, which is given up whenever something else happens. It fails where nobody reads answers any more.
            tokio::spawn(self.lines.send(refusal));
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        self.lines.close().await
    }
}
