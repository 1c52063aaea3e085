//! A client over stdio that can send anything.

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Child;

use crate::soon;

/// One that is spoken to by hand.
pub(crate) struct ByHand {
    pub(crate) server: Child,
    lines: tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
}

impl ByHand {
    pub(crate) fn start(mut command: tokio::process::Command) -> ByHand {
        let mut server = command.spawn().expect("it starts");
        let output = server.stdout.take().expect("a pipe");
        ByHand {
            server,
            lines: BufReader::new(output).lines(),
        }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let input = self.server.stdin.as_mut().expect("a pipe");
        soon(input.write_all(bytes)).await.expect("written");
        soon(input.flush()).await.expect("written");
    }

    /// A message, and the answer to it.
    pub(crate) async fn call(&mut self, message: Value) -> Value {
        self.send(format!("{message}\n").as_bytes()).await;
        loop {
            let answer = self.answer().await;
            if answer["id"] == message["id"] {
                return answer;
            }
        }
    }

    pub(crate) async fn answer(&mut self) -> Value {
        let line = soon(self.lines.next_line())
            .await
            .expect("readable")
            .expect("a line");
        serde_json::from_str(&line).expect("nothing but messages on stdout")
    }

    pub(crate) async fn initialize(&mut self, version: &str) -> Value {
        let client = json!({"name": "by hand", "version": "1"});
        let params = json!({"protocolVersion": version, "capabilities": {}, "clientInfo": client});
        let answer = self
            .call(json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}))
            .await;
        self.send(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n")
            .await;
        answer
    }

    pub(crate) async fn tool(&mut self, id: u64, name: &str, arguments: Value) -> Value {
        let params = json!({"name": name, "arguments": arguments});
        self.call(json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}))
            .await
    }
}
