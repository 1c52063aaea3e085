//! Events of processes: order, gaps, loss, and a reader that is slow.

use crate::support::{Peer, connected, one_link, soon};
use lockgate_client::{Client, ConnectOptions, Event, Process, limits};
use lockgate_wire::process::StartParams;
use serde_json::{Value, json};

async fn start(client: &Client, id: &str) -> Process {
    let params: StartParams = serde_json::from_value(
        json!({ "processId": id, "argv": ["a"], "cwd": "/", "env": {}, "tty": false }),
    )
    .expect("params");
    soon(client.start(&params)).await.expect("started")
}

fn output(seq: u64, chunk: &str) -> Value {
    json!({ "method": "process/output", "params": { "processId": "p", "seq": seq, "stream": "stdout", "chunk": chunk } })
}

fn exited(seq: u64) -> Value {
    json!({ "method": "process/exited", "params": { "processId": "p", "seq": seq, "exitCode": 7 } })
}

fn closed(seq: u64) -> Value {
    json!({ "method": "process/closed", "params": { "processId": "p", "seq": seq } })
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

async fn started(peer: &mut Peer) {
    let (id, _) = peer.called("process/start").await;
    peer.answer(id, json!({ "processId": "p", "sandboxType": "none" }))
        .await;
}

#[tokio::test]
async fn events_are_delivered_in_order_and_once() {
    let client = connected(async |mut peer: Peer| {
        let (id, _) = peer.called("process/start").await;
        // Output may come before the answer, in any order, and again.
        for message in [
            output(2, "Yg=="),
            output(1, "YQ=="),
            output(2, "Yg=="),
            closed(5),
            exited(4),
            output(1, "eA=="),
        ] {
            peer.send(message).await;
        }
        peer.answer(id, json!({ "processId": "p" })).await;
        peer.send(output(3, "Yw==")).await;
        peer.left().await;
    })
    .await;
    let process = start(&client, "p").await;
    assert_eq!(process.sandbox_type, None);
    assert_eq!(story(process).await, "a b c exit=7 closed");
}

#[tokio::test]
async fn a_missing_number_is_fetched() {
    let client = connected(async |mut peer: Peer| {
        started(&mut peer).await;
        for message in [output(1, "YQ=="), output(3, "Yw==")] {
            peer.send(message).await;
        }
        let (id, params) = peer.called("process/read").await;
        assert_eq!((&params["afterSeq"], &params["waitMs"]), (&json!(1), &json!(0)));
        let chunks = json!([{ "seq": 2, "stream": "stderr", "chunk": "Yg==" }, { "seq": 3, "stream": "stdout", "chunk": "Yw==" }]);
        let read = json!({ "chunks": chunks, "nextSeq": 6, "exited": true, "exitCode": 7, "closed": true, "failure": null });
        peer.answer(id, read).await;
        peer.left().await;
    })
    .await;
    assert_eq!(
        story(start(&client, "p").await).await,
        "a b c exit=7 closed"
    );
}

#[tokio::test]
async fn output_that_the_server_dropped_is_reported_as_lost() {
    let client = connected(async |mut peer: Peer| {
        started(&mut peer).await;
        for message in [output(1, "YQ=="), output(9, "Yw=="), exited(10), closed(11)] {
            peer.send(message).await;
        }
        let (id, _) = peer.called("process/read").await;
        let chunks = json!([{ "seq": 8, "stream": "stdout", "chunk": "Yg==" }, { "seq": 9, "stream": "stdout", "chunk": "Yw==" }]);
        let read = json!({ "chunks": chunks, "nextSeq": 12, "exited": true, "exitCode": 7, "closed": true, "failure": null });
        peer.answer(id, read).await;
        peer.left().await;
    })
    .await;
    assert_eq!(
        story(start(&client, "p").await).await,
        "a lost=6 b c exit=7 closed"
    );
}

#[tokio::test]
async fn a_reader_that_is_far_behind_holds_bounded_memory_and_delays_nobody() {
    let chunk = "QUJD".repeat(256 * 1024 / 4); // 192 KiB
    let many = 2 * limits::EVENT_BYTES / (192 * 1024);
    let client = connected(async move |mut peer: Peer| {
        started(&mut peer).await;
        for seq in 1..=many as u64 {
            peer.send(output(seq, &chunk)).await;
        }
        let (id, _) = peer.called("environment/status").await;
        peer.answer(id, json!({ "status": "ready" })).await;
        let (id, params) = peer.called("process/read").await;
        let after = params["afterSeq"].as_u64().expect("a number");
        assert!(after < many as u64);
        // All of it is retained: nothing is lost.
        let chunks: Vec<Value> =
            (after + 1..=many as u64).map(|seq| json!({ "seq": seq, "stream": "stdout", "chunk": "YQ==" })).collect();
        let next = many as u64 + 3;
        peer.answer(id, json!({ "chunks": chunks, "nextSeq": next, "exited": true, "exitCode": 0, "closed": true, "failure": null }))
            .await;
        peer.left().await;
    })
    .await;
    let mut process = start(&client, "p").await;
    soon(client.status())
        .await
        .expect("another call is not held up");
    let mut outputs = 0;
    loop {
        match soon(process.events.next()).await.expect("an event") {
            Event::Output { .. } => outputs += 1,
            Event::Exited { .. } => {}
            Event::Closed => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(outputs, many);
}

#[tokio::test]
async fn a_lost_connection_fails_the_process_after_what_had_arrived() {
    let client = connected(async |mut peer: Peer| {
        started(&mut peer).await;
        for message in [output(1, "YQ=="), output(4, "Yg==")] {
            peer.send(message).await;
        }
    })
    .await;
    let story = story(start(&client, "p").await).await;
    assert!(
        story.starts_with("a lost=2 b failed: the connection is closed"),
        "{story}"
    );
}

#[tokio::test]
async fn a_start_that_fails_leaves_its_key_free_here_too() {
    let client = connected(async |mut peer: Peer| {
        let (id, _) = peer.called("process/start").await;
        peer.send(json!({ "error": { "code": -32603, "message": "No such file or directory (os error 2)" }, "id": id })).await;
        started(&mut peer).await;
        peer.send(exited(1)).await;
        peer.send(closed(2)).await;
        // After the close the key is free again.
        started(&mut peer).await;
        peer.left().await;
    })
    .await;
    let params: StartParams = serde_json::from_value(
        json!({ "processId": "p", "argv": ["a"], "cwd": "/", "env": {}, "tty": false }),
    )
    .expect("params");
    let error = soon(client.start(&params)).await.expect_err("refused");
    assert_eq!(error.code(), Some(-32603));
    let process = start(&client, "p").await;
    assert!(
        client.start(&params).await.is_err(),
        "two readers of one process"
    );
    assert_eq!(story(process).await, "exit=7 closed");
    start(&client, "p").await;
}

/// What a server sends whose ring holds little and that waits for its socket, as ours does.
async fn flood(peer: &mut Peer, chunk: &str, count: u64) {
    for seq in 1..=count {
        peer.send(output(seq, chunk)).await;
    }
    peer.send(exited(count + 1)).await;
    peer.send(closed(count + 2)).await;
}

#[tokio::test]
async fn a_connection_that_waits_for_its_reader_loses_nothing() {
    let chunk = "QUJD".repeat(256 * 1024 / 4);
    let many = 6 * limits::EVENT_BYTES as u64 / (192 * 1024);
    let url = crate::support::serve(async move |mut peer: Peer| {
        peer.handshake().await;
        started(&mut peer).await;
        flood(&mut peer, &chunk, many).await;
        // A process/read would be the only other call, and the test would wait for its answer for ever.
        peer.left().await;
    })
    .await;
    let options = ConnectOptions {
        wait_for_readers: true,
        ..one_link()
    };
    let client = soon(Client::connect_ws(&url, options))
        .await
        .expect("connects");
    let mut process = start(&client, "p").await;
    let mut outputs = 0;
    loop {
        match soon(process.events.next()).await.expect("an event") {
            Event::Output { .. } => {
                outputs += 1;
                tokio::task::yield_now().await;
            }
            Event::Exited { .. } => {}
            Event::Closed => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(outputs, many);
}

#[tokio::test]
async fn a_reader_that_leaves_lets_the_connection_go_on() {
    let chunk = "QUJD".repeat(256 * 1024 / 4);
    let many = 6 * limits::EVENT_BYTES as u64 / (192 * 1024);
    let url = crate::support::serve(async move |mut peer: Peer| {
        peer.handshake().await;
        started(&mut peer).await;
        flood(&mut peer, &chunk, many).await;
        let (id, _) = peer.called("environment/status").await;
        peer.answer(id, json!({ "status": "ready" })).await;
        peer.left().await;
    })
    .await;
    let options = ConnectOptions {
        wait_for_readers: true,
        ..one_link()
    };
    let client = soon(Client::connect_ws(&url, options))
        .await
        .expect("connects");
    let process = start(&client, "p").await;
    drop(process.events);
    soon(client.status()).await.expect("answered");
}

/// A client that waits for its readers, and a server of one connection.
async fn waiting<F: Future<Output = ()> + Send>(
    script: impl FnOnce(Peer) -> F + Send + 'static,
) -> Client {
    let url = crate::support::serve(async move |mut peer: Peer| {
        peer.handshake().await;
        script(peer).await;
    })
    .await;
    let options = ConnectOptions {
        wait_for_readers: true,
        ..one_link()
    };
    let client = soon(Client::connect_ws(&url, options)).await;
    client.expect("connects")
}

#[tokio::test]
async fn a_late_reader_of_a_flood_does_not_wait_for_itself() {
    let chunk = "QUJD".repeat(256 * 1024 / 4);
    let many = 2 * limits::EVENT_BYTES as u64 / (192 * 1024);
    let client = waiting(async move |mut peer: Peer| {
        let (id, _) = peer.called("process/read").await;
        for seq in 2..=many {
            peer.send(output(seq, &chunk)).await;
        }
        let first = json!([{ "seq": 1, "stream": "stdout", "chunk": "YQ==" }]);
        let read = json!({ "chunks": first, "nextSeq": 2, "exited": false, "exitCode": null, "closed": false, "failure": null });
        peer.answer(id, read).await;
        peer.left().await;
    })
    .await;
    let process = soon(client.attach(&"p".into())).await.expect("attached");
    drop(process);
    soon(client.close()).await;
}

#[tokio::test]
async fn a_reader_that_gives_up_while_something_is_fetched_is_waited_for_as_before() {
    let chunk = "QUJD".repeat(256 * 1024 / 4);
    let many = 3 * limits::EVENT_BYTES as u64 / (192 * 1024);
    let (asked, is_asked) = tokio::sync::oneshot::channel();
    let client = waiting(async move |mut peer: Peer| {
        started(&mut peer).await;
        peer.send(output(2, "Yg==")).await;
        peer.called("process/read").await;
        asked.send(()).expect("the test waits");
        let (id, _) = peer.called("environment/status").await;
        peer.send(output(1, "YQ==")).await;
        peer.answer(id, json!({ "status": "ready" })).await;
        // Not a byte of this is dropped and asked for again: nobody would answer that.
        for seq in 3..=many {
            peer.send(output(seq, &chunk)).await;
        }
        peer.send(exited(many + 1)).await;
        peer.send(closed(many + 2)).await;
        peer.left().await;
    })
    .await;
    let mut process = start(&client, "p").await;
    tokio::select! {
        event = process.events.next() => panic!("{event:?}"),
        asked = soon(is_asked) => asked.expect("asked"),
    }
    // It has given up by then, and what it missed has come.
    soon(client.status()).await.expect("ready");
    let mut outputs = 0;
    while let Some(event) = soon(process.events.next()).await {
        match event {
            Event::Output { .. } => outputs += 1,
            Event::Exited { .. } | Event::Closed => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(outputs, many);
}
