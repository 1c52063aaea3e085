//! Questions of the executor's policies, on their way to the tool call that made them come up.
//!
//! The executor asks on the connection, which all calls of a session share, and names the action but no request. What a call is about is
//! known here, so the action leads to it; of two calls about the same it does not matter which one asks. The call then puts the question to
//! its client: only in a call may a server of MCP ask.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lockgate_client::{ApprovalDecision, ApprovalParams, ApprovalResult, Approver};
use lockgate_grant::AbsPath;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

/// One question, and the way back.
pub(super) struct Question {
    /// As the executor put it.
    pub(super) asked: ApprovalParams,
    answer: oneshot::Sender<ApprovalResult>,
}

impl Question {
    /// Says what somebody said.
    pub(super) fn answer(self, said: Said) {
        // Fails where it was withdrawn meanwhile, and needs no answer.
        let _ = self.answer.send(match said {
            Said::Allow => ApprovalResult {
                decision: ApprovalDecision::Allow,
                reason: None,
            },
            Said::Deny(reason) => ApprovalResult {
                decision: ApprovalDecision::Deny,
                reason: Some(reason),
            },
        });
    }

    /// Returns when nobody needs an answer any more.
    pub(super) async fn withdrawn(&mut self) {
        self.answer.closed().await;
    }

    /// How long the executor waits.
    pub(super) fn patience(&self) -> Duration {
        Duration::from_millis(self.asked.expires_in_ms)
    }
}

/// What somebody said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// It may be done, this once.
    Allow,
    /// It may not; why, for the agent.
    Deny(String),
}

/// What a call does, as policies see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// These files.
    Paths(Vec<AbsPath>),
    /// All below this directory.
    Below(AbsPath),
    /// Starting this.
    Start(Vec<String>),
    /// Writing to this process of the executor.
    Write(String),
}

impl Subject {
    /// How well an action of the executor fits; 0: not at all. Files may be named there by where a link leads.
    fn fits(&self, action: &Value) -> u8 {
        let named = || {
            let paths = action["paths"].as_array().into_iter().flatten();
            paths.filter_map(|path| path["path"].as_str())
        };
        let is_named = |path: &AbsPath| named().any(|name| path.as_path() == name);
        match (self, action["kind"].as_str()) {
            (Subject::Start(argv), Some("process-start")) => {
                let named = action["argv"].as_array().into_iter().flatten();
                let argv = argv.iter().map(|word| Some(word.as_str()));
                3 * u8::from(named.map(Value::as_str).eq(argv))
            }
            (Subject::Write(process), Some("process-write")) => {
                3 * u8::from(action["process"] == process.as_str())
            }
            (Subject::Paths(all), Some("file")) => match all.iter().any(is_named) {
                true => 3,
                false => 1,
            },
            (Subject::Below(directory), Some("file")) => {
                let directory = directory.as_path();
                match named().any(|name| Path::new(name).starts_with(directory)) {
                    true => 2,
                    false => 1,
                }
            }
            _ => 0,
        }
    }
}

/// The calls of a session that can put questions.
#[derive(Clone, Default)]
pub(super) struct Desk(Arc<Calls>);

#[derive(Default)]
struct Calls {
    open: Mutex<Vec<Open>>,
    last: AtomicU64,
}

struct Open {
    number: u64,
    subject: Option<Subject>,
    questions: mpsc::Sender<Question>,
}

/// A call's place at the desk; gone with it.
pub(super) struct Seat {
    calls: Arc<Calls>,
    number: u64,
}

impl Desk {
    /// A place for a call, and its questions.
    pub(super) fn seat(&self) -> (Seat, mpsc::Receiver<Question>) {
        // A call makes one request of the executor at a time, but a search makes some.
        let (questions, receiver) = mpsc::channel(super::limits::SEARCHED_AT_ONCE);
        let number = self.0.last.fetch_add(1, Ordering::Relaxed);
        self.0.open().push(Open {
            number,
            subject: None,
            questions,
        });
        let seat = Seat {
            calls: Arc::clone(&self.0),
            number,
        };
        (seat, receiver)
    }

