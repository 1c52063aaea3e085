//! What a tree needs of files. No link is followed, neither at the end of a path nor on the way: it is [`FsError::SymbolicLink`].

use std::os::fd::{AsFd, OwnedFd};
use std::time::SystemTime;

use lockgate_grant::AbsPath;
use rustix::fs::{Mode, Timespec, Timestamps, UTIME_OMIT};

use crate::kernel::Listing;
use crate::operation::{FsError, OpenFile};

pub(crate) trait Ground: Send + Sync {
    /// Opens a directory.
    fn list(&self, path: &AbsPath) -> Result<Listing, FsError>;

    /// Opens a regular file for reading.
    fn open(&self, path: &AbsPath) -> Result<OpenFile, FsError>;

    /// What a link says.
    fn read_link(&self, path: &AbsPath) -> Result<Vec<u8>, FsError>;

    /// Opens a regular file for writing, with what is in it; makes it where it is missing.
    fn write(&self, path: &AbsPath) -> Result<OwnedFd, FsError>;

    /// Makes a directory, with no more than these permission bits, and those above it; one that is there is fine.
    fn make_directory(&self, path: &AbsPath, mode: u32) -> Result<(), FsError>;

    /// Makes a link; the name must be free.
    fn make_link(&self, target: &[u8], path: &AbsPath) -> Result<(), FsError>;

    /// Takes the name from what was found to be a link.
    fn remove(&self, path: &AbsPath) -> Result<(), FsError>;

    /// Gives a directory its permission bits and time.
    fn settle(&self, path: &AbsPath, mode: u32, modified: SystemTime) -> Result<(), FsError>;
}

/// Gives what is open its permission bits and time.
pub(super) fn settle(fd: impl AsFd, mode: u32, modified: SystemTime) -> Result<(), FsError> {
    rustix::fs::fchmod(&fd, Mode::from_raw_mode(mode))?;
    let since = modified
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let times = Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: since.subsec_nanos().into(),
        },
    };
    Ok(rustix::fs::futimens(&fd, &times)?)
}
