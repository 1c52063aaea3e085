//! What of a tree does not travel, and is told: no files, names and links that lead out, what a profile refuses.

use std::fs;
use std::os::unix::fs::symlink;

use proptest::prelude::*;
use tar::{EntryType, Header};

use super::{contents, download, entry, left_out, upload};
use crate::world::{World, both, everywhere, name};

#[test]
fn attack_15_what_is_no_file_is_left_out_and_told() {
    everywhere(|world| {
        world.make(&["from/f=x", "to/"]);
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        mknodat(CWD, world.at("from/fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(world.at("from/socket")).unwrap();
        let files = world.files(&["from=read", "to=write"]);
        let (_, report) = download(world, &files, "from", 4_096);
        assert_eq!(report.files, 1);
        let why = "neither a file nor a directory nor a link";
        assert_eq!(
            left_out(&report),
            [format!("fifo: {why}"), format!("socket: {why}")]
        );

        let mut tar = Vec::new();
        for (kind, name) in [
            (EntryType::Fifo, "fifo"),
            (EntryType::Char, "null"),
            (EntryType::Block, "disk"),
            (EntryType::GNUSparse, "sparse"),
            (EntryType::Link, "hard"),
            (EntryType::new(b'V'), "label"),
            (EntryType::Regular, "f"),
        ] {
            entry(&mut tar, kind, name, "f", b"");
        }
        let report = upload(world, &files, "to", &tar, 1 << 20).unwrap();
        assert_eq!((report.files, report.left_out_count), (1, 6), "{report:?}");
        assert_eq!(contents(&world.at("to")).len(), 1);
    });
}

#[test]
fn attack_01_names_that_lead_out_of_an_upload_are_left_out() {
    everywhere(|world| {
        world.make(&["to/d/", "out/f=secret"]);
        let out = world.at("out/f");
        let files = world.files(&["to=write", "out=write"]);
        let mut tar = Vec::new();
        for name in [
            "../out/f",
            "d/../../out/f",
            "..",
            out.to_str().unwrap(),
            "/",
            "/etc/lockgate-tree",
        ] {
            entry(&mut tar, EntryType::Regular, name, "", b"evil");
            entry(
                &mut tar,
                EntryType::Directory,
                &format!("{name}/x"),
                "",
                b"",
            );
            entry(&mut tar, EntryType::Symlink, &format!("{name}/y"), "/", b"");
        }
        entry(&mut tar, EntryType::Regular, "fine", "", b"fine");
        let report = upload(world, &files, "to/d", &tar, 1_000).unwrap();
        assert_eq!((report.files, report.directories, report.links), (1, 0, 0));
        assert_eq!(report.left_out_count, 18);
        assert_eq!(world.text("out/f"), "secret");
        assert_eq!(contents(&world.at("out")).len(), 1);
        assert_eq!(world.text("to/d/fine"), "fine");
    });
}

#[test]
fn attack_03_no_entry_goes_through_a_link_that_came_before_it() {
    everywhere(|world| {
        world.make(&["to/d/", "out/f=secret"]);
        let out = world.at("out");
        symlink(&out, world.at("to/d/old")).unwrap();
        let files = world.files(&["to=write", "out=write"]);
        let mut tar = Vec::new();
        let out = out.to_str().unwrap();
        entry(&mut tar, EntryType::Symlink, "absolute", out, b"");
        entry(&mut tar, EntryType::Symlink, "relative", "../../out", b"");
        entry(
            &mut tar,
            EntryType::Symlink,
            "file",
            &format!("{out}/f"),
            b"",
        );
        for link in ["absolute", "relative", "old"] {
            entry(
                &mut tar,
                EntryType::Regular,
                &format!("{link}/f"),
                "",
                b"evil",
            );
            entry(
                &mut tar,
                EntryType::Regular,
                &format!("{link}/new/f"),
                "",
                b"evil",
            );
            entry(
                &mut tar,
                EntryType::Directory,
                &format!("{link}/d"),
                "",
                b"",
            );
            entry(&mut tar, EntryType::Directory, link, "", b"");
            entry(&mut tar, EntryType::Symlink, &format!("{link}/l"), "f", b"");
            entry(&mut tar, EntryType::Symlink, &format!("{link}/f"), "d", b"");
        }
        entry(&mut tar, EntryType::Regular, "file", "", b"evil");
        let report = upload(world, &files, "to/d", &tar, 700).unwrap();
        assert_eq!((report.files, report.directories, report.links), (0, 0, 3));
        assert_eq!(report.left_out_count, 19, "{:#?}", left_out(&report));
        assert!(
            left_out(&report).iter().all(|told| {
                told.ends_with("a symbolic link is in the way")
                    || told.ends_with("File exists (os error 17)")
                    || told.ends_with("Not a directory (os error 20)")
            }),
            "{:#?}",
            left_out(&report)
        );
        assert_eq!(world.text("out/f"), "secret");
        assert_eq!(contents(&world.at("out")).len(), 1);
    });
}

#[test]
fn attack_03_a_download_has_links_as_links() {
    everywhere(|world| {
        world.make(&[
            "w/from/d/f=x",
            "w/out/secret=s",
            "w/from/l>../out",
            "w/from/f>../out/secret",
            "w/start>from",
        ]);
        let files = world.files(&["w=read"]);
        // The directory where it begins may be reached through one.
        let (bytes, report) = download(world, &files, "w/start", 4_096);
        assert_eq!((report.files, report.directories, report.links), (1, 1, 2));
        let names: Vec<_> = tar::Archive::new(&*bytes)
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        assert!(
            !names.iter().any(|name| name.contains("secret")),
            "{names:?}"
        );
    });
}

#[test]
fn a_profile_decides_about_each_entry() {
    both(|world| {
        world.make(&[
            "w/f=x",
            "w/secret/key=s",
            "w/.env=e",
            "w/.git/config=c",
            "w/ro/f=x",
            "w/l>secret/key",
            "out/f=o",
        ]);
        let rules = ["w=write", "w/secret=deny", "w/**/.env=deny", "w/ro=read"];
        let files = world.files(&rules);
        let (bytes, report) = download(world, &files, "w", 4_096);
        let mut names: Vec<_> = tar::Archive::new(&*bytes)
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        names.sort();
        assert_eq!(names, [".git/", ".git/config", "f", "l", "ro/", "ro/f"]);
        assert_eq!(report.left_out_count, 0);

        let mut tar = Vec::new();
        for name in [
            "f",
            "secret/key",
            "secret/new",
            ".env",
            "d/.env",
            ".git/config",
            ".codex/x",
            "ro/f",
            "ro/new",
            "new",
        ] {
            entry(&mut tar, EntryType::Regular, name, "", b"evil");
        }
        entry(&mut tar, EntryType::Directory, "ro", "", b"");
        entry(&mut tar, EntryType::Symlink, "secret", ".", b"");
        entry(&mut tar, EntryType::Symlink, ".agents", ".", b"");
        let report = upload(world, &files, "w", &tar, 512).unwrap();
        assert_eq!(
            (report.files, report.links),
            (2, 0),
            "{:#?}",
            left_out(&report)
        );
        for (path, text) in [
            ("w/f", "evil"),
            ("w/new", "evil"),
            ("w/secret/key", "s"),
            ("w/.env", "e"),
            ("w/.git/config", "c"),
            ("w/ro/f", "x"),
        ] {
            assert_eq!(world.text(path), text, "{path}");
        }
        for path in [
            "w/secret/new",
            "w/.codex",
            "w/.agents",
            "w/ro/new",
            "w/d/.env",
        ] {
            assert!(!world.exists(path), "{path}");
        }
        for (path, wanted) in [
            ("out", "noent"),
            ("w/secret", "noent"),
            ("w/f", "notdir"),
            ("w/none", "noent"),
        ] {
            assert_eq!(
                name(&files.download(&world.abs(path)).unwrap_err()),
                wanted,
                "{path}"
            );
        }
        for (path, wanted) in [("out", "access"), ("w/ro/new", "rofs"), ("w/f", "exist")] {
            assert_eq!(
                name(&files.upload(&world.abs(path)).unwrap_err()),
                wanted,
                "{path}"
            );
        }
    });
}

#[test]
fn a_report_names_some_and_counts_all() {
    everywhere(|world| {
        world.make(&["to/"]);
        let files = world.files(&["to=write"]);
        let mut tar = Vec::new();
        for number in 0..1_000 {
            entry(
                &mut tar,
                EntryType::Regular,
                &format!("../{number}"),
                "",
                b"x",
            );
        }
        let report = upload(world, &files, "to", &tar, 1 << 20).unwrap();
        assert_eq!((report.left_out.len(), report.left_out_count), (200, 1_000));
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn attack_01_no_bytes_make_an_upload_panic_or_leave_its_directory(
        noise in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        cut in 1..2_000usize,
    ) {
        let world = World::new(crate::world::Way::Gate(lockgate_capfs::PathBackEnd::Openat2));
        world.make(&["to/d/", "out/f=secret"]);
        let files = world.files(&["to=write", "out=write"]);
        let mut tar = Vec::new();
        entry(&mut tar, EntryType::Directory, "d", "", b"");
        entry(&mut tar, EntryType::Symlink, "l", "../../out", b"");
        entry(&mut tar, EntryType::Regular, "l/f", "", b"evil");
        entry(&mut tar, EntryType::GNULongName, "././@LongLink", "", b"../../out/f\0");
        entry(&mut tar, EntryType::Regular, "x", "", b"evil");
        entry(&mut tar, EntryType::XHeader, "pax", "", b"17 path=../out/f\n");
        entry(&mut tar, EntryType::Regular, "y", "", b"evil");
        for (at, byte) in noise {
            let at = at.index(tar.len());
            tar[at] = byte;
            // Damage behind the checksum, too.
            let start = at / 512 * 512;
            let mut header = Header::new_gnu();
            header.as_mut_bytes().copy_from_slice(&tar[start..start + 512]);
            header.set_cksum();
            if header.entry_type().is_file() || header.entry_type().is_symlink() {
                tar[start..start + 512].copy_from_slice(header.as_bytes());
            }
        }
        let _ = upload(&world, &files, "to/d", &tar, cut);
        prop_assert_eq!(world.text("out/f"), "secret");
        prop_assert_eq!(fs::read_dir(world.at("out")).unwrap().count(), 1);
        prop_assert_eq!(fs::read_dir(world.at("to")).unwrap().count(), 1);
    }
}
