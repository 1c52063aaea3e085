//! `fs` under a profile from the command line: what is granted, and what is said of the rest.

use crate::support::{ok, place, refused, run_in};

#[test]
fn a_profile_grants_what_it_says_and_nothing_else() {
    let dir = place();
    let at = dir.path();
    assert_eq!(
        ok(run_in(at, &["fs", "cat", "--read", "a", "a/one"])),
        "1\n"
    );
    // The link to what is denied is told, as every name that is granted; where it leads is not.
    assert_eq!(
        ok(run_in(at, &["fs", "ls", "--read", ".", "--deny", "secret"])),
        "a/\nout\n"
    );
    for args in [
        &["fs", "cat", "--read", "a", "secret/key"][..],
        &["fs", "cat", "--read", ".", "--deny", "secret", "secret/key"],
        &["fs", "cat", "--read", ".", "out"],
        &["fs", "cat", "--read", "a", "a/../secret/key"],
        &["fs", "put", "--read", ".", "a/one", "a/three"],
        &["fs", "rm", "--read", ".", "a/one"],
        &["fs", "put", "--write", "a", "a/one", "secret/new"],
        &["fs", "mkdir", "--write", "a", "b"],
    ] {
        let done = run_in(at, args);
        assert_eq!(
            (done.code, done.out.as_str()),
            (Some(1), ""),
            "{args:?} {done:?}"
        );
    }
    ok(run_in(
        at,
        &["fs", "put", "--write", "a", "a/one", "a/three"],
    ));
    assert_eq!(
        std::fs::read_to_string(at.join("a/three")).expect("there"),
        "1\n"
    );
    assert!(at.join("a/one").exists() && !at.join("secret/new").exists() && !at.join("b").exists());
}

#[test]
fn what_is_not_granted_is_hinted_at() {
    let dir = place();
    for (args, subject, hint) in [
        (
            &["fs", "cat", "--read", "a", "secret/key"][..],
            "secret/key",
            "not granted by --read or --write",
        ),
        (
            &["fs", "ls", "--read", "a", "."],
            ".",
            "not granted by --read or --write",
        ),
        (
            &["fs", "put", "--read", ".", "a/one", "a/three"],
            "a/three",
            "it takes --write",
        ),
        (
            &["fs", "cp", "--read", ".", "a/one", "a/three"],
            "a/one to a/three",
            "it takes --write",
        ),
        (
            &[
                "fs", "tree", "--read", ".", "--deny", "a", "--read", "a/one", "a",
            ],
            "a",
            "denied by --deny\n",
        ),
        (
            &["fs", "cat", "--read", ".", "--deny-glob", "**/on?", "a/one"],
            "a/one",
            "denied by --deny-glob\n",
        ),
        (
            &["fs", "mkdir", "--write", "a", "a/.Git"],
            "a/.Git",
            "; directly in a writable directory .git, .agents and .codex stay read-only\n",
        ),
        (
            &[
                "fs",
                "cp",
                "--read",
                ".",
                "--write",
                "a",
                "secret/key",
                "a/.git",
            ],
            "secret/key to a/.git",
            "; directly in a writable directory",
        ),
        (
            &[
                "fs",
                "mv",
                "--read",
                ".",
                "--write",
                "a",
                "secret/key",
                "a/key",
            ],
            "secret/key to a/key",
            "; it takes --write\n",
        ),
    ] {
        let text = refused(run_in(dir.path(), args), subject);
        assert!(text.contains(hint), "{text}");
    }
    // Where the profile has nothing to do with it, it is not mentioned.
    for args in [
        &["fs", "cat", "a/none"][..],
        &["fs", "cat", "--read", ".", "a/none"],
        &["fs", "cat", "--write", "a", "--deny", "secret", "a/none"],
        &["fs", "append", "--write", "a", "a/one", "a/none/deeper"],
    ] {
        let text = refused(run_in(dir.path(), args), args[args.len() - 1]);
        assert!(
            text.ends_with("No such file or directory (os error 2)\n"),
            "{text}"
        );
    }
}

