//! Watching: what is told of a directory, and of nothing else.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use lockgate_capfs::{ChangeKind, Files, FsError, Watch, WatchQuota, Watcher};

use crate::world::{World, both, everywhere, name};

/// Longest that a test waits for an event.
const DEADLINE: Duration = Duration::from_secs(20);

/// A watch and all that it told so far.
struct Told {
    watch: Arc<Watch>,
    woken: Receiver<()>,
    kinds: BTreeMap<String, ChangeKind>,
    overflowed: bool,
}

fn watcher() -> &'static Watcher {
    static WATCHER: OnceLock<Watcher> = OnceLock::new();
    WATCHER.get_or_init(|| Watcher::new().unwrap())
}

fn watch(world: &World, files: &Files, path: &str, recursive: bool) -> Result<Told, FsError> {
    let (wake, woken) = channel();
    // Nobody listens any more at the end of a test.
    let wake = move || wake.send(()).unwrap_or_default();
    let quota = WatchQuota::default();
    let watch = files.watch(watcher(), &quota, &world.abs(path), recursive, wake)?;
    Ok(Told {
        watch,
        woken,
        kinds: BTreeMap::new(),
        overflowed: false,
    })
}

impl Told {
    fn take(&mut self) {
        self.watch.work();
        if let Some(changes) = self.watch.changes() {
            self.overflowed |= changes.overflowed;
            for change in changes.changes {
                let name = change.name.to_string_lossy().into_owned();
                self.kinds.insert(name, change.kind);
            }
        }
    }

    /// Waits until this was told.
    fn wait_for(&mut self, name: &str, kind: ChangeKind) {
        let deadline = Instant::now() + DEADLINE;
        while self.kinds.get(name) != Some(&kind) {
            let left = deadline.saturating_duration_since(Instant::now());
            let woken = self.woken.recv_timeout(left);
            assert!(
                woken.is_ok(),
                "{name} {kind:?} is not among {:?}",
                self.kinds
            );
            self.take();
        }
    }

    /// Makes a file and waits until it is told: what came before it was told, or will not be.
    fn settle(&mut self, world: &World, path: &str, name: &str) {
        fs::write(world.at(path), "x").unwrap();
        self.wait_for(name, ChangeKind::Created);
    }

    fn names(&self) -> Vec<&str> {
        self.kinds.keys().map(String::as_str).collect()
    }
}

use ChangeKind::{Created, Modified, Removed};

#[test]
fn what_happens_in_a_directory_is_told() {
    everywhere(|world| {
        world.make(&["w/f=x", "w/d/deep=x", "w/gone=x", "start>w"]);
        let files = world.files(&["w=read", "start=read"]);
        let mut told = watch(world, &files, "start", false).unwrap();
        fs::write(world.at("w/new"), "x").unwrap();
        fs::write(world.at("w/f"), "y").unwrap();
        fs::remove_file(world.at("w/gone")).unwrap();
        fs::create_dir(world.at("w/made")).unwrap();
        fs::write(world.at("w/d/deep"), "y").unwrap();
        fs::write(world.at("w/made/deep"), "y").unwrap();
        symlink("nowhere", world.at("w/link")).unwrap();
        fs::rename(world.at("w/new"), world.at("w/renamed")).unwrap();
        told.settle(world, "w/last", "last");
        let wanted = [
            ("f", Modified),
            ("gone", Removed),
            ("last", Created),
            ("link", Created),
            ("made", Created),
            ("new", Removed),
            ("renamed", Created),
        ];
        let found: Vec<_> = told
            .kinds
            .iter()
            .map(|(name, kind)| (name.as_str(), *kind))
            .collect();
        assert_eq!(found, wanted);
        assert!(!told.overflowed);
    });
}

#[test]
fn a_recursive_watch_follows_what_is_made_and_moved() {
    everywhere(|world| {
        world.make(&["w/a/b/f=x", "w/c"]);
        let files = world.files(&["w=write"]);
        let mut told = watch(world, &files, "w", true).unwrap();
        fs::write(world.at("w/a/b/f"), "y").unwrap();
        told.wait_for("a/b/f", Modified);
        fs::create_dir_all(world.at("w/new/er/est")).unwrap();
        fs::write(world.at("w/new/er/est/f"), "x").unwrap();
        told.wait_for("new/er/est/f", Created);
        fs::write(world.at("w/new/er/est/g"), "x").unwrap();
        told.wait_for("new/er/est/g", Created);
        fs::rename(world.at("w/a"), world.at("w/c/a")).unwrap();
        told.wait_for("c/a/b/f", Created);
        told.settle(world, "w/c/a/b/last", "c/a/b/last");
        assert_eq!(told.kinds["a"], Removed);
        fs::remove_dir_all(world.at("w/c")).unwrap();
        told.wait_for("c", Removed);
        fs::create_dir(world.at("w/c")).unwrap();
        told.wait_for("c", Created);
        told.settle(world, "w/c/again", "c/again");
    });
}

