//! `fs/*` (PROTOCOL 5, PROTOCOL-LATER 2), direct and through the capability gate alike.

use std::cell::RefCell;
use std::sync::Arc;

use lockgate_capfs::operation::{self, Follow, Metadata, WalkOptions};
use lockgate_capfs::{AbsPath, Files, FsError, OpenFile};
use lockgate_grant::Sandbox;
use lockgate_wire::fs::{
    CanonicalizeParams, CanonicalizeResult, CloseParams, CopyParams, CreateDirectoryParams,
    DirectoryEntry, GetMetadataParams, MetadataResult, OpenMode, OpenParams, OpenResult,
    ReadBlockParams, ReadDirectoryParams, ReadDirectoryResult, ReadFileParams, RemoveParams,
    WalkEntry, WalkError, WalkKind, WalkParams, WalkResult, WriteFileParams,
};
use lockgate_wire::{Empty, Id, WirePath, block_result, file_result, response};
use serde::Serialize;
use serde_json::value::RawValue;

use super::processes::session;
use crate::dispatch::{Answer, Answered, Caller, Request};
use crate::failure::Failure;
use crate::handles::unknown;
use crate::lane::{Order, Work};
use crate::limits;
use crate::service::Service;

/// A request's `sandbox`, not yet decoded.
type Raw<'a> = &'a RawValue;

/// The gate that a request goes through, still to be made where that may block.
struct Gate {
    service: Arc<Service>,
    sandbox: Option<Arc<Sandbox>>,
    session: u64,
}

impl Gate {
    fn new(caller: &mut Caller, sandbox: Option<Raw<'_>>) -> Result<Gate, Failure> {
        Ok(Gate {
            sandbox: caller.profiles().decode(sandbox)?,
            service: Arc::clone(caller.service()),
            session: session(caller)?.key(),
        })
    }

    fn files(&self) -> Result<Files, Failure> {
        match &self.sandbox {
            None => Ok(Files::Direct),
            Some(sandbox) => self.service.confine(sandbox, self.session),
        }
    }

    /// The files where they are at hand without blocking.
    fn files_at_hand(&self) -> Option<Files> {
        match &self.sandbox {
            None => Some(Files::Direct),
            Some(sandbox) => self.service.at_hand(sandbox, self.session),
        }
    }
}

fn follow(follow_symlinks: Option<bool>) -> Follow {
    if follow_symlinks.unwrap_or(true) {
        Follow::Links
    } else {
        Follow::Nothing
    }
}

/// Runs an operation in its turn and answers with its result.
fn run<R: Serialize>(
    caller: &mut Caller,
    request: Request<'_>,
    order: Order,
    gate: Gate,
    operation: impl FnOnce(&Files) -> Result<R, FsError> + Send + 'static,
) -> Answered {
    caller
        .files()
        .run(order, caller.pending(request), move |work| {
            let outcome = gate
                .files()
                .and_then(|files| operation(&files).map_err(Failure::from));
            match outcome {
                Ok(result) => {
                    let text = response(work.pending.id(), &result);
                    work.send(text);
                }
                Err(failure) => work.pending.fail(&failure),
            }
        });
    Ok(Answer::Later)
}

pub(crate) fn get_metadata(caller: &mut Caller, request: Request<'_>) -> Answered {
    let params: GetMetadataParams<Raw<'_>> = request.params()?;
    let (path, follow) = (params.path.path, follow(params.follow_symlinks));
    let gate = Gate::new(caller, params.sandbox)?;
    if let Some(_place) = caller.files().try_shared()
        && let Some(files) = gate.files_at_hand()
        && let Some(outcome) = files.try_metadata(&path, follow)
    {
        return request.reply(&metadata_result(outcome?));
    }
    run(caller, request, Order::Shared, gate, move |files| {
        files.metadata(&path, follow).map(metadata_result)
    })
}

fn metadata_result(metadata: Metadata) -> MetadataResult {
    MetadataResult {
        is_directory: metadata.is_directory,
        is_file: metadata.is_file,
        is_symlink: metadata.is_symlink,
        size: metadata.size,
        created_at_ms: metadata.created_ms,
        modified_at_ms: metadata.modified_ms,
    }
}

