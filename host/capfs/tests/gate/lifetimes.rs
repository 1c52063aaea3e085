//! Scopes and their warm instances: reused inside a scope, made again when they had to go, bounded in number.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use lockgate_capfs::{CapFs, Files, Follow, Options, PathBackEnd, limits};

use crate::world::{Way, World, both, options, resident};

fn alone(instances: Option<u32>) -> World {
    let options = Options {
        instances,
        ..options(PathBackEnd::Openat2)
    };
    World::new(Way::Gate(PathBackEnd::Openat2)).through(CapFs::new(options).unwrap())
}

#[test]
fn a_scope_is_found_again_and_forgotten_with_its_session() {
    let world = alone(None);
    world.make(&["w/f=x"]);
    let files = world.files(&["w=write"]);
    assert_eq!(world.run(&files, "read w/f"), "x");
    assert_eq!(world.run(&world.files(&["w=write"]), "read w/f"), "x");
    let report = world.capfs.report();
    assert_eq!((report.scopes, report.warm_instances), (1, 1));
    world.capfs.forget(world.session);
    assert_eq!(world.capfs.report().scopes, 0);
    assert_eq!(
        world.run(&files, "read w/f"),
        "x",
        "a request that is still running is not disturbed"
    );
    drop(files);
    assert_eq!(
        world.capfs.report().warm_instances,
        0,
        "the last one to go takes the instance with it"
    );
}

#[test]
fn requests_of_one_scope_run_at_once() {
    let world = alone(None);
    world.make(&["w/f=text"]);
    let files = world.files(&["w=write"]);
    let start = Barrier::new(8);
    thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| {
                start.wait();
                for _ in 0..200 {
                    let file = files.open(&AbsPathOf(&world).f(), Follow::Links).unwrap();
                    assert_eq!(file.read_all(10).unwrap(), b"text");
                }
            });
        }
    });
    assert!(world.capfs.report().warm_instances <= limits::WARM_PER_SCOPE);
}

/// [`World`] is not to be shared between threads, its paths are.
struct AbsPathOf<'a>(&'a World);

impl AbsPathOf<'_> {
    fn f(&self) -> lockgate_capfs::AbsPath {
        self.0.abs("w/f")
    }
}

#[test]
fn an_exhausted_pool_takes_back_what_idles() {
    let world = alone(Some(3));
    world.make(&["w/f=x"]);
    let scopes: Vec<Files> = (0..10)
        .map(|number| {
            world
                .capfs
                .confine(&world.profile(&["w=write"]), 1_000 + number)
                .unwrap()
        })
        .collect();
    for _ in 0..3 {
        for files in &scopes {
            assert_eq!(world.run(files, "read w/f"), "x");
        }
    }
    assert!(world.capfs.report().warm_instances <= 3);
}

#[test]
fn what_nobody_uses_is_given_back() {
    let world = alone(None);
    world.make(&["w/f=x"]);
    let files = world.files(&["w=write"]);
    assert_eq!(world.run(&files, "read w/f"), "x");
    world.capfs.give_up_unused(Duration::from_secs(3600));
    assert_eq!(world.capfs.report().warm_instances, 1);
    world.capfs.give_up_unused(Duration::ZERO);
    assert_eq!(world.capfs.report().warm_instances, 0);
    assert_eq!(world.run(&files, "read w/f"), "x");
}

#[test]
fn remembered_scopes_are_bounded_in_number() {
    let world = alone(None);
    for session in 0..limits::SCOPES as u64 + 10 {
        world
            .capfs
            .confine(&world.profile(&["w=read"]), session)
            .unwrap();
    }
    assert!(world.capfs.report().scopes <= limits::SCOPES);
    assert!(
        world
            .capfs
            .known(&world.profile(&["w=read"]), limits::SCOPES as u64 + 9)
            .is_some()
    );
    assert!(world.capfs.known(&world.profile(&["w=read"]), 0).is_none());
}

#[test]
fn a_rule_for_what_was_missing_holds_as_soon_as_it_is_there() {
    both(|world| {
        world.make(&["w/f=x"]);
        let (home, config) = (world.at("w"), world.at("w/config"));
        let profile = format!(
            r#"{{"permissions":{{"file_system":{{"entries":[
                {{"path":{{"type":"path","path":"{}"}},"access":"write"}},
                {{"path":{{"type":"path","path":"{}"}},"access":"read","missing_path_behavior":"skip"}}]}}}}}}"#,
            home.display(),
            config.display()
        );
        let files = || {
            world
                .capfs
                .confine(&serde_json::from_str(&profile).unwrap(), world.session)
                .unwrap()
        };
        assert_eq!(world.run(&files(), "write w/config first"), "ok");
        assert_eq!(world.run(&files(), "write w/config second"), "rofs");
        std::fs::remove_file(&config).unwrap();
        assert_eq!(
            world.run(&files(), "write w/config third"),
            "rofs",
            "a rule once made stays"
        );
    });
}

#[test]
fn what_is_in_memory_is_answered_without_waiting() {
    let world = alone(None);
    world.make(&["w/f=text", "w/d/g=x", "w/l>d/g"]);
    let files = world.files(&["w=write"]);
    let (f, none, out) = (world.abs("w/f"), world.abs("w/none"), world.abs("out"));
    assert!(
        files.try_metadata(&f, Follow::Links).is_none(),
        "no instance is at hand yet"
    );
    for path in ["w/f", "w/l"] {
        assert_ne!(world.run(&files, &format!("stat {path}")), "noent");
        let found = files
            .try_metadata(&world.abs(path), Follow::Links)
            .expect("at once")
            .unwrap();
        assert!(found.is_file);
    }
    assert_eq!(world.run(&files, "read w/f"), "text");
    let file = files.try_open(&f, Follow::Links).expect("at once").unwrap();
    assert_eq!(file.read_all(10).unwrap(), b"text");
    assert_eq!(world.run(&files, "stat w/none"), "noent");
    for path in [none, out] {
        let missing = files
            .try_metadata(&path, Follow::Links)
            .expect("at once")
            .unwrap_err();
        assert_eq!(crate::world::name(&missing), "noent");
    }
}

#[test]
fn profiles_that_restrict_nothing_are_direct() {
    both(|world| {
        let direct = |json: &str| {
            matches!(
                world
                    .capfs
                    .confine(&serde_json::from_str(json).unwrap(), world.session)
                    .unwrap(),
                Files::Direct
            )
        };
        assert!(direct(r#"{"permissions":{"type":"disabled"}}"#));
        assert!(!direct(r#"{"type":"read-only"}"#));
    });
}

#[test]
fn attack_25_the_largest_profiles_there_are_do_not_fill_the_memory() {
    let world = alone(None);
    world.make(&["w/f=x"]);
    let before = resident();
    for number in 0..60 {
        let deep = |entry| format!("/x{number}/{entry}/{}=read", "a/".repeat(1_000));
        let glob = |entry| format!("/x{number}/{entry}/{}=deny", "**/d*e*/".repeat(20));
        let entries: Vec<_> = (0..30).map(deep).chain((0..100).map(glob)).collect();
        let mut entries: Vec<_> = entries
            .iter()
            .map(|entry| entry.replace("/=", "="))
            .collect();
        entries.push("w=write".to_owned());
        let entries: Vec<&str> = entries.iter().map(String::as_str).collect();
        assert_eq!(world.run(&world.files(&entries), "read w/f"), "x");
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < 2 * limits::SCOPES_BYTES, "{grown} bytes");
    assert!((2..60).contains(&world.capfs.report().scopes));
}
