//! A guest that is against us: everything that the WIT allows is tried, and nothing comes of it but an error to that one request.

use std::sync::Arc;
use std::time::Duration;

use lockgate_capfs::{CapFs, Follow, FsError, GuestSource, Options, PathBackEnd, Times};

use crate::world::{Way, World, options};

pub(crate) const MISBEHAVING: &[u8] =
    include_bytes!("../../../../guest/dist/test-misbehaving.wasm");

fn misbehaving(back_end: PathBackEnd, seconds: u64) -> Options {
    let time = Duration::from_secs(seconds);
    Options {
        guest: GuestSource::Component {
            bytes: Arc::from(MISBEHAVING),
            pin: None,
        },
        times: Times {
            operation: time,
            tree: time,
        },
        ..options(back_end)
    }
}

pub(crate) fn world(back_end: PathBackEnd, seconds: u64) -> World {
    World::new(Way::Gate(back_end)).through(CapFs::new(misbehaving(back_end, seconds)).unwrap())
}

pub(crate) fn both(scenario: impl Fn(&World)) {
    for back_end in [PathBackEnd::Openat2, PathBackEnd::Walk] {
        scenario(&world(back_end, 30));
    }
}

/// Makes the guest call `verb` with paths below the world's directory (`%2e` and the like become what they stand for, in the guest).
#[track_caller]
pub(crate) fn tries(world: &World, rules: &[&str], table: &[(&str, &str)]) {
    let files = world.files(rules);
    for (call, wanted) in table {
        let mut words = call.split(' ');
        let verb = words.next().unwrap();
        let home = world.at("");
        let home = home.to_str().unwrap().trim_matches('/');
        let paths: Vec<_> = words
            .map(|path| match path.strip_prefix('=') {
                Some(as_it_is) => as_it_is.to_owned(),
                None => format!("{home}/{path}"),
            })
            .collect();
        let path =
            lockgate_capfs::AbsPath::parse(format!("/{verb}/{}", paths.join("/to/"))).unwrap();
        let found = match files.canonicalize(&path) {
            Ok(path) => path.to_string().trim_start_matches('/').to_owned(),
            Err(error) => crate::world::name(&error),
        };
        assert_eq!(found, *wanted, "{call}, with {rules:?} by {:?}", world.way);
    }
}

#[test]
fn attack_01_paths_that_the_host_never_sends_are_refused() {
    both(|world| {
        world.make(&["w/d/f=x", "secret=s"]);
        tries(
            world,
            &["w=write"],
            &[
                ("read w/d/f", "done"),
                ("read w/%2e%2e/secret", "perm"),
                ("read w/d/%2e%2e/%2e%2e/secret", "perm"),
                ("read w/%2e/d/f", "perm"),
                ("read w/d%2f%2ff", "perm"),
                ("read w/d/f%2f", "perm"),
                ("read w/d/f%00", "perm"),
                ("read =%2fetc/passwd", "perm"),
                ("read =%2e%2e", "perm"),
                ("read =%2e", "access"),
                ("stat =", "perm"),
                ("write w/%2e%2e/secret", "perm"),
                ("mkdir w/%2e%2e/made", "perm"),
                ("rename w/d/f w/%2e%2e/secret", "perm"),
                ("symlink w/%2e%2e/l =x", "perm"),
            ],
        );
    });
}

#[test]
fn the_host_follows_no_link_whatever_the_guest_asks_for() {
    both(|world| {
        world.make(&[
            "w/f=x",
            "out/secret=s",
            "w/l>$/out/secret",
            "w/d>$/out",
            "w/in>f",
        ]);
        tries(
            world,
            &["w=write"],
            &[
                ("read w/l", "loop"),
                ("read w/in", "loop"),
                ("read w/d/secret", "loop"),
                ("write w/l", "loop"),
                ("truncate w/l", "loop"),
                ("create w/l", "exist"),
                ("opendir w/d", "loop"),
                ("list w/d", "loop"),
                ("stat w/d/secret", "loop"),
                ("stat w/l", "done"),
                ("hash w/d/secret", "loop"),
                ("touch w/d/secret", "loop"),
                ("mkdir w/d/made", "loop"),
                ("unlink w/d/secret", "loop"),
                ("rename w/d/secret w/x", "loop"),
                ("link w/d/secret w/x", "loop"),
                ("symlink w/d/x =y", "loop"),
                ("readlink w/in", "f"),
                ("readlink w/f", "inval"),
            ],
        );
        assert_eq!(world.text("out/secret"), "s");
    });
}

