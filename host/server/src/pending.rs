//! An answer that is still owed. Whatever happens to the work, it is given: a handler that panics or
//! is dropped answers with an internal error instead of leaving its client to wait.

use std::sync::Arc;

use lockgate_wire::{Id, code, error, response};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;

use crate::failure::Failure;
use crate::outbox::{Outbox, Parked, Reply};

/// The duty to answer one request.
pub(crate) struct Pending {
    id: Id,
    outbox: Arc<Outbox>,
    /// What the request keeps in memory until it is answered.
    bytes: usize,
    answered: bool,
}

impl Pending {
    pub(crate) fn new(id: Id, bytes: usize, outbox: Arc<Outbox>) -> Pending {
        outbox.hold(bytes);
        Pending {
            id,
            outbox,
            bytes,
            answered: false,
        }
    }

    pub(crate) fn id(&self) -> &Id {
        &self.id
    }

    /// Where the answer goes; closed when nobody waits for it any more.
    pub(crate) fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }

    /// The request waits for somebody's answer: see [`Outbox::park`].
    pub(crate) fn park(&self) -> Result<Parked, Failure> {
        self.outbox.park(self.bytes)
    }

    /// Returns when the connection is gone.
    pub(crate) async fn moot(&self) {
        self.outbox.closed().await;
    }

    pub(crate) fn finish<T: Serialize>(self, outcome: Result<T, Failure>) {
        match outcome {
            Ok(result) => {
                let text = response(&self.id, &result);
                self.send(text, None);
            }
            Err(failure) => self.fail(&failure),
        }
    }

    pub(crate) fn fail(self, failure: &Failure) {
        let text = error(Some(&self.id), failure.code, &failure.message);
        self.send(text, None);
    }

    /// Gives an answer that is encoded already.
    pub(crate) fn send(mut self, text: String, share: Option<OwnedSemaphorePermit>) {
        self.answer(Reply::new(text, share));
    }

    fn answer(&mut self, reply: Reply) {
        self.answered = true;
        self.outbox.let_go(self.bytes);
        self.outbox.reply(reply);
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.answered {
            let message = "internal error: the request was dropped before it was answered";
            let text = error(Some(&self.id), code::INTERNAL, message);
            self.answer(Reply::new(text, None));
        }
    }
}
