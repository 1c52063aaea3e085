//! The tree as `fs/walk` has it: directories, files, and links to files, which it tells as files.

use std::path::Path;

use lockgate_client::ClientError;
use lockgate_grant::AbsPath;
use lockgate_policy_gate::printable::printable;
use lockgate_wire::code;
use lockgate_wire::fs::{FileKind, WalkKind, WalkOptions, WalkParams, WalkResult};
use lockgate_wire::limits::{WALK_DIRECTORIES, WALK_ENTRIES};

use super::{Entry, Tree, Wanted};
use crate::failure::Failure;
use crate::fs::{Place, about};

pub(super) async fn tree(place: &Place<'_>, path: &Path, wanted: Wanted) -> Result<Tree, Failure> {
    let wire = place.path(path)?;
    let root = wire.path.clone();
    let options = WalkOptions {
        max_depth: wanted.depth,
        max_directories: WALK_DIRECTORIES,
        max_entries: WALK_ENTRIES,
        follow_directory_symlinks: false,
        prune_hidden_directories: wanted.no_hidden,
        prune_links: false,
    };
    let params = WalkParams {
        path: wire,
        options,
        sandbox: place.sandbox.clone(),
    };
    let walk = place.client.walk(&params).await;
    let walk = walk.map_err(about(place, path))?;
    if let Some(error) = walk.errors.iter().find(|error| error.path.path == root) {
        let message = printable(&error.message).into_owned();
        let code = code::INTERNAL;
        return Err(about(place, path)(ClientError::Server { code, message }));
    }
    let stops = stops(&root, wanted.depth, &walk);
    let entries = walk.entries.into_iter().map(|entry| Entry {
        path: entry.path,
        kind: match entry.kind {
            WalkKind::Directory => FileKind::Directory,
            WalkKind::File => FileKind::File,
        },
        leads_to: None,
    });
    Ok(Tree {
        entries: entries.collect(),
        errors: walk.errors,
        truncated: walk.truncated,
        stops,
    })
}

/// Whether there are directories that were not opened because they lie too deep.
fn stops(root: &AbsPath, max_depth: u64, walk: &WalkResult) -> bool {
    let deepest = root.components().count() as u64 + max_depth + 1;
    walk.entries.iter().any(|entry| {
        entry.kind == WalkKind::Directory && entry.path.path.components().count() as u64 == deepest
    })
}
