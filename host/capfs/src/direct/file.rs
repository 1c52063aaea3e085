//! Reading and writing regular files, and nothing but those.

use std::os::fd::OwnedFd;

use lockgate_grant::path::AbsPath;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::{local, look};
use crate::contents;
use crate::operation::{Follow, FsError, OpenFile};
use crate::writing::{OpenFor, WritableFile};

/// Opens a regular file for reading. One larger than [`MAX_READ_BYTES`](crate::limits::MAX_READ_BYTES) is opened all the same: it can be read in blocks.
pub fn open(path: &AbsPath, follow: Follow) -> Result<OpenFile, FsError> {
    let looked_at = look::look(path, follow)?;
    contents::check_regular(looked_at.st_mode)?;
    let fd = look::open(path, OFlags::RDONLY | look::SAFELY, Mode::empty(), follow)?;
    // Another thing may stand there by now.
    let stat = contents::regular(&fd)?;
    local::learn(stat.st_dev, &fd);
    Ok(OpenFile {
        size: stat.st_size as u64,
        fd,
    })
}

/// Opens a regular file for writing.
pub fn open_write(
    path: &AbsPath,
    purpose: OpenFor,
    follow: Follow,
) -> Result<WritableFile, FsError> {
    let flags = match purpose {
        OpenFor::Replace => OFlags::WRONLY | OFlags::CREATE,
        OpenFor::Append => OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND,
        OpenFor::Update => OFlags::RDWR,
    };
    WritableFile::new(writable(path, flags, follow)?, purpose)
}

/// Makes `bytes` the contents of a file, which is created where it is missing. The file stays the same one: its other names show the
/// new contents, its permission bits stay.
pub fn write_file(path: &AbsPath, bytes: &[u8], follow: Follow) -> Result<(), FsError> {
    let file = writable(path, OFlags::WRONLY | OFlags::CREATE, follow)?;
    contents::replace(file, bytes)
}

/// A regular file opened for reading and writing, its old contents as they were.
pub fn open_update(path: &AbsPath, follow: Follow) -> Result<OwnedFd, FsError> {
    writable(path, OFlags::RDWR, follow)
}

/// A regular file opened with these flags, its old contents as they were.
fn writable(path: &AbsPath, flags: OFlags, follow: Follow) -> Result<OwnedFd, FsError> {
    match look::look(path, follow) {
        Ok(stat) => contents::check_regular(stat.st_mode)?,
        Err(FsError::Os(Errno::NOENT)) if flags.contains(OFlags::CREATE) => {}
        Err(error) => return Err(error),
    }
    // `openat2` refuses one where nothing can be made.
    let mode = match flags.contains(OFlags::CREATE) {
        true => Mode::from_raw_mode(0o666),
        false => Mode::empty(),
    };
    let file = look::open(path, flags | look::SAFELY, mode, follow)?;
    contents::regular(&file)?;
    Ok(file)
}
