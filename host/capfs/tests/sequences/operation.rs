//! One operation of whoever is confined, and what must hold for its answer.

use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use lockgate_capfs::{AbsPath, Follow, FsError, Grants, NewTimes, Scope, WalkOptions};
use lockgate_grant::Allowed;
use proptest::prelude::*;
use proptest::sample::select;

use crate::tree::{Tree, some_target};

#[derive(Clone, Debug)]
pub(crate) enum Operation {
    Read(String, bool),
    Write(String, bool),
    CreateDirectory(String, bool),
    Metadata(String, bool),
    Canonicalize(String),
    List(String),
    Walk(String, bool),
    Remove(String, bool),
    Copy(String, String, bool),
    Rename(String, String, bool),
    Symlink(String, String),
    SetMode(String, bool),
    SetTimes(String, bool),
}

pub(crate) fn some_operation(paths: &[String]) -> impl Strategy<Value = Operation> + use<> {
    use Operation::*;
    let known = || select(paths.to_vec());
    let path = || {
        prop_oneof![
            8 => known(),
            3 => (known(), select(&["a", "b", "new", ".git"][..])).prop_map(|(path, name)| format!("{path}/{name}")),
            // With a way back in it: what that means is settled lexically.
            1 => (known(), known()).prop_map(|(away, path)| format!("{away}/..{path}")),
            1 => select(&["/", "/new", "/..", "/../.."][..]).prop_map(str::to_owned),
        ]
    };
    let flag = any::<bool>;
    prop_oneof![
        1 => (path(), flag()).prop_map(|(path, follow)| Read(path, follow)),
        1 => (path(), flag()).prop_map(|(path, follow)| Write(path, follow)),
        1 => (path(), flag()).prop_map(|(path, recursive)| CreateDirectory(path, recursive)),
        1 => (path(), flag()).prop_map(|(path, follow)| Metadata(path, follow)),
        1 => path().prop_map(Canonicalize),
        1 => path().prop_map(List),
        1 => (path(), flag()).prop_map(|(path, links)| Walk(path, links)),
        1 => (path(), flag()).prop_map(|(path, recursive)| Remove(path, recursive)),
        1 => (path(), path(), flag()).prop_map(|(from, to, recursive)| Copy(from, to, recursive)),
        2 => (path(), path(), flag()).prop_map(|(from, to, overwrite)| Rename(from, to, overwrite)),
        1 => (some_target(paths), path()).prop_map(|(target, path)| Symlink(target, path)),
        1 => (path(), flag()).prop_map(|(path, follow)| SetMode(path, follow)),
        1 => (path(), flag()).prop_map(|(path, follow)| SetTimes(path, follow)),
    ]
}

fn follow(links: bool) -> Follow {
    match links {
        true => Follow::Links,
        false => Follow::Nothing,
    }
}

impl Operation {
    /// Runs it; an error tells what was shown that should not have been, or that the gate itself failed.
    pub(crate) fn run(
        &self,
        scope: &Scope,
        grants: &Grants,
        tree: &Tree,
        secrets: &[String],
    ) -> Result<(), String> {
        let abs = |path: &str| AbsPath::parse(tree.at(path)).unwrap();
        let done = |outcome: Result<(), FsError>| match outcome {
            Err(FsError::Gate(why)) => Err(format!("the gate failed: {why}")),
            _ => Ok(()),
        };
        match self {
            Operation::Read(path, links) => {
                let read = scope
                    .open(&abs(path), follow(*links))
                    .and_then(|file| file.read_all(1 << 20));
                if let Ok(bytes) = &read {
                    let text = String::from_utf8_lossy(bytes);
                    if let Some(secret) = secrets.iter().find(|secret| text.contains(*secret)) {
                        return Err(format!("it gave {secret}"));
                    }
                }
                done(read.map(|_| ()))
            }
            Operation::Write(path, links) => {
                done(scope.write_file(&abs(path), b"new", follow(*links)))
            }
            Operation::CreateDirectory(path, recursive) => {
                done(scope.create_directory(&abs(path), *recursive, Follow::Links))
            }
            Operation::Metadata(path, links) => {
                let there = scope.metadata(&abs(path), follow(*links));
                if there.is_ok() {
                    shown(
                        grants,
                        tree.at(path).parent().unwrap_or(Path::new("/")),
                        tree.at(path).file_name(),
                    )?;
                }
                done(there.map(|_| ()))
            }
            Operation::Canonicalize(path) => {
                let real = scope.canonicalize(&abs(path));
                if let Ok(real) = &real {
                    at_least_seen(grants, real)?;
                }
                done(real.map(|_| ()))
            }
            Operation::List(path) => {
                let listed = scope.read_directory(&abs(path));
                for entry in listed.iter().flatten() {
                    shown(grants, &tree.at(path), Some(&entry.name))?;
                }
                done(listed.map(|_| ()))
            }
            Operation::Walk(path, links) => {
                let options = WalkOptions {
                    max_depth: 8,
                    max_directories: 100,
                    max_entries: 1000,
                    follow_directory_symlinks: *links,
                    prune_hidden_directories: false,
                    prune_links: false,
                };
                let walked = scope.walk(&abs(path), &options);
                for entry in walked.iter().flat_map(|walked| &walked.entries) {
                    // A walk names what it found by the links that it came through.
                    let path = entry.path.as_path();
                    shown(grants, path.parent().unwrap(), path.file_name())?;
                }
                done(walked.map(|_| ()))
            }
            Operation::Remove(path, recursive) => {
                done(scope.remove(&abs(path), *recursive, false, Follow::Links))
            }
            Operation::Copy(from, to, recursive) => {
                done(scope.copy(&abs(from), &abs(to), *recursive))
            }
            Operation::Rename(from, to, overwrite) => {
                done(scope.rename(&abs(from), &abs(to), *overwrite))
            }
            Operation::Symlink(target, path) => {
                done(scope.symlink(tree.target(target).as_os_str(), &abs(path)))
            }
            Operation::SetMode(path, links) => {
                done(scope.set_mode(&abs(path), 0o755, follow(*links)))
            }
            Operation::SetTimes(path, links) => {
                let times = NewTimes {
                    accessed: None,
                    modified: Some(UNIX_EPOCH + Duration::from_secs(1_000_000)),
                };
                done(scope.set_times(&abs(path), times, follow(*links)))
            }
        }
    }
}

/// A name in a directory was shown: where that really is, something must be allowed.
fn shown(grants: &Grants, directory: &Path, name: Option<&std::ffi::OsStr>) -> Result<(), String> {
    let Ok(real) = directory.canonicalize() else {
        return Ok(());
    };
    let path = name.map_or(real.clone(), |name| real.join(name));
    at_least_seen(grants, &AbsPath::parse(path).unwrap())
}

fn at_least_seen(grants: &Grants, path: &AbsPath) -> Result<(), String> {
    match grants.allowed(path) {
        Allowed::Nothing => Err(format!("it showed {path}")),
        _ => Ok(()),
    }
}
