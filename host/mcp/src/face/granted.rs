//! What a session's profile grants, in words: for an agent that was refused something and is to see why, and what it could do instead.
//!
//! An executor refuses what a profile does not grant as a system refuses it, by an error that also means other things. The profile is known here, so
//! what it says of a path by its name can be said. Where links lead is known to the executor only: it decides, and this explains.

use lockgate_client::ClientError;
use lockgate_grant::profile::{Access as Right, EntryPath, FileSystem, Permissions, Special};
use lockgate_grant::{AbsPath, Allowed, Confinement, Grants, NamesOnly, Sandbox};
use lockgate_wire::code;

use super::access::{self, Files};
use super::answer::Refusal;
use super::limits;

/// What is to be done with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Read,
    Write,
    /// Its name is taken from it, or given to it.
    Rename,
}

/// What a profile grants.
pub(super) struct Granted {
    grants: Grants,
    words: String,
    /// Files with secrets of this server.
    kept: Vec<AbsPath>,
}

impl Granted {
    /// Nothing to explain where nothing is restricted.
    pub(super) fn of(files: &Files, kept: &[AbsPath], sandbox: &Sandbox) -> Option<Granted> {
        let grants = match Confinement::of(sandbox, &NamesOnly) {
            Ok(Confinement::Confined(confined)) => confined.grants,
            // What is wrong with a profile the executor says.
            Ok(Confinement::Direct) | Err(_) => return None,
        };
        let words = words(files, sandbox);
        Some(Granted {
            grants,
            words,
            kept: kept.to_vec(),
        })
    }

    /// Why that was refused, if it was by the profile, as far as names show it. What policies and others say in their own words stays as it is.
    pub(super) fn explain(
        &self,
        deed: Deed,
        path: &AbsPath,
        named: &str,
        error: &ClientError,
    ) -> Option<Refusal> {
        let refused = refused(error).filter(|refused| *refused != Refused::Taken)?;
        let words = &self.words;
        let text = if !self.grants(deed, path) {
            let done = match deed {
                Deed::Read => "read",
                Deed::Write => "written",
                Deed::Rename => "moved or removed",
            };
            format!("{named}: this server's profile does not let it be {done}. {words}")
        } else if refused == Refused::NotThere {
            return None;
        } else if deed == Deed::Rename && self.kept.iter().any(|kept| kept.starts_with(path)) {
            format!(
                "{named}: {}: it holds a file with a token of this server, which stays where it is",
                message(error)
            )
        } else {
            let leads = match deed {
                Deed::Rename => "hold, or lead to,",
                Deed::Read | Deed::Write => "lead to",
            };
            format!(
                "{named}: {error}: it may {leads} what this server's profile does not grant. {words}",
                error = message(error)
            )
        };
        Some(Refusal::new(text))
    }

    /// Why what is granted by its name, and named by way of a link that leads nowhere, is not there: the same words wherever that leads, so that they tell nothing of
    /// what is outside.
    pub(super) fn leads_nowhere(&self, named: &str, error: &ClientError) -> Refusal {
        Refusal::new(format!(
            "{named}: {}: it is a link, or lies behind one, that leads to nothing, or to what this server's profile does not grant. {}",
            message(error),
            self.words
        ))
    }

    /// The same in few words, for one of many.
    pub(super) fn reason(&self, path: &AbsPath, reason: String) -> String {
        match self.grants(Deed::Read, path) {
            true => reason,
            false => "this server's profile does not let it be read".to_owned(),
        }
    }

    pub(super) fn grants(&self, deed: Deed, path: &AbsPath) -> bool {
        match deed {
            Deed::Read => self.grants.allowed(path) >= Allowed::Read,
            Deed::Write => self.grants.allowed(path) >= Allowed::Write,
            Deed::Rename => self.grants.may_rename(path),
        }
    }
}

/// As what a system would refuse it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Refused {
    NotThere,
    NotPermitted,
    Taken,
}

/// Whether that says that nothing is there.
pub(super) fn is_absence(error: &ClientError) -> bool {
    error.code() == Some(code::NOT_FOUND)
}

/// Whether that says that it is not permitted, as a system says it.
pub(super) fn is_not_permitted(error: &ClientError) -> bool {
    refused(error) == Some(Refused::NotPermitted)
}