pub(crate) fn read_file(caller: &mut Caller, request: Request<'_>) -> Answered {
    let params: ReadFileParams<Raw<'_>> = request.params()?;
    let (path, follow) = (params.path.path, follow(params.follow_symlinks));
    let gate = Gate::new(caller, params.sandbox)?;
    if let Some(_place) = caller.files().try_shared()
        && let Some(files) = gate.files_at_hand()
        && let Some(file) = files.try_open(&path, follow)
    {
        let file = file?;
        if file.size <= limits::INLINE_FILE_BYTES
            && let Some(data) = file.try_read_all(limits::INLINE_FILE_BYTES)
        {
            return Ok(Answer::Now(file_result(&request.id, &data?)));
        }
    }
    caller
        .files()
        .run(Order::Shared, caller.pending(request), move |work| {
            let file = gate
                .files()
                .and_then(|files| Ok(files.open(&path, follow)?));
            match file.and_then(|file| fits(&file).map(|()| file)) {
                Ok(file) => {
                    let room = usize::try_from(file.size).unwrap_or(usize::MAX) / 3 * 4;
                    work.with_room(room, move |work, share| {
                        match whole(&file, work.pending.id()) {
                            // The size of a file in /proc is 0, and others grow.
                            Ok((text, bytes)) if bytes as u64 <= file.size && share.is_some() => {
                                work.pending.send(text, share);
                            }
                            Ok((text, _)) => {
                                drop(share);
                                work.send(text);
                            }
                            Err(error) => work.pending.fail(&error.into()),
                        }
                    });
                }
                Err(failure) => work.pending.fail(&failure),
            }
        });
    Ok(Answer::Later)
}

