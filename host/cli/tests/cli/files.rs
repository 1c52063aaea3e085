//! `fs`: directly and through the gate.

use std::path::Path;

use serde_json::Value;

use crate::support::{Done, Server, done, feed, lockgate, ok, place, refused, run_in, wait_for};

pub(crate) fn json(done: Done) -> Value {
    serde_json::from_str(&ok(done)).expect("JSON")
}

#[test]
fn files_are_listed_shown_and_told_about() {
    let dir = place();
    let at = dir.path();
    assert_eq!(ok(run_in(at, &["fs", "ls", "a"])), "one\ntwo\n");
    assert_eq!(
        json(run_in(at, &["fs", "ls", "--json", "a"]))[1]["fileName"],
        "two"
    );
    assert_eq!(ok(run_in(at, &["fs", "cat", "a/one", "a/two"])), "1\n22\n");
    assert!(ok(run_in(at, &["fs", "stat", "a/two"])).starts_with("type      file\nsize      3\n"));
    assert_eq!(
        json(run_in(at, &["fs", "stat", "--json", "a"]))["isDirectory"],
        true
    );
    let tree = ok(run_in(at, &["fs", "tree", "a"]));
    assert_eq!(tree, "a\n├── one\n└── two\n\n0 directories, 2 files\n");
    assert_eq!(
        json(run_in(at, &["fs", "tree", "--json", "a"]))["truncated"],
        false
    );
}

#[test]
fn a_tree_that_stops_at_its_depth_says_so() {
    let dir = place();
    let at = dir.path();
    let stopped = run_in(at, &["fs", "tree", "--depth", "1"]);
    assert!(
        stopped.out.contains("├── a/\n") && !stopped.out.contains("one"),
        "{stopped:?}"
    );
    assert_eq!(
        (stopped.code, stopped.err.as_str()),
        (
            Some(0),
            "lockgate: deeper levels are not shown: use a larger --depth or a directory below\n"
        )
    );
    for all in [
        &["fs", "tree", "--depth", "2"][..],
        &["fs", "tree", "--depth", "1", "a"],
    ] {
        assert!(ok(run_in(at, all)).contains("one"));
    }
}

#[test]
fn a_tree_leaves_out_hidden_directories_where_that_is_asked_for_and_says_what_it_could_not_look_into()
 {
    let dir = place();
    let at = dir.path();
    std::fs::create_dir_all(at.join("a/.hidden/d")).expect("made");
    std::fs::write(at.join("a/.file"), "f").expect("written");
    let tree = ok(run_in(at, &["fs", "tree", "--no-hidden", "a"]));
    assert_eq!(
        tree,
        "a\n├── .file\n├── one\n└── two\n\n0 directories, 3 files\n"
    );
    let tree = ok(run_in(at, &["fs", "tree", "a"]));
    assert!(tree.contains("├── .hidden/\n│   └── d/\n"), "{tree}");
    refused(run_in(at, &["fs", "tree", "none"]), "none");
    refused(run_in(at, &["fs", "tree", "a/one"]), "a/one");
    let denied = run_in(
        at,
        &["fs", "tree", "--read", ".", "--deny", "a/.hidden", "."],
    );
    assert!(denied.out.contains("└── two"), "{denied:?}");
    assert!(!denied.out.contains("── d/"), "{denied:?}");
}

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
fn files_are_written_copied_and_removed() {
    let dir = place();
    let at = dir.path();
    let binary: Vec<u8> = (0..3_000_000u32).map(|n| (n * 7 % 251) as u8).collect();
    let put = feed(at, &["fs", "put", "-", "new"], binary.clone());
    assert_eq!(put.status.code(), Some(0));
    assert!(std::fs::read(at.join("new")).expect("there") == binary);
    assert!(feed(at, &["fs", "cat", "new"], vec![]).stdout == binary);
    ok(run_in(at, &["fs", "put", "a/one", "copy"]));
    ok(run_in(at, &["fs", "mkdir", "-p", "x/y"]));
    ok(run_in(at, &["fs", "cp", "-r", "a", "x/y/a"]));
    assert_eq!(
        std::fs::read_to_string(at.join("x/y/a/two")).expect("there"),
        "22\n"
    );
    ok(run_in(at, &["fs", "rm", "new", "copy"]));
    ok(run_in(at, &["fs", "rm", "-r", "x"]));
    ok(run_in(at, &["fs", "rm", "-f", "x"]));
    assert!(!at.join("x").exists());

    refused(run_in(at, &["fs", "mkdir", "p/q"]), "p/q");
    refused(run_in(at, &["fs", "rm", "a"]), "a");
    refused(run_in(at, &["fs", "rm", "x"]), "x");
    refused(run_in(at, &["fs", "cp", "a", "b"]), "a to b");
    refused(run_in(at, &["fs", "cat", "a"]), "a");
    refused(run_in(at, &["fs", "ls", "a/one"]), "a/one");
    assert_eq!(run_in(at, &["fs", "put", "missing", "b"]).code, Some(1));
}

