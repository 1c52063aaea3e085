//! A file takes another's place, on the system itself. The directory is held: where it is moved meanwhile, the names in it go along.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use lockgate_grant::path::AbsPath;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;

use super::{file, look};
use crate::operation::{Follow, FsError, OpenFile};
use crate::replace::{self, Old, Replacing, Staged};
use crate::writing::OpenFor;
use crate::{change, contents};

/// As the kernel itself: more links than this are a loop.
const MOST_LINKS: u32 = 40;

const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Makes a file with these contents take the place of the one that `path` leads to, or of nothing. Others see the old file or the
/// new one, never a part. It has the old one's permission bits, access control list and `user` attributes, and its owner where that can be;
/// the old one's other names keep the old contents.
pub fn replace_file(
    path: &AbsPath,
    bytes: &[u8],
    how: Replacing,
    follow: Follow,
) -> Result<(), FsError> {
    replace::replace(
        |name| stage(path, name, how, follow),
        bytes,
        how,
        &Named(path, follow),
    )
}

/// The file of that name.
struct Named<'a>(&'a AbsPath, Follow);

impl Old for Named<'_> {
    fn open(&self) -> Result<OpenFile, FsError> {
        file::open(self.0, self.1)
    }

    fn is_writable(&self) -> bool {
        file::open_write(self.0, OpenFor::Update, self.1).is_ok()
    }
}

struct Beside {
    directory: OwnedFd,
    file: OwnedFd,
    temporary: String,
    name: OsString,
}

impl Staged for Beside {
    fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    fn old(&self) -> Result<OwnedFd, FsError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | look::SAFELY;
        let old = rustix::fs::openat(&self.directory, &*self.name, flags, Mode::empty())?;
        contents::regular(&old)?;
        Ok(old)
    }

    fn take_place(&self) -> Result<(), FsError> {
        let directory = &self.directory;
        Ok(rustix::fs::renameat(
            directory,
            &*self.temporary,
            directory,
            &*self.name,
        )?)
    }

    fn take_free_place(&self) -> Result<(), FsError> {
        let directory = &self.directory;
        Ok(rustix::fs::renameat_with(
            directory,
            &*self.temporary,
            directory,
            &*self.name,
            RenameFlags::NOREPLACE,
        )?)
    }

    fn remove(&self) -> Result<(), FsError> {
        let flags = AtFlags::empty();
        Ok(rustix::fs::unlinkat(
            &self.directory,
            &*self.temporary,
            flags,
        )?)
    }

    fn sync_directory(&self) -> Result<(), FsError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(&self.directory, c".", flags, Mode::empty())?;
        Ok(rustix::fs::fsync(opened)?)
    }
}

fn stage(
    path: &AbsPath,
    temporary: &str,
    how: Replacing,
    follow: Follow,
) -> Result<Beside, FsError> {
    let (directory, name, old) = place(path, how, follow)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | look::SAFELY;
    let file = rustix::fs::openat(&directory, temporary, flags, Mode::from_raw_mode(0o666))?;
    let beside = Beside {
        directory,
        file,
        temporary: temporary.to_owned(),
        name,
    };
    if let Some(old) = old
        && let Err(error) = imitate(&beside, &old)
    {
        beside.remove()?;
        return Err(error);
    }
    Ok(beside)
}

fn imitate(beside: &Beside, old: &Stat) -> Result<(), FsError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | look::SAFELY;
    let opened = rustix::fs::openat(&beside.directory, &*beside.name, flags, Mode::empty());
    let readable = match opened {
        Ok(fd) => {
            let found = rustix::fs::fstat(&fd)?;
            if (found.st_dev, found.st_ino) != (old.st_dev, old.st_ino) {
                return Err(Errno::BUSY.into());
            }
            Some(fd)
        }
        Err(Errno::ACCESS) => None,
        Err(errno) => return Err(errno.into()),
    };
    Ok(change::imitate(&beside.file, old, readable)?)
}

/// The directory and the name that a path leads to, and the regular file that has the name, if there is one.
fn place(
    path: &AbsPath,
    how: Replacing,
    follow: Follow,
) -> Result<(OwnedFd, OsString, Option<Stat>), FsError> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Errno::ISDIR.into());
    };
    let mut directory = look::open(&parent, DIRECTORY, Mode::empty(), follow)?;
    let mut name = name.to_owned();
    for _ in 0..=MOST_LINKS {
        let found = match rustix::fs::statat(&directory, &*name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => found,
            Err(Errno::NOENT) => return Ok((directory, name, None)),
            Err(errno) => return Err(errno.into()),
        };
        if how.only_new {
            return Err(Errno::EXIST.into());
        }
        if FileType::from_raw_mode(found.st_mode) != FileType::Symlink {
            contents::check_regular(found.st_mode)?;
            return Ok((directory, name, Some(found)));
        }
        if follow == Follow::Nothing {
            return Err(FsError::SymbolicLink);
        }
        let target = rustix::fs::readlinkat(&directory, &*name, Vec::new())?;
        let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
        // The system itself follows the links on the way, from where this one is.
        let (parent, last) = split(&target)?;
        directory = rustix::fs::openat(&directory, parent, DIRECTORY, Mode::empty())?;
        name = last.to_owned();
    }
    Err(Errno::LOOP.into())
}

fn split(target: &Path) -> Result<(&Path, &OsStr), FsError> {
    match (target.parent(), target.file_name()) {
        (Some(parent), Some(name)) if parent.as_os_str().is_empty() => Ok((Path::new("."), name)),
        (Some(parent), Some(name)) => Ok((parent, name)),
        // It ends in `..`, or is `/`.
        _ => Err(Errno::ISDIR.into()),
    }
}
