//! `search`: files by their names, and lines by what is in them.
//!
//! Made of the executor's walks and reads, not of a program there: so it sees what the profile and the policies let it see, and is the
//! same on every executor.

use std::collections::VecDeque;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use globset::{GlobBuilder, GlobMatcher};
use lockgate_grant::AbsPath;
use lockgate_wire::fs::{GetMetadataParams, WalkKind, WalkOptions, WalkParams};
use lockgate_wire::limits::{WALK_DEPTH, WALK_DIRECTORIES};
use regex::bytes::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::super::answer::{Answer, Outcome, Refusal};
use super::super::call::Call;
use super::super::contents::Contents;
use super::super::limits;
use super::super::questions::Subject;
use super::super::session::Place;
use super::bounded;

pub(super) const DESCRIPTION: &str = "Find files by name (`glob`), lines by their contents (`pattern`, a regular expression), or lines in files of \
     such names (both). Directories whose name begins with a dot are passed over unless `hidden` is set, as are files that are no text.";

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
    /// Files that could not be searched: too large, or not to be read
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
    call.about(Subject::Below(path.clone()));
    let (files, mut truncated) = files(&place, &path, &asked, glob.as_ref(), params.hidden).await?;
    let found = match pattern {
        Some(pattern) => lines(call, &place, files, pattern, limit).await,
        None => names(&place, files, limit),
    };
    truncated = found.truncated.or(truncated);
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
        skipped_count: found.skipped.len() as u64,
        skipped: found.skipped.into_iter().take(20).collect(),
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

/// The files that are meant, in the order of their names, and what bound left some out.
async fn files(
    place: &Place,
    path: &AbsPath,
    asked: &str,
    glob: Option<&GlobMatcher>,
    hidden: bool,
) -> std::result::Result<(Vec<AbsPath>, Option<String>), Refusal> {
    let look = GetMetadataParams {
        path: place.wire(path),
        sandbox: place.sandbox.clone(),
        follow_symlinks: None,
    };
    let found = place
        .client
        .metadata(&look)
        .await
        .map_err(Refusal::about(asked))?;
    if !found.is_directory {
        return Ok((vec![path.clone()], None));
    }
    let walk = WalkParams {
        path: place.wire(path),
        options: WalkOptions {
            max_depth: WALK_DEPTH,
            max_directories: WALK_DIRECTORIES,
            max_entries: limits::SEARCHED_ENTRIES,
            follow_directory_symlinks: false,
            prune_hidden_directories: !hidden,
        },
        sandbox: place.sandbox.clone(),
    };
    let walked = place
        .client
        .walk(&walk)
        .await
        .map_err(Refusal::about(asked))?;
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
    Ok((files, truncated))
}

/// What a search has found so far.
#[derive(Default)]
struct Found {
    matches: Vec<Match>,
    files: u64,
    truncated: Option<String>,
    skipped: Vec<Skipped>,
}

