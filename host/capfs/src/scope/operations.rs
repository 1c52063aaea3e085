//! What a scope does with files and directories. Each operation calls the guest once; what it hands out, the host reads.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::{SystemTime, UNIX_EPOCH};

use lockgate_grant::AbsPath;
use rustix::io::Errno;
use wasmtime::Store;

use super::{Answer, Scope, links, taken};
use crate::contents;
use crate::kernel::bindings::exports::lockgate::files::operations::{
    Failure, Guest as Operations, WriteHow,
};
use crate::kernel::bindings::wasi::clocks::wall_clock::Datetime;
use crate::kernel::bindings::wasi::filesystem::types::{DescriptorType, ErrorCode, NewTimestamp};
use crate::kernel::{Descriptor, Kernel, decode, encode, file_kind};
use crate::operation::{Follow, FsError, Metadata, NewTimes, OpenFile};

impl Scope {
    /// Opens a regular file for reading.
    pub fn open(&self, path: &AbsPath, follow: Follow) -> Result<OpenFile, FsError> {
        self.run(self.times().operation, |guest, store| {
            read(guest, store, path, follow)
        })
    }

    /// [`Scope::open`] if it can be done at once, from memory: without waiting for a disk, a network or an instance.
    pub fn try_open(&self, path: &AbsPath, follow: Follow) -> Option<Result<OpenFile, FsError>> {
        self.attempt(|guest, store| read(guest, store, path, follow))
    }

    /// Makes `bytes` the contents of the file, in place; creates it where it is missing.
    pub fn write_file(&self, path: &AbsPath, bytes: &[u8], follow: Follow) -> Result<(), FsError> {
        contents::replace(self.writable(path, WriteHow::CREATE, follow)?, bytes)
    }

    /// Makes a directory; with `recursive` like `mkdir -p`.
    pub fn create_directory(
        &self,
        path: &AbsPath,
        recursive: bool,
        follow: Follow,
    ) -> Result<(), FsError> {
        self.run(self.times().operation, |guest, store| {
            guest.call_create_directory(store, &encode(path.as_bytes()), recursive, links(follow))
        })
    }

    /// The same, made with no more than these permission bits. The guest says which directory, and the host with which bits: those
    /// above it are as any new directory.
    pub(crate) fn create_directory_with(
        &self,
        path: &AbsPath,
        recursive: bool,
        follow: Follow,
        mode: u32,
    ) -> Result<(), FsError> {
        let links = links(follow);
        self.run(self.times().operation, |guest, store| {
            let mut make = |path: &AbsPath, recursive, mode| {
                store.data_mut().new_directory = mode;
                let path = encode(path.as_bytes());
                let made = guest.call_create_directory(&mut *store, &path, recursive, links);
                store.data_mut().new_directory = contents::PERMISSION_BITS;
                made
            };
            let made = make(path, false, mode)?;
            if !recursive || made.is_ok() {
                return Ok(made);
            }
            if let (Err(Failure::System(ErrorCode::NoEntry)), Some(parent)) = (made, path.parent())
            {
                let above = make(&parent, true, contents::PERMISSION_BITS)?;
                if above.is_err() {
                    return Ok(above);
                }
            }
            make(path, true, mode)
        })
    }

    /// Type, size and times of what the path leads to.
    pub fn metadata(&self, path: &AbsPath, follow: Follow) -> Result<Metadata, FsError> {
        self.run(self.times().operation, |guest, store| {
            metadata(guest, store, path, follow)
        })
    }

    /// [`Scope::metadata`] if it can be done at once, from memory: without waiting for a disk, a network or an instance.
    pub fn try_metadata(
        &self,
        path: &AbsPath,
        follow: Follow,
    ) -> Option<Result<Metadata, FsError>> {
        self.attempt(|guest, store| metadata(guest, store, path, follow))
    }

    /// The path without any link in it.
    pub fn canonicalize(&self, path: &AbsPath) -> Result<AbsPath, FsError> {
        let text = self.run(self.times().operation, |guest, store| {
            guest.call_canonicalize(store, &encode(path.as_bytes()))
        })?;
        AbsPath::from_bytes(&decode(&text)).map_err(|error| FsError::Gate(error.to_string()))
    }

    /// Removes a file, a link, or a directory.
    pub fn remove(
        &self,
        path: &AbsPath,
        recursive: bool,
        force: bool,
        follow: Follow,
    ) -> Result<(), FsError> {
        self.run(self.times().tree, |guest, store| {
            guest.call_remove(
                store,
                &encode(path.as_bytes()),
                recursive,
                force,
                links(follow),
            )
        })
    }