    /// For a connection to the executor.
    pub(super) fn approver(&self) -> Approver {
        let calls = Arc::clone(&self.0);
        Approver::new(move |asked| {
            let calls = Arc::clone(&calls);
            async move { calls.ask(asked).await }
        })
    }
}

impl Seat {
    /// What the call does from now on.
    pub(super) fn about(&self, subject: Subject) {
        let mut open = self.calls.open();
        if let Some(call) = open.iter_mut().find(|call| call.number == self.number) {
            call.subject = Some(subject);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.calls.open().retain(|call| call.number != self.number);
    }
}

impl Calls {
    fn open(&self) -> MutexGuard<'_, Vec<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Of those that fit equally well the one that came first: it has waited longest.
    fn whose(&self, action: &Value) -> Option<mpsc::Sender<Question>> {
        let open = self.open();
        let fitting = open.iter().filter_map(|call| {
            let fit = call.subject.as_ref()?.fits(action);
            (fit > 0).then_some((fit, call))
        });
        let best = fitting.max_by_key(|(fit, call)| (*fit, std::cmp::Reverse(call.number)))?;
        Some(best.1.questions.clone())
    }

    async fn ask(&self, asked: ApprovalParams) -> ApprovalResult {
        let no = |reason: &str| ApprovalResult {
            decision: ApprovalDecision::Deny,
            reason: Some(reason.to_owned()),
        };
        let Some(call) = self.whose(&asked.action) else {
            return no("the call that it is about was given up");
        };
        let (answer, said) = oneshot::channel();
        if call.send(Question { asked, answer }).await.is_err() {
            return no("the call that it is about was given up");
        }
        said.await
            .unwrap_or_else(|_| no("the call that it is about was given up"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn path(text: &str) -> AbsPath {
        AbsPath::parse(text).expect("a path")
    }

    fn question(action: Value) -> ApprovalParams {
        ApprovalParams {
            approval_id: "a".into(),
            policy: None,
            rule: None,
            prompt: "?".into(),
            action,
            expires_in_ms: 1_000,
        }
    }

    #[tokio::test]
    async fn a_question_comes_to_the_call_that_it_is_about() {
        let desk = Desk::default();
        let (read, mut of_read) = desk.seat();
        let (search, mut of_search) = desk.seat();
        let (run, mut of_run) = desk.seat();
        read.about(Subject::Paths(vec![path("/w/a")]));
        search.about(Subject::Below(path("/w")));
        run.about(Subject::Start(vec!["ls".into(), "-l".into()]));
        let file = |name: &str| json!({"kind": "file", "verb": "read", "paths": [{"path": name, "access": "read"}]});
        let start = |argv: &[&str]| json!({"kind": "process-start", "argv": argv, "cwd": "/w"});
        for (action, mine) in [
            (file("/w/a"), &mut of_read),
            (file("/w/b"), &mut of_search),
            (start(&["ls", "-l"]), &mut of_run),
        ] {
            let calls = Arc::clone(&desk.0);
            let asked = tokio::spawn(async move { calls.ask(question(action)).await });
            let question = mine.recv().await.expect("a question");
            question.answer(Said::Allow);
            assert_eq!(
                asked.await.expect("no panic").decision,
                ApprovalDecision::Allow
            );
        }
    }

    #[tokio::test]
    async fn a_question_about_no_call_is_denied() {
        let desk = Desk::default();
        let (run, of_run) = desk.seat();
        run.about(Subject::Start(vec!["ls".into()]));
        let start = json!({"kind": "process-start", "argv": ["rm"], "cwd": "/"});
        let said = desk.0.ask(question(start)).await;
        assert_eq!(said.decision, ApprovalDecision::Deny);
        drop((run, of_run));
        let start = json!({"kind": "process-start", "argv": ["ls"], "cwd": "/"});
        let said = desk.0.ask(question(start)).await;
        assert_eq!(said.decision, ApprovalDecision::Deny);
    }
}