#[test]
fn a_directory_is_not_copied_by_accident() {
    let dir = place();
    let text = refused(run_in(dir.path(), &["fs", "cp", "a", "b"]), "a to b");
    assert!(text.contains("--recursive"), "{text}");
}

#[test]
fn a_reader_that_leaves_is_no_mistake() {
    let dir = place();
    std::fs::write(dir.path().join("much"), vec![b'x'; 4 << 20]).expect("written");
    let mut child = lockgate(&["fs", "cat", "much"])
        .current_dir(dir.path())
        .spawn()
        .expect("runs");
    wait_for(child.stdout.as_mut().expect("piped"), "xxx");
    drop(child.stdout.take());
    let done = done(child.wait_with_output().expect("ends"));
    assert_eq!((done.code, done.err.as_str()), (Some(141), ""), "{done:?}");
}

#[test]
fn a_server_elsewhere_answers_the_same() {
    let dir = place();
    let server = Server::start(&[]);
    let url = server.url.as_str();
    assert_eq!(
        ok(run_in(
            dir.path(),
            &["fs", "cat", "--url", url, "--read", ".", "a/two"]
        )),
        "22\n"
    );
    refused(
        run_in(
            dir.path(),
            &["fs", "cat", "--url", url, "--read", "a", "secret/key"],
        ),
        "secret/key",
    );
}

#[test]
fn paths_that_make_no_sense_are_a_mistake_of_usage() {
    for path in ["", "file://elsewhere/a", "file:///a%2Fb"] {
        let done = run_in(Path::new("/"), &["fs", "cat", path]);
        assert_eq!(done.code, Some(2), "{done:?}");
        assert!(done.err.starts_with("lockgate: "), "{done:?}");
    }
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
fn names_bits_and_times_are_changed_and_files_replaced_and_appended_to() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let dir = place();
    let at = dir.path();
    for profile in [&[][..], &["--write", "."]] {
        let run = |args: &[&str]| {
            let (verb, rest) = args.split_first().expect("a verb");
            let args = [&["fs", verb][..], profile, rest].concat();
            run_in(at, &args)
        };
        std::fs::write(at.join("f"), "old").expect("written");
        std::fs::hard_link(at.join("f"), at.join("other")).expect("linked");
        ok(run(&["put", "--atomic", "--durable", "a/two", "f"]));
        let text = |name: &str| std::fs::read_to_string(at.join(name)).expect("there");
        assert_eq!((text("f"), text("other")), ("22\n".into(), "old".into()));
        ok(run(&["append", "a/one", "f"]));
        ok(run(&["append", "a/one", "new"]));
        assert_eq!((text("f"), text("new")), ("22\n1\n".into(), "1\n".into()));
        refused(run(&["mv", "--no-clobber", "f", "new"]), "f to new");
        ok(run(&["mv", "f", "new"]));
        assert_eq!(text("new"), "22\n1\n");
        ok(run(&["ln", "-s", "new", "link"]));
        refused(run(&["ln", "-s", "new", "link"]), "link");
        assert_eq!(text("link"), "22\n1\n");
        ok(run(&["chmod", "640", "link"]));
        ok(run(&["touch", "--modified", "1000000000000", "link"]));
        let found = std::fs::metadata(at.join("new")).expect("there");
        assert_eq!(found.permissions().mode() & 0o7777, 0o640);
        assert_eq!(found.mtime(), 1_000_000_000);
        ok(run(&["touch", "new"]));
        let found = std::fs::metadata(at.join("new")).expect("there");
        assert!(found.mtime() > 1_700_000_000);
        refused(run(&["touch", "none"]), "none");
        ok(run(&["rm", "new", "other", "link"]));
    }
    for args in [
        &["fs", "chmod", "888", "a"][..],
        &["fs", "chmod", "4755", "a"],
        &["fs", "ln", "a", "b"],
        &["fs", "touch", "--modified", "-1", "a"],
        &["fs", "put", "--durable", "a/one", "b"],
    ] {
        assert_eq!(run_in(at, args).code, Some(2), "{args:?}");
    }
    let text = refused(
        run_in(
            at,
            &[
                "fs", "put", "--atomic", "--write", "a/one", "a/two", "a/one",
            ],
        ),
        "a/one",
    );
    assert!(
        text.contains("leave out --atomic, or grant its directory") && !text.contains("fs/"),
        "{text}"
    );
}

