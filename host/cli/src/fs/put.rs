//! `fs put --recursive`: a local directory to a path.

use std::path::Path;

use lockgate_capfs::Files;
use lockgate_wire::limits::BLOCK_BYTES;
use lockgate_wire::lockgate::tree::WriteTreeBlockParams;
use lockgate_wire::{Base64Text, Method};

use super::stream::{self, blocking, here};
use super::{Place, about};
use crate::failure::Failure;
use crate::progress::Progress;

/// A local directory, merged into the one at `path`.
pub(super) async fn tree(place: &Place<'_>, local: &Path, path: &Path) -> Result<(), Failure> {
    stream::needs(place, Method::LockgateFsWriteTree)?;
    let from = here(local)?;
    let mut out = blocking(move || Files::Direct.download(&from))
        .await?
        .map_err(|error| Failure::new(format!("cannot read `{}`: {error}", local.display())))?;
    let handle_id = stream::open(place, path, Method::LockgateFsWriteTree).await?;
    let sent = async {
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
