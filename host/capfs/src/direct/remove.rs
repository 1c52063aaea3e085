//! Removing names and trees. A link is removed, never what it leads to.
//!
//! A tree is emptied from descriptors, not from paths: a directory that somebody swaps for a link while it is being removed is
//! refused, not followed (CVE-2022-21658). One descriptor is held, whatever the depth: the way up is `..`, and it has to lead to
//! the directory that the way down came from. Nothing recurses, so a tree of any depth costs memory, not stack.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use lockgate_grant::path::AbsPath;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::look;
use crate::operation::{Follow, FsError};
use crate::walk::Identity;
use crate::workers::alive;

/// Removes a file, a link, an empty directory, or with `recursive` a tree. With `force` what is missing is no failure.
pub fn remove(path: &AbsPath, recursive: bool, force: bool, follow: Follow) -> Result<(), FsError> {
    match remove_what_is_there(path, recursive, follow) {
        Err(FsError::Os(Errno::NOENT)) if force => Ok(()),
        removed => removed,
    }
}

fn remove_what_is_there(path: &AbsPath, recursive: bool, follow: Follow) -> Result<(), FsError> {
    let stat = look::look_at_name(path, follow)?;
    // The root has no parent to be removed from; the system says the same of an empty one.
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Errno::BUSY.into());
    };
    let parent = look::place(&parent, follow)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory if recursive => remove_tree(&parent, name),
        FileType::Directory => Ok(rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR)?),
        _ => Ok(rustix::fs::unlinkat(&parent, name, AtFlags::empty())?),
    }
}

/// A directory on the way down.
struct Level {
    name: OsString,
    identity: Identity,
    /// Directories found in it that are still to be removed.
    directories: Vec<OsString>,
}

fn remove_tree(parent: &OwnedFd, name: &OsStr) -> Result<(), FsError> {
    let Some((mut current, level)) = enter(parent, name)? else {
        return Ok(());
    };
    let mut levels = vec![level];
    while let Some(level) = levels.last_mut() {
        if let Some(name) = level.directories.pop() {
            if let Some((below, level)) = enter(&current, &name)? {
                levels.push(level);
                current = below;
            }
            continue;
        }
        let emptied = levels.pop().map(|level| level.name).unwrap_or_default();
        match levels.last() {
            Some(above) => {
                current = go_up(&current, above.identity)?;
                remove_directory(&current, &emptied)?;
            }
            None => remove_directory(parent, &emptied)?,
        }
    }
    Ok(())
}

/// Opens a directory and removes everything from it but directories. `None`: it is gone, or was empty and not to be opened.
fn enter(parent: impl AsFd, name: &OsStr) -> Result<Option<(OwnedFd, Level)>, FsError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | look::SAFELY;
    let directory = match rustix::fs::openat(&parent, name, flags, Mode::empty()) {
        Ok(directory) => directory,
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::ACCESS) => {
            return match rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR) {
                Ok(()) => Ok(None),
                Err(_) => Err(Errno::ACCESS.into()),
            };
        }
        Err(errno) => return Err(errno.into()),
    };
    let stat = rustix::fs::fstat(&directory)?;
    let mut directories = Vec::new();
    for entry in Dir::read_from(&directory)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name == "." || name == ".." {
            continue;
        }
        if entry.file_type() == FileType::Directory {
            directories.push(name.to_owned());
            continue;
        }
        alive();
        match rustix::fs::unlinkat(&directory, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            // The listing did not say, or it became one meanwhile.
            Err(Errno::ISDIR) => directories.push(name.to_owned()),
            Err(errno) => return Err(errno.into()),
        }
    }
    let level = Level {
        name: name.to_owned(),
        identity: (stat.st_dev, stat.st_ino),
        directories,
    };
    Ok(Some((directory, level)))
}

/// The directory above, which has to be the one that was left.
fn go_up(from: &OwnedFd, expected: Identity) -> Result<OwnedFd, FsError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let above = rustix::fs::openat(from, "..", flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&above)?;
    // Moved elsewhere meanwhile: what is there now is not ours to remove.
    match (stat.st_dev, stat.st_ino) == expected {
        true => Ok(above),
        false => Err(Errno::STALE.into()),
    }
}

fn remove_directory(parent: &OwnedFd, name: &OsStr) -> Result<(), FsError> {
    match rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
