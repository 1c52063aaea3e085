//! Questions of the executor's policies (`lockgate/approval/request`), for clients that can put them to somebody.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use lockgate_wire::lockgate::approval::{
    ApprovalDecision, ApprovalParams, ApprovalResult, ApprovalWithdrawn,
};
use lockgate_wire::{Id, code};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::limits;

/// Answers the executor's questions. Given to a connection, it is announced in the handshake, and policies may ask instead of denying.
#[derive(Clone)]
pub struct Approver(Arc<Put>);

/// Puts one question.
type Put = dyn Fn(ApprovalParams) -> Answering + Send + Sync;

/// What was said. Dropped when the question is withdrawn or the connection ends.
type Answering = Pin<Box<dyn Future<Output = ApprovalResult> + Send>>;

impl Approver {
    /// `ask` puts a question to somebody, or decides itself. Several may be out at once. One that panics has not agreed, and harms nothing else.
    pub fn new<F, A>(ask: F) -> Approver
    where
        F: Fn(ApprovalParams) -> A + Send + Sync + 'static,
        A: Future<Output = ApprovalResult> + Send + 'static,
    {
        Approver(Arc::new(move |question| Box::pin(ask(question))))
    }

    /// Asks nobody, and denies with that reason.
    pub fn denying(reason: impl Into<String>) -> Approver {
        let reason = reason.into();
        Approver::new(move |_| {
            std::future::ready(ApprovalResult {
                decision: ApprovalDecision::Deny,
                reason: Some(reason.clone()),
            })
        })
    }
}

impl fmt::Debug for Approver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Approver")
    }
}

/// The questions that are out on one link, and whom they are for.
pub(crate) struct Approvals {
    /// Of the connection.
    approver: Option<Approver>,
    /// Of calls that have one of their own and no answer yet.
    of_calls: Mutex<HashMap<i64, Approver>>,
    out: Arc<Mutex<Questions>>,
}

#[derive(Default)]
struct Questions {
    /// Of the last one, over all links.
    number: u64,
    by_name: HashMap<String, Out>,
}

/// A question that is out.
struct Out {
    number: u64,
    /// Of the request.
    id: Id,
    task: AbortHandle,
}

/// Why a question is not put.
pub(crate) enum Unput {
    /// The answer that says so.
    Refused(String),
    /// One of this id is out already, and an answer would be to both.
    Reused,
}

impl Approvals {
    pub(crate) fn new(approver: Option<Approver>) -> Approvals {
        Approvals {
            approver,
            of_calls: Mutex::default(),
            out: Arc::default(),
        }
    }

    /// A call has an approver of its own.
    pub(crate) fn begin(&self, call: i64, approver: &Approver) {
        lock(&self.of_calls).insert(call, approver.clone());
    }

    /// Nobody waits for the answer to that call any more. It is on its way all the same, and may still be asked about.
    pub(crate) fn give_up(&self, call: i64) {
        if let Some(approver) = lock(&self.of_calls).get_mut(&call) {
            *approver = Approver::denying("the call that it is about was given up");
        }
    }

    /// That call was answered, or never sent.
    pub(crate) fn is_over(&self, call: i64) {
        lock(&self.of_calls).remove(&call);
    }

    /// Who is to answer this.
    fn approver_for(&self, question: &ApprovalParams) -> Option<Approver> {
        if let Some(Id::Number(call)) = question.request_id
            && let Some(of_call) = lock(&self.of_calls).get(&call)
        {
            return Some(of_call.clone());
        }
        self.approver.clone()
    }

    /// Puts a question, and sends what was said to `replies`, which are of the link that it came on.
    pub(crate) fn put(
        &self,
        id: Id,
        question: ApprovalParams,
        replies: mpsc::WeakSender<String>,
    ) -> Result<(), Unput> {
        let refused =
            |code, text: &str| Unput::Refused(lockgate_wire::error(Some(&id), code, text));
        let Some(Approver(put)) = self.approver_for(&question) else {
            let text = "this client can put questions to nobody";
            return Err(refused(code::METHOD_NOT_FOUND, text));
        };
        let mut out = lock(&self.out);
        if out.by_name.values().any(|other| other.id == id) {
            return Err(Unput::Reused);
        }
        if out.by_name.len() >= limits::APPROVALS {
            let text = format!("at most {} questions may be out at once", limits::APPROVALS);
            return Err(refused(code::INVALID_REQUEST, &text));
        }
        out.number += 1;
        let number = out.number;
        let name = question.approval_id.clone();
        let (all, of, to) = (Arc::clone(&self.out), name.clone(), id.clone());
        let task = tokio::spawn(async move {
            // Asked here and not where the question came: whoever is asked may take their time, and may fail altogether.
            let asking = AssertUnwindSafe(async move { put(question).await });
            let text = match asking.catch_unwind().await {
                Ok(answer) => lockgate_wire::response(&to, &answer),
                Err(_) => {
                    let text = "whoever was asked has failed";
                    lockgate_wire::error(Some(&to), code::INTERNAL, text)
                }
            };
            lock(&all).settle(&of, number);
            if let Some(replies) = replies.upgrade() {
                // Fails where the link is gone, and needs no answer.
                let _ = replies.send(text).await;
            }
        });
        let task = task.abort_handle();
        if let Some(other) = out.by_name.insert(name, Out { number, id, task }) {
            // Two of one name: the server has given the first one up.
            other.task.abort();
        }
        Ok(())
    }

    /// Nobody needs an answer any more.
    pub(crate) fn withdraw(&self, withdrawn: &ApprovalWithdrawn) {
        if let Some(out) = lock(&self.out).by_name.remove(&withdrawn.approval_id) {
            out.task.abort();
        }
    }

    /// The link is gone.
    pub(crate) fn end(&self) {
        lock(&self.of_calls).clear();
        for (_, out) in lock(&self.out).by_name.drain() {
            out.task.abort();
        }
    }
}

impl Questions {
    /// That one is answered, if it is not another one of its name by now: servers may begin their names anew on each link.
    fn settle(&mut self, name: &str, number: u64) {
        if self
            .by_name
            .get(name)
            .is_some_and(|out| out.number == number)
        {
            self.by_name.remove(name);
        }
    }
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}
