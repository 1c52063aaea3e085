//! What cannot be copied, sent or fetched of a directory: it is named, all else arrives, and the exit code says that something was left out.

use std::fs;
use std::os::unix::net::UnixListener;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::support::{LOCKGATE, done, ok, run_in};

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

#[test]
fn a_file_that_cannot_be_read_is_named_and_all_else_is_copied() {
    let dir = tempfile::tempdir().expect("a directory");
    // It gives an error as long as nobody has set it: EIO, or EACCES to those who may not open it.
    let from = "/proc/sys/net/ipv6/conf/lo";
    let wanted = fs::read_dir(from).expect("there").count();
    let copied = run_in(dir.path(), &["fs", "cp", "-r", from, "to"]);
    assert_eq!(copied.code, Some(1), "{copied:?}");
    let mut lines = copied.err.lines();
    let first = lines.next().unwrap_or_default();
    assert!(first.starts_with("lockgate: stable_secret: "), "{copied:?}");
    assert_eq!(
        lines.collect::<Vec<_>>(),
        ["lockgate: 1 left out; all else was copied"]
    );
    let arrived = fs::read_dir(dir.path().join("to")).expect("there");
    let arrived = arrived.filter(|entry| {
        let name = entry.as_ref().expect("there").file_name();
        name != "stable_secret"
    });
    assert_eq!(arrived.count(), wanted - 1);
}

#[test]
fn a_full_disk_ends_a_copy_with_the_name_of_the_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |path: &str| dir.path().join(path);
    fs::create_dir_all(at("from/d")).expect("made");
    fs::create_dir(at("disk")).expect("made");
    fs::write(at("from/d/large"), vec![b'x'; 3 << 20]).expect("written");
    fs::write(at("from/small"), "new").expect("written");
    let mut command = std::process::Command::new("unshare");
    command.args(["--mount", "--propagation", "private"]);
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    let script = r#"mount -t tmpfs -o size=1m test disk || exit 9
        "$1" fs cp -r from disk/to; echo "$?"; cat disk/to/small"#;
    command.args(["sh", "-c", script, "sh", LOCKGATE]);
    command.env("LOCKGATE_CONFIG", "").current_dir(dir.path());
    let done = done(command.output().expect("runs"));
    assert_eq!(done.out, "1\nnew", "{done:?}");
    let wanted = "lockgate: from to disk/to: d/large: No space left on device";
    assert!(done.err.starts_with(wanted), "{done:?}");
    assert_eq!(done.err.lines().count(), 1, "{done:?}");
}
