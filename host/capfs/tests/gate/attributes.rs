//! What is told of something besides type, size and times: what it is exactly, its permission bits, whose it is and how many names it has.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixListener;

use lockgate_capfs::{FileKind, Files, Follow, Metadata, Owner};
use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};

use crate::world::{Way, World, both, everywhere};

fn of(world: &World, files: &Files, path: &str) -> Metadata {
    files.metadata(&world.abs(path), Follow::Links).unwrap()
}

#[test]
fn bits_owner_and_names_are_told_as_the_system_has_them() {
    everywhere(|world| {
        world.make(&["w/f=x", "w/d/e/", "w/to-f>f"]);
        fs::hard_link(world.at("w/f"), world.at("w/g")).unwrap();
        // Only root may give files away.
        let _ = chown(world.at("w/f"), Some(1234), Some(2345));
        fs::set_permissions(world.at("w/f"), fs::Permissions::from_mode(0o4751)).unwrap();
        fs::set_permissions(world.at("w/d"), fs::Permissions::from_mode(0o1777)).unwrap();
        mknodat(CWD, world.at("w/fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        let _socket = UnixListener::bind(world.at("w/socket")).unwrap();
        let null = mknodat(
            CWD,
            world.at("w/null"),
            FileType::CharacterDevice,
            Mode::RUSR,
            makedev(1, 3),
        );
        let files = world.files(&["w=read"]);
        for (path, kind) in [
            ("w/f", FileKind::File),
            ("w/g", FileKind::File),
            ("w/to-f", FileKind::File),
            ("w/d", FileKind::Directory),
            ("w/fifo", FileKind::Fifo),
            ("w/socket", FileKind::Socket),
            ("w/null", FileKind::CharacterDevice),
        ] {
            if path == "w/null" && null.is_err() {
                continue;
            }
            let there = fs::metadata(world.at(path)).unwrap();
            let counted = kind != FileKind::Directory || world.way == Way::Direct;
            let owner = Owner {
                uid: there.uid(),
                gid: there.gid(),
                links: counted.then(|| there.nlink()),
            };
            let told = of(world, &files, path);
            assert_eq!((told.kind, told.owner), (kind, Some(owner)), "{path}");
            assert_eq!(told.mode, there.permissions().mode() & 0o7777, "{path}");
            // Where it is at hand it is the same.
            if let Some(at_hand) = files.try_metadata(&world.abs(path), Follow::Links) {
                assert_eq!(at_hand.unwrap(), told, "{path}");
            }
        }
        assert_eq!(
            of(world, &files, "w/f").owner.and_then(|owner| owner.links),
            Some(2)
        );
    });
}

#[test]
fn attack_09_neither_owner_nor_count_tells_of_what_is_not_granted() {
    both(|world| {
        world.make(&[
            "w/d/f=x",
            "w/d/secret/",
            "w/other/",
            "w/out>$/w/other",
            "w/up>.",
        ]);
        let files = world.files(&["w/d=read", "w/d/secret=deny"]);
        // It would count the directory that is denied.
        let told = of(world, &files, "w/d");
        assert!(
            told.owner.is_some_and(|owner| owner.links.is_none()),
            "{told:?}"
        );
        // Seen, because what is granted lies below: that it is a directory, and no more.
        for path in ["w", "/"] {
            let told = of(world, &files, path);
            assert_eq!(
                (told.kind, told.owner),
                (FileKind::Directory, None),
                "{path}"
            );
        }
        for path in ["w/other", "w/out", "w/d/secret"] {
            files.metadata(&world.abs(path), Follow::Links).unwrap_err();
        }
    });
}
