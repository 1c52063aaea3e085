//! What this kernel offers. Newer calls close races; each has an older way that takes its place, and tests can choose it.

use std::fmt;

use rustix::io::Errno;
use rustix::process::PidfdFlags;

use crate::descendants;
use crate::sys;

/// What this kernel offers, for `lockgate doctor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Support {
    /// pidfd_open (Linux 5.3). Without: exits are noticed by SIGCHLD.
    pub pidfd: bool,
    /// Signals to a group through a pidfd (Linux 6.9). Without: an exited process stays a zombie as long as its group lives, so that its
    /// number is not given away.
    pub group_pidfd: bool,
    /// `/proc/PID/task/TID/children`. Without: descendants are found by scanning /proc.
    pub children: bool,
}

impl Support {
    pub(crate) fn of_this_kernel() -> Support {
        let own = rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty()).ok();
        // Whether we lead a group or not (ESRCH): an old kernel says EINVAL before it looks.
        let group_pidfd = own
            .as_ref()
            .is_some_and(|own| match sys::signal_group_of(own, None) {
                Ok(()) => true,
                Err(error) => error.raw_os_error() == Some(Errno::SRCH.raw_os_error()),
            });
        Support {
            pidfd: own.is_some(),
            group_pidfd,
            children: descendants::has_children_lists(),
        }
    }
}

impl fmt::Display for Support {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let yes = |have| if have { "yes" } else { "no" };
        write!(
            f,
            "pidfd {}, group signals by pidfd {}, children lists in /proc {}",
            yes(self.pidfd),
            yes(self.group_pidfd),
            yes(self.children)
        )
    }
}
