//! docs/attacks.md names tests, and they exist: a page of promises that nobody keeps would be worse than none.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn page() -> String {
    fs::read_to_string(root().join("docs/attacks.md")).expect("docs/attacks.md")
}

/// The functions marked as tests in every source file below a directory; `target` and what is hidden is left out.
fn tests_below(directory: &Path, into: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).expect("listable") {
        let entry = entry.expect("an entry");
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if entry.file_type().expect("a type").is_dir() {
            if name != "target" && !name.starts_with('.') {
                tests_below(&path, into);
            }
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(&path).expect("readable");
            let mut is_test = false;
            for line in text.lines().map(str::trim_start) {
                is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
                let line = line.trim_start_matches("async ");
                if let Some(name) = line.strip_prefix("fn ").filter(|_| is_test) {
                    let end = name.find('(').expect("parameters follow a name");
                    into.insert(name[..end].to_owned());
                    is_test = false;
                }
            }
        }
    }
}

/// What stands between backquotes and looks like a test's name.
fn named(page: &str) -> Vec<&str> {
    let quoted = page.split('`').skip(1).step_by(2);
    quoted
        .filter(|name| name.matches('_').count() >= 3)
        .filter(|name| {
            name.bytes()
                .all(|byte| byte == b'_' || byte.is_ascii_digit() || byte.is_ascii_lowercase())
        })
        .collect()
}

#[test]
fn every_test_that_the_page_names_exists() {
    let mut tests = BTreeSet::new();
    for directory in ["host", "tests", "guest"] {
        tests_below(&root().join(directory), &mut tests);
    }
    let page = page();
    let kernel = fs::read_to_string(root().join("docs/kernel-features.md")).expect("readable");
    let named: Vec<_> = [named(&page), named(&kernel)].concat();
    assert!(named.len() > 60, "{} names: {named:?}", named.len());
    let missing: Vec<_> = named
        .iter()
        .filter(|name| !tests.contains(**name))
        .collect();
    assert!(missing.is_empty(), "no such tests: {missing:?}");
}

#[test]
fn every_group_of_attacks_on_files_and_guests_has_a_section_with_tests_of_its_own() {
    let page = page();
    let sections: Vec<_> = page
        .split("\n## ")
        .flat_map(|part| part.split("\n### "))
        .collect();
    for group in (1..=19).chain([25, 26, 32, 33, 35]) {
        let section = sections
            .iter()
            .find(|section| section.starts_with(&format!("{group} ")))
            .unwrap_or_else(|| panic!("group {group} has no section"));
        assert!(
            section.contains(&format!("\n- `attack_{group:02}_")),
            "group {group} has no test"
        );
    }
}
