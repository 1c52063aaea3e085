//! A blocking websocket client of the exec-server protocol. Blocking on purpose: a round trip is then
//! one write, one read and nothing of a runtime, so what is measured is the server.
//! TCP_QUICKACK is left alone: real clients do not set it either.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{
    self, Message, Utf8Bytes, WebSocket, client::IntoClientRequest as _, protocol::WebSocketConfig,
};

use crate::failure::Failure;
use crate::incoming::{self, Incoming};
use crate::limits;

/// One connection to a server.
pub(crate) struct Connection {
    socket: WebSocket<TcpStream>,
    last_id: u64,
}

impl Connection {
    /// Connects and upgrades, no handshake yet. `read_buffer` is the library's, see `limits`.
    pub(crate) fn open(url: &str, read_buffer: usize) -> Result<Self, Failure> {
        let address = url
            .strip_prefix("ws://")
            .map(|rest| rest.split('/').next().unwrap_or(rest))
            .ok_or_else(|| Failure::Wrong(format!("not a ws:// URL: {url}")))?;
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(limits::SILENCE))?;
        stream.set_write_timeout(Some(limits::SILENCE))?;
        let config = WebSocketConfig::default()
            .read_buffer_size(read_buffer)
            .max_message_size(Some(limits::MESSAGE))
            .max_frame_size(Some(limits::MESSAGE));
        let request = url.into_client_request()?;
        let (socket, _) = tungstenite::client::client_with_config(request, stream, Some(config))
            .map_err(|error| match error {
                tungstenite::HandshakeError::Failure(error) => Failure::from(error),
                tungstenite::HandshakeError::Interrupted(_) => Failure::Silence {
                    what: "the upgrade",
                    seconds: limits::SILENCE.as_secs(),
                },
            })?;
        Ok(Self { socket, last_id: 0 })
    }

    /// Connects and goes through `initialize` and `initialized`.
    pub(crate) fn ready(url: &str, read_buffer: usize) -> Result<Self, Failure> {
        let mut connection = Self::open(url, read_buffer)?;
        connection.initialize()?;
        Ok(connection)
    }

    /// The protocol's handshake.
    pub(crate) fn initialize(&mut self) -> Result<(), Failure> {
        let params = json!({"clientName": "lockgate-bench", "resumeSessionId": null});
        self.call("initialize", &params.to_string())?;
        self.socket
            .send(Message::text(r#"{"method":"initialized","params":{}}"#))?;
        Ok(())
    }

    /// Queues a request without sending it yet; `params` is JSON. Returns its id.
    pub(crate) fn queue(&mut self, method: &str, params: &str) -> Result<u64, Failure> {
        self.last_id += 1;
        let id = self.last_id;
        let text = format!("{{\"id\":{id},\"method\":\"{method}\",\"params\":{params}}}");
        self.socket.write(Message::text(text))?;
        Ok(id)
    }

    /// Sends what is queued.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        Ok(self.socket.flush()?)
    }

    /// Sends one request at once.
    pub(crate) fn send(&mut self, method: &str, params: &str) -> Result<u64, Failure> {
        let id = self.queue(method, params)?;
        self.flush()?;
        Ok(id)
    }

    /// Sends text that is no request (the floors' servers take it).
    pub(crate) fn send_text(&mut self, text: String) -> Result<(), Failure> {
        Ok(self.socket.send(Message::text(text))?)
    }

    /// The next text message.
    pub(crate) fn next(&mut self) -> Result<Utf8Bytes, Failure> {
        loop {
            match self.socket.read()? {
                Message::Text(text) => return Ok(text),
                Message::Binary(bytes) => {
                    return Utf8Bytes::try_from(bytes)
                        .map_err(|_| Failure::Wrong("a binary message that is no text".into()));
                }
                Message::Close(_) => {
                    return Err(tungstenite::Error::ConnectionClosed.into());
                }
                _ => {}
            }
        }
    }

    /// The answer to request `id`; notifications before it are dropped.
    pub(crate) fn answer(&mut self, id: u64) -> Result<Utf8Bytes, Failure> {
        loop {
            let text = self.next()?;
            match incoming::read(&text) {
                Some(Incoming::Answer { id: got, .. }) if got == id => return Ok(text),
                Some(_) => {}
                None => return Err(unreadable(&text)),
            }
        }
    }

    /// Calls and returns the result; an error object becomes `Failure::Refused`.
    pub(crate) fn call(&mut self, method: &str, params: &str) -> Result<Value, Failure> {
        let id = self.send(method, params)?;
        let text = self.answer(id)?;
        result(method, &text)
    }

    /// One timed round trip in microseconds; the answer must be a result.
    pub(crate) fn round_trip(&mut self, method: &str, params: &str) -> Result<f64, Failure> {
        let begin = Instant::now();
        let id = self.send(method, params)?;
        let text = self.answer(id)?;
        let taken = microseconds(begin);
        accept(method, &text)?;
        Ok(taken)
    }

    /// How long `next` waits from now on.
    pub(crate) fn patience(&mut self, longest: Duration) -> Result<(), Failure> {
        Ok(self.socket.get_mut().set_read_timeout(Some(longest))?)
    }

    /// The bare stream, for a caller that does its own framing. Nothing may be buffered, so no answer may be open.
    pub(crate) fn into_stream(self) -> TcpStream {
        self.socket.into_inner()
    }

    /// Ends the connection with a close frame, so that the server sees an orderly end.
    pub(crate) fn close(mut self) {
        // Whether the peer is still there does not matter any more.
        let _ = self.socket.close(None);
        let _ = self.socket.flush();
        let _ = self.socket.get_mut().flush();
    }
}

/// Microseconds since `begin`.
pub(crate) fn microseconds(begin: Instant) -> f64 {
    begin.elapsed().as_nanos() as f64 / 1_000.0
}

/// Fails when `text` is an error object.
pub(crate) fn accept(method: &str, text: &str) -> Result<(), Failure> {
    match incoming::read(text) {
        Some(Incoming::Answer { ok: true, .. }) => Ok(()),
        _ => result(method, text).map(drop),
    }
}

/// The result inside an answer.
pub(crate) fn result(method: &str, text: &str) -> Result<Value, Failure> {
    let mut value: Value = serde_json::from_str(text).map_err(|_| unreadable(text))?;
    if let Some(error) = value.get("error") {
        return Err(Failure::Refused {
            method: method.into(),
            code: error["code"].as_i64().unwrap_or_default(),
            message: error["message"].as_str().unwrap_or_default().into(),
        });
    }
    Ok(value["result"].take())
}

/// The failure for a message that is no JSON-RPC.
pub(crate) fn unreadable(text: &str) -> Failure {
    let head: String = text.chars().take(120).collect();
    Failure::Wrong(format!("not a JSON-RPC message: {head}"))
}
