//! Opening: looked at first, opened then, and looked at again, so that no device, FIFO or socket is ever opened for its contents.

use std::os::fd::OwnedFd;

use lockgate_grant::{AbsPath, Allowed};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use super::descriptor::{Descriptor, File};
use super::listing::Listing;
use super::look::{Look, same};
use super::place::Place;
use super::root::Wait;
use super::{Kernel, magic, may_not_change};
use crate::limits;

/// What a file or directory is opened for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Purpose {
    pub(super) read: bool,
    pub(super) write: bool,
    pub(super) create: bool,
    pub(super) exclusive: bool,
    pub(super) truncate: bool,
    pub(super) directory: bool,
}

impl Kernel {
    pub(super) fn open(&self, path: &AbsPath, purpose: Purpose) -> Result<Descriptor, Errno> {
        let allowed = self.allowed(path);
        let changes = purpose.write || purpose.create || purpose.truncate;
        match allowed {
            Allowed::Nothing if changes => return Err(Errno::ACCESS),
            Allowed::Nothing => return Err(Errno::NOENT),
            _ => {}
        }
        // A link that stands where a new file is to be made is a name that is taken, wherever it leads.
        let link_itself = purpose.create && purpose.exclusive;
        // Tries again when something else stands there than a moment ago.
        for _ in 0..limits::OPEN_RETRIES {
            let look = match self.look(path, link_itself) {
                Ok(look) => look,
                Err(Errno::NOENT) if purpose.create => match self.create(path, allowed, purpose) {
                    Err(Errno::EXIST) if !purpose.exclusive => continue,
                    created => return created,
                },
                Err(errno) => return Err(errno),
            };
            if purpose.create && purpose.exclusive {
                return Err(Errno::EXIST);
            }
            match look.kind() {
                FileType::Directory
                    if purpose.write
                        || purpose.truncate
                        || purpose.create && !purpose.directory =>
                {
                    return Err(Errno::ISDIR);
                }
                FileType::Directory if allowed < Allowed::Read => return Err(Errno::ACCESS),
                FileType::Directory => return Ok(Descriptor::Directory { path: path.clone() }),
                _ if purpose.directory => return Err(Errno::NOTDIR),
                // What is above a grant by name and is no directory: nothing can be below it, and it may only be seen.
                _ if allowed < Allowed::Read => return Err(Errno::ACCESS),
                _ if changes && allowed < Allowed::Write => return Err(may_not_change(allowed)),
                FileType::RegularFile => {}
                _ => return Err(Errno::NXIO),
            }
            if let Some(file) = self.reopen(path, &look, purpose)? {
                return Ok(Descriptor::File(file));
            }
        }
        Err(Errno::BUSY)
    }

    /// Opens what was looked at; nothing when it is something else by now.
    fn reopen(&self, path: &AbsPath, look: &Look, purpose: Purpose) -> Result<Option<File>, Errno> {
        // Should a FIFO or a terminal have come in between, opening it does not wait for a writer and takes no control.
        let fd = self
            .root
            .open_at(path, access(purpose) | HARMLESS, Mode::empty(), self.wait())?;
        let stat = rustix::fs::fstat(&fd)?;
        if !same(&stat, &look.stat) {
            return Ok(None);
        }
        if purpose.truncate {
            rustix::fs::ftruncate(&fd, 0)?;
        }
        Ok(Some(file(
            fd,
            if purpose.truncate { 0 } else { stat.st_size },
            purpose,
        )))
    }

    fn create(
        &self,
        path: &AbsPath,
        allowed: Allowed,
        purpose: Purpose,
    ) -> Result<Descriptor, Errno> {
        if allowed < Allowed::Write {
            return Err(may_not_change(allowed));
        }
        if purpose.directory {
            return Err(Errno::INVAL);
        }
        let flags = access(Purpose {
            write: true,
            ..purpose
        }) | OFlags::CREATE
            | OFlags::EXCL
            | HARMLESS;
        // Its directory first: what is made in a file system that has no files (a message queue) would be left there.
        self.may_hold(path)?;
        let fd = self
            .root
            .open_at(path, flags, Mode::from_raw_mode(0o666), Wait::Yes)?;
        magic::refuse(&fd, rustix::fs::fstat(&fd)?.st_dev)?;
        Ok(Descriptor::File(file(fd, 0, purpose)))
    }

    /// Opens a directory's listing.
    pub(super) fn list(&self, path: &AbsPath) -> Result<Listing, Errno> {
        match self.allowed(path) {
            Allowed::Nothing => return Err(Errno::NOENT),
            Allowed::Seen => {
                // It can be a link to where more is granted.
                return match self.look(path, false)?.kind() {
                    FileType::Directory => Err(Errno::ACCESS),
                    _ => Err(Errno::NOTDIR),
                };
            }
            Allowed::Read | Allowed::Write => {}
        }
        // Nothing but a directory is opened by this, and opening one does nothing.
        let fd = self.root.open_at(
            path,
            OFlags::RDONLY | OFlags::DIRECTORY,
            Mode::empty(),
            self.wait(),
        )?;
        let stat = rustix::fs::fstat(&fd)?;
        self.admit(&fd, stat.st_dev)?;
        let filtered = self
            .grants
            .below(path.as_bytes())
            .then(|| self.grants.clone());
        Listing::new(
            fd,
            Place::new(
                self.root.clone(),
                path.clone(),
                (stat.st_dev, stat.st_ino),
                filtered,
            ),
        )
    }
}

const HARMLESS: OFlags = OFlags::NONBLOCK.union(OFlags::NOCTTY);

fn access(purpose: Purpose) -> OFlags {
    match (purpose.read, purpose.write || purpose.truncate) {
        (true, true) => OFlags::RDWR,
        (false, true) => OFlags::WRONLY,
        _ => OFlags::RDONLY,
    }
}

fn file(fd: OwnedFd, size: i64, purpose: Purpose) -> File {
    let size = u64::try_from(size).unwrap_or(0);
    File {
        fd,
        size,
        readable: purpose.read,
        writable: purpose.write,
    }
}
