//! The one task that serves a process: reads its output into the log, writes its stdin, waits for its end.
//!
//! Order at the end: when the exit is noticed, what the process wrote before is in the pipe already, so it is read first and the exit gets
//! the later number. What a grandchild writes afterwards follows the exit; close comes when the last of them has let go.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustix::io::Errno;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::census::Census;
use crate::group::Leader;
use crate::limits;
use crate::log::{Exceeded, OutputLog, Read};
use crate::record::Stream;
use crate::stdin::Pending;

/// Everything the task owns. When it ends, the descriptors are closed.
pub(crate) struct Supervision {
    pub(crate) log: Arc<OutputLog>,
    pub(crate) leader: Arc<Leader>,
    pub(crate) stop: Arc<Stop>,
    pub(crate) census: Arc<Census>,
    pub(crate) outputs: Vec<Output>,
    pub(crate) stdin: Option<Pending>,
    pub(crate) written: Arc<Written>,
    /// It wrote more than it may.
    pub(crate) over: Stop,
    /// When it is ended, and how long it was given.
    pub(crate) deadline: Option<(Instant, Duration)>,
}

/// A pipe's reading end, or a terminal's master.
pub(crate) struct Output {
    pub(crate) stream: Stream,
    pub(crate) fd: Arc<AsyncFd<OwnedFd>>,
}

/// Told once: do not wait for the end, make one.
#[derive(Default)]
pub(crate) struct Stop {
    told: AtomicBool,
    wake: Notify,
}

impl Stop {
    pub(crate) fn tell(&self) {
        self.told.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    pub(crate) fn is_told(&self) -> bool {
        self.told.load(Ordering::Acquire)
    }

    /// For the one task that waits.
    pub(crate) async fn told(&self) {
        while !self.told.load(Ordering::Acquire) {
            self.wake.notified().await;
        }
    }
}

/// What was written to stdin so far: what is read just after is an echo, and must not wait.
#[derive(Default)]
pub(crate) struct Written {
    count: AtomicU64,
    wake: Notify,
}

impl Written {
    pub(crate) fn tell(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.wake.notify_waiters();
    }
}

impl Supervision {
    pub(crate) async fn run(mut self) {
        let over = self.serve().await;
        if self.log.exceeded().is_some() {
            self.leader.end().await;
        }
        if !over {
            let _ = tokio::time::timeout(limits::TERMINATE_PATIENCE, self.leader.exited()).await;
            self.read_what_is_there();
            self.log.finish(-1);
        }
        let deadline = self.deadline;
        let (leader, census) = self.shut();
        // Usually so already. A process that SIGKILL does not end is waited for here, with nothing else held.
        leader.exited().await;
        if let Some((at, _)) = deadline {
            // What it left in the background has no more time than it had itself.
            let gone = async {
                leader.let_go(&census).await;
                if leader.is_alive() {
                    std::future::pending::<()>().await;
                }
            };
            if tokio::time::timeout_at(at, gone).await.is_err() {
                leader.end().await;
            }
        }
        leader.let_go(&census).await;
    }

    /// Until everything has happened (true), or nobody wants to wait for that any more (false).
    async fn serve(&mut self) -> bool {
        let stdin = self.stdin.take();
        let this = &*self;
        let write = async {
            if let Some(pending) = stdin {
                pending.drain().await;
            }
            // That nothing more can be written ends nothing.
            std::future::pending::<()>().await;
        };
        let end = async {
            let code = this.leader.exited().await;
            if let Some((_, time)) = this.deadline.filter(|_| this.leader.was_late()) {
                this.log.exceed(Exceeded::Time(time));
            }
            this.read_what_is_there();
            // The kill may be noticed here before the word of it is.
            let terminated =
                this.stop.told.load(Ordering::Acquire) || this.log.exceeded().is_some();
            this.log.set_exit(if terminated { -1 } else { code });
        };
        let late = async {
            let Some((at, time)) = this.deadline else {
                return std::future::pending().await;
            };
            tokio::time::sleep_until(at).await;
            this.log.exceed(Exceeded::Time(time));
        };
        let lost = async {
            this.leader.lost().await;
            this.log.exceed(Exceeded::Unkept);
        };
        tokio::select! {
            _ = async { tokio::join!(end, this.read_all(&this.written)) } => true,
            () = this.stop.told() => false,
            () = this.over.told() => false,
            () = late => false,
            () = lost => false,
            () = write => false,
        }
    }

