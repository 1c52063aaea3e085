//! The executor's server: transports, sessions, dispatch and the handlers of every method.
//!
//! Theory of operation. A transport (`transport`) yields messages to a connection (`connection`), which
//! is one task; `remote` has streams of a relay for transports, and `door` says whose are let in. `dispatch` parses the envelope, checks the handshake and calls a handler (`handlers`).
//! What is known at once is answered at once; file calls and process starts go to blocking
//! threads in an order that the client cannot tell from strict turns (`lane`); long polls and HTTP requests (`http`) become tasks.
//! Answers and output leave through the `outbox`. A server inside of another program is [`Embedded`]. Processes belong to the `session`, which
//! outlives its connection.

mod budget;
mod connection;
mod dispatch;
mod door;
mod doubt;
mod embedded;
mod environment;
mod failure;
mod fitting;
mod handlers;
mod handles;
mod http;
mod lane;
pub mod limits;
mod missing;
mod options;
mod outbox;
mod pending;
mod policy;
mod profiles;
mod queued;
mod reading;
mod remote;
mod serve;
mod service;
mod session;
mod slot;
mod transport;
mod watches;

pub use embedded::Embedded;
pub use http::{
    HostPattern, HttpOptions, HttpRules, Network, Outlook as HttpOutlook, Place, ProxyChoice,
};
pub use options::{LedgerChoice, Options, PolicyOptions, ProcessSandbox};
pub use policy::Judge;
pub use remote::{Announced, RemoteOptions};
pub use serve::{ServeError, serve};
pub use transport::in_process::{Answers, Requests};
pub use transport::{ListenError, ListenUrl};
