//! `fs cat`: in blocks, so that a file of any size needs no more memory than one block.

use std::path::{Path, PathBuf};

use lockgate_client::ClientError;
use lockgate_wire::code;
use lockgate_wire::fs::{CloseParams, OpenMode, OpenParams, ReadBlockParams, ReadFileParams};
use lockgate_wire::limits::BLOCK_BYTES;

use super::several::each;
use super::stream::all_was_read;
use super::{Place, about, slash};
use crate::failure::Failure;
use crate::output::write;

pub(super) async fn cat(place: &Place<'_>, paths: &[PathBuf]) -> Result<(), Failure> {
    each(paths, async |path: &Path| {
        slash::check(place, path).await?;
        contents(place, path, ("cat".to_owned(), None), write).await
    })
    .await
}

/// Passes all bytes of a file on, block by block. One that becomes shorter meanwhile than it said that it is, or says after the first block, fails at its end.
pub(super) async fn contents(
    place: &Place<'_>,
    path: &Path,
    (handle_id, said): (String, Option<u64>),
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
    let outcome = blocks(place, path, (&handle_id, said), pass_on).await;
    if outcome.is_err() {
        let _: Result<(), ClientError> = place.client.close_file(&CloseParams { handle_id }).await;
    }
    outcome
}

/// The end of the file closes the handle.
async fn blocks(
    place: &Place<'_>,
    path: &Path,
    (handle_id, mut said): (&str, Option<u64>),
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
        offset += block.chunk.len() as u64;
        if block.eof {
            return all_was_read(path, said, offset);
        }
        if said.is_none() {
            // What cannot be looked at says nothing, as files do that have no length.
            let found = place.metadata(place.path(path)?).await;
            said = Some(found.map_or(0, |found| found.size));
        }
    }
}
