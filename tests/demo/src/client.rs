//! A client in a hundred lines: one websocket, requests with counted ids, events kept until somebody asks for them.

use std::collections::VecDeque;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{self, HandshakeError, Message, WebSocket};

use crate::broken::{Broken, ensure};
use crate::story::Story;

/// Longest wait for any message.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection to the server.
pub(crate) struct Client {
    socket: WebSocket<TcpStream>,
    last_id: u64,
    events: VecDeque<Value>,
}

impl Client {
    /// Connects and upgrades.
    pub(crate) fn connect(url: &str) -> Result<Self, Broken> {
        let stream = TcpStream::connect(url.trim_start_matches("ws://"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let (socket, _) = tungstenite::client(url, stream).map_err(|error| match error {
            HandshakeError::Failure(error) => Broken::from(error),
            HandshakeError::Interrupted(_) => Broken::Promise("no answer to the upgrade".into()),
        })?;
        Ok(Self {
            socket,
            last_id: 0,
            events: VecDeque::new(),
        })
    }

    /// Sends a notification.
    pub(crate) fn notify(&mut self, method: &str) -> Result<(), Broken> {
        let message = json!({"method": method, "params": {}}).to_string();
        Ok(self.socket.send(Message::text(message))?)
    }

    /// Calls and gives the whole answer, result or error, and the time it took.
    fn exchange(&mut self, request: &Value) -> Result<(Value, Duration), Broken> {
        let begin = Instant::now();
        self.socket.send(Message::text(request.to_string()))?;
        loop {
            let message = self.next()?;
            if message["id"] == request["id"] {
                return Ok((message, begin.elapsed()));
            }
            self.events.push_back(message);
        }
    }

    fn request(&mut self, method: &str, params: Value) -> Value {
        self.last_id += 1;
        json!({"id": self.last_id, "method": method, "params": params})
    }

    /// Calls without telling; an error is a broken promise.
    pub(crate) fn call(&mut self, method: &str, params: Value) -> Result<Value, Broken> {
        let request = self.request(method, params);
        let (answer, _) = self.exchange(&request)?;
        result(method, answer)
    }

    /// Calls, prints both messages, and keeps the time as `what`.
    pub(crate) fn show(
        &mut self,
        story: &mut Story,
        what: &str,
        method: &str,
        params: Value,
    ) -> Result<Value, Broken> {
        let request = self.request(method, params);
        story.sent(&request);
        let (answer, taken) = self.exchange(&request)?;
        story.received(&answer);
        story.time(what, taken);
        result(method, answer)
    }

    /// Calls what must be refused, prints both messages, and gives the error's code.
    pub(crate) fn show_refused(
        &mut self,
        story: &mut Story,
        what: &str,
        method: &str,
        params: Value,
    ) -> Result<i64, Broken> {
        let request = self.request(method, params);
        story.sent(&request);
        let (answer, taken) = self.exchange(&request)?;
        story.received(&answer);
        story.time(what, taken);
        let code = answer["error"]["code"].as_i64();
        code.ok_or_else(|| {
            Broken::Promise(format!("{what}: {method} was not refused but answered"))
        })
    }

    /// Types into a process. The `writeId` makes a repetition after a lost answer harmless, so it must be new each time.
    pub(crate) fn type_into(&mut self, process: &str, text: &str) -> Result<(), Broken> {
        let chunk = base64_simd::STANDARD.encode_to_string(text);
        let id = format!("write-{}", self.last_id + 1);
        let params = json!({"processId": process, "chunk": chunk, "writeId": id});
        let answer = self.call("process/write", params)?;
        ensure(answer["status"] == "accepted", || {
            format!("process/write said {answer}")
        })
    }

    /// The next event of `process`, in the order of their numbers as they came.
    pub(crate) fn event(&mut self, process: &str) -> Result<Value, Broken> {
        let begin = Instant::now();
        loop {
            let of_it = |event: &Value| event["params"]["processId"] == process;
            if let Some(at) = self.events.iter().position(of_it) {
                return Ok(self.events.remove(at).unwrap_or_default());
            }
            ensure(begin.elapsed() < PATIENCE, || {
                format!("no event of {process}")
            })?;
            let message = self.next()?;
            self.events.push_back(message);
        }
    }

    fn next(&mut self) -> Result<Value, Broken> {
        loop {
            if let Message::Text(text) = self.socket.read()? {
                return serde_json::from_str(&text)
                    .map_err(|_| Broken::Promise(format!("a message that is no JSON: {text}")));
            }
        }
    }
}

fn result(method: &str, mut answer: Value) -> Result<Value, Broken> {
    if answer["error"].is_object() {
        return Err(Broken::Refused {
            method: method.into(),
            code: answer["error"]["code"].as_i64().unwrap_or_default(),
            message: answer["error"]["message"]
                .as_str()
                .unwrap_or_default()
                .into(),
        });
    }
    Ok(answer["result"].take())
}
