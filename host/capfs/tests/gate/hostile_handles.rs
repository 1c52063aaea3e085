//! What a guest that is against us does with what it was given: handles that it keeps, numbers past every edge, answers that it makes up.

use std::fs;

use lockgate_capfs::{Follow, FsError, PathBackEnd};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::apart::with_mounts;
use crate::hostile::{both, tries, world};
use crate::world::snapshot;

/// Every call on a directory that was moved away after it was opened, and how it is answered.
const NOT_THERE: [&str; 22] = [
    "read",
    "write",
    "truncate",
    "create",
    "mkdir",
    "symlink",
    "unlink",
    "rmdir",
    "rename",
    "renamefree",
    "link",
    "readlink",
    "stat",
    "stat-at",
    "hash",
    "attributes",
    "times",
    "times-at",
    "mode",
    "list",
    "list-at",
    "same",
];

#[test]
fn attack_06_no_call_on_a_held_directory_follows_it_where_it_went() {
    both(|world| {
        world.make(&[
            "w/d/f=x",
            "w/d/sub/",
            "w/d/l>f",
            "x/d/f=x",
            "out/f=theirs",
            "out/sub/",
        ]);
        let all = |answer: &str| NOT_THERE.map(|call| format!("{call}={answer}")).join("/");
        // The held one is a path, and nothing is at it.
        tries(world, &["w=write"], &[("held w", &all("no-entry"))]);
        let before = snapshot(&world.at("out"));
        // A link to outside in its place is followed by nobody.
        let in_the_way = all("loop")
            .replace("same=loop", "same=no-entry")
            // Without being asked to follow it, what is there is described: the link.
            .replace("attributes=loop", "attributes=done");
        tries(
            world,
            &["x=write"],
            &[("heldlink x %2e%2e/out", &in_the_way)],
        );
        assert_eq!(snapshot(&world.at("out")), before);
        assert_eq!(world.text("w/e/f"), "x");
        assert!(!world.exists("w/e/made") && !world.exists("w/e/g"));
    });
}

#[test]
fn attack_06_a_held_listing_ends_when_its_directory_goes() {
    both(|world| {
        world.make(&["w/d/"]);
        // More than one batch.
        for number in 0..3_000 {
            fs::write(world.at("w/d").join(format!("{number:0>60}")), "").unwrap();
        }
        tries(world, &["w=write"], &[("heldlisting w", "noent")]);
    });
}

#[test]
fn attack_25_numbers_flags_and_texts_past_every_edge_are_refused() {
    both(|world| {
        world.make(&["w/f=text"]);
        tries(
            world,
            &["w=write"],
            &[
                (
                    "odd w/f",
                    "read-most=done/read-last=invalid/write-last=invalid/write-signed=invalid/size-most=invalid/advise=done/\
                     time-most=overflow/time-odd=invalid/mode-most=invalid/flags=done/open-flags=exist/\
                     empty=no-entry/nul=invalid/long=name-too-long/name=not-directory",
                ),
                ("long", "nametoolong"),
            ],
        );
        assert_eq!(world.text("w/f"), "text");
        assert_eq!(fs::read_dir(world.at("w")).unwrap().count(), 1);
    });
}

#[test]
fn attack_25_handles_are_bounded_and_given_back_with_the_instance() {
    let world = world(PathBackEnd::Openat2, 30);
    world.make(&["w/f=x"]);
    let files = world.files(&["w=write"]);
    // Of this process, what is open below the world's directory; other tests may be running in it.
    let open = || {
        let descriptors = fs::read_dir("/proc/self/fd").unwrap();
        let targets = descriptors.filter_map(|fd| fs::read_link(fd.unwrap().path()).ok());
        targets
            .filter(|path| path.starts_with(world.at("")))
            .count()
    };
    for deed in ["w/hoardfiles", "w/hoardlistings"] {
        for _ in 0..20 {
            let error = files.open(&world.abs(deed), Follow::Links).unwrap_err();
            let wanted = "resource table has no free keys";
            assert!(error.to_string().contains(wanted), "{deed}: {error}");
        }
    }
    assert_eq!(open(), 0, "descriptors were left behind");
}

