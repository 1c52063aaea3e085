//! What waits to be written to a child's stdin: bounded in number and in bytes, in order, and waited for by nobody but its writer. A child
//! that never reads holds up only those who write to it. What the pipe takes at once is written at once, by the writer itself: the echo of a
//! keystroke should not wait for another task.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

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
    /// What is in the queue or being written from it.
    queued: Arc<AtomicUsize>,
    /// Gone when the task has closed it.
    fd: Weak<AsyncFd<OwnedFd>>,
    written: Arc<Written>,
    closed: AtomicBool,
    tty: bool,
}

/// The draining end, held by the process's task.
pub(crate) struct Pending {
    queue: mpsc::Receiver<Input>,
    queued: Arc<AtomicUsize>,
    fd: Arc<AsyncFd<OwnedFd>>,
    written: Arc<Written>,
    tty: bool,
}

pub(crate) fn queue(
    fd: Arc<AsyncFd<OwnedFd>>,
    written: Arc<Written>,
    tty: bool,
) -> (Stdin, Pending) {
    let (sender, receiver) = mpsc::channel(STDIN_QUEUE);
    let queued = Arc::<AtomicUsize>::default();
    let stdin = Stdin {
        turn: Mutex::new(()),
        queue: sender,
        budget: Arc::new(Semaphore::new(STDIN_QUEUE_BYTES)),
        queued: Arc::clone(&queued),
        fd: Arc::downgrade(&fd),
        written: Arc::clone(&written),
        closed: AtomicBool::new(false),
        tty,
    };
    (
        stdin,
        Pending {
            queue: receiver,
            queued,
            fd,
            written,
            tty,
        },
    )
}

impl Stdin {
    pub(crate) async fn write(&self, mut data: Vec<u8>) -> Result<(), WriteError> {
        let _turn = self.turn.lock().await;
        if self.closed.load(Ordering::Acquire) {
            return Err(WriteError::Closed);
        }
        let taken = self.write_now(&data);
        if taken == data.len() {
            return Ok(());
        }
        data.drain(..taken);
        let share = data.len().min(STDIN_QUEUE_BYTES) as u32;
        let budget = tokio::select! {
            budget = Arc::clone(&self.budget).acquire_many_owned(share) => budget.map_err(|_| WriteError::Gone)?,
            () = self.queue.closed() => return Err(WriteError::Gone),
        };
        self.enqueue(Input::Bytes(data, budget)).await
    }

    /// How many bytes could be written on the spot: none when others wait before them, or when that fails (the task meets the same
    /// failure and tells it).
    fn write_now(&self, data: &[u8]) -> usize {
        if self.queued.load(Ordering::Acquire) > 0 {
            return 0;
        }
        let Some(fd) = self.fd.upgrade() else {
            return 0;
        };
        let taken = rustix::io::write(fd.get_ref(), data).unwrap_or(0);
        if taken > 0 {
            self.written.tell();
        }
        taken
    }

    async fn enqueue(&self, input: Input) -> Result<(), WriteError> {
        let room = self.queue.reserve().await.map_err(|_| WriteError::Gone)?;
        self.queued.fetch_add(1, Ordering::AcqRel);
        room.send(input);
        Ok(())
    }

    pub(crate) async fn close(&self) -> Result<(), WriteError> {
        let _turn = self.turn.lock().await;
        if self.closed.load(Ordering::Acquire) {
            return Ok(());
        }
        self.enqueue(Input::Close).await?;
        self.closed.store(!self.tty, Ordering::Release);
        Ok(())
    }
}

impl Pending {
    /// Writes what comes until stdin is closed or nobody reads it any more. Each write is told to `written`.
    pub(crate) async fn drain(mut self) {
        let (fd, written) = (&self.fd, &self.written);
        while let Some(input) = self.queue.recv().await {
            let result = match input {
                Input::Bytes(data, _budget) => write_all(fd, &data, written).await,
                Input::Close if self.tty => match terminal::end_of_file(fd.get_ref()) {
                    Some(code) => write_all(fd, &[code], written).await,
                    None => Ok(()),
                },
                Input::Close => return,
            };
            if result.is_err() {
                return;
            }
            self.queued.fetch_sub(1, Ordering::AcqRel);
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
