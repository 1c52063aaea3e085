//! `fs get` and `fs put` of directories that are not for all.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

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
