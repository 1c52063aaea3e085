//! The tools for files, in the sandbox that holds where nothing else was said.

use std::os::unix::fs::symlink;

use serde_json::json;

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

/// A directory to work in, beside one that is not granted.
fn beside_a_secret() -> Folder {
    let folder = Folder::new();
    folder.put("outside/secret", "the secret\n");
    folder.put("work/own", "own\n");
    folder.put("work/.git/config", "[core]\n");
    folder
}

/// All that each tool can do with that path, whose last name is `secret`.
fn attempts(path: &str) -> Vec<(&'static str, serde_json::Value)> {
    vec![
        ("read", json!({"path": path})),
        ("write", json!({"path": path, "content": "changed"})),
        (
            "write",
            json!({"path": path, "content": "changed", "encoding": "text", "only_new": true}),
        ),
        (
            "edit",
            json!({"path": path, "edits": [{"old_text": "secret", "new_text": "changed"}]}),
        ),
        ("list", json!({"path": path})),
        ("search", json!({"path": path, "pattern": "secret"})),
        ("move", json!({"from": path, "to": "taken"})),
        (
            "move",
            json!({"from": "own", "to": path, "overwrite": true}),
        ),
        ("remove", json!({"path": path, "recursive": true})),
    ]
}

async fn none_of_them_gets_out(folder: &Folder, paths: &[&str]) {
    let agent = Agent::start(&folder.path().join("work"), &[]).await;
    for path in paths {
        for (tool, arguments) in attempts(path) {
            // A link itself may be moved and removed; then it is there no more.
            let result = agent.asks(tool, arguments.clone()).await;
            let told = format!("{:?}", result.content);
            assert!(!told.contains("the secret"), "{tool} {path}: {told}");
            if !["move", "remove"].contains(&tool) {
                assert_eq!(result.is_error, Some(true), "{tool} {arguments}: {told}");
            }
            assert_eq!(
                folder.text("outside/secret"),
                "the secret\n",
                "{tool} {path}"
            );
            let outside = std::fs::read_dir(folder.path().join("outside")).expect("there");
            assert_eq!(outside.count(), 1, "{tool} {path}");
        }
    }
    agent.ends().await;
}

#[tokio::test]
async fn attack_01_no_spelling_of_a_path_leads_any_tool_out() {
    let folder = beside_a_secret();
    let absolute = folder.path().join("outside/secret");
    let absolute = absolute.to_str().expect("text");
    let uri = format!(
        "file://{}/work/..%2foutside/secret",
        folder.path().display()
    );
    let plain = format!("file://{absolute}");
    let through = format!("{}/work/../outside/secret", folder.path().display());
    none_of_them_gets_out(
        &folder,
        &[
            "../outside/secret",
            "./.././outside//secret",
            "own/../../outside/secret",
            "nothing/../../outside/secret",
            absolute,
            &through,
            &uri,
            &plain,
            "../outside/secret\0",
            "/proc/self/cwd/../outside/secret",
        ],
    )
    .await;
}

#[tokio::test]
async fn attack_03_no_link_leads_any_tool_out() {
    let folder = beside_a_secret();
    let work = folder.path().join("work");
    let outside = folder.path().join("outside");
    symlink("../outside/secret", work.join("to_file")).expect("made");
    symlink(&outside, work.join("to_directory")).expect("made");
    symlink("to_directory", work.join("to_link")).expect("made");
    symlink("/proc/self/root", work.join("to_magic")).expect("made");
    let magic = format!("to_magic{}/secret", outside.display());
    none_of_them_gets_out(
        &folder,
        &["to_directory/secret", "to_link/secret", &magic, "to_file"],
    )
    .await;
    // What is below a link out is not walked, either.
    let agent = Agent::start(&work, &[]).await;
    let found = agent
        .does("search", json!({"pattern": "secret", "hidden": true}))
        .await;
    assert_eq!(found["matches"], json!([]), "{found}");
    let tree = agent
        .does("list", json!({"depth": 9, "hidden": true}))
        .await;
    assert!(!tree.to_string().contains("secret"), "{tree}");
    agent.ends().await;
}

