//! Directories that are moved out of the grant, or replaced, while somebody is at work in them. `RESOLVE_BENEATH` does not help there: what is held
//! by descriptor goes along with the move. So the gate holds paths, and asks again.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use lockgate_capfs::{Files, Follow, WalkOptions};

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
const JOURNEYS: u64 = 50;

/// Set when either side is done, also by failing: the other does not wait for it then.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

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
        let (here, there) = (world.at("w/d"), world.at("out/d"));
        let (over, rounds) = (AtomicBool::new(false), AtomicU64::new(0));
        thread::scope(|threads| {
            threads.spawn(|| {
                let _ends = Over(&over);
                travel(&here, &there, &rounds, &over);
            });
            let _ends = Over(&over);
            while !over.load(Ordering::SeqCst) {
                let round = rounds.load(Ordering::SeqCst);
                look_around(&world, &files, round);
                rounds.store(round + 1, Ordering::SeqCst);
            }
        });
        assert!(rounds.into_inner() > JOURNEYS);
    }
}

/// Takes a directory out, puts something into it and back, over and over. It stays out until every call that may have begun before it
/// went has ended: what comes and goes within one call nobody could tell from what was always there.
fn travel(here: &Path, there: &Path, rounds: &AtomicU64, over: &AtomicBool) {
    let theirs = there.join("sub/theirs");
    let wait = || {
        let until = rounds.load(Ordering::SeqCst) + 2;
        while rounds.load(Ordering::SeqCst) < until && !over.load(Ordering::SeqCst) {
            thread::yield_now();
        }
    };
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..JOURNEYS {
        wait();
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        // Not always at the beginning of a call.
        for _ in 0..(random >> 33) % 30_000 {
            std::hint::spin_loop();
        }
        fs::rename(here, there).unwrap();
        fs::write(&theirs, "theirs").unwrap();
        wait();
        assert_eq!(fs::read(&theirs).unwrap(), b"theirs", "changed outside");
        fs::remove_file(&theirs).unwrap();
        fs::rename(there, here).unwrap();
    }
}

fn look_around(world: &World, files: &Files, round: u64) {
    let [directory, sub, copy] = ["w/d", "w/d/sub", "w/copies/d"].map(|path| world.abs(path));
    for _ in 0..4 {
        if let Ok(entries) = files.read_directory(&sub) {
            assert!(entries.iter().all(|entry| entry.name != "theirs"), "listed");
        }
    }
    let options = WalkOptions {
        max_depth: 64,
        max_directories: 1_000,
        max_entries: 10_000,
        follow_directory_symlinks: false,
        prune_hidden_directories: false,
        prune_links: false,
    };
    if let Ok(walked) = files.walk(&directory, &options) {
        let theirs = |path: &Path| path.ends_with("theirs");
        let mut paths = walked.entries.iter().map(|entry| entry.path.as_path());
        assert!(!paths.any(theirs), "walked");
    }
    if round.is_multiple_of(16) {
        let _in_between = files.copy(&directory, &copy, true);
        assert!(!world.exists("w/copies/d/sub/theirs"), "copied");
        let _in_between = files.remove(&copy, true, true, Follow::Links);
    }
}
