//! `lockgate env` and `--env`: executors by their names.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use crate::support::{Done, LOCKGATE, Server, done, feed, lockgate, nobody_runs, ok};

/// Runs it with this home.
pub(crate) fn run(home: &Path, args: &[&str]) -> Done {
    let mut command = lockgate(args);
    command.env("LOCKGATE_HOME", home).current_dir("/");
    done(command.output().expect("runs"))
}

pub(crate) fn json(home: &Path, args: &[&str]) -> Value {
    serde_json::from_str(&run(home, args).out).expect("JSON")
}

pub(crate) fn file(home: &Path) -> String {
    fs::read_to_string(home.join("environments.toml")).expect("there")
}

/// Failed, in one line.
pub(crate) fn refused(done: Done, code: i32, message: &str) {
    assert_eq!((done.code, done.out.as_str()), (Some(code), ""), "{done:?}");
    assert!(done.err.contains(message), "{done:?}");
    assert_eq!(done.err.lines().count(), 1, "{done:?}");
}

#[test]
fn the_file_is_that_of_codex_in_the_home_directory_where_no_variable_names_another() {
    let home = tempfile::tempdir().expect("a directory");
    let file = home.path().join(".codex/environments.toml");
    fs::create_dir(home.path().join(".codex")).expect("made");
    let text = "default = 'there'\n[[environments]]\nid = 'there'\nurl = 'ws://h:1'\nconnect_timeout_sec = 0\n";
    fs::write(&file, text).expect("written");
    let list = |variables: &[(&str, &str)]| {
        let mut command = lockgate(&["env", "list"]);
        command.env("HOME", home.path());
        for name in ["LOCKGATE_HOME", "CODEX_HOME", "LOCKGATE_URL"] {
            command.env_remove(name);
        }
        command.envs(variables.iter().copied()).current_dir("/");
        ok(done(command.output().expect("runs")))
    };
    // Blank variables name nothing, and an address does not come before a file.
    for variables in [
        &[][..],
        &[("LOCKGATE_HOME", ""), ("CODEX_HOME", "")],
        &[("LOCKGATE_HOME", " "), ("CODEX_HOME", "\t")],
        &[("LOCKGATE_URL", "ws://other:1")],
        &[("CODEX_EXEC_SERVER_URL", "ws://other:1")],
    ] {
        let listed = list(variables);
        assert!(listed.contains("ws://h:1"), "{variables:?}: {listed}");
        assert!(!listed.contains("other"), "{variables:?}: {listed}");
    }
    assert!(!list(&[("CODEX_HOME", "/nowhere")]).contains("ws://h:1"));
    // What the reference takes is taken, and does what it says.
    let mut command = lockgate(&["env", "check", "there"]);
    command.env("HOME", home.path()).env_remove("LOCKGATE_HOME");
    let checked = done(command.env_remove("CODEX_HOME").output().expect("runs"));
    assert_eq!(checked.code, Some(1), "{checked:?}");
    let why = "no connection to ws://h:1/ within 0 s: connect_timeout leaves no time for one";
    assert!(checked.out.contains(why), "{checked:?}");
}

#[test]
fn an_executor_gets_a_name_and_commands_and_files_are_its_own() {
    let (home, work) = (
        tempfile::tempdir().expect("a directory"),
        tempfile::tempdir().expect("a directory"),
    );
    let mut command = lockgate(&["serve"]);
    command.current_dir(work.path()).env("WHERE", "there");
    let server = Server::started(command);
    // The directory is made, for its owner only.
    let home = home.path().join("new");
    let said = ok(run(&home, &["env", "add", "box", "--url", &server.url]));
    assert!(said.starts_with("box is added to "), "{said}");
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(
        (mode(&home), mode(&home.join("environments.toml"))),
        (0o700, 0o600)
    );

    let args = [
        "exec",
        "--env",
        "box",
        "-e",
        "A=b",
        "--",
        "sh",
        "-c",
        "echo $WHERE $A; pwd -P; exit 3",
    ];
    let ran = run(&home, &args);
    let real = work.path().canonicalize().expect("exists");
    assert_eq!(
        (ran.code, ran.out),
        (Some(3), format!("there b\n{}\n", real.display()))
    );
    let path = work.path().join("file");
    let path = path.to_str().expect("text");
    fs::write(path, "contents").expect("written");
    assert_eq!(
        ok(run(&home, &["fs", "cat", "--env", "box", path])),
        "contents"
    );
}

