//! What a demo has to say when a promise is not kept.

use tokio_tungstenite::tungstenite;

/// The one error type of the demo.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    /// Something printed turned out not to be so.
    #[error("{0}")]
    Promise(String),
    /// The server refused what it should have done.
    #[error("{method} was refused: {message} ({code})")]
    Refused {
        /// The method.
        method: String,
        /// The JSON-RPC code.
        code: i64,
        /// The server's words.
        message: String,
    },
    /// The transport.
    #[error("websocket: {0}")]
    Socket(#[from] Box<tungstenite::Error>),
    /// The system.
    #[error("{0}")]
    System(#[from] std::io::Error),
}

impl From<tungstenite::Error> for Broken {
    fn from(error: tungstenite::Error) -> Self {
        Self::Socket(Box::new(error))
    }
}

/// Fails with `otherwise` when `holds` is false.
pub(crate) fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), Broken> {
    if holds {
        Ok(())
    } else {
        Err(Broken::Promise(otherwise()))
    }
}
