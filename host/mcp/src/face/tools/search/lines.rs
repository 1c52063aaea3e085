//! Lines of files that match a pattern.

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use lockgate_client::ClientError;
use lockgate_grant::AbsPath;
use regex::bytes::Regex;
use tokio::time::Instant;

use super::{Match, Meant, Skipped};
use crate::face::answer::Refusal;
use crate::face::call::Call;
use crate::face::contents;
use crate::face::limits;
use crate::face::session::Place;

/// What a search has found so far.
#[derive(Default)]
pub(super) struct Found {
    pub(super) matches: Vec<Match>,
    pub(super) files: u64,
    pub(super) truncated: Option<String>,
    pub(super) skipped: Vec<Skipped>,
}

/// Reads some files at once, and tells their matches in the order of their names.
pub(super) async fn search(
    call: &Call,
    place: &Place,
    meant: &Meant,
    pattern: Regex,
    limit: usize,
) -> Found {
    let mut found = Found::default();
    let (began, total) = (Instant::now(), meant.files.len());
    let mut waiting = meant.files.iter().cloned().enumerate();
    let mut reading = FuturesUnordered::new();
    let mut done: Vec<(usize, Vec<Match>)> = Vec::new();
    let (mut bytes, mut told) = (0, began);
    let mut matched = 0;
    loop {
        while reading.len() < limits::SEARCHED_AT_ONCE
            && found.truncated.is_none()
            && let Some((number, file)) = waiting.next()
        {
            reading.push(one(
                place,
                number,
                file,
                pattern.clone(),
                limit,
                began + limits::SEARCH_TIME,
            ));
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
            // No text: passed over among others, told where it is all that was meant.
            Err(None) if meant.is_itself => found.skipped.push(Skipped {
                path: searched.path,
                reason: "it is no text".to_owned(),
            }),
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
    until: Instant,
) -> Searched {
    let path = place.shown(&file);
    let searched = |bytes, outcome| Searched {
        number,
        path: path.clone(),
        bytes,
        outcome,
    };
    let data = match text(place, &file).await {
        Ok(Contains::Text(data)) => data,
        Ok(Contains::Other(bytes)) => return searched(bytes, Err(None)),
        Ok(Contains::TooMuch) => {
            let reason = format!("larger than {} MiB", limits::SEARCHED_FILE / (1024 * 1024));
            return searched(limits::SEARCHED_FILE, Err(Some(reason)));
        }
        Err(error) => return searched(0, Err(Some(Refusal::from(error).text))),
    };
    let bytes = data.len() as u64;
    // Not on a thread of the runtime: it may take as long as the search may.
    let name = path.clone();
    let looking =
        tokio::task::spawn_blocking(move || matches(&name, &data, &pattern, limit + 1, until));
    match looking.await {
        Ok(Some(matches)) => searched(bytes, Ok(matches)),
        Ok(None) => searched(
            bytes,
            Err(Some("the time was over in the middle of it".to_owned())),
        ),
        Err(_) => searched(bytes, Err(Some("it could not be searched".to_owned()))),
    }
}

/// What a file contains.
enum Contains {
    Text(Vec<u8>),
    /// No text, by its beginning; so many bytes were read.
    Other(u64),
    TooMuch,
}

async fn text(place: &Place, file: &AbsPath) -> std::result::Result<Contains, ClientError> {
    contents::reading(place, file, |mut blocks| async move {
        let mut all = Vec::new();
        while let Some(block) = blocks.next().await.transpose()? {
            if all.is_empty() && memchr::memchr(0, &block[..block.len().min(8 * 1024)]).is_some() {
                return Ok(Contains::Other(block.len() as u64));
            }
            all.extend_from_slice(&block);
            if all.len() as u64 > limits::SEARCHED_FILE {
                return Ok(Contains::TooMuch);
            }
        }
        Ok(Contains::Text(all))
    })
    .await
}

/// None: the time was over first.
fn matches(
    path: &str,
    data: &[u8],
    pattern: &Regex,
    most: usize,
    until: Instant,
) -> Option<Vec<Match>> {
    let mut all = Vec::new();
    for (number, line) in (1..).zip(data.split(|byte| *byte == b'\n')) {
        if Instant::now() >= until {
            return None;
        }
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
    Some(all)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn found(data: &str, pattern: &str) -> Vec<(u64, String)> {
        let pattern = Regex::new(pattern).expect("a pattern");
        let until = Instant::now() + limits::SEARCH_TIME;
        let all = matches("p", data.as_bytes(), &pattern, 10, until).expect("in time");
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
}
