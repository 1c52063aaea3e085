//! `process/read`: what a process wrote, at once or as a long poll.

use std::time::Duration;

use lockgate_process::{Process, Snapshot};
use lockgate_wire::process::{OutputChunk, ReadParams, ReadResult};
use lockgate_wire::{Base64, read_result};
use tokio::time::Instant;

use super::processes::{session, started, unknown};
use crate::dispatch::{Answer, Answered, Caller, Request};
use crate::lane::Answers;
use crate::limits;
use crate::outbox::wire_stream;
use crate::pending::Pending;
use crate::slot::Slot;

pub(crate) fn read(caller: &Caller, request: Request<'_>) -> Answered {
    let params: ReadParams = request.params()?;
    let session = session(caller)?;
    let id = params.process_id.as_str();
    let slot = session.slot(id).ok_or_else(|| unknown(id))?;
    session.client_reads(&slot);
    if let (Some(process), Some(after)) = (slot.process(), params.after_seq) {
        process.log().acknowledge(after);
    }
    let read = Read {
        after: params.after_seq.unwrap_or(0),
        max_bytes: params
            .max_bytes
            .map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
        answers: caller.files().answers().clone(),
    };
    let wait = Duration::from_millis(params.wait_ms.unwrap_or(0));
    if let Some(process) = slot.process()
        && (wait.is_zero() || process.log().ready(read.after))
    {
        let result = read.take(&process);
        let bytes = size(&result);
        if bytes <= limits::SMALL_ANSWER_BYTES {
            answered(&slot, &process, &result);
            return Ok(Answer::Now(read_result(&request.id, &result)));
        }
        if let Some(share) = read.answers.try_take(bytes) {
            answered(&slot, &process, &result);
            let pending = caller.pending(request);
            let text = read_result(pending.id(), &result);
            pending.send(text, Some(share));
            return Ok(Answer::Later);
        }
    }
    let pending = caller.pending(request);
    let id = params.process_id;
    tokio::spawn(async move {
        if let Some(process) = started(&slot).await {
            tokio::select! {
                () = read.wait(&process, wait) => {}
                () = pending.moot() => return,
            }
            read.answer(&slot, &process, pending).await;
        } else {
            pending.fail(&unknown(id.as_str()));
        }
    });
    Ok(Answer::Later)
}

/// One `process/read`.
struct Read {
    after: u64,
    max_bytes: Option<usize>,
    answers: Answers,
}

impl Read {
    fn take(&self, process: &Process) -> ReadResult {
        let snapshot: Snapshot = process.log().snapshot(self.after, self.max_bytes);
        ReadResult {
            chunks: snapshot
                .chunks
                .into_iter()
                .map(|chunk| OutputChunk {
                    seq: chunk.seq,
                    stream: wire_stream(chunk.stream),
                    chunk: Base64(chunk.data),
                })
                .collect(),
            next_seq: snapshot.next_seq,
            exited: snapshot.exited,
            exit_code: snapshot.exit_code,
            closed: snapshot.closed,
            failure: snapshot.exceeded.map(|exceeded| exceeded.to_string()),
            sandbox_denied: false,
        }
    }

    /// Waits until there is something to tell, or for as long as the client wanted.
    async fn wait(&self, process: &Process, wait: Duration) {
        // A wait beyond what the clock can hold is a wait without end.
        let deadline = Instant::now().checked_add(wait);
        loop {
            let changed = process.log().changed();
            if process.log().ready(self.after) {
                return;
            }
            match deadline {
                None => changed.await,
                Some(deadline) => {
                    if tokio::time::timeout_at(deadline, changed).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    async fn answer(&self, slot: &Slot, process: &Process, pending: Pending) {
        let mut result = self.take(process);
        let mut share = None;
        if size(&result) > limits::SMALL_ANSWER_BYTES {
            share = self.answers.try_take(size(&result));
            if share.is_none() {
                // Nothing is held in memory while waiting; what the log keeps is asked for again.
                drop(result);
                tokio::select! {
                    taken = self.answers.take(READ_ANSWER) => share = taken,
                    () = pending.moot() => return,
                }
                result = self.take(process);
            }
        }
        answered(slot, process, &result);
        let text = read_result(pending.id(), &result);
        pending.send(text, share);
    }
}

/// The client has these chunks, or is about to.
fn answered(slot: &Slot, process: &Process, result: &ReadResult) {
    if let Some(last) = result.chunks.last() {
        slot.reading.read_up_to(process.log(), last.seq);
    }
}

/// The largest answer of one read: the log's 1 MiB in base64, and its chunks' members.
const READ_ANSWER: usize = 4 << 20;

fn size(result: &ReadResult) -> usize {
    result
        .chunks
        .iter()
        .map(|chunk| 64 + chunk.chunk.len() / 3 * 4)
        .sum()
}
