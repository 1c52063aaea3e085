//! Waiting for a process to exit, without reaping it.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::OwnedFd;

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A process, by descriptor.
pub(crate) struct Pidfd(AsyncFd<OwnedFd>);

impl Pidfd {
    /// Of a child that is not reaped yet.
    pub(crate) fn open(pid: Pid) -> io::Result<Pidfd> {
        let fd = pidfd_open(pid, PidfdFlags::NONBLOCK)?;
        // SAFETY: the descriptor is owned by the AsyncFd and handed to nobody, so that it stays open and the same for as
        // long as it is registered.
        let registered = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
        Ok(Pidfd(registered.map_err(io::Error::from)?))
    }

    /// Returns once the process has exited.
    pub(crate) async fn exited(&self) {
        if self.0.readable().await.is_err() {
            // The runtime is going down; whoever waits here goes with it.
            std::future::pending().await
        }
    }
}
