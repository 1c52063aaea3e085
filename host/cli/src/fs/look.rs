//! `fs ls`, and what things are called.

use std::path::Path;

use lockgate_policy_gate::printable::printable;
use lockgate_wire::fs::{
    DirectoryEntry, FileKind, MetadataResult, ReadDirectoryParams, ReadDirectoryResult,
};

use super::{Place, about};
use crate::failure::Failure;
use crate::output::{print, print_json};

pub(super) async fn ls(place: &Place<'_>, path: &Path, json: bool) -> Result<(), Failure> {
    let entries = entries(place, path).await?;
    if json {
        return print_json(&entries);
    }
    let lines: String = entries
        .iter()
        .map(|entry| {
            format!(
                "{}{}\n",
                printable(&entry.file_name),
                if entry.is_directory { "/" } else { "" }
            )
        })
        .collect();
    print(&lines)
}

/// What is in a directory, by name: everything, where the server tells it.
pub(super) async fn entries(
    place: &Place<'_>,
    path: &Path,
) -> Result<Vec<DirectoryEntry>, Failure> {
    let mut found = listed(place, path, place.client.lists_every_entry()).await?;
    if found.truncated {
        // A listing of everything has a bound that a plain one has not.
        let name = path.display().to_string();
        tell!(
            "lockgate: {} holds more than is told with everything in it: links that lead nowhere are left out",
            printable(&name)
        );
        found = listed(place, path, false).await?;
    }
    let mut entries = found.entries;
    entries.sort_by(|a, b| a.file_name.cmp(&b.file_name));
    Ok(entries)
}

async fn listed(
    place: &Place<'_>,
    path: &Path,
    every_entry: bool,
) -> Result<ReadDirectoryResult, Failure> {
    let params = ReadDirectoryParams {
        path: place.path(path)?,
        sandbox: place.sandbox.clone(),
        every_entry,
    };
    let found = place.client.read_directory(&params).await;
    found.map_err(about(place, path))
}

/// What is at the end of a path, in words, and whether it is a link that leads there.
pub(super) fn kind(metadata: &MetadataResult) -> String {
    let target = match metadata.kind.and_then(word) {
        Some(exact) => exact,
        None if metadata.is_directory => "directory",
        None if metadata.is_file => "file",
        None => "other",
    };
    match metadata.is_symlink {
        true => format!("link to a {target}"),
        false => target.to_owned(),
    }
}

pub(super) fn word(kind: FileKind) -> Option<&'static str> {
    Some(match kind {
        FileKind::File => "file",
        FileKind::Directory => "directory",
        FileKind::Symlink => "link",
        FileKind::Fifo => "fifo",
        FileKind::Socket => "socket",
        FileKind::BlockDevice => "block device",
        FileKind::CharacterDevice => "character device",
        FileKind::Unknown => return None,
    })
}
