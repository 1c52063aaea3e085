//! The bytes of regular files, from descriptor to descriptor and from memory to descriptor: what writing and copying do
//! once a file is open, whichever way it was opened.
//!
//! A file is overwritten in place, so that it stays the same one for its other names and for who has it open, and cut where it was
//! longer instead of being emptied first (`O_TRUNC`): ext4 sends a file that was emptied and written again to the disk when it is
//! closed, some 3 ms against 2 us. Neither way is atomic; a reader in between sees part of the old bytes rather than none.
//!
//! What must not happen is that contents are lost without a word (docs/files.md):
//!
//! - a full disk, a quota or a limit is found out before the first byte is overwritten ([`room`]);
//! - where that cannot be known, a copy of what is overwritten is kept in memory meanwhile and put back ([`kept`]);
//! - what cannot be put back is told: [`FsError::Torn`] says what the file holds now;
//! - a server that is killed in between has noted the file before ([`crate::ledger`]).

mod copy;
mod holes;
mod kept;
mod pieces;
mod replace;
mod room;
mod same;
mod zeros;

use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{FileType, RawMode, Stat};
use rustix::io::Errno;

use crate::operation::FsError;

pub(crate) use copy::{PERMISSION_BITS, SPECIAL_BITS, copy, filled_by_owner};
pub(crate) use replace::replace;
use room::size_limit;
pub(crate) use same::same;
pub use zeros::is_zeros;
pub(crate) use zeros::{leave_out, next_piece};

/// Bytes that one `write` to the beginning of a file puts there wholly or not at all: they lie in one page of the kernel's cache,
/// which is filled in one go (4 KiB is the smallest page there is).
const WHOLE_OR_NOT: u64 = 4096;

/// Bytes in a block of `st_blocks`, whatever the filesystem's own blocks are.
const STAT_BLOCK: u64 = 512;

/// Looks whether an opened thing is a regular file: nothing else is read or written (a FIFO would hang, a device act).
pub(crate) fn regular(fd: impl AsFd) -> Result<Stat, FsError> {
    let stat = rustix::fs::fstat(fd)?;
    check_regular(stat.st_mode)?;
    Ok(stat)
}

/// The same for what a look by name has found.
pub(crate) fn check_regular(mode: RawMode) -> Result<(), FsError> {
    match FileType::from_raw_mode(mode) {
        FileType::RegularFile => Ok(()),
        FileType::Directory => Err(Errno::ISDIR.into()),
        _ => Err(FsError::NotRegular),
    }
}

/// What is to be done to a file's contents.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    /// Bytes that the file has.
    pub(crate) old: u64,
    /// Bytes that it is to have.
    pub(crate) new: u64,
    /// Blocks of [`STAT_BLOCK`] bytes that it has.
    pub(crate) blocks: u64,
}

impl Change {
    fn of(before: &Stat, new: u64) -> Change {
        Change {
            old: u64::try_from(before.st_size).unwrap_or(0),
            new,
            blocks: u64::try_from(before.st_blocks).unwrap_or(0),
        }
    }

    /// Bytes that are there no more afterwards, but for those that are cut off.
    fn overwritten(self) -> u64 {
        self.old.min(self.new)
    }

    /// It neither grows nor has holes.
    fn has_all_blocks(self) -> bool {
        self.blocks.saturating_mul(STAT_BLOCK) >= self.new.max(self.old)
    }

    /// There is no moment in the middle of it that leaves something that is neither the old nor the new contents.
    pub(crate) fn is_one_step(self) -> bool {
        let put_at_once = self.new <= WHOLE_OR_NOT && self.new >= self.old;
        self.old == 0 || self.new == 0 || put_at_once
    }
}

/// Refuses a file that would come to have more bytes than this process may write into one: see [`size_limit`].
pub(crate) fn may_reach(end: u64) -> Result<(), Errno> {
    match end <= size_limit() {
        true => Ok(()),
        false => Err(Errno::FBIG),
    }
}

/// Ends the file at `len` if it is longer.
pub(crate) fn cut_after(file: BorrowedFd<'_>, len: u64) -> Result<(), Errno> {
    if rustix::fs::fstat(file)?.st_size as u64 > len {
        rustix::fs::ftruncate(file, len)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_pass() {
        assert!(matches!(
            regular(std::fs::File::open("/dev/null").expect("opened")),
            Err(FsError::NotRegular)
        ));
        assert!(matches!(
            regular(std::fs::File::open("/").expect("opened")),
            Err(FsError::Os(Errno::ISDIR))
        ));
        let file = tempfile::tempfile().expect("temporary file");
        assert!(regular(&file).is_ok());
    }

    #[test]
    fn what_one_call_does_whole_or_not_at_all_is_one_step() {
        let one_step = |old, new| {
            let blocks = 0;
            Change { old, new, blocks }.is_one_step()
        };
        assert!(one_step(0, 1 << 30), "nothing can be lost");
        assert!(one_step(1 << 30, 0), "one cut");
        assert!(one_step(10, 4096), "one page");
        assert!(!one_step(10, 4097), "more than a page");
        assert!(!one_step(10, 9), "written, then cut");
    }
}
