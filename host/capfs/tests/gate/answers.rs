//! A guest whose answers are not what was asked for. What it hands out must be its own to hand out and fit for the purpose, and
//! what it says is its word and nothing more: nothing is opened, written or removed because of it.

use std::fs;

use lockgate_capfs::{CapFs, Files, Follow, FsError, PathBackEnd};

use crate::hostile::MISBEHAVING;
use crate::world::{Way, World, brought, name};

fn world(back_end: PathBackEnd) -> World {
    let capfs = CapFs::new(brought(MISBEHAVING, back_end)).unwrap();
    World::new(Way::Gate(back_end)).through(capfs)
}

fn both(scenario: impl Fn(&World, &Files)) {
    for back_end in [PathBackEnd::Openat2, PathBackEnd::Walk] {
        let world = world(back_end);
        world.make(&["w/f=mine", "w/d/f=x", "r/f=read", "out/f=theirs"]);
        let files = world.files(&["w=write", "r=read"]);
        scenario(&world, &files);
        assert_eq!(
            (world.text("w/f"), world.text("r/f"), world.text("out/f")),
            ("mine".into(), "read".into(), "theirs".into())
        );
    }
}

/// What a request for `path` comes to.
fn open(world: &World, files: &Files, path: &str) -> String {
    let opened = files.open(&world.abs(path), Follow::Links);
    match opened.and_then(|file| file.read_all(100)) {
        Ok(bytes) => String::from_utf8(bytes).unwrap(),
        Err(error) => name(&error),
    }
}

#[test]
fn attack_25_a_handle_that_the_guest_does_not_have_ends_its_request_and_nothing_else() {
    both(|world, files| {
        for deed in ["forged", "low", "zero", "dropped", "listing"] {
            let error = files
                .open(&world.abs(&format!("w/{deed}")), Follow::Links)
                .unwrap_err();
            assert!(matches!(error, FsError::Gate(_)), "{deed}: {error}");
            let error = files
                .write_file(&world.abs(&format!("w/{deed}")), b"x", Follow::Links)
                .unwrap_err();
            assert!(matches!(error, FsError::Gate(_)), "{deed}: {error}");
            assert_eq!(world.run(files, "stat w/f"), "file", "after {deed}");
        }
        for deed in ["forged", "file"] {
            let error = files
                .read_directory(&world.abs(&format!("w/{deed}")))
                .unwrap_err();
            assert!(matches!(error, FsError::Gate(_)), "{deed}: {error}");
        }
    });
}

#[test]
fn attack_26_a_handle_of_one_scope_is_nothing_in_another() {
    both(|world, files| {
        // Kept in one scope: an index in that instance's table and in no other's.
        assert_eq!(open(world, files, "w/keep"), "noent");
        let other = world.files(&["w=read"]);
        assert_eq!(open(world, &other, "w/kept"), "noent");
        // In its own scope it is what it was, which is what the scope may read.
        assert_eq!(open(world, files, "w/kept"), "mine");
        assert_eq!(open(world, files, "w/kept"), "noent", "once");
    });
}

#[test]
fn a_handle_that_was_handed_out_is_gone_from_the_guest() {
    both(|world, files| {
        assert_eq!(open(world, files, "w/once"), "mine");
        let error = files
            .open(&world.abs("w/again"), Follow::Links)
            .unwrap_err();
        assert!(matches!(error, FsError::Gate(_)), "{error}");
    });
}

#[test]
fn attack_11_a_descriptor_for_another_purpose_is_refused() {
    both(|world, files| {
        let write = |path: &str| {
            let written = files.write_file(&world.abs(path), b"x", Follow::Links);
            name(&written.unwrap_err())
        };
        // Opened for reading, whatever was asked for; a file kept for reading; a directory.
        assert_eq!(write("w/f"), "errno 9");
        assert_eq!(write("r/f"), "errno 9");
        assert_eq!(open(world, files, "r/keep"), "noent");
        assert_eq!(write("w/kept"), "errno 9");
        assert_eq!(write("w/d"), "errno 9");
        assert_eq!(open(world, files, "w/writing"), "errno 9");
        assert_eq!(open(world, files, "w/directory"), "isdir");
    });
}

#[test]
fn a_listing_of_another_directory_shows_what_the_scope_may_list_anyway() {
    both(|world, files| {
        let list = |path: &str| match files.read_directory(&world.abs(path)) {
            Ok(entries) => entries.len().to_string(),
            Err(error) => name(&error),
        };
        assert_eq!(list("w/other"), "2");
        assert_eq!(list("w/spent"), "0");
        assert_eq!(list("w/d/keep"), "noent");
        assert_eq!(list("w/kept"), "1", "of w/d, kept from the request before");
        assert_eq!(list("out/other"), "noent");
        let denied = world.files(&["w=write", "w/d=deny"]);
        let entries = denied.read_directory(&world.abs("w/other")).unwrap();
        let names: Vec<_> = entries.iter().map(|entry| &entry.name).collect();
        assert_eq!(names, ["f"], "what is denied is in no listing");
    });
}

#[test]
fn attack_01_a_path_that_is_none_is_no_answer() {
    both(|world, files| {
        let said = |which: &str| {
            let path = lockgate_capfs::AbsPath::parse(format!("/answer/{which}")).unwrap();
            files.canonicalize(&path)
        };
        for which in ["relative", "nul", "empty", "long"] {
            let error = said(which).unwrap_err();
            assert!(matches!(error, FsError::Gate(_)), "{which}: {error}");
            assert!(error.to_string().len() < 300, "{which}: not told at length");
        }
        // Normalized, whatever it was; and a path is a name: it opens nothing.
        assert_eq!(said("dotted").unwrap().to_string(), "/b/c/d");
        assert_eq!(said("elsewhere").unwrap().to_string(), "/etc/shadow");
        assert!(
            files
                .open(&said("elsewhere").unwrap(), Follow::Links)
                .is_err()
        );
        assert_eq!(world.run(files, "stat w/f"), "file");
    });
}

#[test]
fn numbers_that_cannot_be_are_passed_on_as_they_are_told() {
    both(|world, files| {
        let told = files.metadata(&world.abs("w/lies"), Follow::Links).unwrap();
        assert_eq!(
            (told.size, told.created_ms, told.modified_ms),
            (u64::MAX, i64::MIN, i64::MAX)
        );
        assert!(told.is_directory && told.is_symlink);
        // Whose it is is no guest's to tell.
        assert_eq!(told.owner, None);
    });
}

#[test]
fn what_is_said_to_be_done_is_not_done_by_saying_so() {
    both(|world, files| {
        // Removing and renaming this guest does as it is told: what is staged for a replacement needs them.
        for operation in [
            "mkdir w/new",
            "copy w/f w/copied",
            "copytree out w/out",
            "chmod out/f 777",
            "touch out/f 1",
            "symlink $/out w/link",
        ] {
            assert_eq!(world.run(files, operation), "ok", "{operation}");
        }
        assert_eq!(world.run(files, "rename out/f w/theirs"), "access");
        let mut there: Vec<_> = fs::read_dir(world.at("w"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        there.sort();
        assert_eq!(there, ["d", "f"]);
    });
}
