//! Reading a decision log again: what was asked and answered then, for whoever wants to know what another policy would have said.

use serde::Deserialize;

use crate::action::{Action, Subject};
use crate::logged_narrowing::LoggedNarrowing;
use crate::verdict::Decision;

/// A decision as a line of the log has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The decision's number.
    pub number: u64,
    /// Who asked.
    pub subject: Subject,
    /// For what. Of a URL there is no user name, password and query.
    pub action: Action,
    /// What held in the end.
    pub decision: Decision,
    /// What each policy said.
    pub answers: Vec<RecordedAnswer>,
}

/// What a policy said then.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct RecordedAnswer {
    /// Its name.
    pub policy: String,
    /// Its answer.
    #[serde(flatten)]
    pub decision: Decision,
    /// What it left.
    pub narrowing: Option<LoggedNarrowing>,
}

/// What a line of a log is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A decision that can be made again.
    Decision(Box<Recorded>),
    /// What came of a question: it says nothing about a policy.
    Answer,
    /// A decision about something that the log does not have: why not.
    LeftOut(&'static str),
    /// Not a line of this log: what is wrong with it.
    Damaged(String),
}

#[derive(Deserialize)]
struct Raw {
    event: String,
    number: u64,
    #[serde(flatten)]
    who: Who,
    action: serde_json::Value,
    #[serde(flatten)]
    decision: Decision,
    #[serde(default)]
    answers: Vec<RecordedAnswer>,
}

/// A subject among other members.
#[derive(Deserialize)]
struct Who {
    session: String,
    client: String,
    environment: Option<String>,
    transport: crate::action::Transport,
    identity: Option<String>,
}

impl Line {
    /// Reads one line.
    pub fn read(text: &str) -> Line {
        let raw: Raw = match serde_json::from_str(text) {
            Ok(raw) => raw,
            Err(error) => return Line::Damaged(error.to_string()),
        };
        match raw.event.as_str() {
            "decision" => {}
            "answer" => return Line::Answer,
            other => return Line::Damaged(format!("there is no event {other:?}")),
        }
        let action = match action(raw.action) {
            Ok(action) => action,
            Err(line) => return line,
        };
        let who = raw.who;
        Line::Decision(Box::new(Recorded {
            number: raw.number,
            subject: Subject {
                session: who.session,
                client: who.client,
                environment: who.environment,
                transport: who.transport,
                identity: who.identity,
            },
            action,
            decision: raw.decision,
            answers: raw.answers,
        }))
    }
}

fn action(mut value: serde_json::Value) -> Result<Action, Line> {
    if value.get("left_out_bytes").is_some() {
        return Err(Line::LeftOut("it was too long for a line of the log"));
    }
    if value
        .get("kind")
        .is_some_and(|kind| kind == "process-write")
    {
        return Err(Line::LeftOut("what is written to a process is not logged"));
    }
    if let Some(members) = value.as_object_mut() {
        // That there was one. The policy is asked about the URL without it.
        members.remove("query");
    }
    serde_json::from_value(value).map_err(|error| Line::Damaged(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::action::{FileOperation, FileVerb, HttpRequest, ProcessWrite, WalkOptions};
    use crate::chain::{Answer, Default as Fallback, Ruling};
    use crate::record;
    use crate::timestamp::Timestamp;

    fn logged(action: &Action) -> String {
        let answer = Answer {
            policy: "p".to_owned(),
            verdict: Decision::Deny {
                reason: "no".to_owned(),
            }
            .into(),
        };
        let ruling = Ruling::of(vec![answer], Fallback::Allow);
        let subject = Subject {
            session: "s".to_owned(),
            client: "c".to_owned(),
            ..Subject::default()
        };
        let time = Timestamp(SystemTime::UNIX_EPOCH);
        let line = record::decision(time, &subject, action, &ruling, &[], Duration::ZERO);
        String::from_utf8(line).expect("text")
    }

    #[test]
    fn what_was_logged_is_read_again() {
        let file = Action::File(FileOperation {
            verb: FileVerb::Walk,
            paths: Vec::new(),
            recursive: false,
            sandboxed: true,
            walk: Some(WalkOptions {
                max_depth: 1,
                max_directories: 2,
                max_entries: 3,
                follow_directory_links: true,
                prune_hidden_directories: false,
            }),
        });
        let Line::Decision(recorded) = Line::read(&logged(&file)) else {
            panic!("a decision");
        };
        assert_eq!(recorded.action, file);
        assert_eq!(recorded.subject.client, "c");
        assert_eq!(
            recorded.decision,
            Decision::Deny {
                reason: "no".to_owned()
            }
        );
        let http = Action::Http(HttpRequest {
            url: "https://a.test/b?token=1".to_owned(),
            ..HttpRequest::default()
        });
        let Line::Decision(recorded) = Line::read(&logged(&http)) else {
            panic!("a decision");
        };
        let Action::Http(http) = recorded.action else {
            panic!("a request");
        };
        assert_eq!(http.url, "https://a.test/b");
    }

    #[test]
    fn what_cannot_be_asked_again_says_why() {
        let write = Action::ProcessWrite(ProcessWrite::default());
        assert!(matches!(Line::read(&logged(&write)), Line::LeftOut(_)));
        let huge = Action::Http(HttpRequest {
            method: "x".repeat(crate::limits::DECISION_LINE_BYTES),
            ..HttpRequest::default()
        });
        assert!(matches!(Line::read(&logged(&huge)), Line::LeftOut(_)));
        for text in ["", "{}", "[1]", "{\"event\":\"decision\"}", "nonsense"] {
            assert!(matches!(Line::read(text), Line::Damaged(_)), "{text}");
        }
    }
}