#[test]
fn so_does_a_program_that_leads_to_one() {
    let home = tempfile::tempdir().expect("a directory");
    let (home, mark) = (home.path(), "environments-mark-1");
    let script = format!(r#": {mark}; exec "$0" serve --listen stdio"#);
    let args = [
        "env", "add", "sh", "-e", "A=b c", "--cwd", "/tmp", "--", "sh", "-c", &script, LOCKGATE,
    ];
    ok(run(home, &args));
    let ran = run(
        home,
        &["exec", "--env", "sh", "--", "sh", "-c", "echo $A; pwd"],
    );
    assert_eq!(ok(ran), "b c\n/tmp\n");
    nobody_runs(mark);
}

#[test]
fn a_shell_is_that_of_the_environment_too() {
    let home = tempfile::tempdir().expect("a directory");
    let home = home.path();
    let program = ["--", LOCKGATE, "serve", "--listen", "stdio"];
    ok(run(
        home,
        &[&["env", "add", "p", "-e", "MARK=there"], &program[..]].concat(),
    ));
    // A terminal of its own, in which the shell runs.
    let script = format!("LOCKGATE_HOME={} {LOCKGATE} shell --env p", home.display());
    let args = ["exec", "--tty", "--", "sh", "-c", &script];
    let ran = feed(home, &args, b"echo \"is $MARK\"; exit 3\n".to_vec());
    let shown = String::from_utf8_lossy(&ran.stdout);
    assert_eq!(ran.status.code(), Some(3), "{shown}");
    assert!(shown.contains("is there"), "{shown}");
}

#[test]
fn without_a_name_commands_run_here_whatever_the_default_is() {
    let home = tempfile::tempdir().expect("a directory");
    let home = home.path();
    let args = [
        "env",
        "add",
        "box",
        "--url",
        "ws://127.0.0.1:1",
        "--default",
    ];
    let said = ok(run(home, &args));
    assert!(
        said.ends_with("is the default of harnesses; exec, shell and fs go there with --env box\n"),
        "{said}"
    );
    for args in [
        &["exec", "--", "pwd"][..],
        &["exec", "--env", "local", "--", "pwd"],
    ] {
        assert_eq!(ok(run(home, args)), "/\n");
    }
}

#[test]
fn the_list_says_where_it_is_from_and_no_secrets() {
    let home = tempfile::tempdir().expect("a directory");
    let home = home.path();
    let said = ok(run(home, &["env", "list"]));
    assert!(said.ends_with("* local  this machine\n"), "{said}");
    fs::write(
        home.join("environments.toml"),
        "default = 'b'\n[[environments]]\nid = 'a'\nurl = 'wss://me:SECRET@h/r?role=harness&signature=SECRET'\n[[environments]]\nid = 'b'\nprogram = 'ssh'\nargs = ['b', 'x y']\nenv = { TOKEN = 'SECRET' }\n",
    )
    .expect("written");
    let said = ok(run(home, &["env", "list"]));
    let at = home.join("environments.toml");
    let wanted = format!(
        "In {}; * is the default:\n* b      ssh b 'x y'\n  local  this machine\n  a      wss://h/r\n",
        at.display()
    );
    assert_eq!(said, wanted);
    let list = json(home, &["env", "list", "--json"]);
    assert!(!list.to_string().contains("SECRET"), "{list}");
    assert_eq!(
        (&list["default"], &list["file"]),
        (&"b".into(), &at.to_str().into())
    );
    assert_eq!(list["environments"][0]["env"], serde_json::json!(["TOKEN"]));

    // Without a file, of a variable: ours before the reference's.
    let mut command = lockgate(&["env", "list"]);
    command
        .env("LOCKGATE_URL", "ws://ours")
        .env("CODEX_EXEC_SERVER_URL", "ws://theirs");
    let said = ok(done(command.output().expect("runs")));
    assert_eq!(
        said,
        "Of LOCKGATE_URL; * is the default:\n* remote  ws://ours/\n  local   this machine\n"
    );
    let mut command = lockgate(&["env", "list"]);
    command.env("CODEX_EXEC_SERVER_URL", "none");
    let said = ok(done(command.output().expect("runs")));
    assert_eq!(
        said,
        "Of CODEX_EXEC_SERVER_URL; there is no default: execution is disabled:\n  local  this machine\n"
    );
}

#[test]
fn a_check_connects_to_all_and_says_what_is_there_or_why_not() {
    let home = tempfile::tempdir().expect("a directory");
    let home = home.path();
    let server = Server::start(&[]);
    let mark = "environments-mark-2";
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent = format!("ws://{}", silent.local_addr().expect("bound"));
    for args in [
        &["box", "--url", &server.url][..],
        &["closed", "--url", "ws://127.0.0.1:1"],
        &["silent", "--url", &silent, "--connect-timeout", "0.2"],
        &[
            "hangs",
            "--initialize-timeout",
            "0.2",
            "--",
            "sh",
            "-c",
            &format!(": {mark}; sleep 1000"),
        ],
        &["missing", "--", "/nonexistent/program"],
    ] {
        ok(run(home, &[&["env", "add"], args].concat()));
    }
    let checked = run(home, &["env", "check"]);
    assert_eq!(
        (checked.code, checked.err.as_str()),
        (Some(1), ""),
        "{checked:?}"
    );
    let lines: Vec<&str> = checked.out.lines().collect();
    for (line, (begin, says)) in lines.iter().zip([
        ("ok    local (this machine): ", "on linux"),
        ("ok    box (ws://", "lockgate "),
        ("FAIL  closed (ws://127.0.0.1:1/): ", "Connection refused"),
        ("FAIL  silent (ws://", "no connection to ws://"),
        ("FAIL  hangs (sh -c ", "did not answer to initialize"),
        ("FAIL  missing (/nonexistent/program): ", "No such file"),
    ]) {
        assert!(line.starts_with(begin) && line.contains(says), "{line}");
    }
    assert_eq!(lines.len(), 6);
    nobody_runs(mark);

    let good = json(home, &["env", "check", "--json", "local", "box"]);
    assert_eq!(
        (&good[0]["id"], &good[1]["id"]),
        (&"local".into(), &"box".into())
    );
    assert_eq!(
        (&good[1]["ok"], &good[1]["environment"]["platformOs"]),
        (&true.into(), &"linux".into())
    );
    let bad = json(home, &["env", "check", "--json", "closed"]);
    assert!(bad[0]["ok"] == false && bad[0]["error"].as_str().expect("why").contains("refused"));
    refused(
        run(home, &["env", "check", "nobody"]),
        2,
        "unknown environment id `nobody`; there are ",
    );
}

#[test]
fn a_check_ends_at_its_limit_with_every_program() {
    let home = tempfile::tempdir().expect("a directory");
    let (home, mark) = (home.path(), "environments-mark-3");
    ok(run(
        home,
        &[
            "env",
            "add",
            "hangs",
            "--",
            "sh",
            "-c",
            &format!(": {mark}; sleep 1000"),
        ],
    ));
    let checked = run(home, &["env", "check", "--timeout", "1", "hangs"]);
    assert!(
        checked.code == Some(1) && checked.out.contains("within 1 s"),
        "{checked:?}"
    );
    nobody_runs(mark);
}

#[test]
fn a_name_that_is_not_there_is_refused_with_those_that_are() {
    let home = tempfile::tempdir().expect("a directory");
    let home = home.path();
    ok(run(
        home,
        &["env", "add", "box", "--url", "ws://127.0.0.1:1"],
    ));
    let message = "unknown environment id `bix`; did you mean `box`? there are local, box; `lockgate env add` adds one";
    refused(
        run(home, &["exec", "--env", "bix", "--", "true"]),
        2,
        message,
    );
    refused(run(home, &["fs", "ls", "--env", "bix"]), 2, message);
    let message = "environment box: cannot connect to ws://127.0.0.1:1";
    refused(
        run(home, &["exec", "--env", "box", "--", "true"]),
        125,
        message,
    );
    ok(run(
        home,
        &[
            "env",
            "add",
            "secret",
            "--url",
            "ws://me:SECRET@127.0.0.1:1/?token=SECRET",
        ],
    ));
    let done = run(home, &["exec", "--env", "secret", "--", "true"]);
    assert!(
        done.code == Some(125) && !done.err.contains("SECRET"),
        "{done:?}"
    );
    fs::write(
        home.join("environments.toml"),
        "include_local = false\ndefault = 'none'\n",
    )
    .expect("written");
    let message = "unknown environment id `local`; there is none";
    refused(
        run(home, &["exec", "--env", "local", "--", "true"]),
        2,
        message,
    );
}

#[test]
fn an_entry_without_a_way_to_it_and_one_with_two_are_told_all_three_ways() {
    let home = tempfile::tempdir().expect("a directory");
    for ways in ["", "url = \"ws://127.0.0.1:1\"\nprogram = \"true\"\n"] {
        let text = format!("[[environments]]\nid = \"a\"\n{ways}");
        fs::write(home.path().join("environments.toml"), text).expect("written");
        refused(
            run(home.path(), &["env", "list"]),
            2,
            "environment `a` must set exactly one of url or program, or remote (the URL of a registry)",
        );
    }
}

#[test]
fn a_variable_that_is_not_looked_at_because_of_a_file_is_told_to_who_asks_for_its_environment() {
    let home = tempfile::tempdir().expect("a directory");
    let text = "[[environments]]\nid = \"a\"\nurl = \"ws://127.0.0.1:1\"\n";
    fs::write(home.path().join("environments.toml"), text).expect("written");
    let asked = |variable: &str, url: &str| {
        let mut command = lockgate(&["exec", "--env", "remote", "--", "true"]);
        command.env("LOCKGATE_HOME", home.path()).env(variable, url);
        done(command.output().expect("runs"))
    };
    let file = home.path().join("environments.toml");
    for variable in ["LOCKGATE_URL", "CODEX_EXEC_SERVER_URL"] {
        let words = format!(
            "; {variable} is not looked at, because there is {}",
            file.display()
        );
        refused(asked(variable, "ws://127.0.0.1:2"), 2, &words);
    }
    let blank = asked("LOCKGATE_URL", " ");
    assert!(!blank.err.contains("is not looked at"), "{blank:?}");
}
