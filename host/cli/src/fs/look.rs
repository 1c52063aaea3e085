//! `fs ls` and `fs stat`.

use std::path::Path;

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

/// Names come from the server: what would move the cursor is shown, not sent to the terminal.
pub(super) fn printable(name: &str) -> String {
    name.chars()
        .flat_map(|character| {
            let escape = character.is_control();
            let (plain, escaped) = (
                Some(character).filter(|_| !escape),
                escape.then(|| character.escape_default()),
            );
            plain.into_iter().chain(escaped.into_iter().flatten())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_drive_the_terminal() {
        assert_eq!(printable("a b\u{e9}"), "a b\u{e9}");
        assert_eq!(printable("\u{1b}[2J\n\u{9b}"), "\\u{1b}[2J\\n\\u{9b}");
    }
}
