//! Clients that mean harm, or behave as if they did: what one of them costs the server is bounded, and what is its
//! own fault is nobody else's (ATTACKS 24, 30, 34). Sockets are raw where a proper client library would not do it.

use std::fs::File;
use std::time::Instant;

use lockgate_e2e::{DEADLINE, RawWebSocket, Server, Wire, start_params, websocket_frame as frame};
use serde_json::json;

/// A server holds less than this, in KiB, whatever one client does. (Its limits allow two messages of 64 MiB.)
const CEILING: u64 = 200 << 10;

/// What a flood sends if nothing stops it: far more than the ceiling.
const FLOOD: usize = 400 << 20;

/// The most memory that the server proper (the last of the line of guardians) ever had, in KiB.
fn peak(server: &Server) -> u64 {
    let mut pid = server.pid();
    let children = |pid: u32| {
        std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default()
    };
    let is_ours = |pid: &u32| {
        std::fs::read_to_string(format!("/proc/{pid}/comm"))
            .is_ok_and(|name| name.starts_with("lockgate"))
    };
    while let Some(child) = children(pid)
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .find(is_ours)
    {
        pid = child;
    }
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .expect("the system tells")
}

#[test]
fn attack_30_pings_whose_answers_nobody_takes_cost_no_memory() {
    let server = Server::start();
    let mut client = RawWebSocket::ready(&server);
    client.flood(&frame(9, &[b'p'; 125]).repeat(1_000), FLOOD);
    assert!(peak(&server) < CEILING, "{} KiB", peak(&server));
}

#[test]
fn attack_24_answers_that_nobody_takes_cost_bounded_memory() {
    let server = Server::start();
    let mut client = RawWebSocket::ready(&server);
    let request = json!({"id": "i".repeat(4 << 20), "method": "no/such"});
    client.flood(&frame(1, request.to_string().as_bytes()), FLOOD);
    assert!(peak(&server) < CEILING, "{} KiB", peak(&server));
}

#[test]
fn attack_24_writes_to_a_process_that_does_not_read_cost_bounded_memory() {
    let server = Server::start();
    let mut client = RawWebSocket::ready(&server);
    let mut start = start_params("deaf", "exec sleep 600");
    start["pipeStdin"] = json!(true);
    client.send_json(&json!({"id": 1, "method": "process/start", "params": start}));
    client.answer(1);
    let params = json!({"processId": "deaf", "chunk": "QUJD".repeat(2 << 20)});
    let write = json!({"id": 2, "method": "process/write", "params": params});
    client.flood(&frame(1, write.to_string().as_bytes()), FLOOD);
    assert!(peak(&server) < CEILING, "{} KiB", peak(&server));
}

#[tokio::test]
async fn attack_24_a_write_id_has_a_longest_length() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let mut start = start_params("cat", "exec cat");
    start["pipeStdin"] = json!(true);
    wire.call("process/start", start).await.expect("started");
    let mut write = async |length: usize| {
        let id = "w".repeat(length);
        let params = json!({"processId": "cat", "chunk": "", "writeId": id});
        wire.call("process/write", params).await
    };
    assert!(write(256).await.is_ok());
    assert_eq!(
        write(257).await.map_err(|refusal| refusal.code),
        Err(-32602)
    );
}

#[tokio::test]
async fn the_call_that_cleans_up_gets_through_beside_1024_long_polls() {
    let server = Server::start();
    let (mut wire, _) = Wire::open(&server).await;
    let start = start_params("idle", "exec sleep 600");
    wire.call("process/start", start).await.expect("started");
    let poll = json!({"processId": "idle", "waitMs": 600_000});
    for _ in 0..1_024 {
        wire.request("process/read", poll.clone()).await;
    }
    let terminate = wire
        .request("process/terminate", json!({"processId": "idle"}))
        .await;
    loop {
        let message = wire.message().await;
        if message["id"] == json!(terminate) {
            assert_eq!(message["result"], json!({"running": true}));
            return;
        }
    }
}

