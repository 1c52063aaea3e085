//! Why a measure could not be taken. A server that says no is told apart from one that answers
//! wrongly: the first is a fact about it, the second a fault.

use tokio_tungstenite::tungstenite;

/// The one error type of the bench.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The server answered with an error object; its code and message.
    #[error("{method}: {message} ({code})")]
    Refused {
        /// The method that was called.
        method: String,
        /// The JSON-RPC code.
        code: i64,
        /// The server's own words.
        message: String,
    },
    /// The server answered, but not what the protocol asks for.
    #[error("wrong answer: {0}")]
    Wrong(String),
    /// `--only` names what does not exist.
    #[error("nothing is called `{0}`; `lockgate-bench list` shows the names")]
    Unknown(String),
    /// Nothing came within the deadline.
    #[error("no answer within {seconds} s while waiting for {what}")]
    Silence {
        /// What was waited for.
        what: &'static str,
        /// How long.
        seconds: u64,
    },
    /// The transport failed.
    #[error("websocket: {0}")]
    Socket(Box<tungstenite::Error>),
    /// A command under measure could not be run or did not print a URL.
    #[error("server command `{command}`: {reason}")]
    Server {
        /// The command as given.
        command: String,
        /// What went wrong.
        reason: String,
    },
    /// A system call failed.
    #[error("{0}")]
    System(#[from] std::io::Error),
}

impl From<tungstenite::Error> for Failure {
    fn from(error: tungstenite::Error) -> Self {
        if let tungstenite::Error::Io(io) = &error
            && matches!(
                io.kind(),
                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
            )
        {
            return Self::Silence {
                what: "a message",
                seconds: crate::limits::SILENCE.as_secs(),
            };
        }
        Self::Socket(Box::new(error))
    }
}

impl From<rustix::io::Errno> for Failure {
    fn from(error: rustix::io::Errno) -> Self {
        Self::System(error.into())
    }
}
