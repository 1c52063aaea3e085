//! Directories that are moved out of the grant, or replaced, while somebody is at work in them. `RESOLVE_BENEATH` does not help there: what is held
//! by descriptor goes along with the move. So the gate holds paths, and asks again.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use lockgate_capfs::{Follow, WalkOptions};

use crate::world::{Way, World, both};

/// Every operation on names in a directory that is no more in the grant.
const GONE: [(&str, &str); 16] = [
    ("read w/d/f", "noent"),
    ("write w/d/f x", "noent"),
    ("write w/d/new x", "noent"),
    ("mkdir w/d/new", "noent"),
    ("stat w/d", "noent"),
    ("stat w/d/f", "noent"),
    ("real w/d/f", "noent"),
    ("list w/d", "noent"),
    ("walk w/d", "noent"),
    ("rm w/d/f", "noent"),
    ("rmtree w/d", "noent"),
    ("rmforce w/d/f", "ok"),
    ("copy w/d/f w/x", "noent"),
    ("copy w/f w/d/x", "noent"),
    ("copytree w/d w/x", "noent"),
    ("read w/l/f", "noent"),
];

#[test]
fn attack_06_a_directory_that_was_moved_out_is_out_of_reach_for_every_operation() {
    both(|world| {
        world.make(&["w/d/f=mine", "w/f=mine", "w/l>d", "out/"]);
        let files = world.files(&["w=write"]);
        for operation in ["read w/d/f", "read w/l/f"] {
            assert_eq!(world.run(&files, operation), "mine", "{operation}");
        }
        fs::rename(world.at("w/d"), world.at("out/d")).unwrap();
        for (operation, wanted) in GONE {
            let found = world.run(&files, operation);
            assert_eq!(found, wanted, "{operation} by {:?}", world.way);
        }
        // With a link left in its place, too.
        std::os::unix::fs::symlink("../out/d", world.at("w/d")).unwrap();
        for (operation, wanted) in [
            ("read w/d/f", "noent"),
            ("write w/d/f x", "access"),
            ("write w/d/new x", "access"),
            ("mkdirs w/d/new", "access"),
            ("list w/d", "noent"),
            ("rm w/d/f", "access"),
            ("copytree w/d/ w/x", "ok"),
        ] {
            assert_eq!(world.run(&files, operation), wanted, "{operation}");
        }
        let left: Vec<_> = fs::read_dir(world.at("out/d")).unwrap().collect();
        assert_eq!((left.len(), world.text("out/d/f")), (1, "mine".to_owned()));
    });
}

#[test]
fn attack_06_an_open_file_goes_on_being_what_it_was_and_its_name_is_gone() {
    both(|world| {
        world.make(&["w/d/f=mine", "out/", "twin/f=other"]);
        let files = world.files(&["w=write"]);
        let open = files.open(&world.abs("w/d/f"), Follow::Links).unwrap();
        fs::rename(world.at("w/d"), world.at("out/d")).unwrap();
        assert_eq!(open.read_all(10).unwrap(), b"mine");
        fs::rename(world.at("twin"), world.at("w/d")).unwrap();
        assert_eq!(open.read_all(10).unwrap(), b"mine");
        assert_eq!(world.run(&files, "read w/d/f"), "other");
    });
}

/// Times that the directory goes out and comes back.
const JOURNEYS: usize = 4_000;

#[test]
fn attack_06_what_a_directory_holds_while_it_is_outside_is_never_seen_copied_or_removed() {
    for way in Way::GATES {
        let world = World::new(way);
        let many: Vec<_> = (0..200)
            .map(|number| format!("w/d/sub/{number}=mine"))
            .collect();
        world.make(&many.iter().map(String::as_str).collect::<Vec<_>>());
        world.make(&["w/copies/", "out/"]);
        let files = world.files(&["w=write"]);
        let (here, there, back) = (world.at("w/d"), world.at("out/d"), AtomicBool::new(false));
        let theirs = there.join("sub/theirs");
        let [directory, sub, copies] = ["w/d", "w/d/sub", "w/copies"].map(|path| world.abs(path));
        let options = WalkOptions {
            max_depth: 64,
            max_directories: 1_000,
            max_entries: 10_000,
            follow_directory_symlinks: false,
            prune_hidden_directories: false,
        };
        let mut calls = 0_usize;
        thread::scope(|threads| {
            threads.spawn(|| {
                for _ in 0..JOURNEYS {
                    fs::rename(&here, &there).unwrap();
                    fs::write(&theirs, "theirs").unwrap();
                    assert_eq!(
                        fs::read(&theirs).unwrap(),
                        b"theirs",
                        "removed from outside"
                    );
                    fs::remove_file(&theirs).unwrap();
                    fs::rename(&there, &here).unwrap();
                }
                back.store(true, Ordering::Relaxed);
            });
            while !back.load(Ordering::Relaxed) {
                if let Ok(entries) = files.read_directory(&sub) {
                    assert!(entries.iter().all(|entry| entry.name != "theirs"), "listed");
                }
                if let Ok(walked) = files.walk(&directory, &options) {
                    let seen = |path: &Path| path.ends_with("theirs");
                    assert!(
                        !walked
                            .entries
                            .iter()
                            .any(|entry| seen(entry.path.as_path()))
                    );
                }
                let copy = copies.join("d").unwrap();
                let _in_between = files.copy(&directory, &copy, true);
                assert!(!world.exists("w/copies/d/sub/theirs"), "copied");
                let _in_between = files.remove(&copy, true, true, Follow::Links);
                calls += 1;
            }
        });
        assert!(calls > 10, "{calls} rounds of calls meanwhile");
    }
}
