//! The bytes of regular files, from descriptor to descriptor and from memory to descriptor: what writing and copying do
//! once a file is open, whichever way it was opened.
//!
//! A file is overwritten in place and cut where it was longer, instead of being emptied first (`O_TRUNC`): ext4 sends a
//! file that was emptied and written again to the disk when it is closed, some 3 ms against 2 us. Neither way is atomic, and a reader
//! in between sees part of the old bytes rather than none. When the disk is full the file ends after what was written, as it would have.

use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{FileType, Mode, RawMode, SeekFrom, Stat};
use rustix::io::Errno;

use crate::operation::FsError;

/// Bytes that one system call copies. Between two of them a caller may stop the copying; large enough that the calls cost nothing.
const PIECE: usize = 8 * 1024 * 1024;

/// Bytes of the buffer where the kernel cannot copy by itself.
const BUFFER: usize = 128 * 1024;

/// Read, write and execute for everybody.
pub(crate) const PERMISSION_BITS: RawMode = 0o777;

/// With set-user-id, set-group-id and sticky.
const ALL_BITS: RawMode = 0o7777;

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

/// Makes `bytes` the contents of `file`, a regular file that was opened for writing without `O_TRUNC`.
pub(crate) fn replace(file: impl AsFd, bytes: &[u8]) -> Result<(), FsError> {
    let file = file.as_fd();
    let mut written = 0;
    let failure = loop {
        if written == bytes.len() {
            break None;
        }
        match rustix::io::pwrite(file, &bytes[written..], written as u64) {
            Ok(0) => break Some(Errno::IO),
            Ok(more) => written += more,
            Err(Errno::INTR) => {}
            Err(errno) => break Some(errno),
        }
    };
    let cut = cut_after(file, written as u64);
    failure.map_or(cut, |errno| Err(errno.into()))
}

/// Makes `to`, opened for writing without `O_TRUNC`, what `from`, opened for reading, is: contents and permission bits. A file
/// copied to itself, by another name or through a link, stays as it is. `go_on` is asked between pieces and ends the copying with its error.
///
/// Set-user-id and the like are not permission bits: they would give another user's rights away with the copy.
pub(crate) fn copy(
    from: impl AsFd,
    to: impl AsFd,
    go_on: impl FnMut() -> Result<(), FsError>,
) -> Result<(), FsError> {
    let (from, to) = (from.as_fd(), to.as_fd());
    let (source, destination) = (regular(from)?, regular(to)?);
    if (source.st_dev, source.st_ino) == (destination.st_dev, destination.st_ino) {
        return Ok(());
    }
    match has_holes(&source) {
        true => copy_with_holes(from, to, go_on)?,
        false => copy_bytes(from, to, go_on)?,
    }
    let wanted = source.st_mode & PERMISSION_BITS;
    if destination.st_mode & ALL_BITS != wanted {
        rustix::fs::fchmod(to, Mode::from_raw_mode(wanted))?;
    }
    Ok(())
}

fn copy_bytes(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    go_on: impl FnMut() -> Result<(), FsError>,
) -> Result<(), FsError> {
    let end = copy_range(from, to, 0..u64::MAX, go_on)?;
    cut_after(to, end)
}

/// Fewer blocks than bytes: some are holes, or the file system stores it smaller in another way.
fn has_holes(stat: &Stat) -> bool {
    u64::try_from(stat.st_blocks).unwrap_or(0) * BLOCK < u64::try_from(stat.st_size).unwrap_or(0)
}

/// Bytes that `st_blocks` counts in, whatever the file system's own blocks are.
const BLOCK: u64 = 512;

/// Copies what is between the holes of a file. The destination is emptied first: where nothing is written is a hole then, so that a
/// virtual disk of a tebibyte with little on it does not become a full one.
fn copy_with_holes(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    mut go_on: impl FnMut() -> Result<(), FsError>,
) -> Result<(), FsError> {
    rustix::fs::ftruncate(to, 0)?;
    let mut copied = 0;
    loop {
        let data = match rustix::fs::seek(from, SeekFrom::Data(copied)) {
            Ok(data) => data,
            Err(Errno::NXIO) => break,
            // This file system does not tell.
            Err(Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS) if copied == 0 => {
                return copy_bytes(from, to, go_on);
            }
            Err(errno) => return Err(errno.into()),
        };
        let hole = match rustix::fs::seek(from, SeekFrom::Hole(data)) {
            Ok(hole) => hole,
            // It was cut meanwhile.
            Err(Errno::NXIO) => break,
            Err(errno) => return Err(errno.into()),
        };
        copied = copy_range(from, to, data..hole, &mut go_on)?;
        if copied < hole {
            break;
        }
    }
    // A hole at the end is a length and nothing else.
    let length = u64::try_from(rustix::fs::fstat(from)?.st_size).unwrap_or(0);
    if length > copied {
        rustix::fs::ftruncate(to, length)?;
    }
    Ok(())
}

