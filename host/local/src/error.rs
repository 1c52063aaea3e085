//! Why there is no executor here.

use std::path::PathBuf;

use lockgate_client::ClientError;
use lockgate_server::ServeError;

/// Why an executor of this host did not start.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// The exit codes of its processes would never be known.
    #[error(
        "this program ignores SIGCHLD, so the exit code of no process would be known; set it to its default before an executor is started here"
    )]
    Children,
    /// What should keep bounded processes cannot.
    #[error("{} cannot be the keeper of processes: {reason}; name the `lockgate` program", .path.display())]
    Keeper {
        /// As given.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The server did not start.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// It did, and the handshake failed.
    #[error(transparent)]
    Connect(#[from] ClientError),
}
