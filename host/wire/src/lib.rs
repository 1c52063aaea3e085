//! The exec-server wire: the envelope and every request, result and notification as a type. No I/O.
//!
//! Bytes come in as [`Incoming`], which borrows from the message and leaves `params` unread until the method is known;
//! [`decode_params`] then makes the typed params. Answers go out through [`response`], [`error`] and [`notification`];
//! messages that carry bulk contents have encoders of their own ([`file_result`], [`block_result`], [`output_notification`],
//! [`read_result`], [`http_result`], [`body_delta`]) because a serializer that looks at every byte of a payload costs several times what the payload costs.
//! [`output_bytes`] is no JSON at all.
//!
//! Types are shared by server and client: both directions derive `Serialize` and `Deserialize`. Names on the wire are
//! camelCase; unknown members are ignored, unknown enum values are errors.

mod base64;
mod bytes;
pub mod capability_roots;
mod complexity;
mod encode;
mod envelope;
pub mod environment;
mod error;
pub mod fs;
pub mod http;
mod id;
mod known;
pub mod lifecycle;
pub mod limits;
pub mod lockgate;
mod members;
mod method;
mod params;
pub mod path;
mod permissions;
pub mod process;

pub use base64::{Base64, Base64Text};
pub use bytes::{has_bytes, output_bytes, split_bytes};
pub use complexity::too_many_values;
pub use encode::{
    block_result, body_delta, error, file_result, http_result, notification, output_notification,
    read_result, request, response,
};
pub use envelope::{ErrorReply, Incoming, Notification, Reply, Request};
pub use error::{ErrorObject, Malformed, code};
pub use id::Id;
pub use members::Verbatim;
pub use method::{Method, notify, server_request};
pub use params::{Empty, NoParams, decode_params, decode_params_expecting};
pub use path::{PathStyle, WirePath};
pub use permissions::Permissions;
pub use process::ProcessId;
