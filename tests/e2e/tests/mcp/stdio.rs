//! The session over stdin and stdout: what a client is told, and how it ends.

use std::process::Stdio;

use lockgate_e2e::{is_running, kill_9};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::io::AsyncReadExt;

use crate::by_hand::ByHand;
use crate::{Agent, Folder, command, soon};

#[tokio::test]
async fn run_is_offered_only_where_it_can_work() {
    let folder = Folder::new();
    for (arguments, offered) in [
        (&[][..], false),
        (&["--read", "/"], false),
        (&["--unrestricted"], true),
        (&["--process-sandbox", "external"], true),
    ] {
        let agent = Agent::start(folder.path(), arguments).await;
        let tools = soon(agent.client.list_all_tools()).await.expect("tools");
        let names: Vec<_> = tools.iter().map(|tool| tool.name.as_ref()).collect();
        assert_eq!(names.contains(&"run"), offered, "{arguments:?}: {names:?}");
        assert!(names.contains(&"read") && names.contains(&"search"));
        let instructions = agent.client.peer_info().expect("initialized");
        let instructions = instructions.instructions.as_deref().expect("instructions");
        assert_eq!(
            instructions.contains("--unrestricted"),
            !offered,
            "{instructions}"
        );
        assert_eq!(
            instructions.contains("Lockgate does not hold them to that"),
            arguments.contains(&"external"),
            "{instructions}"
        );
        if offered {
            let ran = agent
                .does("run", json!({"argv": ["echo", "it works"]}))
                .await;
            assert_eq!(ran["stdout"], "it works\n");
        } else {
            let words = agent.cannot("run", json!({"command": "true"})).await;
            assert!(words.contains("--process-sandbox external"), "{words}");
        }
        agent.ends().await;
    }
}

#[tokio::test]
async fn versions_of_the_protocol_are_negotiated() {
    let folder = Folder::new();
    for (asked, given) in [
        ("2024-11-05", "2024-11-05"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("1999-01-01", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
    ] {
        let mut client = ByHand::start(command(folder.path(), &[]));
        let answer = client.initialize(asked).await;
        assert_eq!(answer["result"]["protocolVersion"], given, "{answer}");
        assert_eq!(answer["result"]["serverInfo"]["name"], "lockgate");
    }
}

#[tokio::test]
async fn attack_31_garbage_on_stdin_ends_no_session() {
    let folder = Folder::new();
    folder.put("a", "here\n");
    let mut client = ByHand::start(command(folder.path(), &[]));
    client
        .send(b"garbage\n\n\xff\xfe\x00\n{\n[]\n\"x\"\n")
        .await;
    client.initialize("2025-11-25").await;
    let deep = "[".repeat(200_000);
    let deep_arguments = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"tools/call\",\"params\":{{\"name\":\"read\",\"arguments\":{{\"path\":{deep}\n"
    );
    client.send(deep_arguments.as_bytes()).await;
    client.send(&vec![b' '; 17 * 1024 * 1024]).await;
    client
        .send(b"\n{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":1}\n")
        .await;
    client
        .send(b"{\"jsonrpc\":\"2.0\",\"id\":77,\"result\":{}}\n")
        .await;
    let answer = client.tool(2, "read", json!({"path": "a"})).await;
    assert_eq!(
        answer["result"]["structuredContent"]["text"], "here\n",
        "{answer}"
    );
    let answer = client.tool(3, "no_such_tool", json!({})).await;
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    assert!(
        answer["error"]["message"]
            .as_str()
            .is_some_and(|text| text.starts_with("there are the tools read, write")),
        "{answer}"
    );
    let answer = client
        .tool(4, "read", json!({"path": {"deeply": [1, 2]}}))
        .await;
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    let answer = client
        .tool(
            5,
            "write",
            json!({"path": "b", "content": "x".repeat(8 * 1024 * 1024)}),
        )
        .await;
    assert_eq!(
        answer["result"]["structuredContent"]["bytes"],
        8 * 1024 * 1024
    );
}

#[tokio::test]
async fn attack_31_what_is_too_long_or_does_not_fit_is_answered_with_its_id() {
    let folder = Folder::new();
    let mut client = ByHand::start(command(folder.path(), &[]));
    client.initialize("2025-11-25").await;
    let long = "x".repeat(17 * 1024 * 1024);
    for id in [json!(2), json!("three")] {
        let params = format!(
            "\"method\":\"tools/call\",\"params\":{{\"name\":\"write\",\"arguments\":{{\"path\":\"a\",\"content\":\"{long}\"}}}}"
        );
        for message in [
            format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},{params}}}\n"),
            format!("{{{params},\"jsonrpc\":\"2.0\",\"id\":{id}}}\n"),
        ] {
            client.send(message.as_bytes()).await;
            let answer = client.answer().await;
            assert_eq!(answer["id"], id, "{answer}");
            assert_eq!(answer["error"]["code"], -32600, "{answer}");
            let text = answer["error"]["message"].as_str().expect("text");
            assert!(text.contains("16 MiB are taken at most"), "{text}");
        }
    }
    for (id, method, params, code) in [
        (5, "tools/call", json!({"name": 7}), -32602),
        (6, "tools/call", json!({}), -32602),
        (7, "no/such", json!({}), -32601),
    ] {
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        let answer = client.call(message).await;
        assert_eq!(answer["error"]["code"], code, "{answer}");
        let text = answer["error"]["message"].as_str().expect("text");
        assert!(text.contains(method), "{text}");
    }
    assert!(!folder.path().join("a").exists());
}

