//! What is left when a keeper was killed: its orphans fell to the guardian above the server, among orphans of processes without bounds.
//!
//! Nothing that an orphan could not change says whose it was. But one that began before the keeper did is not its; those that did later are ended, the few
//! strangers among them included (programs of processes without bounds that have cut themselves off since, and would be ended with the server anyway):
//! who can kill a keeper can kill these, too, so nothing is lost that was not lost already.

use std::time::Instant;

use rustix::process::{Pid, RawPid};

use crate::descendants::{self, Stat};
use crate::guardian;
use crate::limits;

/// Ends the orphans of a keeper that began at this time (in clock ticks, as [`Stat::started`]) or later. False if some may be left. Blocks.
pub(super) fn end(since: u64) -> bool {
    let Some(above) = guardian::above() else {
        return false;
    };
    let server = rustix::process::getpid().as_raw_pid();
    let meant = |pid: RawPid, stat: &Stat| pid != server && stat.started >= since;
    ended(above, descendants::has_list(above), meant)
}

fn ended(above: Pid, lists: bool, meant: impl Fn(RawPid, &Stat) -> bool) -> bool {
    let begin = Instant::now();
    let mut quiet = 0;
    while quiet < limits::ORPHANS_QUIET_LOOKS {
        if begin.elapsed() > limits::ORPHANS_PATIENCE {
            return false;
        }
        descendants::kill_branches(above, lists, &meant);
        match descendants::has_children(above, lists, &meant) {
            true => quiet = 0,
            false => quiet += 1,
        }
        std::thread::sleep(limits::ORPHANS_PAUSE);
    }
    true
}
