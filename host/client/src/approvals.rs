//! Questions of the executor's policies (`lockgate/approval/request`), for clients that can put them to somebody.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lockgate_wire::lockgate::approval::{ApprovalParams, ApprovalResult, ApprovalWithdrawn};
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
    /// `ask` puts a question to somebody, or decides itself. Several may be out at once.
    pub fn new<F, A>(ask: F) -> Approver
    where
        F: Fn(ApprovalParams) -> A + Send + Sync + 'static,
        A: Future<Output = ApprovalResult> + Send + 'static,
    {
        Approver(Arc::new(move |question| Box::pin(ask(question))))
    }
}

impl fmt::Debug for Approver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Approver")
    }
}

/// The questions that are out on one connection.
pub(crate) struct Approvals {
    approver: Option<Approver>,
    out: Arc<Mutex<HashMap<String, AbortHandle>>>,
}

impl Approvals {
    pub(crate) fn new(approver: Option<Approver>) -> Approvals {
        Approvals {
            approver,
            out: Arc::default(),
        }
    }

    /// Puts a question, and sends what was said. The text of a refusal if it cannot be put.
    pub(crate) fn put(
        &self,
        id: Id,
        question: ApprovalParams,
        replies: mpsc::WeakSender<String>,
    ) -> Result<(), String> {
        let Some(Approver(put)) = &self.approver else {
            return Err(lockgate_wire::error(
                Some(&id),
                code::METHOD_NOT_FOUND,
                "this client can put questions to nobody",
            ));
        };
        let mut out = lock(&self.out);
        if out.len() >= limits::APPROVALS {
            let text = format!("at most {} questions may be out at once", limits::APPROVALS);
            return Err(lockgate_wire::error(
                Some(&id),
                code::INVALID_REQUEST,
                &text,
            ));
        }
        let name = question.approval_id.clone();
        let (answer, all, of) = (put(question), Arc::clone(&self.out), name.clone());
        let task = tokio::spawn(async move {
            let text = lockgate_wire::response(&id, &answer.await);
            lock(&all).remove(&of);
            if let Some(replies) = replies.upgrade() {
                // Fails where the connection is gone, and needs no answer.
                let _ = replies.send(text).await;
            }
        });
        if let Some(other) = out.insert(name, task.abort_handle()) {
            // Two of one name: the server has given the first one up.
            other.abort();
        }
        Ok(())
    }

    /// Nobody needs an answer any more.
    pub(crate) fn withdraw(&self, withdrawn: &ApprovalWithdrawn) {
        if let Some(task) = lock(&self.out).remove(&withdrawn.approval_id) {
            task.abort();
        }
    }

    /// The connection is gone.
    pub(crate) fn end(&self) {
        for (_, task) in lock(&self.out).drain() {
            task.abort();
        }
    }
}

fn lock(out: &Mutex<HashMap<String, AbortHandle>>) -> MutexGuard<'_, HashMap<String, AbortHandle>> {
    out.lock().unwrap_or_else(PoisonError::into_inner)
}