#[test]
fn only_what_the_grants_show_is_told() {
    both(|world| {
        world.make(&["w/d/f=x", "w/secret/key=s", "out/f=x", "w/l>../out"]);
        let files = world.files(&[
            "w=write",
            "w/secret=deny",
            "w/**/*.key=deny",
            "w/d/hidden=deny",
        ]);
        let mut told = watch(world, &files, "w", true).unwrap();
        for path in [
            "w/secret/new",
            "w/secret/key",
            "w/d/a.key",
            "w/b.key",
            "w/d/hidden",
            "out/new",
        ] {
            fs::write(world.at(path), "x").unwrap();
        }
        fs::create_dir(world.at("w/made")).unwrap();
        fs::write(world.at("w/made/c.key"), "x").unwrap();
        told.wait_for("made", Created);
        told.settle(world, "w/made/last", "made/last");
        told.settle(world, "w/d/last", "d/last");
        assert_eq!(told.names(), ["d/last", "made", "made/last"]);
        for (path, wanted) in [
            ("out", "noent"),
            ("w/secret", "noent"),
            ("w/l", "noent"),
            ("", "access"),
            ("w/d/f", "notdir"),
            ("w/none", "noent"),
        ] {
            assert_eq!(
                name(&watch(world, &files, path, false).err().unwrap()),
                wanted,
                "{path}"
            );
        }
    });
}

#[test]
fn attack_06_a_directory_that_is_moved_out_gives_nothing_more() {
    both(|world| {
        world.make(&["g/w/d/f=x", "g/w/keep", "out/"]);
        let files = world.files(&["g/w=write"]);
        let mut told = watch(world, &files, "g/w", true).unwrap();
        fs::rename(world.at("g/w/d"), world.at("out/d")).unwrap();
        fs::write(world.at("out/d/secret"), "s").unwrap();
        fs::write(world.at("out/d/f"), "s").unwrap();
        told.settle(world, "g/w/keep/last", "keep/last");
        assert_eq!(told.names(), ["d", "keep/last"]);
        assert_eq!(told.kinds["d"], Removed);
        // A link where it was leads nowhere.
        symlink(world.at("out/d"), world.at("g/w/d")).unwrap();
        told.wait_for("d", Created);
        fs::write(world.at("out/d/more"), "s").unwrap();
        told.settle(world, "g/w/keep/more", "keep/more");
        assert_eq!(told.names(), ["d", "keep/last", "keep/more"]);
        // What is above is moved: the watch is over, and says so.
        fs::rename(world.at("g"), world.at("out/g")).unwrap();
        fs::write(world.at("out/g/w/secret"), "s").unwrap();
        fs::write(world.at("out/g/w/keep/secret"), "s").unwrap();
        told.wait_for("", Removed);
        fs::write(world.at("out/g/w/again"), "s").unwrap();
        assert!(
            !told.names().iter().any(|name| name.contains("secret")),
            "{:?}",
            told.names()
        );
    });
}

#[test]
fn a_watch_without_a_grant_ends_with_its_directory() {
    everywhere(|world| {
        world.make(&["w/d/f=x"]);
        let files = world.files(&["w=write"]);
        let mut told = watch(world, &files, "w/d", false).unwrap();
        fs::remove_dir_all(world.at("w/d")).unwrap();
        told.wait_for("", Removed);
    });
}

#[test]
fn who_never_listens_gets_a_mark_and_costs_no_more() {
    everywhere(|world| {
        world.make(&["w/"]);
        let files = world.files(&["w=write"]);
        let mut told = watch(world, &files, "w", false).unwrap();
        for number in 0..2_500 {
            fs::write(world.at(&format!("w/{number}")), "").unwrap();
        }
        told.woken.recv_timeout(DEADLINE).unwrap();
        // Nobody has worked on what came since.
        assert!(told.woken.try_recv().is_err());
        let deadline = Instant::now() + DEADLINE;
        while !told.overflowed {
            told.take();
            assert!(Instant::now() < deadline);
            fs::write(world.at("w/more"), "").unwrap();
        }
        assert!(told.kinds.len() < 2_500);
        told.settle(world, "w/last", "last");
    });
}

#[test]
fn a_quota_bounds_what_one_client_watches() {
    everywhere(|world| {
        world.make(&["w/a/b/c/", "w/d/"]);
        let files = world.files(&["w=write"]);
        let quota = WatchQuota::default();
        let begin =
            |path, recursive| files.watch(watcher(), &quota, &world.abs(path), recursive, || {});
        let one = begin("w", true).unwrap();
        let two = begin("w/a", true).unwrap();
        assert_eq!(quota.used(), 5 + 3);
        drop(one);
        assert_eq!(quota.used(), 3);
        // What is watched for two is still watched for the other.
        let mut told = watch(world, &files, "w/a/b", false).unwrap();
        drop(two);
        assert_eq!(quota.used(), 0);
        told.settle(world, "w/a/b/last", "last");
    });
}
