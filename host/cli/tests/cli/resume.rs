//! `fs get --resume` and `fs put --resume`: what was cut goes on, and no two versions of a file are ever mixed.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use crate::cuts::{DIRECTIONS, House, LARGE, Way, noise, partials, set_time, snapshot};
use crate::support::{LOCKGATE, Server, done, lockgate, ok};

#[test]
fn a_file_goes_on_where_it_was_cut() {
    let house = House::new();
    for (number, direction) in DIRECTIONS.into_iter().enumerate() {
        let (from, to) = (house.at("from/large"), house.at("to/large"));
        let contents = noise(number as u32, LARGE);
        fs::write(&from, &contents).expect("written");
        fs::write(&to, "old").expect("written");
        fs::set_permissions(&to, fs::Permissions::from_mode(0o604)).expect("set");
        let there = house.cut(direction, &from, &to, 8_000_000);
        assert!(there > 4_000_000 && there < LARGE as u64, "{there}");
        assert_eq!(fs::read(&to).expect("there"), b"old");
        // Until it is whole it is nobody else's.
        let partial = partials(&house.at("to")).remove(0);
        let mode = fs::metadata(partial).expect("there").mode();
        assert_eq!(mode & 0o777, 0o600);
        let way = Way::whole(&house.server);
        ok(direction.run(&way, &from, &to));
        assert!(fs::read(&to).expect("there") == contents);
        // Base64 makes four bytes of three; the end of what was there is compared.
        let most = (LARGE as u64 - there + (1 << 18)) / 3 * 4 + 100_000;
        assert!(way.bytes() < most, "{} of {most}", way.bytes());
        assert!(partials(&house.at("to")).is_empty());
        let (old, new) = (fs::metadata(&from), fs::metadata(&to).expect("there"));
        assert_eq!(new.mode() & 0o777, 0o604);
        assert_eq!(new.mtime(), old.expect("there").mtime());
        // Once more: it is there already.
        let way = Way::whole(&house.server);
        ok(direction.run(&way, &from, &to));
        assert!(way.bytes() < 50_000, "{}", way.bytes());
    }
}

#[test]
fn a_lost_connection_is_made_again_and_the_transfer_goes_on_by_itself() {
    let house = House::new();
    fs::create_dir(house.at("from/tree")).expect("made");
    for number in 0..3 {
        let path = house.at(&format!("from/tree/large{number}"));
        fs::write(path, noise(number, 4_000_000)).expect("written");
    }
    fs::write(house.at("from/large"), noise(7, LARGE)).expect("written");
    for (number, direction) in DIRECTIONS.into_iter().enumerate() {
        for name in ["large", "tree"] {
            let from = house.at(&format!("from/{name}"));
            let to = house.at(&format!("to/{name}{number}"));
            // Cut once; the second connection is as good as any.
            let way = Way::cut_after(&house.server, 9_000_000);
            let went_on = direction.run_with("3", &way, &from, &to);
            assert_eq!(went_on.code, Some(0), "{went_on:?}");
            assert_eq!(
                went_on.err.matches("; going on\n").count(),
                1,
                "{went_on:?}"
            );
            // 16 million for all of it, and what was on its way: not twice as much.
            assert!(way.bytes() < 25_000_000, "{}", way.bytes());
            match name {
                "tree" => assert!(snapshot(&from) == snapshot(&to)),
                _ => assert!(fs::read(&from).expect("there") == fs::read(&to).expect("there")),
            }
        }
    }
}

#[test]
fn what_was_begun_of_another_version_is_never_continued() {
    let house = House::new();
    for (number, direction) in DIRECTIONS.into_iter().enumerate() {
        let (from, to) = (house.at("from/large"), house.at("to/new"));
        let _ = fs::remove_file(&to);
        fs::write(&from, noise(1, LARGE)).expect("written");
        set_time(&from, 1_000_000 + number as u64);
        house.cut(direction, &from, &to, 8_000_000);
        assert!(!to.exists());
        // As long as before, and other bytes.
        let contents = noise(2, LARGE);
        fs::write(&from, &contents).expect("written");
        let way = Way::whole(&house.server);
        ok(direction.run(&way, &from, &to));
        assert!(fs::read(&to).expect("there") == contents);
        assert!(way.bytes() > LARGE as u64);
        assert!(partials(&house.at("to")).is_empty());
    }
}

#[test]
fn a_partial_that_does_not_end_as_the_source_has_it_is_begun_again() {
    let mut house = House::new();
    for direction in DIRECTIONS {
        let (from, to) = (house.at("from/large"), house.at("to/new"));
        let _ = fs::remove_file(&to);
        let contents = noise(3, LARGE);
        fs::write(&from, &contents).expect("written");
        house.cut(direction, &from, &to, 8_000_000);
        // The old server writes nothing more.
        house.server = Server::start(&[]);
        // As after a power failure: the length is there and the bytes are not.
        let partial = partials(&house.at("to")).remove(0);
        let mut bytes = fs::read(&partial).expect("there");
        let end = bytes.len() - 100_000;
        bytes[end..].fill(0);
        fs::write(&partial, &bytes).expect("written");
        ok(direction.run(&Way::whole(&house.server), &from, &to));
        assert!(fs::read(&to).expect("there") == contents);
        // One that is longer than the source is none.
        fs::remove_file(&to).expect("removed");
        fs::write(&partial, noise(4, LARGE + 1)).expect("written");
        ok(direction.run(&Way::whole(&house.server), &from, &to));
        assert!(fs::read(&to).expect("there") == contents);
    }
}

