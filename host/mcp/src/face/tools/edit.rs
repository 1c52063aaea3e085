//! `edit`: exact replacements in a text, all of them or none.

use lockgate_grant::AbsPath;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::face::answer::{Answer, Outcome, Refusal};
use crate::face::call::Call;
use crate::face::contents;
use crate::face::deed::{Brought, bytes};
use crate::face::granted::Deed;
use crate::face::limits;
use crate::face::session::Place;
use crate::face::tools::beforehand;
use crate::face::writing::{self, Over};

pub(super) const DESCRIPTION: &str = "Change parts of a text file. Each edit replaces old_text, which must stand in the file exactly once (or \
     replace_all is set), by new_text; edits are done in their order, all of them or none. Give enough of the surroundings to make it unique.";

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Params {
    /// The file; relative paths begin in the working directory
    path: String,
    /// What to change
    edits: Vec<Edit>,
}

/// One replacement.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Edit {
    /// What stands there, exactly, with its white space and line ends
    old_text: String,
    /// What takes its place
    new_text: String,
    /// Replace it wherever it stands
    #[serde(default)]
    replace_all: bool,
}

/// What was changed.
#[derive(Serialize, JsonSchema)]
pub(super) struct Result {
    /// The file
    path: String,
    /// How often something was replaced
    replacements: u64,
    /// Bytes that the file has now
    bytes: u64,
}

pub(super) async fn edit(call: &Call, params: Params) -> Outcome {
    if params.edits.is_empty() {
        return Err(Refusal::new("`edits` is empty: there is nothing to do"));
    }
    if params.edits.len() > limits::EDITS {
        return Err(Refusal::new(format!(
            "{} edits; at most {} are possible at once",
            params.edits.len(),
            limits::EDITS
        )));
    }
    shape(&params.edits)
        .map_err(|reason| Refusal::new(format!("{reason}; nothing was changed")))?;
    let place = call.place().await?;
    let path = place.path(&params.path)?;
    let _turn = writing::turn(&path).await;
    beforehand::edit(&place, &path, &params.path).await?;
    let contents = whole(&place, &path, &params.path).await?;
    let before = contents.clone();
    let text = String::from_utf8(contents).map_err(|_| {
        Refusal::new(format!(
            "{}: this is no text (UTF-8); `write` replaces whole files",
            params.path
        ))
    })?;
    let (changed, replacements) = apply(text, &params.edits).map_err(|reason| {
        Refusal::new(format!("{}: {reason}; nothing was changed", params.path))
    })?;
    let brought = Brought::becomes(format!(
        "replaces something in it {}; it has {} then",
        match replacements {
            1 => "once".to_owned(),
            times => format!("{times} times"),
        },
        bytes(changed.len() as u64)
    ));
    let bringing = call.bringing(&place, brought);
    let refusing = place.refusing(Deed::Write, &path, &params.path);
    let changed_meanwhile = || {
        Err(Refusal::new(format!(
            "{}: somebody has changed the file meanwhile, and nothing was changed here; read it again",
            params.path
        )))
    };
    // By another name of the file, or by another program, and while somebody was asked.
    match writing::put_over(&bringing, &path, &before, changed.as_bytes()).await {
        Some(Ok(Over::Written)) => {}
        Some(Ok(Over::Changed)) => return changed_meanwhile(),
        Some(Err(error)) => return Err(refusing(error)),
        None => {
            // What happens between this and the next, a question among it, is not found out then.
            if whole(&place, &path, &params.path).await? != before {
                return changed_meanwhile();
            }
            let put = writing::put(&bringing, &path, changed.as_bytes()).await;
            put.map_err(refusing)?;
        }
    }
    let result = Result {
        path: params.path.clone(),
        replacements,
        bytes: changed.len() as u64,
    };
    let text = format!(
        "{}: {replacements} replaced, {} now",
        result.path,
        bytes(result.bytes)
    );
    Ok(Answer::new(text, &result))
}

