//! `fs/open`, `fs/readBlock`, `fs/close`: a file in blocks.

use std::sync::Arc;

use lockgate_capfs::operation::Follow;
use lockgate_wire::fs::{CloseParams, OpenMode, OpenParams, OpenResult, ReadBlockParams};
use lockgate_wire::{Empty, block_result};

use super::gate::{Gate, Raw};
use crate::dispatch::{Answer, Answered, Caller, Request};
use crate::failure::Failure;
use crate::handlers::lockgate::tree;
use crate::handles::{Held, Use, unknown};
use crate::lane::{Asked, Order, Work};
use crate::limits;

pub(crate) fn open(caller: &mut Caller, request: Request<'_>) -> Answered {
    let params: OpenParams<Raw<'_>> = request.params()?;
    if params.mode != OpenMode::Read {
        return Err(Failure::invalid_params(
            "mode `replace` is not supported here: capabilities.fileWriteStreaming is false",
        ));
    }
    let gate = Gate::new(caller, params.sandbox)?;
    let handles = Arc::clone(caller.handles());
    let path = params.path.path;
    let handle = handles.take(&params.handle_id, Use::File)?;
    let job = move |_: &Asked| Ok(gate.files()?.open(&path, Follow::Links)?);
    let done = move |work: Work, file| {
        let outcome = match file {
            Ok(file) => {
                handle.opened(Held::File(file));
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
    caller.files().run(Order::Alone, pending, job, done);
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
        let Some(Held::File(file)) = handle.held() else {
            return Err(unknown(&params.handle_id));
        };
        let outcome = file.read_at(params.offset, len);
        let ended = outcome.as_ref().map_or(true, |data| data.len() < len);
        if ended {
            // At the end of the file and on errors the handle closes by itself.
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

pub(crate) fn close(caller: &mut Caller, request: Request<'_>) -> Answered {
    let params: CloseParams = request.params()?;
    // Blocks that were asked for before hold the file.
    caller.handles().close(&params.handle_id);
    request.reply(&Empty {})
}