/// Whether that says that something has the name already.
pub(super) fn is_taken(error: &ClientError) -> bool {
    refused(error) == Some(Refused::Taken)
}

fn refused(error: &ClientError) -> Option<Refused> {
    // Nothing but the system's words: ENOENT, EPERM, EACCES, EROFS, EEXIST.
    let text = message(error);
    let code = text.rsplit_once("(os error ")?.1.strip_suffix(')')?;
    match code {
        "2" => Some(Refused::NotThere),
        "1" | "13" | "30" => Some(Refused::NotPermitted),
        "17" => Some(Refused::Taken),
        _ => None,
    }
}

fn message(error: &ClientError) -> &str {
    match error {
        ClientError::Server { message, .. } => message,
        _ => "",
    }
}

/// What is granted, and what to do.
fn words(files: &Files, sandbox: &Sandbox) -> String {
    let granted = match (files, &sandbox.cwd) {
        (Files::Workspace, Some(directory)) => format!(
            "It grants {directory} and all below for reading and writing, but for what clients and shells start programs by ({}, .git, .agents, .codex), \
             which can be read only{}",
            access::STARTS_PROGRAMS.join(", "),
            denials(sandbox)
        ),
        _ => listed(sandbox),
    };
    let more = "the operator can grant more, by --read and --write of `lockgate mcp`.";
    match granted.as_str() {
        NOTHING => format!("{NOTHING}: only {more}"),
        granted => format!("{granted}. Work there; only {more}"),
    }
}

const NOTHING: &str = "It grants nothing";

fn listed(sandbox: &Sandbox) -> String {
    let Permissions::Managed {
        file_system: FileSystem::Restricted { entries, .. },
        ..
    } = &sandbox.permissions
    else {
        return String::new();
    };
    let of = |right| {
        let all = entries.iter().filter(move |entry| entry.access == right);
        let all: Vec<_> = all.map(|entry| named(&entry.path)).collect();
        let shown: Vec<_> = all.iter().take(limits::SHOWN_GRANTS).cloned().collect();
        let left_out = all.len() - shown.len();
        match (all.len(), left_out) {
            (0, _) => None,
            (_, 0) => Some(shown.join(", ")),
            _ => Some(format!("{} and {left_out} more", shown.join(", "))),
        }
    };
    let but = denials(sandbox);
    match (of(Right::Read), of(Right::Write)) {
        (None, None) => NOTHING.to_owned(),
        (Some(read), None) => format!("It grants reading of {read}{but}, and no writing"),
        (None, Some(write)) => format!("It grants reading and writing of {write}{but}"),
        (Some(read), Some(write)) => {
            format!("It grants reading and writing of {write}, reading of {read}{but}")
        }
    }
}

/// That there are some. Not which: what is denied is to be as if it were not there.
fn denials(sandbox: &Sandbox) -> &'static str {
    match &sandbox.permissions {
        Permissions::Managed {
            file_system: FileSystem::Restricted { entries, .. },
            ..
        } if entries.iter().any(|entry| entry.access == Right::Deny) => {
            ", but for what the operator denies"
        }
        _ => "",
    }
}

