//! `lockgate env remove`, and entries that only Lockgate understands.

use std::fs;
use std::path::Path;

use crate::support::{Done, done, lockgate, ok};

fn run(home: &Path, args: &[&str]) -> Done {
    let mut command = lockgate(args);
    command.env("LOCKGATE_HOME", home).current_dir("/");
    done(command.output().expect("runs"))
}

fn file(home: &Path) -> String {
    fs::read_to_string(home.join("environments.toml")).expect("there")
}

/// The file afterwards, and what was said.
fn removed(before: &str, name: &str) -> (String, String) {
    let home = tempfile::tempdir().expect("a directory");
    fs::write(home.path().join("environments.toml"), before).expect("written");
    let said = ok(run(home.path(), &["env", "remove", name]));
    (file(home.path()), said)
}

const BEFORE: &str = "\
# ours
default = \"b\" # for now

# the first
# of them
[[environments]]
id = \"a\"   # by a program
program = \"ssh\"
[environments.env]
A = \"b\"

# about all that follow

# the second
[[environments]]
id = \"b\"
url = \"ws://h\" # old

# the third
[[environments]]
id = \"c\"
url = \"ws://i\"

# the end
";

#[test]
fn one_that_is_removed_leaves_everything_else_as_it_is() {
    let (after, said) = removed(BEFORE, "a");
    let first = "# the first\n# of them\n[[environments]]\nid = \"a\"   # by a program\nprogram = \"ssh\"\n[environments.env]\nA = \"b\"\n\n";
    assert_eq!(after, BEFORE.replace(first, ""));
    assert!(
        said.starts_with("a is removed from ") && !said.contains("default"),
        "{said}"
    );
    let (after, _) = removed(BEFORE, "c");
    let third = "# the third\n[[environments]]\nid = \"c\"\nurl = \"ws://i\"\n\n";
    assert_eq!(after, BEFORE.replace(third, ""));
    // What is about others stays.
    let (after, said) = removed(BEFORE, "b");
    let second = "# the second\n[[environments]]\nid = \"b\"\nurl = \"ws://h\" # old\n\n";
    let wanted = BEFORE
        .replace(second, "")
        .replace("default = \"b\"", "default = \"none\"");
    assert_eq!(after, wanted);
    assert!(
        said.ends_with("; it was the default, and now there is none\n"),
        "{said}"
    );
}

#[test]
fn the_last_one_can_be_removed_too() {
    let only = "# a remark about the file\n\n# about a\n[[environments]]\nid = 'a'\nurl = 'ws://h'\n# the end\n";
    let (after, _) = removed(only, "a");
    assert_eq!(after, "# a remark about the file\n# the end\n");
    let (after, _) = removed("[[environments]]\nid = 'a'\nurl = 'ws://h'\n", "a");
    assert_eq!(after, "");
}

#[test]
fn what_a_file_begins_with_stays_whatever_is_taken_out_or_made_the_default() {
    let head = "# kept by hand\n";
    let first = "[[environments]]\nid = 'a'\nurl = 'ws://h'\n";
    let second = "[[environments]]\nid = 'b'\nurl = 'ws://i'\n";
    for (before, after) in [
        (
            format!("{head}{first}\n{second}"),
            format!("{head}\n{second}"),
        ),
        (format!("{head}{first}"), head.to_owned()),
        // What an empty line separates from that is about the one below it.
        (
            format!("{head}\n# about a\n{first}\n# about b\n{second}"),
            format!("{head}\n# about b\n{second}"),
        ),
    ] {
        assert_eq!(removed(&before, "a").0, after);
    }
    let home = tempfile::tempdir().expect("a directory");
    let place = home.path().join("environments.toml");
    let add = ["env", "add", "b", "--url", "ws://i", "--default"];
    for (before, begins) in [
        (
            format!("{head}\n# about a\n{first}"),
            format!("{head}\ndefault = \"b\"\n\n# about a\n{first}"),
        ),
        (
            format!("{head}{first}"),
            format!("default = \"b\"\n\n{head}{first}"),
        ),
        (head.to_owned(), format!("{head}\ndefault = \"b\"\n\n")),
    ] {
        fs::write(&place, before).expect("written");
        ok(run(home.path(), &add));
        let after = file(home.path());
        assert!(after.starts_with(&begins), "{after}");
    }
}

