//! environments.toml as it may be found: written by other editors, not a file at all, and with very many in it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::support::{Done, done, lockgate, ok};

fn run(home: &Path, args: &[&str]) -> Done {
    let mut command = lockgate(args);
    command.env("LOCKGATE_HOME", home).current_dir("/");
    done(command.output().expect("runs"))
}

#[test]
fn one_of_another_editor_keeps_its_line_ends_and_its_mark() {
    let home = tempfile::tempdir().expect("a directory");
    let file = home.path().join("environments.toml");
    let before = "\u{feff}default = 'a' # now\r\n\r\n[[environments]]\r\nid = 'a'\r\nurl = 'ws://h'\r\n\r\n# the end\r\n";
    fs::write(&file, before).expect("written");
    ok(run(home.path(), &["env", "add", "b", "--url", "ws://x"]));
    let after = fs::read_to_string(&file).expect("there");
    let added = after.strip_prefix(before).expect("the rest stays");
    assert!(
        added.contains("id = \"b\"\r\nurl = \"ws://x\"\r\n"),
        "{added:?}"
    );
    assert_eq!(after.matches('\n').count(), after.matches("\r\n").count());
    ok(run(home.path(), &["env", "remove", "b"]));
    let removed = fs::read_to_string(&file).expect("there");
    assert_eq!(removed.trim_end(), before.trim_end());
}

#[test]
fn line_ends_of_both_kinds_stay_where_they_are() {
    let home = tempfile::tempdir().expect("a directory");
    let file = home.path().join("environments.toml");
    let before = "# mixed\r\ndefault = 'a'\n\r\n[[environments]]\nid = 'a'\r\nurl = 'ws://h'\r\n";
    fs::write(&file, before).expect("written");
    ok(run(home.path(), &["env", "add", "b", "--url", "ws://x"]));
    let after = fs::read_to_string(&file).expect("there");
    assert!(after.starts_with(before), "{after:?}");
}

#[test]
fn a_link_that_leads_to_nothing_yet_stays_and_what_it_leads_to_is_written() {
    let home = tempfile::tempdir().expect("a directory");
    let home = home.path();
    fs::create_dir(home.join("kept")).expect("made");
    let file = home.join("environments.toml");
    symlink("kept/way", &file).expect("made");
    symlink("mine.toml", home.join("kept/way")).expect("made");
    ok(run(home, &["env", "add", "b", "--url", "ws://x"]));
    assert!(
        fs::read_to_string(home.join("kept/mine.toml")).is_ok_and(|text| text.contains("ws://x"))
    );
    assert!(file.is_symlink() && home.join("kept/way").is_symlink());
    // Where there is no place for it either, that is said.
    fs::remove_file(&file).expect("removed");
    symlink("nowhere/mine.toml", &file).expect("made");
    let done = run(home, &["env", "add", "b", "--url", "ws://x"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(
        done.err
            .contains("environments.toml cannot be written: No such file or directory"),
        "{done:?}"
    );
    assert!(file.is_symlink());
}

#[test]
fn what_is_no_file_is_refused_and_not_waited_for() {
    let home = tempfile::tempdir().expect("a directory");
    let file = home.path().join("environments.toml");
    let made = Command::new("mkfifo").arg(&file).status().expect("runs");
    assert!(made.success());
    let refused = |args: &[&str], code| {
        let done = run(home.path(), args);
        assert!(
            done.code == Some(code)
                && done.err.contains("environments.toml")
                && done.err.contains("it is no regular file"),
            "{done:?}"
        );
    };
    for _ in 0..2 {
        refused(&["env", "list"], 2);
        refused(&["exec", "--env", "a", "--", "true"], 2);
        refused(&["env", "add", "a", "--url", "ws://h"], 1);
        // The second time it is a directory.
        if file.is_dir() {
            break;
        }
        fs::remove_file(&file).expect("removed");
        fs::create_dir(&file).expect("made");
    }
}

#[test]
fn of_ten_thousand_a_name_is_found_and_a_wrong_one_is_told_in_a_line() {
    let home = tempfile::tempdir().expect("a directory");
    let many = (0..10_000)
        .map(|number| format!("[[environments]]\nid = 'e{number}'\nurl = 'ws://127.0.0.1:1'\n"));
    fs::write(
        home.path().join("environments.toml"),
        many.collect::<String>(),
    )
    .expect("written");
    let found = run(home.path(), &["exec", "--env", "e9999", "--", "true"]);
    assert!(
        found.err.contains("environment e9999: cannot connect"),
        "{found:?}"
    );
    let wrong = run(home.path(), &["exec", "--env", "e99999", "--", "true"]);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    assert!(
        wrong.err.contains(
            "unknown environment id `e99999`; did you mean `e9999`? there are local, e0, "
        ) && wrong.err.contains(", and 9981 more;")
            && wrong.err.len() < 500,
        "{wrong:?}"
    );
}

#[test]
fn line_ends_in_what_is_run_are_not_those_of_the_file() {
    let home = tempfile::tempdir().expect("a directory");
    let path = home.path().join("environments.toml");
    fs::write(&path, "# of another system\r\n").expect("written");
    let script = "printf '%s' \"$V\"\nexit 7\u{7f}";
    let args = ["env", "add", "b", "-e", "V=a\nb", "--", "sh", "-c", script];
    ok(run(home.path(), &args));
    let written = fs::read_to_string(&path).expect("there");
    let read: toml::Table = written.parse().expect("TOML");
    let entry = &read["environments"][0];
    assert_eq!(entry["args"][1].as_str(), Some(script), "{written}");
    assert_eq!(entry["env"]["V"].as_str(), Some("a\nb"), "{written}");
}