#[test]
fn a_source_that_changes_meanwhile_leaves_the_old_file_and_nothing_else() {
    let house = House::new();
    for direction in DIRECTIONS {
        let (from, to) = (house.at("from/large"), house.at("to/large"));
        fs::write(&from, noise(5, LARGE)).expect("written");
        set_time(&from, 1_000_000);
        fs::write(&to, "old").expect("written");
        let changing = from.clone();
        let change = move || {
            // In place, so that what is open changes, too.
            let file = fs::OpenOptions::new().write(true).open(&changing);
            let mut file = file.expect("there");
            file.write_all(b"other").expect("written");
            false
        };
        let way = Way::to(&house.server, 4_000_000, Box::new(change));
        let failed = direction.run(&way, &from, &to);
        assert_eq!(failed.code, Some(1), "{failed:?}");
        assert!(
            failed.err.contains("it changed while it was read"),
            "{failed:?}"
        );
        assert_eq!(fs::read(&to).expect("there"), b"old");
        assert!(partials(&house.at("to")).is_empty());
        ok(direction.run(&Way::whole(&house.server), &from, &to));
        assert!(fs::read(&to).expect("there") == fs::read(&from).expect("there"));
    }
}

#[test]
fn where_a_link_leads_to_is_replaced_and_the_link_stays() {
    let house = House::new();
    let from = house.at("from/file");
    fs::write(&from, "new").expect("written");
    for (number, direction) in DIRECTIONS.into_iter().enumerate() {
        let (real, link) = (
            format!("to/real{number}"),
            house.at(&format!("to/link{number}")),
        );
        fs::write(house.at(&real), "older").expect("written");
        symlink(house.at(&real), &link).expect("linked");
        ok(direction.run(&Way::whole(&house.server), &from, &link));
        assert!(link.is_symlink());
        assert_eq!(fs::read(house.at(&real)).expect("there"), b"new");
    }
}

#[test]
fn what_cannot_go_on_says_why() {
    let house = House::new();
    fs::create_dir(house.at("from/d")).expect("made");
    fs::write(house.at("from/f"), "x").expect("written");
    // A file goes into a directory, and not over one in it.
    fs::write(house.at("from/g"), "x").expect("written");
    fs::create_dir(house.at("to/g")).expect("made");
    let run = |args: &[&str]| {
        let args = [&["fs"], args].concat();
        done(
            lockgate(&args)
                .current_dir(house.at(""))
                .output()
                .expect("runs"),
        )
    };
    for (args, code, message) in [
        (
            &["get", "--resume", "from/f", "-"][..],
            2,
            "stdout cannot go on",
        ),
        (
            &["put", "--resume", "-", "to/f"],
            2,
            "stdin cannot be read again",
        ),
        (
            &["put", "--resume", "--atomic", "from/f", "to/f"],
            2,
            "cannot be used with",
        ),
        (
            &["get", "--resume", "from/none", "to/f"],
            1,
            "from/none: it cannot be read: No such file",
        ),
        (
            &["put", "--resume", "from/none", "to/f"],
            1,
            "cannot read `from/none`: No such file",
        ),
        (
            &["put", "--resume", "from/d", "to/d"],
            1,
            "is a directory: send it with --recursive",
        ),
        (
            &["put", "--resume", "-r", "from/f", "to/f"],
            1,
            "is no directory",
        ),
        (
            &["get", "--resume", "from/g", "to"],
            1,
            "there is a directory",
        ),
        (
            &["put", "--resume", "from/f", "to/none/f"],
            1,
            "its directory is not there",
        ),
        (
            &["get", "--resume", "from/f", "/dev/null"],
            1,
            "not a regular file",
        ),
        (
            &["put", "--resume", "--write", "to/f", "from/f", "to/f"],
            1,
            "grant its directory with --write",
        ),
        (
            &["put", "--resume", "--read", "to", "from/f", "to/f"],
            1,
            "it takes --write",
        ),
    ] {
        let done = run(args);
        assert_eq!(
            (done.code, done.out.as_str()),
            (Some(code), ""),
            "{args:?} {done:?}"
        );
        assert!(done.err.contains(message), "{args:?} {done:?}");
    }
    // Nothing but what was there.
    let there = |path: &str| fs::read_dir(house.at(path)).expect("there").count();
    assert_eq!((there("to"), there("to/g")), (1, 0));
}

#[test]
fn a_person_who_watches_sees_how_far_it_is_and_nobody_else() {
    let house = House::new();
    fs::write(house.at("from/large"), noise(1, LARGE)).expect("written");
    let whole = ok(done(
        lockgate(&["fs", "get", "--resume", "from/large", "to/one"])
            .current_dir(house.at(""))
            .output()
            .expect("runs"),
    ));
    assert_eq!(whole, "");
    for args in [
        "get --resume from/large to/two",
        "get from/large to/three",
        "get from to/four",
    ] {
        let script = format!("{LOCKGATE} fs {args}; echo done");
        let args = ["exec", "--tty", "--", "sh", "-c", &script];
        let shown = lockgate(&args).current_dir(house.at("")).output();
        let shown = ok(done(shown.expect("runs")));
        assert!(shown.contains("/s"), "{shown:?}");
        assert!(
            args[5].contains("four") || shown.contains("% "),
            "{shown:?}"
        );
        // And the line is gone.
        assert!(shown.ends_with("\r\u{1b}[Kdone\r\n"), "{shown:?}");
    }
}
