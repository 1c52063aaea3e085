//! What can go wrong for a caller.

use std::time::Duration;

use crate::{Awaited, limits};

/// Why a connection or a call failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClientError {
    /// The program of a stdio server did not start.
    #[error("cannot start the server `{program}`: {reason}")]
    Spawn {
        /// As given.
        program: String,
        /// The system's text.
        reason: String,
    },
    /// The program of a stdio server ended before it answered, or speaks something else than the protocol.
    #[error("the server `{program}` {what}{}", wrote(.stderr))]
    NoServer {
        /// As given.
        program: String,
        /// What came of it instead.
        what: String,
        /// The last lines of its standard error.
        stderr: Vec<String>,
        /// What that is without a program: [`ClientError::Closed`], [`ClientError::Timeout`] or [`ClientError::Protocol`].
        #[source]
        cause: Box<ClientError>,
    },
    /// No connection could be opened.
    #[error("cannot connect to {url}: {reason}")]
    Connect {
        /// Without what may be a secret: user, password and query.
        url: String,
        /// Of the system or of the websocket handshake.
        reason: String,
    },
    /// An environment that nothing was said of how to reach it.
    #[error("environment `{id}` has no executor here")]
    NoExecutor {
        /// Which.
        id: String,
    },
    /// Something did not come in its time.
    #[error("{}", .of.within(*.after))]
    Timeout {
        /// What.
        of: Awaited,
        /// How long was waited.
        after: Duration,
    },
    /// The link was lost while the call was in flight, whether or not another one comes. Whether the server carried it out is not known, so it is not repeated here:
    /// what does no harm when it is done twice may be called again, and waits for the connection to be back. What only looks is repeated by itself and fails like this
    /// only if all of its links were lost; where none comes, it fails with what ended the connection.
    #[error(
        "the connection was lost before the answer to {what} came ({why}): it is not known whether the server carried it out"
    )]
    Interrupted {
        /// The method.
        what: String,
        /// How the link was lost.
        why: String,
    },
    /// The connection was lost and did not come back in time.
    #[error("the connection was lost ({lost}) and could not be resumed within {} s: {last}", .window.as_secs_f32())]
    WindowOver {
        /// How long was tried ([`ConnectOptions::resume_window`](crate::ConnectOptions::resume_window)).
        window: Duration,
        /// How the link was lost.
        lost: String,
        /// What came of the last attempt.
        last: String,
    },
    /// The connection was lost, and when it was back the server no longer had the session: what ran in it has been ended.
    #[error(
        "the connection was lost ({lost}) and its session is gone, with the processes in it: the server answers \"{answer}\""
    )]
    SessionGone {
        /// How the link was lost.
        lost: String,
        /// The server's text.
        answer: String,
    },
    /// The connection has ended, or was never there; the text says how.
    #[error("the connection is closed: {0}")]
    Closed(String),
    /// A process cannot be followed to its end, and has been ended; the connection is there.
    #[error("the process was given up: {reason}")]
    Unfollowed {
        /// What [`Event::Failed`](crate::Event::Failed) says.
        reason: String,
    },
    /// The server refused the call.
    #[error("{message} (code {code})")]
    Server {
        /// See [`lockgate_wire::code`].
        code: i64,
        /// The server's text.
        message: String,
    },
    /// The server refused the connection's first call, so there is none.
    #[error("the server refused initialize: {message} (code {code})")]
    Unwelcome {
        /// See [`lockgate_wire::code`].
        code: i64,
        /// The server's text.
        message: String,
    },
    /// The server sent something that makes no sense; the connection is closed then.
    #[error("the server broke the protocol: {0}")]
    Protocol(String),
    /// The body of an HTTP response does not come to its end, or is not what was wanted of it: larger, or no such JSON.
    #[error("the body of the http response cannot be used: {0}")]
    Body(String),
    /// An HTTP response has a status of failure, and that was to be an error.
    #[error("the http response has the status {status}")]
    Status {
        /// 400 or more.
        status: u16,
    },
    /// What was asked for is beyond this executor.
    #[error("this executor cannot {what}: it is older than that, or not one of ours")]
    Unsupported {
        /// In words.
        what: &'static str,
    },
    /// The bytes did not go to the input of a process, or into a file.
    #[error("nothing was written: {reason}")]
    NotWritten {
        /// Why not.
        reason: &'static str,
    },
    /// The message would be larger than the wire allows, or cannot be written as JSON.
    #[error("cannot send {what}: {reason}")]
    Unsendable {
        /// The method.
        what: String,
        /// Why not.
        reason: String,
    },
}

/// The lines, each on one of its own.
fn wrote(stderr: &[String]) -> String {
    match stderr {
        [] => String::new(),
        lines => format!(
            "; its standard error ended with:\n    {}",
            lines.join("\n    ")
        ),
    }
}

impl ClientError {
    /// A server broke the protocol, in these words: not all of them where they quote megabytes of what it sent.
    pub(crate) fn protocol(mut words: String) -> ClientError {
        if words.len() > limits::PROTOCOL_WORDS {
            words.truncate(words.floor_char_boundary(limits::PROTOCOL_WORDS));
            words.push('…');
        }
        ClientError::Protocol(words)
    }

    /// The server's error code, if it was the server that refused.
    pub fn code(&self) -> Option<i64> {
        match self {
            ClientError::Server { code, .. } | ClientError::Unwelcome { code, .. } => Some(*code),
            _ => None,
        }
    }
}
