//! The connection to the executor is lost while a tool works: what only looks does not hear of it, and what changes something is not done twice.

use lockgate_e2e::Server;
use serde_json::{Value, json};

use crate::cutter::Cutter;
use crate::{Agent, Folder};

/// An agent in a folder, whose connection to the executor is cut at will.
async fn agent(folder: &Folder) -> (Server, Cutter, Agent) {
    let mut server = Server::command();
    server.current_dir(folder.path());
    let server = Server::from_command(server);
    let cutter = Cutter::before(&server).await;
    let agent = Agent::start(folder.path(), &["--url", cutter.url()]).await;
    (server, cutter, agent)
}

#[tokio::test]
async fn tools_that_only_look_do_not_hear_of_a_lost_connection() {
    let folder = Folder::new();
    folder.put("a", "here\n");
    // Of several blocks.
    folder.put("long", "x\n".repeat(1_500_000) + "needle\n");
    folder.put("image", b"\x89PNG\0");
    let (_server, cutter, agent) = agent(&folder).await;
    let first = json!({"path": "a"});
    let last = json!({"path": "long", "start_line": 1_500_001});
    let needle = json!({"pattern": "needle", "glob": "long"});
    let found = json!([{"path": "long", "line": 1_500_001, "text": "needle"}]);
    for (tool, arguments, method, after, member, expected) in [
        ("read", first.clone(), "fs/open", 0, "text", json!("here\n")),
        ("read", first, "fs/readBlock", 0, "text", json!("here\n")),
        ("read", last, "fs/readBlock", 2, "text", json!("needle\n")),
        (
            "read",
            json!({"path": "image"}),
            "fs/readBlock",
            0,
            "bytes",
            json!(5),
        ),
        (
            "list",
            json!({}),
            "fs/getMetadata",
            0,
            "truncated",
            json!(false),
        ),
        (
            "list",
            json!({}),
            "fs/readDirectory",
            0,
            "truncated",
            json!(false),
        ),
        (
            "search",
            needle.clone(),
            "fs/walk",
            0,
            "matches",
            found.clone(),
        ),
        (
            "search",
            needle.clone(),
            "fs/open",
            0,
            "matches",
            found.clone(),
        ),
        ("search", needle, "fs/readBlock", 1, "matches", found),
    ] {
        cutter.cuts(method, after, 2);
        let answer: Value = agent.does(tool, arguments).await;
        assert_eq!(answer[member], expected, "{tool} at {method}: {answer}");
        assert_eq!(cutter.left(), 0, "{tool} at {method}");
        assert_eq!(answer["skipped_count"].as_u64().unwrap_or(0), 0, "{answer}");
    }
    agent.ends().await;
}

#[tokio::test]
async fn a_look_that_ends_every_connection_is_given_up_and_the_next_call_works() {
    let folder = Folder::new();
    folder.put("a", "here\n");
    let (_server, cutter, agent) = agent(&folder).await;
    for (method, most) in [("fs/open", 4), ("fs/readBlock", 4)] {
        cutter.cuts(method, 0, 1_000);
        let said = agent.cannot("read", json!({"path": "a"})).await;
        assert!(said.contains("the connection was lost before"), "{said}");
        assert_eq!(cutter.asked_for(method), most, "{method}");
        cutter.cuts(method, 0, 0);
        let read = agent.does("read", json!({"path": "a"})).await;
        assert_eq!(read["text"], "here\n");
    }
    agent.ends().await;
}

#[tokio::test]
async fn a_change_that_a_lost_connection_leaves_in_doubt_is_not_made_twice() {
    let folder = Folder::new();
    folder.put("a", "here\n");
    let (_server, cutter, agent) = agent(&folder).await;
    for (tool, arguments, method) in [
        (
            "write",
            json!({"path": "a", "content": "new"}),
            "lockgate/fs/replaceFile",
        ),
        (
            "edit",
            json!({"path": "a", "edits": [{"old_text": "here", "new_text": "there"}]}),
            "lockgate/fs/replaceFile",
        ),
        (
            "move",
            json!({"from": "a", "to": "b"}),
            "lockgate/fs/rename",
        ),
        ("remove", json!({"path": "a"}), "fs/remove"),
    ] {
        cutter.cuts(method, 0, 1);
        let said = agent.cannot(tool, arguments).await;
        assert!(
            said.contains("; nobody knows whether it was done, so look before you do it again"),
            "{tool}: {said}"
        );
        assert_eq!(cutter.asked_for(method), 1, "{tool}");
        assert_eq!(folder.text("a"), "here\n", "{tool}");
    }
    agent.ends().await;
}

/// Every look is cut until it is given up, so nothing that changes anything was asked for.
#[tokio::test]
async fn a_change_that_was_lost_while_it_only_looked_says_that_nothing_was_done() {
    let folder = Folder::new();
    folder.put("a", "here\n");
    let (_server, cutter, agent) = agent(&folder).await;
    let edits = json!([{"old_text": "here", "new_text": "there"}]);
    cutter.cuts("fs/open", 0, 1_000);
    let said = agent
        .cannot("edit", json!({"path": "a", "edits": edits}))
        .await;
    assert!(said.ends_with("; nothing was done"), "{said}");
    cutter.cuts("fs/open", 0, 1_000);
    let said = agent.cannot("read", json!({"path": "a"})).await;
    assert!(!said.contains("done"), "{said}");
    cutter.cuts("fs/open", 0, 0);
    assert_eq!(folder.text("a"), "here\n");
    agent.ends().await;
}

#[tokio::test]
async fn what_a_lost_connection_leaves_of_commands_is_said_too() {
    let folder = Folder::new();
    let mut server = Server::command();
    server.current_dir(folder.path());
    let server = Server::from_command(server);
    let cutter = Cutter::before(&server).await;
    let arguments = ["--url", cutter.url(), "--unrestricted"];
    let agent = Agent::start(folder.path(), &arguments).await;
    let start = json!({"command": "cat", "interactive": true, "wait_seconds": 0});
    let process = agent.does("run", start).await["process"].clone();
    let signal = json!({"process": process, "signal": "INT"});
    cutter.cuts("lockgate/process/signal", 0, 1);
    let said = agent.cannot("process_stop", signal).await;
    assert!(
        said.contains("; nobody knows whether it was done"),
        "{said}"
    );
    agent.ends().await;
}
