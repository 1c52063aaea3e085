//! What went wrong with which path, and what that may mean under a profile: the gate answers in the system's words.

use std::path::Path;

use lockgate_client::ClientError;
use lockgate_grant::AbsPath;
use lockgate_grant::profile::{Access, Sandbox};
use lockgate_policy_gate::printable::printable;
use lockgate_wire::code;

use super::Place;
use super::granted::Granted;
use crate::failure::Failure;
use crate::here::{Beginning, is_relative};

/// What went wrong with which path.
pub(super) fn about<'a>(
    place: &'a Place<'_>,
    path: &'a Path,
) -> impl FnOnce(ClientError) -> Failure + 'a {
    move |error| said(place, &path.display().to_string(), &[path], &[path], error)
}

/// The same of two, of which `changed` are to be written: the answer does not tell which of them it is about.
pub(super) fn about_both<'a>(
    place: &'a Place<'_>,
    both: [&'a Path; 2],
    changed: &'a [&'a Path],
) -> impl FnOnce(ClientError) -> Failure + 'a {
    move |error| said(place, &names(both), &both, changed, error)
}

/// Two paths in a message.
pub(super) fn names([from, to]: [&Path; 2]) -> String {
    format!("{} to {}", from.display(), to.display())
}

fn said(
    place: &Place<'_>,
    names: &str,
    asked: &[&Path],
    changed: &[&Path],
    error: ClientError,
) -> Failure {
    let ClientError::Server { code, message } = error else {
        return Failure::from(error);
    };
    // They were understood before they were sent.
    let paths = |typed: &[&Path]| -> Vec<AbsPath> {
        let understood = typed.iter().filter_map(|path| place.at(path).ok());
        understood.collect()
    };
    let hint = match &place.sandbox {
        Some(sandbox) => hint(sandbox, code, &message, &paths(asked), &paths(changed)),
        None => "",
    };
    let begins = match &place.begins {
        Beginning::There(from)
            if code == code::NOT_FOUND && asked.iter().any(|path| is_relative(path)) =>
        {
            let from = from.to_string();
            format!(
                "; relative paths begin in {}, the executor's directory",
                printable(&from)
            )
        }
        _ => String::new(),
    };
    Failure::new(format!("{names}: {message}{hint}{begins}")).of_one()
}

/// What the system's words may mean here. Where the profile has nothing to do with it, nothing is said of the profile.
fn hint(
    sandbox: &Sandbox,
    code: i64,
    message: &str,
    asked: &[AbsPath],
    changed: &[AbsPath],
) -> &'static str {
    let granted = Granted::by(sandbox);
    let system = |number: &str| message.ends_with(number);
    if code == code::NOT_FOUND || system("(os error 13)") {
        // What is not granted looks as if it were not there, except to who wants to change it.
        if !asked.iter().all(|path| granted.reaches(path)) {
            "; or it is not granted by --read or --write"
        } else if asked
            .iter()
            .any(|path| granted.access(path) == Some(Access::Deny))
        {
            "; or it is denied by --deny"
        } else if granted.globs {
            "; or it is denied by --deny-glob"
        } else {
            ""
        }
    } else if system("(os error 30)") {
        if changed.iter().any(|path| granted.is_protected(path)) {
            "; directly in a writable directory .git, .agents and .codex stay read-only"
        } else if changed
            .iter()
            .any(|path| granted.access(path) != Some(Access::Write))
        {
            "; it takes --write"
        } else {
            ""
        }
    } else {
        ""
    }
}
