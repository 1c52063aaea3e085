//! A file in blocks: the executor keeps it open, and closes it when it has given the last block or when nobody wants more.

use futures_util::stream;
use lockgate_grant::AbsPath;
use lockgate_grant::profile::Sandbox;
use lockgate_wire::Method;
use lockgate_wire::fs::{CloseParams, OpenMode, OpenParams, ReadBlockParams};
use lockgate_wire::limits::BLOCK_BYTES;
use uuid::Uuid;

use super::is_unknown_method;
use crate::executor::{Blocks, Files};
use crate::{Client, ClientError};

/// A file that is open at the executor.
struct Open {
    client: Client,
    /// None once it is closed there.
    handle_id: Option<String>,
    offset: u64,
}

/// Opens a file. An executor that knows no open files, or none within a profile, is asked for all of it.
pub(super) async fn open(
    client: &Client,
    path: &AbsPath,
    from: u64,
    within: Option<&Sandbox>,
) -> Result<Blocks, ClientError> {
    let streams_sandboxed = client
        .capabilities()
        .is_some_and(|capabilities| capabilities.sandboxed_file_streaming);
    if within.is_some() && !streams_sandboxed {
        return whole(client, path, from, within).await;
    }
    // Exactly as long as it may be.
    let handle_id = Uuid::new_v4().simple().to_string();
    let mut open = Open {
        client: client.clone(),
        handle_id: Some(handle_id.clone()),
        offset: from,
    };
    let params = OpenParams {
        handle_id,
        path: client.path(path.clone()),
        sandbox: within.cloned(),
        mode: OpenMode::Read,
        follow_symlinks: None,
    };
    match Client::open(client, &params).await {
        Ok(_) => {}
        Err(error) => {
            if !matches!(error, ClientError::Timeout { .. }) {
                open.handle_id = None;
            }
            return match is_unknown_method(&error) {
                true => whole(client, path, from, within).await,
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
        let params = ReadBlockParams {
            handle_id: self.handle_id.clone()?,
            offset: self.offset,
            len: BLOCK_BYTES,
        };
        match self.client.read_block(&params).await {
            Ok(block) => {
                if block.eof {
                    self.handle_id = None;
                }
                self.offset = self.offset.saturating_add(block.chunk.0.len() as u64);
                if block.chunk.0.is_empty() {
                    // One that is not the last and has nothing would be asked for again without end.
                    self.handle_id = None;
                    let why = "a block that is not the last is empty".to_owned();
                    return (!block.eof).then_some(Err(ClientError::Protocol(why)));
                }
                Some(Ok(block.chunk.0))
            }
            Err(error) => {
                // The executor has closed it, unless the answer is merely late.
                if !matches!(error, ClientError::Timeout { .. }) {
                    self.handle_id = None;
                }
                self.give_up();
                Some(Err(error))
            }
        }
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
) -> Result<Blocks, ClientError> {
    let mut contents = Files::read(client, path, within).await?;
    let from = usize::try_from(from).map_or(contents.len(), |from| from.min(contents.len()));
    contents.drain(..from);
    let blocks: Vec<_> = contents
        .chunks(BLOCK_BYTES as usize)
        .map(|block| Ok(block.to_vec()))
        .collect();
    Ok(Blocks::new(stream::iter(blocks)))
}
