//! `lockgate/fs/readTree`, `listTree`, `writeTree`, `writeTreeBlock`, `finishTree`: whole trees as streams.
//!
//! Everything about a tree has the lane alone: its blocks are asked for and sent without waiting, and have to be taken in the order in which
//! they come. A tree is as slow as its client, and holds nothing meanwhile but its handle.

use std::sync::{Arc, TryLockError};

use lockgate_capfs::{Files, FsError, TreeReport};
use lockgate_policy_gate::{Access, FileVerb};
use lockgate_wire::fs::OpenResult;
use lockgate_wire::lockgate::tree::{
    FinishTreeParams, LeftOut, OpenTreeParams, TreeResult, WriteTreeBlockParams,
};
use lockgate_wire::{Empty, block_result};

use crate::dispatch::{Answer, Answered, Caller, Request};
use crate::failure::Failure;
use crate::handlers::files::{Gate, Raw, new_mode};
use crate::handlers::lockgate::lines::Lines;
use crate::handles::{Handle, Held, Tree, Use, unknown};
use crate::lane::{Asked, Order, Work};
use crate::limits;
use crate::policy::{Permit, file_verb};

pub(crate) fn read(caller: &mut Caller, request: Request<'_>) -> Answered {
    open(caller, request, FileVerb::ReadTree, |files, path, _| {
        Ok(Tree::Out(files.download(path)?))
    })
}

/// To policies this is reading the tree: it tells as much as names, sizes and links do.
pub(crate) fn list(caller: &mut Caller, request: Request<'_>) -> Answered {
    open(caller, request, FileVerb::ReadTree, |files, path, _| {
        Ok(Tree::Listed(Lines::new(files.outline(path)?)))
    })
}

pub(crate) fn write(caller: &mut Caller, request: Request<'_>) -> Answered {
    open(caller, request, FileVerb::WriteTree, |files, path, mode| {
        Ok(Tree::In(files.upload_with(path, mode)?))
    })
}

fn open(
    caller: &mut Caller,
    request: Request<'_>,
    verb: FileVerb,
    open: fn(&Files, &lockgate_capfs::AbsPath, u32) -> Result<Tree, FsError>,
) -> Answered {
    let params: OpenTreeParams<Raw<'_>> = request.params()?;
    let mode = new_mode(params.mode)?;
    let gate = Gate::new(caller, params.sandbox)?;
    let handles = Arc::clone(caller.handles());
    let (path, handle_id) = (params.path.path, params.handle_id);
    let handle = handles.take(&handle_id, Use::Tree)?;
    let question = gate.question(caller, || {
        let access = match verb {
            FileVerb::ReadTree => Access::Read,
            _ => Access::Write,
        };
        file_verb(verb, &path, access).recursive(true)
    });
    let job = move |_: &Asked, permit: Permit| {
        let order = match verb {
            FileVerb::ReadTree => Order::Shared,
            _ => Order::Alone,
        };
        let tree = gate.with_files(order, &permit, |files| Ok(open(files, &path, mode)?))?;
        Ok((tree, permit))
    };
    let done = move |work: Work, tree| {
        let outcome = match tree {
            Ok((tree, permit)) => {
                handle.opened(Held::tree(tree), permit);
                Ok(OpenResult { handle_id })
            }
            Err(failure) => {
                handles.close_this(&handle_id, &handle);
                Err(failure)
            }
        };
        work.pending.finish(outcome);
    };
    let pending = caller.pending(request);
    let decide = move |_: &Asked| question.decide();
    caller
        .files()
        .guarded(Order::Alone, pending, decide, job, done);
    Ok(Answer::Later)
}

/// `fs/readBlock` of a tree: `len` bytes from where the block before ended.
pub(crate) fn read_block(
    caller: &mut Caller,
    request: Request<'_>,
    (handle_id, handle): (String, Arc<Handle>),
    offset: u64,
    len: usize,
) -> Answered {
    let handles = Arc::clone(caller.handles());
    let job = move |asked: &Asked, share| {
        let block = handle.with_tree(&handle_id, |tree, at| match tree {
            Tree::In(_) => Err(Failure::invalid_request(
                "this tree is being written: send blocks with lockgate/fs/writeTreeBlock",
            )),
            Tree::Out(_) | Tree::Listed(_) => {
                in_order(*at, offset)?;
                let block = tree.read(len).map_err(Failure::from);
                let block = block.and_then(|block| handle.returns(block.len()).map(|()| block));
                let block = block.inspect_err(|_| {
                    // Half a tar is none.
                    handles.close_this(&handle_id, &handle);
                })?;
                *at += block.len() as u64;
                Ok(block)
            }
        })?;
        // Unlike a file's, the handle stays: it still has to tell what was left out.
        Ok((block_result(asked.id(), &block, block.len() < len), share))
    };
    let pending = caller.pending(request);
    caller
        .files()
        .run_with_room(Order::Alone, pending, len / 3 * 4, job);
    Ok(Answer::Later)
}

