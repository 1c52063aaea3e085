//! What a program that was started as a server left behind when it turned out to be none: the end of its standard error, what it wrote where messages were
//! expected, and how it ended. Whoever wrote the wrong command sees only that, so it has to be in the error.

use std::collections::VecDeque;
use std::fmt::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use lockgate_wire::limits::MESSAGE_BYTES;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::transport::CLOSED;
use crate::{Awaited, ClientError, limits};

/// Filled by those who read the pipes and by who reaps it.
#[derive(Debug)]
pub(crate) struct LastWords {
    heard: Mutex<Heard>,
    over: watch::Sender<Over>,
    served: AtomicBool,
}

#[derive(Debug, Default)]
struct Heard {
    /// How the first line on standard output begins.
    first: Option<Vec<u8>>,
    /// It could not even be a message.
    is_no_text: bool,
    /// The end of standard error.
    stderr: VecDeque<u8>,
    /// Of its own accord, not of our signals.
    exit: Option<ExitStatus>,
}

/// What will not say anything more.
#[derive(Debug, Default, Clone, Copy)]
struct Over {
    stderr: bool,
    program: Option<Gone>,
}

/// How a program is done with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gone {
    /// It has exited, and is reaped.
    Exited,
    /// It is not going to by itself.
    Stays,
}

impl Over {
    /// One that stays keeps its standard error, too: what it had to say is there.
    fn is_all(self) -> bool {
        match self.program {
            Some(Gone::Stays) => true,
            Some(Gone::Exited) => self.stderr,
            None => false,
        }
    }
}

impl LastWords {
    pub(crate) fn new() -> LastWords {
        LastWords {
            heard: Mutex::default(),
            over: watch::Sender::new(Over::default()),
            served: AtomicBool::new(false),
        }
    }

    /// A line on standard output; the first one counts.
    pub(crate) fn output(&self, line: &[u8]) {
        let mut heard = self.heard();
        if heard.first.is_none() {
            let most = line.len().min(limits::FIRST_LINE + 1);
            heard.first = Some(line[..most].to_vec());
            heard.is_no_text = line.len() > MESSAGE_BYTES || std::str::from_utf8(line).is_err();
        }
    }

    /// More of standard error.
    pub(crate) fn stderr(&self, bytes: &[u8]) {
        let kept = &mut self.heard().stderr;
        kept.extend(bytes);
        let beyond = kept.len().saturating_sub(limits::STDERR_KEPT);
        kept.drain(..beyond);
    }

    /// Standard error has come to its end.
    pub(crate) fn stderr_over(&self) {
        self.over.send_modify(|over| over.stderr = true);
    }

    /// It is gone; `exit` is how, if that was its own doing.
    pub(crate) fn program_over(&self, exit: Option<ExitStatus>) {
        self.heard().exit = exit;
        self.told(Gone::Exited);
    }

    /// It is still there, and is ended by us.
    pub(crate) fn program_stays(&self) {
        self.told(Gone::Stays);
    }

    fn told(&self, how: Gone) {
        self.over.send_if_modified(|over| {
            let is_news = over.program.is_none();
            over.program.get_or_insert(how);
            is_news
        });
    }

    /// It answered, and is a server: how it ends is no explanation any more.
    pub(crate) fn served(&self) {
        self.served.store(true, Ordering::Relaxed);
    }

    /// Whether it has answered.
    pub(crate) fn is_served(&self) -> bool {
        self.served.load(Ordering::Relaxed)
    }

