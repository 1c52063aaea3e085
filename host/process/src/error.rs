//! What can go wrong. Messages say what was asked and what happened; they never show argv beyond the program's name, nor the environment.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

/// A process could not be started. Nothing is left behind then: no child, no descriptor.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// `argv` has no program.
    #[error("argv must not be empty")]
    EmptyArgv,
    /// A string that the kernel would cut at its NUL.
    #[error("{what} contains a NUL byte")]
    Nul {
        /// Which one: `argv`, `arg0`, `cwd` or `env`.
        what: &'static str,
    },
    /// An environment name that is empty or contains `=`.
    #[error("env has a name that is empty or contains '='")]
    EnvironmentName,
    /// The working directory cannot be entered. The text ends with the system's own.
    #[error("cannot use cwd {}: {source}", .path.display())]
    Cwd {
        /// What was asked for.
        path: PathBuf,
        /// `No such file or directory (os error 2)`, `Not a directory (os error 20)`, `Permission denied (os error 13)`…
        source: io::Error,
    },
    /// The working directory is relative, or a name for an open descriptor (`/proc/self/fd/N`, `/dev/fd/N`).
    #[error("cwd {} is refused: {why}", .path.display())]
    CwdRefused {
        /// What was asked for.
        path: PathBuf,
        /// Why not.
        why: &'static str,
    },
    /// The program was not found or cannot be run. The text ends with the system's own, for example `No such file or directory (os error 2)`.
    #[error("cannot run {}: {source}", .program.display())]
    Program {
        /// argv\[0\].
        program: OsString,
        /// What the system said: ENOENT, EACCES, E2BIG, EAGAIN (too many processes)…
        source: io::Error,
    },
    /// Pipes, a terminal or the descriptor of the process could not be had (EMFILE, ENOMEM…).
    #[error("cannot make {what}: {source}")]
    Resource {
        /// What was to be made.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl SpawnError {
    pub(crate) fn resource(what: &'static str) -> impl FnOnce(io::Error) -> SpawnError {
        move |source| SpawnError::Resource { what, source }
    }

    /// Whether the request itself was wrong (and would be on any machine), rather than this machine lacking something.
    pub fn is_bad_request(&self) -> bool {
        matches!(
            self,
            SpawnError::EmptyArgv
                | SpawnError::Nul { .. }
                | SpawnError::EnvironmentName
                | SpawnError::CwdRefused { .. }
        )
    }
}

/// Bytes did not reach the queue of a child's stdin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// Neither a terminal nor started with a pipe for stdin, or the pipe was closed by [`crate::Process::close_stdin`].
    #[error("stdin is closed")]
    Closed,
    /// The process, or its reading end, is gone.
    #[error("failed to write to process stdin")]
    Gone,
}
