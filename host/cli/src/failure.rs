//! Why a command did not do what it was asked, in words and as an exit code.

use std::fmt;
use std::process::ExitCode;

use lockgate_client::ClientError;
use lockgate_policy_gate::printable::{printable, printable_lines};

use crate::progress::begin_line;

/// It failed.
pub(crate) const FAILED: u8 = 1;
/// It was asked for in a way that makes no sense.
pub(crate) const USAGE: u8 = 2;
/// Ended by SIGPIPE, as shells have it.
const UNREAD: u8 = 128 + 13;
/// `exec` and `shell`: lockgate itself failed; other codes are the command's.
pub(crate) const OURS: u8 = 125;
/// `exec`: the program was found and cannot be run, as shells have it.
pub(crate) const NOT_EXECUTABLE: u8 = 126;
/// `exec`: there is no such program, as shells have it.
pub(crate) const NOT_FOUND: u8 = 127;

/// What happened and what to do about it.
#[derive(Debug)]
pub(crate) struct Failure {
    text: String,
    code: u8,
    is_of_one: bool,
}

impl Failure {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Failure {
            text: text.into(),
            code: FAILED,
            is_of_one: false,
        }
    }

    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Failure {
            text: text.into(),
            code: USAGE,
            is_of_one: false,
        }
    }

    pub(crate) fn with_code(mut self, code: u8) -> Self {
        self.code = code;
        self
    }

    /// About one of several things that were asked for: the others may fare better.
    pub(crate) fn of_one(mut self) -> Self {
        self.is_of_one = true;
        self
    }

    pub(crate) fn is_of_one(&self) -> bool {
        self.is_of_one
    }

    /// It was told already what went wrong.
    pub(crate) fn told() -> Self {
        Failure::new("")
    }

    /// With more to say.
    pub(crate) fn and(mut self, text: &str) -> Self {
        self.text.push_str(text);
        self
    }

    #[cfg(test)]
    pub(crate) fn code(&self) -> u8 {
        self.code
    }

    /// As a failure of ours, unless it was one of usage.
    pub(crate) fn ours(self) -> Self {
        if self.code == FAILED {
            self.with_code(OURS)
        } else {
            self
        }
    }

    /// Nobody reads our output any more. What SIGPIPE would have meant, and as quiet: `| head` is no mistake.
    pub(crate) fn unread() -> Self {
        Failure {
            text: String::new(),
            code: UNREAD,
            is_of_one: false,
        }
    }

    /// Says it, if there is something to say.
    pub(crate) fn report(self) -> ExitCode {
        if !self.text.is_empty() {
            begin_line();
            tell!("lockgate: {}", printable_lines(&self.text));
        }
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Where somebody says whether this end encrypts.
#[derive(Clone, Copy)]
enum Said {
    OnTheCommandLine,
    InTheFile,
}

impl Failure {
    /// Of an environment, which is what environments.toml says of it.
    pub(crate) fn of_environment(error: ClientError) -> Failure {
        Failure::advised(error, Said::InTheFile)
    }

    fn advised(error: ClientError, said: Said) -> Failure {
        let advice = match &error {
            // Its code is for programs.
            ClientError::Server { message, .. } => return Failure::new(printable(message)),
            ClientError::Connect { reason, .. }
                if reason.contains("takes encrypted streams only") =>
            {
                match said {
                    Said::OnTheCommandLine => {
                        "; leave out `--remote-transport direct`, so that this end encrypts, too"
                    }
                    Said::InTheFile => {
                        "; leave out its `remote_transport = \"direct\"` in environments.toml, so that this end encrypts, too"
                    }
                }
            }
            // Nobody is talked out of it who does not know what that is.
            ClientError::Connect { reason, .. }
                if reason.contains("takes streams without encryption only") =>
            {
                match said {
                    Said::OnTheCommandLine => {
                        "; if it is to be so, `--remote-transport direct` has this end leave encryption out, too: the rendezvous can read everything then"
                    }
                    Said::InTheFile => {
                        "; if it is to be so, `remote_transport = \"direct\"` of it in environments.toml has this end leave encryption out, too: the rendezvous can read everything then"
                    }
                }
            }
            // Whoever answers says what is wrong.
            ClientError::Connect { reason, .. }
                if [
                    "answers",
                    "handshake",
                    "refuses",
                    "registry",
                    "certificate",
                    "TLS",
                ]
                .iter()
                .any(|word| reason.contains(word)) =>
            {
                ""
            }
            ClientError::Connect { .. } => {
                "; is a server listening there? `lockgate serve --listen ws://IP:PORT` starts one"
            }
            ClientError::Closed(_) => "; LOCKGATE_LOG=debug shows what the server said last",
            ClientError::Protocol(_) => "; is this an exec-server? LOCKGATE_LOG=debug shows more",
            ClientError::WindowOver { .. } | ClientError::SessionGone { .. } => {
                "; was the server started again?"
            }
            ClientError::NoServer { stderr, .. } if stderr.is_empty() => {
                "; an executor is a program such as `lockgate serve --listen stdio`, or one that leads to it: `ssh HOST lockgate serve --listen stdio`"
            }
            ClientError::Interrupted { .. }
            | ClientError::Unwelcome { .. }
            | ClientError::NoServer { .. }
            | ClientError::Timeout { .. }
            | ClientError::Spawn { .. }
            | ClientError::NoExecutor { .. }
            | ClientError::Unsendable { .. }
            | ClientError::Unsupported { .. }
            | ClientError::NotWritten { .. }
            | ClientError::Unfollowed { .. }
            | ClientError::Status { .. }
            | ClientError::Body(_) => "",
        };
        Failure::new(format!("{error}{advice}"))
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Failure::advised(error, Said::OnTheCommandLine)
    }
}
