//! What waits to be written to a child's stdin: bounded in number and in bytes, in order, and waited for by nobody but its writer. A child
//! that never reads holds up only those who write to it.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::Errno;
use tokio::io::unix::AsyncFd;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc};

use crate::error::WriteError;
use crate::limits::{STDIN_QUEUE, STDIN_QUEUE_BYTES};
use crate::supervise::Written;
use crate::terminal;

enum Input {
    Bytes(Vec<u8>, OwnedSemaphorePermit),
    Close,
}

/// The writing end, held by the process.
pub(crate) struct Stdin {
    /// One at a time, first come first served: two writers could otherwise overtake each other between the budget and the queue.
    turn: Mutex<()>,
    queue: mpsc::Sender<Input>,
    budget: Arc<Semaphore>,
    closed: AtomicBool,
    tty: bool,
}

/// The draining end, held by the process's task.
pub(crate) struct Pending {
    queue: mpsc::Receiver<Input>,
    tty: bool,
}

pub(crate) fn queue(tty: bool) -> (Stdin, Pending) {
    let (sender, receiver) = mpsc::channel(STDIN_QUEUE);
    let stdin = Stdin {
        turn: Mutex::new(()),
        queue: sender,
        budget: Arc::new(Semaphore::new(STDIN_QUEUE_BYTES)),
        closed: AtomicBool::new(false),
        tty,
    };
    (
        stdin,
        Pending {
            queue: receiver,
            tty,
        },
    )
}

impl Stdin {
    pub(crate) async fn write(&self, data: Vec<u8>) -> Result<(), WriteError> {
        let _turn = self.turn.lock().await;
        if self.closed.load(Ordering::Acquire) {
            return Err(WriteError::Closed);
        }
        let share = data.len().min(STDIN_QUEUE_BYTES) as u32;
        let budget = tokio::select! {
            budget = Arc::clone(&self.budget).acquire_many_owned(share) => budget.map_err(|_| WriteError::Gone)?,
            () = self.queue.closed() => return Err(WriteError::Gone),
        };
        let input = Input::Bytes(data, budget);
        self.queue.send(input).await.map_err(|_| WriteError::Gone)
    }

    pub(crate) async fn close(&self) -> Result<(), WriteError> {
        let _turn = self.turn.lock().await;
        if self.closed.load(Ordering::Acquire) {
            return Ok(());
        }
        self.queue
            .send(Input::Close)
            .await
            .map_err(|_| WriteError::Gone)?;
        self.closed.store(!self.tty, Ordering::Release);
        Ok(())
    }
}

impl Pending {
    /// Writes what comes until stdin is closed or nobody reads it any more. Each write is told to `written`.
    pub(crate) async fn drain(mut self, fd: Arc<AsyncFd<OwnedFd>>, written: &Written) {
        while let Some(input) = self.queue.recv().await {
            let result = match input {
                Input::Bytes(data, _budget) => write_all(&fd, &data, written).await,
                Input::Close if self.tty => match terminal::end_of_file(fd.get_ref()) {
                    Some(code) => write_all(&fd, &[code], written).await,
                    None => Ok(()),
                },
                Input::Close => return,
            };
            if result.is_err() {
                return;
            }
        }
    }
}

async fn write_all(fd: &AsyncFd<OwnedFd>, mut data: &[u8], written: &Written) -> io::Result<()> {
    while !data.is_empty() {
        let mut ready = fd.writable().await?;
        match rustix::io::write(fd.get_ref(), data) {
            Ok(len) => {
                data = &data[len..];
                written.tell();
            }
            Err(Errno::AGAIN) => ready.clear_ready(),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
