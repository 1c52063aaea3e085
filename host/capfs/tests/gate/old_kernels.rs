//! `openat2` that is missing, forbidden, or never sure: answered by a seccomp filter, in a thread of the test's own.
//!
//! A gate that is made there walks. One that was made before does not change its way of resolving paths: it answers errors. In no case is
//! a path opened in a way that follows links.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::thread;

use lockgate_capfs::{CapFs, Files, Follow, Options, PathBackEnd};
use seccompiler::{SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule};

use crate::filters::{in_a_thread, refuse};
use crate::world::{Way, World, options, snapshot};

/// From here on `openat2` fails in this thread with this error, as on an old kernel or in a hardened container.
fn take_openat2_away(errno: i32) {
    refuse(BTreeMap::from([(libc::SYS_openat2, Vec::new())]), errno);
}

/// And `utimensat` knows no `AT_EMPTY_PATH`, as before Linux 5.8.
fn take_empty_paths_away() {
    const FLAGS: u8 = 3;
    let flag = libc::AT_EMPTY_PATH as u64;
    let (dword, masked) = (SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(flag));
    let with_flag = SeccompCondition::new(FLAGS, dword, masked, flag).unwrap();
    let rule = SeccompRule::new(vec![with_flag]).unwrap();
    refuse(
        BTreeMap::from([(libc::SYS_utimensat, vec![rule])]),
        libc::EINVAL,
    );
}

fn without_openat2(errno: i32, scenario: impl FnOnce() + Send) {
    in_a_thread(|| {
        take_openat2_away(errno);
        scenario();
    });
}

const THINGS: [&str; 7] = [
    "w/f=mine",
    "w/l>f",
    "w/d/g=deep",
    "w/out>$/out/secret",
    "w/up>../out",
    "w/no/f=denied",
    "out/secret=theirs",
];

/// Operations that a gate answers here like everywhere.
const TABLE: [(&str, &str); 18] = [
    ("read w/f", "mine"),
    ("read w/l", "mine"),
    ("stat w/l", "link to file"),
    ("real w/l", "w/f"),
    ("read! w/l", "link refused"),
    ("read w/out", "noent"),
    ("read w/up/secret", "noent"),
    ("read w/no/f", "noent"),
    ("write w/out x", "access"),
    ("write w/up/new x", "access"),
    ("write w/new x", "ok"),
    ("mkdirs w/a/b", "ok"),
    ("mkdirs w/up/b", "access"),
    ("copytree w/d w/e", "ok"),
    ("walk w/e", "w/e/g"),
    ("rmtree w/e", "ok"),
    ("list w/a", "b/"),
    ("rm w/new", "ok"),
];

#[test]
fn attack_07_a_gate_that_is_made_without_openat2_walks() {
    for errno in [libc::ENOSYS, libc::EPERM, libc::EAGAIN, libc::EINVAL] {
        without_openat2(errno, || {
            let chosen = Options {
                path_back_end: None,
                ..options(PathBackEnd::Walk)
            };
            let capfs = CapFs::new(chosen).unwrap();
            assert_eq!(
                capfs.report().path_back_end,
                PathBackEnd::Walk,
                "errno {errno}"
            );
            let world = World::new(Way::Gate(PathBackEnd::Walk)).through(capfs);
            world.make(&THINGS);
            world.table(&["w=write", "w/no=deny"], &TABLE);
            assert_eq!(world.text("out/secret"), "theirs");
        });
    }
}

#[test]
fn attack_07_an_openat2_that_goes_away_or_is_never_sure_makes_errors_and_opens_nothing() {
    for (errno, wanted) in [
        (libc::ENOSYS, "errno 5"),
        (libc::EPERM, "perm"),
        (libc::EAGAIN, "errno 11"),
    ] {
        without_openat2_later(Way::Gate(PathBackEnd::Openat2), errno, |world, files| {
            let before = snapshot(&world.at(""));
            for (operation, _) in TABLE {
                // What is not granted needs no look.
                let found = world.run(files, operation);
                let refused = ["noent", "access", wanted].contains(&found.as_str());
                assert!(refused, "{operation} with errno {errno}: {found}");
            }
            for operation in [
                "read w/f",
                "write w/f x",
                "mkdir w/a",
                "rm w/f",
                "rmforce w/d",
                "list w",
                "copy w/f w/x",
            ] {
                assert_eq!(world.run(files, operation), wanted, "{operation}");
            }
            assert_eq!(snapshot(&world.at("")), before);
            let at_once = files.try_open(&world.abs("w/f"), Follow::Links);
            match errno {
                // Nothing can be said without waiting: the caller asks again where it may wait.
                libc::EAGAIN => assert!(at_once.is_none()),
                _ => assert!(at_once.unwrap().is_err()),
            }
        });
    }
}

/// The gate and its files are made first, with `openat2`, which then goes away.
fn without_openat2_later(way: Way, errno: i32, scenario: impl FnOnce(&World, &Files) + Send) {
    thread::scope(|threads| {
        let without = threads.spawn(move || {
            let world = World::new(way);
            world.make(&THINGS);
            let files = world.files(&["w=write", "w/no=deny"]);
            assert_eq!(world.run(&files, "read w/f"), "mine");
            take_openat2_away(errno);
            scenario(&world, &files);
        });
        if let Err(failure) = without.join() {
            std::panic::resume_unwind(failure);
        }
    });
}

#[test]
fn attack_07_direct_requests_that_forbid_links_refuse_them_without_openat2_too() {
    for (errno, wanted) in [
        (libc::ENOSYS, "mine"),
        (libc::EPERM, "mine"),
        (libc::EAGAIN, "errno 11"),
    ] {
        without_openat2_later(Way::Direct, errno, |world, files| {
            assert_eq!(world.run(files, "read! w/f"), wanted);
            for operation in [
                "read! w/l",
                "read! w/up/secret",
                "write! w/l x",
                "stat! w/out",
            ] {
                let found = world.run(files, operation);
                let refused = ["link refused", "errno 11"].contains(&found.as_str());
                assert!(refused, "{operation} with errno {errno}: {found}");
            }
            assert_eq!(world.text("w/f"), "mine");
        });
    }
}

#[test]
fn times_are_set_where_the_system_knows_no_empty_paths() {
    for way in [
        Way::Gate(PathBackEnd::Openat2),
        Way::Gate(PathBackEnd::Walk),
        Way::Direct,
    ] {
        thread::scope(|threads| {
            let scenario = move || {
                let world = World::new(way);
                world.make(&THINGS);
                take_empty_paths_away();
                world.table(
                    &["w=write"],
                    &[
                        ("touch w/f 1000", "ok"),
                        ("touch w/d 2000", "ok"),
                        ("touch w/l 3000", "ok"),
                        ("touch! w/l 4000", "link refused"),
                    ],
                );
                let time = |path: &str| world.at(path).symlink_metadata().unwrap().mtime();
                assert_eq!((time("w/f"), time("w/d")), (3000, 2000));
            };
            if let Err(failure) = threads.spawn(scenario).join() {
                std::panic::resume_unwind(failure);
            }
        });
    }
}
