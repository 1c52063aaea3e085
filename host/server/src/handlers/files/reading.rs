//! `fs/readFile`: all bytes of a file in one answer.

use std::cell::RefCell;

use lockgate_capfs::operation::Follow;
use lockgate_capfs::{AbsPath, Files, FsError, OpenFile};
use lockgate_policy_gate::{Access, FileVerb};
use lockgate_wire::fs::ReadFileParams;
use lockgate_wire::{Id, file_result};
use tokio::sync::OwnedSemaphorePermit;

use super::follow;
use super::gate::{Gate, Raw};
use crate::dispatch::{Answer, Answered, Caller, Request};
use crate::failure::Failure;
use crate::handles::Closing;
use crate::lane::{Asked, Encoded, Order, Work};
use crate::limits;
use crate::policy::{FileAction, Permit, file_verb};

/// `fs/readFile`, decoded. No [`OneShot`](super::OneShot): its answer is encoded from the file's bytes, and large ones wait for room.
pub(crate) struct ReadFile {
    path: AbsPath,
    follow: Follow,
}

impl ReadFile {
    pub(crate) fn decode(params: ReadFileParams<Raw<'_>>) -> (ReadFile, Option<Raw<'_>>) {
        let operation = ReadFile {
            path: params.path.path,
            follow: follow(params.follow_symlinks),
        };
        (operation, params.sandbox)
    }

    /// What it is to a policy.
    pub(crate) fn action(&self) -> FileAction {
        file_verb(FileVerb::Read, &self.path, Access::Read)
    }

    /// The file, if it is small enough for one message and for the permit.
    pub(crate) fn open(&self, files: &Files, permit: &Permit) -> Result<OpenFile, Failure> {
        let file = files.open(&self.path, self.follow)?;
        permit.allows(file.size)?;
        fits(&file)?;
        Ok(file)
    }

    /// A small file's contents where they are at hand without blocking.
    fn try_read(&self, files: &Files, permit: &Permit) -> Option<Result<Vec<u8>, FsError>> {
        let most = permit.at_most(limits::INLINE_FILE_BYTES);
        match files.try_open(&self.path, self.follow)? {
            Ok(file) if file.size <= most => file.try_read_all(most),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

pub(crate) fn read_file(caller: &mut Caller, request: Request<'_>) -> Answered {
    let (operation, sandbox) = ReadFile::decode(request.params()?);
    let gate = Gate::new(caller, sandbox)?;
    let mut question = gate.question(caller, || operation.action());
    if let Some(_place) = caller.files().try_shared() {
        question = question.at_once()?;
        if let Some(permit) = question.permit()
            && let Some(files) = gate.files_at_hand(permit)
            && let Some(data) = operation.try_read(&files, permit)
        {
            let most = permit.at_most(limits::INLINE_FILE_BYTES);
            let data = permit
                .read(most, data)
                .map_err(|failure| permit.explained(failure))?;
            return Ok(Answer::Now(file_result(&request.id, &data)));
        }
    }
    let workers = caller.service().workers().clone();
    let job = move |asked: &Asked, permit: Permit| {
        let file = gate
            .files_to_look_at(&permit)
            .and_then(|files| operation.open(&files, &permit))
            .map_err(|failure| permit.explained(failure))?;
        match asked.try_room(room(&file)) {
            Some(share) => encoded(&file, &permit, asked, share).map(Read::Encoded),
            None => Ok(Read::Opened(Closing::new(file, workers), permit)),
        }
    };
    let done = |work: Work, outcome: Result<Read, Failure>| match outcome {
        Ok(Read::Encoded(answer)) => work.deliver(Ok(answer)),
        Ok(Read::Opened(file, permit)) => {
            let room = room(&file);
            let job = move |asked: &Asked, share| encoded(&file, &permit, asked, share);
            work.with_room(room, job, Work::deliver);
        }
        Err(failure) => work.deliver(Err(failure)),
    };
    let pending = caller.pending(request);
    let decide = move |_: &Asked| question.decide();
    caller
        .files()
        .guarded(Order::Shared, pending, decide, job, done);
    Ok(Answer::Later)
}

/// How far a read has come on its first thread.
enum Read {
    Encoded(Encoded),
    /// The connection has no room for the answer yet.
    Opened(Closing<OpenFile>, Permit),
}

/// Bytes that the answer with all of a file will have, about.
fn room(file: &OpenFile) -> usize {
    usize::try_from(file.size).unwrap_or(usize::MAX) / 3 * 4
}

/// The answer with all of a file.
fn encoded(
    file: &OpenFile,
    permit: &Permit,
    asked: &Asked,
    share: Option<OwnedSemaphorePermit>,
) -> Result<Encoded, Failure> {
    let (text, bytes) = whole(file, permit, asked.id())?;
    // The size of a file in /proc is 0, and others grow: then the share is not its answer's.
    Ok((text, share.filter(|_| bytes as u64 <= file.size)))
}

thread_local! {
    /// See [`limits::KEPT_BUFFER`].
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The answer with all of a file, and how many bytes the file had.
fn whole(file: &OpenFile, permit: &Permit, id: &Id) -> Result<(String, usize), Failure> {
    let most = permit.at_most(limits::FILE_BYTES);
    BUFFER.with_borrow_mut(|buffer| {
        let outcome = permit
            .read(most, file.read_all_into(buffer, most))
            .map(|()| (file_result(id, buffer), buffer.len()));
        buffer.clear();
        buffer.shrink_to(limits::KEPT_BUFFER);
        outcome
    })
}

/// Refuses a file whose answer no client could take.
fn fits(file: &OpenFile) -> Result<(), Failure> {
    let limit = lockgate_capfs::limits::MAX_READ_BYTES;
    if file.size > limit {
        return Err(FsError::TooLarge { limit }.into());
    }
    if file.size > limits::FILE_BYTES {
        return Err(Failure::invalid_request(format!(
            "file is too large to read in one message: it has {} bytes, {} fit; read it with fs/open and fs/readBlock",
            file.size,
            limits::FILE_BYTES
        )));
    }
    Ok(())
}
