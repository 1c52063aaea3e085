//! Copying bytes between two open files, piece by piece.

use std::os::fd::BorrowedFd;

use rustix::io::Errno;

use super::holes;
use crate::operation::FsError;

/// Bytes that one system call copies. Between two of them a caller may stop the copying; large enough that the calls cost nothing.
const PIECE: usize = 8 * 1024 * 1024;

/// Bytes of the buffer where the kernel cannot copy by itself.
const BUFFER: usize = 128 * 1024;

/// What ended a copy before its end.
pub(super) enum Stopped {
    Writing(Errno),
    ByCaller(FsError),
}

impl From<Errno> for Stopped {
    fn from(errno: Errno) -> Stopped {
        Stopped::Writing(errno)
    }
}

/// A copy under way.
pub(super) struct Copying<'a, F> {
    pub(super) from: BorrowedFd<'a>,
    pub(super) to: BorrowedFd<'a>,
    /// Bytes that a file may have.
    pub(super) limit: u64,
    /// Asked between pieces.
    pub(super) go_on: F,
    /// Up to here `to` is as `from`.
    pub(super) copied: u64,
}

impl<F: FnMut() -> Result<(), FsError>> Copying<'_, F> {
    /// Copies what is between the holes of the source, of which `to` gets the same ones: a virtual disk of a tebibyte with little on
    /// it does not become a full one. `old` bytes of `to` are there and have to make place.
    pub(super) fn all_but_holes(&mut self, old: u64) -> Result<(), Stopped> {
        while let Some(data) = holes::next_data(self.from, self.copied)? {
            self.clear(data.start, old)?;
            self.copied = data.start;
            self.until(data.end)?;
            if self.copied < data.end {
                // The source has ended there.
                return Ok(());
            }
        }
        let end = rustix::fs::fstat(self.from)?.st_size as u64;
        if end > self.limit {
            return Err(Errno::FBIG.into());
        }
        self.clear(end, old)?;
        // A hole at the end is a length and nothing else.
        if end > self.copied && rustix::fs::fstat(self.to)?.st_size as u64 != end {
            rustix::fs::ftruncate(self.to, end)?;
        }
        self.copied = end.max(self.copied);
        Ok(())
    }

    /// Makes a hole up to an offset, if old contents are there.
    fn clear(&self, end: u64, old: u64) -> Result<(), Errno> {
        match self.copied < old && self.copied < end {
            true => holes::clear(self.to, self.copied..end),
            false => Ok(()),
        }
    }

    /// Copies up to an offset, or the source's end before it. The kernel copies, by sharing blocks where the filesystem can.
    pub(super) fn until(&mut self, end: u64) -> Result<(), Stopped> {
        let start = self.copied;
        while let Some(piece) = self.piece(PIECE, end)? {
            let (mut at, mut into) = (self.copied, self.copied);
            match rustix::fs::copy_file_range(
                self.from,
                Some(&mut at),
                self.to,
                Some(&mut into),
                piece,
            ) {
                // Files that the kernel makes up as they are read (procfs) have no size and are not copied by this call.
                Ok(0) if self.copied == start => return self.through_memory(end),
                Ok(0) => break,
                Ok(more) => self.copied += more as u64,
                Err(Errno::INTR) => {}
                Err(
                    Errno::XDEV
                    | Errno::INVAL
                    | Errno::NOSYS
                    | Errno::OPNOTSUPP
                    | Errno::PERM
                    | Errno::BADF,
                ) if self.copied == start => return self.through_memory(end),
                Err(errno) => return Err(errno.into()),
            }
            (self.go_on)().map_err(Stopped::ByCaller)?;
        }
        Ok(())
    }

    fn through_memory(&mut self, end: u64) -> Result<(), Stopped> {
        let mut buffer = vec![0; BUFFER];
        while let Some(piece) = self.piece(BUFFER, end)? {
            let filled = match rustix::io::pread(self.from, &mut buffer[..piece], self.copied) {
                Ok(0) => break,
                Ok(filled) => filled,
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(errno.into()),
            };
            let mut piece = &buffer[..filled];
            while !piece.is_empty() {
                match rustix::io::pwrite(self.to, piece, self.copied) {
                    Ok(0) => return Err(Errno::IO.into()),
                    Ok(written) => {
                        piece = &piece[written..];
                        self.copied += written as u64;
                    }
                    Err(Errno::INTR) => {}
                    Err(errno) => return Err(errno.into()),
                }
            }
            (self.go_on)().map_err(Stopped::ByCaller)?;
        }
        Ok(())
    }

    /// How much to copy next, at most `most`; nothing at the end. A source can grow while it is copied: a file of ours does not grow
    /// past the limit, where the system would send a signal.
    fn piece(&self, most: usize, end: u64) -> Result<Option<usize>, Errno> {
        let left = end.min(self.limit).saturating_sub(self.copied);
        if left > 0 {
            return Ok(Some(
                usize::try_from(left).map_or(most, |left| left.min(most)),
            ));
        }
        match self.copied < end && rustix::io::pread(self.from, &mut [0; 1], self.copied)? > 0 {
            true => Err(Errno::FBIG),
            false => Ok(None),
        }
    }
}
