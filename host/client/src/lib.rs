//! The harness's side of the wire: connect, shake hands, call, and follow processes.
//!
//! [`Client`] is one connection, cheap to clone; any number of calls may be in flight on it. One task reads and writes; it
//! never waits for a caller, nor (unless [`ConnectOptions::wait_for_readers`] says so) for a reader of events, so a slow one
//! delays nobody else. A started [`Process`] delivers its
//! events in order and without gaps: what was pushed out of order is sorted, what was missed is fetched with
//! `process/read`, and what the server no longer has is reported as [`Event::Lost`], never skipped in silence. Who comes late
//! ([`Client::attach`], [`ProcessHandle::events`]) gets them from the first one on.
//!
//! ```no_run
//! use lockgate_client::executor::{Command, Executor, run};
//! use lockgate_client::{AbsPath, Client, ClientError, ConnectOptions, Credentials, Registry, Remote};
//!
//! /// What a harness does, wherever that is.
//! async fn name(executor: &dyn Executor) -> Result<String, ClientError> {
//!     let command = Command::new(AbsPath::root(), ["uname", "-n"]).env("PATH", "/usr/bin:/bin");
//!     let output = run(executor, &command, 64 * 1024).await?;
//!     Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
//! }
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let websocket = Client::connect_ws("ws://127.0.0.1:7000", ConnectOptions::default()).await?;
//!
//! let mut command = std::process::Command::new("ssh");
//! command.args(["box", "lockgate serve --listen stdio"]);
//! let program = Client::spawn_stdio(command, ConnectOptions::default()).await?;
//!
//! let remote = Remote {
//!     registry: Registry::new("https://rendezvous.example", Credentials::File("harness.token".into()))?,
//!     environment: "box".parse()?,
//!     encrypt: true,
//! };
//! let behind_nat = Client::connect_remote(remote, ConnectOptions::default()).await?;
//!
//! // And this process itself, with `lockgate-local`: lockgate_local::start(Options::default(), …).
//! for executor in [websocket, program, behind_nat] {
//!     println!("{}", name(&executor).await?);
//!     executor.close().await;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! `examples/harness.rs` does more, with any of them.
//!
//! An executor's policies may want somebody to agree to what was asked for: [`ConnectOptions::approver`] puts their questions.
//!
//! HTTP requests go through the executor as well ([`Client::http`], [`Client::http_stream`]).
//!
//! What a harness needs of an executor, wherever that is, are the traits of [`executor`]; a [`Client`] is one.
//!
//! What a project and its plugins say to an agent is found by [`discovery`].
//!
//! Where there are several executors, [`environments`] says which, connects to each when it is first used, and keeps what a session chose.
//!
//! # When the network blinks
//!
//! A lost link is replaced by a new one, to the same place, on which the session is resumed: a websocket, also over TLS, and a stream through a
//! rendezvous. [`ConnectOptions::resume_window`] says for how long that is tried, [`Client::state`] and [`Client::states`] how it stands. Meanwhile
//! and afterwards
//!
//! | | |
//! |---|---|
//! | calls in flight that only look | are asked again by themselves on the next link, at most [`limits::LOOKS_AGAIN`] times. Where none comes they fail with what ended the connection |
//! | other calls in flight | fail with [`ClientError::Interrupted`]: nobody knows whether they were carried out, so they are not repeated |
//! | new calls | wait, within their own timeout, which stays [`ClientError::Timeout`] and says that they were never sent ([`Awaited::Turn`]) |
//! | processes | run on. Their readers see no gap and nothing twice; where the server no longer has all that was written meanwhile, it is terminated and ends with [`Event::Failed`] |
//! | [`ProcessHandle::write`] | is repeated under its name, and arrives once |
//! | [`Client::start`] in flight | fails with `Interrupted`, and what it came to is ended |
//! | bodies of HTTP responses, watches, open files | end with their link. A body ends with [`ClientError::Body`], a watch with `None`, a file with [`ClientError::Interrupted`] |
//! | questions of policies | are forgotten with their link; the server denies what they were about |
//!
//! The connection ends for good when the window is over ([`ClientError::WindowOver`]), the server no longer has the session
//! ([`ClientError::SessionGone`]) or breaks the protocol ([`ClientError::Protocol`]), or when it was closed here; and with its link where there is no second one, as with a
//! server that was started by the client, or where it is not wanted ([`ClientError::Closed`]). Calls fail with that error from then on, and processes end with
//! [`Event::Failed`].
//!
//! A session can also be taken up by another run of a program, with [`ConnectOptions::resume_session_id`].

mod again;
mod approvals;
mod awaited;
mod calls;
mod child;
mod client;
mod connect;
pub mod discovery;
pub mod environments;
mod error;
mod events;
pub mod executor;
mod files;
mod gap;
mod http;
mod inbound;
mod last_words;
pub mod limits;
mod memory;
mod missing;
mod pidfd;
mod process;
mod queue;
mod recover;
mod resume;
mod routes;
mod session;
mod state;
mod transport;
mod watch;

pub use approvals::Approver;
pub use awaited::Awaited;
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
pub use missing::Missing;
pub use process::{Process, ProcessHandle};
pub use state::ConnectionState;
pub use transport::relay::is_rendezvous;
pub use watch::Watch;

/// Questions and answers of [`Approver`].
pub use lockgate_wire::lockgate::approval::{ApprovalDecision, ApprovalParams, ApprovalResult};

/// The protocol's own types, where a call takes or gives one.
pub use lockgate_wire as wire;

/// The pages' own examples are to compile.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/client.md")]
struct ClientPage;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/environments.md")]
struct EnvironmentsPage;
