//! The tree of a server that lists everything, one listing for each directory. To policies each is a `read-directory`, and no `walk`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use futures_util::StreamExt;
use lockgate_client::ClientError;
use lockgate_grant::AbsPath;
use lockgate_wire::WirePath;
use lockgate_wire::fs::{FileKind, ReadDirectoryParams, ReadDirectoryResult, WalkError};
use lockgate_wire::limits::{WALK_DIRECTORIES, WALK_ENTRIES};

use super::{Entry, Tree, Wanted};
use crate::failure::Failure;
use crate::fs::{Place, about};

/// Listings on their way at once.
const AT_ONCE: usize = 16;

pub(super) async fn tree(place: &Place<'_>, path: &Path, wanted: Wanted) -> Result<Tree, Failure> {
    let root = place.path(path)?.path;
    let mut tree = Tree::default();
    let (mut level, mut depth, mut directories) = (vec![root.clone()], 0, 0);
    while !level.is_empty() {
        // Which of these is a directory is seen by its listing, not by another question.
        let room = usize::try_from(WALK_DIRECTORIES - directories).unwrap_or(usize::MAX);
        tree.truncated |= level.len() > room;
        level.truncate(room);
        directories += level.len() as u64;
        let mut next = Vec::new();
        let mut listings = futures_util::stream::iter(level)
            .map(async |directory: AbsPath| (list(place, &directory).await, directory))
            .buffered(AT_ONCE);
        while let Some((listed, directory)) = listings.next().await {
            match listed {
                Ok(listed) => next.extend(tree.take(&directory, listed, wanted)),
                Err(error) if directory == root => return Err(about(place, path)(error)),
                Err(ClientError::Server { message, .. }) => tree.errors.push(WalkError {
                    path: WirePath::uri(directory),
                    message,
                }),
                Err(error) => return Err(error.into()),
            }
        }
        if depth == wanted.depth {
            tree.stops = !next.is_empty();
            break;
        }
        (level, depth) = (next, depth + 1);
    }
    Ok(tree)
}

async fn list(place: &Place<'_>, directory: &AbsPath) -> Result<ReadDirectoryResult, ClientError> {
    let params = ReadDirectoryParams {
        path: place.client.path(directory.clone()),
        sandbox: place.sandbox.clone(),
        every_entry: true,
    };
    place.client.read_directory(&params).await
}

impl Tree {
    /// Adds what is in a directory; gives the directories in it.
    fn take(
        &mut self,
        directory: &AbsPath,
        listed: ReadDirectoryResult,
        wanted: Wanted,
    ) -> Vec<AbsPath> {
        let mut directories = Vec::new();
        self.truncated |= listed.truncated;
        for entry in listed.entries {
            let name = match &entry.name_base64 {
                Some(bytes) => bytes.0.clone(),
                None => entry.file_name.into_bytes(),
            };
            let kind = entry.kind.unwrap_or(FileKind::Unknown);
            if wanted.no_hidden && kind == FileKind::Directory && name.starts_with(b".") {
                continue;
            }
            if self.entries.len() as u64 == WALK_ENTRIES {
                self.truncated = true;
                break;
            }
            // A name that no path has room for is nobody's.
            let Ok(path) = directory.join(OsStr::from_bytes(&name)) else {
                continue;
            };
            if kind == FileKind::Directory {
                directories.push(path.clone());
            }
            self.entries.push(Entry {
                path: WirePath::uri(path),
                kind,
                leads_to: entry.leads_to,
            });
        }
        directories
    }
}
