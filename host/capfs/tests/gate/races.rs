//! Names that change places all the time while every operation runs: whatever is answered, it is never from outside.
//!
//! Threads exchange directories, files, links and FIFOs by `renameat2(RENAME_EXCHANGE)`; others run all operations over the exchanged
//! names. A round may fail in any way. An escape is: bytes or names from outside in an answer or a copy, or anything outside changed.
//!
//! `LOCKGATE_EXCHANGES` sets how many exchanges each back end has to withstand; `make soak` asks for very many and shows how it goes.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, UNIX_EPOCH};

use lockgate_capfs::{AbsPath, Files, Follow, FsError, NewTimes, PathBackEnd, WalkOptions};
use rustix::fs::{CWD, FileType, Mode, RenameFlags};

use crate::world::{Way, World, snapshot};

/// Exchanges on each back end in an ordinary run of the tests: ten seconds or so.
const EXCHANGES: u64 = 1_000_000;

/// Calls of each operation that have to be answered meanwhile.
const CALLS: u64 = 200;

/// Pairs of names that change places: what is inside, and what stands for something outside or of another kind.
const PAIRS: [(&str, &str); 7] = [
    ("w/swap", "w/link"),
    ("w/named", "w/other"),
    ("w/deep/mid", "w/deep/away"),
    ("w/open", "w/peek"),
    ("w/plain", "w/pipe"),
    ("w/either", "w/or"),
    ("w/tree/sub", "w/tree-link"),
];

/// What the calls work on.
struct Race<'a> {
    files: &'a Files,
    home: AbsPath,
}

