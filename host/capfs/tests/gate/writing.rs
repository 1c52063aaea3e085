//! Files that take another's place, grow at their end, or are opened for writing.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use lockgate_capfs::{Follow, FsError, OpenFor, Replacing, WritableFile};

use crate::world::{World, both, everywhere, name};

const DURABLE: Replacing = Replacing {
    durable: true,
    mode: Some(0o604),
    only_new: false,
    only_if: None,
};

fn inode(world: &World, path: &str) -> u64 {
    fs::metadata(world.at(path)).unwrap().ino()
}

fn mode(world: &World, path: &str) -> u32 {
    fs::metadata(world.at(path)).unwrap().permissions().mode() & 0o7777
}

/// The names in a directory, temporary ones among them.
fn names(world: &World, path: &str) -> String {
    let mut names: Vec<_> = fs::read_dir(world.at(path))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names.join(" ")
}

#[test]
fn a_file_is_replaced_by_another_one_with_its_attributes() {
    everywhere(|world| {
        world.make(&[
            "w/f=old and longer",
            "w/d/",
            "w/l>d/../f",
            "w/to-new>new",
            "w/loop>loop",
        ]);
        fs::set_permissions(world.at("w/f"), fs::Permissions::from_mode(0o4751)).unwrap();
        fs::hard_link(world.at("w/f"), world.at("w/other")).unwrap();
        let old = inode(world, "w/f");
        world.table(
            &["w=write"],
            &[
                ("replace w/f new", "ok"),
                ("read w/f", "new"),
                ("read w/other", "old and longer"),
                ("replace w/created x", "ok"),
                ("read w/created", "x"),
                // What a link leads to, be it missing; the link stays.
                ("replace w/l through", "ok"),
                ("read w/f", "through"),
                ("stat w/l", "link to file"),
                ("replace w/to-new x", "ok"),
                ("read w/new", "x"),
                ("stat w/to-new", "link to file"),
                ("replace! w/l x", "link refused"),
                ("replace! w/new y", "ok"),
                ("replace w/loop x", "loop"),
                ("replace w/d x", "isdir"),
                ("replace w/none/x x", "noent"),
                ("replace w/f/x x", "notdir"),
            ],
        );
        assert_ne!(inode(world, "w/f"), old);
        assert_eq!(mode(world, "w/f"), 0o751, "no set-user-id for new contents");
        assert_eq!(names(world, "w"), "created d f l loop new other to-new");
        // The bits that are asked for, and on the disk.
        let files = world.files(&["w=write"]);
        for path in ["w/f", "w/made"] {
            let path = world.abs(path);
            files
                .replace_file(&path, b"durable", DURABLE, Follow::Links)
                .unwrap();
        }
        assert_eq!((mode(world, "w/f"), mode(world, "w/made")), (0o604, 0o604));
        assert_eq!(world.text("w/made"), "durable");
    });
}

#[test]
fn extended_attributes_go_along_with_the_name() {
    everywhere(|world| {
        world.make(&["w/f=old"]);
        let set = |attribute: &str, value: &[u8]| {
            rustix::fs::setxattr(
                world.at("w/f"),
                attribute,
                value,
                rustix::fs::XattrFlags::empty(),
            )
        };
        if set("user.origin", b"there").is_err() {
            // A filesystem without them.
            return;
        }
        world.table(&["w=write"], &[("replace w/f new", "ok")]);
        let mut value = [0; 16];
        let len = rustix::fs::getxattr(world.at("w/f"), "user.origin", &mut value[..]).unwrap();
        assert_eq!(&value[..len], b"there");
    });
}

#[test]
fn attack_11_a_replacement_goes_no_further_than_the_grants() {
    both(|world| {
        world.make(&[
            "w/f=w",
            "w/no/f=n",
            "w/.git/config=c",
            "w/to-git>.git/config",
            "w/to-out>$/out/f",
            "w/into>$/out",
            "r/f=r",
            "out/f=o",
            "one=1",
            "d/one=1",
        ]);
        world.table(
            &[
                "w=write",
                "w/no=deny",
                "r=read",
                "one=write",
                "d=read",
                "d/one=write",
            ],
            &[
                ("replace r/f x", "rofs"),
                ("replace out/f x", "access"),
                ("replace w/no/f x", "access"),
                ("replace w/to-out x", "access"),
                ("replace w/into/f x", "access"),
                ("replace w/.git/config x", "rofs"),
                ("replace w/to-git x", "rofs"),
                ("replace w/.codex x", "rofs"),
                ("append r/f x", "rofs"),
                ("append out/f x", "access"),
                ("append w/to-out x", "access"),
                ("append w/to-git x", "rofs"),
                // Files that are granted by themselves, without their directory.
                ("replace one x", "only in place"),
                ("replace d/one x", "only in place"),
                ("append one 2", "ok"),
                ("append d/one 2", "ok"),
                ("replace w/f x", "ok"),
            ],
        );
        for (path, text) in [
            ("r/f", "r"),
            ("out/f", "o"),
            ("w/no/f", "n"),
            ("w/.git/config", "c"),
            ("one", "12"),
            ("d/one", "12"),
        ] {
            assert_eq!(world.text(path), text);
        }
        let expected = [
            ("w", ".git f into no to-git to-out"),
            ("r", "f"),
            ("out", "f"),
            ("d", "one"),
        ];
        for (directory, wanted) in expected {
            assert_eq!(names(world, directory), wanted);
        }
    });
}