#[test]
fn what_is_not_there_cannot_be_removed() {
    let home = tempfile::tempdir().expect("a directory");
    let home = home.path();
    let refused = |name: &str, says: &str| {
        let done = run(home, &["env", "remove", name]);
        assert_eq!(done.code, Some(2), "{done:?}");
        assert!(done.err.contains(says), "{done:?}");
    };
    refused("a", "and so no environment a in it");
    ok(run(home, &["env", "add", "b", "--url", "ws://h"]));
    let before = file(home);
    refused("a", "has no environment a; there are b");
    refused("local", "environment id `local` is reserved");
    assert_eq!(file(home), before);
    fs::write(
        home.join("environments.toml"),
        "environments = [{ id = 'b', url = 'ws://h' }]\n",
    )
    .expect("written");
    refused("b", "is written in one line");
}

#[test]
fn an_executor_behind_a_registry_is_named_in_a_file_of_our_own() {
    let home = tempfile::tempdir().expect("a directory");
    let home = home.path();
    let add = [
        "env",
        "add",
        "far",
        "--remote",
        "https://me:SECRET@h/x",
        "--environment-id",
        "box",
    ];
    let with = |more: &[&'static str]| [&add[..], more].concat();
    ok(run(
        home,
        &with(&["--token-file", "t", "--connect-timeout", "3"]),
    ));
    let text = file(home);
    for line in [
        "remote = \"https://me:SECRET@h/x\"",
        "environment_id = \"box\"",
        "token_file = \"/t\"",
        "connect_timeout_sec = 3.0",
    ] {
        assert!(text.contains(line), "{text}");
    }
    let said = ok(run(home, &["env", "list"]));
    assert!(said.contains("  far    box at https://h/x\n"), "{said}");
    // The other kind of token takes the place of the first, and the same again changes nothing.
    let again = with(&[
        "--replace",
        "--token-command",
        "pass SECRET",
        "--remote-transport",
        "direct",
    ]);
    ok(run(home, &again));
    assert!(!file(home).contains("token_file") && file(home).contains("connect_timeout_sec = 3.0"));
    let said = ok(run(home, &again));
    assert!(said.contains("stays as it is"), "{said}");
    let list = ok(run(home, &["env", "list", "--json"]));
    assert!(
        !list.contains("SECRET") && list.contains("\"remoteTransport\": \"direct\""),
        "{list}"
    );
    // It is a URL then, and nothing else.
    ok(run(
        home,
        &["env", "add", "far", "--replace", "--url", "ws://h"],
    ));
    let text = file(home);
    assert!(
        !text.contains("remote") && !text.contains("token") && !text.contains("environment_id"),
        "{text}"
    );
    for (args, says) in [
        (&with(&[])[..], "required arguments"),
        (
            &[
                "env",
                "add",
                "x",
                "--remote",
                "https://h",
                "--token-file",
                "t",
            ],
            "--environment-id",
        ),
        (
            &with(&["--token-file", "t", "--url", "ws://h"]),
            "cannot be used with",
        ),
        (
            &[
                "env",
                "add",
                "x",
                "--remote",
                "ws://h",
                "--environment-id",
                "box",
                "--token-file",
                "t",
            ],
            "must use http:// or https://",
        ),
    ] {
        let done = run(home, args);
        assert!(done.code == Some(2) && done.err.contains(says), "{done:?}");
    }
}

#[test]
fn a_file_that_others_read_gets_nothing_that_they_would_refuse() {
    let home = tempfile::tempdir().expect("a directory");
    let add = [
        "env",
        "add",
        "far",
        "--remote",
        "https://h",
        "--environment-id",
        "box",
        "--token-file",
        "t",
    ];
    let mut command = lockgate(&add);
    command
        .env_remove("LOCKGATE_HOME")
        .env("CODEX_HOME", home.path());
    let done = done(command.output().expect("runs"));
    assert_eq!(done.code, Some(2), "{done:?}");
    assert!(done.err.contains("set LOCKGATE_HOME"), "{done:?}");
    assert!(!home.path().join("environments.toml").exists());
}