/// The kernel copies, by sharing blocks where the filesystem can. Returns where it ended: the end of the range, or of the file before that.
fn copy_range(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    range: Range<u64>,
    mut go_on: impl FnMut() -> Result<(), FsError>,
) -> Result<u64, FsError> {
    let mut copied = range.start;
    while copied < range.end {
        let (mut at, mut into) = (copied, copied);
        let piece = piece(PIECE, &(copied..range.end));
        match rustix::fs::copy_file_range(from, Some(&mut at), to, Some(&mut into), piece) {
            // Files that the kernel makes up as they are read (procfs) have no size and are not copied by this call.
            Ok(0) if copied == range.start => return copy_through_memory(from, to, range, go_on),
            Ok(0) => break,
            Ok(more) => copied += more as u64,
            Err(Errno::INTR) => {}
            Err(
                Errno::XDEV
                | Errno::INVAL
                | Errno::NOSYS
                | Errno::OPNOTSUPP
                | Errno::PERM
                | Errno::BADF,
            ) if copied == range.start => {
                return copy_through_memory(from, to, range, go_on);
            }
            Err(errno) => {
                cut_after(to, copied)?;
                return Err(errno.into());
            }
        }
        go_on()?;
    }
    Ok(copied)
}

fn copy_through_memory(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    range: Range<u64>,
    mut go_on: impl FnMut() -> Result<(), FsError>,
) -> Result<u64, FsError> {
    let mut buffer = vec![0; BUFFER];
    let mut copied = range.start;
    while copied < range.end {
        let room = piece(BUFFER, &(copied..range.end));
        let filled = match rustix::io::pread(from, &mut buffer[..room], copied) {
            Ok(0) => break,
            Ok(filled) => filled,
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errno.into()),
        };
        let mut piece = &buffer[..filled];
        while !piece.is_empty() {
            match rustix::io::pwrite(to, piece, copied) {
                Ok(0) => return Err(Errno::IO.into()),
                Ok(written) => {
                    piece = &piece[written..];
                    copied += written as u64;
                }
                Err(Errno::INTR) => {}
                Err(errno) => {
                    cut_after(to, copied)?;
                    return Err(errno.into());
                }
            }
        }
        go_on()?;
    }
    Ok(copied)
}

/// At most `most` bytes of a range.
fn piece(most: usize, range: &Range<u64>) -> usize {
    usize::try_from(range.end - range.start).map_or(most, |left| left.min(most))
}

/// Ends the file at `len` if it is longer.
pub(crate) fn cut_after(file: BorrowedFd<'_>, len: u64) -> Result<(), FsError> {
    if rustix::fs::fstat(file)?.st_size as u64 > len {
        rustix::fs::ftruncate(file, len)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions, Permissions};
    use std::os::unix::fs::PermissionsExt;
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

    #[test]
    fn copies_have_the_bytes_and_the_length_of_their_source() {
        let home = tempfile::tempdir().expect("temporary directory");
        let (from, to) = (home.path().join("from"), home.path().join("to"));
        std::fs::write(&to, vec![1; 300_000]).expect("written");
        for len in [200_000, 0, 10] {
            std::fs::write(&from, vec![7; len]).expect("written");
            copy(File::open(&from).expect("opened"), writable(&to), || Ok(())).expect("copied");
            assert_eq!(std::fs::read(&to).expect("read"), vec![7; len]);
        }
    }

    #[test]
    fn files_that_the_kernel_makes_up_are_copied_too() {
        let home = tempfile::tempdir().expect("temporary directory");
        let to = home.path().join("to");
        let from = File::open("/proc/sys/kernel/ostype").expect("procfs");
        copy(from, writable(&to), || Ok(())).expect("copied");
        assert_eq!(std::fs::read(&to).expect("read"), b"Linux\n");
    }

    #[test]
    fn permission_bits_are_copied_and_set_user_id_is_not() {
        let home = tempfile::tempdir().expect("temporary directory");
        let (from, to) = (home.path().join("from"), home.path().join("to"));
        std::fs::write(&from, b"#!").expect("written");
        std::fs::set_permissions(&from, Permissions::from_mode(0o4751)).expect("chmod");
        copy(File::open(&from).expect("opened"), writable(&to), || Ok(())).expect("copied");
        let mode = std::fs::metadata(&to)
            .expect("metadata")
            .permissions()
            .mode();
        assert_eq!(mode & 0o7777, 0o751);
    }

    #[test]
    fn a_file_copied_to_itself_stays_as_it_is() {
        let home = tempfile::tempdir().expect("temporary directory");
        let (name, other) = (home.path().join("name"), home.path().join("other"));
        std::fs::write(&name, b"bytes").expect("written");
        std::fs::hard_link(&name, &other).expect("linked");
        copy(File::open(&name).expect("opened"), writable(&other), || {
            Ok(())
        })
        .expect("copied");
        assert_eq!(std::fs::read(&name).expect("read"), b"bytes");
    }

    #[test]
    fn copying_stops_between_pieces_when_it_is_told_to() {
        let home = tempfile::tempdir().expect("temporary directory");
        let (from, to) = (home.path().join("from"), home.path().join("to"));
        std::fs::write(&from, b"bytes").expect("written");
        let stopped = copy(File::open(&from).expect("opened"), writable(&to), || {
            Err(FsError::Gate("time is up".to_owned()))
        });
        assert!(matches!(stopped, Err(FsError::Gate(_))));
    }

    #[test]
    fn only_regular_files_pass() {
        assert!(matches!(
            regular(File::open("/dev/null").expect("opened")),
            Err(FsError::NotRegular)
        ));
        assert!(matches!(
            regular(File::open("/").expect("opened")),
            Err(FsError::Os(Errno::ISDIR))
        ));
        let file = tempfile::tempfile().expect("temporary file");
        assert!(regular(&file).is_ok());
    }
}
