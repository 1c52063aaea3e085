//! Files that become shorter while they travel: named once, counted once, and the exit code says that something was left out.

use std::fs::{self, OpenOptions};
use std::path::Path;

use crate::cuts::{Way, noise};
use crate::support::{Done, Server, done, lockgate};

/// Runs it, and cuts the file once so many bytes have come through.
fn shortened(server: &Server, args: &[&str], file: &Path, [from, to]: [&Path; 2]) -> Done {
    let cut = file.to_owned();
    let then = move || {
        let file = OpenOptions::new().write(true).open(&cut).expect("there");
        file.set_len(12_000_000).expect("cut");
        false
    };
    let way = Way::to(server, 2_000_000, Box::new(then));
    let mut command = lockgate(&[&["fs"], args].concat());
    command.args(["--url", &way.url]).arg(from).arg(to);
    done(command.output().expect("runs"))
}

#[test]
fn a_file_that_becomes_shorter_is_told_once_and_counts_as_left_out() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |path: &str| dir.path().canonicalize().expect("there").join(path);
    fs::create_dir(at("from")).expect("made");
    let server = Server::start(&[]);
    // One that is sent alone in blocks has more than fits into a message.
    let contents = noise(1, 55 << 20);
    for (number, (args, alone)) in [
        (&["get", "-r"][..], false),
        (&["put", "-r"], false),
        (&["get"], true),
        (&["put"], true),
        (&["get", "-r", "--resume"], false),
        (&["put", "-r", "--resume"], false),
        (&["get", "--resume"], true),
        (&["put", "--resume"], true),
    ]
    .into_iter()
    .enumerate()
    {
        let (file, to) = (at("from/f"), at(&format!("to{number}")));
        fs::write(&file, &contents).expect("written");
        let from = if alone { &file } else { &at("from") };
        let run = shortened(&server, args, &file, [from, &to]);
        assert_eq!(run.code, Some(1), "{args:?}: {run:?}");
        let arrived = if alone { to } else { to.join("f") };
        let resumes = args.contains(&"--resume");
        let words = match resumes {
            true => "it changed while it was read; run the same command again",
            false => "it became shorter while it was read; ",
        };
        assert_eq!(run.err.matches(words).count(), 1, "{args:?}: {run:?}");
        let summary = "1 left out; 0 files, 0 directories and 0 links arrived";
        assert_eq!(run.err.contains(summary), !alone, "{args:?}: {run:?}");
        assert_eq!(run.err.lines().count(), 2 - usize::from(alone), "{run:?}");
        match resumes {
            true => assert!(!arrived.exists(), "{args:?}"),
            false => {
                let got = fs::read(&arrived).expect("there");
                assert!(got.len() < contents.len(), "{args:?}: {}", got.len());
                assert!(contents.starts_with(&got), "{args:?}");
                let said = format!("{words}{} bytes of it were", got.len());
                assert!(run.err.contains(&said), "{args:?}: {run:?}");
            }
        }
    }
}

#[test]
fn one_that_is_printed_fails_when_what_came_is_printed() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().canonicalize().expect("there").join("f");
    let server = Server::start(&[]);
    let contents = vec![b'x'; 20 << 20];
    for (args, to) in [(&["cat"][..], None), (&["get"], Some("-"))] {
        fs::write(&file, &contents).expect("written");
        let cut = file.clone();
        let then = move || {
            let file = OpenOptions::new().write(true).open(&cut).expect("there");
            file.set_len(12_000_000).expect("cut");
            false
        };
        let way = Way::to(&server, 4_000_000, Box::new(then));
        let mut command = lockgate(&[&["fs"], args].concat());
        command.args(["--url", &way.url]).arg(&file).args(to);
        let run = done(command.output().expect("runs"));
        assert_eq!(run.code, Some(1), "{args:?}: {}", run.err);
        let (came, name) = (run.out.len(), file.display());
        assert!(came >= 12_000_000 && came < contents.len(), "{came}");
        let said = format!(
            "lockgate: {name}: it became shorter while it was read; {came} bytes of it were\n"
        );
        assert_eq!(run.err, said, "{args:?}");
    }
    // What says that it is empty, or has a page, says nothing.
    for path in [
        "/proc/kallsyms",
        "/proc/version",
        "/sys/kernel/mm/transparent_hugepage/enabled",
    ] {
        let Ok(wanted) = fs::read(path) else { continue };
        for args in [&["fs", "cat", path][..], &["fs", "get", path, "-"]] {
            let run = done(lockgate(args).output().expect("runs"));
            assert_eq!((run.code, run.err.as_str()), (Some(0), ""), "{args:?}");
            assert_eq!(run.out.len(), wanted.len(), "{args:?}");
        }
    }
}
