//! What can be wrong with a message, and the error object that tells the peer.

use serde::{Deserialize, Serialize};

/// Why a message, or a piece of one, could not be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The bytes are not UTF-8, so they cannot be JSON.
    #[error("the message is not UTF-8: {0}")]
    NotUtf8(#[from] std::str::Utf8Error),
    /// Not JSON, or JSON of another type than the member allows; also a top-level member that appears twice.
    #[error("{0}")]
    Json(String),
    /// More values than [`crate::limits::JSON_VALUES`].
    #[error(
        "the message holds more than {} JSON values",
        crate::limits::JSON_VALUES
    )]
    TooManyValues,
    /// `"id": null`: an answer to it could not be matched with anything.
    #[error(
        "`id` is null; a request needs a string or a 64-bit integer, a notification has no `id`"
    )]
    NullId,
    /// The object is none of request, notification, response and error.
    #[error("the message is no request, notification, response or error: {0}")]
    Shape(&'static str),
    /// A payload that is not standard base64 with padding.
    #[error("invalid base64: expected the standard alphabet with padding")]
    Base64,
}

/// The `error` member of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorObject {
    /// One of [`code`].
    pub code: i64,
    /// For people: what was asked, what happened.
    pub message: String,
}

/// Error codes.
pub mod code {
    /// Undecodable messages, calls out of order, refusals.
    pub const INVALID_REQUEST: i64 = -32600;
    /// A method this server does not implement; clients key their fallbacks on it.
    pub const METHOD_NOT_FOUND: i64 = -32601;
    /// Params that do not decode.
    pub const INVALID_PARAMS: i64 = -32602;
    /// Spawn and other I/O failures.
    pub const INTERNAL: i64 = -32603;
    /// A path or handle that does not exist.
    pub const NOT_FOUND: i64 = -32004;
    /// The session is attached to another connection; clients retry.
    pub const ALREADY_ATTACHED: i64 = -32010;
}