#[tokio::test]
async fn stdout_carries_messages_only_and_logs_hold_no_secrets() {
    let folder = Folder::new();
    for level in ["trace", "debug,lockgate_mcp=trace"] {
        let mut command = command(folder.path(), &["--unrestricted"]);
        command.env("LOCKGATE_LOG", level).stderr(Stdio::piped());
        let mut client = ByHand::start(command);
        let mut stderr = client.server.stderr.take().expect("a pipe");
        let logs = tokio::spawn(async move {
            let mut logs = String::new();
            let _ = stderr.read_to_string(&mut logs).await;
            logs
        });
        client.initialize("2025-11-25").await;
        client
            .tool(
                2,
                "write",
                json!({"path": "a", "content": "s3cret-content"}),
            )
            .await;
        let run = json!({"argv": ["echo", "s3cret-word"], "env": {"A": "s3cret-variable"}, "stdin": "s3cret-input"});
        let ran = client.tool(3, "run", run).await;
        assert_eq!(
            ran["result"]["structuredContent"]["stdout"], "s3cret-word\n",
            "{ran}"
        );
        client.tool(4, "s3cret-tool", json!({})).await;
        client.tool(5, "read", json!({"s3cret-member": 1})).await;
        drop(client.server.stdin.take());
        soon(client.server.wait()).await.expect("it ends");
        let logs = soon(logs).await.expect("logs");
        let told = logs.lines().find(|line| line.contains("s3cret"));
        assert_eq!(told, None, "at {level}");
    }
}

#[tokio::test]
async fn what_is_in_flight_when_stdin_ends_is_answered_and_what_goes_on_is_ended() {
    let folder = Folder::new();
    let mut client = ByHand::start(command(folder.path(), &["--unrestricted"]));
    client.initialize("2025-11-25").await;
    let params = json!({"name": "run", "arguments": {"command": "echo $$ > pid; exec sleep 1000", "wait_seconds": 600}});
    let run = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params});
    let params = json!({"name": "write", "arguments": {"path": "b", "content": "x"}});
    let write = json!({"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": params});
    client.send(format!("{run}\n{write}\n").as_bytes()).await;
    drop(client.server.stdin.take());
    assert_eq!(client.answer().await["id"], 3);
    let status = soon(client.server.wait()).await.expect("it ends");
    assert!(status.success(), "{status}");
    // On a slow machine it may not have come to its start.
    if let Ok(pid) = std::fs::read_to_string(folder.path().join("pid")) {
        assert!(!is_running(pid.trim().parse().expect("a number")));
    }
}

#[tokio::test]
async fn a_session_ends_on_sigterm_and_its_processes_even_on_sigkill() {
    let folder = Folder::new();
    for by_force in [false, true] {
        let mut agent = Agent::start(folder.path(), &["--unrestricted"]).await;
        let arguments = json!({"command": "echo $$; exec sleep 1000", "wait_seconds": 1});
        let ran = agent.does("run", arguments).await;
        let pid = ran["stdout"]
            .as_str()
            .and_then(|text| text.trim().parse().ok());
        let pid: u32 = pid.expect("a number");
        let server = agent.server.id().expect("it runs");
        match by_force {
            true => kill_9(server),
            false => {
                let server = Pid::from_raw(server.try_into().expect("a number")).expect("a number");
                kill_process(server, Signal::TERM).expect("signalled");
            }
        }
        let status = soon(agent.server.wait()).await.expect("it ends");
        assert_eq!(status.success(), !by_force, "{status}");
        soon(async {
            while is_running(pid) {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        })
        .await;
    }
}

/// The program that this one has started.
fn child(of: u32) -> u32 {
    let all = std::fs::read_dir("/proc").expect("readable").flatten();
    let mut pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_child = |pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let parent = stat
            .rsplit(')')
            .next()
            .and_then(|rest| rest.split_whitespace().nth(1));
        parent == Some(&of.to_string())
    };
    pids.find(is_child).expect("a child")
}

