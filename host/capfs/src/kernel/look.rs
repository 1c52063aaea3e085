//! What is at a path: the look that comes before every opening.

use std::os::fd::OwnedFd;

use lockgate_grant::{AbsPath, Allowed};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, StatxFlags};
use rustix::io::Errno;

use super::bindings::lockgate::files::extra::Attributes;
use super::bindings::wasi::filesystem::types::{DescriptorStat, DescriptorType, PathFlags};
use super::root::{LOOK, Wait};
use super::{Kernel, magic};
use crate::direct::{is_known_local, learn};
use crate::operation::{FileKind, Owner};

/// Something that was looked at, and is held, but not opened.
pub(super) struct Look {
    pub(super) fd: OwnedFd,
    pub(super) stat: Stat,
}

/// What a look told, and whose it is: that only of what may be read.
pub(crate) struct Seen {
    pub(super) attributes: Attributes,
    owner: Option<Owner>,
}

impl Seen {
    /// Whose it is, if this is what the guest says of it.
    pub(crate) fn owner_of(self, told: &Attributes) -> Option<Owner> {
        let of = |seen: &Attributes| {
            (
                seen.type_,
                seen.size,
                seen.created_ms,
                seen.modified_ms,
                seen.mode,
            )
        };
        self.owner.filter(|_| of(&self.attributes) == of(told))
    }
}

impl Kernel {
    pub(super) fn wait(&self) -> Wait {
        if self.cached_only {
            Wait::No
        } else {
            Wait::Yes
        }
    }

    /// Holds what is at `path` without opening it: for metadata, and before opening. A link at the end is `ELOOP`, or with `link_itself` looked at.
    /// What nothing is granted for is not there.
    pub(super) fn hold(&self, path: &AbsPath, link_itself: bool) -> Result<OwnedFd, Errno> {
        if self.allowed(path) == Allowed::Nothing {
            return Err(Errno::NOENT);
        }
        let flags = if link_itself {
            LOOK | OFlags::NOFOLLOW
        } else {
            LOOK
        };
        self.root.open_at(path, flags, Mode::empty(), self.wait())
    }

    /// [`Kernel::hold`] with a look at what it is.
    pub(super) fn look(&self, path: &AbsPath, link_itself: bool) -> Result<Look, Errno> {
        let fd = self.hold(path, link_itself)?;
        let stat = rustix::fs::fstat(&fd)?;
        self.admit(&fd, stat.st_dev)?;
        Ok(Look { fd, stat })
    }

    /// Refuses what is held when its file system is none to look into, or, where nothing may be waited for, none of this machine.
    pub(super) fn admit(&self, fd: &OwnedFd, device: u64) -> Result<(), Errno> {
        if self.cached_only && !is_known_local(device) {
            return Err(Errno::AGAIN);
        }
        magic::refuse(fd, device)?;
        learn(device, fd);
        Ok(())
    }

    pub(super) fn attributes(&self, path: &AbsPath, link_itself: bool) -> Result<Seen, Errno> {
        let fd = self.hold(path, link_itself)?;
        let found = rustix::fs::statx(
            &fd,
            c"",
            AtFlags::EMPTY_PATH,
            StatxFlags::BASIC_STATS | StatxFlags::BTIME,
        )?;
        self.admit(
            &fd,
            rustix::fs::makedev(found.stx_dev_major, found.stx_dev_minor),
        )?;
        let born = StatxFlags::from_bits_retain(found.stx_mask).contains(StatxFlags::BTIME);
        let milliseconds = |seconds: i64, nanoseconds: u32| {
            seconds
                .saturating_mul(1000)
                .saturating_add(i64::from(nanoseconds / 1_000_000))
        };
        let kind = FileType::from_raw_mode(found.stx_mode.into());
        let attributes = Attributes {
            type_: from_file_type(kind),
            size: found.stx_size,
            created_ms: if born {
                milliseconds(found.stx_btime.tv_sec, found.stx_btime.tv_nsec)
            } else {
                0
            },
            modified_ms: milliseconds(found.stx_mtime.tv_sec, found.stx_mtime.tv_nsec),
            mode: u32::from(found.stx_mode) & 0o7777,
        };
        let owner = (self.allowed(path) >= Allowed::Read).then(|| Owner {
            uid: found.stx_uid,
            gid: found.stx_gid,
            links: (kind != FileType::Directory).then(|| found.stx_nlink.into()),
        });
        Ok(Seen { attributes, owner })
    }
}