#[test]
fn attack_09_10_no_name_is_carried_from_one_grant_to_another() {
    both(|world| {
        world.make(&[
            "w/f=x",
            "w/d/g=y",
            "w2/",
            "r/f=ro",
            "r/d/g=ro",
            "no/f=s",
            "w/no/f=s",
            "w/.git/config=c",
        ]);
        tries(
            world,
            &["w=write", "w2=write", "r=read", "w/no=deny"],
            &[
                // Writable by two grants, of which the next profile may have one only.
                ("link w/f w2/hard", "errno 18"),
                ("link r/f w/hard", "rofs"),
                ("link w/f r/hard", "rofs"),
                ("link no/f w/hard", "access"),
                ("link w/no/f w/hard", "access"),
                ("link w/.git/config w/hard", "rofs"),
                ("rename r/f w/x", "rofs"),
                ("rename w/f r/x", "rofs"),
                ("rename no/f w/x", "access"),
                ("rename w/no/f w/x", "access"),
                ("rename w/no w/yes", "access"),
                ("rename w/.git w/git", "rofs"),
                ("rename w/.git/config w/x", "rofs"),
                ("rename w/d w/.codex", "rofs"),
                ("rename w/d w/no", "access"),
                ("rename w/d w/.git", "rofs"),
                ("rename w w3", "access"),
                ("rename w/f w", "access"),
                ("rmdir w", "access"),
                ("unlink r/f", "rofs"),
                ("link w/f w/hard", "done"),
                ("rename w/f w/moved", "done"),
                ("rename w/d w/e", "done"),
            ],
        );
        assert!(
            world.exists("r/f")
                && world.exists("no/f")
                && world.exists("w/no/f")
                && world.exists("w/e/g")
        );
    });
}

#[test]
fn attack_10_a_directory_above_a_rule_keeps_its_name() {
    both(|world| {
        world.make(&[
            "w/a/b/no/secret=s",
            "w/a/f=x",
            "w/c/",
            "w/g/x.env=s",
            "w/l>c",
        ]);
        tries(
            world,
            &["w=write", "w/sub=write"],
            &[
                ("link w/l w/sub", "access"),
                ("symlink w/sub =c", "access"),
                ("rename w/l w/sub", "access"),
            ],
        );
        tries(
            world,
            &["w=write", "w/a/b/no=deny"],
            &[
                ("rename w/a w/x", "access"),
                ("rename w/a/b w/x", "access"),
                ("rename w/c w/a", "access"),
                ("rename w/a/f w/c/f", "done"),
            ],
        );
        tries(
            world,
            &["w=write", "w/g/*.env=deny"],
            &[
                ("rename w/g w/h", "access"),
                ("rename w/g/x.env w/x", "access"),
                ("rename w/c/f w/g/y.env", "access"),
                ("link w/g/x.env w/x", "access"),
                ("rename w/c/f w/c/g", "done"),
            ],
        );
        assert_eq!(world.text("w/a/b/no/secret"), "s");
    });
}

#[test]
fn attack_11_reading_gives_no_way_to_write() {
    both(|world| {
        world.make(&["r/f=text", "w/f=text"]);
        tries(
            world,
            &["r=read", "w=write"],
            &[
                ("read r/f", "done"),
                ("write r/f", "rofs"),
                ("truncate r/f", "rofs"),
                ("create r/new", "rofs"),
                ("create r/f", "exist"),
                ("touch r/f", "rofs"),
                ("writeread r/f", "errno 9"),
                ("resize r/f", "errno 9"),
                ("copyover w/f r/f", "errno 9"),
                ("writeread w/f", "errno 9"),
                ("touch w/f", "done"),
                ("opendir r", "done"),
                ("opendir r/f", "notdir"),
            ],
        );
        assert_eq!(world.text("r/f"), "text");
        // Whatever it was handed, the host writes only to what was opened for writing.
        assert!(
            world
                .files(&["r=read"])
                .write_file(&world.abs("r/f"), b"x", Follow::Links)
                .is_err()
        );
        assert_eq!(world.text("r/f"), "text");
    });
}

/// The host gives the paths that a guest names back to the guest, and that is all it does with them.
#[test]
fn a_guest_that_lies_about_a_new_file_gets_nothing_out() {
    both(|world| {
        world.make(&["w/f=f", "r/f=ro", "out/secret=s"]);
        let files = world.files(&["w=write", "r=read"]);
        let replace = |name: &str| {
            let how = lockgate_capfs::Replacing::default();
            files
                .replace_file(&world.abs(name), b"new", how, Follow::Links)
                .map_err(|error| crate::world::name(&error))
        };
        let wrong = replace("w/no-path").unwrap_err();
        assert!(
            wrong.starts_with("the file gate could not finish"),
            "{wrong}"
        );
        assert_eq!(replace("w/over-a-secret"), Err("access".into()));
        assert_eq!(replace("w/of-a-secret"), Err("access".into()));
        // One opened for reading is not written.
        assert_eq!(replace("w/f"), Err("errno 9".into()));
        assert_eq!(replace("r/f"), Err("errno 9".into()));
        // Another file of the grant: the guest could have written that itself.
        assert_eq!(replace("w/another"), Err("noent".into()));
        assert_eq!(
            (
                world.text("out/secret"),
                world.text("r/f"),
                world.text("w/f")
            ),
            ("s".into(), "ro".into(), "new".into())
        );
    });
}

