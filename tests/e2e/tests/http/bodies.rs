//! Streamed bodies, large ones, and those without an end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lockgate_e2e::{DEADLINE, Server, Wire, decoded};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::origin::{Origin, ok};
use crate::{body, get, rest, with};

const ENDLESS: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

fn stream(url: String, name: &str) -> Value {
    with(get(url), json!({"streamResponse": true, "requestId": name}))
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend(bytes);
    chunk.extend(b"\r\n");
    chunk
}

#[tokio::test]
async fn a_stream_is_told_as_it_comes_with_the_answer_first() {
    let (origin, mut asked) = Origin::by_hand().await;
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let id = wire
        .request("http/request", stream(origin.url("/"), "http-1"))
        .await;
    let (_, mut socket) = asked.recv().await.expect("a request");
    socket.write_all(ENDLESS.as_bytes()).await.expect("sent");
    socket
        .write_all(&chunk(b"data: 1\n\n"))
        .await
        .expect("sent");
    // The answer, and only then what was in the socket with it.
    let first = wire.message().await;
    assert_eq!(
        (&first["id"], &first["result"]["bodyBase64"]),
        (&json!(id), &json!(""))
    );
    for (seq, text) in [(1, "data: 1\n\n"), (2, "data: 2\n\n"), (3, "data: 3\n\n")] {
        if seq > 1 {
            socket
                .write_all(&chunk(text.as_bytes()))
                .await
                .expect("sent");
        }
        let (method, delta) = wire.notification().await;
        assert_eq!(method, "http/request/bodyDelta");
        assert_eq!(decoded(&delta["deltaBase64"]), text.as_bytes());
        assert_eq!(
            (&delta["requestId"], &delta["seq"], &delta["done"]),
            (&json!("http-1"), &json!(seq), &json!(false))
        );
    }
    socket.write_all(b"0\r\n\r\n").await.expect("sent");
    let (_, last) = wire.notification().await;
    assert_eq!(
        last,
        json!({"requestId": "http-1", "seq": 4, "deltaBase64": "", "done": true, "error": null})
    );
}

#[tokio::test]
async fn a_name_is_one_streams_alone_while_it_is_active() {
    let (origin, mut asked) = Origin::by_hand().await;
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let params = || stream(origin.url("/"), "same");
    let id = wire.request("http/request", params()).await;
    let (_, mut socket) = asked.recv().await.expect("a request");
    // Reserved before there is an answer.
    let refusal = wire
        .call("http/request", params())
        .await
        .expect_err("refused");
    assert_eq!(refusal.code, -32602);
    assert_eq!(
        refusal.message,
        "http/request streamResponse requestId `same` is already active"
    );
    socket
        .write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 4\r\n\r\nhalf")
        .await
        .expect("sent");
    wire.answer(id).await.expect("answered");
    assert_eq!(rest(&mut wire, "same").await, (b"half".to_vec(), None));
    // Free after the end, and after a failure; no matter to requests that are not streamed, or on another connection.
    for _ in 0..2 {
        let id = wire.request("http/request", params()).await;
        drop(asked.recv().await.expect("a request"));
        assert_eq!(wire.answer(id).await.expect_err("a failure").code, -32603);
    }
    let id = wire.request("http/request", params()).await;
    let (_, held) = asked.recv().await.expect("a request");
    let mut other = Wire::ready(&server).await;
    let theirs = other.request("http/request", params()).await;
    let ours = wire.request("http/request", get(origin.url("/"))).await;
    for _ in 0..2 {
        let (_, mut socket) = asked.recv().await.expect("a request");
        socket.write_all(ok("").as_bytes()).await.expect("sent");
    }
    other.answer(theirs).await.expect("answered");
    wire.answer(ours).await.expect("answered");
    drop(held);
    wire.answer(id).await.expect_err("a failure");
}

