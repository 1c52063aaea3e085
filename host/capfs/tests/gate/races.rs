//! Directories and links that change places while requests run: whatever is answered, it is never from outside.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use lockgate_capfs::{AbsPath, Files, Follow, FsError, PathBackEnd, WalkOptions};
use rustix::fs::{CWD, RenameFlags};

use crate::world::{Way, World};

/// Rounds of every operation; `LOCKGATE_ROUNDS` makes it a soak.
fn rounds() -> u64 {
    std::env::var("LOCKGATE_ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(1_500)
}

/// Ends the exchanging also when a test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Exchanges two names until it is told to stop.
fn exchange(one: &Path, other: &Path, stop: &AtomicBool) -> u64 {
    let mut swaps = 0;
    while !stop.load(Ordering::Relaxed) {
        if rustix::fs::renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).is_ok() {
            swaps += 1;
        }
    }
    swaps
}

fn attack(files: &Files, home: &AbsPath, round: u64) -> Result<(), FsError> {
    let at = |path: &str| AbsPath::parse(PathBuf::from(home.as_path()).join(path)).unwrap();
    let follow = if round.is_multiple_of(2) {
        Follow::Links
    } else {
        Follow::Nothing
    };
    for path in ["w/swap/f", "w/named", "w/other"] {
        if let Ok(file) = files.open(&at(path), follow) {
            assert_ne!(file.read_all(100)?, b"theirs", "{path}");
        }
        let _ = files.write_file(&at(path), b"mine", follow);
    }
    if let Ok(entries) = files.read_directory(&at("w/swap/d")) {
        assert!(
            entries.iter().all(|entry| entry.name != "theirs"),
            "{entries:?}"
        );
    }
    let everything = WalkOptions {
        max_depth: 64,
        max_directories: 100,
        max_entries: 100,
        follow_directory_symlinks: true,
        prune_hidden_directories: false,
    };
    if let Ok(outcome) = files.walk(&at("w/swap"), &everything) {
        assert!(
            outcome
                .entries
                .iter()
                .all(|entry| !entry.path.as_path().ends_with("theirs"))
        );
    }
    if let Ok(path) = files.canonicalize(&at("w/swap/f")) {
        assert!(path.starts_with(&at("w")), "{path}");
    }
    if let Ok(found) = files.metadata(&at("w/swap/f"), follow) {
        assert_ne!(found.size, 6, "the size of what is outside");
    }
    let _ = files.write_file(&at("w/swap/new"), b"written", follow);
    let _ = files.copy(&at("w/named"), &at("w/copied"), false);
    let _ = files.copy(&at("w/f"), &at("w/named"), false);
    let _ = files.create_directory(&at(&format!("w/swap/made/{}", round % 7)), true, follow);
    let _ = files.remove(&at("w/swap/new"), false, false, follow);
    let _ = files.remove(&at("w/swap/made"), true, true, follow);
    let _ = files.remove(&at("w/swap/d/theirs"), true, true, follow);
    let _ = files.copy(&at("w/swap/d"), &at("w/copies/d"), true);
    let _ = files.copy(&at("w/f"), &at("w/swap/copied"), false);
    if let Ok(file) = files.open(&at("w/copies/d/theirs"), Follow::Links) {
        panic!("copied from outside: {file:?}");
    }
    files.remove(&at("w/copies"), true, true, Follow::Links)
}

fn race(back_end: PathBackEnd) {
    let world = World::new(Way::Gate(back_end));
    world.make(&[
        "w/f=mine",
        "w/swap/f=mine",
        "w/swap/d/mine=m",
        "w/link>$/out",
        "w/named=mine",
        "w/other>$/out/f",
        "out/f=theirs",
        "out/d/theirs=t",
        "w/copies/",
    ]);
    let before = snapshot(&world.at("out"));
    let files = world.files(&["w=write"]);
    let (home, stop) = (world.abs(""), AtomicBool::new(false));
    let [swap, link, named, other] =
        ["w/swap", "w/link", "w/named", "w/other"].map(|path| world.at(path));
    thread::scope(|threads| {
        let directories = threads.spawn(|| exchange(&swap, &link, &stop));
        let names = threads.spawn(|| exchange(&named, &other, &stop));
        let running = Stop(&stop);
        for round in 0..rounds() {
            // A failure to clean up after itself is the race's, not the gate's.
            let _ = attack(&files, &home, round);
        }
        drop(running);
        let swaps = directories.join().unwrap() + names.join().unwrap();
        assert!(swaps > rounds(), "nothing was raced against");
    });
    assert_eq!(snapshot(&world.at("out")), before);
}

fn snapshot(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let contents = if path.is_dir() {
                Vec::new()
            } else {
                fs::read(&path).unwrap()
            };
            if path.is_dir() {
                left.push(path.clone());
            }
            found.push((path, contents));
        }
    }
    found.sort();
    found
}

#[test]
fn attack_05_no_exchange_of_names_leads_outside_openat2() {
    race(PathBackEnd::Openat2);
}

#[test]
fn attack_05_no_exchange_of_names_leads_outside_walk() {
    race(PathBackEnd::Walk);
}
