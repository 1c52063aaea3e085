//! `fs put` and `append` of what is too large for one message.

use std::fs::File;
use std::path::Path;

use crate::support::{Done, LOCKGATE, done, lockgate, ok, place, run_in};

const LARGE: u64 = 50_000_000;

/// Runs it where no file can become larger than some ten million bytes: the nearest to a full disk that needs no disk.
fn run_short_of_room(dir: &Path, args: &[&str], stdin: Option<File>) -> Done {
    let lockgate = lockgate(&[]);
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "ulimit -f 40000; exec \"$0\" \"$@\"", LOCKGATE]);
    command.args(args).current_dir(dir);
    for (name, value) in lockgate.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    if let Some(stdin) = stdin {
        command.stdin(stdin);
    }
    done(command.output().expect("runs"))
}

#[test]
fn a_large_file_that_arrives_in_part_says_what_is_left() {
    let dir = place();
    let at = dir.path();
    std::fs::write(at.join("large"), vec![b'x'; LARGE as usize]).expect("written");
    let len = |name: &str| std::fs::metadata(at.join(name)).expect("there").len();
    let ends = |done: &Done, text: &str| {
        assert_eq!(done.code, Some(1), "{done:?}");
        assert!(done.err.starts_with("lockgate: a/"), "{done:?}");
        assert!(done.err.ends_with(&format!("{text}\n")), "{done:?}");
    };
    for profile in [&[][..], &["--write", "a"]] {
        let put = |local, path, stdin| {
            let args = [&["fs", "put"], profile, &[local, path]].concat();
            run_short_of_room(at, &args, stdin)
        };
        std::fs::write(at.join("a/one"), "old").expect("written");
        let done = put("large", "a/one", None);
        let holds = len("a/one");
        assert!(holds > 3 && holds < LARGE, "{holds}");
        let gone = format!("; the file's old contents are gone; it holds {holds} of {LARGE} bytes");
        ends(&done, &gone);
        // One that was not there lost nothing, and of a stream nobody knows the length.
        let done = put("large", "a/new", None);
        ends(
            &done,
            &format!("; it holds {} of {LARGE} bytes", len("a/new")),
        );
        assert!(!done.err.contains("gone"), "{done:?}");
        std::fs::remove_file(at.join("a/new")).expect("removed");
        let stdin = File::open(at.join("large")).expect("there");
        let done = put("-", "a/new", Some(stdin));
        ends(&done, &format!("; it holds {} bytes", len("a/new")));
        std::fs::remove_file(at.join("a/new")).expect("removed");
        // What cannot be opened is as it was.
        std::fs::create_dir_all(at.join("a/d/large")).expect("made");
        let done = put("large", "a/d", None);
        assert_eq!(done.code, Some(1), "{done:?}");
        assert!(!done.err.contains("holds"), "{done:?}");
        // What is added to keeps what it had.
        std::fs::write(at.join("a/two"), "old").expect("written");
        let args = [&["fs", "append"], profile, &["large", "a/two"]].concat();
        let done = run_short_of_room(at, &args, None);
        ends(&done, &format!(" of {LARGE} bytes were added to the file"));
        assert!(len("a/two") > 3, "{done:?}");
        let begins = std::fs::read(at.join("a/two")).expect("there");
        assert!(begins.starts_with(b"old"));
        // With enough room the same goes through.
        let args = [&["fs", "put"], profile, &["large", "a/one"]].concat();
        assert_eq!(ok(run_in(at, &args)), "");
        assert_eq!(len("a/one"), LARGE);
    }
}
