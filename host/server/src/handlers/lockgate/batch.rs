//! `lockgate/fs/batch`: many file operations with one round trip, one place in the lane and one scope.
//!
//! Each operation is what a request of its own would be, and gets what that would be answered: also one that does not decode, or whose
//! result has no room any more, fails by itself. Only what concerns all of them refuses the whole batch.

use std::time::Instant;

use lockgate_capfs::Files;
use lockgate_wire::lockgate::batch::{BatchAnswer, BatchOperation, BatchParams};
use lockgate_wire::{Base64, Method, Verbatim, code, decode_params};
use tokio::sync::OwnedSemaphorePermit;

use super::{names, writing};
use crate::dispatch::{Answer, Answered, Caller, Request};
use crate::failure::Failure;
use crate::handlers::files::{self, Gate, OneShot, Raw, ReadFile};
use crate::lane::{Asked, Order};
use crate::limits;

/// An operation that was decoded: it gets the files and the bytes that its result may have.
type Operation = Box<dyn FnOnce(&Files, usize) -> Result<String, Failure> + Send>;

/// An operation of a batch and what it takes to run it.
struct Item {
    order: Order,
    operation: Operation,
}

pub(crate) fn batch(caller: &mut Caller, request: Request<'_>) -> Answered {
    let params: BatchParams<Verbatim<'_>, Raw<'_>> = request.params()?;
    let count = params.operations.len();
    if count == 0 || count > limits::BATCH_OPERATIONS {
        return Err(Failure::invalid_params(format!(
            "operations must have 1 to {} items, it has {count}",
            limits::BATCH_OPERATIONS
        )));
    }
    let gate = Gate::new(caller, params.sandbox)?;
    let items: Vec<_> = params.operations.iter().map(decode).collect();
    let changes = items
        .iter()
        .any(|item| matches!(item, Ok(item) if item.order == Order::Alone));
    let order = if changes { Order::Alone } else { Order::Shared };
    let stop_on_error = params.stop_on_error;
    let job = move |asked: &Asked, share: Option<OwnedSemaphorePermit>| {
        let files = gate.files()?;
        let text = run(asked, &files, items, stop_on_error)?;
        let is_large = text.len() > limits::SMALL_ANSWER_BYTES;
        Ok((text, share.filter(|_| is_large)))
    };
    let pending = caller.pending(request);
    caller
        .files()
        .run_with_room(order, pending, limits::BATCH_BYTES, job);
    Ok(Answer::Later)
}

/// The answer. A failure when nobody waits for it any more.
fn run(
    asked: &Asked,
    files: &Files,
    items: Vec<Result<Item, Failure>>,
    stop_on_error: bool,
) -> Result<String, Failure> {
    let end = Instant::now() + limits::BATCH_TIME;
    let mut answer = BatchAnswer::new(asked.id());
    let mut stopped = false;
    // Errors for all that is still to come have to fit, too.
    let mut reserved = items.len() * NOT_DONE_BYTES;
    for item in items {
        asked.is_awaited()?;
        lockgate_capfs::workers::alive();
        reserved -= NOT_DONE_BYTES;
        let room = limits::BATCH_BYTES.saturating_sub(answer.bytes() + reserved);
        let outcome = if stopped {
            Err(not_done("an operation before it failed"))
        } else if Instant::now() >= end {
            Err(not_done("the time of the batch was over"))
        } else {
            item.and_then(|item| fitting((item.operation)(files, room)?, room))
        };
        match outcome {
            Ok(json) => answer.result(&json),
            Err(failure) => {
                stopped |= stop_on_error;
                answer.error(failure.code, shortened(&failure.message));
            }
        }
    }
    Ok(answer.finish())
}

/// What an error of ours takes in the answer, at most.
const NOT_DONE_BYTES: usize = 256;

fn not_done(why: &str) -> Failure {
    Failure::invalid_request(format!("not done: {why}"))
}

