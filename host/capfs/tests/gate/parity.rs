//! The gate against the system itself: the same random operations on two equal trees, one through the gate with everything in it
//! granted, one directly. Answers and trees must stay the same.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use lockgate_capfs::PathBackEnd;
use proptest::prelude::*;

use crate::world::{Way, World};

/// Where the operations happen: deep enough that no link's `..` leads out of the grant.
const DEPTH: &str = "t/1/2/3/4";

#[derive(Clone, Debug)]
enum Step {
    /// An operation of the tables on one path.
    One(&'static str, String),
    /// An operation on two paths.
    Two(&'static str, String, String),
    /// A link with this target.
    Link(String, String),
}

fn path() -> impl Strategy<Value = String> {
    proptest::collection::vec(prop_oneof!["a", "b", "c"], 1..4).prop_map(|names| names.join("/"))
}

fn target() -> impl Strategy<Value = String> {
    let name = prop_oneof![3 => "a", 3 => "b", 2 => "c", 2 => "\\.\\.", 1 => "\\."];
    let relative = proptest::collection::vec(name, 1..5).prop_map(|names| names.join("/"));
    (relative, any::<bool>()).prop_map(|(target, absolute)| {
        // Two levels up at most, so that it stays below the world's directory.
        let target = target
            .replacen("..", "UP", 2)
            .replace("..", ".")
            .replace("UP", "..");
        format!(
            "{}{target}",
            if absolute {
                format!("$/{DEPTH}/")
            } else {
                String::new()
            }
        )
    })
}

fn step() -> impl Strategy<Value = Step> {
    let one = prop_oneof![
        "read",
        "write",
        "stat",
        "real",
        "list",
        "walk",
        "walklinks",
        "mkdir",
        "mkdirs",
        "rm",
        "rmtree",
        "rmforce",
        "read!",
        "stat!",
        "write!",
        "mkdirs!",
        "rm!",
        "mkdir!"
    ];
    prop_oneof![
        6 => (one, path()).prop_map(|(verb, path)| Step::One(leak(verb), path)),
        2 => (prop_oneof!["copy", "copytree"], path(), path()).prop_map(|(verb, from, to)| Step::Two(leak(verb), from, to)),
        3 => (path(), target()).prop_map(|(path, target)| Step::Link(path, target)),
    ]
}

fn leak(text: String) -> &'static str {
    // A few bytes a case, in a test's process.
    Box::leak(text.into_boxed_str())
}

/// What is in a tree, as text.
fn tree(world: &World, path: &Path, into: &mut Vec<String>) {
    let mut entries: Vec<_> = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    let home = world.at("");
    for entry in entries {
        let found = entry.symlink_metadata().unwrap();
        let name = entry.strip_prefix(&home).unwrap().display().to_string();
        let what = match found.file_type() {
            kind if kind.is_dir() => "/".to_owned(),
            kind if kind.is_symlink() => {
                format!(
                    " -> {}",
                    fs::read_link(&entry)
                        .unwrap()
                        .display()
                        .to_string()
                        .replace(home.to_str().unwrap(), "$/")
                )
            }
            _ => format!(
                " = {} {:o}",
                fs::read_to_string(&entry).unwrap(),
                found.mode()
            ),
        };
        into.push(name + &what);
        if found.is_dir() {
            tree(world, &entry, into);
        }
    }
}

fn plays_the_same(steps: &[Step], way: Way) -> Result<(), TestCaseError> {
    let worlds = [World::new(way), World::new(Way::Direct)];
    for world in &worlds {
        world.make(&[
            &format!("{DEPTH}/a/f=in a"),
            &format!("{DEPTH}/b=a file"),
            &format!("{DEPTH}/c>a"),
        ]);
    }
    for (number, step) in steps.iter().enumerate() {
        let mut said = Vec::new();
        for world in &worlds {
            let files = world.files(&["t=write"]);
            let home = world.at("");
            let answer = match step {
                Step::One(verb, path) => {
                    world.run(&files, &format!("{verb} {DEPTH}/{path} {number}"))
                }
                Step::Two(verb, from, to) => {
                    world.run(&files, &format!("{verb} {DEPTH}/{from} {DEPTH}/{to}"))
                }
                Step::Link(path, target) => {
                    let target = target.replace('$', home.to_str().unwrap().trim_end_matches('/'));
                    std::os::unix::fs::symlink(target, world.at(&format!("{DEPTH}/{path}")))
                        .map_or_else(|error| error.kind().to_string(), |()| "ok".to_owned())
                }
            };
            said.push(answer.replace(home.to_str().unwrap(), "$/"));
        }
        prop_assert_eq!(&said[0], &said[1], "step {}: {:?}", number, step);
        let trees = [&worlds[0], &worlds[1]].map(|world| {
            let mut found = Vec::new();
            tree(world, &world.at("t"), &mut found);
            found
        });
        prop_assert_eq!(&trees[0], &trees[1], "after step {}: {:?}", number, step);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_gate_answers_as_the_system_does_openat2(steps in proptest::collection::vec(step(), 1..30)) {
        plays_the_same(&steps, Way::Gate(PathBackEnd::Openat2))?;
    }

    #[test]
    fn the_gate_answers_as_the_system_does_walk(steps in proptest::collection::vec(step(), 1..30)) {
        plays_the_same(&steps, Way::Gate(PathBackEnd::Walk))?;
    }

    #[test]
    fn the_gate_answers_as_the_system_does_with_the_second_guest(steps in proptest::collection::vec(step(), 1..30)) {
        plays_the_same(&steps, Way::Second(PathBackEnd::Openat2))?;
    }
}

/// `LOCKGATE_CASES` makes it a long run.
fn cases() -> u32 {
    std::env::var("LOCKGATE_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(60)
}