#[test]
fn attack_06_a_directory_that_was_moved_away_gives_nothing() {
    both(|world| {
        world.make(&["w/d/f=x"]);
        tries(world, &["w=write"], &[("moved w", "noent")]);
        assert!(world.exists("w/e/f"));
    });
}

#[test]
fn attack_08_magic_file_systems_are_refused_to_any_guest() {
    both(|world| {
        tries(
            world,
            &["/=read", "w=write"],
            &[
                ("read =proc/1/environ", "access"),
                ("read =proc/version", "access"),
                ("list =proc/1", "access"),
                ("stat =proc/uptime", "access"),
                ("readlink =proc/self", "access"),
                ("read =dev/null", "not regular"),
            ],
        );
    });
}

/// What the guest does, and what the one request hears of it. The next request finds everything in order.
#[test]
fn attack_25_a_guest_gone_wrong_costs_one_request() {
    let world = world(PathBackEnd::Openat2, 30);
    world.make(&["w/f=x"]);
    let files = world.files(&["w=write"]);
    for (deed, wanted) in [
        ("grow", "its memory may not grow past"),
        ("hoard", "resource table has no free keys"),
        ("recurse", "out of bounds memory access"),
        ("panic", "it panicked or aborted"),
    ] {
        let error = files.open(&world.abs(deed), Follow::Links).unwrap_err();
        assert!(matches!(error, FsError::Gate(_)), "{deed}: {error}");
        assert!(error.to_string().contains(wanted), "{deed}: {error}");
        assert_eq!(world.run(&files, "stat w/f"), "file", "after {deed}");
    }
    let error = files
        .open(&world.abs("directory"), Follow::Links)
        .unwrap_err();
    assert_eq!(crate::world::name(&error), "isdir");
    let error = files
        .open(&world.abs("w/writing"), Follow::Links)
        .unwrap_err();
    assert_eq!(crate::world::name(&error), "errno 9");
}

#[test]
fn attack_25_time_ends_a_guest_in_its_own_code_and_between_host_calls() {
    let world = world(PathBackEnd::Openat2, 1);
    let files = world.files(&["w=write"]);
    for deed in ["spin", "ask"] {
        let error = files.open(&world.abs(deed), Follow::Links).unwrap_err();
        assert!(
            error.to_string().contains("it ran past its deadline"),
            "{deed}: {error}"
        );
    }
    assert_eq!(world.run(&files, "stat w/f"), "file");
}

#[test]
fn attack_26_what_a_guest_keeps_stays_in_its_scope() {
    let world = world(PathBackEnd::Openat2, 30);
    let kept = |files: &lockgate_capfs::Files| {
        files.metadata(&world.abs("x"), Follow::Links).unwrap().size
    };
    let (one, other) = (world.files(&["w=write"]), world.files(&["w=read"]));
    assert_eq!(world.run(&one, "mkdir x"), "ok");
    assert_eq!(kept(&one), 1, "the scope's instance is used again");
    assert_eq!(kept(&other), 0, "another profile is another scope");
    let session = world
        .capfs
        .confine(&world.profile(&["w=write"]), world.session + 1_000_000)
        .unwrap();
    assert_eq!(kept(&session), 0, "another session is another scope");
    // A failure ends the instance with all that it kept.
    let _ = one.open(&world.abs("panic"), Follow::Links);
    assert_eq!(kept(&one), 0);
    // So does growth.
    assert_eq!(world.run(&one, "mkdir x"), "ok");
    let _ = one.open(&world.abs("swell"), Follow::Links);
    assert_eq!(kept(&one), 0);
}

#[test]
fn a_component_for_another_world_is_refused_when_it_is_loaded() {
    let with = |bytes: &[u8], pin| {
        let guest = GuestSource::Component {
            bytes: Arc::from(bytes),
            pin,
        };
        CapFs::new(Options {
            guest,
            ..options(PathBackEnd::Openat2)
        })
        .err()
        .map(|error| error.to_string())
    };
    assert!(
        with(b"not wasm at all", None)
            .unwrap()
            .contains("no WebAssembly component")
    );
    let empty = b"\0asm\x0d\0\x01\0";
    assert!(
        with(empty, None).is_some(),
        "a component without our exports"
    );
    let pin = lockgate_capfs::Digest::of(b"another one");
    assert!(with(MISBEHAVING, Some(pin)).unwrap().contains("digest"));
    assert_eq!(
        with(MISBEHAVING, Some(lockgate_capfs::Digest::of(MISBEHAVING))),
        None
    );
}