impl Look {
    pub(super) fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.stat.st_mode)
    }
}

/// True when two looks were at one object.
pub(super) fn same(one: &Stat, other: &Stat) -> bool {
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}

pub(super) fn links_themselves(flags: PathFlags) -> bool {
    !flags.contains(PathFlags::SYMLINK_FOLLOW)
}

pub(super) fn kind(mode: u32) -> DescriptorType {
    from_file_type(FileType::from_raw_mode(mode))
}

pub(super) fn from_file_type(kind: FileType) -> DescriptorType {
    match kind {
        FileType::RegularFile => DescriptorType::RegularFile,
        FileType::Directory => DescriptorType::Directory,
        FileType::Symlink => DescriptorType::SymbolicLink,
        FileType::Fifo => DescriptorType::Fifo,
        FileType::Socket => DescriptorType::Socket,
        FileType::CharacterDevice => DescriptorType::CharacterDevice,
        FileType::BlockDevice => DescriptorType::BlockDevice,
        FileType::Unknown => DescriptorType::Unknown,
    }
}

/// The other way round.
pub(crate) fn file_kind(kind: DescriptorType) -> FileKind {
    match kind {
        DescriptorType::RegularFile => FileKind::File,
        DescriptorType::Directory => FileKind::Directory,
        DescriptorType::SymbolicLink => FileKind::Symlink,
        DescriptorType::Fifo => FileKind::Fifo,
        DescriptorType::Socket => FileKind::Socket,
        DescriptorType::CharacterDevice => FileKind::CharacterDevice,
        DescriptorType::BlockDevice => FileKind::BlockDevice,
        DescriptorType::Unknown => FileKind::Unknown,
    }
}

/// WASI's record. Times before 1970 cannot be told in it.
pub(super) fn descriptor_stat(stat: &Stat) -> DescriptorStat {
    let time = |seconds: i64, nanoseconds: u64| {
        Some(super::bindings::wasi::clocks::wall_clock::Datetime {
            seconds: u64::try_from(seconds).ok()?,
            nanoseconds: u32::try_from(nanoseconds).ok()?,
        })
    };
    DescriptorStat {
        type_: kind(stat.st_mode),
        link_count: stat.st_nlink,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        data_access_timestamp: time(stat.st_atime, stat.st_atime_nsec),
        data_modification_timestamp: time(stat.st_mtime, stat.st_mtime_nsec),
        status_change_timestamp: time(stat.st_ctime, stat.st_ctime_nsec),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_something_is_is_told_of_what_the_guest_answers_and_of_nothing_else() {
        let seen = Attributes {
            type_: DescriptorType::RegularFile,
            size: 1,
            created_ms: 2,
            modified_ms: 3,
            mode: 0o644,
        };
        let owner = Owner {
            uid: 4,
            gid: 5,
            links: Some(6),
        };
        let owner_of = |told: &Attributes| {
            let seen = Seen {
                attributes: seen,
                owner: Some(owner),
            };
            seen.owner_of(told)
        };
        assert_eq!(owner_of(&seen), Some(owner));
        for other in [
            Attributes {
                type_: DescriptorType::Directory,
                ..seen
            },
            Attributes { size: 7, ..seen },
            Attributes {
                created_ms: 7,
                ..seen
            },
            Attributes {
                modified_ms: 7,
                ..seen
            },
            Attributes { mode: 7, ..seen },
        ] {
            assert_eq!(owner_of(&other), None, "{other:?}");
        }
    }
}
