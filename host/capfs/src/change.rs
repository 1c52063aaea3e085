//! Changes to what a descriptor holds, for both ways of running an operation.

use std::os::fd::{AsFd, AsRawFd};

use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::io::Errno;

/// Sets the permission bits of a file or directory that is held by `O_PATH`, which is no right to change it by itself.
pub(crate) fn mode(held: impl AsFd, mode: Mode) -> Result<(), Errno> {
    let held = held.as_fd();
    let kind = FileType::from_raw_mode(rustix::fs::fstat(held)?.st_mode);
    // The kernel's own name for what is held. It works for whoever owns the thing, readable or not.
    let name = format!("/proc/self/fd/{}", held.as_raw_fd());
    match rustix::fs::chmodat(CWD, &*name, mode, rustix::fs::AtFlags::empty()) {
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
