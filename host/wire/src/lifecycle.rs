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
