//! What did not come in its time. Which it was says what is known and what to do: who never got a connection may simply try again, who got no answer to
//! a call may not.

use std::fmt;
use std::time::Duration;

/// What was waited for, in vain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Awaited {
    /// The connection itself, for [`ConnectOptions::connect_timeout`](crate::ConnectOptions::connect_timeout). Nobody was told anything.
    Connection {
        /// Where it was to lead, without what may be a secret.
        to: String,
    },
    /// The executor's side of the encryption, through a rendezvous that answered.
    Executor {
        /// Where the connection was to lead, without what may be a secret.
        to: String,
    },
    /// The answer of a server that is connected to what makes a session, for
    /// [`ConnectOptions::initialize_timeout`](crate::ConnectOptions::initialize_timeout).
    Handshake {
        /// `initialize`, or what follows it.
        method: String,
    },
    /// Room for a call, for [`ConnectOptions::call_timeout`](crate::ConnectOptions::call_timeout): the connection was away all the time, or full. It was never sent.
    Turn {
        /// Which.
        method: String,
    },
    /// The answer to a call that was sent, for [`ConnectOptions::call_timeout`](crate::ConnectOptions::call_timeout). Whether it was carried out is not known.
    Answer {
        /// Which.
        method: String,
    },
    /// The same for the start of a process, which is ended should it come to run.
    Start {
        /// The id that it was given.
        process: String,
    },
}

impl Awaited {
    /// What happened and what to do.
    pub(crate) fn within(&self, after: Duration) -> impl fmt::Display {
        let is_none = after.is_zero();
        let after = after.as_secs_f32();
        match self {
            // As an `environments.toml` may say.
            Awaited::Connection { to } if is_none => {
                format!(
                    "no connection to {to} within 0 s: connect_timeout leaves no time for one, give it some"
                )
            }
            Awaited::Handshake { method } if is_none => {
                format!(
                    "connected, but no answer to {method} within 0 s: initialize_timeout leaves no time for one, give it some"
                )
            }
            Awaited::Turn { method } if is_none => format!(
                "{method} was not sent within 0 s: call_timeout leaves no time for anything, give it some, or none for no limit"
            ),
            Awaited::Connection { to } => format!(
                "no connection to {to} within {after} s: check the address and what is in between, or wait longer (connect_timeout)"
            ),
            Awaited::Executor { to } => format!(
                "the rendezvous answers, but not within {after} s the executor of {to}: see whether it is stuck, or has no registry to ask"
            ),
            Awaited::Handshake { method } => format!(
                "connected, but no answer to {method} within {after} s: the server is busy or stuck, or this is no exec-server; \
                 to wait longer is initialize_timeout"
            ),
            Awaited::Turn { method } => format!(
                "{method} was not sent within {after} s, because the connection was away or full: nothing came of it, and it may be called again"
            ),
            Awaited::Answer { method } => format!(
                "no answer to {method} within {after} s: it is not known whether the server carries it out; look before you call it again, \
                 or wait longer (call_timeout)"
            ),
            Awaited::Start { process } => format!(
                "no answer to the start of process {process} within {after} s: it is ended if it comes to run; start it again under another id, \
                 or wait longer (call_timeout)"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ClientError;

    #[test]
    fn each_says_what_took_how_long_and_what_to_do() {
        let (to, method) = ("ws://h:1".to_owned(), "fs/readFile".to_owned());
        let process = "p1".to_owned();
        for (of, wanted) in [
            (
                Awaited::Connection { to: to.clone() },
                ["ws://h:1", "connect_timeout"],
            ),
            (Awaited::Executor { to }, ["ws://h:1", "executor"]),
            (
                Awaited::Handshake {
                    method: "initialize".to_owned(),
                },
                ["initialize", "initialize_timeout"],
            ),
            (
                Awaited::Turn {
                    method: method.clone(),
                },
                ["fs/readFile was not sent", "may be called again"],
            ),
            (
                Awaited::Answer { method },
                ["no answer to fs/readFile", "call_timeout"],
            ),
            (
                Awaited::Start { process },
                ["process p1", "under another id"],
            ),
        ] {
            let after = Duration::from_millis(1_500);
            let text = ClientError::Timeout { of, after }.to_string();
            for part in wanted.iter().chain(&["within 1.5 s"]) {
                assert!(text.contains(part), "{text}: no {part}");
            }
        }
    }
}
