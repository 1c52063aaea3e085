//! The tools for files, in the sandbox that holds where nothing else was said.

use std::os::unix::fs::symlink;

use serde_json::json;

use crate::forms::{ARGUMENTS, asking};
use crate::person::{Person, Says};
use crate::{Agent, Folder, text};

#[tokio::test]
async fn a_file_is_written_read_and_edited_in_the_working_directory() {
    let folder = Folder::new();
    let agent = Agent::start(folder.path(), &[]).await;
    let written = agent
        .does(
            "write",
            json!({"path": "new/dir/a.txt", "content": "one\ntwo\nthree\n"}),
        )
        .await;
    assert_eq!(
        (&written["created"], &written["bytes"]),
        (&json!(true), &json!(14))
    );
    assert_eq!(folder.text("new/dir/a.txt"), "one\ntwo\nthree\n");

    let result = agent
        .asks(
            "read",
            json!({"path": "new/dir/a.txt", "start_line": 2, "lines": 1}),
        )
        .await;
    assert!(text(&result).starts_with("two\n"), "{result:?}");
    let read = result.structured_content.expect("structured");
    assert_eq!(
        (&read["text"], &read["next_line"]),
        (&json!("two\n"), &json!(3))
    );

    let edits =
        json!([{"old_text": "two", "new_text": "2"}, {"old_text": "three", "new_text": "3"}]);
    let edited = agent
        .does("edit", json!({"path": "new/dir/a.txt", "edits": edits}))
        .await;
    assert_eq!(edited["replacements"], 2);
    assert_eq!(folder.text("new/dir/a.txt"), "one\n2\n3\n");

    let edits =
        json!([{"old_text": "one", "new_text": "1"}, {"old_text": "nowhere", "new_text": "x"}]);
    let refused = agent
        .cannot("edit", json!({"path": "new/dir/a.txt", "edits": edits}))
        .await;
    assert!(
        refused.contains("edit 2") && refused.contains("nothing was changed"),
        "{refused}"
    );
    assert_eq!(folder.text("new/dir/a.txt"), "one\n2\n3\n");

    let refused = agent
        .cannot(
            "write",
            json!({"path": "new/dir/a.txt", "content": "", "only_new": true}),
        )
        .await;
    assert!(refused.contains("only_new"), "{refused}");
    agent.ends().await;
}

#[tokio::test]
async fn files_are_moved_removed_and_listed() {
    let folder = Folder::new();
    folder.put("a", "of a");
    folder.put("b/c", "of c");
    folder.put("b/.hidden/d", "of d");
    let agent = Agent::start(folder.path(), &[]).await;
    let names = |listed: &serde_json::Value| -> Vec<String> {
        let entries = listed["entries"].as_array().expect("entries").iter();
        entries
            .map(|entry| entry["name"].as_str().expect("a name").to_owned())
            .collect()
    };
    assert_eq!(names(&agent.does("list", json!({})).await), ["a", "b"]);
    let tree = agent.does("list", json!({"depth": 5})).await;
    assert!(
        names(&tree).contains(&"b/c".to_owned())
            && !names(&tree).contains(&"b/.hidden/d".to_owned()),
        "{tree}"
    );
    let tree = agent
        .does("list", json!({"depth": 5, "hidden": true}))
        .await;
    assert!(names(&tree).contains(&"b/.hidden/d".to_owned()), "{tree}");
    let some = agent
        .does("list", json!({"depth": 5, "hidden": true, "limit": 2}))
        .await;
    assert_eq!((names(&some).len(), &some["truncated"]), (2, &json!(true)));
    let file = agent.does("list", json!({"path": "b/c"})).await;
    assert_eq!(
        (&file["entries"][0]["bytes"], names(&file)),
        (&json!(4), vec!["c".to_owned()])
    );

    let refused = agent
        .cannot("move", json!({"from": "a", "to": "b/c"}))
        .await;
    assert!(refused.contains("exists"), "{refused}");
    assert_eq!(folder.text("b/c"), "of c");
    agent
        .does("move", json!({"from": "a", "to": "b/c", "overwrite": true}))
        .await;
    assert_eq!(folder.text("b/c"), "of a");
    agent.cannot("remove", json!({"path": "b"})).await;
    agent.cannot("remove", json!({"path": "."})).await;
    agent
        .does("remove", json!({"path": "b", "recursive": true}))
        .await;
    assert!(!folder.path().join("b").exists() && folder.path().exists());
    agent
        .cannot("remove", json!({"path": "b", "recursive": true}))
        .await;
    agent.ends().await;
}

