//! Holes in files: where they are, and making them.

use std::ops::Range;
use std::os::fd::BorrowedFd;

use rustix::fs::{FallocateFlags, SeekFrom};
use rustix::io::Errno;

use super::{Change, room};
use crate::operation::FsError;

/// The next bytes at or after an offset that are no hole; nothing where only holes follow.
pub(super) fn next_data(from: BorrowedFd<'_>, at: u64) -> Result<Option<Range<u64>>, Errno> {
    let start = match rustix::fs::seek(from, SeekFrom::Data(at)) {
        Ok(start) => start,
        Err(Errno::NXIO) => return Ok(None),
        // This filesystem does not tell.
        Err(Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS) if at == 0 => {
            return Ok(Some(0..u64::MAX));
        }
        Err(errno) => return Err(errno),
    };
    match rustix::fs::seek(from, SeekFrom::Hole(start)) {
        Ok(end) => Ok(Some(start..end)),
        // It was cut meanwhile.
        Err(Errno::NXIO) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// [`room::make`] for a copy of a file with holes, which need no room.
pub(super) fn make_room(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    change: Change,
    mut go_on: impl FnMut() -> Result<(), FsError>,
) -> Result<(), FsError> {
    if change.has_all_blocks() {
        return Ok(());
    }
    let mut at = 0;
    while let Some(data) = next_data(from, at)? {
        let end = data.end.min(change.new);
        if data.start < end {
            room::reserve(to, change, data.start..end)?;
        }
        go_on()?;
        at = data.end;
    }
    Ok(())
}

/// Makes a hole of a range, which is not empty.
pub(super) fn clear(to: BorrowedFd<'_>, hole: Range<u64>) -> Result<(), Errno> {
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    loop {
        match rustix::fs::fallocate(to, flags, hole.start, hole.end - hole.start) {
            Err(Errno::INTR) => {}
            // All that follows is written anew, so it can go: what is not written then is a hole.
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                return rustix::fs::ftruncate(to, hole.start);
            }
            outcome => return outcome,
        }
    }
}