#[tokio::test]
async fn a_body_that_breaks_off_says_so_once_at_its_end() {
    let origin =
        Origin::new(|_| "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_owned()).await;
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    wire.call("http/request", stream(origin.url("/?s3cret"), "a"))
        .await
        .expect("answered");
    let (bytes, error) = rest(&mut wire, "a").await;
    assert_eq!(bytes, b"half");
    let error = error.expect("an error");
    assert!(
        error.starts_with("failed to read http/request response body: "),
        "{error}"
    );
    assert!(!error.contains("s3cret"), "{error}");
}

#[tokio::test]
async fn attack_32_who_leaves_cancels() {
    let (origin, mut asked) = Origin::by_hand().await;
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    wire.request("http/request", get(origin.url("/silent")))
        .await;
    let (_, silent) = asked.recv().await.expect("a request");
    let id = wire
        .request("http/request", stream(origin.url("/stream"), "s"))
        .await;
    let (_, mut streaming) = asked.recv().await.expect("a request");
    streaming.write_all(ENDLESS.as_bytes()).await.expect("sent");
    wire.answer(id).await.expect("answered");
    drop(wire);
    // The server's end of both is closed, although neither has ended.
    for mut socket in [silent, streaming] {
        let end = tokio::time::timeout(DEADLINE, socket.read(&mut [0; 16]))
            .await
            .expect("in time");
        assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    }
}

#[tokio::test]
async fn a_body_waits_for_what_its_client_acknowledges_and_no_other_call_waits_with_it() {
    const PIECE: usize = 64 << 10;
    const WINDOW: usize = 1 << 20;
    const MOST: usize = 64 << 20;
    let (origin, mut asked) = Origin::by_hand().await;
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let params = with(
        stream(origin.url("/"), "endless"),
        json!({"windowBytes": WINDOW}),
    );
    let id = wire.request("http/request", params).await;
    let (_, mut socket) = asked.recv().await.expect("a request");
    socket.write_all(ENDLESS.as_bytes()).await.expect("sent");
    wire.answer(id).await.expect("answered");
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    tokio::spawn(async move {
        let piece = chunk(&[b'x'; PIECE]);
        while socket.write_all(&piece).await.is_ok() {
            count.fetch_add(PIECE, Ordering::Relaxed);
        }
    });
    // All that comes is read from the connection, and yet the body stops.
    let (mut before, mut unchanged) = (0, 0);
    while unchanged < 500 {
        wire.call("environment/status", json!({}))
            .await
            .expect("answered");
        let now = sent.load(Ordering::Relaxed);
        unchanged = if now == before { unchanged + 1 } else { 0 };
        before = now;
        assert!(now < MOST, "everything is taken");
    }
    let mut bytes = 0;
    while bytes < before + 2 * WINDOW {
        let (_, delta) = wire.notification().await;
        bytes += decoded(&delta["deltaBase64"]).len();
        let read = json!({"requestId": "endless", "bytes": bytes});
        let acknowledged = wire.call("lockgate/http/acknowledge", read).await;
        assert_eq!(acknowledged.expect("answered"), json!({}));
    }
    // Of one that there is not as well.
    let none = json!({"requestId": "none", "bytes": 1});
    let acknowledged = wire.call("lockgate/http/acknowledge", none).await;
    assert_eq!(acknowledged.expect("answered"), json!({}));
}

#[tokio::test]
async fn attack_32_an_endless_body_waits_for_a_client_that_does_not_read() {
    const PIECE: usize = 64 << 10;
    const MOST: usize = 256 << 20;
    let (origin, mut asked) = Origin::by_hand().await;
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let id = wire
        .request("http/request", stream(origin.url("/"), "endless"))
        .await;
    let (_, mut socket) = asked.recv().await.expect("a request");
    socket.write_all(ENDLESS.as_bytes()).await.expect("sent");
    wire.answer(id).await.expect("answered");
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let flood = tokio::spawn(async move {
        let piece = chunk(&[b'x'; PIECE]);
        while socket.write_all(&piece).await.is_ok() {
            count.fetch_add(PIECE, Ordering::Relaxed);
        }
    });
    // Nothing is read here: some buffers fill, and then no more is taken. Others do not notice.
    let mut other = Wire::ready(&server).await;
    let (mut before, mut unchanged) = (0, 0);
    while unchanged < 500 {
        other
            .call("environment/status", json!({}))
            .await
            .expect("answered");
        let now = sent.load(Ordering::Relaxed);
        unchanged = if now == before { unchanged + 1 } else { 0 };
        before = now;
        assert!(now < MOST, "everything is taken");
    }
    // Whoever reads on gets on, and answers come first.
    let asked = wire.request("environment/status", json!({})).await;
    wire.answer(asked).await.expect("answered");
    let mut bytes = 0;
    while bytes < before + 64 * PIECE {
        let (_, delta) = wire.notification().await;
        bytes += decoded(&delta["deltaBase64"]).len();
    }
    drop(wire);
    tokio::time::timeout(DEADLINE, flood)
        .await
        .expect("the server has hung up")
        .expect("ended");
}

#[tokio::test]
async fn attack_32_a_body_that_fits_no_message_is_refused_and_can_be_streamed() {
    const MOST: usize = ((64 << 20) - (1 << 20)) / 4 * 3;
    let told =
        Origin::new(|_| format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", MOST + 1)).await;
    let (endless, mut asked) = Origin::by_hand().await;
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let failure = wire
        .call("http/request", get(told.url("/")))
        .await
        .expect_err("a failure");
    assert!(
        failure.code == -32603 && failure.message.contains("streamResponse"),
        "{failure:?}"
    );
    // Without a length it is read until it is too much, and no further.
    let id = wire.request("http/request", get(endless.url("/"))).await;
    let (_, mut socket) = asked.recv().await.expect("a request");
    socket.write_all(ENDLESS.as_bytes()).await.expect("sent");
    let piece = chunk(&vec![b'x'; 1 << 20]);
    let flood = tokio::spawn(async move { while socket.write_all(&piece).await.is_ok() {} });
    let failure = wire.answer(id).await.expect_err("a failure");
    assert!(
        failure.code == -32603 && failure.message.contains("streamResponse"),
        "{failure:?}"
    );
    tokio::time::timeout(DEADLINE, flood)
        .await
        .expect("the server has hung up")
        .expect("ended");
}

#[tokio::test]
async fn the_largest_body_fits_and_large_ones_take_turns() {
    const MOST: usize = ((64 << 20) - (1 << 20)) / 4 * 3;
    let origin = Origin::bytes(|asked| {
        let size = if asked.what().ends_with("largest") {
            MOST
        } else {
            20 << 20
        };
        let length = if asked.what().ends_with("untold") {
            String::new()
        } else {
            format!("content-length: {size}\r\n")
        };
        let mut answer = format!("HTTP/1.1 200 OK\r\n{length}\r\n").into_bytes();
        answer.resize(answer.len() + size, b'x');
        answer
    })
    .await;
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let result = wire
        .call("http/request", get(origin.url("/largest")))
        .await
        .expect("answered");
    assert_eq!(body(&result).len(), MOST);
    // More together than a connection may hold: they wait for each other and all are answered, in whatever order.
    let mut open = std::collections::BTreeSet::new();
    for path in ["/a", "/untold", "/b", "/untold", "/c"] {
        open.insert(wire.request("http/request", get(origin.url(path))).await);
    }
    while !open.is_empty() {
        let message = wire.message().await;
        assert_eq!(body(&message["result"]).len(), 20 << 20);
        assert!(open.remove(&message["id"].as_i64().expect("an id")));
    }
}

#[tokio::test]
async fn attack_32_nothing_is_decompressed() {
    // A gzip header and what follows: handed on byte for byte, however large it would become.
    let bomb: Vec<u8> = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &[0xed; 100]].concat();
    let sent = bomb.clone();
    let origin = Origin::bytes(move |_| {
        let mut answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
            sent.len()
        )
        .into_bytes();
        answer.extend(&sent);
        answer
    })
    .await;
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let params = with(
        get(origin.url("/")),
        json!({"headers": [{"name": "accept-encoding", "value": "gzip"}]}),
    );
    let result = wire.call("http/request", params).await.expect("answered");
    assert_eq!(decoded(&result["bodyBase64"]), bomb);
    assert_eq!(
        result["headers"][0],
        json!({"name": "content-encoding", "value": "gzip"})
    );
}

#[tokio::test]
async fn attack_32_endless_and_huge_headers_end_the_request() {
    let many = Origin::new(|_| format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: 1\r\n".repeat(300))).await;
    let (long, mut asked) = Origin::by_hand().await;
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let failure = wire
        .call("http/request", get(many.url("/")))
        .await
        .expect_err("a failure");
    assert_eq!(failure.code, -32603, "{failure:?}");
    let id = wire.request("http/request", get(long.url("/"))).await;
    let (_, mut socket) = asked.recv().await.expect("a request");
    socket
        .write_all(b"HTTP/1.1 200 OK\r\nx: ")
        .await
        .expect("sent");
    let flood =
        tokio::spawn(async move { while socket.write_all(&[b'x'; 64 << 10]).await.is_ok() {} });
    let failure = wire.answer(id).await.expect_err("a failure");
    assert_eq!(failure.code, -32603, "{failure:?}");
    tokio::time::timeout(DEADLINE, flood)
        .await
        .expect("the server has hung up")
        .expect("ended");
}
