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
}

fn after(ending: &Option<Ending>) -> String {
    ending
        .as_ref()
        .map(|ending| format!(". The program: {ending}"))
        .unwrap_or_default()
}
