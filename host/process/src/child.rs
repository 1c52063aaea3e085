//! A process that is the server's own child: noticing its exit, and signalling its group without ever hitting a stranger.
//!
//! The danger is a number given away twice: once a process is reaped, its number may become someone else's, and `kill(-number)` would hit
//! them. Since Linux 6.9 a pidfd names the group for good, so the process is reaped at once. Before, an exited leader stays unreaped (a
//! zombie keeps its number) until /proc shows that its group is empty.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, WaitIdStatus};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::census::Census;
use crate::descendants;
use crate::limits;
use crate::signal::Signal;
use crate::support::Support;
use crate::sys;

/// A child, and what is left of the group that it leads.
pub(crate) struct Child {
    pid: Pid,
    support: Support,
    state: Mutex<State>,
}

struct State {
    life: Life,
    /// Given back once nobody is left: ended processes are kept for a while, and there may be thousands of them.
    pidfd: Option<Arc<AsyncFd<OwnedFd>>>,
}

#[derive(Clone, Copy)]
enum Life {
    Running,
    /// Exited with this code, its number still its own.
    Zombie(i32),
    Reaped(i32),
}

impl Child {
    /// Takes over a child that was just started. A runtime must be entered.
    pub(crate) fn new(pid: Pid, support: Support) -> Child {
        let pidfd = support
            .pidfd
            .then(|| rustix::process::pidfd_open(pid, PidfdFlags::empty()))
            .and_then(Result::ok)
            .and_then(|fd| sys::watched(fd, Interest::READABLE).ok())
            .map(Arc::new);
        let support = Support {
            pidfd: pidfd.is_some(),
            group_pidfd: support.group_pidfd && pidfd.is_some(),
            ..support
        };
        let life = Life::Running;
        Child {
            pid,
            support,
            state: Mutex::new(State { life, pidfd }),
        }
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Waits for the exit; gives the status, or 128 + the signal. Safe to drop and to call again.
    pub(crate) async fn exited(&self) -> i32 {
        if let Some(code) = self.known_exit() {
            return code;
        }
        let pidfd = self.lock().pidfd.clone();
        let Some(pidfd) = pidfd else {
            return self.exited_by_signal().await;
        };
        loop {
            let ready = pidfd.readable().await;
            if let Some(code) = self.poll_exit() {
                return code;
            }
            match ready {
                Ok(mut ready) => ready.clear_ready(),
                // The runtime is being shut down; nobody will ask again.
                Err(_) => std::future::pending().await,
            }
        }
    }

    fn known_exit(&self) -> Option<i32> {
        match self.lock().life {
            Life::Running => None,
            Life::Zombie(code) | Life::Reaped(code) => Some(code),
        }
    }

    /// Without a pidfd: at each SIGCHLD of the server, look at this child.
    async fn exited_by_signal(&self) -> i32 {
        let Ok(mut children) =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::child())
        else {
            tracing::error!("neither pidfd nor SIGCHLD: the exit of a process cannot be noticed");
            return std::future::pending().await;
        };
        loop {
            // After listening began, so that no exit is missed.
            if let Some(code) = self.poll_exit() {
                return code;
            }
            children.recv().await;
        }
    }

