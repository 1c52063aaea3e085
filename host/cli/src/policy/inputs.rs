//! What a policy is built of, which says whether it has to be built again.
//!
//! Whatever else lies in a project must not count: npm's tools give another component, with another digest, each time they run, so a build
//! that nobody asked for takes a policy away from the configuration that pins it.

use std::ffi::OsStr;
use std::fs::{self, DirEntry};
use std::path::Path;
use std::time::SystemTime;

/// When the last of the files was changed that a component is built of.
pub(super) fn newest(project: &Path, component: &Path) -> Option<SystemTime> {
    let entries = fs::read_dir(project).ok()?.filter_map(Result::ok);
    entries
        .filter(|entry| component.file_name() != Some(&entry.file_name()))
        .filter_map(|entry| changed(&entry, component))
        .max()
}

fn changed(entry: &DirEntry, component: &Path) -> Option<SystemTime> {
    let name = entry.file_name();
    let name = name.to_str().unwrap_or_default();
    let kind = entry.file_type().ok()?;
    if name.starts_with('.') {
        None
    } else if kind.is_dir() {
        match is_kept_apart(name) {
            true => None,
            false => newest(&entry.path(), component),
        }
    } else if is_beside_the_build(name) {
        None
    } else {
        entry.metadata().ok()?.modified().ok()
    }
}

/// Folders of the languages' tools, and for people.
fn is_kept_apart(name: &str) -> bool {
    ["target", "node_modules", "venv", "build", "docs"].contains(&name)
}

/// Files that tell about a policy, or come of it: what it is asked, who pins it, what it decided. Locks are written by the tools as well.
fn is_beside_the_build(name: &str) -> bool {
    let end = Path::new(name).extension().and_then(OsStr::to_str);
    let tells = ["README", "CHANGELOG", "LICENSE"];
    matches!(name, "cases.toml" | "cases.json" | "lockgate.toml")
        || matches!(end, Some("md" | "sig" | "pem" | "jsonl" | "lock"))
        || name.ends_with("-lock.json")
        || name.ends_with("-lock.yaml")
        || end.is_none() && tells.iter().any(|word| name.starts_with(word))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_no_input_of_a_build_is_as_old_as_it_likes() {
        let project = tempfile::tempdir().expect("a project");
        let at = |path: &str| project.path().join(path);
        let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let put = |path: &str, seconds: u64| {
            let path = at(path);
            fs::create_dir_all(path.parent().expect("above")).expect("made");
            let file = fs::File::create(path).expect("made");
            let time = then + Duration::from_secs(seconds);
            file.set_modified(time).expect("set");
        };
        put("policy.js", 1);
        put("wit/types.wit", 2);
        let beside = [
            "careful.wasm",
            "policies/careful.wasm",
            "cases.toml",
            "cases.json",
            "README",
            "README.md",
            "LICENSE-MIT",
            "notes.md",
            "docs/why.txt",
            "lockgate.toml",
            "careful.wasm.sig",
            "team.pem",
            "decisions.jsonl",
            "package-lock.json",
            "Cargo.lock",
            ".git/index",
            "node_modules/a/index.js",
        ];
        for path in beside {
            put(path, 9);
        }
        let newest = || newest(project.path(), &at("careful.wasm"));
        assert_eq!(newest(), Some(then + Duration::from_secs(2)));
        for (seconds, path) in [
            (3, "wit/types.wit"),
            (4, "package.json"),
            (5, "src/blocks.rs"),
        ] {
            put(path, seconds);
            assert_eq!(
                newest(),
                Some(then + Duration::from_secs(seconds)),
                "{path}"
            );
        }
    }
}
