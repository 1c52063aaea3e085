//! What is left when a keeper was killed: its orphans fell to the guardian above the server, among orphans of processes without bounds.
//!
//! Nothing that an orphan could not change says whose it was. But one that was there before the keeper is not its; those that began later are ended, the few
//! strangers among them included (programs of processes without bounds that have cut themselves off since, and would be ended with the server anyway):
//! who can kill a keeper can kill these, too, so nothing is lost that was not lost already.

use std::time::Instant;

use rustix::process::{Pid, RawPid, Signal};

use crate::descendants::{self, Stat};
use crate::guardian;
use crate::limits;

/// Who cannot be a keeper's, because it was there before that.
pub(super) struct Before {
    /// What began before this tick.
    tick: u64,
    /// What began in it, which may be a hundredth of a second, and was an orphan already.
    orphans: Vec<RawPid>,
}

impl Before {
    pub(super) fn now() -> Before {
        let tick = descendants::ticks();
        let above = guardian::above().into_iter();
        Before {
            tick,
            orphans: above
                .flat_map(|above| descendants::listed(above.as_raw_pid()))
                .collect(),
        }
    }

    fn has(&self, pid: RawPid, stat: &Stat) -> bool {
        stat.started < self.tick || (stat.started == self.tick && self.orphans.contains(&pid))
    }
}

/// Ends the orphans of a keeper that began after this. False if some may be left. Blocks.
pub(super) fn end(before: &Before) -> bool {
    let Some(above) = guardian::above() else {
        return false;
    };
    let server = rustix::process::getpid().as_raw_pid();
    let lists = descendants::has_list(above);
    let meant = |pid: RawPid, stat: &Stat| pid != server && !before.has(pid, stat);
    ended(above, lists, meant)
}

fn ended(above: Pid, lists: bool, meant: impl Fn(RawPid, &Stat) -> bool) -> bool {
    let begin = Instant::now();
    let mut quiet = 0;
    while quiet < limits::ORPHANS_QUIET_LOOKS {
        if begin.elapsed() > limits::ORPHANS_PATIENCE {
            return false;
        }
        descendants::kill_branches(above, lists, &meant);
        // It reaps them, unless somebody has stopped it.
        let _ = rustix::process::kill_process(above, Signal::CONT);
        match descendants::has_children(above, lists, &meant) {
            true => quiet = 0,
            false => quiet += 1,
        }
        std::thread::sleep(limits::ORPHANS_PAUSE);
    }
    true
}
