//! What is in a directory of a scope.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use lockgate_grant::AbsPath;
use rustix::io::Errno;

use super::{Scope, links, taken};
use crate::entry::Room;
use crate::kernel::{Listing, encode};
use crate::operation::{Entry, FileKind, Follow, FsError, LeadsTo, Listed};

impl Scope {
    /// A directory's entries; names that lead nowhere are left out.
    pub fn read_directory(&self, path: &AbsPath) -> Result<Vec<Entry>, FsError> {
        Ok(self.listed(path, Room::Endless)?.known())
    }

    /// The same with nothing left out that may be seen, as far as there is room in an answer.
    pub fn list_directory(&self, path: &AbsPath) -> Result<Listed, FsError> {
        self.listed(path, Room::of_an_answer())
    }

    fn listed(&self, path: &AbsPath, mut room: Room) -> Result<Listed, FsError> {
        let mut listing = self.list(path, Follow::Links)?;
        let mut listed = Listed::default();
        while let Some(entry) = listing.next()? {
            let kind = FileKind::from(entry.kind);
            let name = OsString::from_vec(entry.name.into_vec());
            let look = |name: &OsString| {
                let leads_to = match kind {
                    FileKind::Symlink => Some(self.leads_to(path, name)?),
                    _ => None,
                };
                Ok((kind, leads_to))
            };
            if !listed.take::<FsError>(&mut room, name, look)? {
                break;
            }
        }
        Ok(listed)
    }

    /// Where a link leads by what is granted: elsewhere is nowhere, whatever is there.
    fn leads_to(&self, directory: &AbsPath, name: &OsString) -> Result<LeadsTo, FsError> {
        let path = directory.join(name);
        let found = path
            .map_err(|_| Errno::NAMETOOLONG.into())
            .and_then(|path| self.metadata(&path, Follow::Links));
        match found {
            Ok(found) => Ok(LeadsTo::to(found.is_directory, found.is_file)),
            Err(error @ FsError::Gate(_)) => Err(error),
            Err(_) => Ok(LeadsTo::Nowhere),
        }
    }

    pub(crate) fn list(&self, path: &AbsPath, follow: Follow) -> Result<Listing, FsError> {
        self.run(self.times().operation, |guest, store| {
            let opened =
                guest.call_open_directory(&mut *store, &encode(path.as_bytes()), links(follow))?;
            taken(opened, store, Ok)
        })
    }
}
