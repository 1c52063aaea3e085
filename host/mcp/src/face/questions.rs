//! Questions of the executor's policies, on their way to the tool call that made them come up.
//!
//! The executor says which request a question is about, and each call makes its requests through a handle of the session's connection that has an
//! approver of its own: so a question comes to its call and to no other, whatever else is equal. The call then puts it to its client: only in a call
//! may a server of MCP ask.

use std::sync::Arc;
use std::time::Duration;

use lockgate_client::{ApprovalDecision, ApprovalParams, ApprovalResult, Approver};
use tokio::sync::{mpsc, oneshot};

use super::deed::Brought;
use super::limits;

/// One question, and the way back. One that is dropped was not agreed to.
pub(super) struct Question {
    /// As the executor put it.
    pub(super) asked: ApprovalParams,
    /// What its call brings along.
    pub(super) brought: Option<Arc<Brought>>,
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
            Said::Deny(reason) => denied(reason),
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

/// Where a call's questions come from: the approver of all that it asks the executor for.
#[derive(Clone)]
pub(super) struct Asker {
    questions: mpsc::Sender<Question>,
    brought: Option<Arc<Brought>>,
}

impl Asker {
    /// That of one call, and what comes to it.
    pub(super) fn of_call() -> (Asker, mpsc::Receiver<Question>) {
        // A call makes one request of the executor at a time, but a search makes some.
        let (questions, receiver) = mpsc::channel(limits::SEARCHED_AT_ONCE);
        let asker = Asker {
            questions,
            brought: None,
        };
        (asker, receiver)
    }

    /// The same, for what brings that along.
    pub(super) fn with(&self, brought: Brought) -> Asker {
        Asker {
            questions: self.questions.clone(),
            brought: Some(Arc::new(brought)),
        }
    }

    /// For a handle of the connection.
    pub(super) fn approver(&self) -> Approver {
        let asker = self.clone();
        Approver::new(move |asked| {
            let asker = asker.clone();
            async move { asker.ask(asked).await }
        })
    }

    async fn ask(&self, asked: ApprovalParams) -> ApprovalResult {
        let (answer, said) = oneshot::channel();
        let question = Question {
            asked,
            brought: self.brought.clone(),
            answer,
        };
        // Fails where the call is over, and drops the question.
        let _ = self.questions.send(question).await;
        said.await
            .unwrap_or_else(|_| denied("the call that it is about was given up".to_owned()))
    }
}

/// Of a session's connection: what comes there belongs to no call.
pub(super) fn of_no_call() -> Approver {
    Approver::denying(
        "this executor does not say which request its question is about, so there is no telling whose client is to be asked; use one of this \
         version, or have the policy decide without asking",
    )
}

/// Of looks that only serve to say more about something else: nobody is to be asked about one deed twice.
pub(super) fn of_a_look() -> Approver {
    Approver::denying(
        "this look only serves to say more about another request, and nobody is asked about it",
    )
}

fn denied(reason: String) -> ApprovalResult {
    ApprovalResult {
        decision: ApprovalDecision::Deny,
        reason: Some(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question() -> ApprovalParams {
        ApprovalParams {
            approval_id: "a".into(),
            policy: None,
            rule: None,
            prompt: "?".into(),
            action: serde_json::json!({"kind": "process-start", "argv": ["ls"], "cwd": "/w"}),
            request_id: None,
            expires_in_ms: 1_000,
        }
    }

    #[tokio::test]
    async fn a_question_of_a_call_that_is_gone_is_denied_whether_it_was_taken_up_or_not() {
        let (asker, mut questions) = Asker::of_call();
        let asker = Arc::new(asker);
        let ask = || {
            let asker = Arc::clone(&asker);
            tokio::spawn(async move { asker.ask(question()).await.decision })
        };
        let (taken, left) = (ask(), ask());
        drop(questions.recv().await.expect("a question"));
        while questions.is_empty() && !(taken.is_finished() && left.is_finished()) {
            tokio::task::yield_now().await;
        }
        drop(questions);
        let late = ask();
        for asked in [taken, left, late] {
            assert_eq!(asked.await.expect("no panic"), ApprovalDecision::Deny);
        }
    }
}
