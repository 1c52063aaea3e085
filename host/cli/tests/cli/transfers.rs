//! `fs get`, `put`, `cp` and `mv`: where what arrives is, and what it is called.

use std::path::Path;

use crate::support::{ok, place, refused, run_in};
#[test]
fn what_is_fetched_to_a_dash_goes_to_stdout() {
    let dir = place();
    let at = dir.path();
    assert_eq!(ok(run_in(at, &["fs", "get", "a/two", "-"])), "22\n");
    refused(run_in(at, &["fs", "get", "none", "-"]), "none");
    let directory = run_in(at, &["fs", "get", "a", "-"]);
    assert_eq!(directory.code, Some(2), "{directory:?}");
    assert!(directory.err.contains("./-"), "{directory:?}");
    assert!(!at.join("-").exists());
    ok(run_in(at, &["fs", "get", "a/two", "./-"]));
    assert_eq!(std::fs::read(at.join("-")).expect("there"), b"22\n");
}

#[test]
fn directories_are_fetched_and_sent_whole() {
    let dir = place();
    let at = dir.path();
    std::fs::create_dir(at.join("a/deep")).expect("made");
    std::fs::write(at.join("a/deep/big"), vec![b'x'; 2_500_000]).expect("written");
    std::os::unix::fs::symlink("one", at.join("a/link")).expect("linked");
    let sent = run_in(at, &["fs", "put", "-rp", "a", "there/b"]);
    assert_eq!(ok(sent), "");
    let fetched = run_in(at, &["fs", "get", "--read", "there", "there/b", "back"]);
    assert_eq!(ok(fetched), "");
    for copy in ["there/b", "back"] {
        let copy = at.join(copy);
        assert_eq!(std::fs::read(copy.join("two")).expect("there"), b"22\n");
        assert_eq!(
            std::fs::metadata(copy.join("deep/big"))
                .expect("there")
                .len(),
            2_500_000
        );
        assert_eq!(
            std::fs::read_link(copy.join("link")).expect("a link"),
            Path::new("one")
        );
    }
}

#[test]
fn a_directory_goes_into_one_that_is_there_unless_more_is_asked_for() {
    let dir = place();
    let at = dir.path();
    for (args, missing) in [
        (&["put", "-r", "a", "tpyo/b"][..], "tpyo"),
        (&["put", "-r", "--write", ".", "a", "tpyo/b"], "tpyo"),
        (&["put", "-r", "--write", "tpyo/b", "a", "tpyo/b"], "tpyo"),
        (&["put", "-r", "--resume", "a", "tpyo/b/c"], "tpyo/b"),
        (&["get", "a", "tpyo/b"], "tpyo"),
        (&["get", "--resume", "a", "tpyo/b"], "tpyo"),
        (&["cp", "-r", "a", "tpyo/b"], "tpyo"),
        (&["cp", "-r", "--write", ".", "a", "tpyo/b/c"], "tpyo/b"),
    ] {
        let done = run_in(at, &[&["fs"], args].concat());
        let shown = at.canonicalize().expect("there").join(missing);
        assert_eq!(done.code, Some(1), "{args:?}: {done:?}");
        assert!(
            done.err.contains("No such file or directory"),
            "{args:?}: {done:?}"
        );
        assert!(
            done.err.contains(&*shown.to_string_lossy()) && done.err.contains("--parents makes"),
            "{args:?}: {done:?}"
        );
        assert!(!at.join("tpyo").exists(), "{args:?}");
    }
    // One level is what is asked for.
    for (args, made) in [
        (&["put", "-r", "a", "b"][..], "b/one"),
        (&["put", "-r", "--write", "c", "a", "c"], "c/one"),
        (&["put", "-r", "--resume", "a", "d"], "d/one"),
        (&["get", "a", "e"], "e/one"),
        (
            &["put", "-r", "--parents", "--resume", "a", "f/g/h"],
            "f/g/h/one",
        ),
        (&["get", "--parents", "--resume", "a", "i/j/k"], "i/j/k/one"),
        (&["get", "-p", "a", "l/m/n"], "l/m/n/one"),
        (&["get", "-r", "a", "l2"], "l2/one"),
        (&["get", "-rp", "--read", "a", "a", "l3/m"], "l3/m/one"),
        (&["get", "-r", "--resume", "a", "l4"], "l4/one"),
        (&["get", "-r", "a/one", "l5"], "l5"),
        (&["cp", "-r", "a", "r"], "r/one"),
        (&["cp", "-rp", "a", "s/t/u"], "s/t/u/one"),
        (&["cp", "-rp", "--write", ".", "a", "v/w"], "v/w/one"),
        // No directory: where it goes is the server's to say.
        (&["cp", "-r", "a/one", "r/three"], "r/three"),
        (&["put", "-rp", "--write", ".", "a", "o/p/q"], "o/p/q/one"),
    ] {
        assert_eq!(ok(run_in(at, &[&["fs"], args].concat())), "", "{args:?}");
        assert!(at.join(made).exists(), "{args:?}");
    }
    for verb in ["put", "cp"] {
        let done = run_in(at, &["fs", verb, "-p", "a/one", "x/y"]);
        assert_eq!(done.code, Some(2), "{done:?}");
    }
}

