//! `fs ls` and `fs stat`.

use std::path::{Path, PathBuf};

use lockgate_policy_gate::printable::printable;
use lockgate_wire::Permissions;
use lockgate_wire::fs::{
    DirectoryEntry, FileKind, GetMetadataParams, MetadataResult, ReadDirectoryParams,
    ReadDirectoryResult,
};

use super::{Place, about};
use crate::calendar::time;
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
        eprintln!(
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

pub(super) async fn stat(place: &Place<'_>, paths: &[PathBuf], json: bool) -> Result<(), Failure> {
    let mut all = Vec::with_capacity(paths.len());
    for path in paths {
        let params = GetMetadataParams {
            path: place.path(path)?,
            sandbox: place.sandbox.clone(),
            follow_symlinks: None,
            every_attribute: place.client.tells_every_attribute(),
        };
        let metadata = place.client.metadata(&params).await;
        all.push(metadata.map_err(about(place, path))?);
    }
    match (&*all, json) {
        ([one], true) => print_json(one),
        (all, true) => print_json(&all),
        ([one], false) => print(&lines(one)),
        (all, false) => {
            let each = paths.iter().zip(all);
            let each = each.map(|(path, metadata)| {
                let path = path.display().to_string();
                format!("path      {}\n{}", printable(&path), lines(metadata))
            });
            print(&each.collect::<Vec<_>>().join("\n"))
        }
    }
}

fn lines(metadata: &MetadataResult) -> String {
    let mut lines = format!(
        "type      {}\nsize      {}\n",
        kind(metadata),
        metadata.size
    );
    // What a server does not tell has no line.
    if let Some(mode) = metadata.mode {
        lines.push_str(&format!("mode      {mode:04o} {}\n", Permissions(mode)));
    }
    if let (Some(uid), Some(gid)) = (metadata.uid, metadata.gid) {
        lines.push_str(&format!("owner     {uid}:{gid}\n"));
    }
    if let Some(nlink) = metadata.nlink {
        lines.push_str(&format!("names     {nlink}\n"));
    }
    lines.push_str(&format!(
        "created   {}\nmodified  {}\n",
        time(metadata.created_at_ms),
        time(metadata.modified_at_ms)
    ));
    lines
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
