//! `fs put` and `fs append`: a local file or stdin to a path, in one message where it fits, else in blocks.
//!
//! One message is the better way where it fits: a server that has no room for it leaves the old contents.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use lockgate_client::ClientError;
use lockgate_wire::Base64Text;
use lockgate_wire::fs::{OpenMode, WriteFileParams};
use lockgate_wire::limits::MESSAGE_BYTES;
use lockgate_wire::lockgate::files::{AppendFileParams, ReplaceFileParams};

use super::resume::Stream;
use super::stream::{all_was_read, blocking};
use super::{Place, about, pieces};
use crate::failure::Failure;
use crate::progress::{on_the_way, waited};

/// What fits into one message: base64 makes four bytes of three, and a profile and the envelope need some room.
const LARGEST: u64 = (MESSAGE_BYTES as u64 - 1024 * 1024) / 4 * 3;

/// What becomes of the old contents.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Old {
    /// They are written over.
    Overwritten,
    /// They are there until the new ones are, all of them.
    Replaced { durable: bool },
    /// They stay, before the new ones.
    Kept,
}

pub(super) type Source = Box<dyn Read + Send>;

pub(super) async fn write(
    place: &Place<'_>,
    local: &Path,
    path: &Path,
    old: Old,
) -> Result<(), Failure> {
    let unreadable = |error| Failure::new(format!("cannot read `{}`: {error}", local.display()));
    if local.is_dir() {
        let what = match old {
            Old::Overwritten => "send it with --recursive",
            Old::Replaced { .. } => "send it with --recursive, without --atomic",
            Old::Kept => "only what a file holds can be added to one",
        };
        let local = local.display();
        return Err(Failure::new(format!("`{local}` is a directory: {what}")));
    }
    if place.is_own() && local != Path::new("-") {
        Stream::Sent.check_file(place, local, path).await?;
    }
    let (source, size) = open(local).await?.map_err(unreadable)?;
    // One byte more than fits tells the difference.
    let (data, rest) = read(source, LARGEST + 1).await?.map_err(unreadable)?;
    if data.len() as u64 <= LARGEST {
        whole(place, path, &data, old).await?;
        return all_was_read(local, size, data.len() as u64);
    }
    let Some(mode) = in_blocks(place, old) else {
        let (local, most) = (local.display(), LARGEST / (1024 * 1024));
        return Err(Failure::new(match old {
            Old::Replaced { .. } => format!(
                "`{local}` is too large for --atomic: at most {most} MiB are replaced at once; leave out --atomic, then it is overwritten piece by piece"
            ),
            _ => format!("`{local}` is too large: at most {most} MiB go into one message"),
        }));
    };
    if !place.is_own() && local != Path::new("-") {
        Stream::Sent.check_file(place, local, path).await?;
    }
    let source: Source = Box::new(std::io::Cursor::new(data).chain(rest));
    pieces::write(place, (local, source, size), path, mode).await
}

/// The mode of a handle to write with, where this server has such handles.
fn in_blocks(place: &Place<'_>, old: Old) -> Option<OpenMode> {
    let capabilities = place.client.capabilities()?;
    let appends = || {
        let ours = capabilities.lockgate.as_ref();
        ours.is_some_and(|ours| ours.open_modes.iter().any(|mode| mode == "append"))
    };
    match old {
        Old::Overwritten => capabilities
            .file_write_streaming
            .then_some(OpenMode::Replace),
        Old::Kept => appends().then_some(OpenMode::Append),
        Old::Replaced { .. } => None,
    }
}

async fn whole(place: &Place<'_>, path: &Path, data: &[u8], old: Old) -> Result<(), Failure> {
    let client = place.client;
    let (wire, sandbox) = (place.path(path)?, place.sandbox.clone());
    let data_base64 = Base64Text::encode(data);
    let written = match old {
        Old::Overwritten => {
            let params = WriteFileParams {
                path: wire,
                data_base64,
                only_if_sha256: None,
                sandbox,
                follow_symlinks: None,
            };
            on_the_way(data.len(), client.write_file(&params)).await
        }
        Old::Replaced { durable } => {
            let params = ReplaceFileParams {
                path: wire,
                data_base64,
                durable,
                mode: None,
                only_new: false,
                only_if_sha256: None,
                sandbox,
                follow_symlinks: None,
            };
            let replaced = on_the_way(data.len(), client.replace_file(&params)).await;
            return replaced.map_err(|error| match &error {
                // Its advice names a method.
                ClientError::Server { message, .. } if message.contains("fs/writeFile") => {
                    let or = match place.sandbox {
                        Some(_) => ", or grant its directory with --write",
                        None => "",
                    };
                    Failure::new(format!(
                        "{}: the file can be written but not replaced, because its directory cannot be changed: leave out --atomic{or}",
                        path.display()
                    ))
                }
                _ => about(place, path)(error),
            });
        }
        Old::Kept => {
            let params = AppendFileParams {
                path: wire,
                data_base64,
                sandbox,
                follow_symlinks: None,
            };
            on_the_way(data.len(), client.append_file(&params)).await
        }
    };
    written.map_err(about(place, path))
}

/// And how many bytes it has, where that is known beforehand. A pipe that is named is read, as by `cp`: shells make one of `<(command)`. It opens when somebody
/// else opens it for writing.
async fn open(local: &Path) -> Result<std::io::Result<(Source, Option<u64>)>, Failure> {
    if local == Path::new("-") {
        return Ok(Ok((Box::new(std::io::stdin()), None)));
    }
    let kind = std::fs::metadata(local).map(|found| found.file_type());
    if kind.as_ref().is_ok_and(|kind| kind.is_socket()) {
        let local = local.display();
        return Err(Failure::new(format!(
            "`{local}` is a socket, which holds nothing that could be sent"
        )));
    }
    let path = local.to_owned();
    let opened = blocking(move || {
        let file = File::open(path)?;
        let found = file.metadata()?;
        let size = found.is_file().then_some(found.len());
        Ok((Box::new(file) as Source, size))
    });
    match kind.is_ok_and(|kind| kind.is_fifo()) {
        true => {
            let local = local.display();
            waited(
                &format!("waiting for somebody to write into the pipe `{local}`"),
                opened,
            )
            .await
        }
        false => opened.await,
    }
}

/// At most so many bytes, fewer only at the end, and what is left. Standard input may be slow: it is not waited for on the connection's thread.
pub(super) async fn read(
    mut source: Source,
    bytes: u64,
) -> Result<std::io::Result<(Vec<u8>, Source)>, Failure> {
    blocking(move || {
        let mut data = Vec::new();
        source.by_ref().take(bytes).read_to_end(&mut data)?;
        Ok((data, source))
    })
    .await
}
