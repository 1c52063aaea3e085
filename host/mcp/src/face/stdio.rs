//! One session over stdin and stdout, a message a line.

mod batches;
mod input;
mod lines;
mod output;
mod oversized;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use rmcp::service::{QuitReason, ServerInitializeError};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use super::{Face, FaceError, limits};
use lines::Lines;
use oversized::{Oversized, Scan};

/// Serves until the input ends or `stop` returns, and ends what belongs to the session.
pub async fn over_stdio(
    face: Face,
    input: impl AsyncRead + Send + Unpin + 'static,
    output: impl AsyncWrite + Send + Unpin + 'static,
    stop: impl Future<Output = ()>,
) -> Result<(), FaceError> {
    let (input, over, oversized) = Watched::new(input);
    let transport = Lines::new(input, output, oversized);
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
        // Nobody reads the last answers.
        () = late(over) => Ok(()),
    };
    face.end().await;
    outcome
}

/// Returns some time after the end of the input.
async fn late(over: oneshot::Receiver<()>) {
    // Also where the input is gone without an end.
    let _ = over.await;
    sleep(limits::LAST_ANSWERS).await;
}

/// An input that tells when it ends, and what is too long in it.
struct Watched<R> {
    input: R,
    scan: Scan,
    oversized: mpsc::Sender<Oversized>,
    over: Option<oneshot::Sender<()>>,
}

impl<R> Watched<R> {
    fn new(input: R) -> (Watched<R>, oneshot::Receiver<()>, mpsc::Receiver<Oversized>) {
        let (over, told) = oneshot::channel();
        // Each is megabytes: there are never many that nobody has answered yet.
        let (oversized, answered) = mpsc::channel(limits::CALLS);
        let watched = Watched {
            input,
            scan: Scan::new(limits::MESSAGE_BYTES),
            oversized,
            over: Some(over),
        };
        (watched, told, answered)
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Watched<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (before, room) = (buffer.filled().len(), buffer.remaining());
        let polled = Pin::new(&mut self.input).poll_read(context, buffer);
        let Watched {
            scan, oversized, ..
        } = &mut *self;
        scan.push(&buffer.filled()[before..], |too_long| {
            // Fails where the session is ending anyway.
            let _ = oversized.try_send(too_long);
        });
        let is_over = match &polled {
            Poll::Ready(Ok(())) => buffer.filled().len() == before && room > 0,
            Poll::Ready(Err(_)) => true,
            Poll::Pending => false,
        };
        if is_over && let Some(over) = self.over.take() {
            // Nobody listens where the session is ending anyway.
            let _ = over.send(());
        }
        polled
    }
}
