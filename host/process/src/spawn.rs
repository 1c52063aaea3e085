//! skeleton

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::error::SpawnError;
use crate::process::Process;

/// What to start.
#[derive(Clone, Debug)]
pub struct Spawn {
    /// The program and its arguments. A name without `/` is looked for in the child's PATH, one with `/` relative to `cwd`. No shell.
    pub argv: Vec<OsString>,
    /// What the child sees as argv\[0\], if not the program's name. Never what is run.
    pub arg0: Option<OsString>,
    /// Where it runs: absolute, an existing directory, not a name for an open descriptor.
    pub cwd: PathBuf,
    /// Its whole environment; nothing is inherited. See [`crate::environment::build`].
    pub env: Vec<(OsString, OsString)>,
    /// What descriptors 0, 1 and 2 are.
    pub stdio: Stdio,
}

/// The child's descriptors 0, 1 and 2; it has no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stdio {
    /// A terminal of this size, which becomes the controlling terminal. A zero is taken as the default (24 x 80).
    Tty {
        /// Lines.
        rows: u16,
        /// Columns.
        cols: u16,
    },
    /// Pipes for stdout and stderr.
    Pipes {
        /// A pipe for stdin too; otherwise it is `/dev/null`.
        stdin: bool,
    },
}

/// Starts processes. One per server; cheap to clone.
#[derive(Clone, Debug)]
pub struct Engine {
    support: Support,
}

/// What this kernel offers, for `lockgate doctor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Support {
    /// pidfd_open (Linux 5.3). Without: exits are noticed by SIGCHLD.
    pub pidfd: bool,
    /// Signals to a group through a pidfd (Linux 6.9). Without: an exited leader stays a zombie as long as its group lives, so that its number is not given away.
    pub group_pidfd: bool,
    /// `/proc/PID/task/TID/children`. Without: descendants are found by scanning /proc.
    pub children: bool,
}

impl fmt::Display for Support {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let yes = |have| if have { "yes" } else { "no" };
        write!(
            f,
            "pidfd {}, group signals by pidfd {}, /proc children {}",
            yes(self.pidfd),
            yes(self.group_pidfd),
            yes(self.children)
        )
    }
}

impl Default for Engine {
    fn default() -> Engine {
        Engine::new()
    }
}

impl Engine {
    /// Looks at what the kernel offers.
    pub fn new() -> Engine {
        Engine {
            support: Support {
                pidfd: true,
                group_pidfd: true,
                children: true,
            },
        }
    }

    /// What was found.
    pub fn support(&self) -> Support {
        self.support
    }

    /// Starts a process. Blocks for about a millisecond, however large the server is: call it from a blocking thread. A tokio runtime
    /// (with I/O and time enabled) must be entered; the task that serves the process runs there.
    pub fn spawn(&self, spawn: Spawn) -> Result<Arc<Process>, SpawnError> {
        let _ = spawn;
        Err(SpawnError::EmptyArgv)
    }
}
