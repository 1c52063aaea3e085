//! `fs get --resume` and `fs put --resume` into directories that their owner may not change, for somebody to whom that means something: not root.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::support::{Server, done, lockgate, ok};

/// Nobody, where we are root.
const NOBODY: u32 = 65_534;

fn as_nobody(command: &mut Command, home: &Path) {
    command.env("HOME", home);
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
}

fn closed(path: &Path) {
    fs::set_permissions(path, Permissions::from_mode(0o555)).expect("set");
}

fn open(path: &Path) {
    fs::set_permissions(path, Permissions::from_mode(0o755)).expect("set");
}

#[test]
fn what_is_new_in_a_directory_that_is_closed_to_its_owner_arrives_and_it_is_closed_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |path: &str| dir.path().canonicalize().expect("there").join(path);
    open(dir.path());
    fs::create_dir_all(at("from/closed/within")).expect("made");
    for name in ["to", "home"] {
        fs::create_dir(at(name)).expect("made");
        if rustix::process::geteuid().is_root() {
            chown(at(name), Some(NOBODY), Some(NOBODY)).expect("given");
        }
    }
    let mut serve = lockgate(&["serve"]);
    as_nobody(&mut serve, &at("home"));
    let server = Server::started(serve);
    for verb in ["get", "put"] {
        let to = at(&format!("to/{verb}"));
        let run = || {
            let args = ["fs", verb, "--recursive", "--resume", "--url", &server.url];
            let mut command = lockgate(&args);
            command.arg(at("from")).arg(&to);
            as_nobody(&mut command, &at("home"));
            ok(done(command.output().expect("runs")));
        };
        for round in 0..3 {
            open(&at("from/closed/within"));
            fs::write(at("from/closed/within/f"), format!("{verb} {round}")).expect("written");
            fs::write(at(&format!("from/closed/within/{verb}{round}")), "new").expect("written");
            closed(&at("from/closed/within"));
            closed(&at("from/closed"));
            run();
            let text = fs::read_to_string(to.join("closed/within/f")).expect("there");
            assert_eq!(text, format!("{verb} {round}"));
            for path in ["closed", "closed/within"] {
                let mode = fs::metadata(to.join(path)).expect("there").permissions();
                assert_eq!(mode.mode() & 0o777, 0o555, "{path}");
            }
        }
    }
    // So that it can be removed by whoever runs this.
    for path in ["from/closed", "to/get/closed", "to/put/closed"] {
        open(&at(path));
        open(&at(&format!("{path}/within")));
    }
}
