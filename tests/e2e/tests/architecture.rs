//! The house is as the map draws it: no crate depends on one that it may not know, and ARCHITECTURE.md shows the real arrows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

type Arrows = BTreeMap<String, BTreeSet<String>>;

/// The arrows that are allowed (DESIGN.md 2, and `local` and `mcp`, which came later). `cli` may know every crate.
const ALLOWED: &[(&str, &[&str])] = &[
    (
        "server",
        &["wire", "capfs", "policy-gate", "process", "relay", "grant"],
    ),
    ("client", &["wire", "relay", "grant"]),
    ("local", &["capfs", "client", "process", "server"]),
    ("mcp", &["client", "wire", "grant"]),
    ("rendezvous", &["relay"]),
    ("capfs", &["grant", "engine"]),
    ("policy-gate", &["grant", "engine"]),
    ("wire", &["grant"]),
    ("grant", &[]),
    ("engine", &[]),
    ("process", &[]),
    ("relay", &[]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Our crates that a manifest names in any table of dependencies, whatever it is for.
fn ours_in(manifest: &toml::Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let Some(table) = manifest.as_table() else {
        return found;
    };
    for (key, value) in table {
        let names_dependencies = matches!(
            key.as_str(),
            "dependencies" | "dev-dependencies" | "build-dependencies"
        );
        match value.as_table() {
            Some(dependencies) if names_dependencies => {
                for (name, source) in dependencies {
                    // A dependency may be renamed; its package is what counts.
                    let package = source
                        .get("package")
                        .and_then(toml::Value::as_str)
                        .unwrap_or(name);
                    found.extend(package.strip_prefix("lockgate-").map(str::to_owned));
                }
            }
            // `[target.….dependencies]` and the like.
            Some(_) => found.extend(ours_in(value)),
            None => {}
        }
    }
    found
}

/// What the manifests below `host/` say.
fn real_arrows() -> Arrows {
    let mut arrows = Arrows::new();
    for entry in std::fs::read_dir(root().join("host")).expect("host/") {
        let folder = entry.expect("an entry").path();
        let name = match &*folder.file_name().expect("a name").to_string_lossy() {
            // `lockgate-policy` is the crate of those who write policies, in guest/policy.
            "policy" => "policy-gate".to_owned(),
            name => name.to_owned(),
        };
        let text = std::fs::read_to_string(folder.join("Cargo.toml"))
            .expect("every folder of host/ is a crate");
        let manifest: toml::Value = toml::from_str(&text).expect("a manifest");
        assert_eq!(
            manifest["package"]["name"].as_str(),
            Some(&*format!("lockgate-{name}")),
            "crate and folder have one name"
        );
        arrows.insert(name, ours_in(&manifest));
    }
    arrows
}

/// What the block of ARCHITECTURE.md that begins with ```` ```arrows ```` draws.
fn drawn_arrows(map: &str) -> Arrows {
    let block = map
        .split("```arrows\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    block
        .expect("ARCHITECTURE.md has a block of arrows")
        .lines()
        .map(|line| {
            let (from, to) = line.split_once("->").expect("a line is `a -> b, c`");
            let to = to
                .split(',')
                .map(|name| name.trim().to_owned())
                .filter(|name| !name.is_empty());
            (from.trim().to_owned(), to.collect())
        })
        .collect()
}

#[test]
fn no_crate_depends_on_one_that_it_may_not_know() {
    for (from, to) in real_arrows() {
        if from == "cli" {
            continue;
        }
        let allowed = ALLOWED.iter().find(|(name, _)| *name == from);
        let (_, allowed) = allowed
            .unwrap_or_else(|| panic!("host/{from} is not on the map of crates (DESIGN.md 2)"));
        for name in to {
            assert!(
                allowed.contains(&&*name),
                "{from} -> {name} is no arrow of the map: {from} may know {allowed:?}"
            );
        }
    }
}

#[test]
fn nothing_depends_on_the_binary_and_the_guests_depend_on_no_host_crate() {
    for (from, to) in real_arrows() {
        assert!(!to.contains("cli"), "{from} -> cli");
    }
    for entry in std::fs::read_dir(root().join("guest")).expect("guest/") {
        let manifest = entry.expect("an entry").path().join("Cargo.toml");
        let Ok(text) = std::fs::read_to_string(&manifest) else {
            continue;
        };
        let ours = ours_in(&toml::from_str(&text).expect("a manifest"));
        let host = real_arrows();
        let of_host: Vec<&String> = ours
            .iter()
            .filter(|name| host.contains_key(*name))
            .collect();
        assert!(of_host.is_empty(), "{}: {of_host:?}", manifest.display());
    }
}

#[test]
fn the_map_draws_exactly_the_real_arrows() {
    let map = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    assert_eq!(
        drawn_arrows(&map),
        real_arrows(),
        "left: ARCHITECTURE.md, right: the manifests"
    );
}

#[test]
fn a_renamed_or_conditional_dependency_counts() {
    let manifest = r#"
        [dependencies]
        w = { package = "lockgate-wire", path = "../wire" }
        serde = "1"
        [target.'cfg(unix)'.dev-dependencies]
        lockgate-grant = { path = "../grant" }
    "#;
    let found = ours_in(&toml::from_str(manifest).expect("a manifest"));
    assert_eq!(
        found,
        BTreeSet::from(["wire".to_owned(), "grant".to_owned()])
    );
}

#[test]
fn no_comment_sends_its_readers_to_notes_that_they_do_not_have() {
    let mut folders = vec![root().join("host")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && !path.ends_with("tests") {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = std::fs::read_to_string(&path).expect("text");
                let mut comments = text
                    .lines()
                    .filter(|line| line.trim_start().starts_with("//"));
                let cites = comments.find(|line| {
                    ["PROTOCOL ", "PROTOCOL.md", "PROTOCOL-LATER"]
                        .iter()
                        .any(|notes| line.contains(notes))
                });
                assert_eq!(cites, None, "{}", path.display());
            }
        }
    }
}
