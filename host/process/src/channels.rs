//! The descriptors between the server and a child: pipes, or a terminal. Made before the child is, so that running out of them costs nothing.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::OFlags;
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::error::SpawnError;
use crate::record::Stream;
use crate::spawn::Stdio;
use crate::supervise::Output;
use crate::sys::{self, ChildStdio};
use crate::terminal;

/// The descriptors between this process and a child that is about to be started.
pub(crate) struct Channels {
    own: Own,
    child: ChildEnds,
}

/// Our side, registered with the runtime.
pub(crate) struct Own {
    pub(crate) outputs: Vec<Output>,
    pub(crate) stdin: Option<Arc<AsyncFd<OwnedFd>>>,
    pub(crate) terminal: Option<Arc<AsyncFd<OwnedFd>>>,
}

enum ChildEnds {
    Tty(CString),
    Pipes {
        stdin: Option<OwnedFd>,
        stdout: OwnedFd,
        stderr: OwnedFd,
    },
}

impl Channels {
    pub(crate) fn open(stdio: Stdio) -> Result<Channels, SpawnError> {
        match stdio {
            Stdio::Tty { rows, cols } => {
                Channels::terminal(rows, cols).map_err(SpawnError::resource("a terminal"))
            }
            Stdio::Pipes { stdin } => Channels::pipes(stdin).map_err(SpawnError::resource("pipes")),
        }
    }

    fn terminal(rows: u16, cols: u16) -> io::Result<Channels> {
        let (master, slave) = terminal::open(rows, cols)?;
        let master = Arc::new(sys::watched(
            master,
            Interest::READABLE | Interest::WRITABLE,
        )?);
        Ok(Channels {
            own: Own {
                outputs: vec![Output {
                    stream: Stream::Pty,
                    fd: Arc::clone(&master),
                }],
                stdin: Some(Arc::clone(&master)),
                terminal: Some(master),
            },
            child: ChildEnds::Tty(slave),
        })
    }

    fn pipes(stdin: bool) -> io::Result<Channels> {
        let (stdin_own, stdin_child) = if stdin {
            let (reading, writing) = pipe_with(PipeFlags::CLOEXEC)?;
            (
                Some(Arc::new(registered(
                    writing,
                    OFlags::WRONLY,
                    Interest::WRITABLE,
                )?)),
                Some(reading),
            )
        } else {
            (None, None)
        };
        let (stdout_own, stdout) = pipe_with(PipeFlags::CLOEXEC)?;
        let (stderr_own, stderr) = pipe_with(PipeFlags::CLOEXEC)?;
        let output = |stream, fd| -> io::Result<Output> {
            let fd = Arc::new(registered(fd, OFlags::RDONLY, Interest::READABLE)?);
            Ok(Output { stream, fd })
        };
        Ok(Channels {
            own: Own {
                outputs: vec![
                    output(Stream::Stdout, stdout_own)?,
                    output(Stream::Stderr, stderr_own)?,
                ],
                stdin: stdin_own,
                terminal: None,
            },
            child: ChildEnds::Pipes {
                stdin: stdin_child,
                stdout,
                stderr,
            },
        })
    }

    pub(crate) fn child(&self) -> ChildStdio<'_> {
        match &self.child {
            ChildEnds::Tty(path) => ChildStdio::Tty(path),
            ChildEnds::Pipes {
                stdin,
                stdout,
                stderr,
            } => ChildStdio::Pipes {
                stdin: stdin.as_ref().map(AsFd::as_fd),
                stdout: stdout.as_fd(),
                stderr: stderr.as_fd(),
            },
        }
    }

    /// Closes the child's side here: its output ends when it ends.
    pub(crate) fn into_own(self) -> Own {
        self.own
    }
}

/// Only our end of the pipe becomes non-blocking: programs expect the other kind.
fn registered(fd: OwnedFd, mode: OFlags, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    rustix::fs::fcntl_setfl(&fd, mode | OFlags::NONBLOCK)?;
    sys::watched(fd, interest)
}
