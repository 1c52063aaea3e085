//! Starting processes.

use std::ffi::{CString, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::io::Errno;
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::census::Census;
use crate::channels::{Channels, Own};
use crate::child::Child;
use crate::error::SpawnError;
use crate::group::{Group, Leader};
use crate::keeper::{self, Keepers};
use crate::log::{OutputLog, Readers};
use crate::prepared::{Prepared, Strings};
use crate::process::Process;
use crate::program;
use crate::record::Stream;
use crate::stdin;
use crate::supervise::{Stop, Supervision, Written};
use crate::support::Support;
use crate::sys::ChildStdio;

/// What to start.
#[derive(Clone)]
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
    /// What becomes of it when its output is not taken.
    pub readers: Readers,
    /// The program, where it was looked for before ([`Spawn::find`]): what was found then is what is run, whatever is there by now.
    pub program: Option<Found>,
    /// What ends it early.
    pub bounds: Bounds,
}

/// What ends a process that goes on for longer, or writes more, together with all that was ever started below it ([`keeper`]). None: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// From its start, whatever it waits for.
    pub time: Option<Duration>,
    /// Bytes of all its output. What is more than that nobody sees.
    pub output: Option<u64>,
}

/// The file that a program's name means, or why there is none.
#[derive(Clone, Debug)]
pub struct Found(Result<PathBuf, Errno>);

impl Found {
    /// Its absolute path, without `..`.
    pub fn path(&self) -> Option<&Path> {
        self.0.as_deref().ok()
    }

    pub(crate) fn result(&self) -> io::Result<PathBuf> {
        Ok(self.0.clone()?)
    }
}

impl Bounds {
    fn are_there(&self) -> bool {
        self.time.is_some() || self.output.is_some()
    }
}

impl Spawn {
    /// What [`Engine::spawn`] would refuse on any machine, whatever is there: no program, a name of a variable that is none, a NUL.
    pub fn check(&self) -> Result<(), SpawnError> {
        Strings::of(self).map(drop)
    }

    /// Looks for the program, as [`Engine::spawn`] would.
    pub fn find(&self) -> Found {
        let found = self.argv.first().map_or(Err(Errno::NOENT.into()), |name| {
            program::resolve(name, &self.cwd, &self.env).and_then(program::without_detours)
        });
        Found(found.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::NOENT)))
    }
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
    ids: Arc<AtomicU64>,
    census: Arc<Census>,
    keepers: Keepers,
}

impl Default for Engine {
    fn default() -> Engine {
        Engine::new()
    }
}

impl Engine {
    /// Looks at what the kernel offers.
    pub fn new() -> Engine {
        Engine::with(Support::of_this_kernel())
    }

    /// As if the kernel offered no more than this: for tests of the older ways.
    #[doc(hidden)]
    pub fn with(support: Support) -> Engine {
        Engine {
            support,
            ids: Arc::new(AtomicU64::new(1)),
            census: Arc::default(),
            keepers: Keepers::of_this_program(),
        }
    }

    /// With another program, by its absolute path, to be the keeper of what has bounds: for programs that are none themselves. It has to call
    /// [`keeper::run_if_asked`] before anything else, as `lockgate` does.
    pub fn kept_by(self, program: &Path) -> Result<Engine, SpawnError> {
        let program = CString::new(program.as_os_str().as_bytes());
        let program = program.map_err(|_| SpawnError::Nul { what: "the keeper" })?;
        Ok(Engine {
            keepers: Keepers::Program(program),
            ..self
        })
    }

    /// With bounds that reach only as far as they do without keepers, the process group and what is found below the process: for tests of
    /// what is made of bounds.
    #[doc(hidden)]
    pub fn unkept(self) -> Engine {
        Engine {
            keepers: Keepers::Unneeded,
            ..self
        }
    }

    /// What was found.
    pub fn support(&self) -> Support {
        self.support
    }

    /// Starts a process. Blocks for about a millisecond, a few with bounds, however large the server is: call it from a blocking thread. A tokio runtime
    /// (with I/O and time enabled) must be entered; the task that serves the process runs there.
    pub fn spawn(&self, spawn: Spawn) -> Result<Arc<Process>, SpawnError> {
        let runtime = Handle::try_current().map_err(|error| {
            SpawnError::resource("a task for the process")(io::Error::other(error))
        })?;
        let prepared = Prepared::new(&spawn)?;
        let channels = Channels::open(spawn.stdio)?;
        let leader = self.start(&prepared, &channels.child(), &spawn)?;
        // From here on nothing can fail any more.
        Ok(self.serve(&runtime, Arc::new(leader), channels.into_own(), &spawn))
    }

    /// As our child, or below a keeper where it has bounds.
    fn start(
        &self,
        prepared: &Prepared,
        stdio: &ChildStdio<'_>,
        spawn: &Spawn,
    ) -> Result<Leader, SpawnError> {
        let no_keeper = SpawnError::resource("a keeper for its limits");
        match &self.keepers {
            Keepers::Program(program) if spawn.bounds.are_there() => {
                match keeper::start(program, prepared, stdio, spawn.bounds.time, self.support) {
                    Ok(kept) => Ok(Leader::Kept(kept)),
                    Err(keeper::Failure::Refused(error)) => Err(prepared.refused(spawn, error)),
                    Err(keeper::Failure::Keeper(error)) => Err(no_keeper(error)),
                }
            }
            Keepers::Missing if spawn.bounds.are_there() => Err(no_keeper(io::Error::new(
                io::ErrorKind::Unsupported,
                "this program cannot be one",
            ))),
            _ => {
                let pid = prepared
                    .launch(stdio)
                    .map_err(|error| prepared.refused(spawn, error))?;
                crate::descriptors::restore(pid);
                Ok(Leader::Own(Child::new(pid, self.support)))
            }
        }
    }

    fn serve(
        &self,
        runtime: &Handle,
        leader: Arc<Leader>,
        channels: Own,
        spawn: &Spawn,
    ) -> Arc<Process> {
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        let streams: Vec<Stream> = channels
            .outputs
            .iter()
            .map(|output| output.stream)
            .collect();
        let log = Arc::new(OutputLog::new(
            id,
            &streams,
            spawn.readers,
            spawn.bounds.output,
        ));
        let stop = Arc::new(Stop::default());
        let written = Arc::<Written>::default();
        let (stdin, pending) = match channels.stdin {
            Some(fd) => {
                let (stdin, pending) =
                    stdin::queue(fd, Arc::clone(&written), channels.terminal.is_some());
                (Some(stdin), Some(pending))
            }
            None => (None, None),
        };
        let process = Process {
            id,
            log: Arc::clone(&log),
            leader: Arc::clone(&leader),
            group: Arc::new(Group::new(Arc::clone(&leader))),
            stop: Arc::clone(&stop),
            stdin,
            terminal: channels.terminal.as_ref().map(Arc::downgrade),
        };
        let supervision = Supervision {
            log,
            leader,
            stop,
            census: Arc::clone(&self.census),
            outputs: channels.outputs,
            stdin: pending,
            written,
            over: Stop::default(),
            // What the clock cannot hold is no bound.
            deadline: spawn
                .bounds
                .time
                .and_then(|time| Some((Instant::now().checked_add(time)?, time))),
        };
        runtime.spawn(supervision.run());
        Arc::new(process)
    }
}
