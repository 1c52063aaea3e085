//! Nothing that is slow or stuck holds the server up.

use std::process::Stdio;

use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::{Agent, Folder, command, soon};

#[tokio::test]
async fn attack_25_no_pattern_stops_the_server() {
    let folder = Folder::new();
    folder.put("a", "ab".repeat(1_800_000));
    folder.put("b", "here\n");
    let agent = Agent::start(folder.path(), &[]).await;
    for pattern in ["(?:a|b|ab|ba){0,9000}c", "(?:a|b|ab|ba){0,200}c"] {
        let search = agent.asks("search", json!({"pattern": pattern, "glob": "a"}));
        let read = agent.does("read", json!({"path": "b"}));
        let (_, read) = tokio::join!(search, read);
        assert_eq!(read["text"], "here\n");
    }
    agent.ends().await;
}

#[tokio::test]
async fn a_client_that_reads_no_answers_holds_nothing_up_when_its_input_ends() {
    let folder = Folder::new();
    folder.put("a", "x\n".repeat(100 * 1024));
    let mut server = command(folder.path(), &[])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut input = server.stdin.take().expect("a pipe");
    let client = json!({"name": "by hand", "version": "1"});
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client});
    let mut messages = vec![
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}),
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
    ];
    for id in 2..12 {
        let arguments = json!({"path": "a", "lines": 1_000_000, "max_bytes": 262_144});
        let params = json!({"name": "read", "arguments": arguments});
        messages
            .push(json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}));
    }
    for message in messages {
        let line = format!("{message}\n");
        soon(input.write_all(line.as_bytes()))
            .await
            .expect("written");
    }
    drop(input);
    // Its stdout stays open, and full.
    soon(server.wait()).await.expect("it ends, unread");
}

#[tokio::test]
async fn attack_35_a_session_that_calls_without_end_is_bounded_and_works_on() {
    let folder = Folder::new();
    folder.put("a", "here\n");
    let agent = Agent::start(folder.path(), &["--unrestricted"]).await;
    let calls = (0..100).map(|_| {
        agent.asks(
            "run",
            json!({"command": "exec sleep 1000", "wait_seconds": 2}),
        )
    });
    let answers = futures_util::future::join_all(calls).await;
    let said = |words: &str| {
        answers
            .iter()
            .filter(|answer| crate::text(answer).contains(words))
            .count()
    };
    // 64 calls at once, of which 32 may have a process.
    assert_eq!(said("still running"), 32, "{answers:?}");
    assert_eq!(
        said("32 processes of this session are running") + said("64 calls of this session"),
        68
    );
    let read = agent.does("read", json!({"path": "a"})).await;
    assert_eq!(read["text"], "here\n");
    agent.ends().await;
}
