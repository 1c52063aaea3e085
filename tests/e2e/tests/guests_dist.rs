//! The built guest components in `guest/dist` are the ones that the sources say, and give nothing away about
//! the machine that built them. Needs no wasm toolchain: it compares digests and reads bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

const REBUILD: &str = "run `make guests` and commit guest/dist with the change";

/// What the first eight bytes of every component are: `\0asm`, version 13, layer 1.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn manifest() -> serde_json::Value {
    let path = root().join("guest/dist/manifest.json");
    let text = std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; {REBUILD}", path.display()));
    serde_json::from_slice(&text).expect("guest/dist/manifest.json is JSON")
}

fn components() -> Vec<(String, Vec<u8>, serde_json::Value)> {
    let manifest = manifest();
    let listed = manifest["components"]
        .as_array()
        .expect("a list of components");
    let read = |entry: &serde_json::Value| {
        let name = entry["component"].as_str().expect("a component has a name");
        let path = root().join("guest/dist").join(format!("{name}.wasm"));
        let bytes = std::fs::read(&path)
            .unwrap_or_else(|error| panic!("{}: {error}; {REBUILD}", path.display()));
        (name.to_owned(), bytes, entry.clone())
    };
    listed.iter().map(read).collect()
}

fn hex(digest: impl IntoIterator<Item = u8>) -> String {
    digest
        .into_iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The same as `guest/build.sh --sources`.
fn digest_of_sources() -> String {
    let mut paths = Vec::new();
    let mut folders = vec![PathBuf::from("guest"), PathBuf::from("wit")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(root().join(&folder)).expect("a folder of sources") {
            let entry = entry.expect("an entry");
            let path = folder.join(entry.file_name());
            let kind = entry.file_type().expect("its type");
            let built = path == Path::new("guest/dist") || entry.file_name() == "target";
            let is_source = ["rs", "toml", "lock", "wit"]
                .iter()
                .any(|extension| path.extension().is_some_and(|found| found == *extension));
            if kind.is_dir() && !built {
                folders.push(path);
            } else if kind.is_file() && is_source {
                paths.push(path.to_str().expect("a name in UTF-8").to_owned());
            }
        }
    }
    paths.sort_unstable();
    let mut lines = Sha256::new();
    for path in paths {
        let digest = hex(Sha256::digest(
            std::fs::read(root().join(&path)).expect("a source"),
        ));
        lines.update(format!("{digest}  {path}\n"));
    }
    hex(lines.finalize())
}

#[test]
fn the_components_were_built_from_the_sources_that_are_here() {
    let built_from = &manifest()["sources"];
    assert_eq!(
        built_from.as_str(),
        Some(&*digest_of_sources()),
        "guest/dist is older than its sources: {REBUILD}"
    );
}

#[test]
fn every_component_is_the_one_that_the_manifest_describes() {
    let components = components();
    assert!(!components.is_empty());
    for (name, bytes, entry) in &components {
        assert!(bytes.starts_with(COMPONENT), "{name} is no component");
        assert_eq!(
            entry["sha256"].as_str(),
            Some(&*hex(Sha256::digest(bytes))),
            "{name}: {REBUILD}"
        );
        assert_eq!(
            entry["bytes"].as_u64(),
            Some(bytes.len() as u64),
            "{name}: {REBUILD}"
        );
    }
    let listed: BTreeSet<String> = components
        .into_iter()
        .map(|(name, ..)| format!("{name}.wasm"))
        .collect();
    let mut there = BTreeSet::new();
    for entry in std::fs::read_dir(root().join("guest/dist")).expect("guest/dist") {
        there.insert(
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("a name in UTF-8"),
        );
    }
    there.remove("manifest.json");
    assert_eq!(
        there, listed,
        "guest/dist holds what the manifest lists and nothing else"
    );
}

#[test]
fn the_manifest_names_the_compiler() {
    let compiler = manifest()["compiler"]
        .as_str()
        .map(str::to_owned)
        .expect("a compiler");
    assert!(compiler.starts_with("rustc 1."), "{compiler}");
}

#[test]
fn no_component_carries_a_path_of_a_machine_or_a_registrys_name() {
    let here = root()
        .canonicalize()
        .expect("the workspace")
        .display()
        .to_string();
    let telling = [
        &*here,
        "/home/",
        "/root/",
        "/work/",
        "/tmp/",
        "/Users/",
        "/opt/",
        "/usr/",
        "/var/",
        "C:\\",
        "registry/src",
        "crates.io",
        ".cargo/",
        ".rustup/",
    ];
    for (name, bytes, _) in components() {
        for text in telling {
            let found = bytes
                .windows(text.len())
                .position(|window| window == text.as_bytes());
            assert_eq!(
                found, None,
                "{name} holds {text:?}: is a path not remapped in guest/build.sh?"
            );
        }
    }
}

/// Authors get the crate as a folder of its own, so it holds what it is generated from.
#[test]
fn the_crate_for_authors_of_policies_holds_the_contract_itself() {
    let texts = |folder: &str| -> BTreeMap<String, String> {
        let entries = std::fs::read_dir(root().join(folder)).expect("a folder of WIT");
        let text = |path: PathBuf| std::fs::read_to_string(path).expect("a WIT file");
        entries
            .map(|entry| entry.expect("an entry"))
            .map(|entry| (entry.file_name().display().to_string(), text(entry.path())))
            .collect()
    };
    assert!(
        texts("wit/policy") == texts("guest/policy/wit"),
        "copy wit/policy to guest/policy/wit, and {REBUILD}"
    );
}
