//! Copying files, links and trees. Links are copied as links; existing directories are merged, existing files overwritten.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;

use lockgate_grant::path::AbsPath;
use rustix::fs::{CWD, FileType, Mode, OFlags, RawMode};
use rustix::io::Errno;

use super::directory::create_directory_with;
use super::metadata::canonicalize;
use super::{directory, look};
use crate::contents;
use crate::operation::{Follow, FsError};
use crate::walk::{Kind, Tree};
use crate::workers::alive;

/// Copies `source` to `destination`: a file over a file, a link as a link, or with `recursive` a tree into or as another.
pub fn copy(source: &AbsPath, destination: &AbsPath, recursive: bool) -> Result<(), FsError> {
    let stat = rustix::fs::lstat(source.as_path())?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => copy_file(source, destination),
        FileType::Symlink => copy_link(source, destination),
        FileType::Directory if !recursive => Err(FsError::CopyNeedsRecursive),
        FileType::Directory => {
            let destination_is = real_as_far_as_it_exists(destination, canonicalize)?;
            match destination_is.starts_with(&canonicalize(source)?) {
                true => Err(FsError::CopyIntoItself),
                false => copy_tree(source, destination),
            }
        }
        _ => Err(FsError::CopyUnsupported),
    }
}

/// The destination's real path; what does not exist of it is taken as it is written.
pub(crate) fn real_as_far_as_it_exists(
    path: &AbsPath,
    canonicalize: impl Fn(&AbsPath) -> Result<AbsPath, FsError>,
) -> Result<AbsPath, FsError> {
    let mut existing = path.clone();
    let mut missing = Vec::new();
    let mut real = loop {
        match (canonicalize(&existing), existing.parent()) {
            (Err(FsError::Os(Errno::NOENT)), Some(parent)) => {
                missing.extend(existing.file_name().map(ToOwned::to_owned));
                existing = parent;
            }
            (found, _) => break found?,
        }
    };
    while let Some(name) = missing.pop() {
        real = child(&real, &name)?;
    }
    Ok(real)
}

fn copy_file(source: &AbsPath, destination: &AbsPath) -> Result<(), FsError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | look::SAFELY;
    let from = look::open(source, flags, Mode::empty(), Follow::Links)?;
    let mode = contents::regular(&from)?.st_mode & contents::PERMISSION_BITS;
    contents::copy(&from, &open_for_copy(destination, mode)?, || {
        alive();
        Ok(())
    })
}

/// The file that gets the contents of another, with its old ones; one that is made has these permission bits.
pub(crate) fn open_for_copy(destination: &AbsPath, mode: RawMode) -> Result<OwnedFd, FsError> {
    match look::look(destination, Follow::Links) {
        Ok(stat) => contents::check_regular(stat.st_mode)?,
        Err(FsError::Os(Errno::NOENT)) => {}
        Err(error) => return Err(error),
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | look::SAFELY;
    look::open(destination, flags, Mode::from_raw_mode(mode), Follow::Links)
}

fn copy_link(source: &AbsPath, destination: &AbsPath) -> Result<(), FsError> {
    let target = rustix::fs::readlink(source.as_path(), Vec::new())?;
    Ok(rustix::fs::symlinkat(target, CWD, destination.as_path())?)
}

/// Directories that are made get the permission bits that they have at the source, and all of their owner's: to take these away when all is in them would be done to
/// whatever has the name by then.
fn copy_tree(source: &AbsPath, destination: &AbsPath) -> Result<(), FsError> {
    let mut left = vec![(source.clone(), destination.clone())];
    while let Some((source, destination)) = left.pop() {
        let mode = contents::filled_by_owner(rustix::fs::lstat(source.as_path())?.st_mode);
        create_directory_with(&destination, true, Follow::Links, mode)?;
        let (_, listing) = directory::Direct.list(&source)?;
        for found in listing {
            alive();
            let found = found?;
            let from = child(&source, &found.name)?;
            let to = child(&destination, &found.name)?;
            match found.kind {
                Kind::Directory => left.push((from, to)),
                Kind::File => copy_file(&from, &to)?,
                Kind::Link => copy_link(&from, &to)?,
                // Left out without a word, as the protocol has it.
                Kind::Other => {}
            }
        }
    }
    Ok(())
}

/// A path that grows too long for the system, in either tree, ends the copying.
fn child(path: &AbsPath, name: &OsStr) -> Result<AbsPath, FsError> {
    path.join(name).map_err(|_| FsError::Os(Errno::NAMETOOLONG))
}
