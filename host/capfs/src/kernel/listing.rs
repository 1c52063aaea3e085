//! A directory's listing: the names that the grants let be seen, as the kernel hands them out, in batches.
//!
//! A listing reads on in the directory that it opened. Should that have been moved away meanwhile, what is in it now need not be granted: each
//! batch counts only if the directory is found at its path before and afterwards.

use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use lockgate_grant::{AbsPath, Allowed, Grants};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir};
use rustix::io::Errno;

use super::root::{LOOK, Root, Wait};
use crate::limits;

/// A `directory-entry-stream` of `wasi:filesystem`.
#[allow(unreachable_pub)]
pub struct Listing {
    fd: OwnedFd,
    root: Arc<Root>,
    path: AbsPath,
    identity: (u64, u64),
    /// There are rules below this directory: each entry is asked for. Where there are none, all are as the directory is.
    filter: Option<Arc<Grants>>,
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
    pub(crate) fn new(
        fd: OwnedFd,
        root: Arc<Root>,
        path: AbsPath,
        identity: (u64, u64),
        filter: Option<Arc<Grants>>,
    ) -> Result<Listing, Errno> {
        let mut listing = Listing {
            fd,
            root,
            path,
            identity,
            filter,
            ahead: VecDeque::new(),
            ended: false,
        };
        listing.read_batch()?;
        Ok(listing)
    }

    /// Device and inode of the directory.
    pub(crate) fn identity(&self) -> (u64, u64) {
        self.identity
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
        match self.is_in_place()? {
            true => self.read_batch(),
            false => Err(Errno::NOENT),
        }
    }

    fn read_batch(&mut self) -> Result<(), Errno> {
        self.ask_kernel()?;
        if !self.ahead.is_empty() && !self.is_in_place()? {
            self.ahead.clear();
            return Err(Errno::NOENT);
        }
        Ok(())
    }

    fn is_in_place(&self) -> Result<bool, Errno> {
        let flags = LOOK | OFlags::DIRECTORY;
        let there = self
            .root
            .open_at(&self.path, flags, Mode::empty(), Wait::Yes)?;
        let stat = rustix::fs::fstat(&there)?;
        Ok((stat.st_dev, stat.st_ino) == self.identity)
    }

    /// Asks the kernel, for a small directory until its end.
    fn ask_kernel(&mut self) -> Result<(), Errno> {
        let mut buffer = [MaybeUninit::<u8>::uninit(); limits::LISTING_BUFFER_BYTES];
        let mut entries = RawDir::new(&self.fd, &mut buffer);
        let mut child = self.filter.is_some().then(|| {
            let mut child = self.path.as_bytes().to_vec();
            if !self.path.is_root() {
                child.push(b'/');
            }
            child
        });
        let below = child.as_ref().map_or(0, Vec::len);
        loop {
            let Some(entry) = entries.next() else {
                self.ended = true;
                return Ok(());
            };
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            let hidden = match (&mut child, &self.filter) {
                (Some(child), Some(grants)) => {
                    child.truncate(below);
                    child.extend_from_slice(name);
                    grants.allowed_bytes(child) == Allowed::Nothing
                }
                _ => false,
            };
            if !hidden && !matches!(name, b"." | b"..") {
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
