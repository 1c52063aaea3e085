//! `process/write`: bytes for standard input, in the order in which they came.

use std::sync::Arc;

use lockgate_policy_gate::ActionKind;
use lockgate_process::Process;
use lockgate_wire::process::{WriteParams, WriteResult, WriteStatus};
use tokio::sync::OwnedMutexGuard;

use super::session;
use crate::dispatch::{Answer, Answered, Caller, Request};
use crate::failure::Failure;
use crate::limits;
use crate::outbox::Outbox;
use crate::pending::Pending;
use crate::policy::{Guard, process_writes};
use crate::queued::{Waiting, queued};
use crate::slot::Slot;

pub(crate) fn write(caller: &Caller, request: Request<'_>) -> Answered {
    let params: WriteParams<'_> = request.params()?;
    let data = params
        .chunk
        .decode()
        .map_err(|error| Failure::invalid_params(format!("chunk is not base64: {error}")))?;
    if let Some(id) = &params.write_id
        && id.len() > limits::WRITE_ID_BYTES
    {
        return Err(Failure::invalid_params(format!(
            "writeId must have at most {} bytes, it has {}",
            limits::WRITE_ID_BYTES,
            id.len()
        )));
    }
    let Some(slot) = session(caller)?.slot(params.process_id.as_str()) else {
        return request.reply(&WriteResult {
            status: WriteStatus::UnknownProcess,
        });
    };
    let outbox = Arc::clone(caller.outbox());
    let write = Write {
        slot,
        data,
        write_id: params.write_id,
    };
    let guard = caller.guard().clone();
    let slot = Arc::clone(&write.slot);
    let waiting: Waiting<_> = match queued(async move { turn(&slot, &outbox).await }) {
        // Mostly so, and nobody wants to see what is written.
        Ok(Ok(turn)) if !guard.wants(ActionKind::ProcessWrite) => {
            match queued(async move { (write.now().await, turn) }) {
                Ok((outcome, _turn)) => return request.reply(&outcome?),
                Err(waiting) => {
                    let pending = caller.pending(request);
                    tokio::spawn(async move {
                        let (outcome, turn) = waiting.await;
                        // The next one's answer comes after this one.
                        pending.finish(outcome);
                        drop(turn);
                    });
                    return Ok(Answer::Later);
                }
            }
        }
        Ok(turn) => Box::pin(async move { turn }),
        Err(waiting) => waiting,
    };
    let pending = caller.pending(request);
    let id = params.process_id;
    let guarded = queued(async move {
        match waiting.await {
            Ok(turn) => {
                let outcome = write.if_allowed(&guard, id.as_str(), &pending).await;
                pending.finish(outcome);
                drop(turn);
            }
            Err(failure) => pending.fail(&failure),
        }
    });
    if let Err(waiting) = guarded {
        tokio::spawn(waiting);
    }
    Ok(Answer::Later)
}

/// The turn of a write, or of the end of what is written, after those that came before it.
pub(crate) async fn turn(slot: &Slot, outbox: &Outbox) -> Result<OwnedMutexGuard<()>, Failure> {
    tokio::select! {
        biased;
        turn = Arc::clone(&slot.order).lock_owned() => Ok(turn),
        // Else a client that comes and goes could leave any number of writes to wait for a process that does
        // not read. A write whose turn has come is not given up: its id would be lost with it.
        () = outbox.closed() => Err(Failure::internal("the connection is gone")),
    }
}

/// Bytes on their way to a process.
struct Write {
    slot: Arc<Slot>,
    data: Vec<u8>,
    write_id: Option<String>,
}

impl Write {
    /// Writes it once policies, and whoever they want to agree, have let all of it pass. What comes behind it waits. Whether policies want to see it is
    /// asked now that its turn has come: it may have waited for a process that does not read, and the policies may be others.
    async fn if_allowed(
        self,
        guard: &Guard,
        process_id: &str,
        pending: &Pending,
    ) -> Result<WriteResult, Failure> {
        if guard.wants(ActionKind::ProcessWrite)
            && let Ready::Process(process) = self.ready()
        {
            let question = guard.question(ActionKind::ProcessWrite, || {
                process_writes(process_id, self.slot.argv0(), process.is_tty(), &self.data)
            });
            question.settle(pending).await?;
        }
        self.now().await
    }

    async fn now(self) -> Result<WriteResult, Failure> {
        let process = match self.ready() {
            Ready::Process(process) => process,
            Ready::Answered(status) => return Ok(WriteResult { status }),
        };
        process
            .write(self.data)
            .await
            .map_err(|_| Failure::internal("failed to write to process stdin"))?;
        if let Some(id) = &self.write_id {
            self.slot.written(id);
        }
        Ok(WriteResult {
            status: WriteStatus::Accepted,
        })
    }

    /// The process, unless the answer is known without it.
    fn ready(&self) -> Ready {
        let Some(process) = self.slot.process() else {
            return Ready::Answered(WriteStatus::UnknownProcess);
        };
        if !process.accepts_stdin() {
            return Ready::Answered(WriteStatus::StdinClosed);
        }
        let written = |id: &String| self.slot.was_written(id);
        match self.write_id.as_ref().is_some_and(written) {
            true => Ready::Answered(WriteStatus::Accepted),
            false => Ready::Process(process),
        }
    }
}

enum Ready {
    Process(Arc<Process>),
    Answered(WriteStatus),
}