    async fn read_all(&self, written: &Written) {
        match self.outputs.as_slice() {
            [one] => self.read(one, written).await,
            [one, two] => {
                tokio::join!(self.read(one, written), self.read(two, written));
            }
            _ => {}
        }
    }

    async fn read(&self, output: &Output, written: &Written) {
        let mut seen = 0;
        let mut small = 0;
        let mut full = 0;
        loop {
            self.log.pace().await;
            let Ok(mut ready) = output.fd.readable().await else {
                return;
            };
            let (read, drained) = self.read_once(output);
            // A terminal whose last user left and came back at once stays "hung up" for the poller, although there is no end yet.
            let hung_up = ready.ready().is_read_closed();
            if drained {
                ready.clear_ready();
            }
            drop(ready);
            let len = match read {
                Read::Ended => return,
                // Its end is being made.
                Read::TooMuch => std::future::pending().await,
                Read::Nothing if hung_up => {
                    tokio::time::sleep(limits::HUNG_UP_PAUSE).await;
                    continue;
                }
                Read::Nothing => continue,
                Read::Bytes(len) => len,
            };

            full = if len == limits::CHUNK_BYTES {
                full + 1
            } else {
                0
            };
            if full == limits::READS_BEFORE_YIELD {
                full = 0;
                tokio::task::yield_now().await;
            }
            let writes = written.count.load(Ordering::Relaxed);
            small = if len < limits::SMALL_READ && writes == seen {
                small + 1
            } else {
                0
            };
            seen = writes;
            if small >= limits::CHATTY_STREAK {
                let _ = tokio::time::timeout(limits::CHATTY_PAUSE, written.wake.notified()).await;
            }
        }
    }

    /// The last look at the streams that are still open. Never waits, and takes no more than a pipe holds: a grandchild may write for ever.
    fn read_what_is_there(&self) {
        for output in &self.outputs {
            let mut taken = 0;
            while let (Read::Bytes(len), false) = self.read_once(output) {
                taken += len;
                if taken >= limits::CHUNK_BYTES {
                    break;
                }
            }
        }
    }

    /// What was read, and whether there was no more.
    fn read_once(&self, output: &Output) -> (Read, bool) {
        let mut drained = false;
        let terminal = output.stream == Stream::Pty;
        let read = self.log.read(output.stream, |space| {
            let (result, empty) = fill(output.fd.get_ref(), space, terminal);
            drained = empty;
            result
        });
        if read == Read::TooMuch {
            self.over.tell();
        }
        (read, drained)
    }

    /// Closes the descriptors and forgets the output.
    fn shut(self) -> (Arc<Leader>, Arc<Census>) {
        (self.leader, self.census)
    }
}

/// One read, and whether nothing more is there now. A short read of a pipe has emptied it. A terminal gives at most a page at a time, so it is asked until it
/// has no more: a chunk per page would be a flood of chunks.
fn fill(fd: impl AsFd, space: &mut [u8], terminal: bool) -> (io::Result<usize>, bool) {
    let mut len = 0;
    loop {
        match rustix::io::read(&fd, &mut space[len..]) {
            Ok(0) => return (Ok(len), false),
            Ok(more) => {
                len += more;
                if !terminal || len == space.len() {
                    return (Ok(len), len < space.len());
                }
            }
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) if len > 0 => return (Ok(len), true),
            Err(Errno::AGAIN) => return (Err(Errno::AGAIN.into()), true),
            // EIO is how a terminal says that its last user is gone. It says it again at the next read.
            Err(_) if len > 0 => return (Ok(len), false),
            Err(error) => return (Err(error.into()), false),
        }
    }
}
