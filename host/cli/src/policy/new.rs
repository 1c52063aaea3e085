//! `lockgate policy new`: a project that builds and passes its cases as it is.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use crate::failure::Failure;
use crate::output::print;
use crate::policy::templates::{LANGUAGES, Language};

/// Start the project of a policy
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Of the policy, and of the folder that is made: small letters, digits and hyphens
    name: String,
    /// In this language
    #[arg(long, value_name = "LANGUAGE", default_value = LANGUAGES[0].name, value_parser = LANGUAGES.each_ref().map(|language| language.name))]
    lang: String,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let name = &args.name;
    check(name)?;
    let language = Language::named(&args.lang)
        .ok_or_else(|| Failure::usage(format!("no language {:?}", args.lang)))?;
    let folder = Path::new(name);
    fs::create_dir(folder).map_err(|error| {
        Failure::new(format!(
            "cannot make the folder {name}: {error}; a new policy needs a folder of its own"
        ))
    })?;
    for (path, contents) in language.files(name) {
        let path = folder.join(path);
        let written = path
            .parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&path, contents));
        written.map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
    }
    print(&format!(
        "{name}: a policy in {}. What it decides is in {name}/{}. Next:\n\n  lockgate policy test {name}\n  lockgate policy install {name} --config lockgate.toml\n",
        language.title, language.source
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// The name is that of the policy, of the folder, and of a package in each language.
fn check(name: &str) -> Result<(), Failure> {
    let begins = name.starts_with(|first: char| first.is_ascii_lowercase());
    let rest = name
        .bytes()
        .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    if !begins || !rest || name.len() > 64 {
        return Err(Failure::usage(format!(
            "{name:?} is no name for a policy: a small letter, then small letters, digits and hyphens, 64 at most"
        )));
    }
    if name == "lockgate-policy" {
        return Err(Failure::usage(
            "lockgate-policy is the library that policies in Rust are written with; take another name",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn names_are_those_that_a_policy_may_have() {
        for name in ["a", "no-push", "v2", &"a".repeat(64)] {
            assert!(check(name).is_ok(), "{name}");
        }
        let long = "a".repeat(65);
        for name in [
            "",
            "2a",
            "-a",
            "A",
            "a_b",
            "a/b",
            "..",
            "a b",
            "ä",
            "lockgate-policy",
            &long,
        ] {
            assert!(check(name).is_err(), "{name}");
        }
    }
}
