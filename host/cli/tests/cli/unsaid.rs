//! Files that say another length than they have, as those of /proc and /sys, by every way that `fs put` and `fs get` have.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::support::{Server, done, lockgate, ok};

/// Those of the first say that they are empty, those of the second that they have a page.
const SOURCES: [&str; 2] = [
    "/proc/sys/fs/inotify",
    "/sys/devices/system/cpu/cpu0/topology",
];

fn contents(directory: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(directory).expect("there");
    let text = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.expect("there");
        let name = entry.file_name().into_string().expect("text");
        (name, fs::read_to_string(entry.path()).expect("readable"))
    };
    entries.map(text).collect()
}

#[test]
fn files_whose_length_says_nothing_arrive_with_what_they_hold() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |path: &str| dir.path().canonicalize().expect("there").join(path);
    let server = Server::start(&[]);
    for args in [
        &["get", "-r"][..],
        &["get", "-r", "--resume"],
        &["put", "-r"],
        &["put", "-r", "--resume"],
    ] {
        for from in SOURCES {
            let wanted = contents(Path::new(from));
            assert!(wanted.values().all(|text| !text.is_empty()), "{wanted:?}");
            let to = at("to");
            for _ in 0..2 {
                let mut command = lockgate(&[&["fs"], args].concat());
                command.args(["--url", &server.url]).arg(from).arg(&to);
                let run = done(command.output().expect("runs"));
                assert_eq!(
                    (run.code, run.err.as_str()),
                    (Some(0), ""),
                    "{args:?} {from}"
                );
                assert_eq!(contents(&to), wanted, "{args:?}");
            }
            fs::remove_dir_all(&to).expect("removed");
        }
    }
}

#[test]
fn one_alone_arrives_too_and_what_is_wrong_with_it_is_said_of_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |path: &str| dir.path().canonicalize().expect("there").join(path);
    let server = Server::start(&[]);
    let run = |args: &[&str], from: &str, to: &Path| {
        let mut command = lockgate(&[&["fs"], args].concat());
        command.args(["--url", &server.url]).arg(from).arg(to);
        done(command.output().expect("runs"))
    };
    let version = fs::read("/proc/version").expect("there");
    for args in [
        &["get"][..],
        &["get", "--resume"],
        &["put"],
        &["put", "--resume"],
    ] {
        ok(run(args, "/proc/version", &at("version")));
        assert!(fs::read(at("version")).expect("there") == version);
        fs::remove_file(at("version")).expect("removed");
    }
    // It has more than is held in memory.
    for direction in ["get", "put"] {
        let long = run(&[direction, "--resume"], "/proc/kallsyms", &at("long"));
        assert_eq!(long.code, Some(1), "{long:?}");
        let wanted = "/proc/kallsyms: it has more than its size says";
        assert!(long.err.contains(wanted), "{direction}: {long:?}");
        assert!(!at("long").exists());
        ok(run(&[direction], "/proc/kallsyms", &at("long")));
        let (there, here) = (fs::metadata(at("long")), fs::read("/proc/kallsyms"));
        assert_eq!(
            there.expect("there").len(),
            here.expect("read").len() as u64
        );
        fs::remove_file(at("long")).expect("removed");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_left_out_and_what_comes_after_it_arrives() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |path: &str| dir.path().canonicalize().expect("there").join(path);
    let server = Server::start(&[]);
    let run = |args: &[&str], from: &str, to: &Path| {
        let mut command = lockgate(&[&["fs"], args].concat());
        command.args(["--url", &server.url]).arg(from).arg(to);
        done(command.output().expect("runs"))
    };
    for (number, args) in [
        &["get", "-r"][..],
        &["get", "-r", "--resume"],
        &["put", "-r"],
        &["put", "-r", "--resume"],
    ]
    .into_iter()
    .enumerate()
    {
        // `stable_secret` gives an error as long as nobody has set it: EIO, or EACCES to those who may not open it.
        let to = at(&number.to_string());
        let sent = run(args, "/proc/sys/net/ipv6/conf/lo", &to);
        assert_eq!(sent.code, Some(1), "{args:?}: {sent:?}");
        assert!(sent.err.contains("lockgate: stable_secret: "), "{sent:?}");
        assert!(sent.err.contains("1 left out; "), "{sent:?}");
        let wanted = fs::read_dir("/proc/sys/net/ipv6/conf/lo").expect("there");
        let arrived = fs::read_dir(&to).expect("there").count();
        assert_eq!(arrived, wanted.count() - 1, "{args:?}");
    }
    // Nothing is mapped at its beginning.
    for args in [&["get", "--resume"], &["put", "--resume"]] {
        let sent = run(args, "/proc/self/mem", &at("mem"));
        assert_eq!(sent.code, Some(1), "{sent:?}");
        assert!(sent.err.contains("(os error 5)"), "{sent:?}");
        assert!(!sent.err.contains("goes on"), "{args:?}: {sent:?}");
    }
}
