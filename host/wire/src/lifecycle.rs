//! `initialize`: the handshake.

use serde::{Deserialize, Serialize};

use crate::environment::EnvironmentInfo;
use crate::lockgate::approval::ClientExtensions;

/// Params of `initialize`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InitializeParams {
    /// Free text, for logs.
    pub client_name: String,
    /// A session to attach to instead of making a new one.
    #[serde(default)]
    pub resume_session_id: Option<String>,
    /// Ours: what the client can do beyond the protocol. Absent: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lockgate: Option<ClientExtensions>,
}

/// Params of the notification `initialized`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InitializedParams {
    /// Ours, for servers that have announced it. Others ignore it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lockgate: Option<Understands>,
}

/// What a client takes beyond the protocol, on this connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Understands {
    /// Output as the bytes that it is ([`crate::output_bytes`]), where what carries the connection carries bytes. Not all of it has to come that way.
    pub output_bytes: bool,
}

/// Result of `initialize`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InitializeResult {
    /// A uuid; the same one after a resume.
    pub session_id: String,
    /// Saves a round trip; clients of May 2026 ignore it, clients of today ask `environment/info` when it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment_info: Option<EnvironmentInfo>,
}
