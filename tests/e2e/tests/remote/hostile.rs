//! What no real end of a rendezvous would do, and what the others notice of it: nothing.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use lockgate_client::{Client, ConnectOptions, Remote};
use lockgate_e2e::{Chance, DEADLINE, Executor, Rendezvous};
use lockgate_relay::registry::{Credentials, Registry};
use lockgate_relay::{Acks, Body, Frame, Segment};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::raw::{self, closed, connected, frame};

/// Frames of a harness that makes no sense.
const NONSENSE: usize = 5_000;

/// A client of an executor that encrypts.
async fn client(rendezvous: &Rendezvous, environment: &str) -> Client {
    let token = rendezvous.token(environment, "harness");
    let from = "the test".to_owned();
    let credentials = Credentials::Token { token, from };
    let remote = Remote {
        registry: Registry::new(rendezvous.url(), credentials).expect("a registry"),
        environment: environment.parse().expect("a name"),
        encrypt: true,
    };
    let client = Client::connect_remote(remote, ConnectOptions::default()).await;
    client.expect("connected")
}

fn sealed(rendezvous: &Rendezvous, environment: &str) -> Executor {
    let token = rendezvous.token(environment, "executor");
    let command = Executor::encrypting(rendezvous.url(), environment, &token);
    Executor::from_command(command)
}

#[tokio::test]
async fn attack_33_frames_that_are_none_disturb_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let executor = sealed(&rendezvous, "box");
    let client = client(&rendezvous, "box").await;
    let mut hostile = connected(&rendezvous.harness_url("box", None)).await;
    let mut chance = Chance::printed();
    for number in 0..NONSENSE {
        let noise: Vec<u8> = (0..chance.number() % 200)
            .map(|_| chance.number() as u8)
            .collect();
        let segment = Segment::new(number as u32, 0, 1, Bytes::from(vec![1; 40]));
        let stream = format!("s{}", chance.number() % 8);
        let acks = Acks {
            ack: chance.number() as u32,
            bits: chance.number() as u32,
        };
        let body = match chance.number() % 5 {
            0 => Body::Data(segment.expect("a segment")),
            1 => Body::Resume {
                next_seq: chance.number() as u32,
            },
            2 => Body::Handshake(noise.clone().into()),
            3 => Body::Heartbeat,
            _ => Body::Ack,
        };
        let message = match (chance.number() % 4, frame(&stream, acks, body)) {
            (0, _) => Message::Binary(noise.into()),
            (1, _) => Message::Text("no frame".into()),
            // One that is almost right.
            (2, Message::Binary(bytes)) => {
                let mut bytes = bytes.to_vec();
                let place = chance.number() as usize % bytes.len();
                bytes[place] ^= chance.number() as u8;
                Message::Binary(bytes.into())
            }
            (_, message) => message,
        };
        hostile.send(message).await.expect("sent");
        if number % 500 == 0 {
            client.status().await.expect("answered");
        }
    }
    // All of it has been looked at when this one is answered; it may have to be asked again, for answers to nonsense are dropped where there are many.
    let beyond = Acks { ack: 1, bits: 0 };
    let begun = Instant::now();
    let mut answered = false;
    while !answered {
        assert!(begun.elapsed() < DEADLINE, "no answer");
        let last = frame("last", beyond, Body::Resume { next_seq: 7 });
        hostile.send(last).await.expect("sent");
        while let Ok(next) = timeout(Duration::from_secs(1), hostile.next()).await {
            if let Message::Binary(bytes) = next.expect("a frame").expect("a frame") {
                answered |=
                    Frame::decode(bytes).is_ok_and(|frame| frame.stream.to_string() == "last");
            }
            if answered {
                break;
            }
        }
    }
    client.status().await.expect("answered");
    client.close().await;
    let (status, said) = executor.stop();
    assert!(status.success(), "{said}");
}

#[tokio::test]
async fn attack_33_where_streams_are_encrypted_no_frame_is_large() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let _executor = sealed(&rendezvous, "box");
    let client = client(&rendezvous, "box").await;
    let mut hostile = connected(&rendezvous.harness_url("box", None)).await;
    // It may be refused before all of it is written.
    let _ = hostile
        .send(Message::Binary(vec![0; 300 << 10].into()))
        .await;
    let over = async { while let Some(Ok(_)) = hostile.next().await {} };
    timeout(DEADLINE, over).await.expect("its connection ends");
    client.status().await.expect("answered");
    client.close().await;
}

