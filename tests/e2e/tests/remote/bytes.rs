//! Output as the bytes that it is, where both ends know it and what carries it carries bytes.

use std::process::Command;

use futures_util::{SinkExt, StreamExt};
use lockgate_e2e::{DEADLINE, Executor, Proxy, Rendezvous, Server, lockgate};
use lockgate_relay::{Body, StreamId};
use lockgate_wire::{has_bytes, split_bytes};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::plain::{Plain, hello};
use crate::raw;

/// What is written: no JSON and no UTF-8, and known when it is seen.
const WRITTEN: &[u8] = b"\0written as it is\xff\n";

fn start() -> Value {
    let argv = ["printf", r"\000written as it is\377\n"];
    json!({"processId": "p", "argv": argv, "cwd": "/", "env": {}, "tty": false})
}

/// `initialized` of a client that takes output as bytes.
fn takes_bytes() -> Value {
    json!({"method": "initialized", "params": {"lockgate": {"outputBytes": true}}})
}

/// The payload of the next message.
async fn heard(harness: &mut Plain) -> Vec<u8> {
    match harness.frame().await.body {
        Body::Data(segment) => segment.into_payload().into(),
        other => panic!("{other:?}"),
    }
}

/// What a harness hears of output, after it said that.
async fn output(rendezvous: &Rendezvous, initialized: Value) -> Vec<u8> {
    let url = rendezvous.harness_url("box", None);
    let mut harness = Plain::connect(&url, StreamId::fresh().as_str()).await;
    harness.say(hello(1)).await;
    let welcome = harness.hear().await;
    let capabilities = &welcome["result"]["environmentInfo"]["capabilities"];
    assert_eq!(capabilities["lockgate"]["outputBytes"], true);
    harness.say(initialized).await;
    let request = json!({"id": 2, "method": "process/start", "params": start()});
    harness.say(request).await;
    loop {
        let message = heard(&mut harness).await;
        if has_bytes(&message) || String::from_utf8_lossy(&message).contains("process/output") {
            return message;
        }
    }
}

#[tokio::test]
async fn a_harness_gets_output_as_bytes_if_it_says_so_and_as_json_if_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let token = rendezvous.token("box", "executor");
    let _executor = Executor::start(rendezvous.url(), "box", &token);
    let message = output(&rendezvous, takes_bytes()).await;
    let (head, begin) = split_bytes(&message).expect("a message with bytes");
    let head: Value = serde_json::from_str(head).expect("JSON");
    let told = json!({"method": "process/output", "params": {"processId": "p", "seq": 1, "stream": "stdout"}});
    assert_eq!(head, told);
    assert_eq!(&message[begin..], WRITTEN);
    for params in [
        json!({}),
        Value::Null,
        json!(7),
        json!({"lockgate": {"outputBytes": false}}),
        json!({"lockgate": "outputBytes"}),
    ] {
        let message = output(
            &rendezvous,
            json!({"method": "initialized", "params": params}),
        )
        .await;
        let told: Value = serde_json::from_slice(&message).expect("JSON");
        let chunk = base64_simd::STANDARD.encode_to_string(WRITTEN);
        assert_eq!(told["params"]["chunk"], chunk);
    }
}

#[tokio::test]
async fn on_a_websocket_all_is_text_whatever_its_client_says() {
    let server = Server::start();
    let mut socket = raw::connected(server.url()).await;
    let request = json!({"id": 2, "method": "process/start", "params": start()});
    for message in [hello(1), takes_bytes(), request] {
        let text = Message::text(message.to_string());
        socket.send(text).await.expect("sent");
    }
    loop {
        let next = timeout(DEADLINE, socket.next()).await.expect("in time");
        let Message::Text(text) = next.expect("a message").expect("a message") else {
            continue;
        };
        let told: Value = serde_json::from_str(&text).expect("JSON");
        if told["method"] == "process/output" {
            let chunk = base64_simd::STANDARD.encode_to_string(WRITTEN);
            return assert_eq!(told["params"]["chunk"], chunk);
        }
    }
}

#[test]
fn our_harness_gets_output_through_a_rendezvous_as_the_bytes_that_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let token = rendezvous.token("box", "executor");
    let _executor = Executor::start(rendezvous.url(), "box", &token);
    // What a rendezvous writes is not masked.
    let proxy = Proxy::to(rendezvous.address());
    let url = rendezvous.harness_url("box", Some(proxy.address()));
    let ran = Command::new(lockgate())
        .args(["exec", "--url", &url, "--", "printf"])
        .arg(r"\000written as it is\377\n")
        .output()
        .expect("it runs");
    assert!(ran.status.success(), "{ran:?}");
    assert_eq!(ran.stdout, WRITTEN);
    let seen = proxy.seen();
    let is_there = seen.windows(WRITTEN.len()).any(|part| part == WRITTEN);
    assert!(is_there, "it goes as it is");
}
