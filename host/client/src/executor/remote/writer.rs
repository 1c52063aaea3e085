//! A file that is written over a connection: block by block, or by an executor that knows no blocks (May 2026) at once in the end.

use std::sync::atomic::AtomicU64;

use lockgate_grant::AbsPath;
use lockgate_grant::profile::Sandbox;
use lockgate_wire::fs::{CloseParams, OpenMode, OpenParams, OpenResult, WriteBlockParams};
use lockgate_wire::{Base64Text, Empty, Method};
use uuid::Uuid;

use crate::executor::{Answer, FileWriter, Files, WriteBlocks};
use crate::routes::Begins;
use crate::{Client, ClientError};

/// Opens a file to be written.
pub(super) async fn create(
    client: &Client,
    path: &AbsPath,
    within: Option<&Sandbox>,
) -> Result<FileWriter, ClientError> {
    let takes_blocks = client.capabilities().is_some_and(|capabilities| {
        capabilities.file_write_streaming
            && (within.is_none() || capabilities.sandboxed_file_streaming)
    });
    if !takes_blocks {
        // As soon as it would be with blocks: what cannot be written is told now.
        Files::write(client, path, &[], within).await?;
        return Ok(FileWriter::new(Gathered {
            client: client.clone(),
            path: path.clone(),
            within: within.cloned(),
            contents: Vec::new(),
        }));
    }
    let handle_id = Uuid::new_v4().simple().to_string();
    let mut written = Written {
        client: client.clone(),
        handle_id: Some(handle_id.clone()),
        link: 0,
        offset: 0,
    };
    let params = OpenParams {
        handle_id,
        path: client.path(path.clone()),
        sandbox: within.cloned(),
        mode: OpenMode::Replace,
        follow_symlinks: None,
    };
    let link = AtomicU64::new(0);
    let opens = Begins::Opens(&link);
    let opened: Result<OpenResult, _> = client.begin(Method::FsOpen.name(), &params, opens).await;
    match opened {
        Ok(_) => written.link = link.into_inner(),
        Err(error) => {
            if !matches!(error, ClientError::Timeout { .. }) {
                written.handle_id = None;
            }
            return Err(error);
        }
    }
    Ok(FileWriter::new(written))
}

/// A file that is open at the executor.
struct Written {
    client: Client,
    /// None once it is closed there, or given up.
    handle_id: Option<String>,
    /// The number of the link on which it is open.
    link: u64,
    offset: u64,
}

impl WriteBlocks for Written {
    fn write<'a>(&'a mut self, block: &'a [u8]) -> Answer<'a, ()> {
        Box::pin(async move {
            // Out of its place until the answer is there: after a write that was given up nobody knows where the next one belongs.
            let Some(handle_id) = self.handle_id.take() else {
                return Err(ClientError::NotWritten {
                    reason: "a write before this one failed or was given up",
                });
            };
            let mut open = Written {
                client: self.client.clone(),
                handle_id: Some(handle_id.clone()),
                link: self.link,
                offset: self.offset,
            };
            let params = WriteBlockParams {
                handle_id,
                offset: Some(self.offset),
                chunk: Base64Text::encode(block),
            };
            let method = Method::FsWriteBlock;
            let uses = Begins::Uses(self.link, method);
            let written = self.client.begin(method.name(), &params, uses).await;
            if let Err(ClientError::Interrupted { .. }) = &written {
                // It went with its link.
                open.handle_id = None;
            }
            let Empty {} = written?;
            self.handle_id = open.handle_id.take();
            self.offset += block.len() as u64;
            Ok(())
        })
    }

    fn finish(mut self: Box<Self>) -> Answer<'static, ()> {
        Box::pin(async move {
            let Some(handle_id) = self.handle_id.take() else {
                return Err(ClientError::NotWritten {
                    reason: "a write before this failed or was given up",
                });
            };
            // Also where the link was lost meanwhile, and closed it: all of it had been written.
            self.client.close_file(&CloseParams { handle_id }).await
        })
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        if let Some(handle_id) = self.handle_id.take() {
            let params = CloseParams { handle_id };
            self.client.calls().cast(Method::FsClose.name(), &params);
        }
    }
}

/// What goes out at once in the end.
struct Gathered {
    client: Client,
    path: AbsPath,
    within: Option<Sandbox>,
    contents: Vec<u8>,
}

impl WriteBlocks for Gathered {
    fn write<'a>(&'a mut self, block: &'a [u8]) -> Answer<'a, ()> {
        self.contents.extend(block);
        Box::pin(async { Ok(()) })
    }

    fn finish(self: Box<Self>) -> Answer<'static, ()> {
        Box::pin(async move {
            let within = self.within.as_ref();
            Files::write(&self.client, &self.path, &self.contents, within).await
        })
    }
}
