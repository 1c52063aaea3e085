//! Making, listing and walking directories.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

use lockgate_grant::path::AbsPath;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::look;
use crate::entry::Room;
use crate::operation::{
    Entry, FileKind, Follow, FsError, LeadsTo, Listed, WalkOptions, WalkOutcome,
};
use crate::walk::{self, Found, Identity, Kind, Tree};
use crate::workers::alive;

/// Permission bits of a new directory, before the umask.
const NEW: Mode = Mode::from_raw_mode(0o777);

/// Makes a directory; with `recursive` also those above it, and none of them need be missing.
pub fn create_directory(path: &AbsPath, recursive: bool, follow: Follow) -> Result<(), FsError> {
    create_directory_with(path, recursive, follow, NEW.as_raw_mode())
}

/// The same, with these permission bits before the umask; those above it are as any new directory.
pub fn create_directory_with(
    path: &AbsPath,
    recursive: bool,
    follow: Follow,
    mode: u32,
) -> Result<(), FsError> {
    let mode = Mode::from_raw_mode(mode);
    if !recursive {
        return make(path, follow, mode);
    }
    let make = |path: &AbsPath, last: bool| make(path, follow, if last { mode } else { NEW });
    // Upwards until something is there, then down again.
    let mut missing = Vec::new();
    let mut next = path.clone();
    loop {
        match make(&next, missing.is_empty()) {
            Ok(()) => break,
            Err(FsError::Os(Errno::NOENT)) => match next.parent() {
                Some(parent) => missing.push(std::mem::replace(&mut next, parent)),
                None => return Err(Errno::NOENT.into()),
            },
            Err(error) => {
                is_directory(&next, follow)?.then_some(()).ok_or(error)?;
                break;
            }
        }
    }
    while let Some(path) = missing.pop() {
        match make(&path, missing.is_empty()) {
            // Somebody else was faster.
            Err(FsError::Os(Errno::EXIST)) if is_directory(&path, follow)? => {}
            made => made?,
        }
    }
    Ok(())
}

/// The names in a directory, with what they are and lead to. A link that leads nowhere is left out.
pub fn read_directory(path: &AbsPath) -> Result<Vec<Entry>, FsError> {
    Ok(listed(path, Room::Endless)?.known())
}

/// The same with nothing left out, as far as there is room in an answer.
pub fn list_directory(path: &AbsPath) -> Result<Listed, FsError> {
    listed(path, Room::of_an_answer())
}

fn listed(path: &AbsPath, mut room: Room) -> Result<Listed, FsError> {
    let directory = open_directory(path)?;
    let mut listed = Listed::default();
    for entry in Dir::read_from(&directory)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name == "." || name == ".." {
            continue;
        }
        let look = |name: &OsString| Ok(what(&directory, name, entry.file_type()));
        if !listed.take::<FsError>(&mut room, name.to_owned(), look)? {
            break;
        }
    }
    Ok(listed)
}

/// What a name is, of which the listing says that.
fn what(directory: &OwnedFd, name: &OsStr, told: FileType) -> (FileKind, Option<LeadsTo>) {
    let look = |flags| {
        alive();
        let stat = rustix::fs::statat(directory, name, flags).ok()?;
        Some(FileType::from_raw_mode(stat.st_mode))
    };
    let kind = match told {
        FileType::Unknown => look(AtFlags::SYMLINK_NOFOLLOW).unwrap_or(FileType::Unknown),
        told => told,
    };
    let leads_to = (kind == FileType::Symlink).then(|| match look(AtFlags::empty()) {
        Some(found) => LeadsTo::to(found == FileType::Directory, found == FileType::RegularFile),
        None => LeadsTo::Nowhere,
    });
    (kind.into(), leads_to)
}

/// Walks the tree below `root`; what is listed and when it ends is said with [`WalkOptions`].
pub fn walk(root: &AbsPath, options: &WalkOptions) -> Result<WalkOutcome, FsError> {
    walk::walk(&mut Direct, root, options)
}

/// The whole system as a tree to walk.
pub(super) struct Direct;

/// A directory's names. Types that the filesystem does not tell are looked up.
pub(super) struct Listing {
    directory: OwnedFd,
    names: Dir,
}

impl Tree for Direct {
    type Listing = Listing;

    fn list(&mut self, path: &AbsPath) -> Result<(Identity, Listing), FsError> {
        let directory = open_directory(path)?;
        let stat = rustix::fs::fstat(&directory)?;
        let names = Dir::read_from(&directory)?;
        Ok(((stat.st_dev, stat.st_ino), Listing { directory, names }))
    }

    fn kind(&mut self, path: &AbsPath, follow: bool) -> Result<Kind, FsError> {
        let flags = match follow {
            true => AtFlags::empty(),
            false => AtFlags::SYMLINK_NOFOLLOW,
        };
        let stat = rustix::fs::statat(CWD, path.as_path(), flags)?;
        Ok(kind(FileType::from_raw_mode(stat.st_mode)))
    }
}

impl Iterator for Listing {
    type Item = Result<Found, FsError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let entry = match self.names.next()? {
                Ok(entry) => entry,
                Err(errno) => return Some(Err(errno.into())),
            };
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." {
                continue;
            }
            let file_type = match entry.file_type() {
                FileType::Unknown => {
                    alive();
                    match rustix::fs::statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                        Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                        // Gone since it was listed.
                        Err(_) => continue,
                    }
                }
                known => known,
            };
            return Some(Ok(Found {
                name: name.to_owned(),
                kind: kind(file_type),
            }));
        }
    }
}

fn kind(file_type: FileType) -> Kind {
    match file_type {
        FileType::Directory => Kind::Directory,
        FileType::RegularFile => Kind::File,
        FileType::Symlink => Kind::Link,
        _ => Kind::Other,
    }
}

/// `O_DIRECTORY` refuses everything else before it is opened.
fn open_directory(path: &AbsPath) -> Result<OwnedFd, FsError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | look::SAFELY;
    look::open(path, flags, Mode::empty(), Follow::Links)
}

fn make(path: &AbsPath, follow: Follow, mode: Mode) -> Result<(), FsError> {
    let (parent, name) = match (follow, path.parent(), path.file_name()) {
        (Follow::Nothing, Some(parent), Some(name)) => (parent, name),
        _ => return Ok(rustix::fs::mkdir(path.as_path(), mode)?),
    };
    let parent = look::place(&parent, follow)?;
    match rustix::fs::mkdirat(&parent, name, mode) {
        // The name is taken; if by a link, that is what is wrong with it.
        Err(Errno::EXIST) => {
            look::look(path, follow)?;
            Err(Errno::EXIST.into())
        }
        made => Ok(made?),
    }
}

fn is_directory(path: &AbsPath, follow: Follow) -> Result<bool, FsError> {
    match look::look(path, follow) {
        Ok(stat) => Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory),
        Err(FsError::SymbolicLink) => Err(FsError::SymbolicLink),
        // What could not be made and cannot be looked at either: the first error says more.
        Err(_) => Ok(false),
    }
}
