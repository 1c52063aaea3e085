//! A process from its start to its end, for who wants nothing but what it said.

use std::sync::Arc;

use lockgate_wire::process::Stream;

use super::{Command, Processes, Running, Started};
use crate::{ClientError, Event};

/// What a process wrote and how it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// 128 + n after signal n, -1 where it is not known.
    pub exit_code: i32,
    /// What it wrote to stdout, or to its terminal.
    pub stdout: Vec<u8>,
    /// What it wrote to stderr.
    pub stderr: Vec<u8>,
    /// Bytes that were more than was wanted. They are not in the two above, whose ends they are.
    pub cut: u64,
    /// Pieces of output that the executor did not have any more. Where they were is not told.
    pub lost: u64,
    /// The executor's guess that a sandbox was the reason for its failure.
    pub sandbox_denied: bool,
}

/// Starts a command and waits for its end; keeps at most `most` bytes of what it says. Dropped before that, it terminates the process.
pub async fn run(
    processes: &dyn Processes,
    command: &Command,
    most: usize,
) -> Result<Output, ClientError> {
    processes.start(command).await?.output(most).await
}

impl Started {
    /// Waits for its end; keeps at most `most` bytes of what it says. Dropped before that, it terminates the process, of which nobody would hear
    /// any more. An error is that of the connection where it has ended; [`ClientError::Unfollowed`] is of this process alone.
    pub async fn output(mut self, most: usize) -> Result<Output, ClientError> {
        let mut unwatched = Unwatched(Some(self.process));
        let mut output = Output {
            exit_code: -1,
            ..Output::default()
        };
        while let Some(event) = self.events.next().await {
            match event {
                Event::Output { stream, data } => output.keep(stream, &data, most),
                Event::Exited {
                    exit_code,
                    sandbox_denied,
                } => {
                    output.exit_code = exit_code;
                    output.sandbox_denied = sandbox_denied;
                }
                Event::Lost { count } => output.lost += count,
                Event::Closed => break,
                Event::Failed(reason) => {
                    let ended = unwatched
                        .0
                        .as_ref()
                        .and_then(|process| process.disconnected());
                    return Err(ended.unwrap_or(ClientError::Unfollowed { reason }));
                }
            }
        }
        unwatched.0 = None;
        Ok(output)
    }
}

impl Output {
    fn keep(&mut self, stream: Stream, data: &[u8], most: usize) {
        let room = most.saturating_sub(self.stdout.len() + self.stderr.len());
        // What follows something that was cut is cut as well: the beginning is without holes.
        let kept = match self.cut {
            0 => data.len().min(room),
            _ => 0,
        };
        match stream {
            Stream::Stdout | Stream::Pty => self.stdout.extend(&data[..kept]),
            Stream::Stderr => self.stderr.extend(&data[..kept]),
        }
        self.cut += (data.len() - kept) as u64;
    }
}

/// A process that is terminated with this, if it is still there.
struct Unwatched(Option<Arc<dyn Running>>);

impl Drop for Unwatched {
    fn drop(&mut self) {
        if let Some(process) = self.0.take() {
            process.give_up();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_a_beginning() {
        let mut output = Output::default();
        output.keep(Stream::Stdout, b"1234", 6);
        output.keep(Stream::Stderr, b"abc", 6);
        output.keep(Stream::Stdout, b"5", 6);
        assert_eq!(
            (&*output.stdout, &*output.stderr),
            (&b"1234"[..], &b"ab"[..])
        );
        assert_eq!(output.cut, 2);
    }
}
