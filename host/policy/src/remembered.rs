//! Answers that need not be asked for again.
//!
//! A policy in a fresh instance is a function of its configuration, the subject and the action with its options: it has no clock, no randomness and no memory of
//! anything before. So the answer to the same question is the same answer, and a client that looks at one file again and again
//! costs its policies a look-up. Nothing is remembered that could be told apart from asking: answers of reused instances, failures, what a policy had
//! something to log about, and whatever was written to a process, which is not kept in memory either. A policy that is loaded
//! again begins with nothing.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use crate::action::{Action, Subject};
use crate::limits;
use crate::verdict::Verdict;

/// The answers to the last questions, in two generations: what was not asked for in a whole one is forgotten.
#[derive(Default)]
pub(crate) struct Remembered {
    hasher: RandomState,
    young: HashMap<u64, Answered>,
    old: HashMap<u64, Answered>,
    /// Of the young.
    bytes: usize,
}

struct Answered {
    subject: Subject,
    action: Action,
    verdict: Verdict,
    bytes: usize,
}

impl Remembered {
    /// The answer to this very question.
    pub(crate) fn get(&mut self, subject: &Subject, action: &Action) -> Option<Verdict> {
        let key = self.hasher.hash_one((subject, action));
        let is_same = |known: &Answered| known.subject == *subject && known.action == *action;
        if let Some(known) = self.young.get(&key).filter(|known| is_same(known)) {
            return Some(known.verdict.clone());
        }
        if !self.old.get(&key).is_some_and(is_same) {
            return None;
        }
        let known = self.old.remove(&key)?;
        let verdict = known.verdict.clone();
        self.put(key, known);
        Some(verdict)
    }

    /// Remembers an answer, unless it is a long one.
    pub(crate) fn add(&mut self, subject: &Subject, action: &Action, verdict: &Verdict) {
        let bytes = size(subject, action, verdict);
        if bytes > limits::REMEMBERED_ANSWER_BYTES || matches!(action, Action::ProcessWrite(_)) {
            return;
        }
        let key = self.hasher.hash_one((subject, action));
        let known = Answered {
            subject: subject.clone(),
            action: action.clone(),
            verdict: verdict.clone(),
            bytes,
        };
        self.put(key, known);
    }

    fn put(&mut self, key: u64, known: Answered) {
        self.bytes += known.bytes;
        if let Some(before) = self.young.insert(key, known) {
            self.bytes -= before.bytes;
        }
        if self.bytes > limits::REMEMBERED_BYTES / 2 {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
    }
}

/// Bytes that an answer takes with its question, about: its texts, and as much for each piece as its bookkeeping.
fn size(subject: &Subject, action: &Action, verdict: &Verdict) -> usize {
    const PIECE: usize = 48;
    let texts = |texts: &[String]| texts.iter().map(|text| PIECE + text.len()).sum::<usize>();
    let action = match action {
        Action::ProcessStart(start) => {
            texts(&start.argv)
                + texts(&start.env_names)
                + start.cwd.len()
                + start.program.as_ref().map_or(0, String::len)
        }
        Action::ProcessWrite(write) => write.data.len() + write.process.len() + write.argv0.len(),
        Action::File(file) => file.paths.iter().map(|path| PIECE + path.path.len()).sum(),
        Action::Http(http) => {
            texts(&http.header_names) + http.url.len() + http.host.len() + http.method.len()
        }
    };
    let narrowing = verdict.narrowing.as_ref().map_or(0, |narrowing| {
        let grant = narrowing.grant.iter().flatten();
        grant.map(|entry| PIECE + entry.path.len()).sum::<usize>() + texts(&narrowing.drop_env)
    });
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let said = match &verdict.decision {
        crate::Decision::Deny { reason: text } | crate::Decision::Ask { prompt: text } => {
            text.len()
        }
        crate::Decision::Allow | crate::Decision::Abstain => 0,
    };
    let subject = subject.session.len()
        + subject.client.len()
        + text(&subject.environment)
        + text(&subject.identity);
    size_of::<Answered>()
        + PIECE
        + subject
        + action
        + narrowing
        + said
        + text(&verdict.rule)
        + text(&verdict.details)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::{HttpRequest, ProcessWrite};
    use crate::verdict::Decision;

    fn get(url: &str) -> Action {
        Action::Http(HttpRequest {
            url: url.to_owned(),
            ..HttpRequest::default()
        })
    }

    fn deny(reason: &str) -> Verdict {
        Decision::Deny {
            reason: reason.to_owned(),
        }
        .into()
    }

    #[test]
    fn the_same_question_has_the_same_answer_and_no_other_has() {
        let mut remembered = Remembered::default();
        let (one, other) = (
            Subject::default(),
            Subject {
                client: "x".to_owned(),
                ..Subject::default()
            },
        );
        remembered.add(&one, &get("a"), &deny("1"));
        assert_eq!(remembered.get(&one, &get("a")), Some(deny("1")));
        assert_eq!(remembered.get(&other, &get("a")), None);
        assert_eq!(remembered.get(&one, &get("b")), None);
    }

    #[test]
    fn what_is_kept_is_bounded_and_what_is_asked_for_stays() {
        let mut remembered = Remembered::default();
        let subject = Subject::default();
        remembered.add(&subject, &get("often"), &deny("often"));
        for number in 0..20_000 {
            remembered.add(&subject, &get(&number.to_string()), &deny("once"));
            assert_eq!(remembered.get(&subject, &get("often")), Some(deny("often")));
            let all = remembered.young.values().chain(remembered.old.values());
            if number % 1_000 == 0 {
                assert!(
                    all.map(|known| known.bytes).sum::<usize>()
                        <= limits::REMEMBERED_BYTES + limits::REMEMBERED_ANSWER_BYTES
                );
            }
        }
        assert_eq!(remembered.get(&subject, &get("0")), None);
    }

    #[test]
    fn attack_26_what_was_written_to_a_process_and_what_is_long_is_not_kept() {
        let mut remembered = Remembered::default();
        let subject = Subject::default();
        let write = Action::ProcessWrite(ProcessWrite {
            data: b"pass".to_vec(),
            ..ProcessWrite::default()
        });
        let long = get(&"x".repeat(limits::REMEMBERED_ANSWER_BYTES));
        for action in [write, long] {
            remembered.add(&subject, &action, &deny("no"));
            assert_eq!(remembered.get(&subject, &action), None);
        }
    }
}
