//! A lost link and what comes after it, against a scripted server: what callers, readers and watchers see, and when it is over.

mod acknowledging;
mod calls;
mod ends;
mod given_up;
mod looks;
mod open_files;
mod processes;
mod relay;
mod streams;

use crate::support::{Door, Peer, soon};
use lockgate_client::{Client, ClientError, ConnectOptions, ConnectionState, Event, Process};
use lockgate_wire::process::StartParams;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

async fn door() -> (Door, Client, Peer) {
    door_with(ConnectOptions::default()).await
}

async fn door_with(options: ConnectOptions) -> (Door, Client, Peer) {
    let door = Door::open().await;
    let (client, peer) = door.client(options).await;
    (door, client, peer)
}

/// Waits until the connection is like that.
async fn until(client: &Client, what: impl FnMut(&ConnectionState) -> bool) -> ConnectionState {
    let mut states = client.states();
    let state = soon(states.wait_for(what)).await;
    state.expect("the client is there").clone()
}

async fn until_away(client: &Client) {
    until(client, ConnectionState::is_away).await;
}

/// Waits until it has ended, and says why.
async fn end(client: &Client) -> ClientError {
    match until(client, |state| matches!(state, ConnectionState::Ended(_))).await {
        ConnectionState::Ended(reason) => reason,
        other => panic!("{other:?}"),
    }
}

type Called = JoinHandle<Result<Value, ClientError>>;

fn call(client: &Client, method: &'static str) -> Called {
    let client = client.clone();
    tokio::spawn(async move { client.call(method, &json!({})).await })
}

async fn outcome(called: Called) -> Result<Value, ClientError> {
    soon(called).await.expect("no panic")
}

/// What the server hears next is a call of nobody else.
async fn next_is_ours(client: &Client, peer: &mut Peer) {
    let next = call(client, "test/next");
    let (id, _) = soon(peer.called("test/next")).await;
    peer.answer(id, json!({})).await;
    outcome(next).await.expect("answered");
}

fn params(id: &str) -> StartParams {
    let params = json!({ "processId": id, "argv": ["a"], "cwd": "/", "env": {}, "tty": false });
    serde_json::from_value(params).expect("params")
}

async fn start(client: &Client, peer: &mut Peer, id: &str) -> Process {
    let params = params(id);
    let (process, ()) = tokio::join!(soon(client.start(&params)), async {
        let (call, _) = peer.called("process/start").await;
        peer.answer(call, json!({ "processId": id })).await;
    });
    process.expect("started")
}

fn output(id: &str, seq: u64, chunk: &str) -> Value {
    let params = json!({ "processId": id, "seq": seq, "stream": "stdout", "chunk": base64(chunk) });
    json!({ "method": "process/output", "params": params })
}

fn closed(id: &str, seq: u64) -> Value {
    json!({ "method": "process/closed", "params": { "processId": id, "seq": seq } })
}

fn exited(id: &str, seq: u64) -> Value {
    json!({ "method": "process/exited", "params": { "processId": id, "seq": seq, "exitCode": 7 } })
}

fn base64(text: &str) -> Value {
    serde_json::to_value(lockgate_wire::Base64(text.into())).expect("encodes")
}

/// The answer to a `process/read`.
fn read(chunks: &[(u64, &str)], next_seq: u64, exited: bool, closed: bool) -> Value {
    let chunks = chunks
        .iter()
        .map(|(seq, chunk)| json!({ "seq": seq, "stream": "stdout", "chunk": base64(chunk) }));
    let exit_code = exited.then_some(7);
    json!({
        "chunks": chunks.collect::<Vec<_>>(), "nextSeq": next_seq,
        "exited": exited, "exitCode": exit_code, "closed": closed, "failure": null,
    })
}

/// All events, as a line of text.
async fn story(mut process: Process) -> String {
    let mut story = Vec::new();
    while let Some(event) = soon(process.events.next()).await {
        story.push(match event {
            Event::Output { data, .. } => String::from_utf8(data).expect("text"),
            Event::Exited { exit_code, .. } => format!("exit={exit_code}"),
            Event::Closed => "closed".to_owned(),
            Event::Lost { count } => format!("lost={count}"),
            Event::Failed(reason) => format!("failed: {reason}"),
        });
    }
    story.join(" ")
}