fn no_room() -> Failure {
    Failure::invalid_request(format!(
        "the result has no room in the answer of the batch ({} bytes in all): ask for it again",
        limits::BATCH_BYTES
    ))
}

fn fitting(json: String, room: usize) -> Result<String, Failure> {
    if json.len() > room {
        return Err(no_room());
    }
    Ok(json)
}

/// A message may quote what it was sent.
fn shortened(message: &str) -> &str {
    let end = message
        .char_indices()
        .map(|(at, _)| at)
        .take_while(|at| *at <= 1_024)
        .last();
    match message.len() {
        0..=1_024 => message,
        _ => &message[..end.unwrap_or(0)],
    }
}

fn decode(operation: &BatchOperation<Verbatim<'_>>) -> Result<Item, Failure> {
    let params = operation.params;
    match Method::from_name(&operation.method) {
        Some(Method::FsReadFile) => read_file(params),
        Some(Method::FsWriteFile) => item::<files::WriteFile>(params),
        Some(Method::FsCreateDirectory) => item::<files::CreateDirectory>(params),
        Some(Method::FsGetMetadata) => item::<files::GetMetadata>(params),
        Some(Method::FsCanonicalize) => item::<files::Canonicalize>(params),
        Some(Method::FsReadDirectory) => item::<files::ReadDirectory>(params),
        Some(Method::FsWalk) => item::<files::Walk>(params),
        Some(Method::FsRemove) => item::<files::Remove>(params),
        Some(Method::FsCopy) => item::<files::Copy>(params),
        Some(Method::LockgateFsRename) => item::<names::Rename>(params),
        Some(Method::LockgateFsSymlink) => item::<names::Symlink>(params),
        Some(Method::LockgateFsSetMode) => item::<names::SetMode>(params),
        Some(Method::LockgateFsSetTimes) => item::<names::SetTimes>(params),
        Some(Method::LockgateFsReplaceFile) => item::<writing::ReplaceFile>(params),
        Some(Method::LockgateFsAppendFile) => item::<writing::AppendFile>(params),
        Some(method) => Err(Failure {
            code: code::METHOD_NOT_FOUND,
            message: format!("`{}` cannot be an operation of a batch", method.name()),
        }),
        None => Err(Failure {
            code: code::METHOD_NOT_FOUND,
            message: "lockgate does not know this method".to_owned(),
        }),
    }
}

fn item<T: OneShot>(params: Option<Verbatim<'_>>) -> Result<Item, Failure> {
    let (operation, sandbox) = T::decode(decode_params(params).map_err(Failure::invalid_params)?)?;
    no_sandbox(sandbox)?;
    Ok(Item {
        order: T::ORDER,
        operation: Box::new(move |files, _| encode(&operation.run(files)?)),
    })
}

fn read_file(params: Option<Verbatim<'_>>) -> Result<Item, Failure> {
    let (operation, sandbox) =
        ReadFile::decode(decode_params(params).map_err(Failure::invalid_params)?);
    no_sandbox(sandbox)?;
    let read = move |files: &Files, room: usize| {
        let file = operation.open(files)?;
        // Looked at before it is read; what grew since is not cut but refused.
        let most = room as u64 / 4 * 3;
        if file.size > most {
            return Err(no_room());
        }
        let data_base64 = Base64(file.read_all(limits::FILE_BYTES.min(most))?);
        encode(&lockgate_wire::fs::ReadFileResult { data_base64 })
    };
    Ok(Item {
        order: Order::Shared,
        operation: Box::new(read),
    })
}

fn no_sandbox(sandbox: Option<Raw<'_>>) -> Result<(), Failure> {
    match sandbox {
        None => Ok(()),
        Some(_) => Err(Failure::invalid_params(
            "an operation of a batch has no sandbox of its own: give one for the batch, or make batches of one sandbox each",
        )),
    }
}

fn encode(result: &impl serde::Serialize) -> Result<String, Failure> {
    serde_json::to_string(result).map_err(|error| Failure::internal(error.to_string()))
}
