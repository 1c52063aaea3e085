//! Pipes and sockets where `fs put` and `fs get` are given files.

use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::support::{LOCKGATE, done, lockgate, ok, run_in, wait_for};

fn fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("made");
}

#[test]
fn a_pipe_that_is_named_is_read_and_who_watches_is_told_what_is_waited_for() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = dir.path();
    fifo(&at.join("pipe"));
    for (verb, wanted) in [
        ("put", "one"),
        ("append", "oneone"),
        ("put --atomic", "one"),
    ] {
        let script = format!("{LOCKGATE} fs {verb} pipe to; echo done");
        let mut watching = lockgate(&["exec", "--tty", "--", "sh", "-c", &script])
            .current_dir(at)
            .stdout(Stdio::piped())
            .spawn()
            .expect("runs");
        let mut shown = watching.stdout.take().expect("piped");
        wait_for(
            &mut shown,
            "waiting for somebody to write into the pipe `pipe`\r\n",
        );
        std::fs::write(at.join("pipe"), "one").expect("read");
        wait_for(&mut shown, "done\r\n");
        assert!(watching.wait().expect("ends").success());
        assert_eq!(
            std::fs::read_to_string(at.join("to")).expect("there"),
            wanted
        );
    }
    // As shells make them of a command.
    let output = Command::new("sh")
        .args([
            "-c",
            "echo two | \"$0\" fs put /dev/stdin two && echo three | \"$0\" fs put /dev/fd/3 three 3<&0",
            LOCKGATE,
        ])
        .current_dir(at)
        .stdin(Stdio::null())
        .output();
    ok(done(output.expect("runs")));
    for text in ["two", "three"] {
        let found = std::fs::read_to_string(at.join(text)).expect("there");
        assert_eq!(found, format!("{text}\n"));
    }
}

#[test]
fn what_has_no_contents_is_refused_and_in_a_tree_left_out_and_counted() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = dir.path();
    std::fs::create_dir(at.join("tree")).expect("made");
    std::fs::write(at.join("tree/f"), "f").expect("written");
    fifo(&at.join("tree/pipe"));
    let _socket = UnixListener::bind(at.join("tree/socket")).expect("bound");
    for (args, code, message) in [
        (
            &["put", "tree/socket", "to"][..],
            1,
            "`tree/socket` is a socket, which holds nothing",
        ),
        (
            &["put", "--resume", "tree/pipe", "to"],
            2,
            "`tree/pipe` is neither, and cannot be read again",
        ),
        (
            &["put", "-r", "tree/pipe", "to"],
            1,
            "`tree/pipe` is no directory: leave out --recursive\n",
        ),
        (
            &["put", "-r", "--resume", "tree/pipe", "to"],
            1,
            "`tree/pipe` is no directory: leave out --recursive and --resume\n",
        ),
        (
            &["put", "-r", "--resume", "tree/f", "to"],
            1,
            "`tree/f` is no directory: leave out --recursive\n",
        ),
        (
            &["put", "-r", "-", "to"],
            1,
            "`-` is stdin, and no directory: leave out --recursive\n",
        ),
        (&["get", "tree/pipe", "to"], 1, "not a regular file"),
    ] {
        let done = run_in(at, &[&["fs"], args].concat());
        assert_eq!(
            (done.code, &*done.out),
            (Some(code), ""),
            "{args:?} {done:?}"
        );
        assert!(done.err.contains(message), "{args:?} {done:?}");
        assert!(!at.join("to").exists(), "{args:?}");
    }
    for (number, args) in [
        &["put", "-r"][..],
        &["put", "-r", "--resume"],
        &["get"],
        &["get", "--resume"],
    ]
    .into_iter()
    .enumerate()
    {
        let to = format!("to{number}");
        let done = run_in(at, &[&["fs"], args, &["tree", &to]].concat());
        assert_eq!(done.code, Some(1), "{args:?} {done:?}");
        let end = "2 left out; 1 file, 0 directories and 0 links arrived\n";
        assert!(done.err.ends_with(end), "{args:?} {done:?}");
        for name in ["pipe", "socket"] {
            let line = format!("lockgate: {name}: neither a file");
            assert!(done.err.contains(&line), "{args:?} {done:?}");
        }
        let found = std::fs::read_to_string(at.join(to).join("f")).expect("there");
        assert_eq!(found, "f");
    }
}