fn open(world: &World, path: &str, purpose: OpenFor) -> Result<WritableFile, String> {
    let rules = ["w=write", "r=read", "one=write"];
    world
        .files(&rules)
        .open_write(&world.abs(path), purpose, Follow::Links)
        .map_err(|error| name(&error))
}

#[test]
fn files_are_opened_to_be_replaced_appended_to_or_updated() {
    everywhere(|world| {
        world.make(&["w/f=0123456789", "w/l>f", "one=1"]);
        let old = inode(world, "w/f");
        let update = open(world, "w/l", OpenFor::Update).unwrap();
        update.write_at(3, b"xyz").unwrap();
        assert_eq!(update.read_at(2, 5).unwrap(), b"2xyz6");
        update.write_at(12, b"!").unwrap();
        assert_eq!(world.text("w/f"), "012xyz6789\0\0!");
        let append = open(world, "w/f", OpenFor::Append).unwrap();
        fs::write(world.at("w/f"), "short").unwrap();
        append.write_at(0, b" more").unwrap();
        assert_eq!(world.text("w/f"), "short more");
        let replace = open(world, "w/f", OpenFor::Replace).unwrap();
        assert_eq!(world.text("w/f"), "");
        replace.write_at(2, b"ab").unwrap();
        replace.write_at(0, b"c").unwrap();
        assert_eq!(world.text("w/f"), "c\0ab");
        for unreadable in [append, replace] {
            assert_eq!(name(&unreadable.read_at(0, 1).unwrap_err()), "errno 9");
        }
        assert_eq!(inode(world, "w/f"), old, "it stays the same file");
        for purpose in [OpenFor::Replace, OpenFor::Append] {
            open(world, &format!("w/{purpose:?}"), purpose).unwrap();
            open(world, "one", purpose).unwrap();
        }
        assert_eq!(names(world, "w"), "Append Replace f l");
        assert_eq!(open(world, "w/none", OpenFor::Update).unwrap_err(), "noent");
        assert_eq!(open(world, "w", OpenFor::Append).unwrap_err(), "isdir");
    });
}

#[test]
fn attack_11_nothing_is_opened_for_writing_beyond_the_grants() {
    both(|world| {
        world.make(&[
            "r/f=r",
            "out/f=o",
            "w/l>$/out/f",
            "w/m>../r/f",
            "w/.git/config=c",
            "w/new>$/out/new",
        ]);
        for (path, wanted) in [
            ("r/f", "rofs"),
            ("out/f", "access"),
            ("w/l", "access"),
            ("w/m", "rofs"),
            ("w/.git/config", "rofs"),
            ("w/.agents", "rofs"),
            ("w/new", "access"),
        ] {
            for purpose in [OpenFor::Replace, OpenFor::Append] {
                assert_eq!(open(world, path, purpose).unwrap_err(), wanted, "{path}");
            }
            let update = open(world, path, OpenFor::Update).unwrap_err();
            assert!(update == wanted || update == "noent", "{path}: {update}");
        }
        assert_eq!(
            (world.text("r/f"), world.text("out/f")),
            ("r".into(), "o".into())
        );
        assert!(!world.exists("out/new") && !world.exists("w/.agents"));
    });
}

