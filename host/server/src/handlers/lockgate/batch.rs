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
use crate::policy::{Decision, FileAction, Permit, Question};

/// An operation that was decoded.
struct Operation {
    /// What it needs of the files: to look, or to change something.
    order: Order,
    run: Run,
}

/// Gets the files, the permit and the bytes that the result may have.
type Run = Box<dyn FnOnce(&Files, &Permit, usize) -> Result<String, Failure> + Send>;

/// An operation of a batch and what it takes to run it.
struct Item {
    question: Question,
    operation: Operation,
}

/// An operation, and what policies are asked about it or have left of it; or why it is not done.
type Judged<T> = Result<(Operation, T), Failure>;

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
    let items: Vec<_> = {
        let ask = |action: &dyn Fn() -> FileAction| gate.question(caller, action);
        let decode = |operation| decode(operation, &ask);
        params.operations.iter().map(decode).collect()
    };
    let changes = items
        .iter()
        .any(|item| matches!(item, Ok(item) if item.operation.order == Order::Alone));
    let order = if changes { Order::Alone } else { Order::Shared };
    let stop_on_error = params.stop_on_error;
    let items: Vec<Judged<Question>> = items
        .into_iter()
        .map(|item| item.map(|item| (item.operation, item.question)))
        .collect();
    let question = move |asked: &Asked| decide(asked, items, stop_on_error);
    let job = move |asked: &Asked, items, share: Option<OwnedSemaphorePermit>| {
        let text = crate::fitting::fitting(run(asked, &gate, items, stop_on_error)?)?;
        let is_large = text.len() > limits::SMALL_ANSWER_BYTES;
        Ok((text, share.filter(|_| is_large)))
    };
    let pending = caller.pending(request);
    let bytes = limits::BATCH_BYTES;
    caller
        .files()
        .guarded_with_room(order, pending, bytes, question, job);
    Ok(Answer::Later)
}

/// Has policies decide about each operation before any of them is done; whatever somebody has to agree to is asked about at the same time.
fn decide(
    asked: &Asked,
    items: Vec<Judged<Question>>,
    stop_on_error: bool,
) -> Result<Decision<Vec<Judged<Permit>>>, Failure> {
    let mut stopped = false;
    let mut judged = Vec::with_capacity(items.len());
    for item in items {
        asked.is_awaited()?;
        let decided = match stopped {
            true => Err(not_done(FAILED_BEFORE)),
            false => item.and_then(|(operation, question)| Ok((operation, question.decide()?))),
        };
        stopped |= stop_on_error && decided.is_err();
        judged.push(decided);
    }
    let asks = |item: &Judged<Decision<Permit>>| matches!(item, Ok((_, Decision::Asks(_))));
    if judged.iter().any(asks) {
        let agreed = judged.into_iter().map(|item| async {
            match item? {
                (operation, Decision::Settled(permit)) => Ok((operation, permit)),
                (operation, Decision::Asks(asking)) => Ok((operation, asking.await?)),
            }
        });
        let all = futures_util::future::join_all(agreed);
        return Ok(Decision::Asks(Box::pin(async { Ok(all.await) })));
    }
    let settled = judged.into_iter().filter_map(|item| match item {
        Ok((operation, Decision::Settled(permit))) => Some(Ok((operation, permit))),
        Ok((_, Decision::Asks(_))) => None,
        Err(failure) => Some(Err(failure)),
    });
    Ok(Decision::Settled(settled.collect()))
}

/// The answer. A failure when nobody waits for it any more.
fn run(
    asked: &Asked,
    gate: &Gate,
    items: Vec<Judged<Permit>>,
    stop_on_error: bool,
) -> Result<String, Failure> {
    // Mostly all of them have the same.
    let mut at_hand: Option<(Order, Permit, Files)> = None;
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
            Err(not_done(FAILED_BEFORE))
        } else if Instant::now() >= end {
            Err(not_done("the time of the batch was over"))
        } else {
            item.and_then(|(operation, permit)| {
                let files = match at_hand.take() {
                    Some((order, of, files))
                        if order == operation.order && of.grants == permit.grants =>
                    {
                        files
                    }
                    _ => gate.files(operation.order, &permit)?,
                };
                let (_, permit, files) = at_hand.insert((operation.order, permit, files));
                let result = (operation.run)(files, permit, room);
                fitting(
                    result.map_err(|failure| permit.explained_under(files, failure))?,
                    room,
                )
            })
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

const FAILED_BEFORE: &str = "an operation before it failed";

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

/// Makes the question to policies about an operation.
type Ask<'a> = &'a dyn Fn(&dyn Fn() -> FileAction) -> Question;

fn decode(operation: &BatchOperation<Verbatim<'_>>, ask: Ask<'_>) -> Result<Item, Failure> {
    let params = operation.params;
    match Method::from_name(&operation.method) {
        Some(Method::FsReadFile) => read_file(params, ask),
        Some(Method::FsWriteFile) => item::<files::WriteFile>(params, ask),
        Some(Method::FsCreateDirectory) => item::<files::CreateDirectory>(params, ask),
        Some(Method::FsGetMetadata) => item::<files::GetMetadata>(params, ask),
        Some(Method::FsCanonicalize) => item::<files::Canonicalize>(params, ask),
        Some(Method::FsReadDirectory) => item::<files::ReadDirectory>(params, ask),
        Some(Method::FsWalk) => item::<files::Walk>(params, ask),
        Some(Method::FsRemove) => item::<files::Remove>(params, ask),
        Some(Method::FsCopy) => item::<files::Copy>(params, ask),
        Some(Method::LockgateFsRename) => item::<names::Rename>(params, ask),
        Some(Method::LockgateFsReadLink) => item::<names::ReadLink>(params, ask),
        Some(Method::LockgateFsSymlink) => item::<names::Symlink>(params, ask),
        Some(Method::LockgateFsSetMode) => item::<names::SetMode>(params, ask),
        Some(Method::LockgateFsSetTimes) => item::<names::SetTimes>(params, ask),
        Some(Method::LockgateFsReplaceFile) => item::<writing::ReplaceFile>(params, ask),
        Some(Method::LockgateFsAppendFile) => item::<writing::AppendFile>(params, ask),
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

fn item<T: OneShot>(params: Option<Verbatim<'_>>, ask: Ask<'_>) -> Result<Item, Failure> {
    let (operation, sandbox) = T::decode(decode_params(params).map_err(Failure::invalid_params)?)?;
    no_sandbox(sandbox)?;
    Ok(Item {
        question: ask(&|| operation.action()),
        operation: Operation {
            order: T::ORDER,
            run: Box::new(move |files, _, _| encode(&operation.run(files)?)),
        },
    })
}

fn read_file(params: Option<Verbatim<'_>>, ask: Ask<'_>) -> Result<Item, Failure> {
    let (operation, sandbox) =
        ReadFile::decode(decode_params(params).map_err(Failure::invalid_params)?);
    no_sandbox(sandbox)?;
    let question = ask(&|| operation.action());
    let read = move |files: &Files, permit: &Permit, room: usize| {
        let file = operation.open(files, permit)?;
        // Looked at before it is read; what grew since is not cut but refused.
        let most = room as u64 / 4 * 3;
        if file.size > most {
            return Err(no_room());
        }
        let most = permit.at_most(limits::FILE_BYTES.min(most));
        let data_base64 = Base64(permit.read(most, file.read_all(most))?);
        encode(&lockgate_wire::fs::ReadFileResult { data_base64 })
    };
    Ok(Item {
        question,
        operation: Operation {
            order: Order::Shared,
            run: Box::new(read),
        },
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
