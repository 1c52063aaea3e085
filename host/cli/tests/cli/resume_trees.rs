//! `fs get --resume` and `fs put --recursive --resume` of directories.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use crate::cuts::{DIRECTIONS, House, LARGE, Way, noise, partials, set_time, snapshot, text};
use crate::support::ok;

#[test]
fn a_tree_goes_on_where_it_was_cut_and_arrives_as_it_is() {
    let house = House::new();
    let from = house.at("from/tree");
    fs::create_dir_all(from.join("d/e/empty")).expect("made");
    for number in 0..40 {
        let path = from.join(format!("d/f{number}"));
        fs::write(path, noise(number, 100_000)).expect("written");
    }
    for number in 0..3 {
        let path = from.join(format!("d/e/large{number}"));
        fs::write(path, noise(number, 6_000_000)).expect("written");
    }
    fs::write(from.join("script"), "#!/bin/sh\n").expect("written");
    fs::write(from.join("nothing"), "").expect("written");
    for (path, mode) in [("script", 0o751), ("d/e", 0o750), ("nothing", 0o400)] {
        fs::set_permissions(from.join(path), fs::Permissions::from_mode(mode)).expect("set");
    }
    symlink("d/f1", from.join("link")).expect("linked");
    symlink("nowhere", from.join("d/broken")).expect("linked");
    for (number, path) in ["d/f1", "d/e/empty", "d/e", "d", "script"]
        .iter()
        .enumerate()
    {
        set_time(&from.join(path), 1_000_000_000 + number as u64);
    }
    let wanted = snapshot(&from);
    for (number, direction) in DIRECTIONS.into_iter().enumerate() {
        let to = house.at(&format!("to/{number}"));
        house.cut(direction, &from, &to, 20_000_000);
        let way = Way::whole(&house.server);
        ok(direction.run(&way, &from, &to));
        assert!(snapshot(&to) == wanted, "{}", direction.verb);
        // 20 of some 29 million had come through; a block of each file may have been on its way.
        assert!(way.bytes() < 16_000_000, "{}", way.bytes());
        // Again: a look, and what has changed.
        let way = Way::whole(&house.server);
        ok(direction.run(&way, &from, &to));
        assert!(way.bytes() < 100_000, "{}", way.bytes());
        fs::write(to.join("script"), "changed there").expect("written");
        fs::remove_file(to.join("link")).expect("removed");
        symlink("other", to.join("link")).expect("linked");
        set_time(&to.join("d"), 1);
        ok(direction.run(&Way::whole(&house.server), &from, &to));
        assert!(snapshot(&to) == wanted, "{}", direction.verb);
    }
}

#[test]
fn attack_03_nothing_is_written_through_a_link_and_the_rest_arrives() {
    let house = House::new();
    let from = house.at("from/tree");
    fs::create_dir_all(from.join("d")).expect("made");
    fs::write(from.join("d/small"), "new").expect("written");
    fs::write(from.join("d/large"), noise(1, 1_000_000)).expect("written");
    fs::write(from.join("file"), "new").expect("written");
    fs::write(from.join("free"), "new").expect("written");
    symlink("x", from.join("d/link")).expect("linked");
    for (number, direction) in DIRECTIONS.into_iter().enumerate() {
        let to = house.at(&format!("to/{number}"));
        let outside = house.at(&format!("outside{number}"));
        fs::create_dir_all(&to).expect("made");
        fs::create_dir(&outside).expect("made");
        fs::write(outside.join("kept"), "old").expect("written");
        symlink(&outside, to.join("d")).expect("linked");
        symlink(outside.join("kept"), to.join("file")).expect("linked");
        let told = direction.run(&Way::whole(&house.server), &from, &to);
        assert_eq!(told.code, Some(1), "{told:?}");
        for name in ["d", "d/small", "d/large", "d/link", "file"] {
            let line = format!("lockgate: {name}: ");
            assert!(told.err.contains(&line), "{name} in {told:?}");
        }
        assert!(told.err.contains("5 left out"), "{told:?}");
        assert_eq!(fs::read(to.join("free")).expect("there"), b"new");
        assert_eq!(fs::read_dir(&outside).expect("there").count(), 1);
        assert_eq!(fs::read(outside.join("kept")).expect("there"), b"old");
        assert!(to.join("d").is_symlink() && to.join("file").is_symlink());
    }
}

