//! Coming back after a lost link: how long to wait before each attempt, and what a refusal means. Pure.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use lockgate_wire::code;

use crate::{ClientError, limits};

/// How attempts follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Where nobody but the executor is asked.
    Even,
    /// Where many come back to the same rendezvous at once: more and more slowly, and each at other times.
    Growing {
        /// Makes the times.
        seed: u64,
    },
}

impl Pace {
    /// Growing, by times of this session's own.
    pub(crate) fn growing(session: &str) -> Pace {
        let mut hasher = DefaultHasher::new();
        session.hash(&mut hasher);
        Pace::Growing {
            seed: hasher.finish(),
        }
    }

    /// From the beginning of one attempt to that of the next, after so many that came to nothing. The first one waits too, for a server
    /// that takes a session and loses it at once is not to keep anybody busy.
    pub(crate) fn apart(self, failed: u32) -> Duration {
        match self {
            Pace::Even => limits::RESUME_APART,
            Pace::Growing { .. } if failed == 0 => limits::RESUME_APART,
            Pace::Growing { seed } => {
                let doubled = 2_u32.saturating_pow((failed - 1).min(16));
                let full = (limits::RESUME_RELAY_FIRST * doubled).min(limits::RESUME_RELAY_MOST);
                let mut hasher = DefaultHasher::new();
                (seed, failed).hash(&mut hasher);
                let part = (hasher.finish() % 1_024) as f64 / 1_024.0;
                full / 2 + (full / 2).mul_f64(part)
            }
        }
    }
}

/// What a failed attempt means.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// The next one may do better.
    Again(String),
    /// No other one will.
    Over(ClientError),
}

impl Verdict {
    /// Of what came of `initialize`, or of what followed it, after the link was `lost` like that.
    pub(crate) fn of(error: ClientError, lost: &str) -> Verdict {
        match error {
            ClientError::Server { code, message } if is_attached(code, &message) => {
                Verdict::Again(message)
            }
            ClientError::Server { message, .. } if message.contains("unknown session") => {
                Verdict::Over(ClientError::SessionGone {
                    lost: lost.to_owned(),
                    answer: message,
                })
            }
            // It was understood, and is not wanted.
            error @ (ClientError::Server { .. } | ClientError::Protocol(_)) => Verdict::Over(error),
            error => Verdict::Again(error.to_string()),
        }
    }
}

/// The server has not noticed yet that the link before this one is gone. Servers of May 2026 have no code of its own for that.
fn is_attached(code: i64, message: &str) -> bool {
    code == code::ALREADY_ATTACHED
        || code == code::INVALID_REQUEST && message.contains("already attached")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Awaited;

    fn refused(code: i64, message: &str) -> ClientError {
        ClientError::Server {
            code,
            message: message.to_owned(),
        }
    }

    #[test]
    fn a_session_that_is_still_attached_is_waited_for_and_all_other_refusals_are_final() {
        for (code, message) in [
            (
                -32010,
                "session s is already attached to another connection",
            ),
            (-32010, "busy"),
            // Of May 2026.
            (
                -32600,
                "session s is already attached to another connection",
            ),
        ] {
            let verdict = Verdict::of(refused(code, message), "cut");
            assert!(matches!(verdict, Verdict::Again(why) if why == message));
        }
        let gone = Verdict::of(refused(-32600, "unknown session id s"), "cut");
        let Verdict::Over(error @ ClientError::SessionGone { .. }) = gone else {
            panic!("{gone:?}");
        };
        assert!(error.to_string().contains("cut"), "{error}");
        for (code, message) in [(-32601, "no such method"), (-32602, "bad"), (-32603, "oh")] {
            let verdict = Verdict::of(refused(code, message), "cut");
            assert!(
                matches!(verdict, Verdict::Over(ref error) if error.code() == Some(code)),
                "{verdict:?}"
            );
        }
        let other = Verdict::of(ClientError::Protocol("another session".into()), "cut");
        assert!(matches!(other, Verdict::Over(ClientError::Protocol(_))));
        for passing in [
            ClientError::Closed("gone".into()),
            ClientError::Timeout {
                of: Awaited::Handshake {
                    method: "initialize".into(),
                },
                after: Duration::from_secs(1),
            },
            ClientError::Interrupted {
                what: "initialize".into(),
                why: "cut again".into(),
            },
        ] {
            assert!(matches!(Verdict::of(passing, "cut"), Verdict::Again(_)));
        }
    }

    #[test]
    fn attempts_at_an_executor_are_evenly_apart() {
        for failed in [0, 1, 2, 200] {
            assert_eq!(Pace::Even.apart(failed), Duration::from_millis(100));
        }
    }

    #[test]
    fn attempts_at_a_rendezvous_grow_apart_and_differ_between_sessions_but_not_in_one() {
        let (one, two) = (Pace::growing("one"), Pace::growing("two"));
        for (failed, full) in [
            (1, 500),
            (2, 1_000),
            (3, 2_000),
            (4, 4_000),
            (5, 5_000),
            (90, 5_000),
        ] {
            let full = Duration::from_millis(full);
            for pace in [one, two] {
                let apart = pace.apart(failed);
                assert!(full / 2 <= apart && apart <= full, "{apart:?} of {full:?}");
                assert_eq!(apart, pace.apart(failed));
            }
            assert_ne!(one.apart(failed), two.apart(failed));
        }
    }
}
