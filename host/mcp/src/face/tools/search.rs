//! `search`: files by their names, and lines by what is in them.
//!
//! Made of the executor's walks and reads, not of a program there: so it sees what the profile and the policies let it see, and is the
//! same on every executor.

mod lines;

use globset::{GlobBuilder, GlobMatcher};
use lockgate_client::executor::Files;
use lockgate_grant::AbsPath;
use lockgate_wire::fs::{GetMetadataParams, WalkKind, WalkOptions};
use lockgate_wire::limits::{WALK_DEPTH, WALK_DIRECTORIES};
use regex::bytes::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bounded;
use crate::face::answer::{Answer, Outcome, Refusal, named};
use crate::face::call::Call;
use crate::face::granted::Deed;
use crate::face::limits;
use crate::face::session::Place;
use crate::face::tools::beforehand;
use crate::face::walking;
use lines::Found;

pub(super) const DESCRIPTION: &str = "Find files by name (`glob`), lines by their contents (`pattern`, a regular expression), or lines in files of \
     such names (both). Directories whose name begins with a dot are passed over unless `hidden` is set, as are files that are no text. \
     Links are not followed, so what only a link leads to is not found, nor is the link: `list` tells it.";

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Params {
    /// A regular expression that a line must match; without it, names are searched only
    pattern: Option<String>,
    /// Which files: a pattern for their path below `path`, such as `*.rs` (at any depth), `src/**/*.ts` or `**/test_*`. All if absent
    glob: Option<String>,
    /// Where to begin: a directory, or one file; the working directory if absent
    path: Option<String>,
    /// Let small letters and capitals be the same
    #[serde(default)]
    ignore_case: bool,
    /// Take the pattern as it is, not as a regular expression
    #[serde(default)]
    literal: bool,
    /// How many matches to give at most (100 if absent)
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u64>,
    /// Also look into directories whose name begins with a dot
    #[serde(default)]
    hidden: bool,
}

/// What was found.
#[derive(Serialize, JsonSchema)]
pub(super) struct Result {
    /// Files and, with a pattern, lines of them
    matches: Vec<Match>,
    /// How many files were looked into, or where there was no pattern, looked at
    files: u64,
    /// Not everything was searched or told: what bound ended it
    truncated: Option<String>,
    /// Files and directories that could not be searched: too large, or not to be read
    skipped: Vec<Skipped>,
    /// How many of those there are
    skipped_count: u64,
}

