//! `list`: what is in a directory, or in a tree.

use lockgate_wire::fs::{GetMetadataParams, WalkKind, WalkOptions};
use lockgate_wire::limits::{WALK_DEPTH, WALK_DIRECTORIES};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bounded;
use crate::face::answer::{Answer, Outcome};
use crate::face::call::Call;
use crate::face::granted::Deed;
use crate::face::{limits, walking};

pub(super) const DESCRIPTION: &str = "List a directory, or with a depth of more than 1 the tree below it; directories end with /. \
     Of a file it tells the size and the time of its last change.";

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Params {
    /// Where to look; the working directory if absent
    path: Option<String>,
    /// How many levels down (1 if absent)
    #[schemars(range(min = 1, max = 64))]
    depth: Option<u64>,
    /// How many entries to give at most (200 if absent)
    #[schemars(range(min = 1, max = 2000))]
    limit: Option<u64>,
    /// Also go into directories whose name begins with a dot
    #[serde(default)]
    hidden: bool,
}

/// What there is.
#[derive(Serialize, JsonSchema)]
pub(super) struct Result {
    /// Where it was looked
    path: String,
    /// What is there, by names relative to `path`; of a file itself: one entry with its name
    entries: Vec<Listed>,
    /// There is more than was asked for
    truncated: bool,
    /// Places that could not be looked into
    errors: Vec<Unseen>,
}

/// One entry.
#[derive(Serialize, JsonSchema)]
pub(super) struct Listed {
    /// Its name
    name: String,
    /// What it is
    kind: Kind,
    /// Bytes; told of a file that was asked for itself
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    /// Milliseconds since 1970; told of a file that was asked for itself
    #[serde(skip_serializing_if = "Option::is_none")]
    modified_at_ms: Option<i64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// A directory
    Directory,
    /// A file
    File,
    /// Something else
    Other,
}

/// A place that could not be looked into.
#[derive(Serialize, JsonSchema)]
pub(super) struct Unseen {
    /// Where
    path: String,
    /// Why
    reason: String,
}

pub(super) async fn list(call: &Call, params: Params) -> Outcome {
    let depth = bounded("depth", params.depth, 1, WALK_DEPTH)?;
    let limit = bounded("limit", params.limit, limits::ENTRIES, limits::MOST_ENTRIES)?;
    let place = call.place().await?;
    let asked = params.path.unwrap_or_else(|| ".".to_owned());
    let path = place.path(&asked)?;
    let look = GetMetadataParams {
        path: place.wire(&path),
        sandbox: place.sandbox.clone(),
        follow_symlinks: None,
    };
    let found =
        place
            .client
            .metadata(&look)
            .await
            .map_err(place.refusing(Deed::Read, &path, &asked))?;
    if !found.is_directory {
        let entry = Listed {
            name: path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            kind: if found.is_file {
                Kind::File
            } else {
                Kind::Other
            },
            bytes: Some(found.size),
            modified_at_ms: Some(found.modified_at_ms),
        };
        let text = format!("{asked}: {} bytes", found.size);
        let result = Result {
            path: asked,
            entries: vec![entry],
            truncated: false,
            errors: Vec::new(),
        };
        return Ok(Answer::new(text, &result));
    }
    let options = WalkOptions {
        // There 0 is what is in the directory itself.
        max_depth: depth - 1,
        max_directories: WALK_DIRECTORIES,
        max_entries: limit,
        follow_directory_symlinks: false,
        prune_hidden_directories: !params.hidden && depth > 1,
    };
    let walked = walking::walk(&place, &path, &asked, &found, options).await?;
    let relative = |entry: &lockgate_grant::AbsPath| {
        let entry = entry.as_path();
        let below = entry.strip_prefix(path.as_path()).unwrap_or(entry);
        below.to_string_lossy().into_owned()
    };
    let mut entries: Vec<_> = walked
        .entries
        .iter()
        .map(|entry| Listed {
            name: relative(&entry.path.path),
            kind: match entry.kind {
                WalkKind::Directory => Kind::Directory,
                WalkKind::File => Kind::File,
            },
            bytes: None,
            modified_at_ms: None,
        })
        .collect();
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    let mut bytes = 0;
    let fitting = entries.iter().position(|entry| {
        bytes += entry.name.len();
        bytes > limits::MOST_BYTES
    });
    // Names can be long.
    entries.truncate(fitting.unwrap_or(entries.len()));
    let errors = walked.errors.iter().take(20).map(|error| Unseen {
        path: relative(&error.path.path),
        reason: error.message.clone(),
    });
    let result = Result {
        errors: errors.collect(),
        truncated: walked.truncated || fitting.is_some(),
        path: asked,
        entries,
    };
    Ok(Answer::new(text(&result), &result))
}

fn text(result: &Result) -> String {
    let mut text = String::new();
    for entry in &result.entries {
        text.push_str(&entry.name);
        text.push_str(if entry.kind == Kind::Directory {
            "/\n"
        } else {
            "\n"
        });
    }
    if result.entries.is_empty() {
        text.push_str("[nothing]\n");
    }
    if result.truncated {
        text.push_str("[there is more: raise `limit`, or look further down]\n");
    }
    for error in &result.errors {
        text.push_str(&format!("[{}: {}]\n", error.path, error.reason));
    }
    text
}
