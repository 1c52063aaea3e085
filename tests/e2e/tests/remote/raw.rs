//! Ends of a rendezvous that a test moves by hand: for what no real one would do, and for what only the wire shows.

use std::io::{Read, Write};
use std::net::TcpStream;

use futures_util::{Stream, StreamExt};
use lockgate_e2e::{DEADLINE, Rendezvous};
use lockgate_relay::{Acks, Body, Frame, StreamId};
use serde_json::Value;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

/// Opens a websocket.
pub(crate) async fn connected(url: &str) -> Socket {
    let connected = tokio_tungstenite::connect_async(url).await;
    connected.expect("connected").0
}

/// Registers for streams without encryption, and connects: the executor of that environment, in a test's hand.
pub(crate) async fn executor(rendezvous: &Rendezvous, environment: &str) -> Socket {
    let token = rendezvous.token(environment, "executor");
    let path = format!("/cloud/environment/{environment}/register");
    let (status, answer) = ask(rendezvous, "POST", &path, &token);
    assert_eq!(status, 200, "{answer}");
    connected(answer["url"].as_str().expect("a URL")).await
}

/// One request to the rendezvous: the status, and the body if it is JSON.
pub(crate) fn ask(rendezvous: &Rendezvous, method: &str, path: &str, token: &str) -> (u16, Value) {
    let address = rendezvous.address();
    let mut socket = TcpStream::connect(address).expect("connected");
    let authorization = match token {
        "" => String::new(),
        token => format!("authorization: Bearer {token}\r\n"),
    };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: 0\r\n{authorization}\r\n"
    );
    socket.write_all(head.as_bytes()).expect("sent");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("an answer");
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (
        status.expect("a status"),
        serde_json::from_str(body).unwrap_or(Value::Null),
    )
}

/// A frame of a stream, from a peer that acknowledges if `acks` says so.
pub(crate) fn frame(stream: &str, acks: Acks, body: Body) -> Message {
    let stream = StreamId::new(stream).expect("a name");
    Message::Binary(Frame { stream, acks, body }.encode())
}

/// Reads to the end, and gives how it was closed.
pub(crate) async fn closed(
    socket: &mut (impl Stream<Item = tungstenite::Result<Message>> + Unpin),
) -> CloseFrame {
    let close = async {
        loop {
            match socket.next().await.expect("a close").expect("a message") {
                Message::Close(close) => return close.expect("a reason"),
                _ => continue,
            }
        }
    };
    timeout(DEADLINE, close).await.expect("in time")
}
