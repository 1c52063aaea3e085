//! Listings that leave nothing out.

use std::fs;
use std::os::unix::net::UnixListener;

use lockgate_capfs::{FileKind, Files, limits};
use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};

use crate::world::{World, both, everywhere};

fn make(world: &World, name: &str, kind: FileType, device: u64) -> bool {
    mknodat(CWD, world.at(name), kind, Mode::RUSR, device).is_ok()
}

#[test]
fn everything_in_a_directory_is_listed_with_what_it_is_and_leads_to() {
    everywhere(|world| {
        world.make(&[
            "w/f=x",
            "w/d/",
            "w/.hidden/",
            "w/to-file>f",
            "w/to-directory>d",
            "w/to-fifo>fifo",
            "w/to-link>to-directory",
            "w/broken>none",
            "w/loop>loop",
            "w/through-file>f/x",
        ]);
        assert!(make(world, "w/fifo", FileType::Fifo, 0));
        let _socket = UnixListener::bind(world.at("w/socket")).unwrap();
        // Root's to make, and not even root's in every container.
        let devices = make(world, "w/null", FileType::CharacterDevice, makedev(1, 3))
            && make(world, "w/block", FileType::BlockDevice, makedev(7, 250));
        let devices = if devices {
            ["block# ", " null%"]
        } else {
            ["", ""]
        };
        let all = format!(
            ".hidden/ {}broken@nowhere d/ f fifo| loop@nowhere{} socket= through-file@nowhere to-directory@directory to-fifo@other to-file@file \
             to-link@directory",
            devices[0], devices[1]
        );
        world.table(
            &["w=read"],
            &[
                ("every w", &all),
                ("every w/d", ""),
                ("every w/to-directory", ""),
                ("every w/f", "notdir"),
                ("every w/fifo", "notdir"),
                ("every w/broken", "noent"),
                ("every none", "noent"),
            ],
        );
    });
}

#[test]
fn attack_03_a_listing_says_the_same_of_every_link_out_of_the_grant() {
    both(|world| {
        world.make(&[
            "out/f=x",
            "out/d/",
            "out/back>$/w/f",
            "w/f=x",
            "w/secret/",
            "w/a.key=x",
            "w/to-file>../out/f",
            "w/to-directory>$/out/d",
            "w/to-fifo>../out/fifo",
            "w/to-nothing>../out/none",
            "w/to-denied>secret",
            "w/to-a-key>a.key",
            "w/out-and-back>../out/back",
            "w/through-out>../out/d/../../w/f",
            "w/magic>/proc/self/root",
            "w/procfs>/proc/version",
        ]);
        assert!(make(world, "out/fifo", FileType::Fifo, 0));
        let rules = ["w=write", "w/secret=deny", "**/*.key=deny"];
        world.table(
            &rules,
            &[
                (
                    "every w",
                    "f magic@nowhere out-and-back@nowhere procfs@nowhere through-out@nowhere to-a-key@nowhere to-denied@nowhere to-directory@nowhere \
                     to-fifo@nowhere to-file@nowhere to-nothing@nowhere",
                ),
                ("every out", "noent"),
                ("every w/to-directory", "noent"),
                ("every w/secret", "noent"),
                ("every w/to-denied", "noent"),
            ],
        );
        // What is only on the way to something granted is not listed at all.
        world.table(&["w/f=read"], &[("every w", "access")]);
    });
}

#[test]
fn attack_16_a_directory_without_an_end_is_listed_as_far_as_an_answer_holds() {
    both(|world| {
        world.make(&["w/f=x", "w/many/", "w/long/"]);
        for i in 0..limits::LISTED_ENTRIES + 3 {
            fs::hard_link(world.at("w/f"), world.at(&format!("w/many/{i}"))).unwrap();
        }
        let long = limits::LISTED_NAME_BYTES / 250 + 3;
        for i in 0..long {
            fs::hard_link(world.at("w/f"), world.at(&format!("w/long/{i:0250}"))).unwrap();
        }
        for files in [Files::Direct, world.files(&["w=read"])] {
            let many = files.list_directory(&world.abs("w/many")).unwrap();
            assert_eq!(
                (many.entries.len(), many.truncated),
                (limits::LISTED_ENTRIES, true)
            );
            assert!(
                many.entries
                    .iter()
                    .all(|entry| entry.kind == FileKind::File)
            );
            let listed = files.list_directory(&world.abs("w/long")).unwrap();
            assert_eq!((listed.entries.len(), listed.truncated), (long - 3, true));
            // Who did not ask for it has no other bound than before.
            let plain = files.read_directory(&world.abs("w/many")).unwrap();
            assert_eq!(plain.len(), limits::LISTED_ENTRIES + 3);
        }
    });
}
