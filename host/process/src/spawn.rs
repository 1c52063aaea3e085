//! Starting a process: everything is checked and made beforehand, so that the one system call that can no longer be taken back is the last
//! thing that can fail.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::Pid;
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::channels::{Channels, Own};
use crate::error::SpawnError;
use crate::group::{Census, Group, Leader};
use crate::log::{OutputLog, Readers};
use crate::process::Process;
use crate::program;
use crate::record::Stream;
use crate::stdin;
use crate::supervise::{Stop, Supervision, Written};
use crate::support::Support;
use crate::sys::{self, ChildStdio, Launch};

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

/// What ends a process that goes on for longer, or writes more, together with what is found of all that it started: not what has left its group and
/// whose parent has ended. None: nothing.
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
}

impl Spawn {
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
        }
    }

    /// What was found.
    pub fn support(&self) -> Support {
        self.support
    }

    /// Starts a process. Blocks for about a millisecond, however large the server is: call it from a blocking thread. A tokio runtime
    /// (with I/O and time enabled) must be entered; the task that serves the process runs there.
    pub fn spawn(&self, spawn: Spawn) -> Result<Arc<Process>, SpawnError> {
        let runtime = Handle::try_current().map_err(|error| {
            SpawnError::resource("a task for the process")(io::Error::other(error))
        })?;
        let prepared = Prepared::new(&spawn)?;
        let channels = Channels::open(spawn.stdio)?;
        let pid = prepared.start(&channels.child(), &spawn)?;
        crate::descriptors::restore(pid);
        // From here on nothing can fail any more.
        let leader = Arc::new(Leader::new(pid, self.support));
        Ok(self.serve(&runtime, leader, channels.into_own(), &spawn))
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

/// The strings of a request, checked and in the kernel's form.
struct Prepared {
    program: CString,
    argv: Vec<CString>,
    env: Vec<CString>,
    cwd: CString,
}

impl Prepared {
    fn new(spawn: &Spawn) -> Result<Prepared, SpawnError> {
        let name = spawn.argv.first().ok_or(SpawnError::EmptyArgv)?;
        let mut argv = spawn
            .argv
            .iter()
            .map(|arg| c_string(arg, "argv"))
            .collect::<Result<Vec<CString>, SpawnError>>()?;
        if let Some(arg0) = &spawn.arg0 {
            argv[0] = c_string(arg0, "arg0")?;
        }
        let env = spawn
            .env
            .iter()
            .map(|(name, value)| variable(name, value))
            .collect::<Result<Vec<CString>, SpawnError>>()?;
        let cwd = c_string(spawn.cwd.as_os_str(), "cwd")?;
        check_cwd(&spawn.cwd)?;
        let program = match &spawn.program {
            Some(Found(found)) => found.clone().map_err(io::Error::from),
            None => program::resolve(name, &spawn.cwd, &spawn.env),
        };
        let program = program.map_err(|source| SpawnError::Program {
            program: name.clone(),
            source,
        })?;
        Ok(Prepared {
            program: c_string(program.as_os_str(), "argv")?,
            argv,
            env,
            cwd,
        })
    }

    fn start(&self, stdio: &ChildStdio<'_>, spawn: &Spawn) -> Result<Pid, SpawnError> {
        let launch = |program, argv| {
            sys::spawn(&Launch {
                program,
                argv,
                env: &self.env,
                cwd: &self.cwd,
                stdio,
            })
        };
        let result = match launch(&self.program, &self.argv) {
            // A script without a first line that says what runs it: execvp has always given those to the shell.
            Err(error) if error.raw_os_error() == Some(Errno::NOEXEC.raw_os_error()) => {
                let mut argv = vec![c"/bin/sh".to_owned(), self.program.clone()];
                argv.extend_from_slice(&self.argv[1..]);
                launch(c"/bin/sh", &argv)
            }
            result => result,
        };
        result.map_err(|source| {
            // The directory may have gone since it was looked at.
            match check_cwd(&spawn.cwd) {
                Err(error) => error,
                Ok(()) => SpawnError::Program {
                    program: spawn.argv[0].clone(),
                    source,
                },
            }
        })
    }
}

fn c_string(text: &OsStr, what: &'static str) -> Result<CString, SpawnError> {
    CString::new(text.as_bytes()).map_err(|_| SpawnError::Nul { what })
}

fn variable(name: &OsStr, value: &OsStr) -> Result<CString, SpawnError> {
    if name.is_empty() || name.as_bytes().contains(&b'=') {
        return Err(SpawnError::EnvironmentName);
    }
    let mut variable = OsString::with_capacity(name.len() + 1 + value.len());
    variable.push(name);
    variable.push("=");
    variable.push(value);
    CString::new(variable.into_vec()).map_err(|_| SpawnError::Nul { what: "env" })
}

/// Looked at before the child does it, because a child can only say "ENOENT" and not of what.
fn check_cwd(cwd: &Path) -> Result<(), SpawnError> {
    let refused = |why| SpawnError::CwdRefused {
        path: cwd.to_owned(),
        why,
    };
    if !cwd.is_absolute() {
        return Err(refused("it is not absolute"));
    }
    if names_a_descriptor(cwd) {
        return Err(refused("it names an open descriptor"));
    }
    let enter = || -> io::Result<()> {
        if !std::fs::metadata(cwd)?.is_dir() {
            return Err(Errno::NOTDIR.into());
        }
        Ok(rustix::fs::access(cwd, rustix::fs::Access::EXEC_OK)?)
    };
    enter().map_err(|source| SpawnError::Cwd {
        path: cwd.to_owned(),
        source,
    })
}

/// `/dev/fd/…` and `/proc/…/fd/…`. The child could not reach a descriptor of ours that way (they are closed before it enters the
/// directory), but it would be a surprise where it ends up.
fn names_a_descriptor(path: &Path) -> bool {
    let names: Vec<&OsStr> = path
        .components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name),
            _ => None,
        })
        .collect();
    match names.as_slice() {
        [dev, fd, ..] if *dev == "dev" && *fd == "fd" => true,
        [proc, rest @ ..] if *proc == "proc" => rest.iter().any(|name| *name == "fd"),
        _ => false,
    }
}