#[tokio::test]
async fn an_executor_that_is_gone_is_said_to_be_and_another_one_is_started() {
    let folder = Folder::new();
    folder.put("a", "here\n");
    let agent = Agent::start(folder.path(), &["--unrestricted"]).await;
    let arguments = json!({"command": "echo $$; exec sleep 1000", "wait_seconds": 1});
    let ran = agent.does("run", arguments).await;
    let pid = ran["stdout"]
        .as_str()
        .and_then(|text| text.trim().parse().ok());
    kill_9(child(agent.server.id().expect("it runs")));
    let process = json!({"process": ran["process"], "until": "exit"});
    let lost = agent.does("process_output", process).await;
    assert_eq!(lost["status"], "lost", "{lost}");
    let read = agent.does("read", json!({"path": "a"})).await;
    assert_eq!(read["text"], "here\n");
    let pid: u32 = pid.expect("a number");
    soon(async {
        while is_running(pid) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
    agent.ends().await;
    // One that cannot be reached at all.
    let url = ["--url", "ws://127.0.0.1:1", "--unrestricted"];
    let agent = Agent::start(folder.path(), &url).await;
    let refused = agent.cannot("read", json!({"path": "a"})).await;
    assert!(
        refused.contains("the executor cannot be reached"),
        "{refused}"
    );
    agent.ends().await;
}

#[tokio::test]
async fn a_directory_that_nobody_can_have_meant_is_not_granted() {
    let folder = Folder::new();
    folder.put("home/me/.ssh/key", "the key\n");
    let home = folder.path().join("home/me");
    for directory in [
        std::path::Path::new("/"),
        &folder.path().join("home"),
        &home,
    ] {
        let refused = command(directory, &[]).env("HOME", &home).output();
        let refused = soon(refused).await.expect("it runs");
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(
            said.contains("say which directory is meant with --cwd"),
            "{said}"
        );
        // Nor is it by a path that does not say so itself.
        for arguments in [&["--write", "."][..], &["--cwd", "/", "--write", "./"]] {
            let refused = command(directory, arguments).env("HOME", &home).output();
            let refused = soon(refused).await.expect("it runs");
            let said = String::from_utf8_lossy(&refused.stderr);
            assert_eq!(refused.status.code(), Some(2), "{said}");
            assert!(said.contains("say with --cwd DIR"), "{said}");
        }
    }
    // Who says it means it.
    let home_text = home.to_str().expect("text");
    let agent = Agent::start(&home, &["--read", home_text]).await;
    let read = agent.does("read", json!({"path": ".ssh/key"})).await;
    assert_eq!(read["text"], "the key\n");
    agent.ends().await;
}

#[tokio::test]
async fn attack_31_a_call_gets_no_more_words_back_than_somebody_reads() {
    let folder = Folder::new();
    folder.put("a", "a");
    let mut client = ByHand::start(command(folder.path(), &[]));
    client.initialize("2025-11-25").await;
    let long = "x".repeat(4 * 1024 * 1024);
    let mut unknown = json!({"path": "a"});
    unknown[&long] = json!(1);
    let edits: Vec<_> = (0..101)
        .map(|_| json!({"old_text": "a", "new_text": "b"}))
        .collect();
    for (id, (tool, arguments)) in (2..).zip([
        ("read", unknown),
        ("read", json!({"path": long})),
        ("search", json!({"pattern": long})),
        ("search", json!({"glob": long})),
        ("search", json!({"pattern": "(".repeat(4_000)})),
        ("edit", json!({"path": "a", "edits": edits})),
        ("move", json!({"from": long, "to": long})),
        (&long, json!({})),
    ]) {
        let answer = client.tool(id, tool, arguments).await;
        assert!(
            answer["result"]["isError"] == true || answer["error"].is_object(),
            "{id}"
        );
        assert!(
            answer.to_string().len() < 20_000,
            "{id}: {}",
            answer.to_string().len()
        );
    }
    assert_eq!(folder.text("a"), "a");
}
