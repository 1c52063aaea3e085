//! The tree: few names, links everywhere, and in every file a text of its own that would give it away.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::PathBuf;

use lockgate_capfs::{AbsPath, Grants, Sandbox};
use lockgate_grant::Allowed;
use lockgate_grant::profile::{Access, Entry, EntryPath, FileSystem, Permissions};
use proptest::prelude::*;
use proptest::sample::select;

const NAMES: [&str; 5] = ["a", "b", "l", ".git", "x.env"];

/// What is made at a path below the root, in this order.
#[derive(Clone, Debug)]
pub(crate) enum Thing {
    Directory(String),
    File(String),
    /// To a path below the root, or a relative one.
    Link(String, String),
}

/// A path below the root, or a glob, and what may be done there.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    path: String,
    access: Access,
}

/// The paths that one case is about, so few that things, rules and operations meet: some, and all above them. Most are in
/// `/w`, where mostly somebody may write.
pub(crate) fn some_paths() -> impl Strategy<Value = Vec<String>> {
    let below = |least, most| prop::collection::vec(select(&NAMES[..]), least..=most);
    let path = prop_oneof![
        3 => below(1, 3).prop_map(|names| format!("/w/{}", names.join("/"))),
        1 => below(1, 2).prop_map(|names| format!("/{}", names.join("/"))),
    ];
    prop::collection::vec(path, 2..5).prop_map(|paths| {
        let above = |path: &String| {
            let ends: Vec<_> = path
                .match_indices('/')
                .skip(1)
                .map(|(end, _)| end)
                .collect();
            ends.into_iter()
                .map(|end| path[..end].to_owned())
                .collect::<Vec<_>>()
        };
        let mut all: Vec<_> = paths.iter().flat_map(above).chain(paths.clone()).collect();
        all.push("/w".into());
        all.sort();
        all.dedup();
        all
    })
}

/// Where a link leads: absolute (from the tree's root), or relative with some `..`.
pub(crate) fn some_target(paths: &[String]) -> impl Strategy<Value = String> + use<> {
    let path = || select(paths.to_vec());
    prop_oneof![
        2 => path(),
        1 => (0..3usize, path()).prop_map(|(up, path)| format!("{}{}", "../".repeat(up), &path[1..])),
    ]
}

pub(crate) fn some_things(paths: &[String]) -> impl Strategy<Value = Vec<Thing>> + use<> {
    let path = || select(paths.to_vec());
    let thing = prop_oneof![
        1 => path().prop_map(Thing::Directory),
        4 => path().prop_map(Thing::File),
        1 => (path(), some_target(paths)).prop_map(|(path, target)| Thing::Link(path, target)),
    ];
    prop::collection::vec(thing, 2..12)
}

pub(crate) fn some_rules(paths: &[String]) -> impl Strategy<Value = Vec<Rule>> + use<> {
    let access = select(&[Access::Read, Access::Write, Access::Deny][..]);
    let rule = prop_oneof![
        8 => (select(paths.to_vec()), access).prop_map(|(path, access)| Rule { path, access }),
        1 => select(&["/**/*.env", "/w/**/b", "/*/b", "/a/l"][..])
            .prop_map(|glob| Rule { path: glob.into(), access: Access::Deny }),
    ];
    let more = prop::collection::vec(rule, 1..4);
    (more, prop::bool::weighted(0.8)).prop_map(|(more, top)| {
        let top = top.then(|| Rule {
            path: "/w".into(),
            access: Access::Write,
        });
        more.into_iter().chain(top).collect()
    })
}

/// A directory with things in it, gone when dropped.
pub(crate) struct Tree {
    _home: tempfile::TempDir,
    root: PathBuf,
}

/// What is at a path, down to what a change would show in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    contents: Vec<u8>,
    mode: u32,
    inode: u64,
    /// Of a directory it may change: a granted name that is not there yet may come to be in it.
    modified: Option<(i64, i64)>,
}

impl Tree {
    pub(crate) fn made_of(things: &[Thing]) -> Tree {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().canonicalize().unwrap().join("tree");
        fs::create_dir(&root).unwrap();
        let tree = Tree { _home: home, root };
        for thing in things {
            let (Thing::Directory(path) | Thing::File(path) | Thing::Link(path, _)) = thing;
            let at = tree.at(path);
            // What does not fit (a file where a directory would have to be, a name that is taken) is left out.
            let inside = at.parent().unwrap();
            if fs::create_dir_all(inside).is_err()
                || !inside
                    .canonicalize()
                    .is_ok_and(|parent| parent.starts_with(&tree.root))
                || at.symlink_metadata().is_ok()
            {
                continue;
            }
            match thing {
                Thing::Directory(_) => fs::create_dir(at).unwrap(),
                Thing::File(_) => {
                    fs::write(&at, canary(&at.canonicalize().unwrap_or(at.clone()))).unwrap()
                }
                Thing::Link(_, target) => symlink(tree.target(target), at).unwrap(),
            }
        }
        // By their real paths, which are known only now.
        for (path, seen) in tree.snapshot() {
            if !seen.contents.is_empty() && path.as_path().symlink_metadata().unwrap().is_file() {
                fs::write(path.as_path(), canary(path.as_path())).unwrap();
            }
        }
        tree
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    pub(crate) fn target(&self, target: &str) -> PathBuf {
        match target.starts_with('/') {
            true => self.at(target),
            false => target.into(),
        }
    }

    pub(crate) fn profile(&self, rules: &[Rule]) -> Sandbox {
        let mut sandbox = Sandbox::restricted([]);
        if let Permissions::Managed {
            file_system: FileSystem::Restricted { entries, .. },
            ..
        } = &mut sandbox.permissions
        {
            entries.extend(rules.iter().map(|rule| {
                let at = self.at(&rule.path);
                Entry {
                    path: match rule.path.contains('*') {
                        true => EntryPath::Glob(at.to_str().unwrap().into()),
                        false => EntryPath::Path(AbsPath::parse(at).unwrap()),
                    },
                    access: rule.access,
                    skip_missing: false,
                }
            }));
        }
        sandbox
    }

    /// Everything in the tree, and the directory that it is in.
    pub(crate) fn snapshot(&self) -> BTreeMap<AbsPath, Seen> {
        let mut all = BTreeMap::new();
        let mut left = vec![self.root.parent().unwrap().to_owned()];
        while let Some(path) = left.pop() {
            let metadata = path.symlink_metadata().unwrap();
            let contents = if metadata.is_dir() {
                left.extend(
                    fs::read_dir(&path)
                        .unwrap()
                        .map(|entry| entry.unwrap().path()),
                );
                Vec::new()
            } else if metadata.is_symlink() {
                fs::read_link(&path)
                    .unwrap()
                    .into_os_string()
                    .into_encoded_bytes()
            } else {
                fs::read(&path).unwrap()
            };
            let seen = Seen {
                contents,
                mode: metadata.mode(),
                inode: metadata.ino(),
                modified: (!metadata.is_dir()).then(|| (metadata.mtime(), metadata.mtime_nsec())),
            };
            all.insert(AbsPath::parse(path).unwrap(), seen);
        }
        all
    }

    /// The texts of the files that may not be read.
    pub(crate) fn secrets(&self, grants: &Grants) -> Vec<String> {
        self.snapshot()
            .into_keys()
            .filter(|path| path.as_path().symlink_metadata().unwrap().is_file())
            .filter(|path| grants.allowed(path) < Allowed::Read)
            .map(|path| canary(path.as_path()))
            .collect()
    }
}

fn canary(path: &std::path::Path) -> String {
    format!("<contents of {}>", path.display())
}