fn named(path: &EntryPath) -> String {
    let text = match path {
        EntryPath::Path(path) => path.to_string(),
        EntryPath::Glob(pattern) => pattern.clone(),
        EntryPath::Special(special) => match special {
            Special::Root => "/".to_owned(),
            Special::Minimal => "what programs need to start".to_owned(),
            Special::ProjectRoots { subpath: None } => "the project roots".to_owned(),
            Special::ProjectRoots {
                subpath: Some(subpath),
            } => format!("{subpath} in the project roots"),
            Special::Tmpdir => "$TMPDIR".to_owned(),
            Special::SlashTmp => "/tmp".to_owned(),
            Special::Unknown { kind } => kind.clone(),
        },
    };
    let mut shown = text;
    if shown.len() > limits::SHOWN_VALUE {
        shown.truncate(shown.floor_char_boundary(limits::SHOWN_VALUE));
        shown.push_str("...");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockgate_wire::code;

    fn path(text: &str) -> AbsPath {
        AbsPath::parse(text).expect("a path")
    }

    fn says(text: &str) -> ClientError {
        ClientError::Server {
            code: code::INVALID_REQUEST,
            message: text.to_owned(),
        }
    }

    fn granted(rules: &[(&str, Right)]) -> Granted {
        let rules = rules.iter().map(|(text, right)| (path(text), *right));
        let sandbox = Sandbox::restricted(rules);
        Granted::of(&Files::Everything, &[path("/w/in/token")], &sandbox).expect("restricted")
    }

    const DENIED: &str = "Permission denied (os error 13)";
    const NOT_THERE: &str = "No such file or directory (os error 2)";
    const READ_ONLY: &str = "Read-only file system (os error 30)";

    #[test]
    fn what_a_profile_refuses_is_explained_with_what_it_grants() {
        let granted = granted(&[
            ("/w", Right::Write),
            ("/r", Right::Read),
            ("/w/secret", Right::Deny),
        ]);
        let what = "It grants reading and writing of /w, reading of /r, but for what the operator denies. Work there; only the operator can grant more, by --read and \
                    --write of `lockgate mcp`.";
        for (deed, at, error, done) in [
            (Deed::Read, "/etc/x", NOT_THERE, "read"),
            (Deed::Read, "/w/secret/x", NOT_THERE, "read"),
            (Deed::Write, "/r/x", READ_ONLY, "written"),
            (Deed::Write, "/etc/x", DENIED, "written"),
            (Deed::Write, "/w/.git/config", READ_ONLY, "written"),
            (Deed::Rename, "/w", DENIED, "moved or removed"),
        ] {
            let refusal = granted.explain(deed, &path(at), "named", &says(error));
            let expected =
                format!("named: this server's profile does not let it be {done}. {what}");
            assert_eq!(refusal.expect(at).text, expected, "{at}");
        }
        // By its name it may be written, so it is a link.
        let link = granted.explain(Deed::Write, &path("/w/link"), "link", &says(DENIED));
        let expected = format!(
            "link: {DENIED}: it may lead to what this server's profile does not grant. {what}"
        );
        assert_eq!(link.expect("explained").text, expected);
    }

    #[test]
    fn what_is_not_of_the_profile_stays_as_it_was_said() {
        let granted = granted(&[("/w", Right::Write)]);
        for (at, error) in [
            ("/w/x", NOT_THERE),
            ("/w/x", "Is a directory (os error 21)"),
            (
                "/etc/x",
                "policy \"p\" denies this: no (os error 13), I say",
            ),
            ("/etc/x", "policy \"p\" denies this: never"),
        ] {
            let explained = granted.explain(Deed::Read, &path(at), "x", &says(error));
            assert!(explained.is_none(), "{at} {error}");
        }
    }

    #[test]
    fn what_grants_little_is_told_without_what_it_does_not_grant() {
        for (rules, words) in [
            (
                &[("/w", Right::Deny)][..],
                "It grants nothing: only the operator can grant more",
            ),
            (
                &[("/w", Right::Read)],
                "It grants reading of /w, and no writing. Work there;",
            ),
            (
                &[("/w", Right::Write)],
                "It grants reading and writing of /w. Work there;",
            ),
        ] {
            let refusal = granted(rules).explain(Deed::Read, &path("/x"), "x", &says(NOT_THERE));
            let text = refusal.expect("explained").text;
            assert!(text.contains(words), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_moved_for_what_it_holds_says_so() {
        let granted = granted(&[("/w", Right::Write)]);
        for (at, words) in [
            ("/w/in", "it holds a file with a token of this server"),
            (
                "/w/other",
                "it may hold, or lead to, what this server's profile does not grant",
            ),
        ] {
            let refusal = granted.explain(Deed::Rename, &path(at), "it", &says(DENIED));
            let text = refusal.expect("explained").text;
            assert!(text.contains(words), "{text}");
        }
    }

    #[test]
    fn a_long_profile_is_told_in_part() {
        let rules: Vec<_> = (0..50)
            .map(|n| format!("/{n:02}/{}", "x".repeat(1_000)))
            .collect();
        let rules: Vec<_> = rules
            .iter()
            .map(|text| (text.as_str(), Right::Read))
            .collect();
        let granted = granted(&rules);
        let refusal = granted.explain(Deed::Read, &path("/etc"), "/etc", &says(DENIED));
        let text = refusal.expect("explained").text;
        assert!(text.contains("and 40 more") && text.len() < 4_000, "{text}");
    }
}
