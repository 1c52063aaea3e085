//! Random worlds and profiles over so few names that entries meet, nest, tie and lead through links all the time.

use std::collections::BTreeMap;

use lockgate_grant::AbsPath;
use lockgate_grant::narrowing::{self, GrantEntry};
use lockgate_grant::profile::{
    Access, Entry, EntryPath, FileSystem, Network, Permissions, Sandbox, Special,
};
use proptest::prelude::*;
use proptest::sample::select;

use crate::world::{Thing, World, path};

const NAMES: [&str; 11] = [
    "w", "a", "b", "ab", ".git", ".Git", ".codex", ".env", "tmp", "usr", "bin",
];

pub fn some_path() -> impl Strategy<Value = String> {
    prop::collection::vec(select(&NAMES[..]), 0..5)
        .prop_map(|names| format!("/{}", names.join("/")))
}

fn below_the_root() -> impl Strategy<Value = String> {
    prop::collection::vec(select(&NAMES[..]), 1..4)
        .prop_map(|names| format!("/{}", names.join("/")))
}

pub fn some_world() -> impl Strategy<Value = World> {
    let thing = prop_oneof![
        3 => Just(Thing::Plain),
        3 => some_path().prop_map(Thing::Link),
        1 => some_path().prop_map(Thing::GitPointer),
    ];
    let things = prop::collection::vec((below_the_root(), thing), 0..7);
    let tmpdir = prop::option::of(below_the_root());
    let own = prop::collection::vec(below_the_root(), 0..2);
    (things, tmpdir, own).prop_map(|(things, tmpdir, own)| {
        let things: BTreeMap<_, _> = things
            .into_iter()
            .map(|(path, thing)| match thing {
                Thing::GitPointer(target) => {
                    (format!("{}/.git", parent(&path)), Thing::GitPointer(target))
                }
                thing => (path, thing),
            })
            .collect();
        let world = World {
            things,
            tmpdir,
            own: Vec::new(),
        };
        // The host names its own directories by their real paths.
        let own = own
            .iter()
            .filter_map(|own| Some(path(&world.walk(own).ok()?.end)));
        let own = own
            .filter(|own| !own.is_root() && !own.to_string().contains(".Git"))
            .collect();
        World { own, ..world }
    })
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(above, _)| above)
}

fn some_pattern() -> impl Strategy<Value = String> {
    let name = select(
        &[
            "*",
            "**",
            "?",
            "a*",
            "*b",
            ".*",
            "[ab]",
            "[!a]",
            "{a,w}",
            "{.env,a?}",
            "a",
            "b",
            "w",
            ".env",
            ".git",
        ][..],
    );
    (prop::collection::vec(name, 1..5), any::<bool>()).prop_map(|(names, absolute)| {
        let slash = if absolute { "/" } else { "" };
        format!("{slash}{}", names.join("/"))
    })
}

fn some_entry() -> impl Strategy<Value = Entry> {
    let access = || select(&[Access::Read, Access::Write, Access::Write, Access::Deny][..]);
    let subpath = prop::option::of(below_the_root().prop_map(|path| path[1..].to_owned()));
    let special = prop_oneof![
        2 => Just(Special::Root),
        1 => Just(Special::Minimal),
        3 => subpath.prop_map(|subpath| Special::ProjectRoots { subpath }),
        1 => Just(Special::Tmpdir),
        1 => Just(Special::SlashTmp),
    ];
    let unknown = Just(EntryPath::Special(Special::Unknown {
        kind: "later".into(),
    }));
    let place = prop_oneof![
        8 => some_path().prop_map(|text| EntryPath::Path(path(&text))),
        6 => special.prop_map(EntryPath::Special),
    ];
    let entry = |(path, access, skip_missing)| Entry {
        path,
        access,
        skip_missing,
    };
    prop_oneof![
        12 => (place, access(), prop::bool::weighted(0.2)).prop_map(entry),
        2 => (some_pattern().prop_map(EntryPath::Glob), Just(Access::Deny), Just(false)).prop_map(entry),
        1 => (unknown, Just(Access::Read), Just(false)).prop_map(entry),
    ]
}

pub fn some_sandbox() -> impl Strategy<Value = Sandbox> {
    let absolute = || some_path().prop_map(|text| path(&text));
    let roots = prop::option::weighted(0.3, prop::collection::vec(absolute(), 0..4));
    let depth = prop::option::of(1u64..4);
    let entries = prop::collection::vec(some_entry(), 0..8);
    (
        entries,
        depth,
        prop::option::weighted(0.9, absolute()),
        roots,
    )
        .prop_map(
            |(entries, glob_scan_max_depth, cwd, workspace_roots): (_, _, Option<AbsPath>, _)| {
                Sandbox {
                    permissions: Permissions::Managed {
                        file_system: FileSystem::Restricted {
                            entries,
                            glob_scan_max_depth,
                        },
                        network: Network::Restricted,
                    },
                    cwd,
                    workspace_roots,
                }
            },
        )
}

/// A policy's list.
pub fn some_list() -> impl Strategy<Value = Vec<GrantEntry>> {
    let access = select(
        &[
            None,
            Some(narrowing::Access::Look),
            Some(narrowing::Access::Read),
            Some(narrowing::Access::Write),
            Some(narrowing::Access::Write),
        ][..],
    );
    let entry = (some_path(), access).prop_map(|(path, access)| GrantEntry { path, access });
    prop::collection::vec(entry, 0..6)
}
