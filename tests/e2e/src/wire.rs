//! A client that sends what it is told, proper or not.

use std::collections::VecDeque;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::{DEADLINE, Server};

/// A JSON-RPC error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The code.
    pub code: i64,
    /// The message.
    pub message: String,
}

/// One websocket connection.
pub struct Wire {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    next_id: i64,
    notifications: VecDeque<Value>,
}

impl Wire {
    /// Connects; no message is sent.
    pub async fn connect(server: &Server) -> Wire {
        let config = WebSocketConfig::default()
            .max_message_size(Some(128 << 20))
            .max_frame_size(Some(128 << 20));
        let (socket, _) = timeout(
            DEADLINE,
            tokio_tungstenite::connect_async_with_config(server.url(), Some(config), true),
        )
        .await
        .expect("the server answers in time")
        .expect("the server upgrades");
        Wire {
            socket,
            next_id: 1,
            notifications: VecDeque::new(),
        }
    }

    /// Connects and shakes hands; returns the session id as well.
    pub async fn open(server: &Server) -> (Wire, String) {
        let mut wire = Wire::connect(server).await;
        let session = wire.handshake(None).await.expect("the handshake succeeds");
        (wire, session)
    }

    /// A connection past its handshake.
    pub async fn ready(server: &Server) -> Wire {
        Wire::open(server).await.0
    }

    /// `initialize` and `initialized`; returns the session id.
    pub async fn handshake(&mut self, resume: Option<&str>) -> Result<String, Refusal> {
        let params = json!({"clientName": "e2e", "resumeSessionId": resume});
        let result = self.call("initialize", params).await?;
        self.send(json!({"method": "initialized", "params": {}}))
            .await;
        Ok(result["sessionId"]
            .as_str()
            .expect("a session id")
            .to_owned())
    }

    /// Sends a text frame as it is.
    pub async fn send_text(&mut self, text: impl Into<String>) {
        let message = Message::Text(text.into().into());
        timeout(DEADLINE, self.socket.send(message))
            .await
            .expect("in time")
            .expect("sent");
    }

    /// Sends a JSON message to a server that may hang up meanwhile.
    pub async fn send_lossy(&mut self, message: Value) {
        let message = Message::Text(message.to_string().into());
        let _ = timeout(DEADLINE, self.socket.send(message))
            .await
            .expect("in time");
    }

    /// Sends a binary frame as it is.
    pub async fn send_binary(&mut self, bytes: Vec<u8>) {
        let message = Message::Binary(Bytes::from(bytes));
        timeout(DEADLINE, self.socket.send(message))
            .await
            .expect("in time")
            .expect("sent");
    }

    /// Sends a JSON message.
    pub async fn send(&mut self, message: Value) {
        self.send_text(message.to_string()).await;
    }

    /// Sends a request and returns its id, without waiting.
    pub async fn request(&mut self, method: &str, params: Value) -> i64 {
        let id = self.next_id;
        self.next_id += 1;
        self.send(json!({"id": id, "method": method, "params": params}))
            .await;
        id
    }

    /// A call and its answer. Notifications that come meanwhile are kept.
    pub async fn call(&mut self, method: &str, params: Value) -> Result<Value, Refusal> {
        let id = self.request(method, params).await;
        self.answer(id).await
    }

    /// The answer to a request.
    pub async fn answer(&mut self, id: i64) -> Result<Value, Refusal> {
        loop {
            let mut message = self.message().await;
            if message.get("method").is_some() {
                self.notifications.push_back(message);
            } else if message["id"] == json!(id) {
                return match message.get("error") {
                    None => Ok(message["result"].take()),
                    Some(error) => Err(Refusal {
                        code: error["code"].as_i64().expect("a code"),
                        message: error["message"].as_str().expect("a message").to_owned(),
                    }),
                };
            } else {
                panic!("an answer to {id} was expected, this came: {message}");
            }
        }
    }

    /// The next message, whatever it is (kept notifications are not looked at).
    pub async fn message(&mut self) -> Value {
        self.try_message().await.expect("the connection is open")
    }

    /// The next message; `None` when the server closed the connection.
    pub async fn try_message(&mut self) -> Option<Value> {
        loop {
            match timeout(DEADLINE, self.socket.next())
                .await
                .expect("a message comes in time")
            {
                Some(Ok(Message::Text(text))) => {
                    return Some(serde_json::from_str(&text).expect("the server sends JSON"));
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(other)) => panic!("unexpected frame: {other:?}"),
            }
        }
    }

    /// The next notification, in order of arrival: its method and params.
    pub async fn notification(&mut self) -> (String, Value) {
        let mut message = match self.notifications.pop_front() {
            Some(kept) => kept,
            None => self.message().await,
        };
        let method = message["method"]
            .as_str()
            .expect("a notification")
            .to_owned();
        (method, message["params"].take())
    }

    /// The TCP socket below, for tests that stop reading or vanish.
    pub fn tcp(&self) -> &TcpStream {
        match self.socket.get_ref() {
            MaybeTlsStream::Plain(socket) => socket,
            _ => unreachable!("tests speak to loopback without TLS"),
        }
    }
}
