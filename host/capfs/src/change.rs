//! Changes to what a descriptor holds, for both ways of running an operation.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Timestamps};
use rustix::io::Errno;

/// Sets the permission bits of a file or directory that is held by `O_PATH`, which is no right to change it by itself.
pub(crate) fn mode(held: impl AsFd, mode: Mode) -> Result<(), Errno> {
    let held = held.as_fd();
    let kind = FileType::from_raw_mode(rustix::fs::fstat(held)?.st_mode);
    match rustix::fs::chmodat(CWD, name(held), mode, AtFlags::empty()) {
        // No procfs here. A directory can be opened again through itself.
        Err(Errno::NOENT) if kind == FileType::Directory => {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let opened = rustix::fs::openat(held, c".", flags, Mode::empty())?;
            rustix::fs::fchmod(opened, mode)
        }
        Err(Errno::NOENT) => Err(Errno::NOTSUP),
        changed => changed,
    }
}

/// Sets the times of what is held by `O_PATH`: a link's own, where it is a link that is held.
pub(crate) fn times(held: impl AsFd, times: &Timestamps) -> Result<(), Errno> {
    let held = held.as_fd();
    match rustix::fs::utimensat(held, c"", times, AtFlags::EMPTY_PATH) {
        // Linux before 5.8 does not know the flag.
        Err(Errno::INVAL) => {
            match rustix::fs::utimensat(CWD, name(held), times, AtFlags::empty()) {
                Err(Errno::NOENT) => Err(Errno::NOTSUP),
                set => set,
            }
        }
        set => set,
    }
}

/// The kernel's own name for what is held. It works for whoever owns the thing, readable or not.
fn name(held: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", held.as_raw_fd())
}