#[test]
fn a_partial_of_what_is_gone_at_the_source_is_told_and_stays() {
    let house = House::new();
    let from = house.at("from/tree");
    for (number, direction) in DIRECTIONS.into_iter().enumerate() {
        fs::create_dir_all(from.join("d")).expect("made");
        fs::write(from.join("d/gone"), noise(number as u32, LARGE)).expect("written");
        fs::write(from.join("f"), "f").expect("written");
        let to = house.at(&format!("to/{number}"));
        house.cut(direction, &from, &to, 8_000_000);
        // Not the one that says that the directory was made: it goes at the end.
        let [partial] = &partials(&to.join("d"))[..] else {
            panic!("{:?}", partials(&to));
        };
        fs::remove_file(from.join("d/gone")).expect("removed");
        fs::write(to.join("d/.lockgate-part-mine"), "kept").expect("written");
        let done = direction.run(&Way::whole(&house.server), &from, &to);
        let told = format!(
            "lockgate: 1 partial file of other transfers, which were cut or are running, is there, such as {}: ",
            text(partial)
        );
        assert!(
            done.code == Some(0) && done.err.starts_with(&told),
            "{done:?}"
        );
        assert!(partial.exists() && to.join("d/.lockgate-part-mine").exists());
        fs::remove_file(partial).expect("removed");
        ok(direction.run(&Way::whole(&house.server), &from, &to));
        fs::remove_file(to.join("d/.lockgate-part-mine")).expect("removed");
    }
}

fn looks(path: &Path) -> (u32, i64) {
    let found = fs::metadata(path).expect("there");
    (found.mode() & 0o777, found.mtime())
}

#[test]
fn a_directory_that_was_made_gets_its_bits_and_its_time_whoever_ends_the_transfer() {
    let house = House::new();
    let from = house.at("from/tree");
    fs::create_dir(&from).expect("made");
    fs::write(from.join("f"), "f").expect("written");
    fs::write(from.join("large"), noise(1, LARGE)).expect("written");
    set_time(&from, 1_000_000_007);
    for (number, direction) in DIRECTIONS.into_iter().enumerate() {
        for mode in [0o555, 0o500, 0o777] {
            fs::set_permissions(&from, fs::Permissions::from_mode(mode)).expect("set");
            let to = house.at(&format!("to/{number}-{mode:o}"));
            // Twice, so that one that goes on is killed, too.
            for after in [4_000_000, 5_000_000] {
                house.kill(direction, &from, &to, after);
                assert_eq!(looks(&to).0, mode | 0o700);
            }
            ok(direction.run(&Way::whole(&house.server), &from, &to));
            assert_eq!(looks(&to), (mode, 1_000_000_007), "{}", direction.verb);
            assert!(partials(&to).is_empty());
            // It goes on by itself over another connection.
            let to = house.at(&format!("to/{number}-{mode:o}-lost"));
            let way = Way::cut_after(&house.server, 8_000_000);
            let done = direction.run_with("5", &way, &from, &to);
            assert!(
                done.code == Some(0) && done.err.contains("; going on"),
                "{done:?}"
            );
            assert_eq!(looks(&to), (mode, 1_000_000_007), "{}", direction.verb);
            assert!(partials(&to).is_empty());
        }
    }
}

#[test]
fn a_directory_that_was_there_keeps_its_bits_whoever_ends_the_transfer() {
    let house = House::new();
    for (number, direction) in DIRECTIONS.into_iter().enumerate() {
        let (one, other) = (house.at(&format!("from/{number}")), house.at("from/other"));
        for from in [&one, &other] {
            fs::create_dir_all(from).expect("made");
            fs::write(from.join("large"), noise(number as u32, LARGE)).expect("written");
            fs::set_permissions(from, fs::Permissions::from_mode(0o750)).expect("set");
        }
        let to = house.at(&format!("to/{number}"));
        fs::create_dir(&to).expect("made");
        fs::set_permissions(&to, fs::Permissions::from_mode(0o711)).expect("set");
        house.kill(direction, &one, &to, 8_000_000);
        ok(direction.run(&Way::whole(&house.server), &one, &to));
        assert_eq!(looks(&to).0, 0o711);
        // That another transfer made it does not make it this one's.
        let to = house.at(&format!("to/{number}-both"));
        house.kill(direction, &one, &to, 8_000_000);
        fs::set_permissions(&to, fs::Permissions::from_mode(0o711)).expect("set");
        fs::write(other.join("mine"), "x").expect("written");
        let run = direction.run(&Way::whole(&house.server), &other, &to);
        assert!(run.code == Some(0), "{run:?}");
        assert_eq!(looks(&to).0, 0o711);
        ok(direction.run(&Way::whole(&house.server), &one, &to));
        assert_eq!(looks(&to).0, 0o750);
        assert!(partials(&to).is_empty());
    }
}