fn names(place: &Place, files: Vec<AbsPath>, limit: usize) -> Found {
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

/// Reads some files at once, and tells their matches in the order of their names.
async fn lines(
    call: &Call,
    place: &Place,
    files: Vec<AbsPath>,
    pattern: Regex,
    limit: usize,
) -> Found {
    let mut found = Found::default();
    let (began, total) = (Instant::now(), files.len());
    let mut waiting = VecDeque::from(files).into_iter().enumerate();
    let mut reading = FuturesUnordered::new();
    let mut done: Vec<(usize, Vec<Match>)> = Vec::new();
    let (mut bytes, mut told) = (0, began);
    let mut matched = 0;
    loop {
        while reading.len() < limits::SEARCHED_AT_ONCE
            && found.truncated.is_none()
            && let Some((number, file)) = waiting.next()
        {
            reading.push(one(place, number, file, pattern.clone(), limit));
        }
        let Some(searched) = reading.next().await else {
            break;
        };
        bytes += searched.bytes;
        match searched.outcome {
            Ok(matches) => {
                found.files += 1;
                matched += matches.len();
                if !matches.is_empty() {
                    done.push((searched.number, matches));
                }
            }
            Err(Some(reason)) => found.skipped.push(Skipped {
                path: searched.path,
                reason,
            }),
            // No text.
            Err(None) => {}
        }
        if found.truncated.is_none() {
            found.truncated = if matched > limit {
                Some(format!(
                    "more than {limit} matches; raise `limit`, or make the pattern narrower"
                ))
            } else if bytes > limits::SEARCHED_BYTES {
                Some(format!(
                    "{} MiB were read; begin further down with `path`, or give a `glob`",
                    limits::SEARCHED_BYTES / (1024 * 1024)
                ))
            } else if began.elapsed() > limits::SEARCH_TIME {
                Some(format!(
                    "it went on for {} s; begin further down with `path`, or give a `glob`",
                    limits::SEARCH_TIME.as_secs()
                ))
            } else {
                None
            };
        }
        if told.elapsed() >= limits::PROGRESS {
            told = Instant::now();
            let files = found.files;
            call.progress
                .tell(files as f64, || {
                    format!("{files} of {total} files searched")
                })
                .await;
        }
    }
    done.sort_by_key(|(number, _)| *number);
    let all = done
        .into_iter()
        .flat_map(|(_, matches)| matches)
        .take(limit);
    found.matches = all.collect();
    found
}

struct Searched {
    number: usize,
    path: String,
    bytes: u64,
    /// Why it was not searched; without a reason: it is no text.
    outcome: std::result::Result<Vec<Match>, Option<String>>,
}

async fn one(
    place: &Place,
    number: usize,
    file: AbsPath,
    pattern: Regex,
    limit: usize,
) -> Searched {
    let path = place.shown(&file);
    let searched = |bytes, outcome| Searched {
        number,
        path: path.clone(),
        bytes,
        outcome,
    };
    let data = match Contents::whole(place, &file, limits::SEARCHED_FILE).await {
        Ok(Some(data)) => data,
        Ok(None) => {
            let reason = format!("larger than {} MiB", limits::SEARCHED_FILE / (1024 * 1024));
            return searched(limits::SEARCHED_FILE, Err(Some(reason)));
        }
        Err(error) => return searched(0, Err(Some(Refusal::from(error).0))),
    };
    let bytes = data.len() as u64;
    if memchr::memchr(0, &data[..data.len().min(8 * 1024)]).is_some() {
        return searched(bytes, Err(None));
    }
    let matches = matches(&path, &data, &pattern, limit + 1);
    searched(bytes, Ok(matches))
}

fn matches(path: &str, data: &[u8], pattern: &Regex, most: usize) -> Vec<Match> {
    let mut all = Vec::new();
    for (number, line) in (1..).zip(data.split(|byte| *byte == b'\n')) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Some(matched) = pattern.find(line) else {
            continue;
        };
        all.push(Match {
            path: path.to_owned(),
            line: Some(number),
            text: Some(shown(line, matched.start())),
        });
        if all.len() == most {
            break;
        }
    }
    // After the last line end there is no line.
    if data.ends_with(b"\n") || data.is_empty() {
        let lines = memchr::memchr_iter(b'\n', data).count() as u64;
        all.retain(|found| found.line.is_some_and(|line| line <= lines));
    }
    all
}

/// The line; of a long one what is around the match.
fn shown(line: &[u8], at: usize) -> String {
    if line.len() <= limits::SHOWN_LINE {
        return String::from_utf8_lossy(line).into_owned();
    }
    let begin = at
        .saturating_sub(limits::SHOWN_LINE / 4)
        .min(line.len() - limits::SHOWN_LINE);
    let end = begin + limits::SHOWN_LINE;
    let text = String::from_utf8_lossy(&line[begin..end]);
    let text = text.trim_matches('\u{fffd}');
    let (before, after) = (
        if begin > 0 { "[...]" } else { "" },
        if end < line.len() { "[...]" } else { "" },
    );
    format!("{before}{text}{after}")
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
        text.push_str(&found.path);
        if let (Some(line), Some(of_line)) = (found.line, &found.text) {
            text.push_str(&format!(":{line}:{of_line}"));
        }
        text.push('\n');
    }
    if result.matches.is_empty() {
        text.push_str(&format!("[nothing found in {} files]\n", result.files));
    }
    if let Some(truncated) = &result.truncated {
        text.push_str(&format!("[not everything: {truncated}]\n"));
    }
    if result.skipped_count > 0 {
        text.push_str(&format!("[{} files were skipped: ", result.skipped_count));
        let first = result.skipped.iter().take(3);
        let first: Vec<_> = first
            .map(|skipped| format!("{}: {}", skipped.path, skipped.reason))
            .collect();
        text.push_str(&first.join("; "));
        text.push_str("]\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(data: &str, pattern: &str) -> Vec<(u64, String)> {
        let pattern = Regex::new(pattern).expect("a pattern");
        let all = matches("p", data.as_bytes(), &pattern, 10);
        all.into_iter()
            .map(|found| (found.line.expect("a line"), found.text.expect("a text")))
            .collect()
    }

    #[test]
    fn lines_are_found_with_their_numbers() {
        assert_eq!(
            found("a\nb\r\nab\n", "b"),
            [(2, "b".to_owned()), (3, "ab".to_owned())]
        );
        assert_eq!(found("a\n\n", "^$"), [(2, String::new())]);
        assert_eq!(found("", "^$"), []);
    }

    #[test]
    fn a_long_line_is_shown_around_its_match() {
        let line = format!("{}needle{}", "x".repeat(5_000), "y".repeat(5_000));
        let (_, text) = found(&line, "needle").remove(0);
        assert!(
            text.starts_with("[...]x") && text.contains("needle") && text.ends_with("y[...]"),
            "{text}"
        );
        assert!(text.len() < 500);
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
