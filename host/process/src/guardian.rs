//! The guardians: two tiny parents of the server that survive it by a moment and leave nothing behind.
//!
//! When a server is killed with SIGKILL its children live on, and no setting of the children prevents that (a parent-death signal reaches only
//! direct children, and fires when the *thread* ends that started them). So the very first process forks before it has done anything,
//! twice: the last child becomes the server, the other two become *subreapers*, to whom the kernel gives every orphan below, also those
//! that called `setsid`. They sleep until what they watch is gone and then kill what is left.
//!
//! Why two: the one whose number everybody knows (the shell's `$!`, systemd's main process) is the first to be killed by hand. Then the inner one
//! is still there: it ends the server and empties the house. If the inner one is killed, the outer one does. Each costs a sleeping
//! process with some hundred KiB of its own, and nothing per spawn.

use std::fmt;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit, Signal, WaitOptions, WaitStatus};

use crate::descendants;
use crate::descriptors;
use crate::limits;
use crate::sys::{self, Blocked, Forked};

/// The tiny parents of the server, seen from the server. See [`Guardian::start`].
#[derive(Debug)]
pub struct Guardian {
    state: Result<Pid, String>,
}

/// The nearest guardian above this process.
static ABOVE: OnceLock<Pid> = OnceLock::new();

/// To whom orphans of this server fall, if guardians watch it.
pub(crate) fn above() -> Option<Pid> {
    let above = *ABOVE.get()?;
    // If that one was killed, the server is just ending.
    (rustix::process::getppid() == Some(above)).then_some(above)
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
    /// outer guardian and **does not return** from here (it ends as the server ends, by the same status or signal); the last child returns
    /// and goes on as the server. If that cannot be had (there are threads, fork or prctl fails) the calling process goes on alone and
    /// [`Guardian::is_active`] is false.
    ///
    /// Guardians hold none of the server's descriptors, so stdin and stdout may be the protocol. They forward SIGTERM, SIGINT, SIGHUP,
    /// SIGQUIT, SIGUSR1 and SIGUSR2 that a process sent to them (not those a terminal sends to the whole foreground group, which the server
    /// gets by itself; a `kill` of the whole group arrives more than once). When the server is gone, for whatever reason, everything below it is
    /// killed. When a guardian is killed the server gets SIGTERM (once or twice) and [`limits::ORPHANED_PATIENCE`] to end its
    /// sessions.
    pub fn start() -> Guardian {
        let state = start().map_err(|(what, error)| format!("{what}: {error}"));
        if let Ok(above) = state {
            let _ = ABOVE.set(above);
        }
        Guardian { state }
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
                tracing::warn!(%why, "no guardian: if this server is killed, what it started may outlive it, and a process that kills its keeper may outlive its limits");
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
    // Some parents leave SIGCHLD ignored, and then no exit status is ever known; also for the server itself.
    sys::set_default(Signal::CHILD);
    let mut signals = FORWARDED.to_vec();
    signals.push(Signal::CHILD);
    // Before the forks, so that a signal which comes between is not lost.
    let blocked = Blocked::new(&signals);
    // One guardian is nearly as good, if there can be no second.
    let guarded =
        descend(&blocked, None).map(|outer| descend(&blocked, Some(outer)).unwrap_or(outer));
    blocked.restore();
    guarded
}

/// Forks. The parent stays as a guardian; the child returns with the parent's number, and gets SIGTERM when that dies.
fn descend(blocked: &Blocked, outer: Option<Pid>) -> Result<Pid, Failure> {
    let own = rustix::process::getpid();
    rustix::process::set_child_subreaper(Some(own))
        .map_err(|error| ("PR_SET_CHILD_SUBREAPER", error.into()))?;
    match sys::fork() {
        Ok(Forked::Parent { child }) => guard(child, outer, blocked),
        Ok(Forked::Child) => {
            let _ = rustix::process::set_parent_process_death_signal(Some(Signal::TERM));
            // Killed between the fork and that line?
            if rustix::process::getppid() != Some(own) {
                let _ = rustix::process::kill_process(rustix::process::getpid(), Signal::TERM);
            }
            Ok(own)
        }
        Err(error) => {
            let _ = rustix::process::set_child_subreaper(None);
            Err(("fork", error))
        }
    }
}

fn guard(child: Pid, outer: Option<Pid>, blocked: &Blocked) -> ! {
    let _ = rustix::thread::set_name(c"lockgate-guard");
    let _ = descriptors::release_stdio();
    sys::close_all_but_stdio();
    let status = watch(child, outer, blocked);
    // What the outer one watches is a guardian, which leaves an empty house. If not, it was killed itself, and the server is just ending.
    let grace = match outer {
        Some(_) => Duration::ZERO,
        None => limits::ORPHANED_PATIENCE,
    };
    empty_the_house(grace, blocked);
    end_like(status)
}

/// Until the child is gone. Reaps whatever the kernel hands over meanwhile.
fn watch(child: Pid, outer: Option<Pid>, blocked: &Blocked) -> Option<WaitStatus> {
    let mut last = None;
    let mut deadline: Option<Instant> = None;
    while last.is_none() {
        if !reap(|pid, status| last = (pid == child).then_some(status).or(last)) {
            break;
        }
        // Until it is reaped, the number is the child's.
        let send = |signal| {
            let _ = rustix::process::kill_process(child, signal);
        };
        if deadline.is_none() && outer.is_some() && rustix::process::getppid() != outer {
            deadline = Some(Instant::now() + limits::ORPHANED_PATIENCE);
            send(Signal::TERM);
        }
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) {
            send(Signal::KILL);
        }
        if last.is_some() {
            break;
        }
        let caught = blocked.wait(left.map(|left| left.max(Duration::from_millis(10))));
        let known = |number| FORWARDED.into_iter().find(|known| known.as_raw() == number);
        if let Some(signal) = caught
            .filter(|caught| caught.sent)
            .and_then(|caught| known(caught.number))
        {
            send(signal);
        }
    }
    last
}

/// Reaps everything that has ended; false when there is no child left at all.
fn reap(mut each: impl FnMut(Pid, WaitStatus)) -> bool {
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) => each(pid, status),
            Ok(None) => return true,
            Err(Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

/// Kills until there is nobody left, at first only waiting for a moment. What is killed may leave children, which are ours then: hence the
/// rounds.
fn empty_the_house(grace: Duration, blocked: &Blocked) {
    let own = rustix::process::getpid();
    let lists = descendants::has_children_lists();
    let begin = Instant::now();
    while reap(|_, _| ()) && begin.elapsed() < grace + limits::GUARDIAN_PATIENCE {
        if begin.elapsed() >= grace {
            descendants::kill_below(own, lists, |_| true);
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
