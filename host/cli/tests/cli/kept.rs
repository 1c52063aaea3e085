//! What directories keep that are sent or fetched: the same with `--resume` and without.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::support::{Server, done, lockgate, ok};

const WAYS: [&[&str]; 4] = [
    &["fs", "get", "--recursive"],
    &["fs", "get", "--recursive", "--resume"],
    &["fs", "put", "--recursive"],
    &["fs", "put", "--recursive", "--resume"],
];

fn looks(path: &Path, mode: u32, seconds: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let opened = fs::File::open(path).expect("there");
    opened.set_modified(time).expect("set");
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("set");
}

fn found(path: &Path) -> (u32, i64) {
    let found = fs::metadata(path).expect("there");
    (found.mode() & 0o7777, found.mtime())
}

#[test]
fn bits_and_times_are_the_sources_but_for_a_directory_that_was_there() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |path: &str| dir.path().canonicalize().expect("there").join(path);
    fs::create_dir_all(at("from/d")).expect("made");
    fs::write(at("from/d/f"), "x").expect("written");
    // More than a new one gets, and less.
    looks(&at("from/d/f"), 0o646, 1_000_000_001);
    looks(&at("from/d"), 0o731, 1_000_000_002);
    looks(&at("from"), 0o737, 1_000_000_003);
    let server = Server::start(&[]);
    for (number, args) in WAYS.into_iter().enumerate() {
        let (new, old) = (at(&format!("new{number}")), at(&format!("old{number}")));
        fs::create_dir_all(old.join("d")).expect("made");
        fs::write(old.join("d/f"), "older").expect("written");
        looks(&old, 0o775, 1_000_000_004);
        for to in [&new, &old] {
            for profile in [None, Some(["--write", dir.path().to_str().expect("text")])] {
                if profile.is_some() && to == &new {
                    fs::remove_dir_all(to).expect("removed");
                }
                let mut command = lockgate(args);
                command.args(profile.into_iter().flatten());
                command.args(["--url", &server.url]).arg(at("from")).arg(to);
                ok(done(command.output().expect("runs")));
                assert_eq!(found(&to.join("d/f")), (0o646, 1_000_000_001), "{args:?}");
                assert_eq!(found(&to.join("d")), (0o731, 1_000_000_002), "{args:?}");
                match to == &new {
                    true => assert_eq!(found(to), (0o737, 1_000_000_003), "{args:?}"),
                    false => assert_eq!(found(to).0, 0o775, "{args:?}"),
                }
            }
        }
    }
}

#[test]
fn set_user_id_and_the_like_do_not_travel_and_that_is_said() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |path: &str| dir.path().canonicalize().expect("there").join(path);
    fs::create_dir_all(at("from/d")).expect("made");
    fs::write(at("from/program"), "x").expect("written");
    fs::write(at("from/plain"), "x").expect("written");
    looks(&at("from/program"), 0o6755, 1);
    looks(&at("from/d"), 0o1777, 1);
    looks(&at("from"), 0o2755, 1);
    let server = Server::start(&[]);
    let said = |entries: &str| {
        format!(
            "lockgate: set-user-id, set-group-id and sticky bits do not travel: {entries} without\n"
        )
    };
    for (number, args) in WAYS.into_iter().enumerate() {
        let to = at(&format!("to{number}"));
        let mut command = lockgate(args);
        command
            .args(["--url", &server.url])
            .arg(at("from"))
            .arg(&to);
        let sent = done(command.output().expect("runs"));
        assert_eq!(
            (sent.code, sent.err),
            (Some(0), said("3 entries")),
            "{args:?}"
        );
        assert_eq!(found(&to).0, 0o755, "{args:?}");
        assert_eq!(found(&to.join("program")).0, 0o755, "{args:?}");
        assert_eq!(found(&to.join("d")).0, 0o777, "{args:?}");
    }
    // A single file keeps its bits with --resume only.
    for args in [&["fs", "get", "--resume"], &["fs", "put", "--resume"]] {
        let to = at(args[1]);
        let mut command = lockgate(args);
        command
            .args(["--url", &server.url])
            .arg(at("from/program"))
            .arg(&to);
        let sent = done(command.output().expect("runs"));
        assert_eq!(
            (sent.code, sent.err),
            (Some(0), said("1 entry")),
            "{args:?}"
        );
        assert_eq!(found(&to), (0o755, 1), "{args:?}");
    }
}

#[test]
fn times_before_1970_do_not_travel_and_that_is_said() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |path: &str| dir.path().canonicalize().expect("there").join(path);
    fs::create_dir_all(at("from/d")).expect("made");
    let early = SystemTime::UNIX_EPOCH - Duration::from_millis(1500);
    for name in ["from/f", "from/plain"] {
        fs::write(at(name), "x").expect("written");
    }
    looks(&at("from/plain"), 0o644, 1);
    for name in ["from/f", "from/d", "from"] {
        let opened = fs::File::open(at(name)).expect("there");
        opened.set_modified(early).expect("set");
    }
    let server = Server::start(&[]);
    let said = |entries: &str| {
        format!("lockgate: times before 1970 do not travel: {entries} 1970-01-01\n")
    };
    for (number, args) in WAYS.into_iter().enumerate() {
        let to = at(&format!("to{number}"));
        let mut files = Vec::new();
        // Again: what is there is what it can be, and stays.
        for _ in 0..2 {
            let mut command = lockgate(args);
            command
                .args(["--url", &server.url])
                .arg(at("from"))
                .arg(&to);
            let sent = done(command.output().expect("runs"));
            assert_eq!(
                (sent.code, sent.err),
                (Some(0), said("3 entries have")),
                "{args:?}"
            );
            files.push(fs::metadata(to.join("f")).expect("there").ino());
        }
        assert_eq!(files[0], files[1], "{args:?}");
        for name in ["", "d", "f"] {
            assert_eq!(found(&to.join(name)).1, 0, "{args:?} {name}");
        }
        assert_eq!(found(&to.join("plain")).1, 1, "{args:?}");
    }
    for args in [&["fs", "get", "--resume"], &["fs", "put", "--resume"]] {
        let mut command = lockgate(args);
        command.args(["--url", &server.url]);
        command.arg(at("from/f")).arg(at(args[1]));
        let sent = done(command.output().expect("runs"));
        assert_eq!(
            (sent.code, sent.err),
            (Some(0), said("1 entry has")),
            "{args:?}"
        );
    }
}
