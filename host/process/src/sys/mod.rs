//! The system calls that have no safe wrapper elsewhere: `posix_spawn`, the guardian's fork, signals that are taken one by one, a signal to a
//! group through a pidfd. All unsafe code of the crate is in this folder; each block says why it is sound.
#![allow(unsafe_code)]

mod signals;
mod spawn;

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use rustix::process::Pid;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

pub(crate) use signals::{
    Blocked, forget_children, set_default, signal_group_of, unblock, watch_children,
};
pub(crate) use spawn::{CONTROL, ChildStdio, Launch, spawn};

/// Lets the runtime watch a descriptor. One must be entered, with I/O enabled.
pub(crate) fn watched(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the AsyncFd owns the descriptor, and an OwnedFd stays open and the same until it is dropped.
    Ok(unsafe { AsyncFd::register_with_interest(fd, interest) }?)
}

/// Which of the two processes this is.
pub(crate) enum Forked {
    Parent { child: Pid },
    Child,
}

/// Forks a process that has one thread; anything may be done on both sides then.
pub(crate) fn fork() -> io::Result<Forked> {
    if std::fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other("there are threads already"));
    }
    // SAFETY: no other thread exists whose locks or half-done work the child could inherit (just counted; only this thread could start one).
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Forked::Child),
        pid => match Pid::from_raw(pid) {
            Some(child) => Ok(Forked::Parent { child }),
            None => Err(io::Error::other("fork gave no pid")),
        },
    }
}

/// Ends the process without running what was registered for its exit: that belongs to the other side of the fork.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: always sound; it ends the process.
    unsafe { libc::_exit(code) }
}

/// Closes every descriptor from 3 on. Only for the guardian, which has just been forked off from whatever owned them.
pub(crate) fn close_all_but_stdio() {
    // SAFETY: the caller never returns to code that owns one of these descriptors.
    unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) };
}

/// Takes a descriptor that this program was started with; `None` if it was not. Only for the keeper, at its very start.
pub(crate) fn inherited(number: RawFd) -> Option<OwnedFd> {
    // SAFETY: reads the flags of a number, whatever that is.
    if unsafe { libc::fcntl(number, libc::F_GETFD) } < 0 {
        return None;
    }
    // SAFETY: it is open, and nothing in this program has opened or owns it: nothing has run yet.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}
