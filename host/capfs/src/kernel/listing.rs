//! A directory's listing: the names that the grants let be seen, as the kernel hands them out, in batches.
//!
//! A listing reads on in the directory that it opened. Should that have been moved away meanwhile, what is in it now need not be granted: each
//! batch counts only if the directory is found at its path before and afterwards.

use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, RawDir};
use rustix::io::Errno;

use super::place::Place;
use crate::limits;

/// A `directory-entry-stream` of `wasi:filesystem`.
#[allow(unreachable_pub)]
pub struct Listing {
    fd: OwnedFd,
    place: Place,
    /// Entries that the kernel gave with one call and that were not yet passed on.
    ahead: VecDeque<RawEntry>,
    ended: bool,
}

/// A name and what it is, without following it.
#[derive(Debug)]
pub(crate) struct RawEntry {
    pub(crate) name: Box<[u8]>,
    pub(crate) kind: FileType,
}

impl Listing {
    /// Reads the first batch at once: the directory was at its path a moment ago, when it was opened.
    pub(crate) fn new(fd: OwnedFd, place: Place) -> Result<Listing, Errno> {
        let mut listing = Listing {
            fd,
            place,
            ahead: VecDeque::new(),
            ended: false,
        };
        listing.read_batch()?;
        Ok(listing)
    }

    /// Device and inode of the directory.
    pub(crate) fn identity(&self) -> (u64, u64) {
        self.place.identity
    }

    /// Where the directory is.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// Brings the directory's names to the disk.
    pub(crate) fn sync(&self) -> Result<(), Errno> {
        rustix::fs::fsync(&self.fd)
    }

    /// The next entry; none at the end. `.` and `..` are left out.
    pub(crate) fn next(&mut self) -> Result<Option<RawEntry>, Errno> {
        while self.ahead.is_empty() && !self.ended {
            self.refill()?;
        }
        Ok(self.ahead.pop_front())
    }

    fn refill(&mut self) -> Result<(), Errno> {
        match self.place.is_in_place()? {
            true => self.read_batch(),
            false => Err(Errno::NOENT),
        }
    }

    fn read_batch(&mut self) -> Result<(), Errno> {
        self.ask_kernel()?;
        if !self.ahead.is_empty() && !self.place.is_in_place()? {
            self.ahead.clear();
            return Err(Errno::NOENT);
        }
        Ok(())
    }

    /// Asks the kernel, for a small directory until its end.
    fn ask_kernel(&mut self) -> Result<(), Errno> {
        let mut buffer = [MaybeUninit::<u8>::uninit(); limits::LISTING_BUFFER_BYTES];
        let mut entries = RawDir::new(&self.fd, &mut buffer);
        let mut names = self.place.names();
        loop {
            let Some(entry) = entries.next() else {
                self.ended = true;
                return Ok(());
            };
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if names.shows(name) && !matches!(name, b"." | b"..") {
                let kind = match entry.file_type() {
                    FileType::Unknown => kind_of(&self.fd, entry.file_name()),
                    kind => kind,
                };
                self.ahead.push_back(RawEntry {
                    name: Box::from(name),
                    kind,
                });
            }
            if entries.is_buffer_empty() && self.ahead.len() >= limits::LISTING_BATCH {
                return Ok(());
            }
        }
    }
}

impl AsFd for Listing {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// For file systems that do not say it in the listing.
fn kind_of(directory: impl AsFd, name: &std::ffi::CStr) -> FileType {
    rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)
        .map_or(FileType::Unknown, |found| {
            FileType::from_raw_mode(found.st_mode)
        })
}
