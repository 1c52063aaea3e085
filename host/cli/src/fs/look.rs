//! `fs ls` and `fs stat`.

use std::path::Path;

use lockgate_policy_gate::printable::printable;
use lockgate_wire::fs::{GetMetadataParams, MetadataResult, ReadDirectoryParams};

use super::{Place, about};
use crate::calendar::time;
use crate::failure::Failure;
use crate::output::{print, print_json};

pub(super) async fn ls(place: &Place<'_>, path: &Path, json: bool) -> Result<(), Failure> {
    let params = ReadDirectoryParams {
        path: place.path(path)?,
        sandbox: place.sandbox.clone(),
    };
    let mut entries = place
        .client
        .read_directory(&params)
        .await
        .map_err(about(place, path))?
        .entries;
    entries.sort_by(|a, b| a.file_name.cmp(&b.file_name));
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

pub(super) async fn stat(place: &Place<'_>, path: &Path, json: bool) -> Result<(), Failure> {
    let params = GetMetadataParams {
        path: place.path(path)?,
        sandbox: place.sandbox.clone(),
        follow_symlinks: None,
    };
    let metadata = place
        .client
        .metadata(&params)
        .await
        .map_err(about(place, path))?;
    if json {
        return print_json(&metadata);
    }
    print(&format!(
        "type      {}\nsize      {}\ncreated   {}\nmodified  {}\n",
        kind(&metadata),
        metadata.size,
        time(metadata.created_at_ms),
        time(metadata.modified_at_ms)
    ))
}

fn kind(metadata: &MetadataResult) -> String {
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
