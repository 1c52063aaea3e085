//! Giving names: renaming, and links.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;

use lockgate_grant::path::AbsPath;
use rustix::fs::{CWD, RenameFlags};

use crate::operation::FsError;

/// Gives a file, a link or a directory another name; what has that name is replaced only with `overwrite`.
pub fn rename(source: &AbsPath, destination: &AbsPath, overwrite: bool) -> Result<(), FsError> {
    let (source, destination) = (source.as_path(), destination.as_path());
    match overwrite {
        true => rustix::fs::rename(source, destination)?,
        false => {
            rustix::fs::renameat_with(CWD, source, CWD, destination, RenameFlags::NOREPLACE)?;
        }
    }
    Ok(())
}

/// Makes a symbolic link at `path` that says `target`.
pub fn symlink(target: &OsStr, path: &AbsPath) -> Result<(), FsError> {
    Ok(rustix::fs::symlink(target, path.as_path())?)
}

/// What the symbolic link at `path` says.
pub fn read_link(path: &AbsPath) -> Result<OsString, FsError> {
    let target = rustix::fs::readlink(path.as_path(), Vec::new())?;
    Ok(OsString::from_vec(target.into_bytes()))
}
