//! Follows a program: its messages to the harness, its stderr to the log, and its end.

use std::time::Duration;

use lockgate_client::{Event, Process};
use lockgate_wire::Method;
use lockgate_wire::process::Stream;
use rmcp::model::ServerJsonRpcMessage;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

use super::super::limits;
use super::ending::{Ending, How, LastWords};
use super::lines::{Line, Lines};

/// Until the program has ended, or nobody wants its messages any more and it has been ended.
pub(super) async fn follow(
    process: Process,
    words: LastWords,
    messages: mpsc::Sender<ServerJsonRpcMessage>,
    writing: JoinHandle<()>,
    grace: Duration,
    ended: watch::Sender<Option<Ending>>,
) {
    let mut followed = Followed {
        process,
        words,
        lines: Lines::new(limits::LINE_BYTES),
        foreign: 0,
        exit_code: None,
        closed: false,
    };
    let how = followed.until_the_end(&messages).await;
    let how = match how {
        How::Lost(why) => How::Lost(why),
        How::Closed(_) => {
            followed.close(writing, grace).await;
            followed.kill(grace).await;
            How::Closed(followed.exit_code)
        }
        how => {
            writing.abort();
            // Also after its exit: children that it left behind are in its group.
            followed.kill(grace).await;
            how
        }
    };
    let stderr = followed.words.end();
    // Before the messages end: whoever sees their end asks why.
    ended.send_replace(Some(Ending { how, stderr }));
    drop(messages);
}

struct Followed {
    process: Process,
    words: LastWords,
    lines: Lines,
    /// Lines in a row that are no messages.
    foreign: usize,
    exit_code: Option<i32>,
    closed: bool,
}

impl Followed {
    async fn until_the_end(&mut self, messages: &mpsc::Sender<ServerJsonRpcMessage>) -> How {
        let mut leave_at = None;
        loop {
            while let Some(line) = self.lines.next() {
                match self.message(&line) {
                    Ok(Some(message)) => {
                        if messages.send(message).await.is_err() {
                            return How::Closed(None);
                        }
                    }
                    Ok(None) => {}
                    Err(why) => return How::Unreadable(why),
                }
            }
            if let Some(code) = self.exit_code
                && self.closed
            {
                return How::Exited(code);
            }
            let event = tokio::select! {
                biased;
                () = messages.closed() => return How::Closed(None),
                event = self.next(leave_at) => event,
            };
            match event {
                Ok(()) => {}
                Err(why) => return why,
            }
            if self.exit_code.is_some() {
                // Its children may hold its output open for ever.
                leave_at.get_or_insert_with(|| Instant::now() + limits::LINGER);
            }
        }
    }

    /// Takes in the next event. Dropping the future loses nothing.
    async fn next(&mut self, until: Option<Instant>) -> Result<(), How> {
        let next = self.process.events.next();
        let event = match until {
            None => next.await,
            Some(at) => match timeout_at(at, next).await {
                Ok(event) => event,
                Err(_) => Some(Event::Closed),
            },
        };
        match event {
            Some(Event::Output { stream, data }) => match stream {
                Stream::Stderr => self.words.push(&data),
                Stream::Stdout | Stream::Pty => self.lines.push(&data),
            },
            Some(Event::Exited { exit_code, .. }) => self.exit_code = Some(exit_code),
            Some(Event::Closed) => {
                self.closed = true;
                self.exit_code.get_or_insert(-1);
            }
            Some(Event::Lost { .. }) => {
                return Err(How::Unreadable(
                    "more of its output came than was read in time, and some is lost".to_owned(),
                ));
            }
            Some(Event::Failed(why)) => return Err(How::Lost(why)),
            None => return Err(How::Lost("its events have ended".to_owned())),
        }
        Ok(())
    }

    /// The message of a line; an error where the program cannot be understood any more.
    fn message(&mut self, line: &Line) -> Result<Option<ServerJsonRpcMessage>, String> {
        let line = match line {
            Line::Whole(line) => line,
            Line::Cut(_) => {
                return Err(format!(
                    "it wrote a line of more than {} bytes",
                    limits::LINE_BYTES
                ));
            }
        };
        if std::str::from_utf8(line).is_ok_and(lockgate_wire::too_many_values) {
            return Err(format!(
                "it wrote a message of more than {} JSON values",
                limits::JSON_VALUES
            ));
        }
        match serde_json::from_slice(line) {
            Ok(message) => {
                self.foreign = 0;
                Ok(Some(message))
            }
            Err(_) if self.foreign == limits::FOREIGN_LINES => Err(format!(
                "it wrote more than {} lines in a row that are no messages of MCP",
                limits::FOREIGN_LINES
            )),
            Err(error) => {
                // Not the line itself: it may be anything.
                let bytes = line.len();
                if self.foreign == 0 {
                    tracing::warn!(bytes, %error, "an MCP server wrote a line to its stdout that is no message; it is skipped");
                }
                self.foreign += 1;
                Ok(None)
            }
        }
    }

    /// Asks the program to end: by the end of its input, then by SIGTERM.
    async fn close(&mut self, writing: JoinHandle<()>, grace: Duration) {
        let process = self.process.handle.clone();
        let client = process.client().clone();
        // What was sent is written first; a program that does not read does not keep us.
        let stop = writing.abort_handle();
        if timeout(grace, writing).await.is_err() {
            stop.abort();
        }
        if client.has(Method::LockgateProcessCloseStdin)
            && !matches!(timeout(grace, process.close_stdin()).await, Ok(Err(_)))
        {
            self.exits_within(grace).await;
        }
        if self.exit_code.is_none() && client.has(Method::LockgateProcessSignal) {
            let _ = timeout(grace, process.signal("TERM")).await;
            self.exits_within(grace).await;
        }
    }

    async fn kill(&mut self, grace: Duration) {
        let process = self.process.handle.clone();
        let _ = timeout(grace, process.terminate()).await;
        self.exits_within(grace).await;
    }

    async fn exits_within(&mut self, grace: Duration) {
        let until = Instant::now() + grace;
        while self.exit_code.is_none() {
            match timeout_at(until, self.next(None)).await {
                // What it still says is for nobody.
                Ok(Ok(())) => self.lines = Lines::new(limits::LINE_BYTES),
                Ok(Err(_)) | Err(_) => return,
            }
        }
    }
}
