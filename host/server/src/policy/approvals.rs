//! Asking somebody at the client's end (`lockgate/approval/request`): the one request that the server makes.
//!
//! A question is out until it is answered, until its time is over, or until nobody needs it any more: the request was given up, the
//! connection is gone. An answer that crosses with the end of its question is ignored; one to a question that was never put breaks the protocol.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lockgate_policy_gate::{Action, Consent};
use lockgate_wire::lockgate::approval::{
    ApprovalDecision, ApprovalParams, ApprovalResult, ApprovalWithdrawn,
};
use lockgate_wire::{Id, notify, server_request};
use tokio::sync::oneshot;

use super::guard::beginning;
use crate::limits;
use crate::outbox::Outbox;

/// The questions of one connection.
pub(crate) struct Approvals {
    outbox: Arc<Outbox>,
    /// The client has said that it answers.
    possible: AtomicBool,
    asked: Mutex<Asked>,
}

#[derive(Default)]
struct Asked {
    /// Of the last question.
    number: u64,
    out: HashMap<u64, oneshot::Sender<Said>>,
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Agreed,
    /// Somebody said no, perhaps why.
    Refused(Option<String>),
    /// The client answered with an error, or with something that is no answer.
    NoAnswer(String),
    /// Nobody did for so long.
    Nobody(Duration),
    /// The client has not announced that it answers.
    NobodyToAsk,
    /// Too many questions are out already.
    TooMany,
    /// The connection is gone.
    Gone,
}

impl Said {
    /// Who said it, for the decision log.
    pub(crate) fn by(&self) -> &'static str {
        match self {
            Said::Agreed | Said::Refused(_) => "client",
            Said::NoAnswer(_) => "nobody: the client gave no answer",
            Said::Nobody(_) => "nobody: it took too long",
            Said::NobodyToAsk => "nobody: the client cannot ask anybody",
            Said::TooMany => "nobody: too many questions are waiting",
            Said::Gone => "nobody: the connection is gone",
        }
    }
}

impl Approvals {
    /// Nobody can be asked yet.
    pub(crate) fn new(outbox: Arc<Outbox>) -> Arc<Approvals> {
        Arc::new(Approvals {
            outbox,
            possible: AtomicBool::new(false),
            asked: Mutex::default(),
        })
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the client said of itself.
    pub(crate) fn announced(&self, possible: bool) {
        self.possible.store(possible, Ordering::Release);
    }

    pub(crate) fn is_possible(&self) -> bool {
        self.possible.load(Ordering::Acquire)
    }

    /// Puts a question, which `request` waits for, and waits for what comes of it. Dropped, the question is withdrawn.
    pub(crate) async fn ask(
        &self,
        action: &Action,
        request: Option<&Id>,
        to: &Consent,
        patience: Duration,
    ) -> Said {
        if !self.is_possible() {
            return Said::NobodyToAsk;
        }
        let Some((out, mut answer)) = self.take() else {
            return Said::TooMany;
        };
        let approval_id = name(out.number);
        let params = ApprovalParams {
            approval_id: approval_id.clone(),
            policy: to.policy.clone(),
            rule: to.rule.clone(),
            prompt: to.prompt.clone(),
            action: serde_json::to_value(action).unwrap_or_default(),
            request_id: request.cloned(),
            expires_in_ms: u64::try_from(patience.as_millis()).unwrap_or(u64::MAX),
        };
        let id = Id::String(approval_id.into());
        match lockgate_wire::request(&id, server_request::LOCKGATE_APPROVAL, &params) {
            Ok(text) => self.outbox.ask(text),
            Err(error) => return Said::NoAnswer(error.to_string()),
        }
        tokio::select! {
            said = &mut answer => said.unwrap_or(Said::Gone),
            () = tokio::time::sleep(patience) => Said::Nobody(patience),
            () = self.outbox.closed() => Said::Gone,
        }
    }

    fn take(&self) -> Option<(Out<'_>, oneshot::Receiver<Said>)> {
        let mut asked = self.asked();
        if asked.out.len() >= limits::APPROVALS {
            return None;
        }
        asked.number += 1;
        let (tell, told) = oneshot::channel();
        let number = asked.number;
        asked.out.insert(number, tell);
        let out = Out {
            approvals: self,
            number,
        };
        Some((out, told))
    }

    /// The client's answer, or its error. False if nothing of that name was ever asked.
    pub(crate) fn answered(&self, id: &Id, answer: Result<&str, &str>) -> bool {
        let Some(number) = number(id) else {
            return false;
        };
        let waiting = {
            let mut asked = self.asked();
            if number == 0 || number > asked.number {
                return false;
            }
            asked.out.remove(&number)
        };
        if let Some(waiting) = waiting {
            // Whoever asked may be gone this very moment.
            let _ = waiting.send(said(answer));
        }
        true
    }
}

fn said(answer: Result<&str, &str>) -> Said {
    let result = match answer {
        Ok(result) => result,
        Err(message) => return Said::NoAnswer(bounded(message)),
    };
    match serde_json::from_str::<ApprovalResult>(result) {
        Ok(result) => match result.decision {
            ApprovalDecision::Allow => Said::Agreed,
            ApprovalDecision::Deny => Said::Refused(result.reason.as_deref().map(bounded)),
        },
        Err(error) => Said::NoAnswer(bounded(&error.to_string())),
    }
}

fn bounded(text: &str) -> String {
    beginning(text, limits::APPROVAL_REASON_BYTES).to_owned()
}

/// The questions' names are not the numbers that clients give their own requests.
fn name(number: u64) -> String {
    format!("approval-{number}")
}

fn number(id: &Id) -> Option<u64> {
    match id {
        Id::String(text) => {
            let number = text.strip_prefix("approval-")?.parse().ok()?;
            (name(number) == **text).then_some(number)
        }
        Id::Number(_) => None,
    }
}

/// A question that is out.
struct Out<'a> {
    approvals: &'a Approvals,
    number: u64,
}

impl Drop for Out<'_> {
    fn drop(&mut self) {
        let unanswered = self.approvals.asked().out.remove(&self.number).is_some();
        if unanswered {
            let withdrawn = ApprovalWithdrawn {
                approval_id: name(self.number),
            };
            let text = lockgate_wire::notification(notify::LOCKGATE_APPROVAL_WITHDRAWN, &withdrawn);
            self.approvals.outbox.ask(text);
        }
    }
}
