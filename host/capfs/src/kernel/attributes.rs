//! Changing what is known of a thing besides its contents: permission bits, and for a file that takes another's place all the rest.
//!
//! A thing is held first, by a path without links, and changed through what is held: no name is followed a second time, so a link
//! that is put there meanwhile changes nothing outside (RUSTSEC-2026-0067).

use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};

use lockgate_grant::{AbsPath, Allowed};
use rustix::buffer::spare_capacity;
use rustix::fs::{Gid, Mode, OFlags, Uid, XattrFlags};
use rustix::io::Errno;

use super::descriptor::File;
use super::look::{Look, same};
use super::{Kernel, may_not_change};
use crate::contents::PERMISSION_BITS;
use crate::{change, limits};

impl Kernel {
    pub(super) fn set_mode(&self, path: &AbsPath, mode: u32) -> Result<(), Errno> {
        if mode & !PERMISSION_BITS != 0 {
            return Err(Errno::INVAL);
        }
        let look = self.look(path, false)?;
        match self.allowed(path) {
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
        imitate(file, &look, self.opened(path, &look)?.as_ref())
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

fn imitate(file: &File, look: &Look, readable: Option<&OwnedFd>) -> Result<(), Errno> {
    let own = rustix::fs::fstat(&file.fd)?;
    let (owner, group) = (look.stat.st_uid, look.stat.st_gid);
    if (own.st_uid, own.st_gid) != (owner, group) {
        let group = Some(Gid::from_raw(group));
        match rustix::fs::fchown(&file.fd, Some(Uid::from_raw(owner)), group) {
            // Not for an unprivileged host to give away; the group may be one of its own.
            Err(Errno::PERM) => match rustix::fs::fchown(&file.fd, None, group) {
                Err(Errno::PERM) => {}
                changed => changed?,
            },
            changed => changed?,
        }
    }
    rustix::fs::fchmod(
        &file.fd,
        Mode::from_raw_mode(look.stat.st_mode & PERMISSION_BITS),
    )?;
    readable.map_or(Ok(()), |from| copy_extended(from, &file.fd))
}

/// The kept kinds: what users put there, and who may use the file. A capability is not among them: with new contents it would be given
/// to another program.
fn copy_extended(from: impl AsFd, to: impl AsFd) -> Result<(), Errno> {
    let mut names = Vec::with_capacity(limits::EXTENDED_ATTRIBUTE_BYTES);
    match rustix::fs::flistxattr(&from, spare_capacity(&mut names)) {
        Ok(_) => {}
        Err(Errno::OPNOTSUPP) => return Ok(()),
        Err(errno) => return Err(errno),
    }
    let mut value = Vec::with_capacity(limits::EXTENDED_ATTRIBUTE_BYTES);
    for name in names.split_inclusive(|byte| *byte == 0) {
        if !name.starts_with(b"user.") && name != b"system.posix_acl_access\0" {
            continue;
        }
        let name = CStr::from_bytes_with_nul(name).map_err(|_| Errno::IO)?;
        value.clear();
        match rustix::fs::fgetxattr(&from, name, spare_capacity(&mut value)) {
            Ok(_) => rustix::fs::fsetxattr(&to, name, &value, XattrFlags::empty())?,
            // Removed since it was listed.
            Err(Errno::NODATA) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}
