//! What is too large for one message, written piece by piece. The old contents are gone before the new ones have arrived, so what goes
//! wrong on the way is told together with what the file holds.

use std::path::Path;

use lockgate_capfs::is_zeros;
use lockgate_wire::Base64Text;
use lockgate_wire::fs::{CloseParams, GetMetadataParams, OpenMode, OpenParams, WriteBlockParams};
use lockgate_wire::limits::BLOCK_BYTES;

use super::stream::{all_was_read, or_closed};
use super::write::{Source, read};
use super::{Place, about};
use crate::failure::Failure;
use crate::progress::Progress;

/// All of a source, of which the size may be known, through a handle of this mode.
pub(super) async fn write(
    place: &Place<'_>,
    (local, source, size): (&Path, Source, Option<u64>),
    path: &Path,
    mode: OpenMode,
) -> Result<(), Failure> {
    let handle_id = "put".to_owned();
    let had_contents = held(place, path).await?.is_some_and(|bytes| bytes > 0);
    let params = OpenParams {
        handle_id: handle_id.clone(),
        path: place.path(path)?,
        sandbox: place.sandbox.clone(),
        mode,
        follow_symlinks: None,
    };
    let opened = place.client.open(&params).await;
    opened.map_err(about(place, path))?;
    let mut sent = 0;
    let mut progress = Progress::of(size);
    let written = send(
        place,
        (local, source),
        path,
        (&handle_id, mode),
        (&mut sent, &mut progress),
    );
    let written = written.await;
    drop(progress);
    let Err(failure) = or_closed(place, &handle_id, written).await else {
        return all_was_read(local, size, sent);
    };
    let of = size.map_or(String::new(), |size| format!(" of {size}"));
    Err(failure.and(&match mode {
        // Others may append as well: its size does not tell what came of this.
        OpenMode::Append => format!("; at least {sent}{of} bytes were added to the file"),
        _ => {
            let gone = match had_contents {
                true => "the file's old contents are gone; ",
                false => "",
            };
            // A connection that was lost has its own failure, which is told.
            let holds = match held(place, path).await {
                Ok(Some(bytes)) => bytes.to_string(),
                Ok(None) | Err(_) => format!("at least {sent}"),
            };
            format!("; {gone}it holds {holds}{of} bytes")
        }
    }))
}

/// Sends it all and ends the handle; `sent` counts what has arrived.
async fn send(
    place: &Place<'_>,
    (local, mut source): (&Path, Source),
    path: &Path,
    (handle_id, mode): (&str, OpenMode),
    (sent, progress): (&mut u64, &mut Progress),
) -> Result<(), Failure> {
    let handle_id = handle_id.to_owned();
    let write = async |offset: u64, block: &[u8]| {
        let params = WriteBlockParams {
            handle_id: handle_id.clone(),
            offset: Some(offset),
            chunk: Base64Text::encode(block),
        };
        let written = place.client.write_block(&params).await;
        written.map_err(about(place, path))
    };
    // A new file gets a hole where nothing is written.
    let mut ends_in_hole = false;
    loop {
        let (block, rest) = read(source, BLOCK_BYTES)
            .await?
            .map_err(|error| Failure::new(format!("cannot read `{}`: {error}", local.display())))?;
        if block.is_empty() {
            if ends_in_hole {
                write(*sent - 1, &[0]).await?;
            }
            let closed = place.client.close_file(&CloseParams { handle_id }).await;
            return closed.map_err(about(place, path));
        }
        source = rest;
        ends_in_hole = mode == OpenMode::Replace && is_zeros(&block);
        if !ends_in_hole {
            write(*sent, &block).await?;
        }
        *sent += block.len() as u64;
        progress.add(block.len() as u64);
    }
}

/// Bytes of the file, if there is one that may be looked at. What refuses to be looked at may be opened all the same, or that says why not.
async fn held(place: &Place<'_>, path: &Path) -> Result<Option<u64>, Failure> {
    let params = GetMetadataParams {
        path: place.path(path)?,
        sandbox: place.sandbox.clone(),
        follow_symlinks: None,
        every_attribute: false,
    };
    let found = place.client.metadata(&params).await.ok();
    Ok(found.map(|found| found.size))
}
