//! No file of the repository tells about the machine that somebody worked on, or names the package registry that it used.
//!
//! What tells is looked up where the test runs: it runs on the author's machine before anything is committed.
//! Sample paths (`/home/me`, `/work/a.txt`) are fine, and the tests are full of them.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Lockfiles name where each package comes from.
const EXEMPT: &[&str] = &["Cargo.lock", "guest/Cargo.lock"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The tracked files, or `None` where there is no repository to ask (an unpacked archive): nothing can be committed there.
fn tracked_files() -> Option<Vec<String>> {
    let git = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(root())
        .output()
        .ok()?;
    git.status.success().then_some(())?;
    let names = String::from_utf8(git.stdout).expect("file names are UTF-8");
    Some(names.split_terminator('\0').map(str::to_owned).collect())
}

/// Texts that no file may hold.
fn telling() -> Vec<String> {
    // Put together from parts, so that this file does not hold them itself.
    let mut texts: Vec<String> = [
        ["/tmp", "/target"],
        [".cargo", "/registry/src/"],
        [".rustup", "/toolchains/"],
    ]
    .iter()
    .map(|parts| parts.concat())
    .collect();
    let checkout = root().canonicalize().expect("the workspace");
    // One component is too common a word: a checkout in `/src` would forbid half the sources.
    if checkout.components().count() > 2 {
        texts.push(checkout.display().to_string());
    }
    if let Some(home) = std::env::home_dir() {
        texts.extend(
            [".cache", ".config", ".local"]
                .iter()
                .map(|name| home.join(name).display().to_string()),
        );
        texts.extend(registry_hosts(&home));
    }
    texts
}

/// The hosts of the registries that packages were unpacked from: cargo names a folder after each, host and a hash.
fn registry_hosts(home: &Path) -> Vec<String> {
    let cargo_home =
        std::env::var_os("CARGO_HOME").map_or_else(|| home.join(".cargo"), PathBuf::from);
    let Ok(folders) = std::fs::read_dir(cargo_home.join("registry/src")) else {
        return Vec::new();
    };
    folders
        .filter_map(|folder| {
            Some(
                folder
                    .ok()?
                    .file_name()
                    .to_str()?
                    .rsplit_once('-')?
                    .0
                    .to_owned(),
            )
        })
        .collect()
}

#[test]
fn no_tracked_file_tells_about_a_machine_or_a_registry() {
    let Some(files) = tracked_files() else { return };
    let telling = telling();
    let mut found = Vec::new();
    for file in files.iter().filter(|file| !EXEMPT.contains(&file.as_str())) {
        // A file that was removed and not yet committed so cannot tell anything.
        let Ok(bytes) = std::fs::read(root().join(file)) else {
            continue;
        };
        for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let line = String::from_utf8_lossy(line);
            found.extend(
                telling
                    .iter()
                    .filter(|text| line.contains(text.as_str()))
                    .map(|text| format!("{file}:{}: {text}", number + 1)),
            );
        }
    }
    assert!(
        found.is_empty(),
        "remove these from the files:\n{}",
        found.join("\n")
    );
}
