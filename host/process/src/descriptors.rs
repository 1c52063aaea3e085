//! How many descriptors may be open: as many as the system allows for the server, and what it was
//! before for its children, some of which go through all possible numbers or use `select`. And the first three, of
//! which guardians and keepers let go.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::OnceLock;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};

/// The limit with which the server was started, if it was raised since.
static BEFORE: OnceLock<Rlimit> = OnceLock::new();

/// Raises this process's limit to what the system allows: a connection costs one descriptor and a
/// process up to four, and the usual limit of 1,024 is reached by a few hundred of them. Children keep the
/// old one. Returns the limit now in force, `None` for none.
pub fn raise_descriptor_limit() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return limit.current;
    }
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if setrlimit(Resource::Nofile, raised).is_err() {
        return limit.current;
    }
    // The first call knows; a later one would remember the raised limit.
    let _ = BEFORE.set(limit);
    limit.maximum
}

/// Gives a child the limit from before. Right after its start, because `posix_spawn` has no attribute for
/// it: a program that asks in its first instant may still see the raised one.
pub(crate) fn restore(child: Pid) {
    if let Some(before) = BEFORE.get() {
        // A child that is gone already needs none.
        let _ = prlimit(Some(child), Resource::Nofile, *before);
    }
}

/// Makes stdin, stdout and stderr lead nowhere: the other ends of what they were must see others go, not us.
pub(crate) fn release_stdio() -> io::Result<()> {
    let null = rustix::fs::openat(
        CWD,
        c"/dev/null",
        OFlags::RDWR | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    Ok(rustix::stdio::dup2_stderr(&null)?)
}

/// [`release_stdio`], and what they were before: above 2 and close-on-exec.
pub(crate) fn take_stdio() -> io::Result<[OwnedFd; 3]> {
    let taken = [
        fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?,
        fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?,
        fcntl_dupfd_cloexec(rustix::stdio::stderr(), 3)?,
    ];
    release_stdio()?;
    Ok(taken)
}