#[test]
fn devices_and_fifos_are_neither_replaced_nor_opened_for_writing() {
    everywhere(|world| {
        world.make(&["w/"]);
        rustix::fs::mknodat(
            rustix::fs::CWD,
            world.at("w/fifo"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        world.table(
            &["w=write"],
            &[
                ("replace w/fifo x", "not regular"),
                ("append w/fifo x", "not regular"),
            ],
        );
        for purpose in [OpenFor::Replace, OpenFor::Append, OpenFor::Update] {
            assert_eq!(open(world, "w/fifo", purpose).unwrap_err(), "not regular");
        }
        assert_eq!(names(world, "w"), "fifo");
    });
}

#[test]
fn what_does_not_fit_is_told_in_bytes() {
    everywhere(|world| {
        world.make(&["w/f=old"]);
        let file = open(world, "w/f", OpenFor::Update).unwrap();
        // Past what a file can have: nothing of it is written.
        let refused = file.write_at(u64::MAX - 1, b"xyz").unwrap_err();
        assert_eq!(name(&refused), "inval");
        let refused = file.write_at(i64::MAX as u64, b"x").unwrap_err();
        assert!(matches!(refused, FsError::Os(_)), "{refused}");
        assert_eq!(world.text("w/f"), "old");
    });
}

/// An access control list as the system keeps it: version 2, then tag, permissions and id of each entry.
fn acl(entries: &[(u16, u16, u32)]) -> Vec<u8> {
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(permissions.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

#[test]
fn attack_17_a_file_that_replaces_another_is_open_to_nobody_to_whom_that_was_not() {
    use rustix::fs::XattrFlags;
    everywhere(|world| {
        world.make(&["w/f=old"]);
        fs::set_permissions(world.at("w/f"), fs::Permissions::from_mode(0o640)).unwrap();
        // What is made in the directory from now on is readable by user 4711.
        let none = u32::MAX;
        let list = acl(&[
            (1, 7, none),
            (2, 7, 4711),
            (4, 5, none),
            (16, 7, none),
            (32, 5, none),
        ]);
        let name = "system.posix_acl_default";
        rustix::fs::setxattr(world.at("w"), name, &list, XattrFlags::empty()).unwrap();
        let files = world.files(&["w=write"]);
        let how = Replacing::default();
        files
            .replace_file(&world.abs("w/f"), b"new", how, Follow::Links)
            .unwrap();
        assert_eq!(world.text("w/f"), "new");
        let mut value = [0; 128];
        let access = rustix::fs::getxattr(world.at("w/f"), "system.posix_acl_access", &mut value);
        assert_eq!(access, Err(rustix::io::Errno::NODATA), "{:?}", world.way);
        let mode = fs::metadata(world.at("w/f")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
    });
}

#[test]
fn a_file_that_is_to_be_new_takes_the_place_of_nothing() {
    everywhere(|world| {
        world.make(&["w/f=old", "w/d/"]);
        std::os::unix::fs::symlink("nowhere", world.at("w/dangling")).unwrap();
        std::os::unix::fs::symlink("d", world.at("w/linked")).unwrap();
        std::os::unix::fs::symlink("none/in", world.at("w/far")).unwrap();
        std::os::unix::fs::symlink(world.at("outside"), world.at("w/out")).unwrap();
        let files = world.files(&["w=write"]);
        let how = Replacing {
            only_new: true,
            ..Replacing::default()
        };
        let create = |path: &str| files.replace_file(&world.abs(path), b"new", how, Follow::Links);
        for taken in ["w/f", "w/d", "w/dangling"] {
            create(taken).expect_err(taken);
        }
        // Links have the name wherever they lead, or do not.
        for taken in ["w/dangling", "w/far", "w/out", "w/linked"] {
            let refused = create(taken).expect_err(taken).to_string();
            assert!(refused.contains("(os error 17)"), "{taken}: {refused}");
        }
        assert_eq!(world.text("w/f"), "old");
        assert!(!world.at("w/nowhere").exists());
        create("w/new").unwrap();
        // A link on the way is one as ever.
        create("w/linked/new").unwrap();
        assert_eq!(
            (world.text("w/new"), world.text("w/d/new")),
            ("new".into(), "new".into())
        );
        create("w/new").expect_err("taken");
        assert_eq!(names(world, "w"), "d dangling f far linked new out");
    });
}

#[test]
fn a_file_is_written_over_only_with_the_contents_that_somebody_has_read() {
    everywhere(|world| {
        world.make(&["w/f=old", "w/d/", "w/l>f", "w/dangling>none"]);
        fs::set_permissions(world.at("w/f"), fs::Permissions::from_mode(0o640)).unwrap();
        for verb in ["exchange", "overwrite"] {
            fs::write(world.at("w/f"), "old").unwrap();
            let one = |what: &str| format!("{verb} {what}");
            world.table(
                &["w=write"],
                &[
                    (&one("w/f other|new"), "changed"),
                    (&one("w/f old and more|new"), "changed"),
                    (&one("w/f |new"), "changed"),
                    ("read w/f", "old"),
                    (&one("w/f old|new"), "ok"),
                    ("read w/f", "new"),
                    (&one("w/l new|through"), "ok"),
                    ("read w/f", "through"),
                    ("stat w/l", "link to file"),
                    (&one("w/d |new"), "isdir"),
                    (&one("w/none |new"), "noent"),
                    (&one("w/dangling |new"), "noent"),
                ],
            );
            assert_eq!(mode(world, "w/f"), 0o640);
            assert_eq!(names(world, "w"), "d dangling f l");
        }
    });
}

#[test]
fn of_many_that_make_the_same_file_new_one_does() {
    everywhere(|world| {
        world.make(&["w/"]);
        let files = world.files(&["w=write"]);
        let how = Replacing {
            only_new: true,
            ..Replacing::default()
        };
        let (path, files) = (world.abs("w/f"), &files);
        let made = std::thread::scope(|scope| {
            let all: Vec<_> = (0..8_u8)
                .map(|number| {
                    let path = &path;
                    scope.spawn(move || {
                        files.replace_file(path, &[b'0' + number], how, Follow::Links)
                    })
                })
                .collect();
            let outcomes = all.into_iter().map(|one| one.join().unwrap());
            outcomes.filter(Result::is_ok).count()
        });
        assert_eq!(made, 1, "{:?}", world.way);
    });
}
