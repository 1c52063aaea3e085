//! `lockgate/approval/request`: a policy of the executor wants somebody to agree to what the client has asked for. The one request that a
//! server makes, and only of a client that has said in `initialize` that it can put the question to somebody.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Id;

/// `lockgate` of `initialize`: what a client can do beyond the protocol. Other servers ignore it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClientExtensions {
    /// It answers `lockgate/approval/request`.
    pub approvals: bool,
}

/// Params of `lockgate/approval/request`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalParams {
    /// Names the question until it is answered or withdrawn.
    pub approval_id: String,
    /// The policy that wants it; none: it is what the operator has decided for everything that no policy has an opinion on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// The rule of the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The question.
    pub prompt: String,
    /// What is to be done, as in the decision log: without contents and without values of environment variables.
    pub action: Value,
    /// The client's request that waits for the answer, by its id: of requests that are equal it is known which is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<Id>,
    /// Milliseconds after which the question is withdrawn: then nobody has agreed.
    pub expires_in_ms: u64,
}

/// Result of `lockgate/approval/request`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalResult {
    /// What was said.
    pub decision: ApprovalDecision,
    /// Why, for the one who asked for the action. At most 1,024 bytes of it are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// `decision` of [`ApprovalResult`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ApprovalDecision {
    /// It may be done, this once.
    Allow,
    /// It may not.
    Deny,
}

/// Params of the notification `lockgate/approval/withdrawn`: nobody needs to answer any more. An answer that comes nevertheless is ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalWithdrawn {
    /// From the request.
    pub approval_id: String,
}
