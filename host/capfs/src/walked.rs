//! A scope as a tree that is walked: the host reads the listings, the guest opens them and says what links lead to.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use lockgate_grant::AbsPath;
use rustix::fs::FileType;

use crate::kernel::bindings::exports::lockgate::files::operations::Links;
use crate::kernel::bindings::wasi::filesystem::types::DescriptorType;
use crate::kernel::{Listing, encode};
use crate::operation::{Follow, FsError, WalkOptions, WalkOutcome};
use crate::scope::Scope;
use crate::walk::{self, Found, Identity, Kind, Tree};

impl Scope {
    /// Walks a tree, breadth first, within bounds.
    pub fn walk(&self, path: &AbsPath, options: &WalkOptions) -> Result<WalkOutcome, FsError> {
        walk::walk(&mut Walked(self), path, options)
    }
}

/// A scope as a tree that is walked.
struct Walked<'a>(&'a Scope);

impl Tree for Walked<'_> {
    type Listing = Names;

    fn list(&mut self, path: &AbsPath) -> Result<(Identity, Names), FsError> {
        let listing = self.0.list(path, Follow::Links)?;
        Ok((listing.identity(), Names(listing)))
    }

    fn kind(&mut self, path: &AbsPath, follow: bool) -> Result<Kind, FsError> {
        let kind = match follow {
            true => self.0.run(self.0.times().operation, |guest, store| {
                let found = guest.call_metadata(store, &encode(path.as_bytes()), Links::Follow)?;
                Ok(found.map(|found| found.target.type_))
            })?,
            false => self.0.run(self.0.times().operation, |guest, store| {
                Ok(guest
                    .call_look(store, &encode(path.as_bytes()))?
                    .map(|found| found.type_))
            })?,
        };
        Ok(match kind {
            DescriptorType::Directory => Kind::Directory,
            DescriptorType::RegularFile => Kind::File,
            DescriptorType::SymbolicLink => Kind::Link,
            _ => Kind::Other,
        })
    }
}

/// The names of one directory.
struct Names(Listing);

impl Iterator for Names {
    type Item = Result<Found, FsError>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = match self.0.next() {
            Ok(entry) => entry?,
            Err(errno) => return Some(Err(errno.into())),
        };
        let kind = match entry.kind {
            FileType::Directory => Kind::Directory,
            FileType::RegularFile => Kind::File,
            FileType::Symlink => Kind::Link,
            _ => Kind::Other,
        };
        Some(Ok(Found {
            name: OsString::from_vec(entry.name.into_vec()),
            kind,
        }))
    }
}
