//! Harnesses of May 2026: one frame a message, no acknowledgement, no resume.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use lockgate_e2e::{DEADLINE, Executor, Rendezvous};
use lockgate_relay::{Acks, Body, Frame, Segment, StreamId};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::raw;

pub(crate) struct Plain {
    socket: tokio_tungstenite::WebSocketStream<
        tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>,
    >,
    stream: StreamId,
    next: u32,
}

impl Plain {
    pub(crate) async fn connect(url: &str, stream: &str) -> Plain {
        let (socket, _) = tokio_tungstenite::connect_async(url)
            .await
            .expect("connected");
        let stream = StreamId::new(stream).expect("a name");
        let mut plain = Plain {
            socket,
            stream,
            next: 0,
        };
        plain.send(Body::Resume { next_seq: 0 }).await;
        plain
    }

    async fn send(&mut self, body: Body) {
        let frame = Frame {
            stream: self.stream.clone(),
            acks: Acks::PLAIN,
            body,
        };
        self.socket
            .send(Message::Binary(frame.encode()))
            .await
            .expect("sent");
    }

    pub(crate) async fn say(&mut self, message: Value) {
        let payload = Bytes::from(message.to_string());
        let segment = Segment::new(self.next, 0, 1, payload).expect("a segment");
        self.next += 1;
        self.send(Body::Data(segment)).await;
    }

    pub(crate) async fn frame(&mut self) -> Frame {
        let next = timeout(DEADLINE, self.socket.next())
            .await
            .expect("in time");
        match next.expect("a frame").expect("a frame") {
            Message::Binary(bytes) => Frame::decode(bytes).expect("a frame"),
            other => panic!("{other:?}"),
        }
    }

    /// The next message, which is all in one frame that acknowledges nothing: all that such a harness understands.
    pub(crate) async fn hear(&mut self) -> Value {
        let frame = self.frame().await;
        assert_eq!((&frame.stream, frame.acks), (&self.stream, Acks::PLAIN));
        match frame.body {
            Body::Data(segment) => {
                assert_eq!((segment.index(), segment.count()), (0, 1));
                serde_json::from_slice(segment.payload()).expect("JSON")
            }
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn hello(id: i64) -> Value {
    json!({"id": id, "method": "initialize", "params": {"clientName": "plain"}})
}

#[tokio::test]
async fn a_harness_of_may_2026_is_served_as_it_expects() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let token = rendezvous.token("box", "executor");
    let _executor = Executor::start(rendezvous.url(), "box", &token);
    let url = rendezvous.harness_url("box", None);
    let mut plain = Plain::connect(&url, "5a8ab7b5-61d4-4ad1-97c6-62a7e8c4b5b1").await;
    plain.say(hello(1)).await;
    let welcome = plain.hear().await;
    assert!(welcome["result"]["sessionId"].is_string(), "{welcome}");
    plain
        .say(json!({"method": "initialized", "params": {}}))
        .await;
    // One message beyond any segment, there and back.
    let path = folder.path().join("large");
    let large: Vec<u8> = (0..6_000_000_u32).map(|i| (i ^ (i >> 9)) as u8).collect();
    let data = base64_simd::STANDARD.encode_to_string(&large);
    let params = json!({"path": path, "dataBase64": data});
    plain
        .say(json!({"id": 2, "method": "fs/writeFile", "params": params}))
        .await;
    let written = plain.hear().await;
    assert!(written["result"].is_object(), "{written}");
    assert!(std::fs::read(&path).expect("a file") == large);
    plain
        .say(json!({"id": 3, "method": "fs/readFile", "params": {"path": path}}))
        .await;
    let read = plain.hear().await;
    assert!(read["result"]["dataBase64"] == data, "what was written");
}

#[tokio::test]
async fn attack_33_nobody_takes_over_a_stream_of_another_token() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let token = rendezvous.token("box", "executor");
    let _executor = Executor::start(rendezvous.url(), "box", &token);
    let mine = rendezvous.harness_url("box", None);
    // The list names the oldest first, so this is another token's.
    let others = {
        rendezvous.token("box", "harness");
        let list = rendezvous.command(&["token", "list"]);
        let last = list
            .lines()
            .rfind(|line| line.contains("harness"))
            .expect("a token");
        let ids: Vec<_> = list
            .lines()
            .filter(|line| line.contains("harness"))
            .collect();
        assert_eq!(ids.len(), 2);
        let first_id = ids[0].split_whitespace().next().expect("an id");
        let id = [last, ids[0]]
            .iter()
            .filter_map(|line| line.split_whitespace().next())
            .find(|id| !mine.contains(*id))
            .unwrap_or(first_id);
        let public = format!("ws://{}", rendezvous.address());
        rendezvous.command(&["url", "--token", id, "--public-url", &public])
    };
    let name = "5a8ab7b5-61d4-4ad1-97c6-62a7e8c4b5b2";
    let mut victim = Plain::connect(&mine, name).await;
    victim.say(hello(1)).await;
    victim.hear().await;
    victim
        .say(json!({"method": "initialized", "params": {}}))
        .await;
    let mut thief = Plain::connect(&others, name).await;
    thief.next = 2;
    let start = json!({"processId": "p", "argv": ["touch", folder.path().join("stolen")], "cwd": "/", "env": {}, "tty": false});
    thief
        .say(json!({"id": 7, "method": "process/start", "params": start}))
        .await;
    // The victim still has the stream, and what the thief said was never heard.
    victim
        .say(json!({"id": 2, "method": "environment/status", "params": {}}))
        .await;
    let answer = victim.hear().await;
    assert_eq!(answer["id"], 2, "{answer}");
    assert!(!folder.path().join("stolen").exists());
    // Whoever leaves takes only what is his.
    drop(thief);
    victim
        .say(json!({"id": 3, "method": "environment/status", "params": {}}))
        .await;
    assert_eq!(victim.hear().await["id"], 3);
}

#[tokio::test]
async fn a_plain_harness_hears_when_its_executor_is_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let token = rendezvous.token("box", "executor");
    let executor = Executor::start(rendezvous.url(), "box", &token);
    let url = rendezvous.harness_url("box", None);
    let mut plain = Plain::connect(&url, "5a8ab7b5-61d4-4ad1-97c6-62a7e8c4b5b3").await;
    plain.say(hello(1)).await;
    plain.hear().await;
    drop(executor);
    assert!(matches!(plain.frame().await.body, Body::Reset(_)));
}