#[test]
fn a_pattern_is_denied_as_a_pattern_and_never_taken_for_a_path() {
    let dir = place();
    let at = dir.path();
    for pattern in ["sec*", "secre?", "[s]ecret"] {
        let ls = |option| run_in(at, &["fs", "ls", "--read", ".", option, pattern]);
        let refused = ls("--deny");
        assert_eq!(
            (refused.code, refused.err.as_str()),
            (
                Some(2),
                &*format!(
                    "lockgate: `{pattern}`: a path, not a pattern: use --deny-glob, or a file: URI for what is called so\n"
                )
            )
        );
        assert_eq!(ok(ls("--deny-glob")), "a/\nout\n");
    }
    // Absolute, across directories, and from a directory whose own name looks like a pattern.
    let whole = format!("{}/**/key", at.display());
    let tree = |pattern: &str| {
        ok(run_in(
            at,
            &["fs", "tree", "--read", ".", "--deny-glob", pattern],
        ))
    };
    assert!(!tree(&whole).contains("key") && !tree("**/key").contains("key"));
    assert!(tree("key").contains("key"), "not below");
    let odd = at.join("[x]*");
    std::fs::create_dir_all(odd.join("d")).expect("made");
    std::fs::write(odd.join("f.key"), "k").expect("written");
    let listed = run_in(&odd, &["fs", "ls", "--read", ".", "--deny-glob", "*.key"]);
    assert_eq!(ok(listed), "d/\n");
    // What has such a name can be denied by it.
    let listed = run_in(
        at,
        &[
            "fs", "ls", "--read", ".", "--deny", "[x]*", "--deny", "secret",
        ],
    );
    assert_eq!(ok(listed), "a/\nout\n");
    let listed = run_in(
        at,
        &["fs", "ls", "--read", ".", "--deny", "file:///none/%5Bx%5D"],
    );
    assert!(ok(listed).contains("secret/\n"));
    // Alone it grants nothing, and one that cannot be read is refused, not skipped.
    refused(
        run_in(at, &["fs", "cat", "--deny-glob", "*.none", "a/one"]),
        "a/one",
    );
    let malformed = run_in(at, &["fs", "ls", "--read", ".", "--deny-glob", "[a"]);
    assert_eq!((malformed.code, malformed.out.as_str()), (Some(1), ""));
}

#[test]
fn a_removal_that_fails_says_what_it_may_have_done() {
    let dir = place();
    let at = dir.path();
    std::fs::create_dir_all(at.join("d/.git")).expect("made");
    std::fs::write(at.join("d/f"), "f").expect("written");
    // What is granted goes with all that is in it or not at all: its name is not granted.
    for args in [
        &["fs", "rm", "-r", "--write", "d", "d"][..],
        &["fs", "rm", "-rf", "--write", "d", "d/f", "./d/"],
        &["fs", "rm", "--write", "d/f", "d/f"],
    ] {
        let done = run_in(at, args);
        assert_eq!(done.code, Some(1), "{done:?}");
        let named = format!(
            "lockgate: {} is what --write grants: its name is not yours to remove; name what is in it\n",
            args[args.len() - 1]
        );
        assert_eq!(done.err, named);
        assert!(at.join("d/f").exists());
    }
    let text = refused(run_in(at, &["fs", "rm", "-r", "--write", "a", "d"]), "d");
    assert!(
        text.ends_with("; part of it may be removed already\n"),
        "{text}"
    );
    for args in [
        &["fs", "rm", "-r", "--write", ".", "none"][..],
        &["fs", "rm", "--write", ".", "d"],
    ] {
        let text = refused(run_in(at, args), args[args.len() - 1]);
        assert!(!text.contains("part"), "{text}");
    }
    // One in a directory that may be changed is like any other.
    ok(run_in(
        at,
        &["fs", "rm", "-r", "--write", ".", "--write", "a", "a"],
    ));
    assert!(!at.join("a").exists());
}