async fn whole(
    place: &Place,
    path: &AbsPath,
    named: &str,
) -> std::result::Result<Vec<u8>, Refusal> {
    let contents = contents::whole(place, path, limits::EDITED_BYTES).await;
    let contents = match contents {
        Ok(contents) => contents,
        Err(error) => return Err(place.refused(Deed::Read, path, named, error).await),
    };
    contents.ok_or_else(|| {
        Refusal::new(format!(
            "{named}: larger than {} MiB, which is what `edit` changes",
            limits::EDITED_BYTES / (1024 * 1024)
        ))
    })
}

/// What is wrong with them whatever the file is.
fn shape(edits: &[Edit]) -> std::result::Result<(), String> {
    for (number, edit) in (1..).zip(edits) {
        if edit.old_text.is_empty() {
            return Err(format!("edit {number}: old_text is empty"));
        }
        if edit.old_text == edit.new_text {
            return Err(format!("edit {number}: old_text and new_text are the same"));
        }
    }
    Ok(())
}

fn apply(mut text: String, edits: &[Edit]) -> std::result::Result<(String, u64), String> {
    let mut replacements = 0;
    for (number, edit) in (1..).zip(edits) {
        let found = text.matches(&edit.old_text).count() as u64;
        if found == 1 && !edit.replace_all && overlaps(&text, &edit.old_text) {
            return Err(format!(
                "edit {number}: old_text stands in the file more than once, overlapping itself; give more of its surroundings"
            ));
        }
        match found {
            0 => {
                return Err(format!(
                    "edit {number}: old_text does not stand in the file; read it again and copy it exactly"
                ));
            }
            2.. if !edit.replace_all => {
                return Err(format!(
                    "edit {number}: old_text stands in the file {found} times; give more of its surroundings, or set replace_all"
                ));
            }
            _ => {}
        }
        let grown = (edit.new_text.len() as u64).saturating_sub(edit.old_text.len() as u64);
        if text.len() as u64 + grown.saturating_mul(found) > 2 * limits::EDITED_BYTES {
            return Err(format!(
                "edit {number}: the file would become larger than {} MiB",
                2 * limits::EDITED_BYTES / (1024 * 1024)
            ));
        }
        text = text.replace(&edit.old_text, &edit.new_text);
        replacements += found;
    }
    Ok((text, replacements))
}

/// Whether it also stands where one of it has begun and not ended: `aa` in `aaa`.
fn overlaps(text: &str, old: &str) -> bool {
    let first = text.find(old);
    first.is_some() && first != text.rfind(old)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(old_text: &str, new_text: &str, replace_all: bool) -> Edit {
        Edit {
            old_text: old_text.to_owned(),
            new_text: new_text.to_owned(),
            replace_all,
        }
    }

    #[test]
    fn edits_follow_one_another() {
        let edits = [edit("a", "b", false), edit("b", "c", true)];
        assert_eq!(apply("ab".to_owned(), &edits), Ok(("cc".to_owned(), 3)));
    }

    #[test]
    fn what_is_not_there_or_not_unique_is_refused() {
        for (text, edit, reason) in [
            ("abc", edit("x", "y", false), "does not stand"),
            ("abab", edit("ab", "x", false), "2 times"),
            ("aaa", edit("aa", "x", false), "overlapping"),
            ("äöäöä", edit("äöä", "x", false), "overlapping"),
        ] {
            let refused = apply(text.to_owned(), &[edit]).expect_err(text);
            assert!(refused.contains(reason), "{refused}");
        }
        for (edit, reason) in [
            (edit("", "x", false), "empty"),
            (edit("a", "a", false), "the same"),
        ] {
            let refused = shape(&[edit]).expect_err(reason);
            assert!(refused.contains(reason), "{refused}");
        }
        let huge = "x".repeat(1024);
        let refused =
            apply("a".repeat(64 * 1024), &[edit("a", &huge, true)]).expect_err("too large");
        assert!(refused.contains("larger"), "{refused}");
    }
}
