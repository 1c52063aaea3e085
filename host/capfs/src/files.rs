//! The files that one request may use, by one of two ways with the same operations.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;

use lockgate_engine::Digest;
use lockgate_grant::AbsPath;

use crate::contents;
use crate::direct;
use crate::kernel::bindings::exports::lockgate::files::operations::WriteHow;
use crate::operation::{
    Entry, Follow, FsError, Listed, Metadata, NewTimes, OpenFile, WalkOptions, WalkOutcome,
};
use crate::replace::Replacing;
use crate::scope::Scope;
use crate::writing::{OpenFor, WritableFile};

/// Files of one request.
#[derive(Clone, Debug)]
pub enum Files {
    /// The system's, as this process may use them.
    Direct,
    /// What a permission profile grants, through the gate.
    Scoped(Scope),
}

impl Files {
    /// Opens a regular file for reading.
    pub fn open(&self, path: &AbsPath, follow: Follow) -> Result<OpenFile, FsError> {
        match self {
            Files::Direct => direct::open(path, follow),
            Files::Scoped(scope) => scope.open(path, follow),
        }
    }

    /// [`Files::open`] if it can be done without blocking; then read with [`OpenFile::try_read_all`].
    pub fn try_open(&self, path: &AbsPath, follow: Follow) -> Option<Result<OpenFile, FsError>> {
        match self {
            Files::Direct if follow == Follow::Links => direct::try_open(path),
            Files::Direct => None,
            Files::Scoped(scope) => scope.try_open(path, follow),
        }
    }

    /// Makes `bytes` the contents of a file, in place; creates it where it is missing.
    pub fn write_file(&self, path: &AbsPath, bytes: &[u8], follow: Follow) -> Result<(), FsError> {
        match self {
            Files::Direct => direct::write_file(path, bytes, follow),
            Files::Scoped(scope) => scope.write_file(path, bytes, follow),
        }
    }

    /// [`Files::write_file`] of a file that is there, if its contents have that digest: they are looked at when it is open for writing, which follows.
    pub fn write_file_if(
        &self,
        path: &AbsPath,
        only_if: Digest,
        bytes: &[u8],
        follow: Follow,
    ) -> Result<(), FsError> {
        let file = match self {
            Files::Direct => direct::open_update(path, follow),
            Files::Scoped(scope) => scope.writable(path, WriteHow::READ, follow),
        }?;
        contents::same(&file, only_if)?;
        contents::replace(file, bytes)
    }

    /// Opens a regular file for writing.
    pub fn open_write(
        &self,
        path: &AbsPath,
        purpose: OpenFor,
        follow: Follow,
    ) -> Result<WritableFile, FsError> {
        match self {
            Files::Direct => direct::open_write(path, purpose, follow),
            Files::Scoped(scope) => scope.open_write(path, purpose, follow),
        }
    }

    /// Adds `bytes` at the end of a file, wherever that is; creates it where it is missing.
    pub fn append_file(&self, path: &AbsPath, bytes: &[u8], follow: Follow) -> Result<(), FsError> {
        self.open_write(path, OpenFor::Append, follow)?
            .write_at(0, bytes)
    }

    /// Makes a file with these contents take the place of the one that `path` leads to, or of nothing. Others see the old file or the
    /// new one, never a part; a failure leaves the old one. Needs a directory that can be written.
    pub fn replace_file(
        &self,
        path: &AbsPath,
        bytes: &[u8],
        how: Replacing,
        follow: Follow,
    ) -> Result<(), FsError> {
        match self {
            Files::Direct => direct::replace_file(path, bytes, how, follow),
            Files::Scoped(scope) => scope.replace_file(path, bytes, how, follow),
        }
    }

    /// Makes a directory; with `recursive` like `mkdir -p`.
    pub fn create_directory(
        &self,
        path: &AbsPath,
        recursive: bool,
        follow: Follow,
    ) -> Result<(), FsError> {
        self.create_directory_with(path, recursive, follow, crate::contents::PERMISSION_BITS)
    }

    /// [`Files::create_directory`], made with no more than these of the nine permission bits; those above it, and what is there, are not concerned.
    pub fn create_directory_with(
        &self,
        path: &AbsPath,
        recursive: bool,
        follow: Follow,
        mode: u32,
    ) -> Result<(), FsError> {
        let mode = mode & crate::contents::PERMISSION_BITS;
        match self {
            Files::Direct => direct::create_directory_with(path, recursive, follow, mode),
            Files::Scoped(scope) => scope.create_directory_with(path, recursive, follow, mode),
        }
    }

