//! What is left when a keeper was killed: its orphans fell to the guardian above the server, among orphans of processes without bounds.
//!
//! Nothing that an orphan could not change says whose it was. But one that was there before the keeper is not its; those that began later are ended, the few
//! strangers among them included (programs of processes without bounds that have cut themselves off since, and would be ended with the server anyway):
//! who can kill a keeper can kill these, too, so nothing is lost that was not lost already.

use std::time::Instant;

use rustix::process::{RawPid, Signal};

use crate::descendants::{self, Stat};
use crate::guardian;
use crate::limits;

/// Who cannot be a keeper's, because it was there before that.
#[derive(Clone)]
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

/// A hunt for the orphans of one keeper.
pub(super) struct Hunt {
    before: Before,
    begun: Instant,
    quiet_looks: usize,
}

impl Hunt {
    pub(super) fn for_those_after(before: Before) -> Hunt {
        Hunt {
            before,
            begun: Instant::now(),
            quiet_looks: 0,
        }
    }

    /// Strikes once. True when all are gone, false when some may be left but nothing more can be done; `None`: to be called again in a moment.
    pub(super) fn strike(&mut self) -> Option<bool> {
        let Some(above) = guardian::above() else {
            return Some(false);
        };
        let server = rustix::process::getpid().as_raw_pid();
        let lists = descendants::has_list(above);
        let meant = |pid: RawPid, stat: &Stat| pid != server && !self.before.has(pid, stat);
        descendants::kill_branches(above, lists, meant);
        // It reaps them, unless somebody has stopped it.
        let _ = rustix::process::kill_process(above, Signal::CONT);
        self.quiet_looks = match descendants::has_children(above, lists, meant) {
            true => 0,
            false => self.quiet_looks + 1,
        };
        if self.quiet_looks >= limits::ORPHANS_QUIET_LOOKS {
            return Some(true);
        }
        (self.begun.elapsed() > limits::ORPHANS_PATIENCE).then_some(false)
    }
}
