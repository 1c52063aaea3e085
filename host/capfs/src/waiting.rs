//! Files for asynchronous code: calls that run on [`Workers`], to be awaited on any runtime or none.
//!
//! There is one way to call, not a second copy of every operation: what is handed over is the call itself, so whatever [`Files`] can do can be
//! awaited, and several calls that belong together cost one hop.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_channel::oneshot::{self, Receiver};

use crate::files::Files;
use crate::operation::FsError;
use crate::workers::{NotDone, Patience, Workers};

/// [`Files`] that are waited for without holding a thread.
#[derive(Clone, Debug)]
pub struct WaitingFiles {
    files: Files,
    workers: Workers,
    patience: Patience,
}

impl Files {
    /// These files for asynchronous code. `patience` is how long a call may take before it is given up; [`Times::patience`](crate::Times)
    /// is what fits the gate's own times.
    pub fn waiting(self, workers: &Workers, patience: Patience) -> WaitingFiles {
        WaitingFiles {
            files: self,
            workers: workers.clone(),
            patience,
        }
    }
}

impl WaitingFiles {
    /// Runs a call that changes nothing. It begins now, and goes on when the future is dropped; what comes of it is dropped then.
    pub fn look<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Files) -> Result<T, FsError> + Send + 'static,
    ) -> Answer<T> {
        self.begin(self.patience, call)
    }

    /// Runs a call that changes something. When it is given up, the error says that the change may still happen.
    pub fn change<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Files) -> Result<T, FsError> + Send + 'static,
    ) -> Answer<T> {
        self.begin(self.patience.for_a_change(), call)
    }

    fn begin<T: Send + 'static>(
        &self,
        patience: Patience,
        call: impl FnOnce(&Files) -> Result<T, FsError> + Send + 'static,
    ) -> Answer<T> {
        let files = self.files.clone();
        let (told, outcome) = oneshot::channel();
        let done = move |outcome: Result<Result<T, FsError>, NotDone>| {
            // Nobody waits any more where this fails.
            let _ = told.send(outcome);
        };
        self.workers.run(patience, move || call(&files), done);
        Answer(outcome)
    }
}

/// What will come of a call. Needs no runtime; dropping it takes nothing back.
#[derive(Debug)]
pub struct Answer<T>(Receiver<Result<Result<T, FsError>, NotDone>>);

impl<T> Future for Answer<T> {
    type Output = Result<T, FsError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|told| match told {
            Ok(outcome) => outcome?,
            // What tells is always called; it can only have panicked.
            Err(_) => Err(NotDone::Panicked.into()),
        })
    }
}
