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

/// Something that was looked at, and is held, but not opened.
pub(super) struct Look {
    pub(super) fd: OwnedFd,
    pub(super) stat: Stat,
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

    pub(super) fn attributes(
        &self,
        path: &AbsPath,
        link_itself: bool,
    ) -> Result<Attributes, Errno> {
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
        Ok(Attributes {
            type_: kind(found.stx_mode.into()),
            size: found.stx_size,
            created_ms: if born {
                milliseconds(found.stx_btime.tv_sec, found.stx_btime.tv_nsec)
            } else {
                0
            },
            modified_ms: milliseconds(found.stx_mtime.tv_sec, found.stx_mtime.tv_nsec),
            mode: u32::from(found.stx_mode) & 0o7777,
        })
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
