//! A server that speaks MCP over Streamable HTTP, reached from where the executor is: each request is an `http/request` of the protocol.
//!
//! The SDK's own transport stands above: it keeps the session, begins a new one when the server says that the old one has expired (404), takes
//! up event streams where they were cut (`Last-Event-ID`), and gives the session back at the end (DELETE). What is here is the HTTP client
//! below it ([`ExecutorHttp`]). A credential may stay at the executor altogether ([`HttpServer::bearer_from`]).

mod answer;
mod client;
mod events;
mod pace;
mod send;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use lockgate_client::Client;
use lockgate_wire::http::Header;
use rmcp::transport::common::client_side_sse::SseRetryPolicy;
use rmcp::transport::streamable_http_client::{
    StreamableHttpClientTransport, StreamableHttpClientTransportConfig,
};
use url::Url;

use super::server::{Opened, Server, Way};
use super::{ThroughError, limits};
pub use client::ExecutorHttp;

/// A server that is yet to be connected to.
pub type HttpServer = Server<Endpoint>;

/// Where it is, and what it is sent. Values of headers and the query of its URL are not shown by `Debug`.
#[derive(Clone)]
pub struct Endpoint {
    client: Client,
    url: String,
    headers: Vec<Header>,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}

impl HttpServer {
    pub(super) fn new(client: &Client, url: String) -> HttpServer {
        Server::by(Endpoint {
            client: client.clone(),
            url,
            headers: Vec::new(),
        })
    }

    /// A header of every request.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.way.headers.push(Header::new(name, value));
        self
    }

    /// `Authorization: Bearer TOKEN`.
    #[must_use]
    pub fn bearer(self, token: impl fmt::Display) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// A header whose value ends with that of a variable of the executor, behind `prefix`. It never comes here. The operator says which
    /// variables may be used so (docs/http.md).
    #[must_use]
    pub fn header_from(
        mut self,
        name: impl Into<String>,
        prefix: impl Into<String>,
        variable: impl Into<String>,
    ) -> Self {
        let mut header = Header::new(name, prefix);
        header.value_env_var = Some(variable.into());
        self.way.headers.push(header);
        self
    }

    /// `Authorization: Bearer` with the value of a variable of the executor.
    #[must_use]
    pub fn bearer_from(self, variable: impl Into<String>) -> Self {
        self.header_from("authorization", "Bearer ", variable)
    }

    /// The HTTP client alone, for transports of one's own.
    pub fn into_client(self) -> Result<ExecutorHttp, ThroughError> {
        self.way.into_client()
    }
}

impl Way for Endpoint {
    type Transport = StreamableHttpClientTransport<ExecutorHttp>;

    async fn open(self) -> Result<Opened<Self::Transport>, ThroughError> {
        let http = self.into_client()?;
        Ok(Opened {
            server: http.shown().to_owned(),
            transport: transport(http),
            ending: None,
        })
    }
}

impl Endpoint {
    fn into_client(self) -> Result<ExecutorHttp, ThroughError> {
        let bad = |reason: String| ThroughError::Address {
            url: shown(&self.url),
            reason,
        };
        let url = Url::parse(&self.url).map_err(|error| bad(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(bad("it is neither http nor https".to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad(
                "it holds a name or a password; send them as a header".to_owned()
            ));
        }
        let from_variables = self
            .headers
            .iter()
            .any(|header| header.value_env_var.is_some());
        let announced = self.client.capabilities();
        if from_variables && !announced.is_some_and(|announced| announced.http_header_env_vars) {
            return Err(ThroughError::Unsupported(
                "headers from its environment (`httpHeaderEnvVars`): its operator has to say which variables (`[http] header_env_vars`), or send the value from here",
            ));
        }
        for header in &self.headers {
            client::check(header)?;
        }
        Ok(ExecutorHttp::new(self.client, url, self.headers))
    }
}

/// The SDK's transport over it.
fn transport(http: ExecutorHttp) -> StreamableHttpClientTransport<ExecutorHttp> {
    let mut config = StreamableHttpClientTransportConfig::with_uri(http.url().as_str())
        .max_json_response_size(limits::BODY_BYTES)
        .max_sse_event_size(limits::EVENT_BYTES)
        .max_error_response_size(limits::COMPLAINT_BYTES);
    config.retry_config = Arc::new(Patience {
        client: http.executor().clone(),
    });
    StreamableHttpClientTransport::with_client(http, config)
}

/// How long an event stream that was cut is tried for: as long as there is an executor to try it by.
struct Patience {
    client: Client,
}

impl fmt::Debug for Patience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Patience")
    }
}

impl SseRetryPolicy for Patience {
    fn retry(&self, times: usize) -> Option<Duration> {
        if self.client.is_closed() {
            return None;
        }
        let factor = 1 << u32::try_from(times).unwrap_or(u32::MAX).min(16);
        Some((limits::RECONNECT * factor).min(limits::RECONNECT_MOST))
    }
}

/// A URL without what may be a secret.
pub(super) fn shown(url: &str) -> String {
    match Url::parse(url) {
        Ok(mut url) => {
            url.set_query(None);
            url.set_fragment(None);
            // Fails for URLs that can have neither.
            let _ = url.set_username("");
            let _ = url.set_password(None);
            url.into()
        }
        Err(_) => url
            .split(['?', '#', '@'])
            .next()
            .unwrap_or_default()
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn what_is_shown_of_a_url_holds_no_secret() {
        assert_eq!(
            shown("https://user:pw@a.example:8/mcp?key=s#f"),
            "https://a.example:8/mcp"
        );
        assert_eq!(shown("not a url?key=s"), "not a url");
    }
}
