//! The client of ours against the real executor.

use lockgate_client::{Client, ConnectOptions, HttpRequest};
use lockgate_e2e::{DEADLINE, Server, Wire};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::origin::{Origin, ok, to};
use crate::{get, with};

#[tokio::test]
async fn the_client_gets_whole_answers_and_streams() {
    const SIZE: usize = 5_000_000;
    let origin = Origin::bytes(|asked| match asked.what() {
        "GET /away" => to(302, "/").into_bytes(),
        "GET /large" => {
            let mut answer = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
            answer.extend((0..=255).cycle().take(SIZE));
            answer
        }
        _ => ok("hello").into_bytes(),
    })
    .await;
    let server = Server::start();
    let options = ConnectOptions {
        wait_for_readers: true,
        ..ConnectOptions::default()
    };
    let client = Client::connect_ws(server.url(), options)
        .await
        .expect("connects");
    let get = |path: &str| HttpRequest {
        method: "GET".to_owned(),
        url: origin.url(path),
        ..HttpRequest::default()
    };
    let whole = client.http(&get("/away")).await.expect("answered");
    assert_eq!(
        (whole.status, whole.body_base64.0),
        (200, b"hello".to_vec())
    );
    for _ in 0..2 {
        let answer = client.http_stream(&get("/large")).await.expect("answered");
        let bytes = answer.body.read_to_end(SIZE).await.expect("all of it");
        assert!(bytes.into_iter().eq((0..=255).cycle().take(SIZE)));
    }
    let failure = client
        .http(&HttpRequest {
            url: "ftp://a/".to_owned(),
            ..get("/")
        })
        .await;
    assert_eq!(failure.expect_err("refused").code(), Some(-32602));
}

/// The other side has gone.
async fn gone(socket: &mut TcpStream) {
    let read = timeout(DEADLINE, socket.read(&mut [0; 1])).await;
    assert_eq!(read.expect("in time").unwrap_or(0), 0);
}

#[tokio::test]
async fn a_stream_that_is_dropped_is_given_up_at_the_server_before_and_after_its_answer() {
    let (origin, mut connections) = Origin::by_hand().await;
    let server = Server::start();
    let client = Client::connect_ws(server.url(), ConnectOptions::default())
        .await
        .expect("connects");
    let request = HttpRequest {
        method: "GET".to_owned(),
        url: origin.url("/"),
        ..HttpRequest::default()
    };
    // More of them than a connection may have at a time.
    for _ in 0..150 {
        tokio::select! {
            _ = client.http_stream(&request) => panic!("nobody has answered"),
            asked = connections.recv() => asked.expect("asked").1,
        };
        let answering = async {
            let (_, mut socket) = connections.recv().await.expect("asked");
            let head = b"HTTP/1.1 200 OK\r\n\r\nbegun";
            socket.write_all(head).await.expect("answered");
            socket
        };
        let (answer, mut socket) = tokio::join!(client.http_stream(&request), answering);
        let mut answer = answer.expect("answered");
        let begun = answer.body.next().await.expect("a piece").expect("bytes");
        assert_eq!(begun, b"begun");
        drop(answer);
        gone(&mut socket).await;
    }
}

#[tokio::test]
async fn a_name_is_free_again_after_its_stream_was_cancelled() {
    let (origin, mut connections) = Origin::by_hand().await;
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let params = with(get(origin.url("/")), json!({"streamResponse": true}));
    for _ in 0..3 {
        let asked = wire.request("http/request", params.clone()).await;
        let (_, mut socket) = connections.recv().await.expect("asked");
        let cancel = wire.request("lockgate/http/cancel", json!({"requestId": "r"}));
        let cancel = cancel.await;
        for _ in 0..2 {
            let answer = wire.message().await;
            if answer["id"] == cancel {
                assert_eq!(answer["result"], json!({}), "{answer}");
            } else {
                assert_eq!(answer["id"], asked, "{answer}");
                assert_eq!(answer["error"]["code"], -32600, "{answer}");
            }
        }
        gone(&mut socket).await;
    }
    // Nothing of that name.
    let cancelled = wire.call("lockgate/http/cancel", json!({"requestId": "x"}));
    assert_eq!(cancelled.await.expect("answered"), json!({}));
}
