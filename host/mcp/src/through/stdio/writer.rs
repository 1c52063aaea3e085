//! Messages on their way to a program, in the order in which they were sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lockgate_client::ProcessHandle;
use lockgate_wire::process::WriteStatus;
use rmcp::model::ClientJsonRpcMessage;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::super::{ThroughError, limits};

/// Takes messages for the task that writes. When it is dropped, that task ends behind the last one.
#[derive(Debug)]
pub(super) struct Writer {
    lines: mpsc::Sender<Line>,
    bytes: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Line {
    text: Vec<u8>,
    written: oneshot::Sender<Result<(), String>>,
}

/// A message that is written some time.
pub(super) struct Sent(oneshot::Receiver<Result<(), String>>);

impl Writer {
    pub(super) fn start(process: ProcessHandle) -> (Writer, JoinHandle<()>) {
        let (lines, waiting) = mpsc::channel(limits::OUTBOUND);
        let bytes = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn(write(process, waiting, Arc::clone(&bytes)));
        (Writer { lines, bytes }, task)
    }

    /// Queues a message.
    pub(super) fn send(
        &self,
        program: &str,
        message: &ClientJsonRpcMessage,
    ) -> Result<Sent, ThroughError> {
        let mut text = serde_json::to_vec(message)
            .map_err(|error| ThroughError::Unsendable(error.to_string()))?;
        if text.len() > limits::LINE_BYTES {
            return Err(ThroughError::Unsendable(format!(
                "it has {} bytes, at most {} are possible",
                text.len(),
                limits::LINE_BYTES
            )));
        }
        text.push(b'\n');
        let len = text.len();
        let behind = |bytes| ThroughError::Behind {
            program: program.to_owned(),
            messages: limits::OUTBOUND - self.lines.capacity(),
            bytes,
        };
        let waiting = self.bytes.fetch_add(len, Ordering::Relaxed);
        if waiting > 0 && waiting + len > limits::OUTBOUND_BYTES {
            self.bytes.fetch_sub(len, Ordering::Relaxed);
            return Err(behind(waiting));
        }
        let (written, sent) = oneshot::channel();
        match self.lines.try_send(Line { text, written }) {
            Ok(()) => Ok(Sent(sent)),
            Err(failure) => {
                self.bytes.fetch_sub(len, Ordering::Relaxed);
                Err(match failure {
                    mpsc::error::TrySendError::Full(_) => behind(waiting),
                    mpsc::error::TrySendError::Closed(_) => gone(),
                })
            }
        }
    }
}

impl Sent {
    /// Returns when the executor has it. Dropping the future does not take it back.
    pub(super) async fn done(self) -> Result<(), ThroughError> {
        match self.0.await {
            Ok(written) => written.map_err(ThroughError::Unsent),
            Err(_) => Err(gone()),
        }
    }
}

fn gone() -> ThroughError {
    ThroughError::Unsent("the program is being ended".to_owned())
}

async fn write(process: ProcessHandle, mut lines: mpsc::Receiver<Line>, bytes: Arc<AtomicUsize>) {
    while let Some(Line { text, written }) = lines.recv().await {
        let outcome = match process.write(&text).await {
            Ok(WriteStatus::Accepted) => Ok(()),
            Ok(WriteStatus::StdinClosed) => Err("it has closed its input".to_owned()),
            Ok(WriteStatus::UnknownProcess) => {
                Err("the executor does not know it any more".to_owned())
            }
            Ok(WriteStatus::Starting) => Err("the executor has not started it yet".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        bytes.fetch_sub(text.len(), Ordering::Relaxed);
        // Whoever sent it may have given up.
        let _ = written.send(outcome);
    }
}
