//! `fs/open`, `fs/readBlock`, `fs/writeBlock`, `fs/close`: a file in blocks.
//!
//! What opens, writes or closes a file that is written has the lane alone: blocks may be sent without waiting, and land in the order in
//! which they were sent.

use std::sync::Arc;

use lockgate_capfs::{AbsPath, FsError, OpenFor};
use lockgate_policy_gate::{Access, FileVerb};
use lockgate_wire::fs::{
    CloseParams, OpenMode, OpenParams, OpenResult, ReadBlockParams, WriteBlockParams,
};
use lockgate_wire::{Empty, block_result};
use rustix::io::Errno;

use super::follow;
use super::gate::{Gate, Raw};
use crate::dispatch::{Answer, Answered, Caller, Request};
use crate::failure::Failure;
use crate::handlers::lockgate::tree;
use crate::handles::{Held, Use, unknown};
use crate::lane::{Asked, Order, Work};
use crate::limits;
use crate::policy::{FileAction, Permit, file_verb};

pub(crate) fn open(caller: &mut Caller, request: Request<'_>) -> Answered {
    let params: OpenParams<Raw<'_>> = request.params()?;
    let gate = Gate::new(caller, params.sandbox)?;
    let handles = Arc::clone(caller.handles());
    let path = params.path.path;
    let taken_for = purpose(params.mode);
    let handle = handles.take(&params.handle_id, taken_for)?;
    let question = gate.questions(caller, || actions(params.mode, &path));
    let follow = follow(params.follow_symlinks);
    let job = move |_: &Asked, permit: Permit| {
        let order = match taken_for {
            Use::Writing(_) => Order::Alone,
            _ => Order::Shared,
        };
        let held = gate.with_files(order, &permit, |files| {
            Ok(match taken_for {
                Use::Writing(purpose) => Held::Writing(files.open_write(&path, purpose, follow)?),
                _ => Held::File(files.open(&path, follow)?),
            })
        })?;
        Ok((held, permit))
    };
    let done = move |work: Work, held| {
        let outcome = match held {
            Ok((held, permit)) => {
                handle.opened(held, permit);
                Ok(OpenResult {
                    handle_id: params.handle_id,
                })
            }
            Err(failure) => {
                handles.close_this(&params.handle_id, &handle);
                Err(failure)
            }
        };
        work.pending.finish(outcome);
    };
    // Alone, so that blocks asked for without waiting for this answer find the file.
    let pending = caller.pending(request);
    let decide = move |_: &Asked| question.decide();
    caller
        .files()
        .guarded(Order::Alone, pending, decide, job, done);
    Ok(Answer::Later)
}

pub(crate) fn read_block(caller: &mut Caller, request: Request<'_>) -> Answered {
    let params: ReadBlockParams = request.params()?;
    let len = usize::try_from(params.len).unwrap_or(usize::MAX);
    if len == 0 || len > limits::BLOCK_BYTES {
        return Err(Failure::invalid_params(format!(
            "len must be 1 to {}, it is {}",
            limits::BLOCK_BYTES,
            params.len
        )));
    }
    let handles = Arc::clone(caller.handles());
    let handle = handles.get(&params.handle_id)?;
    if handle.taken_for() == Use::Tree {
        return tree::read_block(
            caller,
            request,
            (params.handle_id, handle),
            params.offset,
            len,
        );
    }
    let job = move |asked: &Asked, share| {
        let outcome = match handle.held() {
            Some(Held::File(file)) => file.read_at(params.offset, len),
            Some(Held::Writing(file)) => file.read_at(params.offset, len),
            Some(Held::Tree(_)) | None => return Err(unknown(&params.handle_id)),
        };
        let outcome = outcome
            .map_err(Failure::from)
            .and_then(|data| handle.returns(data.len()).map(|()| data));
        let ended = outcome.as_ref().map_or(true, |data| data.len() < len);
        // At the end of the file and on errors the handle closes by itself; one that writes only on errors, as its file may grow.
        if ended && (outcome.is_err() || handle.taken_for() == Use::File) {
            handles.close_this(&params.handle_id, &handle);
        }
        Ok((block_result(asked.id(), &outcome?, ended), share))
    };
    let pending = caller.pending(request);
    caller
        .files()
        .run_with_room(Order::Shared, pending, len / 3 * 4, job);
    Ok(Answer::Later)
}

