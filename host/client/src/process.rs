//! A process that was started here: its handle, to act on it, and its events.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lockgate_wire::lockgate::process::{CloseStdinParams, ResizeParams};
use lockgate_wire::process::{
    ReadParams, ReadResult, Signal, SignalParams, StartParams, StartResult, TerminateParams,
    TerminateResult, WriteParams, WriteResult, WriteStatus,
};
use lockgate_wire::{Base64Text, Empty, Method, ProcessId, lockgate};

use crate::events::{Events, Queue};
use crate::{Client, ClientError};

/// A started process.
#[derive(Debug)]
pub struct Process {
    /// To act on it; cheap to clone.
    pub handle: ProcessHandle,
    /// What happens to it. There is one reader.
    pub events: Events,
    /// What the server said about the sandbox it runs in.
    pub sandbox_type: Option<String>,
}

impl Client {
    /// Starts a process. Its events are taken in from before the request is sent, so that none is missed.
    pub async fn start(&self, params: &StartParams) -> Result<Process, ClientError> {
        let queue = Arc::new(if self.waits_for_readers() {
            Queue::waited_for()
        } else {
            Queue::default()
        });
        if !self.calls().route(&params.process_id, &queue)? {
            return Err(ClientError::Unsendable {
                what: Method::ProcessStart.name().to_owned(),
                reason: format!(
                    "this client already follows a process `{}`",
                    params.process_id
                ),
            });
        }
        let handle = ProcessHandle {
            client: self.clone(),
            id: params.process_id.clone(),
            writes: Arc::new(AtomicU64::new(0)),
        };
        // Also forgets the route when the start fails.
        let events = Events::new(handle.clone(), queue);
        let StartResult { sandbox_type, .. } =
            self.call(Method::ProcessStart.name(), params).await?;
        Ok(Process {
            handle,
            events,
            sandbox_type,
        })
    }
}

/// Acts on one process.
#[derive(Debug, Clone)]
pub struct ProcessHandle {
    client: Client,
    id: ProcessId,
    writes: Arc<AtomicU64>,
}

impl ProcessHandle {
    /// Its key.
    pub fn id(&self) -> &ProcessId {
        &self.id
    }

    /// The connection it was started on.
    pub fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn forget(&self) {
        self.client.calls().unroute(&self.id);
    }

    /// Queues bytes for its stdin.
    pub async fn write(&self, data: &[u8]) -> Result<WriteStatus, ClientError> {
        let write_id = self.writes.fetch_add(1, Ordering::Relaxed) + 1;
        let params = WriteParams {
            process_id: self.id.clone(),
            chunk: Base64Text::encode(data),
            write_id: Some(write_id.to_string()),
        };
        let result: WriteResult = self
            .client
            .call(Method::ProcessWrite.name(), &params)
            .await?;
        Ok(result.status)
    }

    /// Reads retained output; the events are the better way to follow a process.
    pub async fn read(
        &self,
        after_seq: Option<u64>,
        max_bytes: Option<u64>,
        wait_ms: Option<u64>,
    ) -> Result<ReadResult, ClientError> {
        let params = ReadParams {
            process_id: self.id.clone(),
            after_seq,
            max_bytes,
            wait_ms,
        };
        self.client.call(Method::ProcessRead.name(), &params).await
    }

    /// SIGINT to its group.
    pub async fn interrupt(&self) -> Result<(), ClientError> {
        let params = SignalParams {
            process_id: self.id.clone(),
            signal: Signal::Interrupt,
        };
        let Empty {} = self
            .client
            .call(Method::ProcessSignal.name(), &params)
            .await?;
        Ok(())
    }

    /// SIGKILL to its group. True if it was running.
    pub async fn terminate(&self) -> Result<bool, ClientError> {
        let params = TerminateParams {
            process_id: self.id.clone(),
        };
        let result: TerminateResult = self
            .client
            .call_beyond_limit(Method::ProcessTerminate.name(), &params)
            .await?;
        Ok(result.running)
    }

    /// Extension: any signal by name. A server without it answers -32601.
    pub async fn signal(&self, name: &str) -> Result<(), ClientError> {
        let params = lockgate::process::SignalParams {
            process_id: self.id.clone(),
            signal: name.to_owned(),
        };
        let Empty {} = self
            .client
            .call(Method::LockgateProcessSignal.name(), &params)
            .await?;
        Ok(())
    }

    /// Extension: the window of its terminal has a new size.
    pub async fn resize(&self, rows: u16, cols: u16) -> Result<(), ClientError> {
        let params = ResizeParams {
            process_id: self.id.clone(),
            rows,
            cols,
        };
        let Empty {} = self
            .client
            .call(Method::LockgateProcessResize.name(), &params)
            .await?;
        Ok(())
    }

    /// Extension: the end of its input.
    pub async fn close_stdin(&self) -> Result<(), ClientError> {
        let params = CloseStdinParams {
            process_id: self.id.clone(),
        };
        let Empty {} = self
            .client
            .call(Method::LockgateProcessCloseStdin.name(), &params)
            .await?;
        Ok(())
    }
}
