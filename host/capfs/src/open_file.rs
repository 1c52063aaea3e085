//! A regular file that was opened for reading, by either way of running an operation. From here on the
//! bytes go from the descriptor to the server; no guest sees them (DESIGN.md 3).

use std::io::IoSliceMut;
use std::os::fd::{AsFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::io::{Errno, ReadWriteFlags};

use crate::limits;
use crate::operation::FsError;
use crate::workers::alive;

/// A regular file opened for reading, and its size at that moment.
#[derive(Debug)]
pub struct OpenFile {
    /// The descriptor, at offset 0, close-on-exec.
    pub fd: OwnedFd,
    /// Bytes, as the look before the opening said; a file may grow or shrink afterwards.
    pub size: u64,
}

impl OpenFile {
    /// All bytes of the file, at most `limit` of them ([`limits::MAX_READ_BYTES`] whatever is asked).
    ///
    /// One read suffices for a file that did not change: there is room for one byte more than the size, so that getting
    /// exactly the size says that this was all. Files of unknown size (procfs says 0, sysfs a page) are read until nothing comes.
    pub fn read_all(&self, limit: u64) -> Result<Vec<u8>, FsError> {
        let mut bytes = Vec::new();
        self.read_all_into(&mut bytes, limit)?;
        Ok(bytes)
    }

    /// [`OpenFile::read_all`] into a buffer that is kept from file to file; what was in it goes.
    pub fn read_all_into(&self, bytes: &mut Vec<u8>, limit: u64) -> Result<(), FsError> {
        bytes.clear();
        let limit = limit.min(limits::MAX_READ_BYTES);
        if self.size > limit {
            return Err(FsError::TooLarge { limit });
        }
        reserve(
            bytes,
            match self.size {
                0 => FIRST_PIECE,
                size => size as usize + 1,
            },
        )?;
        loop {
            alive();
            let from = bytes.len() as u64;
            match rustix::io::pread(&self.fd, spare_capacity(bytes), from) {
                Ok(0) => return Ok(()),
                Ok(_) if bytes.len() as u64 > limit => return Err(FsError::TooLarge { limit }),
                Ok(_) if bytes.len() as u64 == self.size => return Ok(()),
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
            if bytes.capacity() == bytes.len() {
                let more = bytes.len();
                reserve(bytes, more)?;
            }
        }
    }

    /// [`OpenFile::read_all`] of a small file without blocking: `None` where the bytes are not all in memory, or it cannot be told.
    pub fn try_read_all(&self, limit: u64) -> Option<Result<Vec<u8>, FsError>> {
        if self.size > limit.min(limits::MAX_READ_BYTES) {
            return None;
        }
        // One byte more than the size, as above: exactly the size came, or it is not all.
        let mut bytes = vec![0; self.size as usize + 1];
        let mut into = [IoSliceMut::new(&mut bytes)];
        match rustix::io::preadv2(&self.fd, &mut into, 0, ReadWriteFlags::NOWAIT) {
            Ok(read) if read as u64 == self.size => {
                bytes.truncate(read);
                Some(Ok(bytes))
            }
            Ok(_) => None,
            Err(errno) => match errno {
                Errno::AGAIN | Errno::OPNOTSUPP | Errno::INTR | Errno::NOSYS | Errno::INVAL => None,
                errno => Some(Err(errno.into())),
            },
        }
    }

    /// `len` bytes from `offset`; fewer only where the file ends.
    pub fn read_at(&self, offset: u64, len: usize) -> Result<Vec<u8>, FsError> {
        read_at(&self.fd, offset, len)
    }
}

/// `len` bytes from `offset`; fewer only where the file ends.
pub(crate) fn read_at(fd: impl AsFd, offset: u64, len: usize) -> Result<Vec<u8>, FsError> {
    let mut bytes = Vec::new();
    reserve(&mut bytes, len)?;
    while bytes.len() < len {
        let from = offset.checked_add(bytes.len() as u64).ok_or(Errno::INVAL)?;
        match rustix::io::pread(&fd, spare_capacity(&mut bytes), from) {
            Ok(0) => break,
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    // An allocator may have given more room than was asked for.
    bytes.truncate(len);
    Ok(bytes)
}

/// Room for the first read of a file that does not say how large it is.
const FIRST_PIECE: usize = 4 * 1024;

/// Makes room, or says that there is none: a size comes from the filesystem and must not abort the server.
fn reserve(bytes: &mut Vec<u8>, more: usize) -> Result<(), FsError> {
    bytes
        .try_reserve_exact(more)
        .map_err(|_| Errno::NOMEM.into())
}