#[tokio::test]
async fn lines_and_names_are_searched() {
    let folder = Folder::new();
    folder.put("src/a.rs", "fn one() {}\nfn two() {}\n");
    folder.put("src/b.txt", "fn not_rust\n");
    folder.put(".git/c.rs", "fn hidden() {}\n");
    folder.put("data", b"fn \0 binary\n");
    folder.put("large.rs", vec![b'x'; 5 * 1024 * 1024]);
    let agent = Agent::start(folder.path(), &[]).await;
    let found = agent
        .does("search", json!({"pattern": r"^fn \w+\(\)"}))
        .await;
    let matches = found["matches"].as_array().expect("matches");
    assert_eq!(matches.len(), 2, "{found}");
    assert_eq!(
        matches[1],
        json!({"path": "src/a.rs", "line": 2, "text": "fn two() {}"})
    );
    assert_eq!(found["skipped"][0]["path"], "large.rs", "{found}");
    let found = agent.does("search", json!({"glob": "*.rs"})).await;
    assert_eq!(
        found["matches"],
        json!([{"path": "large.rs"}, {"path": "src/a.rs"}])
    );
    let found = agent
        .does(
            "search",
            json!({"glob": "*.rs", "pattern": "HIDDEN", "ignore_case": true, "hidden": true}),
        )
        .await;
    assert_eq!(found["matches"][0]["path"], ".git/c.rs");
    let found = agent
        .does(
            "search",
            json!({"pattern": "{}", "literal": true, "limit": 1}),
        )
        .await;
    assert_eq!(found["matches"].as_array().expect("matches").len(), 1);
    assert!(found["truncated"].is_string(), "{found}");
    for (arguments, words) in [
        (json!({}), "give a `pattern`"),
        (json!({"pattern": "("}), "no regular expression"),
        (
            json!({"pattern": r"(\w{1000}){1000}"}),
            "no regular expression",
        ),
        (json!({"glob": "[a"}), "no pattern for names"),
        (json!({"pattern": "x", "limit": 5_000}), "at most 1000"),
    ] {
        let refused = agent.cannot("search", arguments).await;
        assert!(refused.contains(words), "{refused}");
    }
    agent.ends().await;
}

#[tokio::test]
async fn a_search_neither_finds_links_nor_reads_through_them() {
    let folder = asking();
    folder.put("d/real.txt", "needle\n");
    folder.put("elsewhere/far.txt", "needle\n");
    for (says, name) in [
        ("real.txt", "d/near.txt"),
        ("../elsewhere/far.txt", "d/far.txt"),
        ("../elsewhere", "d/there"),
        ("../d/loop.txt", "d/loop.txt"),
        ("/etc/passwd", "d/out.txt"),
        ("d/real.txt", "named.txt"),
    ] {
        symlink(says, folder.path().join(name)).expect("made");
    }
    let person = Person::saying(vec![Says::Allow; 100]);
    let asking = Agent::with(person.clone(), folder.path(), &ARGUMENTS).await;
    let plain = Agent::start(folder.path(), &[]).await;
    let unrestricted = Agent::start(folder.path(), &["--unrestricted"]).await;
    for agent in [&plain, &unrestricted, &asking] {
        let lines = json!({"path": "d", "pattern": "needle|root"});
        let found = agent.does("search", lines).await;
        let only = json!([{"path": "d/real.txt", "line": 1, "text": "needle"}]);
        assert_eq!(
            (&found["matches"], &found["files"], &found["skipped"]),
            (&only, &json!(1), &json!([])),
        );
        let names = json!({"path": "d", "glob": "*.txt"});
        let found = agent.does("search", names).await;
        assert_eq!(found["matches"], json!([{"path": "d/real.txt"}]));
        // What the call itself names is meant.
        let named = json!({"path": "named.txt", "pattern": "needle"});
        let found = agent.does("search", named).await;
        assert_eq!(found["matches"][0]["path"], "named.txt", "{found}");
    }
    let asked = person.asked();
    assert!(
        !asked.iter().any(|asked| asked.contains("far.txt")),
        "{asked:#?}"
    );
    for agent in [asking, plain, unrestricted] {
        agent.ends().await;
    }
}

#[tokio::test]
async fn text_that_is_not_quite_utf_8_comes_as_text_that_says_so() {
    let folder = Folder::new();
    folder.put("latin-1", b"// le caf\xe9\nlet x = 1;\n");
    folder.put("stray", b"one\ntwo \xff\nthree\n");
    folder.put("cyrillic", b"\xd0\xd2\xc9\xd7\xc5\xd4\n");
    folder.put("packed", b"abcdefgh\x01\x02\xfe\x03");
    let agent = Agent::start(folder.path(), &[]).await;
    for (path, text) in [
        ("latin-1", "// le caf\u{fffd}\nlet x = 1;\n"),
        ("stray", "one\ntwo \u{fffd}\nthree\n"),
    ] {
        let read = agent.does("read", json!({"path": path})).await;
        assert_eq!(
            (&read["text"], &read["is_lossy"], &read["media_type"]),
            (&json!(text), &json!(true), &json!(null)),
            "{read}"
        );
    }
    for path in ["cyrillic", "packed"] {
        let blob = agent.asks("read", json!({"path": path})).await;
        assert!(blob.content[0].as_resource().is_some(), "{blob:?}");
    }
    agent.ends().await;
}

