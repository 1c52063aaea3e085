//! `fs get` and `fs put` of directories that are not for all.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use crate::cuts::{Way, noise};
use crate::support::{Server, done, lockgate, ok};

#[test]
fn a_directory_that_is_made_is_open_to_no_more_than_the_one_that_it_is_made_for() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |path: &str| dir.path().canonicalize().expect("there").join(path);
    fs::create_dir(at("from")).expect("made");
    fs::write(at("from/f"), "x").expect("written");
    fs::set_permissions(at("from"), Permissions::from_mode(0o710)).expect("set");
    let server = Server::started(lockgate(&["serve"]));
    for (number, args) in [
        &["fs", "get", "--recursive"][..],
        &["fs", "get", "--recursive", "--resume"],
        &["fs", "put", "--recursive"],
        &["fs", "put", "--recursive", "--resume"],
    ]
    .into_iter()
    .enumerate()
    {
        let (new, old) = (at(&format!("new{number}")), at(&format!("old{number}")));
        fs::create_dir(&old).expect("made");
        fs::set_permissions(&old, Permissions::from_mode(0o775)).expect("set");
        for (to, wanted) in [(&new, 0o710), (&old, 0o775)] {
            let mut command = lockgate(args);
            command.args(["--url", &server.url]).arg(at("from")).arg(to);
            ok(done(command.output().expect("runs")));
            assert_eq!(fs::read(to.join("f")).expect("there"), b"x", "{args:?}");
            let mode = fs::metadata(to).expect("there").permissions().mode() & 0o7777;
            assert_eq!(mode, wanted, "{args:?}: {mode:o}");
        }
    }
}

#[test]
fn a_directory_in_a_tree_is_open_to_no_more_while_it_is_transferred() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |path: &str| dir.path().canonicalize().expect("there").join(path);
    fs::create_dir_all(at("from/p/q")).expect("made");
    fs::write(at("from/p/key"), "k").expect("written");
    fs::write(at("from/p/q/zz"), vec![7; 48 << 20]).expect("written");
    for (path, mode) in [("from", 0o755), ("from/p", 0o700), ("from/p/q", 0o510)] {
        fs::set_permissions(at(path), Permissions::from_mode(mode)).expect("set");
    }
    let server = Server::started(lockgate(&["serve"]));
    for (number, args) in [
        &["fs", "get"][..],
        &["fs", "get", "--resume"],
        &["fs", "put", "--recursive"],
        &["fs", "put", "--recursive", "--resume"],
    ]
    .into_iter()
    .enumerate()
    {
        let to = at(&format!("new{number}"));
        let mut command = lockgate(args);
        command
            .args(["--url", &server.url])
            .arg(at("from"))
            .arg(&to);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut running = command.spawn().expect("runs");
        let (mut ended, mut seen) = (None, 0);
        // Until it has ended, and once more.
        while ended.is_none() {
            ended = running.try_wait().expect("asked");
            for (path, most) in [("p", 0o700), ("p/q", 0o710)] {
                if let Ok(found) = fs::metadata(to.join(path)) {
                    let mode = found.permissions().mode() & 0o777;
                    assert_eq!(mode & !most, 0, "{args:?}: {path} {mode:o}");
                    seen += 1;
                }
            }
        }
        let status = running.wait().expect("ended");
        assert!(status.success(), "{args:?}");
        assert!(seen >= 2, "{args:?}");
        let mode = |path| {
            fs::metadata(to.join(path))
                .expect("there")
                .permissions()
                .mode()
        };
        assert_eq!((mode("p") & 0o777, mode("p/q") & 0o777), (0o700, 0o510));
    }
}

#[test]
fn a_secret_that_takes_the_place_of_a_listed_file_arrives_as_one() {
    let server = Server::started(lockgate(&["serve"]));
    for direction in ["get", "put"] {
        let dir = tempfile::tempdir().expect("a directory");
        let at = |path: &str| dir.path().canonicalize().expect("there").join(path);
        fs::create_dir_all(at("from/d")).expect("made");
        // Files come before directories, and not all of them at once.
        for number in 0..40 {
            fs::write(at(&format!("from/{number}")), noise(number, 100_000)).expect("written");
        }
        fs::write(at("from/d/key"), "for all").expect("written");
        fs::set_permissions(at("from/d/key"), Permissions::from_mode(0o644)).expect("set");
        let (key, new) = (at("from/d/key"), at("from/new"));
        let then = move || {
            fs::write(&new, "a secret that is longer").expect("written");
            fs::set_permissions(&new, Permissions::from_mode(0o600)).expect("set");
            fs::rename(&new, &key).expect("renamed");
            false
        };
        // All was listed when the first contents come.
        let way = Way::to(&server, 500_000, Box::new(then));
        let mut command = lockgate(&["fs", direction, "-r", "--resume", "--url", &way.url]);
        command.arg(at("from")).arg(at("to"));
        let sent = done(command.output().expect("runs"));
        assert_eq!(sent.code, Some(0), "{sent:?}");
        let arrived = at("to/d/key");
        let text = fs::read_to_string(&arrived).expect("there");
        assert_eq!(text, "a secret that is longer", "{direction}");
        let mode = fs::metadata(&arrived).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{direction}: {mode:o}");
    }
}
