//! `fs put`: a local file, stdin or a local directory to a path.

use std::io::Read;
use std::path::Path;

use lockgate_capfs::Files;
use lockgate_wire::fs::WriteFileParams;
use lockgate_wire::limits::{BLOCK_BYTES, MESSAGE_BYTES};
use lockgate_wire::lockgate::tree::WriteTreeBlockParams;
use lockgate_wire::{Base64Text, Method};

use super::stream::{self, blocking, here};
use super::{Place, about};
use crate::failure::Failure;

/// What fits into one message: base64 makes four bytes of three, and a profile and the envelope need some room.
const LARGEST: u64 = (MESSAGE_BYTES as u64 - 1024 * 1024) / 4 * 3;

pub(super) async fn put(place: &Place<'_>, local: &Path, path: &Path) -> Result<(), Failure> {
    let data = read(local)
        .map_err(|error| Failure::new(format!("cannot read `{}`: {error}", local.display())))?;
    if data.len() as u64 > LARGEST {
        let text = format!(
            "`{}` is too large: at most {} MiB go into one message; without a profile, \
             `lockgate exec -- tee PATH <FILE >/dev/null` takes any size",
            local.display(),
            LARGEST / (1024 * 1024)
        );
        return Err(Failure::new(text));
    }
    let params = WriteFileParams {
        path: place.path(path)?,
        data_base64: Base64Text::encode(&data),
        sandbox: place.sandbox.clone(),
        follow_symlinks: None,
    };
    place
        .client
        .write_file(&params)
        .await
        .map_err(about(place, path))
}

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

fn read(local: &Path) -> std::io::Result<Vec<u8>> {
    let mut data = Vec::new();
    // One byte more than fits tells the difference.
    if local == Path::new("-") {
        std::io::stdin()
            .lock()
            .take(LARGEST + 1)
            .read_to_end(&mut data)?;
    } else {
        std::fs::File::open(local)?
            .take(LARGEST + 1)
            .read_to_end(&mut data)?;
    }
    Ok(data)
}
