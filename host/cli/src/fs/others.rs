//! What a copy of a directory leaves out, as the protocol has it, and the server does not tell: pipes, sockets and devices. The source is looked through for them, one listing
//! for each directory, where a server lists everything.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use futures_util::StreamExt;
use lockgate_client::ClientError;
use lockgate_grant::AbsPath;
use lockgate_policy_gate::printable::printable;
use lockgate_wire::fs::{FileKind, ReadDirectoryResult};

use super::Place;
use super::tree::every::{AT_ONCE, list};
use crate::failure::Failure;

/// What is named of what was left out, at most; all are counted.
const TOLD: u64 = 100;

/// Names what is in a directory and was not copied with it, and fails if there is something, as `get` and `put` do.
pub(super) async fn tell(place: &Place<'_>, path: &Path) -> Result<(), Failure> {
    let root = place.at(path)?;
    let (mut level, mut count) = (vec![root.clone()], 0);
    while !level.is_empty() {
        let mut next = Vec::new();
        let mut listings = futures_util::stream::iter(level)
            .map(async |directory: AbsPath| (list(place, &directory).await, directory))
            .buffered(AT_ONCE);
        while let Some((listed, directory)) = listings.next().await {
            match listed {
                Ok(listed) => next.extend(look(&root, &directory, listed, &mut count)),
                Err(ClientError::Server { message, .. }) => unseen(&directory, &message),
                Err(error) => return Err(error.into()),
            }
        }
        level = next;
    }
    match count {
        0 => Ok(()),
        count => Err(Failure::new(format!(
            "{count} left out; all else was copied"
        ))),
    }
}

/// Tells and counts; gives the directories in it.
fn look(
    root: &AbsPath,
    directory: &AbsPath,
    listed: ReadDirectoryResult,
    count: &mut u64,
) -> Vec<AbsPath> {
    if listed.truncated {
        unseen(directory, "it has more than an answer has room for");
    }
    let mut directories = Vec::new();
    for entry in listed.entries {
        let name = match &entry.name_base64 {
            Some(bytes) => bytes.0.clone(),
            None => entry.file_name.into_bytes(),
        };
        // A name that no path has room for is nobody's.
        let Ok(path) = directory.join(OsStr::from_bytes(&name)) else {
            continue;
        };
        match entry.kind.unwrap_or(FileKind::Unknown) {
            FileKind::Directory => directories.push(path),
            FileKind::Fifo
            | FileKind::Socket
            | FileKind::BlockDevice
            | FileKind::CharacterDevice => {
                *count += 1;
                if *count <= TOLD {
                    let below = path.as_path().strip_prefix(root.as_path());
                    let below = below.unwrap_or(path.as_path()).to_string_lossy();
                    tell!(
                        "lockgate: {}: neither a file nor a directory nor a link",
                        printable(&below)
                    );
                }
            }
            FileKind::File | FileKind::Symlink | FileKind::Unknown => {}
        }
    }
    directories
}

/// It was copied all the same.
fn unseen(directory: &AbsPath, why: &str) {
    tell!(
        "lockgate: {}: not looked through for what a copy leaves out: {}",
        printable(&directory.to_string()),
        printable(why)
    );
}
