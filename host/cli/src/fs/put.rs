//! `fs put --recursive`: a local directory to a path.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use lockgate_capfs::Files;
use lockgate_wire::code;
use lockgate_wire::fs::GetMetadataParams;
use lockgate_wire::limits::BLOCK_BYTES;
use lockgate_wire::lockgate::tree::WriteTreeBlockParams;
use lockgate_wire::{Base64Text, Method};

use super::stream::{self, blocking, here};
use super::{Place, about, names};
use crate::failure::Failure;
use crate::progress::Progress;

/// A local directory, merged into the one at `path`.
pub(super) async fn tree(place: &Place<'_>, local: &Path, path: &Path) -> Result<(), Failure> {
    stream::needs(place, Method::LockgateFsWriteTree)?;
    let from = here(local)?;
    let mut out = blocking(move || Files::Direct.download(&from))
        .await?
        .map_err(|error| Failure::new(format!("cannot read `{}`: {error}", local.display())))?;
    let is_new = mode(place, path).await?.is_none();
    let handle_id = stream::open(place, path, Method::LockgateFsWriteTree).await?;
    let sent = async {
        if is_new {
            close(place, local, path).await?;
        }
        let mut offset = 0;
        let mut progress = Progress::of(None);
        loop {
            let (read, rest) = blocking(move || (out.read(BLOCK_BYTES as usize), out)).await?;
            out = rest;
            let block = read.map_err(|error| {
                Failure::new(format!("cannot read `{}`: {error}", local.display()))
            })?;
            if !block.is_empty() {
                let params = WriteTreeBlockParams {
                    handle_id: handle_id.clone(),
                    offset,
                    chunk: Base64Text::encode(&block),
                };
                let sent = place.client.write_tree_block(&params).await;
                sent.map_err(about(place, path))?;
                offset += block.len() as u64;
                progress.add(block.len() as u64);
            }
            if block.len() < BLOCK_BYTES as usize {
                return Ok(out);
            }
        }
    };
    let out = stream::or_closed(place, &handle_id, sent.await).await?;
    let there = stream::finish(place, path, handle_id).await?;
    stream::tell(&stream::told(out.report()), &there)
}

/// Has a directory that was made be open to no more than the local one is, where the server says what it is open to.
async fn close(place: &Place<'_>, local: &Path, path: &Path) -> Result<(), Failure> {
    let other = std::fs::metadata(local)
        .map_err(|error| Failure::new(format!("cannot read `{}`: {error}", local.display())))?;
    let made = mode(place, path).await?.flatten();
    match made.and_then(|made| stream::closed(made, other.permissions().mode())) {
        Some(closed) => names::chmod(place, closed, &[path.to_owned()]).await,
        None => Ok(()),
    }
}

/// The bits of what is there, if the server says them.
async fn mode(place: &Place<'_>, path: &Path) -> Result<Option<Option<u32>>, Failure> {
    let params = GetMetadataParams {
        path: place.path(path)?,
        sandbox: place.sandbox.clone(),
        follow_symlinks: None,
        every_attribute: place.client.tells_every_attribute(),
    };
    match place.client.metadata(&params).await {
        Ok(there) => Ok(Some(there.mode)),
        Err(error) if error.code() == Some(code::NOT_FOUND) => Ok(None),
        // What is wrong shows when it is written.
        Err(_) => Ok(Some(None)),
    }
}
