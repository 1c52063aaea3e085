//! What happens after half a minute. These tests wait for the event itself, so they take that long.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use lockgate_e2e::{
    Executor, Rendezvous, Server, Wire, is_running, kill_9, lockgate, start_params,
};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

/// Well over the 30 s that the events take, so that a slow machine is no failure.
const LONG: Duration = Duration::from_secs(55);

#[tokio::test]
async fn the_server_pings_an_idle_connection() {
    let server = Server::start();
    let (mut socket, _) = tokio_tungstenite::connect_async(server.url())
        .await
        .expect("connected");
    let message = tokio::time::timeout(LONG, socket.next())
        .await
        .expect("a ping comes");
    assert!(matches!(message, Some(Ok(Message::Ping(_)))), "{message:?}");
}

#[tokio::test]
async fn a_session_that_nobody_resumes_ends_with_its_processes() {
    let server = Server::start();
    let (mut wire, session) = Wire::open(&server).await;
    wire.start(start_params("orphan", "echo $$; exec sleep 1000"))
        .await;
    let shown = wire.wait_for_output("orphan", "\n").await;
    let pid = shown.trim().parse().expect("a pid");
    drop(wire);
    let detached = Instant::now();
    while is_running(pid) {
        assert!(
            detached.elapsed() < LONG,
            "the process outlives its session"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut wire = Wire::connect(&server).await;
    let refusal = wire
        .handshake(Some(&session))
        .await
        .expect_err("it has ended");
    assert_eq!(
        (refusal.code, refusal.message),
        (-32600, format!("unknown session id {session}"))
    );
}

#[tokio::test]
async fn a_session_that_was_resumed_in_time_is_not_ended_by_the_first_timer() {
    let server = Server::start();
    let (mut wire, session) = Wire::open(&server).await;
    wire.start(start_params("kept", "sleep 1000")).await;
    drop(wire);
    // Resumed and lost again: only the second loss counts.
    tokio::time::sleep(Duration::from_secs(20)).await;
    let mut wire = Wire::connect(&server).await;
    wire.handshake(Some(&session)).await.expect("resumed");
    drop(wire);
    tokio::time::sleep(Duration::from_secs(20)).await;
    let mut wire = Wire::connect(&server).await;
    wire.handshake(Some(&session))
        .await
        .expect("40 s after the first loss, 20 s after the second");
    let list = wire
        .call("lockgate/process/list", json!({}))
        .await
        .expect("a list");
    assert_eq!(list["processes"][0]["exited"], false);
}

#[tokio::test]
async fn a_closed_process_is_forgotten_and_its_id_free_again() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    wire.run("once", "exit 4").await;
    let closed = Instant::now();
    let read = json!({"processId": "once"});
    let kept = wire
        .call("process/read", read.clone())
        .await
        .expect("still readable");
    assert_eq!(kept["exitCode"], 4);
    let again = wire
        .call("process/start", start_params("once", "true"))
        .await;
    assert_eq!(
        again.expect_err("in use").message,
        "process once already exists"
    );
    while let Ok(_kept) = wire.call("process/read", read.clone()).await {
        assert!(closed.elapsed() < LONG, "it is never forgotten");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(wire.run("once", "exit 5").await.code, 5);
}

/// Well over the minute that an HTTP connection has.
const HTTP: Duration = Duration::from_secs(100);

/// Clients that never become a websocket: one asks again in time, the other one reads no answers. Either would hold its place for ever.
#[test]
fn attack_30_an_http_connection_ends_after_a_minute_whatever_it_goes_on_doing() {
    let server = Server::start();
    std::thread::scope(|scope| {
        for reads in [true, false] {
            let address = server.address();
            scope.spawn(move || asks_until_its_end(address, reads));
        }
    });
}

fn asks_until_its_end(address: &str, reads: bool) {
    let begun = Instant::now();
    let mut socket = TcpStream::connect(address).expect("connected");
    let patience = Some(Duration::from_secs(3));
    socket.set_read_timeout(patience).expect("a deadline");
    socket.set_write_timeout(patience).expect("a deadline");
    loop {
        assert!(begun.elapsed() < HTTP, "it may go on for ever");
        match socket.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n") {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            Err(_) => return,
        }
        if reads {
            match socket.read(&mut [0; 1_024]) {
                Ok(0) | Err(_) => return,
                Ok(_) => std::thread::sleep(Duration::from_secs(2)),
            }
        }
    }
}

/// Well over the minute and a half that a harness behind a rendezvous may be silent.
const SILENT: Duration = Duration::from_secs(150);

/// The executor hears nothing of a harness's end: it asks, and then its session waits as any other.
#[test]
fn processes_of_a_harness_that_was_killed_behind_a_rendezvous_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let [sealed, open] = ["sealed", "open"].map(|name| rendezvous.token(name, "executor"));
    let _executors = [
        Executor::from_command(Executor::encrypting(rendezvous.url(), "sealed", &sealed)),
        Executor::start(rendezvous.url(), "open", &open),
    ];
    let harness = |way: &[&str], token: &str| {
        let mut command = Command::new(lockgate());
        command.arg("exec").args(way).env("LOCKGATE_TOKEN", token);
        let script = "echo $$; exec sleep 1000";
        let mut harness = command
            .args(["--", "sh", "-c", script])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it runs");
        let mut pid = String::new();
        let output = harness.stdout.take().expect("a pipe");
        BufReader::new(output).read_line(&mut pid).expect("a line");
        kill_9(harness.id());
        harness.wait().expect("it ends");
        pid.trim().parse::<u32>().expect("a pid")
    };
    let token = rendezvous.token("sealed", "harness");
    let registry = ["--remote", rendezvous.url(), "--environment-id", "sealed"];
    let url = rendezvous.harness_url("open", None);
    let processes = [harness(&registry, &token), harness(&["--url", &url], "")];
    let killed = Instant::now();
    // A stream that is resumed finds them as they were.
    assert!(processes.iter().all(|pid| is_running(*pid)));
    while processes.iter().any(|pid| is_running(*pid)) {
        assert!(killed.elapsed() < SILENT, "a process outlives its harness");
        std::thread::sleep(Duration::from_millis(100));
    }
}
