//! `fs cat`: in blocks, so that a file of any size needs no more memory than one block.

use std::path::{Path, PathBuf};

use lockgate_client::ClientError;
use lockgate_wire::code;
use lockgate_wire::fs::{CloseParams, OpenMode, OpenParams, ReadBlockParams, ReadFileParams};
use lockgate_wire::limits::BLOCK_BYTES;

use super::several::each;
use super::{Place, about, slash};
use crate::failure::Failure;
use crate::output::write;

pub(super) async fn cat(place: &Place<'_>, paths: &[PathBuf]) -> Result<(), Failure> {
    each(paths, async |path: &Path| {
        slash::check(place, path).await?;
        contents(place, path, "cat".to_owned(), write).await
    })
    .await
}

/// Passes all bytes of a file on, block by block.
pub(super) async fn contents(
    place: &Place<'_>,
    path: &Path,
    handle_id: String,
    mut pass_on: impl FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let wire = place.path(path)?;
    let params = OpenParams {
        handle_id: handle_id.clone(),
        path: wire.clone(),
        sandbox: place.sandbox.clone(),
        mode: OpenMode::Read,
        follow_symlinks: None,
    };
    match place.client.open(&params).await {
        Ok(_) => {}
        // A server of May 2026.
        Err(error) if error.code() == Some(code::METHOD_NOT_FOUND) => {
            let params = ReadFileParams {
                path: wire,
                sandbox: place.sandbox.clone(),
                follow_symlinks: None,
            };
            return pass_on(
                &place
                    .client
                    .read_file(&params)
                    .await
                    .map_err(about(place, path))?,
            );
        }
        Err(error) => return Err(about(place, path)(error)),
    }
    let outcome = blocks(place, path, &handle_id, pass_on).await;
    if outcome.is_err() {
        let _: Result<(), ClientError> = place.client.close_file(&CloseParams { handle_id }).await;
    }
    outcome
}

/// The end of the file closes the handle.
async fn blocks(
    place: &Place<'_>,
    path: &Path,
    handle_id: &str,
    mut pass_on: impl FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut offset = 0;
    loop {
        let params = ReadBlockParams {
            handle_id: handle_id.to_owned(),
            offset,
            len: BLOCK_BYTES,
        };
        let block = place
            .client
            .read_block(&params)
            .await
            .map_err(about(place, path))?;
        pass_on(&block.chunk)?;
        if block.eof {
            return Ok(());
        }
        offset += block.chunk.len() as u64;
    }
}