type Call = fn(&Race<'_>, u64) -> Result<(), FsError>;

/// Every operation, each on names that are being exchanged.
const OPERATIONS: [(&str, Call); 22] = [
    ("open", |race, round| {
        let file = race.files.open(&race.contested(round), follow(round))?;
        race.inside(&file.read_all(100)?);
        race.inside(&file.read_at(0, 100)?);
        Ok(())
    }),
    ("try to open", |race, round| {
        match race.files.try_open(&race.contested(round), follow(round)) {
            Some(file) => {
                race.inside(&file?.read_all(100)?);
                Ok(())
            }
            None => Ok(()),
        }
    }),
    ("write", |race, round| {
        race.files
            .write_file(&race.contested(round), b"mine", follow(round))
    }),
    ("write anew", |race, round| {
        race.files
            .write_file(&race.at("w/swap/new"), b"mine", follow(round))
    }),
    ("append", |race, round| {
        race.files
            .append_file(&race.contested(round), b"mine", follow(round))
    }),
    ("make a directory", |race, round| {
        let path = race.at(&format!("w/swap/made{}", round % 7));
        race.files.create_directory(&path, false, follow(round))
    }),
    ("make directories", |race, round| {
        let path = race.at(&format!("w/deep/mid/made/{}/x", round % 7));
        race.files.create_directory(&path, true, follow(round))
    }),
    ("metadata", |race, round| {
        let found = race.files.metadata(&race.contested(round), follow(round))?;
        assert_ne!(
            found.size,
            THEIRS.len() as u64,
            "the size of what is outside"
        );
        Ok(())
    }),
    ("try metadata", |race, round| {
        match race
            .files
            .try_metadata(&race.contested(round), follow(round))
        {
            Some(found) => {
                assert_ne!(
                    found?.size,
                    THEIRS.len() as u64,
                    "the size of what is outside"
                );
                Ok(())
            }
            None => Ok(()),
        }
    }),
    ("canonicalize", |race, round| {
        let path = race.files.canonicalize(&race.contested(round))?;
        assert!(path.starts_with(&race.at("w")), "{path} is outside");
        assert!(!path.starts_with(&race.at("w/no")), "{path} is denied");
        Ok(())
    }),
    ("list", |race, round| {
        let path = ["w/swap/d", "w/deep/mid/b", "w/open", "w/either"][(round % 4) as usize];
        for entry in race.files.read_directory(&race.at(path))? {
            assert_ne!(entry.name, "theirs", "listed in {path}");
        }
        Ok(())
    }),
    ("walk", |race, round| {
        race.walk("w/swap", round.is_multiple_of(2))
    }),
    ("walk everything", |race, round| {
        race.walk("w", round.is_multiple_of(2))
    }),
    ("copy a file", |race, round| {
        race.files
            .copy(&race.contested(round), &race.at("w/copies/file"), false)
    }),
    ("copy over a name", |race, round| {
        race.files
            .copy(&race.at("w/f"), &race.contested(round), false)
    }),
    ("copy a tree", |race, round| {
        let path = ["w/swap", "w/deep", "w/open", "w/tree"][(round % 4) as usize];
        let copy = race.at(&format!("w/copies/tree{}", round % 3));
        race.files.copy(&race.at(path), &copy, true)
    }),
    ("rename", |race, round| {
        let names = [
            ("w/swap/new", "w/deep/mid/renamed"),
            ("w/deep/mid/renamed", "w/swap/new"),
            ("w/swap/d/theirs", "w/copies/theirs"),
            ("w/peek/theirs", "w/copies/theirs"),
            ("w/copies/file", "w/swap/f"),
        ];
        let (from, to) = names[(round % names.len() as u64) as usize];
        race.files
            .rename(&race.at(from), &race.at(to), round.is_multiple_of(2))
    }),
    ("make a link", |race, round| {
        let path = race.at(&format!("w/swap/link{}", round % 7));
        race.files.symlink("../../out/f".as_ref(), &path)
    }),
    ("set permission bits", |race, round| {
        race.files
            .set_mode(&race.contested(round), 0o600, follow(round))
    }),
    ("set times", |race, round| {
        let times = NewTimes {
            accessed: None,
            modified: Some(UNIX_EPOCH + Duration::from_secs(round)),
        };
        race.files
            .set_times(&race.contested(round), times, follow(round))
    }),
    ("remove a name", |race, round| {
        let path = [
            "w/swap/new",
            "w/swap/link3",
            "w/swap/d/theirs",
            "w/deep/mid/b/theirs",
        ][(round % 4) as usize];
        race.files
            .remove(&race.at(path), false, false, follow(round))
    }),
    ("remove a tree", |race, round| {
        let path = [
            "w/swap/made",
            "w/deep/mid/made",
            "w/swap/d/theirs",
            "w/copies",
        ];
        let path = race.at(path[(round % 4) as usize]);
        race.files.remove(&path, true, true, follow(round))
    }),
];

const THEIRS: &[u8] = b"theirs";

impl Race<'_> {
    fn at(&self, path: &str) -> AbsPath {
        AbsPath::parse(PathBuf::from(self.home.as_path()).join(path)).unwrap()
    }

    /// One of the names that change places, or one below.
    fn contested(&self, round: u64) -> AbsPath {
        let names = [
            "w/swap/f",
            "w/named",
            "w/other",
            "w/deep/mid/b/f",
            "w/open/f",
            "w/peek/f",
            "w/plain",
            "w/pipe",
            "w/either/f",
            "w/link/d/mine",
        ];
        self.at(names[(round % names.len() as u64) as usize])
    }

    #[track_caller]
    fn inside(&self, bytes: &[u8]) {
        assert_ne!(bytes, THEIRS, "read from outside");
    }

    fn walk(&self, path: &str, follow: bool) -> Result<(), FsError> {
        let options = WalkOptions {
            max_depth: 64,
            max_directories: 100,
            max_entries: 200,
            follow_directory_symlinks: follow,
            prune_hidden_directories: false,
            prune_links: false,
        };
        for entry in self.files.walk(&self.at(path), &options)?.entries {
            assert!(!entry.path.as_path().ends_with("theirs"), "{}", entry.path);
        }
        Ok(())
    }

    /// Nothing of what was copied is from outside.
    fn check_copies(&self) {
        for (path, contents) in snapshot(self.at("w/copies").as_path()) {
            assert_ne!(
                contents,
                THEIRS,
                "{} was copied from outside",
                path.display()
            );
            assert!(!path.ends_with("theirs"), "{}", path.display());
        }
    }
}

