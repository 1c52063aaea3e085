//! Over the stdin and stdout of a spawned server: one message a line.

use std::convert::Infallible;
use std::sync::Arc;

use lockgate_wire::limits::MESSAGE_BYTES;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, BufWriter};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};

use super::{Receive, Received, Send};
use crate::child::Child;
use crate::last_words::LastWords;
use crate::{ClientError, limits};

/// Takes over the pipes of `child`.
pub(crate) fn over(child: &mut Child) -> Result<(Lines, LineWriter), ClientError> {
    let (stdin, stdout, stderr) = child.pipes()?;
    tokio::spawn(log(stderr, Arc::clone(child.words())));
    Ok((
        Lines {
            stdout: BufReader::with_capacity(limits::READ_BUFFER, stdout),
            unheard: Some(Arc::clone(child.words())),
        },
        LineWriter(Some(BufWriter::new(stdin))),
    ))
}

pub(crate) struct Lines {
    stdout: BufReader<ChildStdout>,
    /// To be told the first line.
    unheard: Option<Arc<LastWords>>,
}

impl Receive for Lines {
    async fn receive(&mut self) -> Result<Option<Received>, String> {
        loop {
            let mut line = Vec::new();
            let limit = MESSAGE_BYTES as u64 + 2;
            let read = (&mut self.stdout)
                .take(limit)
                .read_until(b'\n', &mut line)
                .await
                .map_err(|error| error.to_string())?;
            if read == 0 {
                return Ok(None);
            }
            if let Some(words) = self.unheard.take() {
                words.output(line.trim_ascii_end());
            }
            if line.last() != Some(&b'\n') && read as u64 == limit {
                return Err(format!("a message has more than {MESSAGE_BYTES} bytes"));
            }
            while matches!(line.last(), Some(b'\n' | b'\r')) {
                line.pop();
            }
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let line = String::from_utf8(line).map_err(|_| "a message is not UTF-8".to_owned())?;
            return Ok(Some(Received::Text(line.into())));
        }
    }

    async fn drain(&mut self) -> Infallible {
        let _ = tokio::io::copy_buf(&mut self.stdout, &mut tokio::io::sink()).await;
        std::future::pending().await
    }
}

pub(crate) struct LineWriter(Option<BufWriter<ChildStdin>>);

impl Send for LineWriter {
    async fn feed(&mut self, message: String) -> Result<(), String> {
        let Some(stdin) = &mut self.0 else {
            return Err("stdin is closed".to_owned());
        };
        let mut line = message.into_bytes();
        line.push(b'\n');
        stdin
            .write_all(&line)
            .await
            .map_err(|error| format!("the server does not read: {error}"))
    }

    async fn flush(&mut self) -> Result<(), String> {
        let Some(stdin) = &mut self.0 else {
            return Ok(());
        };
        stdin
            .flush()
            .await
            .map_err(|error| format!("the server does not read: {error}"))
    }

    async fn close(&mut self) {
        // End of input is the goodbye.
        self.0 = None;
    }
}

async fn log(stderr: ChildStderr, words: Arc<LastWords>) {
    let mut stderr = BufReader::with_capacity(limits::STDERR_LINE as usize, stderr);
    loop {
        let mut line = Vec::new();
        match (&mut stderr)
            .take(limits::STDERR_LINE)
            .read_until(b'\n', &mut line)
            .await
        {
            Ok(0) | Err(_) => return words.stderr_over(),
            Ok(_) => {
                words.stderr(&line);
                tracing::debug!(target: "lockgate_client::stderr", "{}", String::from_utf8_lossy(&line).trim_end());
            }
        }
    }
}