#[tokio::test]
async fn attack_13_protected_names_stay_as_they_are() {
    let folder = beside_a_secret();
    let agent = Agent::start(&folder.path().join("work"), &[]).await;
    for (tool, arguments) in [
        (
            "write",
            json!({"path": ".git/config", "content": "changed"}),
        ),
        (
            "write",
            json!({"path": ".git/hooks/post-commit", "content": "changed"}),
        ),
        (
            "write",
            json!({"path": ".codex/config.toml", "content": "changed"}),
        ),
        (
            "edit",
            json!({"path": ".git/config", "edits": [{"old_text": "core", "new_text": "changed"}]}),
        ),
        ("move", json!({"from": ".git", "to": "git"})),
        ("remove", json!({"path": ".git", "recursive": true})),
    ] {
        agent.cannot(tool, arguments).await;
        assert_eq!(folder.text("work/.git/config"), "[core]\n", "{tool}");
    }
    assert!(!folder.path().join("work/.codex").exists());
    agent.ends().await;
}

#[tokio::test]
async fn attack_13_what_clients_and_shells_start_programs_by_stays_as_it_is() {
    let folder = Folder::new();
    folder.put(".vscode/mcp.json", "{}\n");
    folder.put("free/mcp.json", "{\"of\": \"the agent\"}\n");
    let agent = Agent::start(folder.path(), &[]).await;
    let read = agent
        .does("read", json!({"path": ".vscode/mcp.json"}))
        .await;
    assert_eq!(read["text"], "{}\n");
    let ways = [
        ("move", json!({"from": ".vscode", "to": "other"})),
        ("move", json!({"from": "free", "to": ".cursor"})),
        ("move", json!({"from": "free", "to": ".claude"})),
        ("remove", json!({"path": ".vscode", "recursive": true})),
    ];
    for (tool, arguments) in ways {
        agent.cannot(tool, arguments).await;
    }
    let names = [
        ".mcp.json",
        ".vscode/mcp.json",
        ".cursor/mcp.json",
        ".claude/settings.json",
        ".envrc",
    ];
    for name in names {
        agent
            .cannot("write", json!({"path": name, "content": "changed"}))
            .await;
        let over = json!({"from": "free/mcp.json", "to": name, "overwrite": true});
        agent.cannot("move", over).await;
    }
    assert_eq!(folder.text(".vscode/mcp.json"), "{}\n");
    for name in [".mcp.json", ".cursor/mcp.json", ".claude", ".envrc"] {
        assert!(!folder.path().join(name).exists(), "{name}");
    }
    // What lies beside them is the agent's.
    let beside = json!({"path": ".vscode/settings.json", "content": "{}"});
    agent.does("write", beside).await;
    agent.ends().await;

    let agent = Agent::start(folder.path(), &["--write", "."]).await;
    for name in names {
        agent
            .does("write", json!({"path": name, "content": "meant"}))
            .await;
        assert_eq!(folder.text(name), "meant");
    }
    agent.ends().await;
}

#[tokio::test]
async fn attack_14_nothing_that_a_call_says_widens_the_profile() {
    let folder = beside_a_secret();
    let agent = Agent::start(&folder.path().join("work"), &[]).await;
    let secret = folder.path().join("outside/secret");
    for member in [
        "sandbox",
        "sandboxPolicy",
        "cwd",
        "root",
        "profile",
        "roots",
    ] {
        let mut arguments = json!({"path": secret});
        arguments[member] =
            json!({"permissions": "disabled", "type": "dangerFullAccess", "cwd": "/"});
        let refused = agent.cannot("read", arguments).await;
        assert!(refused.contains("unknown field"), "{refused}");
    }
    agent.ends().await;
    // Nor is a command run where its files could not be held to the profile.
    let agent = Agent::start(&folder.path().join("work"), &["--read", "."]).await;
    agent.cannot("run", json!({"argv": ["cat", secret]})).await;
    agent
        .cannot("write", json!({"path": "own", "content": "changed"}))
        .await;
    assert_eq!(folder.text("work/own"), "own\n");
    agent.ends().await;
}