#[test]
fn files_of_any_size_are_put_and_appended() {
    let dir = place();
    let at = dir.path();
    let large: Vec<u8> = (0..50_000_000u32).map(|n| (n * 7 % 251) as u8).collect();
    let put = feed(
        at,
        &["fs", "put", "--write", ".", "-", "large"],
        large.clone(),
    );
    assert_eq!(done(put).code, Some(0));
    assert!(std::fs::read(at.join("large")).expect("there") == large);
    let appended = feed(at, &["fs", "append", "-", "large"], large.clone());
    assert_eq!(done(appended).code, Some(0));
    let found = std::fs::read(at.join("large")).expect("there");
    assert!(found[..large.len()] == large && found[large.len()..] == large);
    // What is replaced all at once travels in one message.
    let refused = done(feed(at, &["fs", "put", "--atomic", "-", "a/one"], large));
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.err.contains("at most 47 MiB") && refused.err.contains("leave out --atomic"),
        "{}",
        refused.err
    );
    assert_eq!(
        std::fs::read_to_string(at.join("a/one")).expect("there"),
        "1\n"
    );
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
    ] {
        let error = refused(run_in(at, args), args[args.len() - 1]);
        assert!(error.ends_with(words), "{args:?}: {error}");
    }
    assert!(!at.join("new").exists());
    assert_eq!(std::fs::read(at.join("a/two")).expect("there"), b"22\n");
    // With one a link that leads nowhere is not there, and what is a directory is one.
    refused(run_in(at, &["fs", "stat", "broken/"]), "broken/");
    assert!(ok(run_in(at, &["fs", "stat", "a/"])).starts_with("type      directory\n"));
    ok(run_in(at, &["fs", "get", "a/", "new/"]));
    ok(run_in(at, &["fs", "put", "-r", "a/", "sent/"]));
    assert!(at.join("new/one").exists() && at.join("sent/one").exists());
}

#[test]
fn a_long_listing_has_type_size_and_time_and_several_paths_are_told_about_at_once() {
    let dir = place();
    let at = dir.path();
    let long = ok(run_in(at, &["fs", "ls", "-l", "a"]));
    let lines: Vec<Vec<&str>> = long
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    let shown: Vec<_> = lines
        .iter()
        .map(|line| (line[0], line[1], line[line.len() - 1]))
        .collect();
    assert_eq!(
        shown,
        [("file", "2", "one"), ("file", "3", "two")],
        "{long}"
    );
    assert!(long.lines().all(|line| line.contains(" UTC  ")), "{long}");
    assert!(ok(run_in(at, &["fs", "ls", "-l"])).contains("a/\n"));
    let listed = json(run_in(at, &["fs", "ls", "-l", "--json", "a"]));
    assert_eq!(
        (&listed[1]["fileName"], &listed[1]["metadata"]["size"]),
        (&"two".into(), &3.into())
    );

    let told = ok(run_in(at, &["fs", "stat", "a/one", "a"]));
    assert!(
        told.starts_with("path      a/one\ntype      file\n")
            && told.contains("\n\npath      a\ntype      directory\n"),
        "{told}"
    );
}
