//! `lockgate/http/cancel`: an end for streams that have none of their own, such as events of a server. `lockgate/http/acknowledge`: how far one was read.

use serde::{Deserialize, Serialize};

/// Params of `lockgate/http/cancel`. Result `{}`, also for a stream that there is not. What was on its way may still come; nothing says that the
/// body has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CancelParams {
    /// Of an `http/request` with `streamResponse`, whether or not it was answered.
    pub request_id: String,
}

/// Params of `lockgate/http/acknowledge`. Result `{}`, also for a stream that there is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AcknowledgeParams {
    /// Of an `http/request` with `streamResponse` and `windowBytes`.
    pub request_id: String,
    /// Bytes of its body that were read, from its beginning.
    pub bytes: u64,
}
