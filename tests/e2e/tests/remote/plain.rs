//! Harnesses of May 2026: one frame a message, no acknowledgement, no resume.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use lockgate_e2e::{DEADLINE, Executor, Rendezvous};
use lockgate_relay::{Acks, Body, Frame, Segment, StreamId};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

struct Plain {
    socket: tokio_tungstenite::WebSocketStream<
        tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>,
    >,
    stream: StreamId,
    next: u32,
}

impl Plain {
    async fn connect(url: &str, stream: &str) -> Plain {
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

    async fn say(&mut self, message: Value) {
        let payload = Bytes::from(message.to_string());
        let segment = Segment::new(self.next, 0, 1, payload).expect("a segment");
        self.next += 1;
        self.send(Body::Data(segment)).await;
    }

    async fn frame(&mut self) -> Frame {
        let next = timeout(DEADLINE, self.socket.next())
            .await
            .expect("in time");
        match next.expect("a frame").expect("a frame") {
            Message::Binary(bytes) => Frame::decode(bytes).expect("a frame"),
            other => panic!("{other:?}"),
        }
    }

    /// The next message, which is all in one frame that acknowledges nothing: all that such a harness understands.
    async fn hear(&mut self) -> Value {
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

fn hello(id: i64) -> Value {
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
    // One message beyond any segment.
    let large = folder.path().join("large");
    std::fs::write(&large, vec![b'x'; 1_000_000]).expect("a file");
    plain
        .say(json!({"id": 2, "method": "fs/readFile", "params": {"path": large}}))
        .await;
    let read = plain.hear().await;
    let data = read["result"]["dataBase64"].as_str().expect("data");
    assert_eq!(data.len(), 1_000_000_usize.div_ceil(3) * 4);
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
