//! That the templates are whole: what is written out names nothing that is not there.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::*;

fn repository(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(path)
}

/// The files below a folder of the repository, without what a build leaves.
fn listed(folder: &str) -> BTreeSet<String> {
    let (root, mut folders, mut found) = (
        repository(folder),
        vec![repository(folder)],
        BTreeSet::new(),
    );
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let below = path.strip_prefix(&root).expect("below it");
                found.insert(below.to_str().expect("UTF-8").to_owned());
            }
        }
    }
    found
}

#[test]
fn every_placeholder_is_filled_in() {
    for language in &LANGUAGES {
        for (path, contents) in language.files("no-push") {
            let text = String::from_utf8_lossy(&contents);
            assert!(!text.contains("{{"), "{}: {path}", language.name);
        }
        assert!(language.artifact("no-push").contains("push.wasm"));
    }
    assert_eq!(
        RUST.artifact("no-push"),
        "target/wasm32-unknown-unknown/release/no_push.wasm"
    );
}

#[test]
fn a_project_has_its_marker_its_source_its_cases_and_the_contract() {
    for language in &LANGUAGES {
        let paths: BTreeSet<_> = language
            .files("a")
            .into_iter()
            .map(|(path, _)| path)
            .collect();
        assert_eq!(paths.len(), language.files("a").len(), "each path once");
        for path in [
            language.marker,
            language.source,
            "cases.toml",
            "README.md",
            ".gitignore",
        ] {
            assert!(paths.contains(path), "{}: {path}", language.name);
        }
        let contract = paths
            .iter()
            .filter(|path| path.ends_with("types.wit"))
            .count();
        assert_eq!(contract, 1, "{}", language.name);
        // Otherwise a project would be taken for one in another language.
        for other in LANGUAGES.iter().filter(|other| other.name != language.name) {
            assert!(
                !paths.contains(other.marker),
                "{} in {}",
                other.marker,
                language.name
            );
        }
    }
}

#[test]
fn all_of_the_contract_and_of_the_sdk_is_written_out() {
    let names = |files: &[(&'static str, &[u8])], folder: &str| -> BTreeSet<String> {
        files
            .iter()
            .filter_map(|(path, _)| path.strip_prefix(folder).map(str::to_owned))
            .collect()
    };
    assert_eq!(names(WIT, "wit/"), listed("wit/policy"));
    let sdk: BTreeSet<_> = listed("guest/policy")
        .into_iter()
        .filter(|path| !path.starts_with("tests/"))
        .collect();
    assert_eq!(names(RUST.files, "lockgate-policy/"), sdk);
}

/// What wit-bindgen made for C came from the contract as it is now. Without the comments, which may be put better without making it anew.
#[test]
fn the_bindings_for_c_are_those_of_the_contract() {
    let mut hash = Sha256::new();
    for (path, contents) in WIT {
        let text = std::str::from_utf8(contents).expect("text");
        hash.update(path);
        for line in text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with("//"))
        {
            hash.update(line);
            hash.update("\n");
        }
    }
    let digest = format!("{:x}", hash.finalize());
    let made_from = include_str!("../../templates/c/bindings/README.md");
    assert!(
        made_from.contains(&digest),
        "wit/policy has changed: make host/cli/templates/c/bindings anew as its README.md says, and write {digest} there"
    );
}
