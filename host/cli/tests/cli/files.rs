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
    let mut serve = lockgate(&["serve"]);
    serve.current_dir(dir.path());
    let server = Server::started(serve);
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
