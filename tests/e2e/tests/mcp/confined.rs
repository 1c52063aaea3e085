//! That no tool gets at more than its session was granted, whatever its arguments say and whatever is there.

use std::os::unix::fs::symlink;

use serde_json::json;

use crate::{Agent, Folder};

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
