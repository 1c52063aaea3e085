//! Making sure of room before the first byte is overwritten.

use std::ops::Range;
use std::os::fd::BorrowedFd;

use rustix::fs::FallocateFlags;
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use super::Change;

/// Bytes that a file may have if this process writes it (`RLIMIT_FSIZE`).
///
/// The system's own refusal comes after everything up to the limit has been written, and with a signal (`SIGXFSZ`) that would end the server.
pub(crate) fn size_limit() -> u64 {
    getrlimit(Resource::Fsize).current.unwrap_or(u64::MAX)
}

/// Reserves the blocks that the new contents need and the file lacks, because it grows or has holes. A refusal leaves the file as it was.
///
/// A file that has all its blocks costs nothing. Where the filesystem cannot reserve, nothing is said: see
/// [`Kept::where_needed`](super::kept::Kept::where_needed).
pub(super) fn make(file: BorrowedFd<'_>, change: Change) -> Result<(), Errno> {
    match change.has_all_blocks() {
        true => Ok(()),
        false => reserve(file, change, 0..change.new),
    }
}

/// Reserves the blocks of a range, which is not empty.
pub(super) fn reserve(
    file: BorrowedFd<'_>,
    change: Change,
    range: Range<u64>,
) -> Result<(), Errno> {
    let len = range.end - range.start;
    loop {
        match rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, range.start, len) {
            Err(Errno::INTR) => {}
            Err(errno @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) => {
                give_back(file, change, change.old);
                return Err(errno);
            }
            // It cannot, or does not know how; if it is something worse, writing will tell.
            Ok(()) | Err(_) => return Ok(()),
        }
    }
}

/// Gives back what was reserved past the end at `len`, which some filesystems do not by themselves. Holes that were filled stay filled.
pub(super) fn give_back(file: BorrowedFd<'_>, change: Change, len: u64) {
    let Ok(now) = rustix::fs::fstat(file) else {
        return;
    };
    // Not what somebody else has appended in the meantime; and a file that nothing was done to keeps its times.
    let reserved = now.st_size as u64 == len && now.st_blocks as u64 > change.blocks;
    if reserved && let Err(errno) = rustix::fs::ftruncate(file, len) {
        tracing::warn!(%errno, "blocks that were reserved for a write could not be given back");
    }
}

/// Whether overwriting bytes that have their blocks needs no others. Copy-on-write filesystems need new ones for every change, and
/// of a network's or another process's nothing is known.
pub(super) fn overwrites_in_place(file: BorrowedFd<'_>) -> bool {
    /// The numbers by which `statfs(2)` names ext2 to ext4, and tmpfs.
    const KNOWN: [u32; 2] = [0xEF53, 0x0102_1994];
    rustix::fs::fstatfs(file).is_ok_and(|fs| KNOWN.contains(&(fs.f_type as u32)))
}
