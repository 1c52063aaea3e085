//! `lockgate mcp --listen`: a server for many clients, the SDK's HTTP client, and one that can send anything.

use std::collections::HashMap;
use std::path::Path;
use std::process::Stdio;

use rmcp::service::RunningService;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientLifecycleMode, RoleClient, serve_client_with_lifecycle};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Child;

use crate::person::Person;
use crate::{command, soon};

pub(crate) const TOKEN: &str = "a-token-of-the-tests-0123456789";

/// The server.
pub(crate) struct House {
    pub(crate) server: Child,
    pub(crate) url: String,
}

/// An answer to a request that was sent by hand.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    /// Head and body.
    pub(crate) text: String,
}

impl House {
    pub(crate) async fn start(folder: &Path, arguments: &[&str]) -> House {
        let mut command = command(folder, &["--listen", "127.0.0.1:0"]);
        command
            .args(arguments)
            .env("LOCKGATE_MCP_TOKEN", TOKEN)
            .stdin(Stdio::null());
        let mut server = command.spawn().expect("it starts");
        let stdout = server.stdout.take().expect("a pipe");
        let mut url = String::new();
        let mut stdout = BufReader::new(stdout);
        soon(stdout.read_line(&mut url)).await.expect("its URL");
        let url = url.trim().to_owned();
        assert!(
            url.starts_with("http://127.0.0.1:") && url.ends_with("/mcp"),
            "{url}"
        );
        House { server, url }
    }

    /// `IP:PORT`.
    pub(crate) fn address(&self) -> &str {
        self.url
            .trim_start_matches("http://")
            .trim_end_matches("/mcp")
    }

    /// The SDK's client, with the token.
    pub(crate) async fn client(
        &self,
        person: Person,
        lifecycle: ClientLifecycleMode,
    ) -> RunningService<RoleClient, Person> {
        // No TLS here, but the SDK's HTTP client wants to know whose it would be. It may be said already.
        let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
        let config =
            StreamableHttpClientTransportConfig::with_uri(self.url.as_str()).auth_header(TOKEN);
        let transport = StreamableHttpClientTransport::from_config(config);
        let client = soon(serve_client_with_lifecycle(person, transport, lifecycle)).await;
        client.expect("a session")
    }

    /// [`sends`], to this server.
    pub(crate) async fn sends(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answered {
        sends(self.address(), method, path, headers, body).await
    }

    /// [`sends_raw`], to this server.
    pub(crate) async fn sends_raw(&self, bytes: &[u8]) -> Answered {
        sends_raw(self.address(), bytes).await
    }
}

/// A request with these headers, and what a proper client sends beside them unless they are there.
pub(crate) async fn sends(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answered {
    let length = body.len().to_string();
    let bearer = format!("Bearer {TOKEN}");
    let mut all: HashMap<&str, &str> = HashMap::from([
        ("host", address),
        ("authorization", &bearer),
        ("accept", "application/json, text/event-stream"),
        ("content-type", "application/json"),
        ("content-length", &length),
        ("connection", "close"),
    ]);
    all.extend(headers.iter().copied());
    let mut head = format!("{method} {path} HTTP/1.1\r\n");
    for (name, value) in all.iter().filter(|(_, value)| !value.is_empty()) {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    sends_raw(address, format!("{head}\r\n{body}").as_bytes()).await
}

/// These bytes, and what comes back until the server closes.
async fn sends_raw(address: &str, bytes: &[u8]) -> Answered {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    // It may be refused before all is read.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = soon(stream.read_to_end(&mut answer)).await;
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    Answered {
        status: status.unwrap_or_default(),
        text,
    }
}

pub(crate) const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"by hand","version":"1"}}}"#;

impl Answered {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let head = self.text.split("\r\n\r\n").next()?;
        head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}