#[tokio::test]
async fn attack_15_special_files_hang_no_tool() {
    let folder = Folder::new();
    let fifo = folder.path().join("fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        0o600.into(),
        0,
    )
    .expect("made");
    folder.put("own", "own\n");
    let agent = Agent::start(folder.path(), &[]).await;
    for (tool, arguments) in [
        ("read", json!({"path": "fifo"})),
        ("write", json!({"path": "fifo/x", "content": "x"})),
        (
            "edit",
            json!({"path": "fifo", "edits": [{"old_text": "a", "new_text": "b"}]}),
        ),
        ("read", json!({"path": "/dev/zero"})),
        ("read", json!({"path": "/dev/stdin"})),
    ] {
        agent.cannot(tool, arguments).await;
    }
    let found = agent.does("search", json!({"pattern": "own"})).await;
    assert_eq!(found["matches"][0]["path"], "own");
    agent.ends().await;
}

#[tokio::test]
async fn attack_16_no_size_of_a_file_is_too_much_for_a_tool() {
    let folder = Folder::new();
    let sparse = std::fs::File::create(folder.path().join("sparse")).expect("made");
    sparse.set_len(1 << 42).expect("sparse");
    folder.put("line", vec![b'x'; 10 * 1024 * 1024]);
    folder.put("lines", "x\n".repeat(1024 * 1024));
    let agent = Agent::start(folder.path(), &[]).await;
    for (tool, arguments) in [
        ("read", json!({"path": "sparse"})),
        (
            "edit",
            json!({"path": "sparse", "edits": [{"old_text": "a", "new_text": "b"}]}),
        ),
        (
            "edit",
            json!({"path": "line", "edits": [{"old_text": "a", "new_text": "b"}]}),
        ),
        ("read", json!({"path": "lines", "start_line": 9_000_000})),
    ] {
        agent.cannot(tool, arguments).await;
    }
    let read = agent.does("read", json!({"path": "line"})).await;
    assert_eq!(
        (read["text"].as_str().map(str::len), &read["line_is_cut"]),
        (Some(64 * 1024), &json!(true))
    );
    let read = agent
        .does("read", json!({"path": "lines", "lines": 1_000_000_000_u64}))
        .await;
    assert_eq!(
        (read["text"].as_str().map(str::len), &read["next_line"]),
        (Some(64 * 1024), &json!(32 * 1024 + 1))
    );
    let read = agent
        .does(
            "read",
            json!({"path": "lines", "start_line": 1_000_000, "lines": 1}),
        )
        .await;
    assert_eq!(read["text"], "x\n");
    let found = agent.does("search", json!({"pattern": "x"})).await;
    assert_eq!(found["matches"].as_array().expect("matches").len(), 100);
    agent.ends().await;
}

#[tokio::test]
async fn attack_14_relative_paths_of_a_profile_begin_in_the_working_directory() {
    let folder = beside_a_secret();
    let outside = folder.path().join("outside");
    std::os::unix::fs::symlink("secret", outside.join("link")).expect("made");
    // Started in one directory, and working in another one.
    let start = |arguments: &'static [&'static str]| {
        let outside = outside.clone();
        async move { Agent::start(&outside, arguments).await }
    };
    let agent = start(&["--cwd", "../work", "--write", "."]).await;
    agent
        .does("write", json!({"path": "own", "content": "changed"}))
        .await;
    assert_eq!(folder.text("work/own"), "changed");
    for path in ["../outside/secret", "../outside/link"] {
        agent.cannot("read", json!({"path": path})).await;
    }
    let secret = outside.join("secret");
    agent.cannot("read", json!({"path": secret})).await;
    agent
        .cannot("write", json!({"path": secret, "content": "changed"}))
        .await;
    agent.ends().await;
    let agent = start(&[
        "--cwd",
        "../work",
        "--write",
        ".",
        "--deny",
        "own",
        "--deny-glob",
        "*.key",
    ])
    .await;
    folder.put("work/a.key", "secret");
    for path in ["own", "a.key"] {
        agent.cannot("read", json!({"path": path})).await;
    }
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
