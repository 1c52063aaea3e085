//! Contents of the executor's files, block by block, so that no file is too large to begin with.

use std::sync::atomic::{AtomicU64, Ordering};

use lockgate_client::{Client, ClientError};
use lockgate_grant::AbsPath;
use lockgate_wire::code;
use lockgate_wire::fs::{CloseParams, OpenMode, OpenParams, ReadBlockParams, ReadFileParams};
use lockgate_wire::limits::BLOCK_BYTES;

use super::session::Place;

/// A file that is being read from its beginning.
pub(super) struct Contents(Source);

enum Source {
    Handle(Handle),
    /// All of it, from an executor that has no handles; then nothing.
    Whole(Option<Vec<u8>>),
}

struct Handle {
    client: Client,
    id: String,
    offset: u64,
    is_open: bool,
}

/// Names of handles; they need only differ within a connection.
static LAST: AtomicU64 = AtomicU64::new(0);

impl Contents {
    pub(super) async fn open(place: &Place, path: &AbsPath) -> Result<Contents, ClientError> {
        let id = format!("mcp-{}", LAST.fetch_add(1, Ordering::Relaxed));
        let params = OpenParams {
            handle_id: id.clone(),
            path: place.wire(path),
            sandbox: place.sandbox.clone(),
            mode: OpenMode::Read,
            follow_symlinks: None,
        };
        match place.client.open(&params).await {
            Ok(_) => Ok(Contents(Source::Handle(Handle {
                client: place.client.clone(),
                id,
                offset: 0,
                is_open: true,
            }))),
            Err(error) if error.code() == Some(code::METHOD_NOT_FOUND) => {
                let params = ReadFileParams {
                    path: place.wire(path),
                    sandbox: place.sandbox.clone(),
                    follow_symlinks: None,
                };
                let data = place.client.read_file(&params).await?;
                Ok(Contents(Source::Whole(Some(data))))
            }
            Err(error) => Err(error),
        }
    }

    /// The next bytes; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<u8>>, ClientError> {
        let handle = match &mut self.0 {
            Source::Whole(data) => return Ok(data.take().filter(|data| !data.is_empty())),
            Source::Handle(handle) if !handle.is_open => return Ok(None),
            Source::Handle(handle) => handle,
        };
        let params = ReadBlockParams {
            handle_id: handle.id.clone(),
            offset: handle.offset,
            len: BLOCK_BYTES,
        };
        let block = handle.client.read_block(&params).await?;
        let data = block.chunk.0;
        handle.offset += data.len() as u64;
        // The executor has closed it then.
        handle.is_open = !block.eof;
        Ok(Some(data).filter(|data| !data.is_empty()))
    }

    /// All of it, if that is not more than `most` bytes. `None`: it is.
    pub(super) async fn whole(
        place: &Place,
        path: &AbsPath,
        most: u64,
    ) -> Result<Option<Vec<u8>>, ClientError> {
        let mut contents = Contents::open(place, path).await?;
        let mut all = Vec::new();
        while let Some(block) = contents.next().await? {
            all.extend_from_slice(&block);
            if all.len() as u64 > most {
                return Ok(None);
            }
        }
        Ok(Some(all))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.is_open
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (client, handle_id) = (self.client.clone(), std::mem::take(&mut self.id));
            runtime.spawn(async move {
                // Fails where the connection is gone, and the handle with it.
                let _ = client.close_file(&CloseParams { handle_id }).await;
            });
        }
    }
}