#[test]
fn a_file_is_fetched_and_what_cannot_be_read_empties_nothing() {
    let dir = place();
    let at = dir.path();
    assert_eq!(ok(run_in(at, &["fs", "get", "a/two", "here"])), "");
    assert_eq!(std::fs::read(at.join("here")).expect("there"), b"22\n");
    refused(run_in(at, &["fs", "get", "none", "here"]), "none");
    refused(
        run_in(at, &["fs", "get", "--read", "a", "secret", "here"]),
        "secret",
    );
    assert_eq!(std::fs::read(at.join("here")).expect("there"), b"22\n");
}

#[test]
fn what_does_not_travel_is_told() {
    let dir = place();
    let at = dir.path();
    std::fs::create_dir_all(at.join("project/.git")).expect("made");
    std::fs::write(at.join("project/.git/config"), "c").expect("written");
    std::fs::create_dir_all(at.join("new/.git")).expect("made");
    std::fs::write(at.join("new/.git/config"), "evil").expect("written");
    std::fs::write(at.join("new/f"), "f").expect("written");
    let sent = run_in(
        at,
        &["fs", "put", "-r", "--write", "project", "new", "project"],
    );
    assert_eq!(sent.code, Some(1), "{sent:?}");
    assert!(sent.err.contains(".git/config: "), "{sent:?}");
    assert!(
        sent.err
            .ends_with("2 left out; 1 file, 1 directory and 0 links arrived\n"),
        "{sent:?}"
    );
    assert_eq!(
        std::fs::read(at.join("project/.git/config")).expect("there"),
        b"c"
    );
    assert_eq!(std::fs::read(at.join("project/f")).expect("there"), b"f");
    let missing = run_in(at, &["fs", "put", "-r", "none", "project"]);
    assert_eq!((missing.code, missing.out.as_str()), (Some(1), ""));
}

#[test]
fn a_directory_where_a_file_is_meant_is_told_with_the_option_that_takes_it() {
    let dir = place();
    for (args, words) in [
        (
            &["fs", "put", "a", "b"][..],
            "is a directory: send it with --recursive\n",
        ),
        (
            &["fs", "put", "--resume", "a", "b"],
            "is a directory: send it with --recursive",
        ),
        (
            &["fs", "put", "--atomic", "a", "b"],
            "send it with --recursive, without --atomic",
        ),
        (
            &["fs", "append", "a", "a/one"],
            "is a directory: only what a file holds",
        ),
        (
            &["fs", "rm", "a"],
            "; --recursive removes it with all that is in it",
        ),
    ] {
        let done = run_in(dir.path(), args);
        assert!(
            done.code == Some(1) && done.err.contains(words),
            "{args:?}: {done:?}"
        );
    }
    assert!(dir.path().join("a/one").exists());
}

