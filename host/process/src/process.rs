//! One process, as its session holds it. What happens to it is done by its task ([`crate::supervise`]); this is the handle.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Weak};

use tokio::io::unix::AsyncFd;

use crate::error::WriteError;
use crate::group::{Group, Leader};
use crate::log::OutputLog;
use crate::signal::Signal;
use crate::stdin::Stdin;
use crate::supervise::Stop;
use crate::terminal;

/// A running or ended process. Dropping it before it is closed stops waiting for it, and drops its [`Group`], which kills what is left.
pub struct Process {
    pub(crate) id: u64,
    pub(crate) log: Arc<OutputLog>,
    pub(crate) leader: Arc<Leader>,
    pub(crate) group: Arc<Group>,
    pub(crate) stop: Arc<Stop>,
    pub(crate) stdin: Option<Stdin>,
    /// Weak: when the process is closed, so is its terminal.
    pub(crate) terminal: Option<Weak<AsyncFd<OwnedFd>>>,
}

impl Process {
    /// Unique among all processes of this server's life; what [`crate::Observer`] is told.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The operating system's number. It may be given to another process once this one has ended.
    pub fn pid(&self) -> u32 {
        self.leader.pid().as_raw_pid().unsigned_abs()
    }

    /// What it wrote, and how it ended.
    pub fn log(&self) -> &Arc<OutputLog> {
        &self.log
    }

    /// Whether it has a terminal.
    pub fn is_tty(&self) -> bool {
        self.terminal.is_some()
    }

    /// Whether it was started with a terminal or a pipe for stdin (even if that is closed by now). If not, a write is `stdinClosed`.
    pub fn accepts_stdin(&self) -> bool {
        self.stdin.is_some()
    }

    /// Queues bytes for stdin, in the order in which these futures are first polled. Waits while the queue is full
    /// (128 writes or 8 MiB, [`crate::limits`]); dropped while waiting, what the pipe did not take at once is not written. Nothing else waits behind it.
    pub async fn write(&self, data: Vec<u8>) -> Result<(), WriteError> {
        match &self.stdin {
            Some(stdin) => stdin.write(data).await,
            None => Err(WriteError::Closed),
        }
    }

    /// Closes stdin behind what is queued; again is fine. A terminal cannot be closed from this side: there the end-of-file
    /// character is typed, and writes go on being accepted. Waits like [`Process::write`].
    pub async fn close_stdin(&self) -> Result<(), WriteError> {
        match &self.stdin {
            Some(stdin) => stdin.close().await,
            None => Err(WriteError::Closed),
        }
    }

    /// Changes the terminal's size; the foreground process gets SIGWINCH. A zero is taken as the default. Fails with `Unsupported` without
    /// a terminal; does nothing when that is closed.
    pub fn resize(&self, rows: u16, cols: u16) -> io::Result<()> {
        let terminal = self.terminal.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        match terminal.upgrade() {
            Some(master) => terminal::resize(master.get_ref(), rows, cols),
            None => Ok(()),
        }
    }

    /// Sends a signal to the process group; `Ok` also when nothing is left of it.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        self.leader.signal(signal)
    }

    /// Kills the process group at once (with a terminal also the jobs of its session) and stops waiting for its pipes: the exit is reported
    /// as -1 and close follows, even if something that left the group still holds them. True if it was running; false, and nothing done,
    /// if its exit is known already.
    pub fn terminate(&self) -> bool {
        if self.log.exit_code().is_some() {
            return false;
        }
        self.stop.tell();
        self.leader.kill_now(self.is_tty());
        true
    }

    /// Kills everything that is left of it: the group, and below the process also what left the group (`setsid`). Reported like
    /// [`Process::terminate`] if it was still running. For the end of a session. Blocks for some hundred microseconds.
    pub fn kill_tree(&self) {
        self.stop.tell();
        self.leader.kill_tree();
    }

    /// What must not outlive the session. Keep it when a closed process is forgotten (30 s after close) but its group lives on
    /// (`server &` in a command), see [`Group::is_alive`].
    pub fn group(&self) -> Arc<Group> {
        Arc::clone(&self.group)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop.tell();
    }
}
