//! A server that means harm: what it sends costs its own connection at most, and never a harness its memory or its word.

use std::time::Duration;

use lockgate_client::{Approver, Client, ClientError, ConnectOptions, Event, Process, limits};
use lockgate_wire::process::StartParams;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::{Peer, connected, one_link, serve, soon};

const DEEP: usize = 100_000;

fn deep() -> String {
    format!("{}{}", "[".repeat(DEEP), "]".repeat(DEEP))
}

async fn start(client: &Client) -> Process {
    let params: StartParams = serde_json::from_value(
        json!({ "processId": "p", "argv": ["a"], "cwd": "/", "env": {}, "tty": false }),
    )
    .expect("params");
    soon(client.start(&params)).await.expect("started")
}

async fn started(peer: &mut Peer) {
    let (id, _) = peer.called("process/start").await;
    peer.answer(id, json!({ "processId": "p" })).await;
}

fn told(method: &str, seq: u64, more: Value) -> Value {
    let mut params = json!({ "processId": "p", "seq": seq });
    for (name, value) in more.as_object().expect("members") {
        params[name] = value.clone();
    }
    json!({ "method": method, "params": params })
}

/// Waits for the end of the connection.
async fn protocol_error(client: &Client) -> String {
    let error = soon(client.status()).await.expect_err("it has ended");
    let ClientError::Protocol(why) = error else {
        panic!("{error}");
    };
    why
}