/// Harnesses without acknowledgements, so that nothing for them is dropped, more than large frames may be on their way to.
const DEAF: usize = 5;

#[tokio::test]
async fn attack_33_harnesses_that_take_no_large_frame_are_given_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let mut executor = raw::executor(&rendezvous, "box").await;
    let url = rendezvous.harness_url("box", None);
    let mut harnesses = Vec::new();
    for number in 0..=DEAF {
        let mut harness = connected(&url).await;
        let begin = Body::Resume { next_seq: 0 };
        let begin = frame(&format!("s{number}"), Acks::PLAIN, begin);
        harness.send(begin).await.expect("sent");
        executor.next().await.expect("a frame").expect("a frame");
        harnesses.push(harness);
    }
    let mut listening = harnesses.pop().expect("the last one");
    let word = |number: usize, size: usize| {
        let payload = Bytes::from(vec![1; size]);
        let segment = Segment::new(0, 0, 1, payload).expect("a segment");
        frame(&format!("s{number}"), Acks::PLAIN, Body::Data(segment))
    };
    let last = word(DEAF, 3);
    let expected = last.clone();
    let speaking = tokio::spawn(async move {
        for number in 0..DEAF {
            let large = word(number, 24 << 20);
            executor.send(large).await.expect("sent");
        }
        executor.send(last).await.expect("sent");
        executor
    });
    let heard = timeout(DEADLINE, listening.next()).await;
    let heard = heard.expect("the executor is read again");
    assert!(heard.expect("a frame").expect("a frame") == expected);
    drop(speaking.await.expect("all is said"));
}

#[tokio::test]
async fn attack_33_an_executor_that_was_replaced_has_no_say() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let mut first = raw::executor(&rendezvous, "box").await;
    let mut harness = connected(&rendezvous.harness_url("box", None)).await;
    let acks = Acks { ack: 1, bits: 0 };
    let begin = || frame("s", acks, Body::Resume { next_seq: 0 });
    harness.send(begin()).await.expect("sent");
    first.next().await.expect("a frame").expect("a frame");
    let mut second = raw::executor(&rendezvous, "box").await;
    // Said in the last moment, and not by the executor of that environment any more. It may be closed already.
    let false_word = frame(
        "s",
        acks,
        Body::Data(Segment::new(0, 0, 1, Bytes::from("false")).expect("a segment")),
    );
    let _ = first.send(false_word).await;
    let close = closed(&mut first).await;
    assert_eq!(u16::from(close.code), 4001, "{close:?}");
    // The stream is the second's now.
    harness.send(begin()).await.expect("sent");
    second.next().await.expect("a frame").expect("a frame");
    let word = frame("s", acks, Body::Heartbeat);
    second.send(word.clone()).await.expect("sent");
    let heard = timeout(DEADLINE, harness.next()).await.expect("in time");
    assert_eq!(heard.expect("a frame").expect("a frame"), word);
}

#[test]
fn attack_29_a_browser_gets_nothing_from_a_rendezvous() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let token = rendezvous.token("box", "both");
    let url = rendezvous.harness_url("box", None);
    let (_, socket) = url.split_once(rendezvous.address()).expect("a path");
    for (request, origin) in [
        (
            format!(
                "GET {socket} HTTP/1.1\r\nupgrade: websocket\r\nconnection: upgrade, close\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="
            ),
            "http://127.0.0.1",
        ),
        (
            "POST /cloud/environment/box/register HTTP/1.1\r\nconnection: close".to_owned(),
            "null",
        ),
        (
            "GET /cloud/environments HTTP/1.1\r\nconnection: close".to_owned(),
            "https://page.example",
        ),
    ] {
        let mut connection = TcpStream::connect(rendezvous.address()).expect("connected");
        write!(
            connection,
            "{request}\r\nhost: {}\r\norigin: {origin}\r\nauthorization: Bearer {token}\r\ncontent-length: 0\r\n\r\n",
            rendezvous.address()
        )
        .expect("sent");
        let mut answer = String::new();
        connection.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        assert!(!answer.contains("url"), "{answer}");
    }
}
