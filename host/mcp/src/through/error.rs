//! What can go wrong with a server that is reached through an executor.

use std::time::Duration;

use lockgate_client::ClientError;
use rmcp::service::ClientInitializeError;

use super::Ending;

/// Why a server cannot be reached, or a message not be sent.
#[derive(Debug, thiserror::Error)]
pub enum ThroughError {
    /// The executor did not start the program.
    #[error("the executor cannot start the MCP server `{program}`: {source}")]
    Start {
        /// As given.
        program: String,
        /// The executor's answer.
        source: ClientError,
    },
    /// The server answered the handshake in a way that makes no sense, or ended in it.
    #[error("the handshake with the MCP server `{server}` failed: {source}{}", after(.ending))]
    Handshake {
        /// The program or the URL, without its query.
        server: String,
        /// The SDK's view.
        source: Box<ClientInitializeError>,
        /// What became of a program.
        ending: Option<Ending>,
    },
    /// No answer to the handshake.
    #[error(
        "the MCP server `{server}` did not answer the handshake within {} s; give it longer with `connect_timeout`{}",
        .waited.as_secs_f32(), after(.ending)
    )]
    Silent {
        /// The program or the URL, without its query.
        server: String,
        /// How long was waited.
        waited: Duration,
        /// What became of a program.
        ending: Option<Ending>,
    },
    /// There is nobody to send to any more.
    #[error("the MCP server `{program}` is gone: {ending}")]
    Ended {
        /// As given.
        program: String,
        /// What became of it.
        ending: Ending,
    },
    /// More waits to be sent than may.
    #[error(
        "the MCP server `{program}` does not read its input: {messages} messages of together {bytes} bytes wait for it already"
    )]
    Behind {
        /// As given.
        program: String,
        /// How many wait.
        messages: usize,
        /// And how much they are.
        bytes: usize,
    },
    /// A message that is too large, or that cannot be written as JSON.
    #[error("cannot send a message to the MCP server: {0}")]
    Unsendable(String),
    /// The executor did not take the message.
    #[error("the message did not reach the MCP server: {0}")]
    Unsent(String),
    /// A URL that cannot be one of a server.
    #[error("`{url}` is not the address of an MCP server: {reason}")]
    Address {
        /// Without its query.
        url: String,
        /// Why not.
        reason: String,
    },
    /// A header that cannot be sent with every request.
    #[error("the header `{name}` cannot be sent to an MCP server: {reason}")]
    Header {
        /// Which.
        name: String,
        /// Why not.
        reason: String,
    },
    /// The executor has not announced what is needed.
    #[error("this executor has no {0}")]
    Unsupported(&'static str),
    /// The executor could not send a request, or got no answer.
    #[error("the executor got no answer from the MCP server {url}: {source}")]
    Request {
        /// Without its query.
        url: String,
        /// The executor's answer.
        source: ClientError,
    },
    /// A redirect that is not followed.
    #[error("the MCP server {url} redirects {reason}; use the address it really has")]
    Redirected {
        /// Without its query.
        url: String,
        /// Where to.
        reason: String,
    },
    /// The server refused in HTTP's terms.
    #[error("the MCP server answered with HTTP status {status}: {said}")]
    Status {
        /// HTTP's.
        status: u16,
        /// The beginning of its words.
        said: String,
    },
    /// The body of an answer did not come to its end.
    #[error("the answer of the MCP server was cut: {0}")]
    Cut(ClientError),
    /// More than is taken from a server.
    #[error("the MCP server sent {what} of more than {most} bytes")]
    TooLarge {
        /// What.
        what: &'static str,
        /// How much is taken.
        most: usize,
    },
    /// More JSON values than are decoded.
    #[error(
        "the MCP server sent a message of more than {} JSON values",
        super::limits::JSON_VALUES
    )]
    TooMany,
    /// An answer that makes no sense.
    #[error("the MCP server broke the protocol: {0}")]
    Answer(String),
}

impl ThroughError {
    /// `WWW-Authenticate`, where the handshake failed with HTTP status 401 or 403: what an OAuth flow begins with. For a call that failed, the
    /// SDK's [`rmcp::ServiceError::auth_challenge`] has the same.
    pub fn auth_challenge(&self) -> Option<&str> {
        match self {
            ThroughError::Handshake { source, .. } => source.auth_challenge(),
            _ => None,
        }
    }
}

fn after(ending: &Option<Ending>) -> String {
    ending
        .as_ref()
        .map(|ending| format!(". The program: {ending}"))
        .unwrap_or_default()
}
