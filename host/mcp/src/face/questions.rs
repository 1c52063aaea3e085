//! Questions of the executor's policies, on their way to the tool call that made them come up.
//!
//! The executor asks on the connection, which all calls of a session share, and names the action but no request. Of a process it has
//! the name, which is unique and leads to its call; without one nobody is asked. Of files, what a call is about is known here, so the action
//! leads to it; of several calls about the same, the one with the fewest questions asks, for each makes few requests at a time. The call then puts the question to its client: only in a call may a server of MCP ask.

use std::cmp::Reverse;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lockgate_client::{ApprovalDecision, ApprovalParams, ApprovalResult, Approver};
use lockgate_grant::AbsPath;
use tokio::sync::{mpsc, oneshot};

/// One question, and the way back.
pub(super) struct Question {
    /// As the executor put it.
    pub(super) asked: ApprovalParams,
    answer: oneshot::Sender<ApprovalResult>,
    put: Arc<AtomicBool>,
}

impl Question {
    /// It is being put to somebody. One that goes without an answer before that may be put by another call.
    pub(super) fn is_put(&self) {
        self.put.store(true, Ordering::Relaxed);
    }

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
    /// Starting this process of the executor.
    Start(String),
    /// Writing to this process of the executor.
    Write(String),
}

impl Subject {
    /// How well an action of the executor fits; 0: not at all. Files may be named there by where a link leads.
    fn fits(&self, asked: &ApprovalParams) -> u8 {
        let action = &asked.action;
        let named = || {
            let paths = action["paths"].as_array().into_iter().flatten();
            paths.filter_map(|path| path["path"].as_str())
        };
        let is_named = |path: &AbsPath| named().any(|name| path.as_path() == name);
        match (self, action["kind"].as_str()) {
            (Subject::Start(process), Some("process-start")) => {
                3 * u8::from(asked.process_id.as_ref() == Some(process))
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
    /// Questions that have come to it and have no answer yet.
    unanswered: usize,
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
            unanswered: 0,
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

    /// The call that is to put a question about this, by its number: of those that fit best the one with the fewest, and of these the first.
    fn whose(&self, asked: &ApprovalParams) -> Option<(u64, mpsc::Sender<Question>)> {
        let mut open = self.open();
        let fitting = open.iter_mut().filter_map(|call| {
            let fit = call.subject.as_ref()?.fits(asked);
            (fit > 0).then_some((fit, call))
        });
        let (_, call) = fitting
            .max_by_key(|(fit, call)| (*fit, Reverse(call.unanswered), Reverse(call.number)))?;
        call.unanswered += 1;
        Some((call.number, call.questions.clone()))
    }

    fn is_answered(&self, number: u64) {
        let mut open = self.open();
        if let Some(call) = open.iter_mut().find(|call| call.number == number) {
            call.unanswered -= 1;
        }
    }

    async fn ask(&self, asked: ApprovalParams) -> ApprovalResult {
        while let Some((number, call)) = self.whose(&asked) {
            let _unanswered = Unanswered {
                calls: self,
                number,
            };
            let put = Arc::<AtomicBool>::default();
            let (answer, said) = oneshot::channel();
            let question = Question {
                asked: asked.clone(),
                answer,
                put: Arc::clone(&put),
            };
            if call.send(question).await.is_err() {
                // The call has been given up, and its work is about to hear of that.
                self.open().retain(|call| call.number != number);
                continue;
            }
            match said.await {
                Ok(said) => return said,
                Err(_) if put.load(Ordering::Relaxed) => break,
                // The call has ended without it: it was another one's.
                Err(_) => {}
            }
        }
        ApprovalResult {
            decision: ApprovalDecision::Deny,
            reason: Some("the call that it is about was given up".to_owned()),
        }
    }
}

/// A question on its way, also if it is withdrawn.
struct Unanswered<'a> {
    calls: &'a Calls,
    number: u64,
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        self.calls.is_answered(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

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
            process_id: None,
            expires_in_ms: 1_000,
        }
    }

    fn start(process: Option<&str>) -> ApprovalParams {
        let action = json!({"kind": "process-start", "argv": ["ls"], "cwd": "/w"});
        ApprovalParams {
            process_id: process.map(str::to_owned),
            ..question(action)
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
        run.about(Subject::Start("p-1".into()));
        let file = |name: &str| json!({"kind": "file", "verb": "read", "paths": [{"path": name, "access": "read"}]});
        for (asked, mine) in [
            (question(file("/w/a")), &mut of_read),
            (question(file("/w/b")), &mut of_search),
            (start(Some("p-1")), &mut of_run),
        ] {
            let calls = Arc::clone(&desk.0);
            let asked = tokio::spawn(async move { calls.ask(asked).await });
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
        run.about(Subject::Start("p-1".into()));
        // Also one that does not say which process it is about.
        for process in [Some("p-2"), None] {
            let said = desk.0.ask(start(process)).await;
            assert_eq!(said.decision, ApprovalDecision::Deny);
        }
        drop((run, of_run));
        let said = desk.0.ask(start(Some("p-1"))).await;
        assert_eq!(said.decision, ApprovalDecision::Deny);
    }

    #[tokio::test]
    async fn of_equal_commands_each_gets_its_own_question_in_whatever_order_they_come() {
        let desk = Desk::default();
        let (one, mut of_one) = desk.seat();
        let (other, mut of_other) = desk.seat();
        one.about(Subject::Start("p-1".into()));
        other.about(Subject::Start("p-2".into()));
        let calls = Arc::clone(&desk.0);
        let second = tokio::spawn(async move { calls.ask(start(Some("p-2"))).await.decision });
        let question = of_other.recv().await.expect("its own");
        question.answer(Said::Allow);
        assert_eq!(second.await.expect("no panic"), ApprovalDecision::Allow);
        assert!(of_one.try_recv().is_err());
        // A call that is gone leaves its question to nobody else.
        let calls = Arc::clone(&desk.0);
        let left = tokio::spawn(async move { calls.ask(start(Some("p-1"))).await.decision });
        while of_one.is_empty() {
            tokio::task::yield_now().await;
        }
        drop((one, of_one));
        assert_eq!(left.await.expect("no panic"), ApprovalDecision::Deny);
        assert!(of_other.try_recv().is_err());
    }

    #[tokio::test]
    async fn calls_about_the_same_get_a_question_each_and_one_that_is_left_behind_moves_on() {
        let desk = Desk::default();
        let (one, mut of_one) = desk.seat();
        let (other, mut of_other) = desk.seat();
        one.about(Subject::Paths(vec![path("/w/a")]));
        other.about(Subject::Paths(vec![path("/w/a")]));
        let ask = || {
            let calls = Arc::clone(&desk.0);
            let action = json!({"kind": "file", "verb": "read", "paths": [{"path": "/w/a"}]});
            tokio::spawn(async move { calls.ask(question(action)).await.decision })
        };
        let first = ask();
        let question = of_one.recv().await.expect("the first one's");
        let second = ask();
        of_other
            .recv()
            .await
            .expect("the other's")
            .answer(Said::Allow);
        assert_eq!(second.await.expect("no panic"), ApprovalDecision::Allow);
        question.answer(Said::Allow);
        assert_eq!(first.await.expect("no panic"), ApprovalDecision::Allow);
        // A call that ends with a question that it has not put: another one puts it.
        let left = ask();
        while of_one.is_empty() {
            tokio::task::yield_now().await;
        }
        drop((one, of_one));
        let question = of_other.recv().await.expect("what was left behind");
        // And one that was put, and not answered, is a no.
        question.is_put();
        drop(question);
        assert_eq!(left.await.expect("no panic"), ApprovalDecision::Deny);
    }
}
