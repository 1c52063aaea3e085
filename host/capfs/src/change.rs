//! Changes to what a descriptor holds, for both ways of running an operation.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::buffer::spare_capacity;
use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, RawMode, Stat, Timestamps, Uid, XattrFlags,
};
use rustix::io::Errno;

use crate::contents::PERMISSION_BITS;
use crate::limits;

/// Sets the permission bits of a file or directory that is held by `O_PATH`, which is no right to change it by itself. Whom a device
/// serves is not changed.
pub(crate) fn mode(held: impl AsFd, mode: Mode) -> Result<(), Errno> {
    let held = held.as_fd();
    let kind = FileType::from_raw_mode(rustix::fs::fstat(held)?.st_mode);
    if !matches!(kind, FileType::RegularFile | FileType::Directory) {
        return Err(Errno::NOTSUP);
    }
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

/// Who besides owner, group and others may use a file.
const ACCESS_LIST: &CStr = c"system.posix_acl_access";

/// Gives `file`, held for writing, what another has besides its contents: permission bits, and what `readable` has where that one can be
/// read; owner and group where this process may.
pub(crate) fn imitate(
    file: impl AsFd,
    other: &Stat,
    readable: Option<impl AsFd>,
) -> Result<(), Errno> {
    let file = file.as_fd();
    let own = rustix::fs::fstat(file)?;
    let (owner, group) = (other.st_uid, other.st_gid);
    let mut in_group = true;
    if (own.st_uid, own.st_gid) != (owner, group) {
        let group = Some(Gid::from_raw(group));
        match rustix::fs::fchown(file, Some(Uid::from_raw(owner)), group) {
            // Not for an unprivileged host to give away; the group may be one of its own.
            Err(Errno::PERM) => match rustix::fs::fchown(file, None, group) {
                Err(Errno::PERM) => in_group = own.st_gid == other.st_gid,
                changed => changed?,
            },
            changed => changed?,
        }
    }
    // A new file has the list that its directory gives to new ones, which the other need not have.
    match rustix::fs::fremovexattr(file, ACCESS_LIST) {
        Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
        Err(errno) => return Err(errno),
    }
    rustix::fs::fchmod(file, Mode::from_raw_mode(bits(other.st_mode, in_group)))?;
    readable.map_or(Ok(()), |from| copy_extended(from, file))
}

/// The permission bits for a file that takes another's place. In a group that is not the other's, the group may do what everybody may.
fn bits(other: RawMode, in_group: bool) -> RawMode {
    match in_group {
        true => other & PERMISSION_BITS,
        false => other & PERMISSION_BITS & !0o070 | (other & 0o007) << 3,
    }
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
        if !name.starts_with(b"user.") && name != ACCESS_LIST.to_bytes_with_nul() {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_17_another_group_gets_nothing_of_what_the_old_one_had() {
        assert_eq!(bits(0o104_751, true), 0o751);
        assert_eq!(bits(0o100_640, false), 0o600);
        assert_eq!(bits(0o100_664, false), 0o644);
        assert_eq!(bits(0o102_775, false), 0o755);
        assert_eq!(bits(0o100_604, false), 0o644);
    }
}
