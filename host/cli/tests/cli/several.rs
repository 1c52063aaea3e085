//! Several paths for one `fs` command, some of which fail.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::support::{ok, place, run_in};

const MISSING: &str = "No such file or directory (os error 2)";

#[test]
fn what_fails_is_told_and_the_others_have_their_turn() {
    let dir = place();
    let at = dir.path();
    for profile in [&[][..], &["--write", "."]] {
        std::fs::write(at.join("a/two"), "22\n").expect("written");
        std::fs::write(at.join("a/three"), "3\n").expect("written");
        for (args, out) in [
            (&["cat", "a/none", "a/two"][..], "22\n"),
            (&["chmod", "600", "a/none", "a/two"], ""),
            (&["touch", "--modified", "1000", "a/none", "a/two"], ""),
            (&["rm", "a/three", "a/none", "a/two"], ""),
        ] {
            let done = run_in(at, &[&["fs"], args, profile].concat());
            assert_eq!((done.code, &*done.out), (Some(1), out), "{args:?} {done:?}");
            let line = format!("lockgate: a/none: {MISSING}");
            assert!(
                done.err.starts_with(&line) && done.err.lines().count() == 1,
                "{args:?} {done:?}"
            );
            if args[0] == "touch" {
                let found = std::fs::metadata(at.join("a/two")).expect("there");
                assert_eq!(found.permissions().mode() & 0o777, 0o600);
                let time = found.modified().expect("known");
                assert_eq!(
                    time.duration_since(std::time::UNIX_EPOCH)
                        .expect("later")
                        .as_secs(),
                    1
                );
            }
        }
        assert!(!at.join("a/two").exists() && !at.join("a/three").exists());
    }
}

#[test]
fn each_path_is_told_about_by_its_name_and_what_cannot_be_has_an_error() {
    let dir = place();
    let at = dir.path();
    let done = run_in(at, &["fs", "stat", "a/none", "a/two", "none", "a"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert_eq!(
        done.err,
        format!("lockgate: a/none: {MISSING}\nlockgate: none: {MISSING}\n")
    );
    assert!(
        done.out.starts_with("path      a/two\ntype      file\n")
            && done.out.contains("\n\npath      a\ntype      directory\n"),
        "{done:?}"
    );
    let done = run_in(at, &["fs", "stat", "--json", "a/two", "none", "a"]);
    assert_eq!(
        (done.code, done.err),
        (Some(1), format!("lockgate: none: {MISSING}\n"))
    );
    let told: Value = serde_json::from_str(&done.out).expect("JSON");
    assert_eq!(
        (&told[0]["path"], &told[0]["size"], &told[0]["error"]),
        (&"a/two".into(), &3.into(), &Value::Null)
    );
    let wanted = json!({"path": "none", "error": format!("none: {MISSING}")});
    assert_eq!(told[1], wanted);
    assert_eq!(
        (&told[2]["path"], &told[2]["isDirectory"]),
        (&"a".into(), &true.into())
    );
    // One is an object, or nothing.
    let told: Value =
        serde_json::from_str(&ok(run_in(at, &["fs", "stat", "--json", "a/one"]))).expect("JSON");
    assert_eq!((&told["path"], &told["size"]), (&"a/one".into(), &2.into()));
    let done = run_in(at, &["fs", "stat", "--json", "none"]);
    assert_eq!((done.code, &*done.out), (Some(1), ""), "{done:?}");
}