pub(crate) fn write_block(caller: &mut Caller, request: Request<'_>) -> Answered {
    let params: WriteTreeBlockParams<'_> = request.params()?;
    let chunk = params
        .chunk
        .decode()
        .map_err(|error| Failure::invalid_params(format!("chunk must be base64: {error}")))?;
    if chunk.is_empty() || chunk.len() > limits::BLOCK_BYTES {
        return Err(Failure::invalid_params(format!(
            "chunk must have 1 to {} bytes, it has {}",
            limits::BLOCK_BYTES,
            chunk.len()
        )));
    }
    let handles = Arc::clone(caller.handles());
    let (handle_id, offset) = (params.handle_id, params.offset);
    let handle = handles.get(&handle_id)?;
    let job = move |_: &Asked| {
        handle.with_tree(&handle_id, |tree, at| match tree {
            Tree::Out(_) | Tree::Listed(_) => Err(Failure::invalid_request(
                "this tree is being read: ask for blocks with fs/readBlock",
            )),
            Tree::In(tree) => {
                in_order(*at, offset)?;
                tree.write(&chunk).inspect_err(|_| {
                    handles.close_this(&handle_id, &handle);
                })?;
                *at += chunk.len() as u64;
                Ok(Empty {})
            }
        })
    };
    let pending = caller.pending(request);
    let done = |work: Work, written| work.pending.finish(written);
    caller.files().run(Order::Alone, pending, job, done);
    Ok(Answer::Later)
}

pub(crate) fn finish(caller: &mut Caller, request: Request<'_>) -> Answered {
    let FinishTreeParams { handle_id } = request.params()?;
    let handles = Arc::clone(caller.handles());
    let handle = handles.get(&handle_id)?;
    let job = move |asked: &Asked| {
        let result = handle.with_tree(&handle_id, |tree, _| {
            handles.close_this(&handle_id, &handle);
            Ok(result(match tree {
                Tree::Out(tree) => tree.report().clone(),
                Tree::Listed(lines) => lines.report().clone(),
                Tree::In(tree) => tree.finish()?,
            }))
        })?;
        Ok((lockgate_wire::response(asked.id(), &result), None))
    };
    let pending = caller.pending(request);
    caller
        .files()
        .run(Order::Alone, pending, job, Work::deliver);
    Ok(Answer::Later)
}

impl Tree {
    /// The next `len` bytes; fewer only at the end.
    fn read(&mut self, len: usize) -> Result<Vec<u8>, FsError> {
        match self {
            Tree::Out(tree) => tree.read(len),
            Tree::Listed(lines) => lines.read(len),
            // Refused before.
            Tree::In(_) => Ok(Vec::new()),
        }
    }
}

fn in_order(at: u64, offset: u64) -> Result<(), Failure> {
    match at == offset {
        true => Ok(()),
        false => Err(Failure::invalid_request(format!(
            "the blocks of a tree go in order: the next one begins at {at}, not at {offset}"
        ))),
    }
}

fn result(report: TreeReport) -> TreeResult {
    TreeResult {
        files: report.files,
        directories: report.directories,
        links: report.links,
        bytes: report.bytes,
        left_out: left_out(report.left_out),
        left_out_count: report.left_out_count,
        special_bits: report.special_bits,
        times_before_1970: report.times_before_1970,
    }
}

pub(crate) fn left_out(names: Vec<lockgate_capfs::LeftOut>) -> Vec<LeftOut> {
    let told = names.into_iter().map(|left| LeftOut {
        name: left.name.to_string_lossy().into_owned(),
        reason: left.reason,
    });
    told.collect()
}

impl Handle {
    /// Does something with the tree and the offset of its next block.
    fn with_tree<T>(
        &self,
        handle_id: &str,
        work: impl FnOnce(&mut Tree, &mut u64) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        match self.held() {
            Some(Held::Tree(tree)) => {
                // Requests for a tree go one after the other, so only one that was given up can still have it.
                let mut tree = match tree.try_lock() {
                    Ok(tree) => tree,
                    Err(TryLockError::Poisoned(tree)) => tree.into_inner(),
                    Err(TryLockError::WouldBlock) => {
                        return Err(Failure::internal(format!(
                            "an earlier request for the tree `{handle_id}` hangs: close the handle and begin again"
                        )));
                    }
                };
                let (tree, at) = &mut *tree;
                work(tree, at)
            }
            Some(Held::File(_) | Held::Writing(_)) => Err(Failure::invalid_request(format!(
                "file handle `{handle_id}` is no tree"
            ))),
            None => Err(unknown(handle_id)),
        }
    }
}
