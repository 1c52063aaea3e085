//! Overwriting a file in place with bytes from memory.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::io::Errno;

use super::kept::Kept;
use super::{Change, WHOLE_OR_NOT, cut_after, room};
use crate::ledger;
use crate::operation::FsError;

/// Makes `bytes` the contents of `file`, a regular file that was opened for writing without `O_TRUNC`.
///
/// A failure leaves the old contents, or says what is there instead ([`FsError::Torn`]).
pub(crate) fn replace(file: impl AsFd, bytes: &[u8]) -> Result<(), FsError> {
    let file = file.as_fd();
    overwrite(file, bytes, |piece, at| rustix::io::pwrite(file, piece, at))
}

/// [`replace`] with the system call as a parameter: tests let it fail where no filesystem at hand does.
fn overwrite(
    file: BorrowedFd<'_>,
    bytes: &[u8],
    put: impl FnMut(&[u8], u64) -> Result<usize, Errno>,
) -> Result<(), FsError> {
    let before = rustix::fs::fstat(file)?;
    let change = Change::of(&before, bytes.len() as u64);
    if change.new > room::size_limit() {
        return Err(Errno::FBIG.into());
    }
    let kept = if change.old > 0 && change.new > WHOLE_OR_NOT {
        room::make(file, change)?;
        Kept::where_needed(file, change)
    } else {
        Kept::Nothing
    };
    let _noted = ledger::note(file, change);
    match write(bytes, put) {
        // The new contents are there whole; at worst old ones follow.
        Ok(()) => cut_after(file, change.new)
            .map_err(|cause| Kept::Nothing.after_failure(file, change, change.new, cause)),
        Err((written, cause)) => Err(kept.after_failure(file, change, written, cause)),
    }
}

/// Writes all of `bytes`, or says how many of them were written before what failure.
fn write(
    bytes: &[u8],
    mut put: impl FnMut(&[u8], u64) -> Result<usize, Errno>,
) -> Result<(), (u64, Errno)> {
    let mut written = 0;
    while written < bytes.len() {
        match put(&bytes[written..], written as u64) {
            Ok(0) => return Err((written as u64, Errno::IO)),
            Ok(more) => written += more,
            Err(Errno::INTR) => {}
            Err(errno) => return Err((written as u64, errno)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions};
    use std::path::Path;

    use super::*;

    fn writable(path: &Path) -> File {
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .expect("opened")
    }

    #[test]
    fn contents_are_replaced_whether_they_grow_or_shrink() {
        let home = tempfile::tempdir().expect("temporary directory");
        let path = home.path().join("file");
        for bytes in [&b"first"[..], b"a longer second", b"3", b""] {
            replace(writable(&path), bytes).expect("written");
            assert_eq!(std::fs::read(&path).expect("read"), bytes);
        }
    }

    /// What a file holds after overwriting it failed at 5,000 bytes, and what was said.
    fn after_failure(old: &[u8], new: &[u8], kept: Option<&[u8]>) -> (Vec<u8>, String) {
        let home = tempfile::tempdir().expect("temporary directory");
        let path = home.path().join("file");
        std::fs::write(&path, old).expect("written");
        let file = writable(&path);
        let change = Change::of(
            &rustix::fs::fstat(&file).expect("looked at"),
            new.len() as u64,
        );
        let put = |piece: &[u8], at: u64| match at {
            0 => rustix::io::pwrite(&file, &piece[..piece.len().min(5_000)], 0),
            _ => Err(Errno::NOSPC),
        };
        let (written, cause) = write(new, put).expect_err("it fails");
        let kept = kept.map_or(Kept::Nothing, |bytes| Kept::Bytes(bytes.to_vec()));
        let error = kept.after_failure(file.as_fd(), change, written, cause);
        (std::fs::read(&path).expect("read"), error.to_string())
    }

    #[test]
    fn what_was_overwritten_before_a_failure_is_put_back() {
        for old in [vec![b'o'; 3_000], vec![b'o'; 5_000], vec![b'o'; 9_000]] {
            let kept = &old[..old.len().min(8_000)];
            let (holds, said) = after_failure(&old, &[b'n'; 8_000], Some(kept));
            assert!(holds == old, "{} bytes", old.len());
            assert_eq!(said, "No space left on device (os error 28)");
        }
    }

    #[test]
    fn what_cannot_be_put_back_is_told() {
        let new = [b'n'; 8_000];
        let (holds, said) = after_failure(&[b'o'; 6_000], &new, None);
        assert!(holds == [&[b'n'; 5_000][..], &[b'o'; 1_000]].concat());
        assert_eq!(
            said,
            "No space left on device (os error 28): the first 5000 of 8000 bytes were written; the file now holds them \
             followed by its old contents from there on"
        );
        let (holds, said) = after_failure(&[b'o'; 4_000], &new, None);
        assert!(holds == [b'n'; 5_000]);
        assert!(
            said.ends_with("the file now holds them and nothing else"),
            "{said}"
        );
        let (holds, said) = after_failure(b"", &new, None);
        assert!(holds.is_empty());
        assert_eq!(
            said,
            "No space left on device (os error 28): nothing was written, the file is empty"
        );
    }

    #[test]
    fn old_contents_are_kept_where_a_filesystem_may_fail_in_the_middle() {
        let file = tempfile::NamedTempFile::new().expect("temporary file");
        std::fs::write(file.path(), [b'o'; 9_000]).expect("written");
        let bytes = super::super::kept::read(writable(file.path()).as_fd(), 8_000);
        assert_eq!(
            bytes.expect("read, though it was opened for writing"),
            [b'o'; 8_000]
        );
    }
}
