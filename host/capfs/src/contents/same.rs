//! Whether a file still has the contents that somebody has read.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};

use lockgate_engine::Digest;
use rustix::io::Errno;

use crate::limits;
use crate::operation::FsError;
use crate::workers::alive;

/// Refuses contents with another digest, and more of them than are read whole.
pub(crate) fn same(file: impl AsFd, expected: Digest) -> Result<(), FsError> {
    let mut reading = Reading {
        file: file.as_fd(),
        at: 0,
    };
    let found = Digest::of_all((&mut reading).take(limits::MAX_READ_BYTES + 1));
    let found = found.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    let limit = limits::MAX_READ_BYTES;
    match found == expected {
        _ if reading.at > limit => Err(FsError::TooLarge { limit }),
        true => Ok(()),
        false => Err(FsError::Changed),
    }
}

/// From its beginning, wherever the descriptor is.
struct Reading<'a> {
    file: BorrowedFd<'a>,
    at: u64,
}

impl Read for Reading<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        alive();
        let read = rustix::io::pread(self.file, into, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn contents_are_compared_from_their_beginning_to_their_end() {
        let mut file = tempfile::tempfile().expect("temporary file");
        let much = vec![b'x'; 100_000];
        file.write_all(&much).expect("written");
        let read = Digest::of(&much);
        assert!(same(&file, read).is_ok());
        file.write_all(b"x").expect("written");
        assert!(matches!(same(&file, read), Err(FsError::Changed)));
        let directory = std::fs::File::open("/").expect("opened");
        assert!(matches!(
            same(directory, read),
            Err(FsError::Os(Errno::ISDIR))
        ));
    }
}