#[tokio::test]
async fn json_that_is_nested_without_end_costs_one_call_or_the_connection() {
    let client = connected(async |mut peer: Peer| {
        let deep = deep();
        for unknown in [
            format!(r#"{{"method":"test/unknown","params":{deep}}}"#),
            format!(r#"{{"method":"process/exited","params":{{"processId":"q","seq":1,"exitCode":0,"more":{deep}}}}}"#),
        ] {
            peer.text(&unknown).await;
        }
        let (id, _) = peer.called("test/deep").await;
        peer.text(&format!(r#"{{"id":{id},"result":{deep}}}"#)).await;
        let (id, _) = peer.called("environment/status").await;
        peer.answer(id, json!({ "status": "ready" })).await;
        peer.text(&format!(r#"{{"method":"process/exited","params":{deep}}}"#)).await;
        peer.left().await;
    })
    .await;
    let error = soon(client.call::<_, Value>("test/deep", &json!({}))).await;
    assert!(matches!(error, Err(ClientError::Protocol(_))), "{error:?}");
    soon(client.status()).await.expect("the connection lives");
    protocol_error(&client).await;
}

#[tokio::test]
async fn more_values_than_a_message_may_have_end_the_connection() {
    let client = connected(async |mut peer: Peer| {
        let many = vec!["1"; lockgate_wire::limits::JSON_VALUES + 1].join(",");
        peer.text(&format!(r#"{{"method":"test/unknown","params":[{many}]}}"#))
            .await;
        peer.left().await;
    })
    .await;
    protocol_error(&client).await;
}

#[tokio::test]
async fn what_is_wrong_with_a_message_is_told_in_few_words_however_long_it_is() {
    let long = "x".repeat(1 << 20);
    for message in [
        json!({ "id": long, "result": {} }),
        json!({ "id": long, "error": { "code": 1, "message": long } }),
        json!({ "method": "process/closed", "params": { "processId": long, "seq": long } }),
        json!({ "method": "process/output", "params": { "processId": "p", "seq": 1, "stream": long, "chunk": "" } }),
        json!({ "method": "process/output", "params": { "processId": "p", "seq": 1, "stream": "stdout", "chunk": format!("?{long}") } }),
    ] {
        let shown: String = message.to_string().chars().take(60).collect();
        let client = connected(async move |mut peer: Peer| {
            peer.send(message).await;
            peer.left().await;
        })
        .await;
        let why = protocol_error(&client).await;
        assert!(why.len() < 2_000, "{shown}: {} bytes", why.len());
    }
}

#[tokio::test]
async fn a_process_exits_once_and_does_nothing_after_its_end() {
    // Which of them says what may follow; nothing of it is an event twice, and nothing keeps the reader.
    let exited = |seq, code: i32| told("process/exited", seq, json!({ "exitCode": code }));
    let output = |seq| {
        told(
            "process/output",
            seq,
            json!({ "stream": "stdout", "chunk": "YQ==" }),
        )
    };
    let closed = |seq| told("process/closed", seq, json!({}));
    for messages in [
        vec![exited(1, 7), exited(2, 0), closed(3)],
        vec![
            output(1),
            exited(2, 7),
            exited(3, 0),
            exited(4, 1),
            closed(5),
        ],
        vec![exited(1, 7), closed(2), closed(3), output(4), exited(5, 0)],
        vec![exited(1, 7), closed(3), exited(2, 0)],
    ] {
        let shown = format!("{messages:?}");
        let client = connected(async move |mut peer: Peer| {
            started(&mut peer).await;
            for message in messages {
                peer.send(message).await;
            }
            peer.left().await;
        })
        .await;
        let mut process = start(&client).await;
        let mut exits = Vec::new();
        while let Some(event) = soon(process.events.next()).await {
            if let Event::Exited { exit_code, .. } = event {
                exits.push(exit_code);
            }
        }
        assert_eq!(exits, [7], "{shown}");
    }
}

#[tokio::test]
async fn an_answer_to_the_upgrade_without_an_end_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("ws://{}", listener.local_addr().expect("bound"));
    let serving = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.expect("a client");
        let _ = socket.read(&mut [0; 4096]).await;
        let mut sent = 0_usize;
        let header = format!("x-more: {}\r\n", "x".repeat(10_000));
        let begun = socket
            .write_all(b"HTTP/1.1 101 Switching Protocols\r\n")
            .await;
        begun.expect("sent");
        while sent < (256 << 20) && socket.write_all(header.as_bytes()).await.is_ok() {
            sent += header.len();
        }
        sent
    });
    let options = ConnectOptions {
        connect_timeout: Duration::from_secs(60),
        ..one_link()
    };
    let error = soon(Client::connect_ws(&url, options)).await;
    assert!(
        matches!(error, Err(ClientError::Connect { .. })),
        "{error:?}"
    );
    let sent = soon(serving).await.expect("no panic");
    assert!(sent < (16 << 20), "{sent} bytes were taken");
}

#[tokio::test]
async fn a_server_that_asks_and_asks_is_left() {
    let url = serve(async |mut peer: Peer| {
        peer.handshake().await;
        // It takes no answers, so these wait.
        for number in 0..1_000_000_u64 {
            let message = json!({ "id": number, "method": "x".repeat(1_000), "params": {} });
            if peer.try_send(message).await.is_err() {
                return;
            }
        }
        panic!("the client takes it all");
    })
    .await;
    let options = ConnectOptions {
        approver: Some(Approver::new(|_| std::future::pending())),
        ..one_link()
    };
    let client = soon(Client::connect_ws(&url, options))
        .await
        .expect("connects");
    let mut states = client.states();
    let ended = |state: &lockgate_client::ConnectionState| {
        matches!(state, lockgate_client::ConnectionState::Ended(_))
    };
    soon(states.wait_for(ended)).await.expect("told");
    protocol_error(&client).await;
}

#[tokio::test]
async fn events_that_cannot_be_delivered_yet_fill_no_memory() {
    let client = connected(async |mut peer: Peer| {
        started(&mut peer).await;
        // The first one never comes.
        let chunk = "QUJD".repeat(16 * 1024);
        for seq in 0..2 * limits::EVENTS as u64 {
            let far = 2 + seq * 1_000;
            let data = if seq < 500 { &*chunk } else { "" };
            peer.send(told("process/output", far, json!({ "stream": "stdout", "chunk": data }))).await;
        }
        let (id, _) = peer.called("environment/status").await;
        peer.answer(id, json!({ "status": "ready" })).await;
        loop {
            let (id, _) = peer.called("process/read").await;
            let read = json!({ "chunks": [], "nextSeq": 1, "exited": false, "exitCode": null, "closed": false, "failure": null });
            peer.answer(id, read).await;
        }
    })
    .await;
    let mut process = start(&client).await;
    soon(client.status()).await.expect("nobody is held up");
    // Nor is whoever gives up waiting for the first.
    let waiting = tokio::time::timeout(3 * limits::GAP, process.events.next());
    assert!(waiting.await.is_err(), "it never comes");
}