pub(crate) fn write_block(caller: &mut Caller, request: Request<'_>) -> Answered {
    let params: WriteBlockParams<'_> = request.params()?;
    let chunk = params
        .chunk
        .decode()
        .map_err(|error| Failure::invalid_params(format!("chunk must be base64: {error}")))?;
    if chunk.is_empty() || chunk.len() > limits::BLOCK_BYTES {
        return Err(Failure::invalid_request(format!(
            "chunk must have 1 to {} bytes, it has {}",
            limits::BLOCK_BYTES,
            chunk.len()
        )));
    }
    let handle_id = params.handle_id;
    let handle = caller.handles().get(&handle_id)?;
    let offset = match (handle.taken_for(), params.offset) {
        // Whatever it says: the end is where it goes.
        (Use::Writing(OpenFor::Append), _) => 0,
        (Use::Writing(_), Some(offset)) => offset,
        (Use::Writing(_), None) => {
            return Err(Failure::invalid_params(
                "missing field `offset`: only a file opened with mode `append` needs none",
            ));
        }
        // Opened for reading: in the system's own words.
        (Use::File, _) => return Err(FsError::from(Errno::BADF).into()),
        (Use::Tree, _) => {
            return Err(Failure::invalid_request(format!(
                "file handle `{handle_id}` is a tree: send its blocks with lockgate/fs/writeTreeBlock"
            )));
        }
    };
    // A failure leaves the handle open: what was written before is there, and the message tells how much of this.
    let job = move |_: &Asked| match handle.held() {
        Some(Held::Writing(file)) => Ok(file.write_at(offset, &chunk)?),
        _ => Err(unknown(&handle_id)),
    };
    let done = |work: Work, written: Result<(), Failure>| {
        work.pending.finish(written.map(|()| Empty {}));
    };
    let pending = caller.pending(request);
    caller.files().run(Order::Alone, pending, job, done);
    Ok(Answer::Later)
}

pub(crate) fn close(caller: &mut Caller, request: Request<'_>) -> Answered {
    let params: CloseParams = request.params()?;
    // Blocks that were asked for before hold the file.
    let handle = caller.handles().close(&params.handle_id);
    match handle {
        // Whoever hears that it is closed finds everything written.
        Some(handle) if matches!(handle.taken_for(), Use::Writing(_)) => {
            let job = move |_: &Asked| {
                drop(handle);
                Ok(Empty {})
            };
            let done = |work: Work, closed| work.pending.finish(closed);
            let pending = caller.pending(request);
            caller.files().run(Order::Alone, pending, job, done);
            Ok(Answer::Later)
        }
        _ => request.reply(&Empty {}),
    }
}

/// What is asked about: blocks of a file that is updated can also be read.
fn actions(mode: OpenMode, path: &AbsPath) -> Vec<FileAction> {
    let read = file_verb(FileVerb::Read, path, Access::Read);
    let write = file_verb(FileVerb::Write, path, Access::Write);
    match mode {
        OpenMode::Read => vec![read],
        OpenMode::Replace => vec![write],
        OpenMode::Update => vec![read, write],
        OpenMode::Append => vec![file_verb(FileVerb::Append, path, Access::Write)],
    }
}

fn purpose(mode: OpenMode) -> Use {
    match mode {
        OpenMode::Read => Use::File,
        OpenMode::Replace => Use::Writing(OpenFor::Replace),
        OpenMode::Append => Use::Writing(OpenFor::Append),
        OpenMode::Update => Use::Writing(OpenFor::Update),
    }
}
