//! Where relative paths begin: here, or with an executor somewhere else in the directory that it is in, and so do those that deny.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::support::{Done, Server, done, lockgate, ok, place, run_in};

/// A server in one directory, and another one to be in, with names that are in both.
struct Both {
    there: TempDir,
    here: TempDir,
    server: Server,
}

impl Both {
    fn new() -> Both {
        let (there, here) = (place(), place());
        fs::write(there.path().join("a/one"), "there\n").expect("written");
        fs::create_dir(there.path().join("only")).expect("made");
        let mut serve = lockgate(&["serve"]);
        serve.current_dir(there.path());
        Both {
            server: Server::started(serve),
            there,
            here,
        }
    }

    fn run(&self, command: &[&str], args: &[&str]) -> Done {
        let url = ["--url", &self.server.url];
        run_in(self.here.path(), &[command, &url[..], args].concat())
    }

    fn there(&self) -> String {
        let real = self.there.path().canonicalize().expect("exists");
        real.to_str().expect("text").to_owned()
    }
}

#[test]
fn commands_run_in_a_directory_of_the_executor() {
    let both = Both::new();
    let pwd = |cwd: &str| both.run(&["exec"], &["--cwd", cwd, "--", "pwd", "-P"]);
    let there = both.there();
    assert_eq!(ok(pwd("only")), format!("{there}/only\n"));
    assert_eq!(ok(pwd("a/../.")), format!("{there}\n"));
    assert_eq!(ok(pwd("/")), "/\n");
    // What is wrong is told with all of its name.
    let refused = pwd("none");
    assert_eq!(refused.code, Some(125), "{refused:?}");
    let said = format!("lockgate: cannot use cwd {there}/none: ");
    assert!(refused.err.starts_with(&said), "{refused:?}");
}

#[test]
fn files_are_those_of_the_executor_and_local_ones_are_here() {
    let both = Both::new();
    assert_eq!(ok(both.run(&["fs", "cat"], &["a/one"])), "there\n");
    let listed = ok(both.run(&["fs", "ls"], &[]));
    assert!(listed.lines().any(|line| line == "only/"), "{listed}");
    ok(both.run(&["fs", "get"], &["a/one", "got"]));
    let got = fs::read_to_string(both.here.path().join("got"));
    assert_eq!(got.expect("here"), "there\n");
    ok(both.run(&["fs", "put", "--resume"], &["a/two", "only/put"]));
    let put = fs::read_to_string(both.there.path().join("only/put"));
    assert_eq!(put.expect("there"), "22\n");
    ok(both.run(&["fs", "mv"], &["only/put", "a"]));
    assert!(both.there.path().join("a/put").exists());
    let missing = both.run(&["fs", "stat"], &["none"]);
    let says = format!(
        "; relative paths begin in {}, the executor's directory\n",
        both.there()
    );
    assert!(missing.err.ends_with(&says), "{missing:?}");
    let absolute = both.run(&["fs", "stat"], &["/none"]);
    assert!(!absolute.err.contains("relative"), "{absolute:?}");
}

#[test]
fn what_is_granted_and_denied_by_relative_paths_is_so_where_the_executor_is() {
    let both = Both::new();
    let there = both.there();
    let key = format!("{there}/secret/key");
    for denied in [
        &["--read", &there, "--deny", "secret"][..],
        &["--read", &there, "--deny-glob", "secret/**"],
        &["--read", &there, "--deny-glob", "**/key"],
        &["--read", "a"],
    ] {
        let args = [denied, &[&key]].concat();
        let refused = both.run(&["fs", "cat"], &args);
        assert_eq!((refused.code, &*refused.out), (Some(1), ""), "{denied:?}");
    }
    let one = format!("{there}/a/one");
    for granted in ["a", ".", "a/one"] {
        let args = ["--read", granted, &one];
        assert_eq!(ok(both.run(&["fs", "cat"], &args)), "there\n");
    }
    // That a name with a star in it is here says nothing of there.
    fs::write(both.here.path().join("*y"), "").expect("written");
    let pattern = both.run(&["fs", "cat"], &["--read", ".", "--deny", "*y", &key]);
    assert_eq!((pattern.code, &*pattern.out), (Some(2), ""), "{pattern:?}");
    assert!(
        pattern
            .err
            .contains("`*y`: a path, not a pattern: use --deny-glob, or a file: URI"),
        "{pattern:?}"
    );
}

#[test]
fn projects_and_plugins_are_looked_for_there() {
    let both = Both::new();
    for path in [".git", "plugin/.claude-plugin"] {
        fs::create_dir_all(both.there.path().join(path)).expect("made");
    }
    for (path, text) in [
        ("AGENTS.md", "of the executor"),
        ("plugin/.claude-plugin/plugin.json", "{}"),
    ] {
        fs::write(both.there.path().join(path), text).expect("written");
    }
    let said = ok(both.run(&["discover"], &["--read", ".", "--root", "plugin", "only"]));
    let there = both.there();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(
        lines[0],
        format!("Project {there}: 15 bytes of at most 32768")
    );
    assert_eq!(
        lines[2],
        format!("Below {there}/plugin: a plugin, 0 skills")
    );
}

/// Speaks as much of the protocol as connecting takes, and does not know in which directory it is. What else it is asked is written down.
const NOWHERE: &str = r#"
while read -r line; do
    id=$(printf %s "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
    case $line in
    *'"method":"initialize"'*) echo "{\"id\":$id,\"result\":{\"sessionId\":\"s\"}}" ;;
    *'"method":"initialized"'*) ;;
    *'"method":"environment/info"'*) echo "{\"id\":$id,\"error\":{\"code\":-32601,\"message\":\"no\"}}" ;;
    *) echo "$line" >> "$ASKED"; echo "{\"id\":$id,\"error\":{\"code\":-32600,\"message\":\"not done\"}}" ;;
    esac
done"#;

#[test]
fn an_executor_that_does_not_say_where_it_is_gets_absolute_paths_only() {
    let home = tempfile::tempdir().expect("a directory");
    let asked = home.path().join("asked");
    let run = |args: &[&str]| {
        let mut command = lockgate(args);
        command
            .env("LOCKGATE_HOME", home.path())
            .env("ASKED", &asked);
        done(command.current_dir("/").output().expect("runs"))
    };
    ok(run(&["env", "add", "p", "--", "sh", "-c", NOWHERE]));
    for (args, path) in [
        (&["exec", "--env", "p", "--cwd", "a", "--", "ls"][..], "a"),
        (&["fs", "ls", "--env", "p"], "."),
        (&["fs", "cat", "--env", "p", "a"], "a"),
        (&["fs", "cat", "--env", "p", "--deny", "b", "/a"], "b"),
        (
            &["fs", "cat", "--env", "p", "--deny-glob", "**/b", "/a"],
            "**/b",
        ),
        (&["fs", "rm", "--env", "p", "--write", "b", "/a"], "b"),
        (&["discover", "--env", "p", "--read", "b", "/a"], "b"),
    ] {
        let refused = run(args);
        let says = format!(
            "lockgate: `{path}`: relative paths begin in the directory that the executor is in"
        );
        assert_eq!((refused.code, &*refused.out), (Some(2), ""), "{refused:?}");
        assert!(refused.err.starts_with(&says), "{refused:?}");
    }
    assert!(!Path::new(&asked).exists(), "asked of nothing");
    let absolute = run(&["fs", "cat", "--env", "p", "--deny-glob", "/b/*", "/a"]);
    assert_eq!(absolute.err, "lockgate: /a: not done\n");
}
