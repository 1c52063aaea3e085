//! A file in blocks: the executor keeps it open, and closes it when it has given the last block or when nobody wants more.
//!
//! Over a long way a block at a time would wait for the way there and back each time. So a few are asked for ahead, from the second on: a small
//! file costs one question. Only of our own executors, for whom a block beyond the end does not close the file before one that was asked for earlier.

use std::sync::atomic::AtomicU64;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, FuturesOrdered, StreamExt};
use lockgate_grant::AbsPath;
use lockgate_grant::profile::Sandbox;
use lockgate_wire::Method;
use lockgate_wire::fs::{
    CloseParams, OpenMode, OpenParams, OpenResult, ReadBlockParams, ReadBlockResult, ReadFileParams,
};
use lockgate_wire::limits::BLOCK_BYTES;
use uuid::Uuid;

use super::is_unknown_method;
use crate::again::look;
use crate::executor::Blocks;
use crate::routes::Begins;
use crate::{Client, ClientError, limits};

/// A file that is open at the executor.
struct Open {
    client: Client,
    /// None once it is closed there.
    handle_id: Option<String>,
    /// The number of the link on which it is open.
    link: u64,
    /// Where what is not asked for yet begins.
    offset: u64,
    asked: FuturesOrdered<BoxFuture<'static, Result<ReadBlockResult, ClientError>>>,
    /// How many may be asked for at once.
    ahead: usize,
}

/// What becomes of links in a path.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Links {
    Followed,
    /// By executors that know how.
    Refused,
}

impl Links {
    fn follow(self) -> Option<bool> {
        (self == Links::Refused).then_some(false)
    }
}

/// Opens a file. An executor that knows no open files, or none within a profile, is asked for all of it.
pub(super) async fn open(
    client: &Client,
    path: &AbsPath,
    from: u64,
    within: Option<&Sandbox>,
    links: Links,
) -> Result<Blocks, ClientError> {
    let streams_sandboxed = client
        .capabilities()
        .is_some_and(|capabilities| capabilities.sandboxed_file_streaming);
    if within.is_some() && !streams_sandboxed {
        return whole(client, path, from, within, links).await;
    }
    // Exactly as long as it may be.
    let handle_id = Uuid::new_v4().simple().to_string();
    let mut open = Open {
        client: client.clone(),
        handle_id: Some(handle_id.clone()),
        link: 0,
        offset: from,
        asked: FuturesOrdered::new(),
        ahead: 1,
    };
    let params = OpenParams {
        handle_id,
        path: client.path(path.clone()),
        sandbox: within.cloned(),
        mode: OpenMode::Read,
        follow_symlinks: links.follow(),
    };
    // A link takes along what was opened on it.
    let (method, link) = (Method::FsOpen.name(), AtomicU64::new(0));
    let opened =
        look(|| client.begin::<_, OpenResult>(method, &params, Begins::Opens(&link))).await;
    match opened {
        Ok(_) => open.link = link.into_inner(),
        Err(error) => {
            if !matches!(error, ClientError::Timeout { .. }) {
                open.handle_id = None;
            }
            return match is_unknown_method(&error) {
                true => whole(client, path, from, within, links).await,
                false => Err(error),
            };
        }
    }
    Ok(Blocks::new(stream::unfold(open, |mut open| async move {
        Some((open.next().await?, open))
    })))
}

impl Open {
    async fn next(&mut self) -> Option<Result<Vec<u8>, ClientError>> {
        self.ask();
        let block = match self.asked.next().await? {
            Ok(block) => block,
            Err(error) => {
                // The executor has closed it, unless the answer is merely late.
                if !matches!(error, ClientError::Timeout { .. }) {
                    self.handle_id = None;
                }
                return Some(Err(self.end(error)));
            }
        };
        let len = block.chunk.0.len() as u64;
        if block.eof {
            // What was asked for behind it is refused, and nobody's business.
            self.handle_id = None;
            self.asked.clear();
            return (len > 0).then_some(Ok(block.chunk.0));
        }
        if len != BLOCK_BYTES {
            // The next one would begin elsewhere, or never come.
            let why = format!("a block that is not the last has {len} bytes and not {BLOCK_BYTES}");
            return Some(Err(self.end(ClientError::Protocol(why))));
        }
        let capabilities = self.client.capabilities();
        if capabilities.is_some_and(|capabilities| capabilities.lockgate.is_some()) {
            self.ahead = limits::BLOCKS_AHEAD;
        }
        Some(Ok(block.chunk.0))
    }

    fn ask(&mut self) {
        let Some(handle_id) = &self.handle_id else {
            return;
        };
        while self.asked.len() < self.ahead {
            let (client, link, params) = (
                self.client.clone(),
                self.link,
                ReadBlockParams {
                    handle_id: handle_id.clone(),
                    offset: self.offset,
                    len: BLOCK_BYTES,
                },
            );
            let answer = async move {
                let method = Method::FsReadBlock;
                let uses = Begins::Uses(link, method);
                client.begin(method.name(), &params, uses).await
            };
            self.asked.push_back(answer.boxed());
            self.offset = self.offset.saturating_add(BLOCK_BYTES);
        }
    }

    /// After an error nothing follows.
    fn end(&mut self, error: ClientError) -> ClientError {
        self.give_up();
        self.asked.clear();
        error
    }

    /// Closes it there, in passing.
    fn give_up(&mut self) {
        if let Some(handle_id) = self.handle_id.take() {
            let params = CloseParams { handle_id };
            self.client.calls().cast(Method::FsClose.name(), &params);
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.give_up();
    }
}

/// All of it at once, cut into blocks here.
async fn whole(
    client: &Client,
    path: &AbsPath,
    from: u64,
    within: Option<&Sandbox>,
    links: Links,
) -> Result<Blocks, ClientError> {
    let params = ReadFileParams {
        path: client.path(path.clone()),
        sandbox: within.cloned(),
        follow_symlinks: links.follow(),
    };
    let mut contents = client.read_file(&params).await?;
    let from = usize::try_from(from).map_or(contents.len(), |from| from.min(contents.len()));
    contents.drain(..from);
    let blocks: Vec<_> = contents
        .chunks(BLOCK_BYTES as usize)
        .map(|block| Ok(block.to_vec()))
        .collect();
    Ok(Blocks::new(stream::iter(blocks)))
}
