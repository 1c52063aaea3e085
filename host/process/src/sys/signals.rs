//! Signals: to a group through a pidfd, and those that a guardian or a keeper takes one by one.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::ptr;
use std::time::Duration;

use rustix::process::Signal;

/// Signals the process group that the process of this pidfd led (Linux 6.9): also after that process was reaped, and never a later group
/// that was given the same number. `None` only asks whether there is anyone.
pub(crate) fn signal_group_of(pidfd: impl AsFd, signal: Option<Signal>) -> io::Result<()> {
    let number = signal.map_or(0, Signal::as_raw);
    // SAFETY: takes no pointers except a null siginfo, which means "as kill would".
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_fd().as_raw_fd(),
            number,
            ptr::null::<libc::siginfo_t>(),
            libc::PIDFD_SIGNAL_PROCESS_GROUP,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Signals that are blocked so that [`Blocked::wait`] can take them one by one.
pub(crate) struct Blocked {
    set: libc::sigset_t,
    before: libc::sigset_t,
}

/// A signal that came.
pub(crate) struct Caught {
    pub(crate) number: i32,
    /// Sent by a process to this one; not by the kernel to a terminal's whole foreground group.
    pub(crate) sent: bool,
}

impl Blocked {
    pub(crate) fn new(signals: &[Signal]) -> Blocked {
        let mut set = MaybeUninit::uninit();
        let mut before = MaybeUninit::uninit();
        // SAFETY: both sets are initialized by these calls, which cannot fail for valid signals.
        unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            for signal in signals {
                libc::sigaddset(set.as_mut_ptr(), signal.as_raw());
            }
            libc::sigemptyset(before.as_mut_ptr());
            libc::sigprocmask(libc::SIG_BLOCK, set.as_ptr(), before.as_mut_ptr());
            Blocked {
                set: set.assume_init(),
                before: before.assume_init(),
            }
        }
    }

    /// Back to the mask of before.
    pub(crate) fn restore(self) {
        // SAFETY: `before` is what sigprocmask gave.
        unsafe { libc::sigprocmask(libc::SIG_SETMASK, &self.before, ptr::null_mut()) };
    }

    /// Waits for one of the signals; `None` after the timeout, or when interrupted.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> Option<Caught> {
        let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
        let number = match timeout {
            // SAFETY: valid pointers for the length of the call.
            None => unsafe { libc::sigwaitinfo(&self.set, info.as_mut_ptr()) },
            Some(timeout) => {
                let timeout = libc::timespec {
                    tv_sec: timeout.as_secs() as libc::time_t,
                    tv_nsec: timeout.subsec_nanos() as _,
                };
                // SAFETY: valid pointers for the length of the call.
                unsafe { libc::sigtimedwait(&self.set, info.as_mut_ptr(), &timeout) }
            }
        };
        if number <= 0 {
            return None;
        }
        // SAFETY: all zeroes is a valid siginfo, and the kernel has filled it.
        let info = unsafe { info.assume_init() };
        Some(Caught {
            number,
            sent: info.si_code <= libc::SI_USER,
        })
    }
}

/// Gives a signal its default action. The kernel knows the rest: an ignored SIGCHLD, inherited from some parents, would make every exit status unknown.
pub(crate) fn set_default(signal: Signal) {
    // SAFETY: SIG_DFL runs no code of ours.
    unsafe { libc::signal(signal.as_raw(), libc::SIG_DFL) };
}

/// Lets a signal through that [`Blocked`] holds back.
pub(crate) fn unblock(signal: Signal) {
    let mut set = MaybeUninit::uninit();
    // SAFETY: the set is initialized before it is used.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), signal.as_raw());
        libc::sigprocmask(libc::SIG_UNBLOCK, set.as_ptr(), ptr::null_mut());
    }
}

/// Blocks every signal that can be, and gives a descriptor that is readable when a child has ended or stopped, and when this process is told to continue.
pub(crate) fn watch_children() -> io::Result<OwnedFd> {
    let mut set = MaybeUninit::uninit();
    // SAFETY: the set is initialized before each use; the new descriptor belongs to nobody else.
    unsafe {
        libc::sigfillset(set.as_mut_ptr());
        libc::sigprocmask(libc::SIG_BLOCK, set.as_ptr(), ptr::null_mut());
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGCHLD);
        libc::sigaddset(set.as_mut_ptr(), libc::SIGCONT);
        match libc::signalfd(-1, set.as_ptr(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) {
            -1 => Err(io::Error::last_os_error()),
            fd => Ok(OwnedFd::from_raw_fd(fd)),
        }
    }
}

/// Has the kernel reap children at once: there will be no zombies, and no exit status. Their ends are signalled all the same.
pub(crate) fn forget_children() {
    // SAFETY: all zeroes is a valid action: the default, no flags, no signal blocked. It runs no code of ours.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_flags = libc::SA_NOCLDWAIT;
        libc::sigaction(libc::SIGCHLD, &action, ptr::null_mut());
    }
}
