//! A process that was started here: its handle, to act on it, and its events.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lockgate_wire::lockgate::process::{AcknowledgedStart, CloseStdinParams, ResizeParams};
use lockgate_wire::process::{
    ReadParams, ReadResult, Signal, SignalParams, StartParams, StartResult, TerminateParams,
    TerminateResult, WriteParams, WriteResult, WriteStatus,
};
use lockgate_wire::{Base64Text, Empty, Method, ProcessId, lockgate};

use crate::events::Events;
use crate::queue::Queue;
use crate::routes::Begins;
use crate::{Approver, Awaited, Client, ClientError};

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
    ///
    /// A start that is given up, by dropping the future or because its time is over, ends the process if it has come to one: at once, or when a
    /// connection that is lost meanwhile is back. That holds for one that was interrupted, too, since nobody could follow it. Start again with
    /// another id then: the first one is taken until the process has ended, and servers keep the ids of those that ran for a while after that.
    pub async fn start(&self, params: &StartParams) -> Result<Process, ClientError> {
        let acknowledges = params.wait_for_reader && self.has(Method::LockgateProcessAcknowledge);
        let queue = Queue::new(self.waits_for_readers(), acknowledges);
        let handle = self.handle(&params.process_id);
        // Also forgets the route when the start fails.
        let events = Events::new(handle.clone(), Arc::clone(&queue));
        let begins = Begins::Process(&params.process_id, &queue);
        let method = Method::ProcessStart.name();
        let started = if acknowledges {
            let params = AcknowledgedStart {
                start: params,
                reader_acknowledges: true,
            };
            self.begin(method, &params, begins).await
        } else {
            self.begin(method, params, begins).await
        };
        if let Err(ClientError::Protocol(_)) = &started {
            // It was answered, and with what makes no sense.
            self.calls().give_up(&params.process_id);
        }
        let StartResult { sandbox_type, .. } = started.map_err(|error| match error {
            ClientError::Timeout {
                of: Awaited::Answer { .. },
                after,
            } => ClientError::Timeout {
                of: Awaited::Start {
                    process: params.process_id.to_string(),
                },
                after,
            },
            error => error,
        })?;
        Ok(Process {
            handle,
            events: events.begun(),
            sandbox_type,
        })
    }

    /// Follows a process of this session that was started before, by whatever program: its events from the first one on that the server
    /// still has ([`Event::Lost`](crate::Event::Lost) says how many it has not), then as they happen. A process may have any number of readers.
    pub async fn attach(&self, process_id: &ProcessId) -> Result<Process, ClientError> {
        let handle = self.handle(process_id);
        let events = handle.events().await?;
        Ok(Process {
            handle,
            events,
            sandbox_type: None,
        })
    }

    fn handle(&self, process_id: &ProcessId) -> ProcessHandle {
        ProcessHandle {
            client: self.clone(),
            id: process_id.clone(),
            writes: Arc::new(Writes::new()),
        }
    }
}

/// Names for writes, by which a server knows one that is repeated.
#[derive(Debug)]
struct Writes {
    /// The process may have been written to before, under names of another handle.
    of: u64,
    last: AtomicU64,
}

impl Writes {
    fn new() -> Writes {
        Writes {
            // Random enough for names that only must not meet.
            of: RandomState::new().hash_one(std::process::id()),
            last: AtomicU64::new(0),
        }
    }

    fn next(&self) -> String {
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        format!("{:016x}-{number}", self.of)
    }
}

/// Acts on one process.
#[derive(Debug, Clone)]
pub struct ProcessHandle {
    client: Client,
    id: ProcessId,
    writes: Arc<Writes>,
}

impl ProcessHandle {
    /// Its key.
    pub fn id(&self) -> &ProcessId {
        &self.id
    }

    /// The same, with an approver of its own for what is done through it ([`Client::with_approver`]): whoever writes to a process may be another one than who
    /// started it.
    pub fn with_approver(&self, approver: Approver) -> ProcessHandle {
        ProcessHandle {
            client: self.client.with_approver(approver),
            ..self.clone()
        }
    }

    /// The connection it was started on.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Its events for one more reader, as with [`Client::attach`]. A process that was started with `wait_for_reader` waits for the slowest one: from
    /// here on nothing is lost for this one either.
    pub async fn events(&self) -> Result<Events, ClientError> {
        // Whether it was started so, the server knows.
        let acknowledges = self.client.has(Method::LockgateProcessAcknowledge);
        let queue = Queue::late(self.client.waits_for_readers(), acknowledges);
        self.client.calls().routes().follow(&self.id, &queue);
        let mut events = Events::new(self.clone(), queue);
        // Says at once if there is no such process.
        events.catch_up().await?;
        Ok(events.begun())
    }

    pub(crate) fn forget(&self, queue: &Arc<Queue>) {
        self.client.calls().routes().unfollow(&self.id, queue);
    }

    /// Queues bytes for its stdin, once: a write that a lost link interrupted is repeated under its name, by which servers of today know it.
    /// With servers of May 2026 it fails with [`ClientError::Interrupted`], since there the bytes could arrive twice.
    pub async fn write(&self, data: &[u8]) -> Result<WriteStatus, ClientError> {
        let params = WriteParams {
            process_id: self.id.clone(),
            chunk: Base64Text::encode(data),
            write_id: Some(self.writes.next()),
        };
        loop {
            let method = Method::ProcessWrite.name();
            match self.client.call(method, &params).await {
                Ok(WriteResult { status }) => return Ok(status),
                Err(ClientError::Interrupted { .. }) if self.client.knows_writes() => {}
                Err(error) => return Err(error),
            }
        }
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