/// As many as one environment may have at once (`LARGE_FRAMES`), and how many come.
const AT_ONCE: usize = 4;
const LARGE: usize = 12;

/// Of each frame, and what is missing of it at first.
const BYTES: usize = 48 << 20;
const REST: usize = 8 << 20;

/// The most memory that a process ever had, in MiB.
pub(crate) fn peak(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    kib.expect("a peak").parse::<usize>().expect("a number") >> 10
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_33_large_frames_of_many_harnesses_take_the_memory_of_a_few() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let _executor = raw::executor(&rendezvous, "box").await;
    let url = rendezvous.harness_url("box", None);
    let before = peak(rendezvous.pid());
    let (begun, _) = tokio::sync::watch::channel(0);
    let begun = std::sync::Arc::new(begun);
    let harnesses: Vec<_> = (0..LARGE)
        .map(|_| {
            let (url, begun) = (url.clone(), begun.clone());
            tokio::spawn(async move {
                let mut socket = raw::connected(&url).await;
                let socket = socket.get_mut();
                // A binary message, masked with nothing (RFC 6455, 5.2).
                let mut head = vec![0x82, 0xff];
                head.extend((BYTES as u64).to_be_bytes());
                head.extend([0; 4]);
                let piece = vec![0xff; 1 << 20];
                socket.write_all(&head).await.expect("taken");
                for _ in 0..(BYTES - REST) >> 20 {
                    socket.write_all(&piece).await.expect("taken");
                }
                // Nobody ends a frame before as many have begun as may.
                begun.send_modify(|count| *count += 1);
                let enough = |count: &usize| *count >= AT_ONCE;
                begun.subscribe().wait_for(enough).await.expect("a count");
                for _ in 0..REST >> 20 {
                    socket.write_all(&piece).await.expect("taken");
                }
            })
        })
        .collect();
    for harness in harnesses {
        timeout(2 * DEADLINE, harness)
            .await
            .expect("its turn comes")
            .expect("all is taken");
    }
    let most = (AT_ONCE + 2) * (BYTES >> 20);
    let peak = peak(rendezvous.pid()) - before;
    assert!(peak < most, "{peak} MiB");
}