    /// Copies a file, a link, or a tree.
    pub fn copy(
        &self,
        source: &AbsPath,
        destination: &AbsPath,
        recursive: bool,
    ) -> Result<(), FsError> {
        self.run(self.times().tree, |guest, store| {
            let copied = guest.call_copy(
                &mut *store,
                &encode(source.as_bytes()),
                &encode(destination.as_bytes()),
                recursive,
            )?;
            // The guest knows the error's number; the kernel knows what it has left.
            Ok(match (copied, store.data_mut().torn.take()) {
                (Err(Failure::System(_)), Some(torn)) => Ok(Err(torn)),
                (copied, _) => copied.map(Ok),
            })
        })?
    }

    /// Gives a file, a link or a directory another name. What is at `destination` is replaced, with `overwrite`: a file by
    /// a file or link, an empty directory by a directory.
    pub fn rename(
        &self,
        source: &AbsPath,
        destination: &AbsPath,
        overwrite: bool,
    ) -> Result<(), FsError> {
        let (source, destination) = (encode(source.as_bytes()), encode(destination.as_bytes()));
        self.run(self.times().operation, |guest, store| {
            guest.call_rename(store, &source, &destination, overwrite)
        })
    }

    /// Makes a symbolic link at `path` that says `target`. Where that leads does not matter here: whoever goes through the gate follows
    /// it no further than the grants reach.
    pub fn symlink(&self, target: &OsStr, path: &AbsPath) -> Result<(), FsError> {
        self.make_link(target.as_bytes(), path, Follow::Links)
    }

    /// [`Scope::symlink`], or one that refuses links on the way to the name.
    pub(crate) fn make_link(
        &self,
        target: &[u8],
        path: &AbsPath,
        follow: Follow,
    ) -> Result<(), FsError> {
        let (target, path) = (encode(target), encode(path.as_bytes()));
        self.run(self.times().operation, |guest, store| {
            guest.call_make_symlink(store, &target, &path, links(follow))
        })
    }

    /// What the link at `path` says.
    pub(crate) fn read_link(&self, path: &AbsPath, follow: Follow) -> Result<Vec<u8>, FsError> {
        let target = self.run(self.times().operation, |guest, store| {
            guest.call_read_link(store, &encode(path.as_bytes()), links(follow))
        })?;
        Ok(decode(&target).into_owned())
    }

    /// Sets the nine permission bits of a file or directory.
    pub fn set_mode(&self, path: &AbsPath, mode: u32, follow: Follow) -> Result<(), FsError> {
        self.run(self.times().operation, |guest, store| {
            guest.call_set_mode(store, &encode(path.as_bytes()), mode, links(follow))
        })
    }

    /// Sets the times of a file or directory. Times before 1970 cannot be told to a guest and are invalid.
    pub fn set_times(
        &self,
        path: &AbsPath,
        times: NewTimes,
        follow: Follow,
    ) -> Result<(), FsError> {
        let (accessed, modified) = (timestamp(times.accessed)?, timestamp(times.modified)?);
        let path = encode(path.as_bytes());
        self.run(self.times().operation, |guest, store| {
            guest.call_set_times(store, &path, accessed, modified, links(follow))
        })
    }
}

fn read(
    guest: &Operations,
    store: &mut Store<Kernel>,
    path: &AbsPath,
    follow: Follow,
) -> Answer<OpenFile> {
    let opened = guest.call_open_read(&mut *store, &encode(path.as_bytes()), links(follow))?;
    taken(opened, store, |descriptor| match descriptor {
        Descriptor::File(file) if file.readable => Ok(OpenFile {
            fd: file.fd,
            size: file.size,
        }),
        Descriptor::File(_) => Err(ErrorCode::BadDescriptor),
        Descriptor::Directory { .. } => Err(ErrorCode::IsDirectory),
    })
}

fn metadata(
    guest: &Operations,
    store: &mut Store<Kernel>,
    path: &AbsPath,
    follow: Follow,
) -> Answer<Metadata> {
    store.data_mut().seen = None;
    let found = guest.call_metadata(&mut *store, &encode(path.as_bytes()), links(follow))?;
    let seen = store.data_mut().seen.take();
    Ok(found.map(|found| Metadata {
        is_directory: found.target.type_ == DescriptorType::Directory,
        is_file: found.target.type_ == DescriptorType::RegularFile,
        is_symlink: found.is_symlink,
        size: found.target.size,
        created_ms: found.target.created_ms,
        modified_ms: found.target.modified_ms,
        mode: found.target.mode,
        kind: file_kind(found.target.type_),
        owner: seen.and_then(|seen| seen.owner_of(&found.target)),
    }))
}

fn timestamp(time: Option<SystemTime>) -> Result<NewTimestamp, FsError> {
    let Some(time) = time else {
        return Ok(NewTimestamp::NoChange);
    };
    let since = time.duration_since(UNIX_EPOCH).map_err(|_| Errno::INVAL)?;
    Ok(NewTimestamp::Timestamp(Datetime {
        seconds: since.as_secs(),
        nanoseconds: since.subsec_nanos(),
    }))
}
