//! A process and the group it leads, whoever is its parent.

use std::io;
use std::sync::Arc;

use rustix::process::Pid;

use crate::census::Census;
use crate::child::Child;
use crate::keeper::Kept;
use crate::signal::Signal;

/// The process group of one process, the process itself included. Lives longer than the process when that left something running in the
/// background. Dropping the last one kills what is left of it. A number that the system has given away again is never signalled.
pub struct Group {
    leader: Arc<Leader>,
}

impl Group {
    pub(crate) fn new(leader: Arc<Leader>) -> Group {
        Group { leader }
    }

    /// Whether anything of it is still running.
    pub fn is_alive(&self) -> bool {
        self.leader.is_alive()
    }

    /// Sends a signal to all of it; `Ok` also when nothing is left.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        self.leader.signal(signal)
    }

    /// Kills all of it, and below a process that still runs also what left the group.
    pub fn kill(&self) {
        self.leader.kill_tree();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Who leads the group.
pub(crate) enum Leader {
    /// Our child.
    Own(Child),
    /// The child of its keeper, because bounds hold for it.
    Kept(Arc<Kept>),
}

impl Leader {
    pub(crate) fn pid(&self) -> Pid {
        match self {
            Leader::Own(child) => child.pid(),
            Leader::Kept(kept) => kept.pid(),
        }
    }

    /// Waits for the exit; gives the status, or 128 + the signal. Safe to drop and to call again.
    pub(crate) async fn exited(&self) -> i32 {
        match self {
            Leader::Own(child) => child.exited().await,
            Leader::Kept(kept) => kept.exited().await,
        }
    }

    /// Whether its time was over before its exit, although nobody here has noticed yet.
    pub(crate) fn was_late(&self) -> bool {
        match self {
            Leader::Own(_) => false,
            Leader::Kept(kept) => kept.was_late(),
        }
    }

    /// Waits until its bounds cannot be held any more, because its keeper was killed.
    pub(crate) async fn lost(&self) {
        match self {
            Leader::Own(_) => std::future::pending().await,
            Leader::Kept(kept) => kept.lost().await,
        }
    }

    /// After the exit: lets go of what was needed to end what is left, as soon as nothing is. At once where nothing is needed.
    pub(crate) async fn let_go(&self, census: &Census) {
        match self {
            Leader::Own(child) => child.let_go(census).await,
            Leader::Kept(kept) => kept.gone().await,
        }
    }

    /// Sends a signal to the group; `Ok` also when nothing is left of it.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        match self {
            Leader::Own(child) => child.signal(signal),
            Leader::Kept(kept) => kept.signal(signal),
        }
    }

    /// Whether anyone is left whom [`Leader::kill_tree`] would reach.
    pub(crate) fn is_alive(&self) -> bool {
        match self {
            Leader::Own(child) => child.group_is_alive(),
            Leader::Kept(kept) => kept.is_alive(),
        }
    }

    /// Kills the group with everything below the leader, if that still runs: what called `setsid` too. Below a keeper that is all that was ever
    /// started there.
    pub(crate) fn kill_tree(&self) {
        match self {
            Leader::Own(child) => child.kill_tree(),
            Leader::Kept(kept) => kept.kill_tree(),
        }
    }

    /// [`Leader::kill_tree`], which looks through /proc: not on a thread that others share.
    pub(crate) async fn end(self: &Arc<Leader>) {
        match &**self {
            Leader::Own(_) => {
                let leader = Arc::clone(self);
                let _ = tokio::task::spawn_blocking(move || leader.kill_tree()).await;
            }
            Leader::Kept(kept) => kept.end(),
        }
    }

    /// Kills the group, and with `session` also the jobs of a shell: groups of their own in the session of the leader.
    pub(crate) fn kill_now(&self, session: bool) {
        match self {
            Leader::Own(child) => child.kill_now(session),
            Leader::Kept(kept) => kept.kill_now(session),
        }
    }
}
