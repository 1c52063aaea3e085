//! `fs put --recursive`: a local directory to a path.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use lockgate_capfs::Files;
use lockgate_wire::code;
use lockgate_wire::limits::{BLOCK_BYTES, MODE};
use lockgate_wire::lockgate::tree::WriteTreeBlockParams;
use lockgate_wire::{Base64Text, Method};

use super::resume::Stream;
use super::stream::{self, blocking, here};
use super::{Place, about, names};
use crate::failure::Failure;
use crate::progress::Progress;

/// Refuses what cannot be sent with --recursive. What is not there says so when it is read.
pub(super) fn check(local: &Path, resume: bool) -> Result<(), Failure> {
    let is_stdin = local == Path::new("-");
    let (is_file, is_stdin) = match std::fs::metadata(local) {
        Ok(found) if found.is_dir() => return Ok(()),
        Err(_) if !is_stdin => return Ok(()),
        found => (found.is_ok_and(|found| found.is_file()), is_stdin),
    };
    let what = match is_stdin {
        true => "stdin, and no directory",
        false => "no directory",
    };
    // What can be read but once does not go on.
    let leave_out = match resume && (is_stdin || !is_file) {
        true => "--recursive and --resume",
        false => "--recursive",
    };
    let local = local.display();
    Err(Failure::new(format!(
        "`{local}` is {what}: leave out {leave_out}"
    )))
}

/// A local directory, merged into the one at `path`.
pub(super) async fn tree(place: &Place<'_>, local: &Path, path: &Path) -> Result<(), Failure> {
    stream::needs(place, Method::LockgateFsWriteTree)?;
    let from = here(local)?;
    let suspect = Stream::Sent.suspect(place, &from, path).await?;
    let mut out = blocking(move || Files::Direct.download(&from))
        .await?
        .map_err(|error| Failure::new(format!("cannot read `{}`: {error}", local.display())))?;
    let top = std::fs::metadata(local)
        .map_err(|error| Failure::new(format!("cannot read `{}`: {error}", local.display())))?;
    let is_new = matches!(look(place, path).await?, There::Nothing);
    let handle_id = stream::open(
        place,
        path,
        Method::LockgateFsWriteTree,
        Some((top.mode() | stream::OPEN) & MODE),
    )
    .await?;
    let sent = async {
        Stream::Sent.check(place, suspect, path, is_new).await?;
        if is_new && let There::Something { mode } = look(place, path).await? {
            // Nobody looks in while what is in it comes, where a server of before did not make it so.
            if let Some(closed) = stream::closed(mode, top.mode()) {
                names::chmod(place, closed, &[path.to_owned()]).await?;
            }
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
    let mut there = stream::finish(place, path, handle_id).await?;
    if is_new && let Err(failure) = settle(place, path, &top).await {
        match failure.is_of_one() {
            true => stream::not_settled(&mut there, path, &failure.to_string()),
            false => return Err(failure),
        }
    }
    stream::tell(&stream::told(out.report()), &there, 0)
}

/// Gives a directory that was made the bits and the time of the local one. The bits last: they may take away what the time needs.
async fn settle(place: &Place<'_>, path: &Path, top: &Metadata) -> Result<(), Failure> {
    let modified = top.mtime().saturating_mul(1000) + top.mtime_nsec() / 1_000_000;
    let paths = [path.to_owned()];
    names::touch(place, (None, Some(modified.max(0))), &paths).await?;
    names::chmod(place, top.mode() & MODE, &paths).await
}

/// What stands at a path of the server.
enum There {
    Nothing,
    Something {
        /// Its permission bits, if the server tells them.
        mode: Option<u32>,
    },
}

async fn look(place: &Place<'_>, path: &Path) -> Result<There, Failure> {
    match place.metadata(place.path(path)?).await {
        Ok(there) => Ok(There::Something { mode: there.mode }),
        Err(error) if error.code() == Some(code::NOT_FOUND) => Ok(There::Nothing),
        // What is wrong shows when it is written.
        Err(_) => Ok(There::Something { mode: None }),
    }
}
