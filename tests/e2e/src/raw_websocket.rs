//! A websocket that a test moves byte by byte: for what no client library would do.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::{DEADLINE, Server};

/// What asks for an upgrade, beside the request line, `Host` and the empty line at the end.
pub const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                           Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// One past its upgrade, that sends what it likes and reads only when told to.
pub struct RawWebSocket {
    /// The socket below it. Reading from it ends with an error after the deadline of tests.
    pub socket: TcpStream,
}

impl RawWebSocket {
    /// One that is connected to that URL: `ws://IP:PORT…`.
    pub fn connect(url: &str) -> RawWebSocket {
        let rest = url.strip_prefix("ws://").expect("a websocket's URL");
        let (address, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let mut socket = TcpStream::connect(address).expect("connected");
        socket.set_read_timeout(Some(DEADLINE)).expect("a deadline");
        socket.set_nodelay(true).expect("no delay");
        let path = if path.is_empty() { "/" } else { path };
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{UPGRADE}\r\n");
        socket.write_all(request.as_bytes()).expect("sent");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            socket.read_exact(&mut byte).expect("the server upgrades");
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head);
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        RawWebSocket { socket }
    }

    /// A client of the server, past its handshakes.
    pub fn ready(server: &Server) -> RawWebSocket {
        let mut raw = RawWebSocket::connect(&format!("ws://{}", server.address()));
        raw.send_json(&json!({"id": 0, "method": "initialize", "params": {"clientName": "raw"}}));
        raw.send_json(&json!({"method": "initialized"}));
        raw.answer(0);
        raw
    }

    /// Sends these bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).expect("sent");
    }

    /// Sends a message in one text frame.
    pub fn send_json(&mut self, message: &Value) {
        self.send(&websocket_frame(1, message.to_string().as_bytes()));
    }

    /// Sends the same bytes again and again, reading nothing, until the server takes no more of them for a while or `most` of them are sent.
    /// Gives how many were.
    pub fn flood(&mut self, bytes: &[u8], most: usize) -> usize {
        let patience = Some(Duration::from_millis(700));
        self.socket.set_write_timeout(patience).expect("a deadline");
        let mut sent = 0;
        while sent < most {
            match self.socket.write_all(bytes) {
                Ok(()) => sent += bytes.len(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return sent,
                Err(error) => panic!("the server hung up: {error}"),
            }
        }
        sent
    }

    /// One frame of the server: its opcode and what is in it.
    pub fn receive(&mut self) -> (u8, Vec<u8>) {
        self.receive_or_end().expect("a frame comes")
    }

    /// The same; None where nothing comes any more, but an end or a reset.
    pub fn receive_or_end(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; 2];
        match self.socket.read_exact(&mut head) {
            Ok(()) => {}
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset
                ) =>
            {
                return None;
            }
            Err(error) => panic!("neither a frame nor an end: {error}"),
        }
        let length = match head[1] {
            126 => {
                let mut length = [0; 2];
                self.socket.read_exact(&mut length).expect("a length");
                u64::from(u16::from_be_bytes(length))
            }
            127 => {
                let mut length = [0; 8];
                self.socket.read_exact(&mut length).expect("a length");
                u64::from_be_bytes(length)
            }
            short => u64::from(short),
        };
        let mut payload = vec![0; usize::try_from(length).expect("it fits")];
        self.socket.read_exact(&mut payload).expect("a payload");
        Some((head[0] & 15, payload))
    }

    /// The answer to that request; what comes before it is passed over.
    pub fn answer(&mut self, id: i64) -> Value {
        loop {
            let (opcode, payload) = self.receive();
            let message: Value = serde_json::from_slice(&payload).unwrap_or(Value::Null);
            if opcode == 1 && message["id"] == json!(id) {
                return message;
            }
        }
    }
}

/// A masked frame; the mask is zero, so the payload goes as it is.
pub fn websocket_frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | length as u8),
        length @ 126..65_536 => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}
