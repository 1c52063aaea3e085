//! The gate against another resolver of paths, `pathrs` of libpathrs, which was written by others for container runtimes: the same trees, the same
//! questions, and the answers must be one object or one error. It runs as a program of its own (tests/resolver).
//!
//! Where the two mean different things on purpose, the trees are made so that it makes no difference:
//! - `pathrs` resolves inside a root, where an absolute target begins again and `..` stops; the gate resolves in the real root and refuses what
//!   is not granted. So both are asked from the real root.
//! - `pathrs` grants nothing and denies nothing: what it finds outside the grant, the gate must not find. A path that leads out and back in again
//!   is found by `pathrs` only, since what may not be seen cannot be passed through either.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use lockgate_capfs::{Files, Follow, FsError, PathBackEnd};
use proptest::prelude::*;

use crate::world::{Way, World};

/// Device and inode of what was found, or the error number.
type Answer = Result<(u64, u64), i32>;

#[derive(Clone, Debug)]
enum Thing {
    Directory(String),
    File(String),
    Link(String, String),
}

/// Names that nobody else uses, since links lead also above the test's own directory, where the gate tells nothing of what it does not grant.
fn names(most: usize) -> impl Strategy<Value = String> {
    proptest::collection::vec(prop_oneof!["a~", "b~", "c~"], 1..most)
        .prop_map(|names| names.join("/"))
}

/// Targets: relative and absolute, with `..` that may lead above the grant, and `last` at the end of some.
fn target(last: &'static [&'static str]) -> impl Strategy<Value = String> {
    let name = prop_oneof![4 => "a~", 4 => "b~", 3 => "c~", 3 => "\\.\\.", 1 => "\\.", 1 => Just(String::new())];
    let names = proptest::collection::vec(name, 1..6);
    (names, any::<bool>(), 0..last.len()).prop_map(|(names, absolute, at)| {
        let begin = if absolute { "$/w/" } else { "" };
        let target = format!(
            "{begin}{}{}",
            names.join("/").trim_start_matches('/'),
            last[at]
        );
        if target.is_empty() {
            ".".to_owned()
        } else {
            target
        }
    })
}

fn tree(last: &'static [&'static str]) -> impl Strategy<Value = Vec<Thing>> {
    let thing = prop_oneof![
        2 => names(4).prop_map(Thing::Directory),
        2 => names(4).prop_map(Thing::File),
        4 => (names(4), target(last)).prop_map(|(path, target)| Thing::Link(path, target)),
    ];
    proptest::collection::vec(thing, 1..14)
}

/// Makes what can be made: what stands in its own way is left out.
fn grow(world: &World, things: &[Thing]) {
    world.make(&["w/", "out/a~=theirs", "out/b~/c~=theirs"]);
    let home = world.at("");
    let home = home.to_str().unwrap().trim_end_matches('/');
    for thing in things {
        let path = |path: &str| {
            let path = world.at("w").join(path);
            let parent = path.parent().unwrap();
            // Only real directories: through a link something could be made outside, by this test itself.
            let real =
                fs::create_dir_all(parent).is_ok() && parent.canonicalize().unwrap() == parent;
            (real && path.symlink_metadata().is_err()).then_some(path)
        };
        match thing {
            Thing::Directory(name) => path(name).map(|path| fs::create_dir(path).unwrap()),
            Thing::File(name) => path(name).map(|path| fs::write(path, name).unwrap()),
            Thing::Link(name, target) => {
                path(name).map(|path| symlink(target.replace('$', home), path).unwrap())
            }
        };
    }
}

fn gate(files: &Files, world: &World, path: &str) -> Answer {
    let path = world.abs(path);
    let real = files.canonicalize(&path).map_err(|error| number(&error))?;
    let found = fs::symlink_metadata(real.as_path()).unwrap();
    assert!(!found.is_symlink(), "{real} is a link");
    let identity = (found.dev(), found.ino());
    if found.is_file() {
        let open = files.open(&path, Follow::Links).unwrap();
        let open = rustix::fs::fstat(&open.fd).unwrap();
        assert_eq!(
            (open.st_dev, open.st_ino),
            identity,
            "opened and named differ"
        );
    }
    Ok(identity)
}

fn number(error: &FsError) -> i32 {
    match error {
        FsError::Os(errno) => errno.raw_os_error(),
        other => panic!("{other}"),
    }
}