/// One match.
#[derive(Clone, Serialize, JsonSchema)]
pub(super) struct Match {
    /// The file, as the other tools take it
    path: String,
    /// The number of the line, counted from 1
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    /// The line, without its end; a long one is cut around the match
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// A file that was not searched.
#[derive(Clone, Serialize, JsonSchema)]
pub(super) struct Skipped {
    /// The file
    path: String,
    /// Why
    reason: String,
}

pub(super) async fn search(call: &Call, params: Params) -> Outcome {
    let limit = bounded("limit", params.limit, limits::MATCHES, limits::MOST_MATCHES)? as usize;
    if params.pattern.is_none() && params.glob.is_none() {
        return Err(Refusal::new(
            "give a `pattern` for lines, a `glob` for names, or both",
        ));
    }
    for (what, text) in [("pattern", &params.pattern), ("glob", &params.glob)] {
        if text
            .as_ref()
            .is_some_and(|text| text.len() > limits::PATTERN_CHARACTERS)
        {
            let most = limits::PATTERN_CHARACTERS;
            return Err(Refusal::new(format!(
                "`{what}` is longer than {most} characters"
            )));
        }
    }
    let pattern = params
        .pattern
        .as_deref()
        .map(|pattern| compile(pattern, &params))
        .transpose()?;
    let glob = params.glob.as_deref().map(glob).transpose()?;
    let place = call.place().await?;
    let asked = params.path.clone().unwrap_or_else(|| ".".to_owned());
    let path = place.path(&asked)?;
    let mut meant = files(&place, &path, &asked, glob.as_ref(), params.hidden).await?;
    let mut skipped = std::mem::take(&mut meant.unseen);
    let found = match pattern {
        Some(pattern) => lines::search(call, &place, &meant, pattern, limit).await,
        None => names(&place, &meant.files, limit),
    };
    let mut truncated = found.truncated.or(meant.truncated);
    skipped.extend(found.skipped);
    let mut matches = found.matches;
    if let Some(most) = too_many(&matches) {
        matches.truncate(most);
        truncated = Some(format!(
            "the first {most} matches are told, more would be too much at once; make the pattern narrower"
        ));
    }
    let result = Result {
        matches,
        files: found.files,
        truncated,
        skipped_count: skipped.len() as u64,
        skipped: skipped.into_iter().take(20).collect(),
    };
    Ok(Answer::new(text(&result), &result))
}

fn compile(pattern: &str, params: &Params) -> std::result::Result<Regex, Refusal> {
    let escaped = params.literal.then(|| regex::escape(pattern));
    RegexBuilder::new(escaped.as_deref().unwrap_or(pattern))
        .case_insensitive(params.ignore_case)
        .size_limit(limits::PATTERN_BYTES)
        .dfa_size_limit(limits::PATTERN_BYTES)
        .build()
        .map_err(|error| {
            Refusal::new(format!(
                "`pattern` is no regular expression that can be used: {error}"
            ))
        })
}

/// One without a slash is about names at any depth.
fn glob(text: &str) -> std::result::Result<GlobMatcher, Refusal> {
    let anywhere = if text.contains('/') {
        String::new()
    } else {
        "**/".to_owned()
    };
    GlobBuilder::new(&(anywhere + text.trim_start_matches("./")))
        .literal_separator(true)
        .backslash_escape(true)
        .build()
        .map(|glob| glob.compile_matcher())
        .map_err(|error| Refusal::new(format!("`glob` is no pattern for names: {error}")))
}

/// Which files to search.
struct Meant {
    /// It is one file, which the call names.
    is_itself: bool,
    /// In the order of their names.
    files: Vec<AbsPath>,
    /// What bound left some out.
    truncated: Option<String>,
    /// Where nobody could look.
    unseen: Vec<Skipped>,
}

async fn files(
    place: &Place,
    path: &AbsPath,
    asked: &str,
    glob: Option<&GlobMatcher>,
    hidden: bool,
) -> std::result::Result<Meant, Refusal> {
    beforehand::slash(place, Deed::Read, path, asked).await?;
    let look = GetMetadataParams {
        path: place.wire(path),
        sandbox: place.sandbox.clone(),
        follow_symlinks: None,
        every_attribute: false,
    };
    let found = match place.client.metadata(&look).await {
        Ok(found) => found,
        Err(error) => return Err(place.refused(Deed::Read, path, asked, error).await),
    };
    if !found.is_directory {
        beforehand::no_directory(place, path, asked)?;
        return Ok(Meant {
            is_itself: true,
            files: vec![path.clone()],
            truncated: None,
            unseen: Vec::new(),
        });
    }
    let options = WalkOptions {
        max_depth: WALK_DEPTH,
        max_directories: WALK_DIRECTORIES,
        max_entries: limits::SEARCHED_ENTRIES,
        follow_directory_symlinks: false,
        prune_hidden_directories: !hidden,
        prune_links: place.client.prunes_links(),
    };
    let walked = walking::walk(place, path, asked, &found, options).await?;
    let truncated = walked.truncated.then(|| {
        format!(
            "the first {} files and directories were looked at; begin further down with `path`",
            limits::SEARCHED_ENTRIES
        )
    });
    let all = walked
        .entries
        .into_iter()
        .filter(|entry| entry.kind == WalkKind::File);
    let mut files: Vec<_> = all
        .map(|entry| entry.path.path)
        .filter(|file| {
            let below = file
                .as_path()
                .strip_prefix(path.as_path())
                .unwrap_or(file.as_path());
            glob.is_none_or(|glob| glob.is_match(below))
        })
        .collect();
    files.sort();
    if !place.client.prunes_links() {
        files = without_links(place, files).await;
    }
    let unseen = walked.errors.into_iter().map(|error| Skipped {
        path: place.shown(&error.path.path),
        reason: error.message,
    });
    Ok(Meant {
        is_itself: false,
        files,
        truncated,
        unseen: unseen.collect(),
    })
}

/// Without links, of what an executor has walked to that tells those to files as files. Nobody is asked about it; what cannot be looked at stays, and reading it
/// says why.
async fn without_links(place: &Place, mut files: Vec<AbsPath>) -> Vec<AbsPath> {
    let unasked = place.unasked();
    let looked = Files::metadata_each(&unasked.client, &files, place.sandbox.as_ref()).await;
    if let Ok(looked) = looked {
        let mut are_links = looked
            .into_iter()
            .map(|looked| looked.is_ok_and(|looked| looked.is_link));
        files.retain(|_| !are_links.next().unwrap_or(false));
    }
    files
}

fn names(place: &Place, files: &[AbsPath], limit: usize) -> Found {
    let count = files.len();
    let matches = files.iter().take(limit).map(|file| Match {
        path: place.shown(file),
        line: None,
        text: None,
    });
    Found {
        matches: matches.collect(),
        files: count as u64,
        truncated: (count > limit).then(|| {
            format!(
                "{limit} of {count} files are told; raise `limit`, or make the pattern narrower"
            )
        }),
        skipped: Vec::new(),
    }
}

/// How many matches fit into an answer, if not all do: names can be long.
fn too_many(matches: &[Match]) -> Option<usize> {
    let mut bytes = 0;
    matches.iter().position(|found| {
        bytes += found.path.len() + found.text.as_ref().map_or(0, String::len);
        bytes > limits::MOST_BYTES
    })
}

fn text(result: &Result) -> String {
    let mut text = String::new();
    for found in &result.matches {
        text.push_str(&named(&found.path));
        if let (Some(line), Some(of_line)) = (found.line, &found.text) {
            text.push_str(&format!(":{line}:{of_line}"));
        }
        text.push('\n');
    }
    if result.matches.is_empty() {
        let files = match result.files {
            1 => "1 file".to_owned(),
            count => format!("{count} files"),
        };
        text.push_str(&format!("[nothing found in {files}]\n"));
    }
    if let Some(truncated) = &result.truncated {
        text.push_str(&format!("[not everything: {truncated}]\n"));
    }
    if result.skipped_count > 0 {
        let were = match result.skipped_count {
            1 => "1 file was".to_owned(),
            count => format!("{count} files were"),
        };
        text.push_str(&format!("[{were} skipped: "));
        let first = result.skipped.iter().take(3);
        let first: Vec<_> = first
            .map(|skipped| format!("{}: {}", named(&skipped.path), skipped.reason))
            .collect();
        text.push_str(&first.join("; "));
        text.push_str("]\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_is_told_as_one() {
        let mut result = Result {
            matches: Vec::new(),
            files: 1,
            truncated: None,
            skipped: vec![Skipped {
                path: "a\nb".to_owned(),
                reason: "no".to_owned(),
            }],
            skipped_count: 1,
        };
        let one = "[nothing found in 1 file]\n[1 file was skipped: \"a\\nb\": no]\n";
        assert_eq!(text(&result), one);
        (result.files, result.skipped_count) = (0, 2);
        let two = "[nothing found in 0 files]\n[2 files were skipped: \"a\\nb\": no]\n";
        assert_eq!(text(&result), two);
    }

    #[test]
    fn a_glob_without_a_slash_is_about_names_at_any_depth() {
        for (pattern, path, matches) in [
            ("*.rs", "a.rs", true),
            ("*.rs", "a/b/c.rs", true),
            ("*.{ts,js}", "a/b.js", true),
            ("src/*.rs", "src/a.rs", true),
            ("src/*.rs", "src/a/b.rs", false),
            ("src/**/*.rs", "src/a/b.rs", true),
            ("./src/*.rs", "src/a.rs", true),
            ("*.rs", "a.rs.bak", false),
        ] {
            let glob = glob(pattern).expect(pattern);
            assert_eq!(glob.is_match(path), matches, "{pattern} {path}");
        }
    }
}
