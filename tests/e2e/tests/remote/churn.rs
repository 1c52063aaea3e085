//! Ends that connect again ten thousand times, politely or not: nothing of them is left at the node, at the executor or in the tables of either.

use std::time::Instant;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use lockgate_e2e::{DEADLINE, Executor, Rendezvous};
use lockgate_relay::{Acks, Body, Frame, Segment};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::raw::{ask, frame};
use crate::tenants::listed;

/// Connections of each of the two.
const TIMES: usize = 10_000;

/// Of these, before which whatever grows at first has grown.
const FIRST: usize = 2_000;

/// KiB that a process may have grown by after the other eight thousand: two for each, where the buffers of a connection alone are more.
const KIB_MORE: u64 = 16 << 10;

type Socket = WebSocketStream<TcpStream>;

/// Opens a websocket, each time from another address of this machine: one has no more than some ten thousand ports for connections that were just closed.
async fn connect(url: &str, number: usize) -> Socket {
    let (_, rest) = url.split_once("://").expect("a scheme");
    let (address, _) = rest.split_once('/').expect("a path");
    let socket = TcpSocket::new_v4().expect("a socket");
    let from = format!("127.0.1.{}:0", 1 + number % 250);
    socket
        .bind(from.parse().expect("an address"))
        .expect("bound");
    let socket = socket.connect(address.parse().expect("an address")).await;
    let socket = socket.expect("connected");
    socket.set_nodelay(true).expect("set");
    let upgraded = tokio_tungstenite::client_async(url, socket).await;
    upgraded.expect("let in").0
}

/// Half of them say good-bye.
async fn leave(mut socket: Socket, number: usize) {
    if number.is_multiple_of(2) {
        // The other side may be faster.
        let _ = socket.close(None).await;
    }
}

async fn hear(socket: &mut Socket) -> Frame {
    let next = timeout(DEADLINE, socket.next()).await.expect("in time");
    match next.expect("a frame").expect("a frame") {
        Message::Binary(bytes) => Frame::decode(bytes).expect("a frame"),
        other => panic!("{other:?}"),
    }
}

/// What a harness says on its one stream, as a message of one segment.
fn says(number: u32, acks: Acks, message: &Value) -> Message {
    let payload = Bytes::from(message.to_string());
    let segment = Segment::new(number, 0, 1, payload).expect("a segment");
    frame("s", acks, Body::Data(segment))
}

/// What a process has at the moment: descriptors, and resident KiB.
fn holds(pid: u32) -> (usize, u64) {
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let resident = resident.and_then(|line| line.split_whitespace().next()?.parse().ok());
    (descriptors.count(), resident.expect("a number"))
}

/// Waits until it has no more descriptors than before, and not much more memory.
async fn has_not_grown(pid: u32, (descriptors, resident): (usize, u64)) {
    let begun = Instant::now();
    loop {
        let (now, kib) = holds(pid);
        if now <= descriptors && kib <= resident + KIB_MORE {
            return;
        }
        let words = format!("{now} descriptors after {descriptors}, {kib} KiB after {resident}");
        assert!(begun.elapsed() < DEADLINE, "{words}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn attack_35_a_harness_that_connects_ten_thousand_times_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let token = rendezvous.token("box", "executor");
    let executor = Executor::start(rendezvous.url(), "box", &token);
    let server = *executor.family().last().expect("the server");
    let url = format!("{}&resume=1", rendezvous.harness_url("box", None));
    let nothing = Acks {
        ack: u32::MAX,
        bits: 0,
    };
    // One session, begun on the first connection: it goes on over all of them.
    let mut socket = connect(&url, 0).await;
    let hello = json!({"id": 1, "method": "initialize", "params": {"clientName": "churn"}});
    socket.send(says(0, nothing, &hello)).await.expect("sent");
    let welcome = loop {
        if let Body::Data(segment) = hear(&mut socket).await.body {
            break serde_json::from_slice::<Value>(segment.payload()).expect("JSON");
        }
    };
    let session = welcome["result"]["sessionId"].as_str().expect("an id");
    let has_one = Acks {
        ack: u32::MAX,
        bits: 1,
    };
    leave(socket, 1).await;
    let mut before = [(0, 0); 2];
    for number in 0..TIMES {
        let mut socket = connect(&url, number).await;
        let back = frame("s", has_one, Body::Resume { next_seq: 1 });
        socket.send(back).await.expect("sent");
        // Any frame: the executor has heard this connection.
        hear(&mut socket).await;
        leave(socket, number).await;
        if number == FIRST {
            before = [rendezvous.pid(), server].map(holds);
        }
    }
    for (pid, before) in [rendezvous.pid(), server].into_iter().zip(before) {
        has_not_grown(pid, before).await;
    }
    listed(&rendezvous, &token, |list| {
        list[0]["harnesses"] == 0 && list[0]["streams"] == 1 && list[0]["connected"] == true
    });
    // The stream is the one that it was, and so is the session.
    let mut socket = connect(&url, 0).await;
    let initialized = json!({"method": "initialized", "params": {}});
    socket
        .send(says(1, has_one, &initialized))
        .await
        .expect("sent");
    let question = json!({"id": 2, "method": "environment/info"});
    socket
        .send(says(2, has_one, &question))
        .await
        .expect("sent");
    let answer = loop {
        if let Body::Data(segment) = hear(&mut socket).await.body
            && segment.seq() == 1
        {
            break serde_json::from_slice::<Value>(segment.payload()).expect("JSON");
        }
    };
    assert!(answer["result"]["shell"].is_object(), "{session}: {answer}");
}

#[tokio::test]
async fn attack_35_an_executor_that_connects_ten_thousand_times_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let token = rendezvous.token("box", "executor");
    let harness_url = rendezvous.harness_url("box", None);
    let mut before = (0, 0);
    let mut url = String::new();
    for number in 0..TIMES {
        // A URL holds for a minute.
        if number.is_multiple_of(200) {
            let path = "/cloud/environment/box/register";
            let (status, answer) = ask(&rendezvous, "POST", path, &token);
            assert_eq!(status, 200, "{answer}");
            url = answer["url"].as_str().expect("a URL").to_owned();
        }
        let mut executor = connect(&url, number).await;
        // Now and then a harness begins something with it.
        if number.is_multiple_of(10) {
            let mut harness = connect(&harness_url, number).await;
            let message = says(0, Acks { ack: 5, bits: 0 }, &json!({}));
            harness.send(message).await.expect("sent");
            while !matches!(hear(&mut executor).await.body, Body::Data(_)) {}
            let over = Body::Reset(lockgate_relay::Reason::new("enough").expect("words"));
            let over = frame("s", Acks { ack: 5, bits: 0 }, over);
            harness.send(over).await.expect("sent");
            while !matches!(hear(&mut executor).await.body, Body::Reset(_)) {}
            leave(harness, number / 10).await;
        }
        leave(executor, number).await;
        if number == FIRST {
            before = holds(rendezvous.pid());
        }
    }
    has_not_grown(rendezvous.pid(), before).await;
    listed(&rendezvous, &token, |list| {
        list[0]["connected"] == false && list[0]["harnesses"] == 0 && list[0]["streams"] == 0
    });
}