/// The other resolver, asked from the real root. Ends with the value.
struct Other {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Other {
    fn start() -> Other {
        let mut child = Command::new(program())
            .arg("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Other {
            questions: child.stdin.take().unwrap(),
            answers: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    fn ask(&mut self, world: &World, path: &str) -> Answer {
        writeln!(self.questions, "{}", world.at(path).to_str().unwrap()).unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        match answer.trim().split_once(' ') {
            Some(("error", number)) => Err(number.parse().unwrap()),
            Some((device, inode)) if device != "failed" => {
                Ok((device.parse().unwrap(), inode.parse().unwrap()))
            }
            _ => panic!("{path}: {answer:?}"),
        }
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// No part of this workspace, whose dependencies it would have built another time.
fn program() -> &'static Path {
    let program = Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/resolver/target/debug/lockgate-resolver"
    ));
    assert!(
        program.exists(),
        "the other resolver is not built: `make test` does that, or `make resolver`"
    );
    program
}

/// Everything below a directory, and the directory.
fn identities(world: &World, path: &str, into: &mut Vec<(u64, u64)>) {
    let found = world.at(path).symlink_metadata().unwrap();
    into.push((found.dev(), found.ino()));
    if found.is_dir() {
        for entry in fs::read_dir(world.at(path)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            identities(world, &format!("{path}/{name}"), into);
        }
    }
}

/// All paths of three names of three letters: every one leads somewhere, or nowhere.
fn questions() -> Vec<String> {
    let mut questions = vec!["w".to_owned()];
    let mut from = 0;
    for _ in 0..3 {
        let to = questions.len();
        for at in from..to {
            for name in ["a~", "b~", "c~"] {
                questions.push(format!("{}/{name}", questions[at]));
            }
        }
        from = to;
    }
    questions
}

fn agree(things: &[Thing], way: Way) -> Result<(), TestCaseError> {
    let world = World::new(way);
    grow(&world, things);
    let mut resolver = Other::start();
    // Above the grant everything is seen, so that ways out and in again are the same for both.
    let files = world.files(&["w=write"]);
    let mut inside = Vec::new();
    identities(&world, "w", &mut inside);
    for question in questions() {
        let (ours, theirs) = (
            gate(&files, &world, &question),
            resolver.ask(&world, &question),
        );
        match theirs {
            Ok(found) if !inside.contains(&found) => {
                // An ancestor of the grant may be seen, and is found by both; nothing else is.
                let above =
                    fs::metadata(world.at("")).is_ok_and(|home| (home.dev(), home.ino()) == found);
                prop_assert!(
                    ours.is_err() || above || is_above(&world, found),
                    "{}: {:?}",
                    question,
                    ours
                );
            }
            theirs => prop_assert_eq!(ours, theirs, "{}", question),
        }
    }
    Ok(())
}

/// One of the directories that the world is in.
fn is_above(world: &World, found: (u64, u64)) -> bool {
    let home = world.at("");
    home.ancestors()
        .any(|path| fs::metadata(path).is_ok_and(|above| (above.dev(), above.ino()) == found))
}

/// With links that lead to an outside and on from there: whatever `pathrs` finds, the gate finds the same inside, or nothing.
fn stays_inside(things: &[Thing], way: Way) -> Result<(), TestCaseError> {
    let world = World::new(way);
    grow(&world, things);
    let mut resolver = Other::start();
    let files = world.files(&["w=write"]);
    let mut outside = Vec::new();
    identities(&world, "out", &mut outside);
    for question in questions() {
        let (ours, theirs) = (
            gate(&files, &world, &question),
            resolver.ask(&world, &question),
        );
        if let Ok(found) = ours {
            prop_assert!(!outside.contains(&found), "{} leads outside", question);
            prop_assert_eq!(theirs, Ok(found), "{}", question);
        }
        if theirs.is_ok_and(|found| outside.contains(&found)) {
            prop_assert_eq!(ours, Err(2), "{}", question);
        }
    }
    Ok(())
}

const NOWHERE: &[&str] = &["", "", "/", "/."];
const OUTSIDE: &[&str] = &["", "/../out", "/../../out/b~", "/../../../out/a~"];

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn attack_03_two_resolvers_agree_openat2(things in tree(NOWHERE)) {
        agree(&things, Way::Gate(PathBackEnd::Openat2))?;
    }

    #[test]
    fn attack_03_two_resolvers_agree_walk(things in tree(NOWHERE)) {
        agree(&things, Way::Gate(PathBackEnd::Walk))?;
    }

    #[test]
    fn attack_03_three_resolvers_agree(things in tree(NOWHERE)) {
        agree(&things, Way::Second(PathBackEnd::Openat2))?;
    }

    #[test]
    fn attack_03_what_the_other_resolver_finds_outside_the_gate_does_not_with_the_second_guest(things in tree(OUTSIDE)) {
        stays_inside(&things, Way::Second(PathBackEnd::Openat2))?;
    }

    #[test]
    fn attack_03_what_the_other_resolver_finds_outside_the_gate_does_not_openat2(things in tree(OUTSIDE)) {
        stays_inside(&things, Way::Gate(PathBackEnd::Openat2))?;
    }

    #[test]
    fn attack_03_what_the_other_resolver_finds_outside_the_gate_does_not_walk(things in tree(OUTSIDE)) {
        stays_inside(&things, Way::Gate(PathBackEnd::Walk))?;
    }
}

/// `LOCKGATE_CASES` makes it a long run.
fn cases() -> u32 {
    std::env::var("LOCKGATE_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(80)
}
