//! What is asked for, checked and turned into what the kernel takes, so that the one system call that can no longer be taken back is the last
//! thing that can fail.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path};

use rustix::io::Errno;
use rustix::process::Pid;

use crate::error::SpawnError;
use crate::program;
use crate::spawn::Spawn;
use crate::sys::{self, ChildStdio, Launch};

/// The strings of a request, checked and in the kernel's form.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Prepared {
    pub(crate) program: CString,
    pub(crate) argv: Vec<CString>,
    /// `NAME=value`.
    pub(crate) env: Vec<CString>,
    pub(crate) cwd: CString,
}

/// What of it no look at the machine is needed for.
pub(crate) struct Strings {
    argv: Vec<CString>,
    env: Vec<CString>,
    cwd: CString,
}

impl Strings {
    pub(crate) fn of(spawn: &Spawn) -> Result<Strings, SpawnError> {
        let mut argv = spawn
            .argv
            .iter()
            .map(|arg| c_string(arg, "argv"))
            .collect::<Result<Vec<CString>, SpawnError>>()?;
        let first = argv.first_mut().ok_or(SpawnError::EmptyArgv)?;
        if let Some(arg0) = &spawn.arg0 {
            *first = c_string(arg0, "arg0")?;
        }
        let env = spawn
            .env
            .iter()
            .map(|(name, value)| variable(name, value))
            .collect::<Result<Vec<CString>, SpawnError>>()?;
        let cwd = c_string(spawn.cwd.as_os_str(), "cwd")?;
        Ok(Strings { argv, env, cwd })
    }
}

impl Prepared {
    pub(crate) fn new(spawn: &Spawn) -> Result<Prepared, SpawnError> {
        let name = spawn.argv.first().ok_or(SpawnError::EmptyArgv)?;
        let Strings { argv, env, cwd } = Strings::of(spawn)?;
        check_cwd(&spawn.cwd)?;
        let program = match &spawn.program {
            Some(found) => found.result(),
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

    /// Makes it a process. Here, or where a keeper is its parent.
    pub(crate) fn launch(&self, stdio: &ChildStdio<'_>) -> io::Result<Pid> {
        let launch = |program, argv| {
            sys::spawn(&Launch {
                program,
                argv,
                env: &self.env,
                cwd: &self.cwd,
                stdio,
                control: None,
            })
        };
        match launch(&self.program, &self.argv) {
            // A script without a first line that says what runs it: execvp has always given those to the shell.
            Err(error) if error.raw_os_error() == Some(Errno::NOEXEC.raw_os_error()) => {
                let mut argv = vec![c"/bin/sh".to_owned(), self.program.clone()];
                argv.extend(self.argv.iter().skip(1).cloned());
                launch(c"/bin/sh", &argv)
            }
            result => result,
        }
    }

    /// Why it could not be made one.
    pub(crate) fn refused(&self, spawn: &Spawn, source: io::Error) -> SpawnError {
        // The directory may have gone since it was looked at.
        match check_cwd(&spawn.cwd) {
            Err(error) => error,
            Ok(()) => SpawnError::Program {
                program: spawn.argv[0].clone(),
                source,
            },
        }
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