    fn poll_exit(&self) -> Option<i32> {
        let mut state = self.lock();
        if let Life::Zombie(code) | Life::Reaped(code) = state.life {
            return Some(code);
        }
        let mut options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        if !self.support.group_pidfd {
            options |= WaitIdOptions::NOWAIT;
        }
        match rustix::process::waitid(WaitId::Pid(self.pid), options) {
            Ok(Some(status)) => {
                let code = exit_code(&status);
                state.life = if self.support.group_pidfd {
                    Life::Reaped(code)
                } else {
                    Life::Zombie(code)
                };
                Some(code)
            }
            Ok(None) | Err(Errno::INTR) => None,
            // Someone else reaped it, or SIGCHLD is ignored: it is gone, and how is not known.
            Err(_) => {
                state.life = Life::Reaped(-1);
                Some(-1)
            }
        }
    }

    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        let state = self.lock();
        let result = match state.life {
            // The lock keeps the number ours.
            Life::Running | Life::Zombie(_) => {
                rustix::process::kill_process_group(self.pid, signal.raw()).map_err(io::Error::from)
            }
            Life::Reaped(_) => self.signal_orphans(&state, Some(signal)),
        };
        match result {
            Err(error) if error.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => Ok(()),
            result => result,
        }
    }

    /// The group after its leader was reaped.
    fn signal_orphans(&self, state: &State, signal: Option<Signal>) -> io::Result<()> {
        match &state.pidfd {
            Some(pidfd) if self.support.group_pidfd => {
                sys::signal_group_of(pidfd.get_ref(), signal.map(Signal::raw))
            }
            // Reaped, or the pidfd given back, only when nobody was left.
            _ => Err(Errno::SRCH.into()),
        }
    }

    /// Whether anyone is left. If not, lets go of the pidfd.
    pub(crate) fn group_is_alive(&self) -> bool {
        let mut state = self.lock();
        if !matches!(state.life, Life::Reaped(_)) {
            return true;
        }
        let alive = match self.signal_orphans(&state, None) {
            Ok(()) => true,
            Err(error) => error.raw_os_error() == Some(Errno::PERM.raw_os_error()),
        };
        if !alive {
            state.pidfd = None;
        }
        alive
    }

    /// Kills the group with everything below the leader, if that still runs: what called `setsid` too.
    pub(crate) fn kill_tree(&self) {
        let state = self.lock();
        if matches!(state.life, Life::Running) {
            // Stopped, it starts nothing more; then what is below it can be found.
            let _ = rustix::process::kill_process_group(self.pid, rustix::process::Signal::STOP);
            descendants::kill_below(self.pid, self.support.children, |_| true);
        }
        drop(state);
        self.kill_group();
    }

    /// Kills the group, and with `session` also the jobs of a shell: groups of their own in the session of the leader.
    pub(crate) fn kill_now(&self, session: bool) {
        let state = self.lock();
        if session && matches!(state.life, Life::Running) {
            let own = self.pid.as_raw_pid();
            descendants::kill_below(self.pid, self.support.children, |stat| {
                stat.session == own && stat.group != own
            });
        }
        drop(state);
        self.kill_group();
    }

    fn kill_group(&self) {
        if let Err(error) = self.signal(Signal::KILL) {
            tracing::warn!(pid = self.pid.as_raw_pid(), %error, "cannot kill a process group");
        }
    }

    /// After the exit: lets go of what was needed to end the group, as soon as nothing is left of it. At once, except on kernels before 6.9
    /// when the exited process has to wait for that.
    pub(crate) async fn let_go(&self, census: &Census) {
        let mut pause = limits::REAP_PAUSE_FIRST;
        while matches!(self.lock().life, Life::Zombie(_)) {
            let asked = Instant::now();
            tokio::time::sleep(pause).await;
            if census.since(asked).await.contains(&self.pid.as_raw_pid()) {
                pause = (pause * 2).min(limits::REAP_PAUSE_LAST);
                continue;
            }
            let mut state = self.lock();
            if let Life::Zombie(code) = state.life {
                self.try_reap();
                state.life = Life::Reaped(code);
            }
        }
        self.group_is_alive();
    }

    fn try_reap(&self) {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let _ = rustix::process::waitid(WaitId::Pid(self.pid), options);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Child {
    /// Only when no task waits any more (the runtime went first): whatever can be reaped now is.
    fn drop(&mut self) {
        if !matches!(self.lock().life, Life::Reaped(_)) {
            self.try_reap();
        }
    }
}

fn exit_code(status: &WaitIdStatus) -> i32 {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => 128 + signal,
        (None, None) => -1,
    }
}
