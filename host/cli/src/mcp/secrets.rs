//! Files with secrets of this server's own: what its tools are kept from, and what cannot be kept.
//!
//! Who has the token comes in as a client, so an agent that can read it has more than its session, for longer. A denial in the profile holds for the
//! names of a file: where it is, and each link to that. It does not hold for a second name that the file has (a hard link), so such a file is refused;
//! and not for commands, which nothing confines, so that is said when the server starts.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use lockgate_grant::AbsPath;

use crate::failure::Failure;

/// A file with a secret, and the option that named it.
pub(super) struct Secret<'a> {
    pub(super) option: &'static str,
    pub(super) file: &'a Path,
}

/// The places to deny, where files are restricted.
pub(super) fn kept(secrets: &[Secret<'_>]) -> Result<Vec<AbsPath>, Failure> {
    let mut places = Vec::new();
    for Secret { option, file } in secrets {
        let failed = |reason: String| {
            Failure::usage(format!(
                "{option} {} is to be kept from the tools of this server, and cannot be: {reason}",
                file.display()
            ))
        };
        // What is not there is said by whoever reads it.
        let names = file.metadata().map_or(1, |facts| facts.nlink());
        if names > 1 {
            return Err(failed(format!(
                "it has {names} names (hard links), and a denial is about one of them; give a file of its own"
            )));
        }
        for place in places_of(file).map_err(|error| failed(error.to_string()))? {
            let place = AbsPath::parse(&place).map_err(|error| failed(error.to_string()))?;
            if !places.contains(&place) {
                places.push(place);
            }
        }
    }
    Ok(places)
}

/// By the name that it was given, for the links on the way; and where it is.
fn places_of(file: &Path) -> std::io::Result<Vec<PathBuf>> {
    let named = std::path::absolute(file)?;
    Ok([Some(named), file.canonicalize().ok()]
        .into_iter()
        .flatten()
        .collect())
}

/// What is said where commands run as the user of this server.
pub(super) fn open_to_commands(bearer_file: Option<&Path>) -> String {
    let token = match bearer_file {
        Some(file) => format!("--bearer-file {}", file.display()),
        None => format!(
            "{} in the environment of this server",
            super::listen::VARIABLE
        ),
    };
    format!(
        "commands run as the user of this server and are confined by nothing of Lockgate: they can read {token}, and whoever an agent gives that to comes in as a client. \
         Have the agent's commands run as another user (an executor of its own, by --url), or trust whoever it works for with the token"
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn places(file: &Path) -> Result<Vec<PathBuf>, Failure> {
        let option = "--bearer-file";
        let kept = kept(&[Secret { option, file }])?;
        Ok(kept
            .iter()
            .map(|place| place.as_path().to_owned())
            .collect())
    }

    #[test]
    fn a_secret_is_kept_where_it_is_and_by_the_name_it_was_given() {
        let folder = tempfile::tempdir().expect("a directory");
        let at = folder.path().canonicalize().expect("there");
        std::fs::create_dir(at.join("real")).expect("made");
        std::fs::write(at.join("real/token"), "").expect("written");
        symlink("real", at.join("link")).expect("made");
        let found = places(&at.join("link/token")).expect("kept");
        assert_eq!(found, [at.join("link/token"), at.join("real/token")]);
        assert_eq!(places(&at.join("none")).expect("kept"), [at.join("none")]);
    }

    #[test]
    fn a_secret_with_a_second_name_is_refused() {
        let folder = tempfile::tempdir().expect("a directory");
        let token = folder.path().join("token");
        std::fs::write(&token, "").expect("written");
        std::fs::hard_link(&token, folder.path().join("other")).expect("made");
        let refused = places(&token).expect_err("it cannot be kept").to_string();
        assert!(refused.contains("it has 2 names (hard links)"), "{refused}");
    }
}
