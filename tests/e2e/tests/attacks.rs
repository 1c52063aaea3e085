//! Clients that mean harm, or behave as if they did: what one of them costs the server is bounded, and what is its
//! own fault is nobody else's (ATTACKS 24, 30, 34). Sockets are raw where a proper client library would not do it.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use lockgate_e2e::{DEADLINE, Server, Wire, start_params};
use serde_json::{Value, json};

/// A server holds less than this, in KiB, whatever one client does. (Its limits allow two messages of 64 MiB.)
const CEILING: u64 = 200 << 10;

/// What a flood sends if nothing stops it: far more than the ceiling.
const FLOOD: usize = 400 << 20;

/// A websocket past its handshakes that sends what it likes and reads only when told to.
struct Raw {
    socket: TcpStream,
}

impl Raw {
    fn connect(server: &Server) -> Raw {
        let mut socket = TcpStream::connect(server.address()).expect("connected");
        socket.set_read_timeout(Some(DEADLINE)).expect("a deadline");
        let request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        socket.write_all(request.as_bytes()).expect("sent");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            socket.read_exact(&mut byte).expect("the server upgrades");
            head.push(byte[0]);
        }
        assert!(head.starts_with(b"HTTP/1.1 101"));
        Raw { socket }
    }

    fn ready(server: &Server) -> Raw {
        let mut raw = Raw::connect(server);
        raw.send(&json!({"id": 0, "method": "initialize", "params": {"clientName": "raw"}}));
        raw.send(&json!({"method": "initialized"}));
        raw.answer(0);
        raw
    }

    fn send(&mut self, message: &Value) {
        let frame = frame(1, message.to_string().as_bytes());
        self.socket.write_all(&frame).expect("sent");
    }

    /// One frame of the server: its opcode and what is in it.
    fn receive(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 2];
        self.socket.read_exact(&mut head).expect("a frame comes");
        let length = match head[1] {
            126 => {
                let mut length = [0; 2];
                self.socket.read_exact(&mut length).expect("a length");
                u64::from(u16::from_be_bytes(length))
            }
            127 => {
                let mut length = [0; 8];
                self.socket.read_exact(&mut length).expect("a length");
                u64::from_be_bytes(length)
            }
            short => u64::from(short),
        };
        let mut payload = vec![0; usize::try_from(length).expect("it fits")];
        self.socket.read_exact(&mut payload).expect("a payload");
        (head[0] & 15, payload)
    }

    fn answer(&mut self, id: i64) -> Value {
        loop {
            let (opcode, payload) = self.receive();
            let message: Value = serde_json::from_slice(&payload).unwrap_or(Value::Null);
            if opcode == 1 && message["id"] == json!(id) {
                return message;
            }
        }
    }

    /// Sends the same bytes again and again, reading nothing, until the server takes no more of them for
    /// a while or all of the flood is sent.
    fn flood(&mut self, bytes: &[u8]) {
        let patience = Some(Duration::from_millis(700));
        self.socket.set_write_timeout(patience).expect("a deadline");
        let mut sent = 0;
        while sent < FLOOD {
            match self.socket.write_all(bytes) {
                Ok(()) => sent += bytes.len(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("the server hung up: {error}"),
            }
        }
    }
}

/// A masked frame; the mask is zero, so the payload goes as it is.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | length as u8),
        length @ 126..65_536 => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

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
    let mut client = Raw::ready(&server);
    client.flood(&frame(9, &[b'p'; 125]).repeat(1_000));
    assert!(peak(&server) < CEILING, "{} KiB", peak(&server));
}

#[test]
fn attack_24_answers_that_nobody_takes_cost_bounded_memory() {
    let server = Server::start();
    let mut client = Raw::ready(&server);
    let request = json!({"id": "i".repeat(4 << 20), "method": "no/such"});
    client.flood(&frame(1, request.to_string().as_bytes()));
    assert!(peak(&server) < CEILING, "{} KiB", peak(&server));
}

#[test]
fn attack_24_writes_to_a_process_that_does_not_read_cost_bounded_memory() {
    let server = Server::start();
    let mut client = Raw::ready(&server);
    let mut start = start_params("deaf", "exec sleep 600");
    start["pipeStdin"] = json!(true);
    client.send(&json!({"id": 1, "method": "process/start", "params": start}));
    client.answer(1);
    let params = json!({"processId": "deaf", "chunk": "QUJD".repeat(2 << 20)});
    let write = json!({"id": 2, "method": "process/write", "params": params});
    client.flood(&frame(1, write.to_string().as_bytes()));
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

#[test]
fn attack_30_a_close_is_answered_with_its_code() {
    let server = Server::start();
    for begin in [Raw::connect, Raw::ready] {
        let mut client = begin(&server);
        let close = frame(8, &1_000_u16.to_be_bytes());
        client.socket.write_all(&close).expect("sent");
        assert_eq!(client.receive(), (8, 1_000_u16.to_be_bytes().to_vec()));
        assert_eq!(client.socket.read(&mut [0]).expect("the end"), 0);
    }
}

#[test]
fn attack_30_frames_that_break_the_rules_end_their_connection_only() {
    let server = Server::start();
    let request = br#"{"id":1,"method":"environment/status"}"#;
    let mut witness = Raw::ready(&server);
    let mut unmasked = frame(1, request);
    unmasked[1] &= 0x7f;
    unmasked.drain(2..6);
    let changed = |opcode, payload: &[u8], first: u8| {
        let mut frame = frame(opcode, payload);
        frame[0] = first;
        frame
    };
    let broken = [
        unmasked,
        changed(1, request, 0xc1),
        frame(3, request),
        frame(9, &[b'x'; 126]),
        changed(9, b"x", 0x09),
        frame(0, request),
        [changed(1, request, 0x01), frame(1, request)].concat(),
        frame(1, b"\xff"),
        [&[0x81, 0xff][..], &u64::MAX.to_be_bytes(), &[0; 4]].concat(),
        [&[0x81, 0xff][..], &(65_u64 << 20).to_be_bytes(), &[0; 4]].concat(),
    ];
    for frames in broken {
        let mut client = Raw::ready(&server);
        client.socket.write_all(&frames).expect("sent");
        let mut rest = Vec::new();
        // An end or a reset, within the deadline of the socket.
        if let Err(error) = client.socket.read_to_end(&mut rest) {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
        }
    }
    witness.send(&json!({"id": 1, "method": "environment/status"}));
    assert_eq!(witness.answer(1)["result"]["status"], "ready");
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