#[test]
fn a_directory_as_a_new_name_is_where_it_goes_as_with_coreutils() {
    let dir = place();
    let at = dir.path();
    ok(run_in(at, &["fs", "cp", "a/one", "secret"]));
    ok(run_in(at, &["fs", "mv", "a/two", "secret"]));
    ok(run_in(at, &["fs", "cp", "-r", "a", "secret"]));
    assert_eq!(
        ok(run_in(at, &["fs", "tree", "secret"])),
        "secret\n├── a/\n│   └── one\n├── key\n├── one\n└── two\n\n1 directory, 4 files\n"
    );
    for resume in [&[][..], &["--resume"]] {
        let here = tempfile::tempdir().expect("a directory");
        let from = at.join("secret/key");
        let mut args = vec!["fs", "get"];
        args.extend(resume);
        args.extend([from.to_str().expect("text"), "."]);
        ok(run_in(here.path(), &args));
        let got = std::fs::read_to_string(here.path().join("key"));
        assert_eq!(got.expect("fetched"), "k\n", "{args:?}");
    }
    std::fs::create_dir(at.join("new")).expect("made");
    std::os::unix::fs::symlink("new", at.join("link")).expect("linked");
    for way in [&[][..], &["--resume"], &["--atomic"]] {
        for to in ["new", "link/", "new/key"] {
            ok(run_in(
                at,
                &[&["fs", "put"], way, &["secret/key", to]].concat(),
            ));
            let key = at.join("new/key");
            assert_eq!(std::fs::read(&key).expect("sent"), b"k\n", "{way:?} {to}");
            std::fs::remove_file(key).expect("removed");
        }
    }
    // What has no name of its own needs one.
    for name in ["-", "/dev/stdin"] {
        let refused = refused(run_in(at, &["fs", "put", name, "new"]), "new");
        assert!(
            refused.ends_with(": it is a directory; name the file to make in it\n"),
            "{refused}"
        );
    }
    assert_eq!(std::fs::read_dir(at.join("new")).expect("there").count(), 0);
}

#[test]
fn a_slash_at_the_end_means_a_directory_as_with_coreutils() {
    let dir = place();
    let at = dir.path();
    std::os::unix::fs::symlink("none", at.join("broken")).expect("linked");
    let words = "Not a directory (os error 20)\n";
    for args in [
        &["fs", "stat", "a/one/"][..],
        &["fs", "stat", "a/one/."],
        &["fs", "cat", "a/one/"],
        &["fs", "get", "a/one/", "new"],
        &["fs", "get", "a/one/", "-"],
        &["fs", "get", "--resume", "a/one/", "new"],
    ] {
        for profile in [&[][..], &["--read", "."]] {
            let path = args.iter().find(|arg| arg.starts_with("a/")).expect("one");
            let error = refused(run_in(at, &[args, profile].concat()), path);
            assert!(error.ends_with(words), "{args:?}: {error}");
        }
    }
    for args in [
        &["fs", "get", "a/one", "new/"][..],
        &["fs", "get", "--resume", "a/one", "new/"],
        &["fs", "put", "a/one", "new/"],
        &["fs", "put", "--resume", "a/one", "new/"],
        &["fs", "put", "a/one", "a/two/"],
        &["fs", "append", "a/one", "a/two/"],
        &["fs", "append", "a/one", "new/"],
        &["fs", "rm", "a/two/"],
        &["fs", "rm", "-rf", "a/two/"],
        &["fs", "chmod", "600", "a/two/"],
        &["fs", "touch", "a/two/"],
        &["fs", "mv", "a/one", "new/"],
        &["fs", "mv", "a/one", "a/two/"],
        &["fs", "mv", "broken", "new/"],
        &["fs", "cp", "a/one", "new/"],
        &["fs", "cp", "a/one", "a/two/"],
        &["fs", "cp", "--recursive", "broken", "new/"],
        &["fs", "ln", "-s", "a/one", "new/"],
        &["fs", "ln", "-s", "a/one", "a/two/"],
    ] {
        let error = refused(run_in(at, args), args[args.len() - 1]);
        assert!(error.ends_with(words), "{args:?}: {error}");
    }
    for verb in ["cp", "mv"] {
        let error = refused(run_in(at, &["fs", verb, "a/two/", "new"]), "a/two/");
        assert!(error.ends_with(words), "{verb}: {error}");
    }
    assert!(!at.join("new").exists());
    assert_eq!(std::fs::read(at.join("a/two")).expect("there"), b"22\n");
    // With one a link that leads nowhere is not there, and what is a directory is one.
    refused(run_in(at, &["fs", "stat", "broken/"]), "broken/");
    assert!(ok(run_in(at, &["fs", "stat", "a/"])).starts_with("type      directory\n"));
    ok(run_in(at, &["fs", "get", "a/", "new/"]));
    ok(run_in(at, &["fs", "put", "-r", "a/", "sent/"]));
    assert!(at.join("new/one").exists() && at.join("sent/one").exists());
    ok(run_in(at, &["fs", "cp", "--recursive", "new/", "copied/"]));
    ok(run_in(at, &["fs", "mv", "new", "moved/"]));
    assert!(at.join("copied/one").exists() && at.join("moved/one").exists());
    let missing = run_in(at, &["fs", "mv", "none", "moved/none/"]);
    assert!(missing.err.contains("No such file"), "{missing:?}");
}

