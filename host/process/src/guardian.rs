//! The guardian: a tiny parent of the server that survives it by a moment and leaves nothing behind.
//!
//! When a server is killed with SIGKILL its children live on, and no setting of the children prevents that (a parent-death signal reaches only direct
//! children, and fires when the *thread* ends that started them). So the very first process forks before it has done anything: the child becomes
//! the server; the parent becomes a *subreaper*, to whom the kernel gives every orphan below it, also those that called `setsid`.
//! It sleeps until the server is gone and then kills what is left. It costs one sleeping process of a few hundred KiB, and nothing per spawn.

use std::fmt;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit, Signal, WaitOptions, WaitStatus};

use crate::descendants;
use crate::limits;
use crate::sys::{self, Blocked, Forked};

/// The tiny parent of the server, seen from the server. See [`Guardian::start`].
#[derive(Debug)]
pub struct Guardian {
    state: Result<Pid, String>,
}

/// What is passed on to the server: whoever knows only the guardian's number (a shell, systemd, a container) can end the server with it.
const FORWARDED: [Signal; 6] = [
    Signal::TERM,
    Signal::INT,
    Signal::HUP,
    Signal::QUIT,
    Signal::USR1,
    Signal::USR2,
];

impl Guardian {
    /// To be the first thing in `main`, before any thread exists and before anything is printed. Forks: the calling process becomes the
    /// guardian and **does not return** from here (it ends as the server ends, by the same status or signal); the child returns and goes on
    /// as the server. If that cannot be had (there are threads, fork or prctl fails) the calling process goes on alone and
    /// [`Guardian::is_active`] is false.
    ///
    /// The guardian holds none of the server's descriptors, so stdin and stdout may be the protocol. It forwards SIGTERM, SIGINT, SIGHUP,
    /// SIGQUIT, SIGUSR1 and SIGUSR2 that a process sent to it (not those a terminal sends to the whole foreground group, which the server
    /// gets by itself; a `kill` of the whole group still arrives twice). When the server is gone, for whatever reason, it kills everything
    /// below it. When the guardian itself is killed the server gets SIGTERM, and is expected to end its sessions.
    pub fn start() -> Guardian {
        Guardian {
            state: start().map_err(|(what, error)| format!("{what}: {error}")),
        }
    }

    /// Whether nothing can survive this server.
    pub fn is_active(&self) -> bool {
        self.state.is_ok()
    }

    /// Says through `tracing` when it is not active. Separate from [`Guardian::start`], which runs before there is a log.
    pub fn announce(&self) {
        match &self.state {
            Ok(pid) => tracing::debug!(pid = pid.as_raw_pid(), "guardian is watching"),
            Err(why) => {
                tracing::warn!(%why, "no guardian: if this server is killed, what it started may outlive it");
            }
        }
    }
}

/// For `lockgate doctor`: `active (pid 12)`, or `inactive (why)`.
impl fmt::Display for Guardian {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.state {
            Ok(pid) => write!(f, "active (pid {})", pid.as_raw_pid()),
            Err(why) => write!(f, "inactive ({why})"),
        }
    }
}

type Failure = (&'static str, std::io::Error);

fn start() -> Result<Pid, Failure> {
    let own = rustix::process::getpid();
    // Some parents leave SIGCHLD ignored, and then no exit status is ever known; also for the server itself.
    sys::set_default(Signal::CHILD);
    rustix::process::set_child_subreaper(Some(own))
        .map_err(|error| ("PR_SET_CHILD_SUBREAPER", error.into()))?;
    let mut signals = FORWARDED.to_vec();
    signals.push(Signal::CHILD);
    // Before the fork, so that a signal which comes during it is not lost.
    let blocked = Blocked::new(&signals);
    match sys::fork() {
        Ok(Forked::Parent { child }) => guard(child, &blocked),
        Ok(Forked::Child) => {
            blocked.restore();
            let set = rustix::process::set_parent_process_death_signal(Some(Signal::TERM));
            // Killed between the fork and that line?
            if rustix::process::getppid() != Some(own) {
                let _ = rustix::process::kill_process(rustix::process::getpid(), Signal::TERM);
            }
            set.map_err(|error| ("PR_SET_PDEATHSIG", error.into()))
                .map(|()| own)
        }
        Err(error) => {
            blocked.restore();
            let _ = rustix::process::set_child_subreaper(None);
            Err(("fork", error))
        }
    }
}

fn guard(server: Pid, blocked: &Blocked) -> ! {
    let _ = rustix::thread::set_name(c"lockgate-guard");
    let_go_of_descriptors();
    let status = watch(server, blocked);
    empty_the_house(blocked);
    end_like(status)
}

/// The other ends of the server's pipes must see it go, not us.
fn let_go_of_descriptors() {
    if let Ok(null) = rustix::fs::openat(CWD, c"/dev/null", OFlags::RDWR, Mode::empty()) {
        let _ = rustix::stdio::dup2_stdin(&null);
        let _ = rustix::stdio::dup2_stdout(&null);
        let _ = rustix::stdio::dup2_stderr(&null);
        // Owned by nobody: closed with the rest below.
        std::mem::forget(null);
    }
    sys::close_all_but_stdio();
}

/// Until the server is gone. Reaps whatever the kernel hands over meanwhile.
fn watch(server: Pid, blocked: &Blocked) -> Option<WaitStatus> {
    loop {
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == server => return Some(status),
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) => break,
                Err(_) => return None,
            }
        }
        if let Some(signal) = blocked.wait(None)
            && signal.sent
            && let Some(forward) = FORWARDED
                .iter()
                .find(|known| known.as_raw() == signal.number)
        {
            // Not reaped yet, so it is the server.
            let _ = rustix::process::kill_process(server, *forward);
        }
    }
}

/// Kills until there is nobody left. What is killed may leave children, which are ours then: hence the rounds.
fn empty_the_house(blocked: &Blocked) {
    let own = rustix::process::getpid();
    let deadline = Instant::now() + limits::GUARDIAN_PATIENCE;
    while Instant::now() < deadline {
        descendants::kill_below(own, |_| true);
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) => break,
                Err(_) => return,
            }
        }
        // The next death, or a moment later in case it came before.
        blocked.wait(Some(Duration::from_millis(5)));
    }
}

fn end_like(status: Option<WaitStatus>) -> ! {
    let signal = status.and_then(|status| status.terminating_signal());
    if let Some(signal) = signal.and_then(Signal::from_named_raw) {
        // The server has left its core, if any; this one would be worthless.
        let none = Rlimit {
            current: Some(0),
            maximum: Some(0),
        };
        let _ = rustix::process::setrlimit(Resource::Core, none);
        sys::set_default(signal);
        sys::unblock(signal);
        let _ = rustix::process::kill_process(rustix::process::getpid(), signal);
    }
    // Still here: a normal exit, or we are the init of a container, whom no signal ends.
    let code = status.and_then(|status| status.exit_status());
    sys::exit_now(code.or(signal.map(|signal| 128 + signal)).unwrap_or(1))
}