#[tokio::test]
async fn what_is_no_text_comes_as_an_image_or_a_blob() {
    let folder = Folder::new();
    folder.put("a.png", b"\x89PNG\r\n\x1a\n\0\0");
    folder.put("a.bin", b"\0\x01\x02");
    folder.put("large.bin", vec![0; 600 * 1024]);
    let agent = Agent::start(folder.path(), &[]).await;
    let image = agent.asks("read", json!({"path": "a.png"})).await;
    let image = image.content[0].as_image().expect("an image");
    assert_eq!(
        (image.mime_type.as_str(), image.data.as_str()),
        ("image/png", "iVBORw0KGgoAAA==")
    );
    let blob = agent.asks("read", json!({"path": "a.bin"})).await;
    assert!(blob.content[0].as_resource().is_some(), "{blob:?}");
    assert_eq!(blob.structured_content.expect("structured")["bytes"], 3);
    let refused = agent.cannot("read", json!({"path": "large.bin"})).await;
    assert!(refused.contains("larger than 512 KiB"), "{refused}");
    let written = json!({"path": "b.bin", "content": "AAEC", "encoding": "base64"});
    agent.does("write", written).await;
    assert_eq!(
        std::fs::read(folder.path().join("b.bin")).expect("there"),
        [0, 1, 2]
    );
    let refused = agent
        .cannot(
            "write",
            json!({"path": "b.bin", "content": "?", "encoding": "base64"}),
        )
        .await;
    assert!(refused.contains("no base64"), "{refused}");
    agent.ends().await;
}

#[tokio::test]
async fn edits_at_the_same_time_lose_none_and_one_file_is_made_new_once() {
    let folder = Folder::new();
    let lines: String = (0..20).map(|line| format!("line {line};\n")).collect();
    folder.put("a", &lines);
    let agent = Agent::start(folder.path(), &[]).await;
    let edits = (0..20).map(|line| {
        let edit =
            json!({"old_text": format!("line {line};"), "new_text": format!("done {line};")});
        agent.does("edit", json!({"path": "a", "edits": [edit]}))
    });
    futures_util::future::join_all(edits).await;
    assert_eq!(folder.text("a"), lines.replace("line", "done"));

    let writes = (0..20).map(|number| {
        let arguments = json!({"path": "new/b", "content": number.to_string(), "only_new": true});
        agent.asks("write", arguments)
    });
    let written = futures_util::future::join_all(writes).await;
    let made = written.iter().enumerate();
    let made: Vec<_> = made
        .filter(|(_, result)| result.is_error != Some(true))
        .collect();
    let [(number, _)] = made[..] else {
        panic!("one of them: {made:?}");
    };
    assert_eq!(folder.text("new/b"), number.to_string());

    symlink("nowhere", folder.path().join("dangling")).expect("made");
    let arguments = json!({"path": "dangling", "content": "x", "only_new": true});
    let refused = agent.cannot("write", arguments).await;
    assert!(refused.contains("only_new"), "{refused}");
    assert!(!folder.path().join("nowhere").exists());
    agent.ends().await;
}

#[tokio::test]
async fn other_names_of_a_file_keep_what_it_had() {
    let folder = Folder::new();
    folder.put("a", "one\n");
    let agent = Agent::start(folder.path(), &[]).await;
    let edits = json!([{"old_text": "two", "new_text": "three"}]);
    for (tool, call, had, has) in [
        (
            "write",
            json!({"path": "a", "content": "two\n"}),
            "one\n",
            "two\n",
        ),
        (
            "edit",
            json!({"path": "a", "edits": edits}),
            "two\n",
            "three\n",
        ),
    ] {
        let other = folder.path().join(tool);
        std::fs::hard_link(folder.path().join("a"), other).expect("made");
        agent.does(tool, call).await;
        assert_eq!(
            (folder.text(tool).as_str(), folder.text("a").as_str()),
            (had, has)
        );
    }
    agent.ends().await;
}

#[tokio::test]
async fn a_directory_that_is_reached_by_a_link_is_listed_and_searched_by_that_name() {
    let folder = Folder::new();
    folder.put("really/sub/a.txt", "needle\n");
    let link = folder.path().join("link");
    std::os::unix::fs::symlink("really", &link).expect("made");
    std::os::unix::fs::symlink("really/sub/a.txt", folder.path().join("file")).expect("made");
    let at_link = link.to_str().expect("text");
    // The link is asked for, and the working directory is one.
    for (arguments, path) in [(&[][..], "link"), (&["--cwd", at_link][..], ".")] {
        let agent = Agent::start(folder.path(), arguments).await;
        let listed = agent.does("list", json!({"path": path, "depth": 3})).await;
        let names: Vec<_> = listed["entries"]
            .as_array()
            .expect("entries")
            .iter()
            .map(|entry| &entry["name"])
            .collect();
        assert_eq!(names, ["sub", "sub/a.txt"], "{listed}");
        let found = agent
            .does(
                "search",
                json!({"path": path, "pattern": "needle", "glob": "sub/*.txt"}),
            )
            .await;
        let found_at = found["matches"][0]["path"].as_str().expect("found");
        // As the other tools take it.
        let read = agent.does("read", json!({"path": found_at})).await;
        assert_eq!(read["text"], "needle\n", "{found}");
        assert_eq!(
            found_at,
            if path == "." {
                "sub/a.txt"
            } else {
                "link/sub/a.txt"
            }
        );
        agent.ends().await;
    }
}
