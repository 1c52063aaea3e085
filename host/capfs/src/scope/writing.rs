//! Files of a scope opened for writing, and files that take another's place.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use lockgate_grant::AbsPath;
use rustix::io::Errno;

use super::{Scope, links, taken};
use crate::kernel::bindings::exports::lockgate::files::operations::WriteHow;
use crate::kernel::bindings::wasi::filesystem::types::ErrorCode;
use crate::kernel::{Descriptor, decode, encode};
use crate::operation::{Follow, FsError, OpenFile};
use crate::replace::{self, Old, Replacing, Staged};
use crate::writing::{OpenFor, WritableFile};

impl Scope {
    /// Opens a regular file for writing.
    pub fn open_write(
        &self,
        path: &AbsPath,
        purpose: OpenFor,
        follow: Follow,
    ) -> Result<WritableFile, FsError> {
        let how = match purpose {
            OpenFor::Replace | OpenFor::Append => WriteHow::CREATE,
            OpenFor::Update => WriteHow::READ,
        };
        WritableFile::new(self.writable(path, how, follow)?, purpose)
    }

    /// Makes a file with these contents take the place of the one that `path` leads to, or of nothing: all of it, or nothing happens.
    pub fn replace_file(
        &self,
        path: &AbsPath,
        bytes: &[u8],
        how: Replacing,
        follow: Follow,
    ) -> Result<(), FsError> {
        // A link has the name, wherever it leads; the guest would look for a place there.
        if how.only_new && self.read_link(path, follow).is_ok() {
            return Err(Errno::EXIST.into());
        }
        replace::replace(
            |name| self.stage(path, name, follow),
            bytes,
            how,
            &Named(self, path, follow),
        )
    }

    /// A file opened for writing, with its old contents.
    pub(crate) fn writable(
        &self,
        path: &AbsPath,
        how: WriteHow,
        follow: Follow,
    ) -> Result<OwnedFd, FsError> {
        self.run(self.times().operation, |guest, store| {
            let path = encode(path.as_bytes());
            let opened = guest.call_open_write(&mut *store, &path, how, links(follow))?;
            taken(opened, store, |descriptor| match descriptor {
                Descriptor::File(file)
                    if file.writable && (file.readable || !how.contains(WriteHow::READ)) =>
                {
                    Ok(file.fd)
                }
                _ => Err(ErrorCode::BadDescriptor),
            })
        })
    }

    fn stage(&self, asked: &AbsPath, name: &str, follow: Follow) -> Result<Beside<'_>, FsError> {
        let path = encode(asked.as_bytes());
        let (file, temporary, path) = self.run(self.times().operation, |guest, store| {
            let staged = match guest.call_stage(&mut *store, &path, name, links(follow))? {
                Ok(staged) => staged,
                Err(failure) => return Ok(Err(failure)),
            };
            let file = taken(Ok(staged.file), store, |descriptor| match descriptor {
                Descriptor::File(file) if file.writable => Ok(file.fd),
                _ => Err(ErrorCode::BadDescriptor),
            })?;
            Ok(file.map(|file| (file, staged.temporary, staged.path)))
        })?;
        Ok(Beside {
            scope: self,
            file,
            temporary: named(&temporary)?,
            path: named(&path)?,
            asked: asked.clone(),
        })
    }
}

/// A path that the guest named. It only ever goes back to the guest.
fn named(text: &str) -> Result<AbsPath, FsError> {
    AbsPath::from_bytes(&decode(text)).map_err(|error| FsError::Gate(error.to_string()))
}

/// The file of that name.
struct Named<'a>(&'a Scope, &'a AbsPath, Follow);

impl Old for Named<'_> {
    fn open(&self) -> Result<OpenFile, FsError> {
        self.0.open(self.1, self.2)
    }

    fn is_writable(&self) -> bool {
        self.0.writable(self.1, WriteHow::empty(), self.2).is_ok()
    }
}

/// A new file as the guest says that it is.
struct Beside<'a> {
    scope: &'a Scope,
    file: OwnedFd,
    temporary: AbsPath,
    path: AbsPath,
    /// Not followed to its end, where that is a link.
    asked: AbsPath,
}

impl Staged for Beside<'_> {
    fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    fn old(&self) -> Result<OwnedFd, FsError> {
        Ok(self.scope.open(&self.path, Follow::Nothing)?.fd)
    }

    fn take_place(&self) -> Result<(), FsError> {
        self.scope.rename(&self.temporary, &self.path, true)
    }

    fn take_free_place(&self) -> Result<(), FsError> {
        self.scope.rename(&self.temporary, &self.asked, false)
    }

    fn remove(&self) -> Result<(), FsError> {
        self.scope
            .remove(&self.temporary, false, false, Follow::Nothing)
    }

    fn sync_directory(&self) -> Result<(), FsError> {
        let directory = self.path.parent().unwrap_or_else(AbsPath::root);
        Ok(self.scope.list(&directory, Follow::Nothing)?.sync()?)
    }
}