    /// The error of a handshake that failed, with what is known of why.
    pub(crate) async fn explain(&self, program: &str, error: ClientError) -> ClientError {
        if matches!(error, ClientError::Closed(_) | ClientError::Protocol(_)) {
            let mut over = self.over.subscribe();
            let all = over.wait_for(|over| over.is_all());
            // Something else may hold its standard error open.
            let _ = timeout(limits::LAST_WORDS * 2, all).await;
        }
        let what = match &error {
            ClientError::Closed(why) if self.heard().is_no_text => self.strange(why),
            ClientError::Closed(why) => self.closed(why),
            ClientError::Protocol(why) => self.strange(why),
            ClientError::Timeout {
                of: Awaited::Handshake { method },
                after,
            } => {
                let after = after.as_secs_f32();
                let silent = format!("did not answer to {method} within {after} s");
                match self.first() {
                    None => silent,
                    Some(first) => format!("wrote {first}, but {silent}"),
                }
            }
            // It answered, and said what is wrong.
            _ => return error,
        };
        ClientError::NoServer {
            program: program.to_owned(),
            what,
            stderr: self.end_of_stderr(),
            cause: Box::new(error),
        }
    }

    fn closed(&self, why: &str) -> String {
        let mut text = match self.exit() {
            Some(exit) => format!("{exit} before it answered"),
            None if why == CLOSED => "closed its standard output before it answered to initialize, and went on without it".to_owned(),
            None => format!("was not heard to answer to initialize: {why}"),
        };
        if let Some(first) = self.first() {
            let _ = write!(text, "; on its standard output it wrote {first}");
        }
        text
    }

    fn strange(&self, why: &str) -> String {
        let mut text = match self.first() {
            Some(first) => format!(
                "does not speak the protocol on its standard output ({why}): a line of JSON was expected, the answer to initialize, and what came is {first}"
            ),
            None => format!("does not speak the protocol: {why}"),
        };
        if let Some(exit) = self.exit() {
            let _ = write!(text, "; then it {exit}");
        }
        text
    }

    fn exit(&self) -> Option<String> {
        let exit = self.heard().exit?;
        match (exit.code(), exit.signal()) {
            (Some(code), _) => Some(format!("exited with code {code}")),
            (None, Some(signal)) => Some(format!("was ended by signal {signal}")),
            (None, None) => None,
        }
    }

    fn first(&self) -> Option<String> {
        let heard = self.heard();
        let line = heard.first.as_ref()?;
        let cut = line.len() > limits::FIRST_LINE;
        let shown = String::from_utf8_lossy(&line[..line.len().min(limits::FIRST_LINE)]);
        Some(match cut {
            true => format!("{shown:?}…"),
            false => format!("{shown:?}"),
        })
    }

    /// Its last lines, with nothing that draws on a terminal.
    fn end_of_stderr(&self) -> Vec<String> {
        let mut heard = self.heard();
        let text = String::from_utf8_lossy(heard.stderr.make_contiguous());
        let lines = text.lines().map(str::trim_end);
        let mut lines: Vec<String> = lines
            .filter(|line| !line.is_empty())
            .map(|line| {
                let mut shown = String::new();
                for character in line.chars() {
                    match character {
                        '\t' => shown.push(' '),
                        character if character.is_control() => {
                            shown.extend(character.escape_default());
                        }
                        character => shown.push(character),
                    }
                }
                shown
            })
            .collect();
        lines.drain(..lines.len().saturating_sub(limits::STDERR_LINES));
        lines
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_has_bounds_and_draws_on_no_terminal() {
        let words = LastWords::new();
        for number in 0..10_000 {
            words.stderr(format!("line {number}\n").as_bytes());
        }
        words.stderr(b"\x1b[2Jlast\xff\n\n");
        let lines = words.end_of_stderr();
        assert_eq!(lines.len(), limits::STDERR_LINES);
        assert_eq!(
            lines.last().map(String::as_str),
            Some("\\u{1b}[2Jlast\u{fffd}")
        );
        assert!(words.heard().stderr.len() <= limits::STDERR_KEPT);
        words.output(&[b'a'; 4096]);
        words.output(b"second");
        let first = words.first().expect("a line");
        assert!(
            first.starts_with("\"aaa") && first.ends_with("\"…"),
            "{first}"
        );
        assert!(first.len() < limits::FIRST_LINE + 10, "{first}");
    }
}