#[test]
fn attack_25_text_that_is_none_ends_the_guest() {
    let world = world(PathBackEnd::Openat2, 30);
    let files = world.files(&["w=write"]);
    let error = files
        .open(&world.abs("nonsense"), Follow::Links)
        .unwrap_err();
    assert!(matches!(error, FsError::Gate(_)), "{error}");
    assert_eq!(world.run(&files, "stat w/f"), "file");
}

#[test]
fn attack_25_a_made_up_answer_is_a_path_or_an_error_and_opens_nothing() {
    both(|world| {
        world.make(&["w/f=x", "out/f=theirs"]);
        let files = world.files(&["w=write"]);
        let say = |text: &str| {
            let path = lockgate_capfs::AbsPath::parse(format!("/say/{text}")).unwrap();
            files.canonicalize(&path).map(|path| path.to_string())
        };
        for text in ["relative", "%2e%2e/%2e%2e/etc", "%2fa%00b", "%2e"] {
            assert!(matches!(say(text), Err(FsError::Gate(_))), "{text}");
        }
        let much = lockgate_capfs::AbsPath::parse("/saymuch").unwrap();
        let error = files.canonicalize(&much).unwrap_err();
        assert!(error.to_string().contains("bytes long"), "{error}");
        // It may lie, to those who asked it; what it says is asked for again by anybody who uses it.
        assert_eq!(say("%2fetc/passwd").unwrap(), "/etc/passwd");
        assert_eq!(say("%2fw/%2e%2e/%2e%2e/etc").unwrap(), "/etc");
        assert!(
            files
                .write_file(&world.abs("out/f"), b"x", Follow::Links)
                .is_err()
        );
        assert_eq!(world.text("out/f"), "theirs");
    });
}

#[test]
fn attack_26_memory_of_a_dead_instance_is_zero_in_the_next() {
    let world = world(PathBackEnd::Openat2, 30);
    let residue = |files: &lockgate_capfs::Files| {
        files
            .metadata(&world.abs("residue"), Follow::Links)
            .unwrap()
            .size
    };
    for round in 0..50 {
        // A scope of its own each time: the slot in the pool is what they share.
        let session = world.session + 1_000 + round;
        let files = world
            .capfs
            .confine(&world.profile(&["w=write"]), session)
            .unwrap();
        assert_eq!(residue(&files), 0, "in round {round}");
        let _swollen = files.open(&world.abs("swell"), Follow::Links);
        let _grown = files.open(&world.abs("grow"), Follow::Links);
        drop(files);
        world.capfs.forget(session);
    }
}

#[test]
fn attack_15_attributes_are_taken_from_files_and_nothing_else_is_opened_for_them() {
    both(|world| {
        world.make(&["w/f=x", "w/source=y", "w/d/", "w/l>source"]);
        for (name, kind) in [("w/fifo", FileType::Fifo), ("w/socket", FileType::Socket)] {
            mknodat(CWD, world.at(name), kind, Mode::RWXU, 0).unwrap();
        }
        tries(
            world,
            &["w=write"],
            &[
                ("imitate w/source w/f", "done"),
                ("imitate w/fifo w/f", "not regular"),
                ("imitate w/socket w/f", "not regular"),
                ("imitate w/d w/f", "isdir"),
                ("imitate w/l w/f", "loop"),
            ],
        );
    });
}

#[test]
fn attack_18_a_guest_that_grows_a_file_past_the_limit_does_not_end_the_host() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    with_mounts(|| {
        both(|world| {
            world.make(&["w/f=x"]);
            tries(world, &["w=write"], &[("write w/f", "done")]);
            let unlimited = getrlimit(Resource::Fsize);
            let limit = Rlimit {
                current: Some(20_000),
                ..unlimited
            };
            setrlimit(Resource::Fsize, limit).unwrap();
            tries(world, &["w=write"], &[("grow w/f", "errno 27")]);
            setrlimit(Resource::Fsize, unlimited).unwrap();
            assert_eq!(world.text("w/f"), "x");
        });
    });
}