fn follow(round: u64) -> Follow {
    match round.is_multiple_of(2) {
        true => Follow::Links,
        false => Follow::Nothing,
    }
}

/// Ends the exchanging also when a test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Exchanges the names of every other pair, in no order that anybody could follow, until it is told to stop.
fn exchange(home: &Path, first: usize, stop: &AtomicBool, exchanges: &AtomicU64) {
    let pairs: Vec<_> = PAIRS
        .iter()
        .skip(first)
        .step_by(2)
        .map(|(one, other)| (home.join(one), home.join(other)))
        .collect();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64 + first as u64;
    while !stop.load(Ordering::Relaxed) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let (one, other) = &pairs[(random % pairs.len() as u64) as usize];
        if rustix::fs::renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).is_ok() {
            exchanges.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn wanted_exchanges() -> (u64, bool) {
    match std::env::var("LOCKGATE_EXCHANGES") {
        Ok(number) => (
            number.parse().expect("LOCKGATE_EXCHANGES is a number"),
            true,
        ),
        Err(_) => (EXCHANGES, false),
    }
}

/// Modes and times of everything below: what a change of attributes alone would leave.
fn stamps(world: &World, path: &str) -> Vec<(u32, i64, i64)> {
    let directory = world.at(path);
    let mut paths: Vec<_> = snapshot(&directory)
        .into_iter()
        .map(|(path, _)| path)
        .collect();
    paths.push(directory);
    let stamp = |path: PathBuf| {
        let found = path.symlink_metadata().unwrap();
        (found.mode(), found.mtime(), found.ctime())
    };
    paths.into_iter().map(stamp).collect()
}

fn race(way: Way) {
    let world = World::new(way);
    world.make(&[
        "w/f=mine",
        "w/swap/f=mine",
        "w/swap/d/mine=m",
        "w/link>$/out",
        "w/named=mine",
        "w/other>$/out/f",
        "w/deep/mid/b/f=mine",
        "w/deep/mid/b/d/mine=m",
        "w/deep/away>../../out/deep",
        "w/open/f=mine",
        "w/peek>no",
        "w/no/f=theirs",
        "w/no/theirs=theirs",
        "w/plain=mine",
        "w/either/f=mine",
        "w/or=mine",
        "w/tree/sub/x=mine",
        "w/tree-link>$/out/d",
        "w/copies/",
        "out/f=theirs",
        "out/d/theirs=theirs",
        "out/d/mine=theirs",
        "out/deep/b/f=theirs",
        "out/deep/b/theirs=theirs",
    ]);
    let mode = Mode::RUSR | Mode::WUSR;
    rustix::fs::mknodat(CWD, world.at("w/pipe"), FileType::Fifo, mode, 0).unwrap();
    let outside = || ["out", "w/no"].map(|path| (snapshot(&world.at(path)), stamps(&world, path)));
    let before = outside();
    let files = world.files(&["w=write", "w/no=deny"]);
    let race = Race {
        files: &files,
        home: world.abs(""),
    };
    let (home, stop, exchanges) = (world.at(""), AtomicBool::new(false), AtomicU64::new(0));
    let (wanted, soak) = wanted_exchanges();
    let (mut answered, mut succeeded) = ([0_u64; OPERATIONS.len()], [0_u64; OPERATIONS.len()]);
    let began = Instant::now();
    let mut told = Instant::now();
    thread::scope(|threads| {
        let running = Stop(&stop);
        for first in [0, 1] {
            let (home, stop, exchanges) = (&home, &stop, &exchanges);
            threads.spawn(move || exchange(home, first, stop, exchanges));
        }
        for round in 0.. {
            for (number, (_, call)) in OPERATIONS.iter().enumerate() {
                // Coprime to the lengths of the lists that a round chooses from.
                let done = call(&race, round * 31 + number as u64);
                answered[number] += 1;
                succeeded[number] += u64::from(done.is_ok());
            }
            if round.is_multiple_of(64) {
                race.check_copies();
            }
            let so_far = exchanges.load(Ordering::Relaxed);
            if so_far >= wanted && round >= CALLS {
                break;
            }
            if soak && told.elapsed() > Duration::from_secs(10) {
                told = Instant::now();
                eprintln!(
                    "{way:?}: {so_far} of {wanted} exchanges, {round} rounds of calls, no escape"
                );
            }
        }
        drop(running);
    });
    race.check_copies();
    assert_eq!(outside(), before, "what is outside was changed");
    // A race that nobody ran would prove nothing.
    for (number, (name, _)) in OPERATIONS.iter().enumerate() {
        assert!(
            succeeded[number] > 0,
            "{name} never came through, in {} calls",
            answered[number]
        );
    }
    let (calls, through) = (answered.iter().sum::<u64>(), succeeded.iter().sum::<u64>());
    let seconds = began.elapsed().as_secs();
    eprintln!(
        "{way:?}: {} exchanges while {calls} calls were answered ({through} succeeded) in {seconds} s; 0 escapes",
        exchanges.load(Ordering::Relaxed),
    );
}

#[test]
fn attack_05_no_exchange_of_names_leads_outside_openat2() {
    race(Way::Gate(PathBackEnd::Openat2));
}

#[test]
fn attack_05_no_exchange_of_names_leads_outside_walk() {
    race(Way::Gate(PathBackEnd::Walk));
}

#[test]
fn attack_05_no_exchange_of_names_leads_outside_with_the_second_guest() {
    race(Way::Second(PathBackEnd::Openat2));
}

/// The exchange goes on until this many trees were removed and copied, and until it came between often enough; a busy machine may give
/// the exchanging thread no turn for many trees.
const TREES: usize = 100;
const EXCHANGED: u64 = 100;
const TREES_AT_MOST: usize = 100 * TREES;

#[test]
fn attack_17_a_link_put_into_a_tree_while_it_is_copied_or_removed_leads_nowhere() {
    for way in Way::GATES {
        let world = World::new(way);
        world.make(&[
            "out/d/theirs=theirs",
            "out/theirs=theirs",
            "w/link>$/out",
            "w/dir/mine=m",
        ]);
        let before = snapshot(&world.at("out"));
        let files = world.files(&["w=write"]);
        let (tree, copy) = (world.abs("w/tree"), world.abs("w/copy"));
        let (sub, link, dir) = (
            world.at("w/tree/sub"),
            world.at("w/link"),
            world.at("w/dir"),
        );
        let stop = AtomicBool::new(false);
        let exchanged = AtomicU64::new(0);
        thread::scope(|threads| {
            let _running = Stop(&stop);
            threads.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    for other in [&link, &dir] {
                        let flags = RenameFlags::EXCHANGE;
                        let done = rustix::fs::renameat_with(CWD, &sub, CWD, other, flags);
                        exchanged.fetch_add(u64::from(done.is_ok()), Ordering::Relaxed);
                        thread::yield_now();
                    }
                }
            });
            for round in 0..TREES_AT_MOST {
                if round >= TREES && exchanged.load(Ordering::Relaxed) > EXCHANGED {
                    break;
                }
                for name in ["a", "b/c", "sub/d/e", "z"] {
                    let path = AbsPath::parse(tree.as_path().join(name)).unwrap();
                    // In the way may be a link that was put there: nothing is made through it.
                    let _made = files.create_directory(&path, true, Follow::Links);
                }
                let _copied = files.copy(&tree, &copy, true);
                for (path, contents) in snapshot(copy.as_path()) {
                    assert_ne!(contents, THEIRS, "{} was copied", path.display());
                }
                let follow = follow(round as u64);
                let _removed = files.remove(&tree, true, true, follow);
                let _removed = files.remove(&copy, true, true, follow);
            }
        });
        let exchanged = exchanged.into_inner();
        assert!(exchanged > EXCHANGED, "{exchanged} exchanges with {way:?}");
        assert_eq!(snapshot(&world.at("out")), before);
    }
}
