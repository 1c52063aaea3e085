//! Why the face does not come to its proper end.

use std::io;
use std::net::SocketAddr;

/// What tools cannot do is not here: agents are told that.
#[derive(Debug, thiserror::Error)]
pub enum FaceError {
    /// The address cannot be had.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// The system's reason.
        reason: io::Error,
    },
    /// What came first was no beginning of a session.
    #[error("the MCP client did not begin a session: {0}")]
    NoSession(&'static str),
    /// A mistake of ours.
    #[error("the session failed within itself; LOCKGATE_LOG=debug shows more")]
    Failed,
}
