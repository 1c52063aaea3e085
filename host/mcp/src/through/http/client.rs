//! The HTTP client of the SDK's Streamable HTTP transport, whose requests the executor sends.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use futures_util::stream::BoxStream;
use http::{HeaderName, HeaderValue};
use lockgate_client::{Client, HttpRequest};
use lockgate_wire::http::Header;
use rmcp::model::ClientJsonRpcMessage;
use rmcp::transport::streamable_http_client::{
    SseError, StreamableHttpClient, StreamableHttpPostResponse, StreamableHttpResponseLimits,
};
use sse_stream::Sse;
use url::Url;

use super::answer::{self, Failure};
use super::events::{events, taken_up};
use super::pace::Pace;
use super::send::send;
use crate::through::{ThroughError, limits};

/// Headers that are the transport's own.
const OWN: [&str; 6] = [
    "accept",
    "content-type",
    "content-length",
    "last-event-id",
    "mcp-session-id",
    "mcp-protocol-version",
];

/// HTTP by way of an executor, for one server.
#[derive(Clone)]
pub struct ExecutorHttp {
    client: Client,
    url: Url,
    shown: Arc<str>,
    headers: Arc<[Header]>,
    pace: Pace,
}

impl fmt::Debug for ExecutorHttp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecutorHttp")
            .field("url", &self.shown)
            .finish_non_exhaustive()
    }
}

/// Refuses a header that cannot be sent with every request.
pub(super) fn check(header: &Header) -> Result<(), ThroughError> {
    let bad = |reason: &str| ThroughError::Header {
        name: header.name.clone(),
        reason: reason.to_owned(),
    };
    let name = HeaderName::try_from(&header.name).map_err(|_| bad("its name is none"))?;
    if OWN.contains(&name.as_str()) {
        return Err(bad("it is the transport's own"));
    }
    HeaderValue::try_from(&header.value)
        .map_err(|_| bad("its value has characters that cannot be sent"))?;
    Ok(())
}

impl ExecutorHttp {
    pub(super) fn new(client: Client, url: Url, headers: Vec<Header>) -> ExecutorHttp {
        ExecutorHttp {
            client,
            shown: super::shown(url.as_str()).into(),
            url,
            headers: headers.into(),
            pace: Pace::default(),
        }
    }

    /// The server's address, as it was given.
    pub fn url(&self) -> &Url {
        &self.url
    }

    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    pub(super) fn executor(&self) -> &Client {
        &self.client
    }

    fn request(
        &self,
        method: &str,
        url: &str,
        session: Option<&str>,
        token: Option<String>,
        more: HashMap<HeaderName, HeaderValue>,
    ) -> Result<HttpRequest, Failure> {
        let mut headers = self.headers.to_vec();
        for (name, value) in more {
            // The version comes this way as well, and is the SDK's.
            if OWN.contains(&name.as_str()) && name != "mcp-protocol-version" {
                return Err(Failure::ReservedHeaderConflict(name.to_string()));
            }
            let text = value.to_str().map_err(|_| {
                Failure::Client(ThroughError::Header {
                    name: name.to_string(),
                    reason: "its value has characters that cannot be sent".to_owned(),
                })
            })?;
            headers.push(Header::new(name.as_str(), text));
        }
        if let Some(token) = token {
            headers.push(Header::new("authorization", format!("Bearer {token}")));
        }
        if let Some(session) = session {
            headers.push(Header::new("mcp-session-id", session));
        }
        Ok(HttpRequest {
            method: method.to_owned(),
            url: url.to_owned(),
            headers,
            ..HttpRequest::default()
        })
    }
}

impl StreamableHttpClient for ExecutorHttp {
    type Error = ThroughError;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse, Failure> {
        let limits = StreamableHttpResponseLimits::default();
        self.post_message_with_response_limits(
            uri,
            message,
            session_id,
            auth_header,
            custom_headers,
            limits,
        )
        .await
    }

    async fn post_message_with_response_limits(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
        response_limits: StreamableHttpResponseLimits,
    ) -> Result<StreamableHttpPostResponse, Failure> {
        let session = session_id.as_deref();
        let mut request = self.request("POST", &uri, session, auth_header, custom_headers)?;
        let body = serde_json::to_vec(&message)?;
        if body.len() > limits::BODY_BYTES {
            return Err(Failure::Client(ThroughError::Unsendable(format!(
                "it has {} bytes, at most {} are possible",
                body.len(),
                limits::BODY_BYTES
            ))));
        }
        request.body = Some(body);
        request.headers.extend([
            Header::new("accept", "application/json, text/event-stream"),
            Header::new("content-type", "application/json"),
        ]);
        let answer = send(&self.client, request).await.map_err(Failure::Client)?;
        let pace = self.pace.clone();
        answer::to_message(&message, session.is_some(), answer, response_limits, pace).await
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session_id: Arc<str>,
        auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<(), Failure> {
        let session = Some(&*session_id);
        let request = self.request("DELETE", &uri, session, auth_header, custom_headers)?;
        let answer = send(&self.client, request).await.map_err(Failure::Client)?;
        match answer.status {
            // Servers need not have this, and the session may be gone already.
            200..300 | 404 | 405 => Ok(()),
            _ => Err(answer::unexpected(answer, limits::COMPLAINT_BYTES).await),
        }
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, Failure> {
        self.get_stream_with_max_sse_event_size(
            uri,
            session_id,
            last_event_id,
            auth_header,
            custom_headers,
            limits::EVENT_BYTES,
        )
        .await
    }

    async fn get_stream_with_max_sse_event_size(
        &self,
        uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
        max_sse_event_size: usize,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, Failure> {
        // This is the one failure that the SDK does not try again.
        let in_vain = |last: &String| self.pace.is_in_vain(last);
        if last_event_id.as_ref().is_some_and(in_vain) || !self.pace.turn().await {
            return Err(Failure::ServerDoesNotSupportSse);
        }
        let session = session_id.as_deref();
        let mut request = self.request("GET", &uri, session, auth_header, custom_headers)?;
        request
            .headers
            .push(Header::new("accept", "text/event-stream"));
        if let Some(last) = &last_event_id {
            request.headers.push(Header::new("last-event-id", last));
        }
        let answer = send(&self.client, request).await.map_err(Failure::Client)?;
        if let Some(failure) = answer::challenge(&answer).or_else(|| answer::not_now(&answer)) {
            return Err(failure);
        }
        match answer.status {
            405 => Err(Failure::ServerDoesNotSupportSse),
            404 if session.is_some() => Err(Failure::SessionExpired),
            200..300 if answer::is_of_type(&answer.headers, "text/event-stream") => {
                let events = events(answer.body, max_sse_event_size, self.pace.clone());
                Ok(match last_event_id {
                    Some(last) => taken_up(events, last, self.pace.clone()),
                    None => events,
                })
            }
            200..300 => {
                let told = answer::header(&answer.headers, "content-type");
                Err(Failure::UnexpectedContentType(told.map(str::to_owned)))
            }
            _ => Err(answer::unexpected(answer, limits::COMPLAINT_BYTES).await),
        }
    }
}
