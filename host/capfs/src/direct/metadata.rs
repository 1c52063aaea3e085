//! What is at a path, what a path is without links, and the attributes that can be changed.

use std::os::fd::AsFd;
use std::time::{SystemTime, UNIX_EPOCH};

use lockgate_grant::path::AbsPath;
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, Statx, StatxFlags, StatxTimestamp, Timespec, Timestamps, makedev,
};
use rustix::io::Errno;

use super::{local, look};
use crate::change;
use crate::contents::PERMISSION_BITS;
use crate::operation::{Follow, FsError, Metadata, NewTimes, Owner};

/// The fields of [`Metadata`].
const FIELDS: StatxFlags = StatxFlags::BASIC_STATS.union(StatxFlags::BTIME);

/// Type, size and times of what a path leads to, and whether the path is a link.
pub fn metadata(path: &AbsPath, follow: Follow) -> Result<Metadata, FsError> {
    if follow == Follow::Nothing {
        return Ok(describe(
            &attributes(look::place(path, follow)?, AtFlags::empty())?,
            false,
        ));
    }
    let name = rustix::fs::statx(CWD, path.as_path(), AtFlags::SYMLINK_NOFOLLOW, FIELDS)?;
    let is_link = is_link(&name);
    let target = match is_link {
        true => rustix::fs::statx(CWD, path.as_path(), AtFlags::empty(), FIELDS)?,
        false => name,
    };
    local::learn_by_path(device(&target), path);
    Ok(describe(&target, is_link))
}

/// The path of what `path` leads to, free of links.
pub fn canonicalize(path: &AbsPath) -> Result<AbsPath, FsError> {
    let canonical = path.as_path().canonicalize().map_err(|error| {
        let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
        FsError::Os(errno)
    })?;
    AbsPath::parse(canonical).map_err(|_| FsError::Os(Errno::NAMETOOLONG))
}

/// Sets the nine permission bits of a file or directory.
pub fn set_mode(path: &AbsPath, mode: u32, follow: Follow) -> Result<(), FsError> {
    if mode & !PERMISSION_BITS != 0 {
        return Err(Errno::INVAL.into());
    }
    let held = look::place(path, follow)?;
    Ok(change::mode(held, Mode::from_raw_mode(mode))?)
}

/// Sets the times of a file or directory, none of them before 1970: so it is through the gate, too.
pub fn set_times(path: &AbsPath, times: NewTimes, follow: Follow) -> Result<(), FsError> {
    let (accessed, modified) = (timespec(times.accessed)?, timespec(times.modified)?);
    let held = look::place(path, follow)?;
    let times = Timestamps {
        last_access: accessed,
        last_modification: modified,
    };
    Ok(change::times(held, &times)?)
}

fn timespec(time: Option<SystemTime>) -> Result<Timespec, FsError> {
    let Some(time) = time else {
        return Ok(Timespec {
            tv_sec: 0,
            tv_nsec: rustix::fs::UTIME_OMIT,
        });
    };
    let since = time.duration_since(UNIX_EPOCH).map_err(|_| Errno::INVAL)?;
    Ok(Timespec {
        tv_sec: i64::try_from(since.as_secs()).map_err(|_| Errno::OVERFLOW)?,
        tv_nsec: since.subsec_nanos().into(),
    })
}

/// The attributes of what a descriptor stands for.
pub(super) fn attributes(fd: impl AsFd, how: AtFlags) -> Result<Statx, FsError> {
    Ok(rustix::fs::statx(
        fd,
        c"",
        AtFlags::EMPTY_PATH | how,
        FIELDS,
    )?)
}

pub(super) fn is_link(attributes: &Statx) -> bool {
    FileType::from_raw_mode(attributes.stx_mode.into()) == FileType::Symlink
}

pub(super) fn device(attributes: &Statx) -> u64 {
    makedev(attributes.stx_dev_major, attributes.stx_dev_minor)
}

/// `target` in the protocol's terms, reached through a name that is a link or not.
pub(super) fn describe(target: &Statx, is_symlink: bool) -> Metadata {
    let has = |field: StatxFlags| target.stx_mask & field.bits() != 0;
    let known = |field, time| if has(field) { milliseconds(time) } else { 0 };
    let kind = FileType::from_raw_mode(target.stx_mode.into());
    Metadata {
        is_directory: kind == FileType::Directory,
        is_file: kind == FileType::RegularFile,
        is_symlink,
        size: target.stx_size,
        created_ms: known(StatxFlags::BTIME, target.stx_btime),
        modified_ms: known(StatxFlags::MTIME, target.stx_mtime),
        mode: u32::from(target.stx_mode) & 0o7777,
        kind: kind.into(),
        owner: Some(Owner {
            uid: target.stx_uid,
            gid: target.stx_gid,
            links: Some(target.stx_nlink.into()),
        }),
    }
}

/// Unix milliseconds; nanoseconds count upwards also before 1970.
fn milliseconds(time: StatxTimestamp) -> i64 {
    time.tv_sec
        .saturating_mul(1_000)
        .saturating_add(i64::from(time.tv_nsec / 1_000_000))
}