/// Resumes a session as soon as the server has noticed that its connection is gone.
async fn resume(server: &Server, session: &str) -> Wire {
    let begin = Instant::now();
    loop {
        let mut wire = Wire::connect(server).await;
        match wire.handshake(Some(session)).await {
            Ok(_) => return wire,
            Err(refusal) => assert_eq!(refusal.code, -32010, "{}", refusal.message),
        }
        assert!(begin.elapsed() < DEADLINE, "the session stays attached");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn attack_34_a_session_becomes_free_although_its_connection_is_not_read_from() {
    let server = Server::start();
    let (mut wire, session) = Wire::open(&server).await;
    let start = start_params("idle", "exec sleep 600");
    wire.call("process/start", start).await.expect("started");
    let poll = json!({"processId": "idle", "waitMs": 600_000});
    // A few more than are taken in (2,048): the end of the connection lies behind what is not read.
    for _ in 0..2_080 {
        wire.request("process/read", poll.clone()).await;
    }
    drop(wire);
    resume(&server, &session).await;
}

#[tokio::test]
async fn a_start_that_never_ran_gives_its_id_back() {
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a folder");
    let large = folder.path().join("large");
    let file = File::create(&large).expect("a file");
    file.set_len(44 << 20).expect("it is sparse");
    let (mut wire, session) = Wire::open(&server).await;
    // Nobody takes the first answers, so the last has no room and keeps its place before what changes something,
    // which keeps its own before the start.
    for _ in 0..4 {
        wire.request("fs/readFile", json!({"path": large})).await;
    }
    let directory = folder.path().join("directory");
    wire.request("fs/createDirectory", json!({"path": directory}))
        .await;
    let start = start_params("late", "true");
    wire.request("process/start", start.clone()).await;
    drop(wire);
    let mut wire = resume(&server, &session).await;
    // The dropped start gives its id back in its own time.
    let patience = Instant::now();
    while let Err(refusal) = wire.call("process/start", start.clone()).await {
        assert_eq!(refusal.message, "process late already exists");
        assert!(patience.elapsed() < DEADLINE, "the id is never given back");
    }
    assert!(!directory.exists());
}

#[tokio::test]
async fn blocks_asked_for_together_are_all_read_though_the_last_closes_the_handle() {
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file");
    std::fs::write(&path, vec![b'z'; 5 << 20]).expect("written");
    let mut wire = Wire::ready(&server).await;
    for _ in 0..20 {
        wire.request("fs/open", json!({"handleId": "h", "path": path}))
            .await;
        for block in 0..=10 {
            let params = json!({"handleId": "h", "offset": block << 19, "len": 1 << 19});
            wire.request("fs/readBlock", params).await;
        }
        let mut ended = 0;
        for _ in 0..12 {
            let message = wire.message().await;
            assert_eq!(message.get("error"), None);
            ended += usize::from(message["result"]["eof"] == json!(true));
        }
        assert_eq!(ended, 1);
    }
}

#[tokio::test]
async fn a_log_that_cannot_be_written_ends_nothing() {
    let mut command = std::process::Command::new("/bin/bash");
    command
        .args([
            "-c",
            "ulimit -n 64 && exec \"$0\" serve --listen ws://127.0.0.1:0 2> >(exec true)",
        ])
        .arg(lockgate_e2e::lockgate())
        .env("LOCKGATE_LOG", "debug");
    let server = Server::from_command(command);
    // More than there are descriptors for: the server has something to say about it.
    let sockets: Vec<_> = (0..100)
        .filter_map(|_| std::net::TcpStream::connect(server.address()).ok())
        .collect();
    drop(sockets);
    let mut wire = Wire::ready(&server).await;
    let status = wire.call("environment/status", json!({})).await;
    assert_eq!(status, Ok(json!({"status": "ready"})));
}
