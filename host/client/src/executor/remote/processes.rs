//! Processes over a connection.

use std::sync::Arc;

use futures_util::stream;
use lockgate_wire::process::{StartParams, WriteStatus};
use lockgate_wire::{Method, ProcessId};
use uuid::Uuid;

use super::cannot;
use crate::executor::{Answer, Command, EventStream, Input, Processes, Running, Started};
use crate::{Client, ClientError, ProcessHandle};

impl Processes for Client {
    fn start<'a>(&'a self, command: &'a Command) -> Answer<'a, Started> {
        Box::pin(async move {
            // Given up, it is ended.
            let process = Client::start(self, &params(self, command)).await?;
            let events = stream::unfold(process.events, |mut events| async move {
                Some((events.next().await?, events))
            });
            Ok(Started {
                process: Arc::new(process.handle),
                events: EventStream::new(events),
                sandbox_type: process.sandbox_type,
            })
        })
    }
}

fn params(client: &Client, command: &Command) -> StartParams {
    let size = match command.input {
        Input::Terminal(size) => Some(size),
        Input::Nothing | Input::Pipe => None,
    };
    StartParams {
        // Of no other process of the session, whoever started it.
        process_id: ProcessId::from(Uuid::new_v4().to_string()),
        metadata: None,
        argv: command.argv.clone(),
        cwd: client.path(command.cwd.clone()),
        env_policy: command.env_policy.clone(),
        env: command.env.clone(),
        tty: size.is_some(),
        pipe_stdin: matches!(command.input, Input::Pipe),
        arg0: command.arg0.clone(),
        sandbox: command.sandbox.clone(),
        enforce_managed_network: false,
        managed_network: None,
        network_proxy: None,
        shell_snapshot: None,
        size,
        wait_for_reader: command.waits_for_reader,
    }
}

impl Running for ProcessHandle {
    fn id(&self) -> &str {
        ProcessHandle::id(self).as_str()
    }

    fn write<'a>(&'a self, bytes: &'a [u8]) -> Answer<'a, ()> {
        Box::pin(async move {
            let reason = match ProcessHandle::write(self, bytes).await? {
                WriteStatus::Accepted => return Ok(()),
                WriteStatus::StdinClosed => {
                    "its input is closed, or it was started without one (`Command::piped`)"
                }
                WriteStatus::UnknownProcess => "the executor does not know it (any more)",
                WriteStatus::Starting => "it has not started yet",
            };
            Err(ClientError::NotWritten { reason })
        })
    }

    fn close_stdin(&self) -> Answer<'_, ()> {
        Box::pin(async {
            let closed = ProcessHandle::close_stdin(self).await;
            closed.map_err(cannot("close the input of a process"))
        })
    }

    fn resize(&self, rows: u16, cols: u16) -> Answer<'_, ()> {
        Box::pin(async move {
            let resized = ProcessHandle::resize(self, rows, cols).await;
            resized.map_err(cannot("resize a terminal"))
        })
    }

    fn signal<'a>(&'a self, name: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            if self.client().has(Method::LockgateProcessSignal) {
                return ProcessHandle::signal(self, name).await;
            }
            let upper = name.to_ascii_uppercase();
            match upper.strip_prefix("SIG").unwrap_or(&upper) {
                "INT" => self
                    .interrupt()
                    .await
                    .map_err(cannot("send a signal to a process")),
                "KILL" => ProcessHandle::terminate(self).await.map(drop),
                _ => Err(ClientError::Unsupported {
                    what: "send other signals than INT and KILL",
                }),
            }
        })
    }

    fn terminate(&self) -> Answer<'_, bool> {
        Box::pin(ProcessHandle::terminate(self))
    }

    fn give_up(&self) {
        self.client().calls().give_up(ProcessHandle::id(self));
    }

    fn disconnected(&self) -> Option<ClientError> {
        self.client().calls().ended()
    }
}
