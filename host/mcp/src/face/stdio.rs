//! One session over stdin and stdout, a message a line.

use std::future::Future;

use rmcp::service::{QuitReason, ServerInitializeError};
use rmcp::transport::async_rw::AsyncRwTransport;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Face, FaceError, limits};

/// Serves until the input ends or `stop` returns, and ends what belongs to the session.
pub async fn over_stdio(
    face: Face,
    input: impl AsyncRead + Send + Unpin + 'static,
    output: impl AsyncWrite + Send + Unpin + 'static,
    stop: impl Future<Output = ()>,
) -> Result<(), FaceError> {
    let transport =
        AsyncRwTransport::new_server(input, output).with_max_line_length(limits::MESSAGE_BYTES);
    let serving = async {
        match rmcp::serve_server(face.clone(), transport).await {
            Ok(running) => match running.waiting().await {
                Ok(QuitReason::JoinError(_)) | Err(_) => Err(FaceError::Failed),
                Ok(_) => Ok(()),
            },
            // A client that looked and went away again.
            Err(ServerInitializeError::ConnectionClosed(_) | ServerInitializeError::Cancelled) => {
                Ok(())
            }
            // What it sent instead may hold anything: it is not quoted.
            Err(ServerInitializeError::ExpectedInitializeRequest(_)) => Err(FaceError::NoSession(
                "its first message was neither `initialize` nor a request that needs none",
            )),
            Err(ServerInitializeError::InitializeFailed(_)) => Err(FaceError::NoSession(
                "its versions of the protocol are none of ours",
            )),
            Err(_) => Err(FaceError::Failed),
        }
    };
    let outcome = tokio::select! {
        outcome = serving => outcome,
        () = stop => Ok(()),
    };
    face.end().await;
    outcome
}
