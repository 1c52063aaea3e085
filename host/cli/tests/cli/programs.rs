//! Programs of environments that turn out to be no executors: what came back, and what was expected.

use std::fs;
use std::path::Path;

use crate::support::{Done, done, lockgate, ok};

/// Adds `sh -c SCRIPT` as `p`, and checks it.
fn check(script: &str) -> String {
    check_program(&["sh", "-c", script])
}

fn check_program(program: &[&str]) -> String {
    let home = tempfile::tempdir().expect("a directory");
    let add = [&["env", "add", "p", "--"], program].concat();
    ok(run(home.path(), &add));
    let checked = run(home.path(), &["env", "check", "p"]);
    assert_eq!(checked.code, Some(1), "{checked:?}");
    assert!(checked.out.starts_with("FAIL  p ("), "{checked:?}");
    checked.out
}

fn run(home: &Path, args: &[&str]) -> Done {
    let mut command = lockgate(args);
    command.env("LOCKGATE_HOME", home).current_dir("/");
    done(command.output().expect("runs"))
}

#[test]
fn one_that_fails_is_told_with_its_code_and_its_last_lines() {
    let said = check("echo one >&2; echo two >&2; exit 3");
    let end = "the server `sh` exited with code 3 before it answered; its standard error ended with:\n    one\n    two\n";
    assert!(said.ends_with(end), "{said}");
    // Of much the end, and nothing that draws on the terminal.
    let said = check(r"seq 100000 >&2; printf '\033[2Jlast' >&2; kill -KILL $$");
    assert!(said.contains("was ended by signal 9"), "{said}");
    assert!(
        said.contains("    100000\n") && said.ends_with("    \\u{1b}[2Jlast\n"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 11, "{said}");
    let said = check_program(&["false"]);
    assert!(
        said.contains(
            "`false` exited with code 1 before it answered; an executor is a program such as"
        ),
        "{said}"
    );
}

#[test]
fn one_that_wrote_a_line_before_it_failed_is_told_with_all_three() {
    // It goes on after that line for a while, with its input open, and nobody holds up what it writes.
    let script =
        "echo 'usage: tool COMMAND'; echo one >&2; seq 100000; sleep 0.3; echo two >&2; exit 64";
    let end = "what came is \"usage: tool COMMAND\"; then it exited with code 64; its standard error ended with:\n    one\n    two\n";
    let said = check(script);
    assert!(said.ends_with(end), "{said}");
    let said = check(r"printf '\377\376\n'; sleep 0.3; echo why >&2; kill -KILL $$");
    assert!(
        said.contains("is not UTF-8")
            && said.ends_with(
                "; then it was ended by signal 9; its standard error ended with:\n    why\n"
            ),
        "{said}"
    );
    // How one ends that is ended by us says nothing.
    let said = check("trap 'exit 7' TERM; echo hello; read line; read line; exit 8");
    assert!(
        said.contains("what came is \"hello\"") && !said.contains("exited"),
        "{said}"
    );
}

#[test]
fn so_it_is_where_something_else_keeps_its_standard_error_open() {
    let said = check("sleep 1000 >/dev/null & echo away >&2; exit 4");
    assert!(
        said.contains("exited with code 4") && said.ends_with("    away\n"),
        "{said}"
    );
}

#[test]
fn commands_say_it_and_programs_are_told_it() {
    let home = tempfile::tempdir().expect("a directory");
    let home = home.path();
    ok(run(
        home,
        &[
            "env",
            "add",
            "p",
            "--",
            "sh",
            "-c",
            "echo no route >&2; exit 255",
        ],
    ));
    let ran = run(home, &["exec", "--env", "p", "--", "true"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(125), ""), "{ran:?}");
    assert!(
        ran.err
            .starts_with("lockgate: environment p: the server `sh` exited with code 255")
            && ran.err.ends_with("\n    no route\n"),
        "{ran:?}"
    );
    let checked = run(home, &["env", "check", "--json", "p"]);
    let checked: serde_json::Value = serde_json::from_str(&checked.out).expect("JSON");
    let error = checked[0]["error"].as_str().expect("why");
    assert!(
        error.contains("code 255") && error.contains("no route"),
        "{error}"
    );
}

#[test]
fn one_that_hangs_is_told_with_what_it_said() {
    let home = tempfile::tempdir().expect("a directory");
    let home = home.path();
    let script = "echo 'password: ' >&2; echo Welcome; exec sleep 1000";
    ok(run(home, &["env", "add", "p", "--", "sh", "-c", script]));
    // What it wrote is taken for a message, so it is over before the second is.
    let said = run(home, &["env", "check", "--timeout", "1", "p"]).out;
    assert!(said.contains("what came is \"Welcome\""), "{said}");
    let script = "echo 'password:' >&2; exec sleep 1000";
    ok(run(
        home,
        &["env", "add", "p", "--replace", "--", "sh", "-c", script],
    ));
    let said = run(home, &["env", "check", "--timeout", "1", "p"]).out;
    assert!(
        said.ends_with("did not answer to initialize within 1 s; its standard error ended with:\n    password:\n"),
        "{said}"
    );
}

#[test]
fn one_that_speaks_something_else_is_told_with_what_came() {
    let said = check_program(&["cat"]);
    assert!(
        said.contains("the server `cat` does not speak the protocol")
            && said.contains("it sends back what it is sent")
            && said.contains("what came is \"{\\\"id\\\":"),
        "{said}"
    );
    let said = check("echo 'Last login: today'; exec cat >/dev/null");
    assert!(
        said.contains("a line of JSON was expected, the answer to initialize, and what came is \"Last login: today\""),
        "{said}"
    );
    let said = check("yes");
    assert!(said.contains("what came is \"y\""), "{said}");
    let said = check(r"printf '\377\376binary\n'; exec cat >/dev/null");
    assert!(
        said.contains("is not UTF-8") && said.contains("binary"),
        "{said}"
    );
    // Long ones are cut.
    let said = check("head -c 100000 /dev/zero | tr '\\0' x; echo; exec cat >/dev/null");
    assert!(said.contains("xxx\"…") && said.len() < 1000, "{said}");
}

#[test]
fn a_directory_that_is_not_there_is_not_blamed_on_the_program() {
    let home = tempfile::tempdir().expect("a directory");
    let home = home.path();
    for (cwd, reason) in [
        ("nowhere", "No such file or directory"),
        ("environments.toml", "Not a directory"),
    ] {
        let text = format!("[[environments]]\nid = 'p'\nprogram = 'sh'\ncwd = '{cwd}'\n");
        fs::write(home.join("environments.toml"), text).expect("written");
        let said = run(home, &["env", "check", "p"]).out;
        let at = home.join(cwd);
        let wanted = format!(
            "cannot start the server `sh`: its working directory {} cannot be used: {reason}",
            at.display()
        );
        assert!(said.contains(&wanted), "{said}");
    }
}

#[test]
fn one_that_answers_with_an_error_is_told_to_have_done_so_and_to_what() {
    let refuses = r#"read -r line; echo '{"id":1,"error":{"code":-32042,"message":"no \u001b[2J"}}'; cat >&2"#;
    let said = check(refuses);
    let end = ": the server refused initialize: no \\u{1b}[2J (code -32042)\n";
    assert!(said.ends_with(end), "{said}");
}

#[test]
fn one_that_closes_its_output_and_stays_is_told_with_what_an_executor_is() {
    let said = check("exec >&-; exec sleep 60");
    let end = ": the server `sh` closed its standard output before it answered to initialize, and went on without it; an executor is a program such as `lockgate serve --listen stdio`, \
               or one that leads to it: `ssh HOST lockgate serve --listen stdio`\n";
    assert!(said.ends_with(end), "{said}");
}
