//! `lockgate env add`: what is written into the file, and what stays as it is.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::environments::{file, json, refused, run};
use crate::support::{done, lockgate, ok};

#[test]
fn adding_leaves_remarks_and_everything_else_as_they_are() {
    let home = tempfile::tempdir().expect("a directory");
    let home = home.path();
    let before = "# ours\ndefault = \"a\" # for now\n\n[[environments]]\nid = \"a\"   # the first\nurl = \"ws://h\" # old\n# tuned\nconnect_timeout_sec = 2.5\n\n# the end\n";
    fs::write(home.join("environments.toml"), before).expect("written");
    ok(run(home, &["env", "add", "b", "--", "ssh", "b"]));
    let after = file(home);
    assert!(after.starts_with(before), "{after}");
    let said = ok(run(
        home,
        &[
            "env",
            "add",
            "a",
            "--replace",
            "--url",
            "ws://new",
            "--default",
        ],
    ));
    assert!(
        said.starts_with("a takes the place of the one before in "),
        "{said}"
    );
    assert_eq!(file(home), after.replace("ws://h", "ws://new"));
    let said = ok(run(
        home,
        &["env", "add", "a", "--replace", "--url", "ws://new"],
    ));
    assert!(said.contains("stays as it is"), "{said}");
    // What goes with a URL only is not left with a program.
    ok(run(
        home,
        &["env", "add", "a", "--replace", "--", "ssh", "a"],
    ));
    assert!(!file(home).contains("connect_timeout_sec") && file(home).contains("# the first"));
    let list = json(home, &["env", "list", "--json"]);
    assert_eq!(list["environments"][0]["program"], "ssh");
}

#[test]
fn a_first_default_stands_apart_from_what_follows_it() {
    for (before, after) in [
        ("", "default = \"b\"\n\n[[environments]]\nid = \"b\"\n"),
        (
            "[[environments]]\nid = \"a\"\nurl = \"ws://h\"\n",
            "default = \"b\"\n\n[[environments]]\nid = \"a\"\nurl = \"ws://h\"\n\n[[environments]]\nid = \"b\"\n",
        ),
        (
            "# the first\n[[environments]]\nid = \"a\"\nurl = \"ws://h\"\n",
            "default = \"b\"\n\n# the first\n[[environments]]\nid = \"a\"\nurl = \"ws://h\"\n\n[[environments]]\nid = \"b\"\n",
        ),
        (
            "include_local = true\n\n[[environments]]\nid = \"a\"\nurl = \"ws://h\"\n",
            "include_local = true\ndefault = \"b\"\n\n[[environments]]\nid = \"a\"\nurl = \"ws://h\"\n\n[[environments]]\nid = \"b\"\n",
        ),
    ] {
        let home = tempfile::tempdir().expect("a directory");
        let home = home.path();
        if !before.is_empty() {
            fs::write(home.join("environments.toml"), before).expect("written");
        }
        ok(run(
            home,
            &["env", "add", "b", "--url", "ws://h", "--default"],
        ));
        assert_eq!(file(home), format!("{after}url = \"ws://h\"\n"));
    }
}

#[test]
fn what_is_wrong_is_not_written() {
    let home = tempfile::tempdir().expect("a directory");
    let home = home.path();
    ok(run(home, &["env", "add", "a", "--url", "ws://h"]));
    let before = file(home);
    for (args, message) in [
        (
            &["a", "--url", "ws://other"][..],
            "has an environment a already: --replace",
        ),
        (
            &["b", "--url", "http://h"],
            "environment url `http://h` must use ws:// or wss://",
        ),
        (
            &["local", "--url", "ws://h"],
            "environment id `local` is reserved",
        ),
        (
            &["b.c", "--url", "ws://h"],
            "must contain only ASCII letters",
        ),
        (&["b", "--", " "], "environment `b` program cannot be empty"),
    ] {
        refused(run(home, &[&["env", "add"], args].concat()), 2, message);
        assert_eq!(file(home), before);
    }
    // A file that is wrong already is not made worse.
    for (text, message) in [
        ("defualt = 'a'\n", "unknown field `defualt`"),
        (
            "default = 'c'\n",
            "default environment `c` is not configured",
        ),
        (
            "environments = [{ id = 'a', url = 'ws://h' }]\n",
            "is written in one line",
        ),
    ] {
        fs::write(home.join("environments.toml"), text).expect("written");
        let done = run(home, &["env", "add", "b", "--url", "ws://h"]);
        assert!(
            done.code == Some(2) && done.err.contains(message),
            "{done:?}"
        );
        assert!(!done.err.ends_with("\n\n"), "{done:?}");
        assert_eq!(file(home), text);
    }
    assert_eq!(
        fs::read_dir(home).expect("there").count(),
        1,
        "nothing is left behind"
    );
}

#[test]
fn a_time_in_which_nothing_can_be_done_is_refused() {
    let home = tempfile::tempdir().expect("a directory");
    for timeout in ["--connect-timeout", "--initialize-timeout"] {
        let done = run(
            home.path(),
            &["env", "add", "a", "--url", "ws://h", timeout, "0"],
        );
        assert_eq!(done.code, Some(2), "{done:?}");
        assert!(done.err.contains("nothing is done in no time"), "{done:?}");
        for wrong in ["2e19", "nan", "soon"] {
            let timeout = format!("{timeout}={wrong}");
            let done = run(
                home.path(),
                &["env", "add", "a", "--url", "ws://h", &timeout],
            );
            assert_eq!(done.code, Some(2), "{done:?}");
            let expected = "expected seconds, a number from 0 to 1.8e19";
            assert!(done.err.contains(expected), "{done:?}");
        }
    }
    assert!(!home.path().join("environments.toml").exists());
}

#[test]
fn a_link_stays_and_what_it_leads_to_is_written() {
    let (home, real) = (
        tempfile::tempdir().expect("a directory"),
        tempfile::tempdir().expect("a directory"),
    );
    let target = real.path().join("shared.toml");
    fs::write(&target, "# shared\n").expect("written");
    fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).expect("set");
    let link = home.path().join("environments.toml");
    std::os::unix::fs::symlink(&target, &link).expect("linked");
    ok(run(home.path(), &["env", "add", "a", "--url", "ws://h"]));
    assert!(link.symlink_metadata().expect("there").is_symlink());
    assert!(
        fs::read_to_string(&target)
            .expect("there")
            .starts_with("# shared\n")
    );
    let mode = fs::metadata(&target).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
}

#[test]
fn of_many_who_add_at_once_nobody_is_lost() {
    let home = tempfile::tempdir().expect("a directory");
    let children: Vec<_> = (0..12)
        .map(|number| {
            let id = format!("e{number}");
            let mut command = lockgate(&["env", "add", &id, "--url", "ws://h"]);
            command.env("LOCKGATE_HOME", home.path());
            command.spawn().expect("runs")
        })
        .collect();
    for child in children {
        ok(done(child.wait_with_output().expect("ends")));
    }
    let list = json(home.path(), &["env", "list", "--json"]);
    assert_eq!(list["environments"].as_array().expect("all").len(), 13);
}

#[test]
fn a_first_file_takes_the_place_of_a_variable_and_says_so() {
    let home = tempfile::tempdir().expect("a directory");
    let mut command = lockgate(&["env", "add", "a", "--url", "ws://h"]);
    command
        .env("LOCKGATE_HOME", home.path())
        .env("LOCKGATE_URL", "ws://old");
    let said = done(command.output().expect("runs"));
    assert!(
        said.err.contains("LOCKGATE_URL is not looked at any more"),
        "{said:?}"
    );
}
