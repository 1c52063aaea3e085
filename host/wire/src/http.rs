//! `http/request` and its notification.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Base64, Base64Text};

/// Params of `http/request`. What is in a URL and in headers is not shown by `Debug`: credentials end up in logs otherwise.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestParams<'a> {
    /// Case-sensitive, as HTTP has it.
    pub method: String,
    /// Absolute, http or https.
    pub url: String,
    /// In order, repeats kept.
    #[serde(default)]
    pub headers: Vec<Header>,
    /// The body, if there is one.
    #[serde(default, borrow)]
    pub body_base64: Option<Base64Text<'a>>,
    /// For the whole exchange, to the end of the body; absent = no limit.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
    /// Names the stream of the body. Unique among those that are active on the connection.
    pub request_id: String,
    /// The body comes as notifications after the answer.
    #[serde(default)]
    pub stream_response: bool,
    /// What becomes of redirects.
    #[serde(default, skip_serializing_if = "RedirectPolicy::is_follow")]
    pub redirect_policy: RedirectPolicy,
    /// Of a stream: bytes after which nothing more is read of the body until some were acknowledged. Only for servers that answer
    /// `lockgate/http/acknowledge`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_bytes: Option<u64>,
}

impl fmt::Debug for RequestParams<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestParams")
            .field("method", &self.method)
            .field("request_id", &self.request_id)
            .field("headers", &self.headers.len())
            .field("body_base64", &self.body_base64)
            .finish_non_exhaustive()
    }
}

/// What becomes of redirects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RedirectPolicy {
    /// They are followed, up to ten.
    #[default]
    Follow,
    /// They are the answer.
    Stop,
}

impl RedirectPolicy {
    fn is_follow(&self) -> bool {
        *self == RedirectPolicy::Follow
    }
}

/// A header.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// Lower case in answers.
    pub name: String,
    /// The value, or what stands before that of `valueEnvVar`.
    pub value: String,
    /// Of a request, and only with the capability `httpHeaderEnvVars`: the variable of the executor whose value ends the header's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_env_var: Option<String>,
}

impl Header {
    /// A header with nothing special about it.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Header {
        Header {
            name: name.into(),
            value: value.into(),
            value_env_var: None,
        }
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Header({}: {} bytes)", self.name, self.value.len())
    }
}

/// Result of `http/request`. Servers send it with [`crate::http_result`]. Statuses from 400 on are results like others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestResult {
    /// Of the last hop.
    pub status: u16,
    /// Names in lower case, repeats kept; values that are not UTF-8 are left out.
    pub headers: Vec<Header>,
    /// The whole body; empty where it is streamed.
    pub body_base64: Base64,
}

/// Params of the notification `http/request/bodyDelta`. Servers send it with [`crate::body_delta`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BodyDeltaNotification {
    /// Whose body.
    pub request_id: String,
    /// From 1, without gaps.
    pub seq: u64,
    /// At most 1 MiB.
    pub delta_base64: Base64,
    /// True once, in the last one.
    #[serde(default)]
    pub done: bool,
    /// Why the body is not complete; only in the last one.
    #[serde(default)]
    pub error: Option<String>,
}
