//! The mark which says that a transfer made the directory that it runs into is nothing that its source can make.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::cuts::{DIRECTIONS, Direction, House, LARGE, Way, noise, partials, set_time};

/// The name of the mark of transfers from there, as one that was killed leaves it behind.
fn mark(house: &House, direction: Direction, from: &Path) -> PathBuf {
    let to = house.at("to/killed");
    house.kill(direction, from, &to, 4_000_000);
    let is_mark = |path: &&PathBuf| fs::metadata(path).is_ok_and(|found| found.len() == 0);
    let left = partials(&to);
    let mark = left.iter().find(is_mark).expect("a mark");
    let name = mark.file_name().expect("a name").into();
    fs::remove_dir_all(&to).expect("removed");
    name
}

/// A directory that everybody may change and is old, and one that is there, of somebody who keeps things to themselves.
fn both(house: &House, number: usize) -> (PathBuf, PathBuf) {
    let (from, to) = (
        house.at(&format!("from/{number}")),
        house.at(&format!("to/{number}")),
    );
    for (path, mode) in [(&from, 0o777), (&to, 0o700)] {
        fs::create_dir(path).expect("made");
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
    }
    fs::write(from.join("large"), noise(number as u32, LARGE)).expect("written");
    fs::write(to.join("mine"), "kept").expect("written");
    (from, to)
}

fn looks(path: &Path) -> (u32, bool) {
    let found = fs::metadata(path).expect("there");
    (found.mode() & 0o777, found.mtime() == 1_000_000_007)
}

#[test]
fn attack_17_a_source_cannot_say_that_a_directory_was_made_for_it() {
    let house = House::new();
    for (number, direction) in DIRECTIONS.into_iter().enumerate() {
        let (from, to) = both(&house, number);
        let mark = mark(&house, direction, &from);
        fs::write(from.join(&mark), "").expect("written");
        // In others it could wait for a transfer of its own.
        let other = PathBuf::from(".lockgate-part-0123456789abcdef-0123456789abcdef");
        fs::create_dir_all(from.join("d").join(&other)).expect("made");
        fs::write(from.join("d").join(&other).join("f"), "").expect("written");
        set_time(&from, 1_000_000_007);
        for end in [
            "3 left out; 1 file, 1 directory and 0 links arrived\n",
            "3 left out; 0 files, 1 directory and 0 links arrived, 1 file was there already\n",
        ] {
            let done = direction.run(&Way::whole(&house.server), &from, &to);
            assert_eq!(looks(&to), (0o700, false), "{done:?}");
            assert!(partials(&to).is_empty());
            assert_eq!(done.code, Some(1), "{done:?}");
            assert_eq!(done.err.matches("do not travel").count(), 1, "{done:?}");
            assert!(done.err.ends_with(end), "{done:?}");
        }
        assert!(to.join("large").is_file() && to.join("mine").is_file());
    }
}

#[test]
fn attack_17_a_directory_that_was_there_at_the_first_attempt_was_not_made_at_the_next() {
    let house = House::new();
    for (number, direction) in DIRECTIONS.into_iter().enumerate() {
        let (from, to) = both(&house, number);
        let mark = to.join(mark(&house, direction, &from));
        set_time(&from, 1_000_000_007);
        let planted = mark.clone();
        let then = move || {
            fs::write(&planted, "").expect("written");
            true
        };
        let way = Way::to(&house.server, 8_000_000, Box::new(then));
        let done = direction.run_with("5", &way, &from, &to);
        assert!(
            done.code == Some(0) && done.err.contains("; going on"),
            "{done:?}"
        );
        assert_eq!(looks(&to), (0o700, false), "{}", direction.verb);
        assert!(mark.is_file());
    }
}
