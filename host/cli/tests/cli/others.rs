//! What is neither a file nor a directory nor a link, where directories are copied, sent and fetched.

use std::fs;
use std::os::unix::net::UnixListener;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::support::{ok, run_in};

#[test]
fn pipes_and_sockets_are_named_and_left_out_by_each_way_that_directories_go() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |path: &str| dir.path().join(path);
    fs::create_dir_all(at("from/d/e")).expect("made");
    fs::write(at("from/d/f"), "x").expect("written");
    let pipe = at("from/d/e/pipe");
    mknodat(CWD, pipe, FileType::Fifo, Mode::RUSR, 0).expect("made");
    let _socket = UnixListener::bind(at("from/socket")).expect("made");
    for (number, args) in [
        &["cp", "-r"][..],
        &["cp", "-r", "--write", "."],
        &["get", "-r"],
        &["get", "-r", "--resume"],
        &["put", "-r"],
        &["put", "-r", "--resume"],
    ]
    .into_iter()
    .enumerate()
    {
        let to = format!("to{number}");
        let done = run_in(dir.path(), &[&["fs"], args, &["from", &to]].concat());
        assert_eq!(done.code, Some(1), "{args:?}: {done:?}");
        for name in ["d/e/pipe", "socket"] {
            let said = format!("lockgate: {name}: neither a file nor a directory nor a link\n");
            assert_eq!(done.err.matches(&said).count(), 1, "{args:?}: {done:?}");
        }
        assert!(done.err.contains("2 left out; "), "{done:?}");
        assert_eq!(done.err.lines().count(), 3, "{args:?}: {done:?}");
        assert!(at(&to).join("d/f").exists() && at(&to).join("d/e").exists());
    }
    // What has none of them is copied in silence.
    fs::remove_file(at("from/d/e/pipe")).expect("removed");
    assert_eq!(
        ok(run_in(dir.path(), &["fs", "cp", "-r", "from/d", "new"])),
        ""
    );
}