thread_local! {
    /// See [`limits::KEPT_BUFFER`].
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The answer with all of a file, and how many bytes the file had.
fn whole(file: &OpenFile, id: &Id) -> Result<(String, usize), FsError> {
    BUFFER.with_borrow_mut(|buffer| {
        let outcome = file
            .read_all_into(buffer, limits::FILE_BYTES)
            .map(|()| (file_result(id, buffer), buffer.len()));
        buffer.clear();
        buffer.shrink_to(limits::KEPT_BUFFER);
        outcome
    })
}

/// Refuses a file whose answer no client could take.
fn fits(file: &OpenFile) -> Result<(), Failure> {
    if file.size > lockgate_capfs::limits::MAX_READ_BYTES {
        return Err(FsError::TooLarge.into());
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

pub(crate) fn write_file(caller: &mut Caller, request: Request<'_>) -> Answered {
    let params: WriteFileParams<'_, Raw<'_>> = request.params()?;
    let data = params.data_base64.decode().map_err(|error| {
        Failure::invalid_request(format!(
            "fs/writeFile requires valid base64 dataBase64: {error}"
        ))
    })?;
    let (path, follow) = (params.path.path, follow(params.follow_symlinks));
    let gate = Gate::new(caller, params.sandbox)?;
    run(caller, request, Order::Alone, gate, move |files| {
        files.write_file(&path, &data, follow).map(|()| Empty {})
    })
}

pub(crate) fn create_directory(caller: &mut Caller, request: Request<'_>) -> Answered {
    let params: CreateDirectoryParams<Raw<'_>> = request.params()?;
    let recursive = params.recursive.unwrap_or(true);
    let (path, follow) = (params.path.path, follow(params.follow_symlinks));
    let gate = Gate::new(caller, params.sandbox)?;
    run(caller, request, Order::Alone, gate, move |files| {
        files
            .create_directory(&path, recursive, follow)
            .map(|()| Empty {})
    })
}

pub(crate) fn canonicalize(caller: &mut Caller, request: Request<'_>) -> Answered {
    let params: CanonicalizeParams<Raw<'_>> = request.params()?;
    let path = params.path.path;
    let gate = Gate::new(caller, params.sandbox)?;
    run(caller, request, Order::Shared, gate, move |files| {
        files.canonicalize(&path).map(|path| CanonicalizeResult {
            path: WirePath::uri(path),
        })
    })
}

pub(crate) fn read_directory(caller: &mut Caller, request: Request<'_>) -> Answered {
    let params: ReadDirectoryParams<Raw<'_>> = request.params()?;
    let path = params.path.path;
    let gate = Gate::new(caller, params.sandbox)?;
    run(caller, request, Order::Shared, gate, move |files| {
        let entries = files.read_directory(&path)?;
        Ok(ReadDirectoryResult {
            entries: entries
                .into_iter()
                .map(|entry| DirectoryEntry {
                    file_name: entry.name.to_string_lossy().into_owned(),
                    is_directory: entry.is_directory,
                    is_file: entry.is_file,
                })
                .collect(),
        })
    })
}

pub(crate) fn walk(caller: &mut Caller, request: Request<'_>) -> Answered {
    let params: WalkParams<Raw<'_>> = request.params()?;
    let asked = params.options;
    // What does not fit is far above the ceiling, which `check` names.
    let bound = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    let options = WalkOptions {
        max_depth: bound(asked.max_depth),
        max_directories: bound(asked.max_directories),
        max_entries: bound(asked.max_entries),
        follow_directory_symlinks: asked.follow_directory_symlinks,
        prune_hidden_directories: asked.prune_hidden_directories,
    };
    options.check()?;
    let path = params.path.path;
    let gate = Gate::new(caller, params.sandbox)?;
    run(caller, request, Order::Shared, gate, move |files| {
        let outcome = files.walk(&path, &options)?;
        Ok(WalkResult {
            entries: outcome
                .entries
                .into_iter()
                .map(|entry| WalkEntry {
                    path: WirePath::uri(entry.path),
                    kind: match entry.kind {
                        operation::WalkKind::Directory => WalkKind::Directory,
                        operation::WalkKind::File => WalkKind::File,
                    },
                })
                .collect(),
            errors: outcome
                .errors
                .into_iter()
                .map(|(path, message)| WalkError {
                    path: WirePath::uri(path),
                    message,
                })
                .collect(),
            truncated: outcome.truncated,
        })
    })
}

pub(crate) fn remove(caller: &mut Caller, request: Request<'_>) -> Answered {
    let params: RemoveParams<Raw<'_>> = request.params()?;
    let (recursive, force) = (
        params.recursive.unwrap_or(true),
        params.force.unwrap_or(true),
    );
    let (path, follow) = (params.path.path, follow(params.follow_symlinks));
    let gate = Gate::new(caller, params.sandbox)?;
    run(caller, request, Order::Alone, gate, move |files| {
        files
            .remove(&path, recursive, force, follow)
            .map(|()| Empty {})
    })
}

pub(crate) fn copy(caller: &mut Caller, request: Request<'_>) -> Answered {
    let params: CopyParams<Raw<'_>> = request.params()?;
    let (source, destination): (AbsPath, AbsPath) =
        (params.source_path.path, params.destination_path.path);
    let gate = Gate::new(caller, params.sandbox)?;
    run(caller, request, Order::Alone, gate, move |files| {
        files
            .copy(&source, &destination, params.recursive)
            .map(|()| Empty {})
    })
}

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
    let handle = handles.take(&params.handle_id)?;
    // Alone, so that blocks asked for without waiting for this answer find the file.
    caller
        .files()
        .run(Order::Alone, caller.pending(request), move |work| {
            let file = gate
                .files()
                .and_then(|files| Ok(files.open(&path, Follow::Links)?));
            let outcome = match file {
                Ok(file) => {
                    handle.opened(file);
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
        });
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
    caller
        .files()
        .run(Order::Shared, caller.pending(request), move |work: Work| {
            work.with_room(len / 3 * 4, move |work, share| {
                let Some(file) = handle.file() else {
                    return work.pending.fail(&unknown(&params.handle_id));
                };
                let outcome = file.read_at(params.offset, len);
                let ended = outcome.as_ref().map_or(true, |data| data.len() < len);
                if ended {
                    // At the end of the file and on errors the handle closes by itself.
                    handles.close_this(&params.handle_id, &handle);
                }
                match outcome {
                    Ok(data) => {
                        let text = block_result(work.pending.id(), &data, ended);
                        work.pending.send(text, share);
                    }
                    Err(error) => work.pending.fail(&error.into()),
                }
            });
        });
    Ok(Answer::Later)
}

pub(crate) fn close(caller: &mut Caller, request: Request<'_>) -> Answered {
    let params: CloseParams = request.params()?;
    // Blocks that were asked for before hold the file.
    caller.handles().close(&params.handle_id);
    request.reply(&Empty {})
}