/// A file goes into a directory that is there; whoever holds the other end must not have it be a directory instead, which would be merged with that one.
#[test]
fn attack_17_a_file_that_is_a_directory_by_now_is_not_merged_into_the_one_it_was_to_go_into() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    for (name, text) in [("notes/.rc", "theirs"), ("home/.rc", "mine")] {
        let path = at.join(name);
        std::fs::create_dir_all(path.parent().expect("below")).expect("made");
        std::fs::write(path, text).expect("written");
    }
    let rc = || std::fs::read_to_string(at.join("home/.rc")).expect("there");
    for args in [
        &["fs", "get", "notes", "home"][..],
        &["fs", "get", "--resume", "notes", "home"],
        &["fs", "get", "--parents", "notes", "home/"],
    ] {
        let said = refused(run_in(at, args), "notes");
        assert!(
            said.contains("with --recursive what is in the one"),
            "{said}"
        );
        assert_eq!(rc(), "mine");
    }
    // What is no file's name gives none.
    std::fs::write(at.join("file"), "x").expect("written");
    for path in ["file/.", "notes/.rc/."] {
        let said = refused(run_in(at, &["fs", "get", path, "home"]), path);
        assert!(said.contains("Not a directory"), "{said}");
    }
    ok(run_in(at, &["fs", "get", "--recursive", "notes", "home"]));
    assert_eq!(rc(), "theirs");
}

#[test]
fn a_file_here_is_kept_where_there_is_no_room_for_what_is_fetched() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    std::fs::write(at.join("large"), vec![b'x'; 3 << 20]).expect("written");
    std::fs::write(at.join("small"), "new").expect("written");
    std::fs::create_dir(at.join("disk")).expect("made");
    let mut command = std::process::Command::new("unshare");
    command.args(["--mount", "--propagation", "private"]);
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    let script = r#"mount -t tmpfs -o size=1m test disk && printf old > disk/f || exit 9
        "$1" fs get large disk/f; echo "$?"; cat disk/f; echo; "$1" fs get small disk/f; echo "$?"; cat disk/f"#;
    command.args(["sh", "-c", script, "sh", crate::support::LOCKGATE]);
    command.env("LOCKGATE_CONFIG", "").current_dir(at);
    let done = crate::support::done(command.output().expect("runs"));
    assert_eq!(done.out, "1\nold\n0\nnew", "{done:?}");
    assert!(done.err.contains("No space left"), "{done:?}");
}
