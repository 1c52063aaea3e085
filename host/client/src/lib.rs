//! The harness's side of the wire: connect, shake hands, call, and follow processes.
//!
//! [`Client`] is one connection, cheap to clone; any number of calls may be in flight on it. One task reads and writes; it
//! never waits for a caller, nor (unless [`ConnectOptions::wait_for_readers`] says so) for a reader of events, so a slow one
//! delays nobody else. A started [`Process`] delivers its
//! events in order and without gaps: what was pushed out of order is sorted, what was missed is fetched with
//! `process/read`, and what the server no longer has is reported as [`Event::Lost`], never skipped in silence.
//!
//! An executor's policies may want somebody to agree to what was asked for: [`ConnectOptions::approver`] puts their questions.
//!
//! HTTP requests go through the executor as well ([`Client::http`], [`Client::http_stream`]).
//!
//! What a harness needs of an executor, wherever that is, are the traits of [`executor`]; a [`Client`] is one.
//!
//! Where there are several executors, [`environments`] says which, connects to each when it is first used, and keeps what a session chose.
//!
//! When the connection ends, calls fail with [`ClientError::Closed`] and processes with [`Event::Failed`]. Resuming a
//! session is up to the caller ([`ConnectOptions::resume_session_id`]).

mod approvals;
mod calls;
mod child;
mod client;
mod connect;
pub mod environments;
mod error;
mod events;
pub mod executor;
mod files;
mod gap;
mod http;
pub mod limits;
mod memory;
mod pidfd;
mod process;
mod transport;
mod watch;

pub use approvals::Approver;
pub use client::Client;
pub use connect::{ConnectOptions, Remote};
pub use error::ClientError;
pub use events::{Event, Events};
pub use http::{HttpBody, HttpRequest, HttpResponse};
/// The paths and profiles of the traits.
pub use lockgate_grant::{AbsPath, profile};
/// What [`Remote`] is made of.
pub use lockgate_relay::registry::{Credentials, EnvironmentId, Registry};
pub use memory::keep_freed_memory;
pub use process::{Process, ProcessHandle};
pub use transport::relay::is_rendezvous;
pub use watch::Watch;

/// Questions and answers of [`Approver`].
pub use lockgate_wire::lockgate::approval::{ApprovalDecision, ApprovalParams, ApprovalResult};
