//! `fs ls` and `fs stat`.

use std::path::{Path, PathBuf};

use lockgate_policy_gate::printable::printable;
use lockgate_wire::fs::{DirectoryEntry, GetMetadataParams, MetadataResult, ReadDirectoryParams};

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

/// What is in a directory, by name.
pub(super) async fn entries(
    place: &Place<'_>,
    path: &Path,
) -> Result<Vec<DirectoryEntry>, Failure> {
    let params = ReadDirectoryParams {
        path: place.path(path)?,
        sandbox: place.sandbox.clone(),
        every_entry: false,
    };
    let found = place.client.read_directory(&params).await;
    let mut entries = found.map_err(about(place, path))?.entries;
    entries.sort_by(|a, b| a.file_name.cmp(&b.file_name));
    Ok(entries)
}

pub(super) async fn stat(place: &Place<'_>, paths: &[PathBuf], json: bool) -> Result<(), Failure> {
    let mut all = Vec::with_capacity(paths.len());
    for path in paths {
        let params = GetMetadataParams {
            path: place.path(path)?,
            sandbox: place.sandbox.clone(),
            follow_symlinks: None,
            every_attribute: false,
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
    format!(
        "type      {}\nsize      {}\ncreated   {}\nmodified  {}\n",
        kind(metadata),
        metadata.size,
        time(metadata.created_at_ms),
        time(metadata.modified_at_ms)
    )
}

pub(super) fn kind(metadata: &MetadataResult) -> String {
    let target = match (metadata.is_directory, metadata.is_file) {
        (true, _) => "directory",
        (_, true) => "file",
        _ => "other",
    };
    if metadata.is_symlink {
        format!("link to a {target}")
    } else {
        target.to_owned()
    }
}
