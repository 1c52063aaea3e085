//! A copy of what is overwritten, kept in memory until the new contents are whole, and what a failure comes to.

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::buffer::spare_capacity;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

use super::{Change, cut_after, room};
use crate::limits;
use crate::operation::{FsError, Left};

/// The old bytes that are about to be overwritten.
pub(super) enum Kept {
    /// None: they are not needed, too many, or not to be read.
    Nothing,
    /// From the beginning of the file.
    Bytes(Vec<u8>),
}

impl Kept {
    /// Keeps them if overwriting can fail in the middle on this filesystem although room was made, and they are few enough.
    pub(super) fn where_needed(file: BorrowedFd<'_>, change: Change) -> Kept {
        let len = change.overwritten();
        if len > limits::KEPT_BYTES || room::overwrites_in_place(file) {
            return Kept::Nothing;
        }
        match read(file, len) {
            Ok(bytes) => Kept::Bytes(bytes),
            Err(errno) => {
                tracing::debug!(%errno, "contents cannot be kept while they are overwritten");
                Kept::Nothing
            }
        }
    }

    /// Puts the old contents back after `written` new bytes were followed by a failure, and says what came of that.
    pub(super) fn after_failure(
        self,
        file: BorrowedFd<'_>,
        change: Change,
        written: u64,
        cause: Errno,
    ) -> FsError {
        let torn = |left| FsError::Torn {
            cause,
            written,
            wanted: change.new,
            left,
        };
        if change.old == 0 {
            return match rustix::fs::ftruncate(file, 0) {
                Ok(()) => torn(Left::Empty),
                Err(_) => torn(Left::Beginning),
            };
        }
        let len = rustix::fs::fstat(file).map_or(written, |now| now.st_size as u64);
        let untouched = if written < len {
            Left::BeginningThenOld
        } else {
            Left::Beginning
        };
        let before = match self {
            _ if written == 0 && len == change.old => Ok(()),
            // A copy with holes has cut it, where holes cannot be made otherwise.
            Kept::Bytes(kept) if len >= change.old || kept.len() as u64 == change.old => {
                let gone = match len >= change.old {
                    true => kept.len().min(written as usize),
                    false => kept.len(),
                };
                match put_back(file, &kept[..gone]) {
                    Ok(()) => cut_after(file, change.old).map_err(|_| Left::Mixture),
                    Err(0) => Err(untouched),
                    Err(_) => Err(Left::Mixture),
                }
            }
            Kept::Nothing | Kept::Bytes(_) => Err(untouched),
        };
        // It ends at one of the two, and is left alone where it does not.
        for len in [change.old, written] {
            room::give_back(file, change, len);
        }
        before.map_or_else(torn, |()| cause.into())
    }
}

/// The first `len` bytes of a file that was opened for writing only.
pub(super) fn read(file: BorrowedFd<'_>, len: u64) -> Result<Vec<u8>, Errno> {
    // The descriptor's own file, under whatever name it is by now.
    let again = rustix::fs::openat(
        CWD,
        format!("/proc/self/fd/{}", file.as_raw_fd()),
        OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK,
        Mode::empty(),
    )?;
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(len as usize)
        .map_err(|_| Errno::NOMEM)?;
    while (bytes.len() as u64) < len {
        let at = bytes.len() as u64;
        match rustix::io::pread(&again, spare_capacity(&mut bytes), at) {
            // It has become shorter meanwhile: whoever did that wants no old contents back.
            Ok(0) => return Err(Errno::STALE),
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    bytes.truncate(len as usize);
    Ok(bytes)
}

/// Writes bytes to the beginning of a file, or says how many could be written.
fn put_back(file: BorrowedFd<'_>, bytes: &[u8]) -> Result<(), usize> {
    let mut at = 0;
    while at < bytes.len() {
        match rustix::io::pwrite(file, &bytes[at..], at as u64) {
            Ok(more) if more > 0 => at += more,
            Err(Errno::INTR) => {}
            Ok(_) | Err(_) => return Err(at),
        }
    }
    Ok(())
}
