//! Changing what is known of a thing besides its contents: permission bits, and for a file that takes another's place all the rest.
//!
//! A thing is held first, by a path without links, and changed through what is held: no name is followed a second time, so a link
//! that is put there meanwhile changes nothing outside (RUSTSEC-2026-0067).

use std::os::fd::OwnedFd;

use lockgate_grant::{AbsPath, Allowed};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use super::descriptor::File;
use super::look::{Look, same};
use super::{Kernel, may_not_change};
use crate::change;
use crate::contents::PERMISSION_BITS;

impl Kernel {
    pub(super) fn set_mode(&self, path: &AbsPath, mode: u32) -> Result<(), Errno> {
        if mode & !PERMISSION_BITS != 0 {
            return Err(Errno::INVAL);
        }
        let look = self.look(path, false)?;
        match self.allowed(path) {
            // Whoever else may write in a folder can exchange what is in it: it is kept like the names.
            Allowed::Write if self.own.is_below(path) => Err(Errno::ACCESS),
            Allowed::Write => change::mode(&look.fd, Mode::from_raw_mode(mode)),
            less => Err(may_not_change(less)),
        }
    }

    /// Gives `file` the attributes of what is at `path`.
    pub(super) fn imitate(&self, file: &File, path: &AbsPath) -> Result<(), Errno> {
        if !file.writable {
            return Err(Errno::BADF);
        }
        let look = self.look(path, false)?;
        if self.allowed(path) < Allowed::Read {
            return Err(Errno::ACCESS);
        }
        // It is about to be opened, and a device may act on that alone.
        match look.kind() {
            FileType::RegularFile => {}
            FileType::Directory => return Err(Errno::ISDIR),
            _ => return Err(Errno::NXIO),
        }
        change::imitate(&file.fd, &look.stat, self.opened(path, &look)?.as_ref())
    }

    /// What was looked at, opened for reading; nothing where it cannot be read.
    fn opened(&self, path: &AbsPath, look: &Look) -> Result<Option<OwnedFd>, Errno> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        match self.root.open_at(path, flags, Mode::empty(), self.wait()) {
            Ok(fd) if same(&rustix::fs::fstat(&fd)?, &look.stat) => Ok(Some(fd)),
            Ok(_) => Err(Errno::BUSY),
            Err(Errno::ACCESS) => Ok(None),
            Err(errno) => Err(errno),
        }
    }
}
