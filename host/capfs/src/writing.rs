//! A regular file that was opened for writing, by either way of running an operation: the host writes, no guest sees the bytes.

use std::os::fd::OwnedFd;

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::operation::FsError;
use crate::{contents, open_file};

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenFor {
    /// New contents: the file is empty once it is open, and made where it is missing. It stays the same one: its other names and its
    /// permission bits stay.
    Replace,
    /// More at its end, wherever that is by then; made where it is missing.
    Append,
    /// Pieces of a file that is there, which is read as well.
    Update,
}

/// A regular file opened for writing.
#[derive(Debug)]
pub struct WritableFile {
    fd: OwnedFd,
    appends: bool,
}

impl WritableFile {
    /// Takes over a regular file that was opened for writing, and for reading where that is asked for, with its old contents.
    pub(crate) fn new(fd: OwnedFd, purpose: OpenFor) -> Result<WritableFile, FsError> {
        match purpose {
            OpenFor::Replace => rustix::fs::ftruncate(&fd, 0)?,
            OpenFor::Append => {
                let flags = rustix::fs::fcntl_getfl(&fd)?;
                rustix::fs::fcntl_setfl(&fd, flags | OFlags::APPEND)?;
            }
            OpenFor::Update => {}
        }
        Ok(WritableFile {
            fd,
            appends: purpose == OpenFor::Append,
        })
    }

    /// True when what is written goes to the end, whatever the offset.
    pub fn appends(&self) -> bool {
        self.appends
    }

    /// Writes all of `bytes` from `offset`. A gap before it reads as zeros. A failure says how much was written.
    pub fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), FsError> {
        let start = match self.appends {
            true => rustix::fs::fstat(&self.fd)?.st_size as u64,
            false => offset,
        };
        let end = start
            .checked_add(bytes.len() as u64)
            .filter(|end| i64::try_from(*end).is_ok())
            .ok_or(Errno::INVAL)?;
        // The system would write up to there and then send a signal that ends the server.
        contents::may_reach(end)?;
        let mut written = 0;
        while written < bytes.len() {
            let at = start + written as u64;
            let failed = match rustix::io::pwrite(&self.fd, &bytes[written..], at) {
                Ok(0) => Errno::IO,
                Ok(more) => {
                    written += more;
                    continue;
                }
                Err(Errno::INTR) => continue,
                Err(errno) => errno,
            };
            return Err(match written {
                0 => failed.into(),
                _ => FsError::WrittenInPart {
                    errno: failed,
                    written,
                    all: bytes.len(),
                },
            });
        }
        Ok(())
    }

    /// `len` bytes from `offset`; fewer only where the file ends. Fails where it was not opened for reading as well.
    pub fn read_at(&self, offset: u64, len: usize) -> Result<Vec<u8>, FsError> {
        open_file::read_at(&self.fd, offset, len)
    }
}
