//! skeleton

use std::io;
use std::sync::Arc;

use crate::error::WriteError;
use crate::log::OutputLog;
use crate::signal::Signal;

/// A running or ended process. Dropping the last one before it is closed ends it as [`Process::kill_tree`] does; see also [`Group`].
pub struct Process {
    id: u64,
    pid: u32,
    log: Arc<OutputLog>,
    group: Arc<Group>,
}

impl Process {
    /// Unique among all processes of this server's life; what [`crate::Observer`] is told.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The operating system's number. It may be given to another process once this one has ended.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// What it wrote, and how it ended.
    pub fn log(&self) -> &Arc<OutputLog> {
        &self.log
    }

    /// Whether it has a terminal.
    pub fn is_tty(&self) -> bool {
        false
    }

    /// Whether it was started with a terminal or a pipe for stdin (even if that is closed by now). If not, a write is `stdinClosed`.
    pub fn accepts_stdin(&self) -> bool {
        false
    }

    /// Queues bytes for stdin, in the order in which these futures are first polled. Waits while the queue is full
    /// (128 writes or 8 MiB, [`crate::limits`]); dropped while waiting, nothing is written. Nothing else waits behind it.
    pub async fn write(&self, data: Vec<u8>) -> Result<(), WriteError> {
        let _ = data;
        Err(WriteError::Closed)
    }

    /// Closes stdin behind what is queued. A terminal cannot be closed from this side: there the end-of-file character is typed, and
    /// writes go on being accepted. Waits like [`Process::write`].
    pub async fn close_stdin(&self) -> Result<(), WriteError> {
        Err(WriteError::Closed)
    }

    /// Changes the terminal's size; the foreground process gets SIGWINCH. A zero is taken as the default. Fails with `Unsupported` without a terminal;
    /// does nothing when it is closed.
    pub fn resize(&self, rows: u16, cols: u16) -> io::Result<()> {
        let _ = (rows, cols);
        Ok(())
    }

    /// Sends a signal to the process group; `Ok` also when nothing is left of it.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        self.group.signal(signal)
    }

    /// Kills the process group at once and stops waiting for its pipes: the exit is reported as -1 and close follows, even if something that left the
    /// group still holds them. True if it was running; false, and nothing done, if its exit is known already.
    pub fn terminate(&self) -> bool {
        false
    }

    /// Kills everything that is left of it: the group, and below the process also what left the group (`setsid`). Reported like
    /// [`Process::terminate`] if it was still running. For the end of a session.
    pub fn kill_tree(&self) {
        self.group.kill();
    }

    /// What must not outlive the session. Keep it when a closed process is forgotten (30 s after close) but its group lives on
    /// (`server &` in a command), see [`Group::is_alive`].
    pub fn group(&self) -> Arc<Group> {
        Arc::clone(&self.group)
    }
}

/// The process group of one process, the process itself included. Lives longer than the process when that left something running in the
/// background. Dropping the last one kills what is left of it. A number that the system has given away again is never signalled.
pub struct Group {}

impl Group {
    /// Whether anything of it is still running.
    pub fn is_alive(&self) -> bool {
        false
    }

    /// Sends a signal to all of it; `Ok` also when nothing is left.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let _ = signal.raw();
        Ok(())
    }

    /// Kills all of it, and below a process that still runs also what left the group.
    pub fn kill(&self) {}
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}