    /// Type, size and times of what the path leads to.
    pub fn metadata(&self, path: &AbsPath, follow: Follow) -> Result<Metadata, FsError> {
        match self {
            Files::Direct => direct::metadata(path, follow),
            Files::Scoped(scope) => scope.metadata(path, follow),
        }
    }

    /// [`Files::metadata`] if it can be told without blocking.
    pub fn try_metadata(
        &self,
        path: &AbsPath,
        follow: Follow,
    ) -> Option<Result<Metadata, FsError>> {
        match self {
            Files::Direct if follow == Follow::Links => direct::try_metadata(path),
            Files::Direct => None,
            Files::Scoped(scope) => scope.try_metadata(path, follow),
        }
    }

    /// The path without any link in it.
    pub fn canonicalize(&self, path: &AbsPath) -> Result<AbsPath, FsError> {
        match self {
            Files::Direct => direct::canonicalize(path),
            Files::Scoped(scope) => scope.canonicalize(path),
        }
    }

    /// A directory's entries; names that lead nowhere are left out.
    pub fn read_directory(&self, path: &AbsPath) -> Result<Vec<Entry>, FsError> {
        match self {
            Files::Direct => direct::read_directory(path),
            Files::Scoped(scope) => scope.read_directory(path),
        }
    }

    /// All that is in a directory and may be seen there, links that lead nowhere among it; of a very large one a part.
    pub fn list_directory(&self, path: &AbsPath) -> Result<Listed, FsError> {
        match self {
            Files::Direct => direct::list_directory(path),
            Files::Scoped(scope) => scope.list_directory(path),
        }
    }

    /// Walks a tree, breadth first, within bounds.
    pub fn walk(&self, path: &AbsPath, options: &WalkOptions) -> Result<WalkOutcome, FsError> {
        match self {
            Files::Direct => direct::walk(path, options),
            Files::Scoped(scope) => scope.walk(path, options),
        }
    }

    /// Removes a file, a link (never what it leads to), or a directory.
    pub fn remove(
        &self,
        path: &AbsPath,
        recursive: bool,
        force: bool,
        follow: Follow,
    ) -> Result<(), FsError> {
        match self {
            Files::Direct => direct::remove(path, recursive, force, follow),
            Files::Scoped(scope) => scope.remove(path, recursive, force, follow),
        }
    }

    /// Copies a file, a link (as a link), or a tree.
    pub fn copy(
        &self,
        source: &AbsPath,
        destination: &AbsPath,
        recursive: bool,
    ) -> Result<(), FsError> {
        match self {
            Files::Direct => direct::copy(source, destination, recursive),
            Files::Scoped(scope) => scope.copy(source, destination, recursive),
        }
    }

    /// Gives a file, a link or a directory another name; what has that name is replaced only with `overwrite`.
    pub fn rename(
        &self,
        source: &AbsPath,
        destination: &AbsPath,
        overwrite: bool,
    ) -> Result<(), FsError> {
        match self {
            Files::Direct => direct::rename(source, destination, overwrite),
            Files::Scoped(scope) => scope.rename(source, destination, overwrite),
        }
    }

    /// Makes a symbolic link at `path` that says `target`.
    pub fn symlink(&self, target: &OsStr, path: &AbsPath) -> Result<(), FsError> {
        match self {
            Files::Direct => direct::symlink(target, path),
            Files::Scoped(scope) => scope.symlink(target, path),
        }
    }

    /// What the symbolic link at `path` says; those on the way to it are followed.
    pub fn read_link(&self, path: &AbsPath) -> Result<OsString, FsError> {
        match self {
            Files::Direct => direct::read_link(path),
            Files::Scoped(scope) => Ok(OsString::from_vec(scope.read_link(path, Follow::Links)?)),
        }
    }

    /// Sets the nine permission bits of a file or directory.
    pub fn set_mode(&self, path: &AbsPath, mode: u32, follow: Follow) -> Result<(), FsError> {
        match self {
            Files::Direct => direct::set_mode(path, mode, follow),
            Files::Scoped(scope) => scope.set_mode(path, mode, follow),
        }
    }

    /// Sets the times of a file or directory, none of them before 1970.
    pub fn set_times(
        &self,
        path: &AbsPath,
        times: NewTimes,
        follow: Follow,
    ) -> Result<(), FsError> {
        match self {
            Files::Direct => direct::set_times(path, times, follow),
            Files::Scoped(scope) => scope.set_times(path, times, follow),
        }
    }
}
