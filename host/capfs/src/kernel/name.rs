//! Giving names and taking them: directories, links, removal, renaming. The directory that holds the name is held by its own
//! descriptor, found without following a link, and the last system call acts on the name in it, which follows none either.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

use lockgate_grant::{AbsPath, Allowed};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::root::{LOOK, Wait};
use super::{Kernel, magic, may_not_change};
use crate::contents;

/// A name in the directory that holds it.
struct Held<'a> {
    directory: OwnedFd,
    name: &'a OsStr,
}

impl Kernel {
    /// With no more than these permission bits, nor than those of the call.
    pub(super) fn make_directory(&self, path: &AbsPath, mode: u32) -> Result<(), Errno> {
        if mode & !contents::PERMISSION_BITS != 0 {
            return Err(Errno::INVAL);
        }
        let held = self.held(path, Errno::EXIST)?;
        self.may_create(path)?;
        rustix::fs::mkdirat(
            &held.directory,
            held.name,
            Mode::from_raw_mode(self.new_directory & mode),
        )
    }

    pub(super) fn make_link(&self, target: &[u8], path: &AbsPath) -> Result<(), Errno> {
        let held = self.held(path, Errno::EXIST)?;
        self.may_rename(path)?;
        self.may_be_link(path)?;
        rustix::fs::symlinkat(OsStr::from_bytes(target), &held.directory, held.name)
    }

    pub(super) fn remove_directory(&self, path: &AbsPath) -> Result<(), Errno> {
        self.remove(path, AtFlags::REMOVEDIR)
    }

    pub(super) fn remove_file(&self, path: &AbsPath) -> Result<(), Errno> {
        self.remove(path, AtFlags::empty())
    }

    fn remove(&self, path: &AbsPath, flags: AtFlags) -> Result<(), Errno> {
        let held = self.held(path, Errno::BUSY)?;
        self.may_rename(path)?;
        self.may_go(path, &held)?;
        rustix::fs::unlinkat(&held.directory, held.name, flags)
    }

    /// A second name for a file. Both must be writable: a name in a writable place for what is read-only would make it writable
    /// (RUSTSEC-2026-0188). And both belong to one grant: the next profile may have only the other.
    pub(super) fn link(&self, old: &AbsPath, new: &AbsPath) -> Result<(), Errno> {
        let from = self.held(old, Errno::PERM)?;
        let to = self.held(new, Errno::EXIST)?;
        if self.allowed(old) < Allowed::Write {
            return Err(may_not_change(self.allowed(old)));
        }
        self.may_rename(new)?;
        self.may_be_link(new)?;
        if !self.grants.under_one_rule(old, new) {
            return Err(Errno::XDEV);
        }
        rustix::fs::linkat(
            &from.directory,
            from.name,
            &to.directory,
            to.name,
            AtFlags::empty(),
        )
    }

    /// Refused where a rule lies below either end: the rule would stay with the name, and what it is about would go.
    pub(super) fn rename(
        &self,
        old: &AbsPath,
        new: &AbsPath,
        how: RenameFlags,
    ) -> Result<(), Errno> {
        let from = self.held(old, Errno::BUSY)?;
        let to = self.held(new, Errno::BUSY)?;
        self.may_rename(old)?;
        self.may_rename(new)?;
        self.may_go(old, &from)?;
        match kind(&from)? {
            FileType::Directory
                if self.grants.below(old.as_bytes()) || self.grants.below(new.as_bytes()) =>
            {
                return Err(Errno::ACCESS);
            }
            FileType::Symlink => self.may_be_link(new)?,
            // Only over a file: should a directory come in its place before it is renamed, with names in it that a rule forbids, the system
            // itself puts none over a file.
            _ if self.grants.rules_below(new)
                && !matches!(kind(&to), Ok(FileType::RegularFile)) =>
            {
                return Err(Errno::ACCESS);
            }
            _ => {}
        }
        if how.is_empty() {
            return rustix::fs::renameat(&from.directory, from.name, &to.directory, to.name);
        }
        rustix::fs::renameat_with(&from.directory, from.name, &to.directory, to.name, how)
    }

    /// Whether the directory that a name is in may have files made in it.
    pub(super) fn may_hold(&self, path: &AbsPath) -> Result<(), Errno> {
        self.held(path, Errno::EXIST).map(drop)
    }

    /// Holds the directory that a name is in. Whoever may do nothing with the name learns nothing about the way there.
    /// `root` is the answer for `/`, which is no name.
    fn held<'a>(&self, path: &'a AbsPath, root: Errno) -> Result<Held<'a>, Errno> {
        if self.allowed(path) == Allowed::Nothing {
            return Err(Errno::ACCESS);
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(root);
        };
        let directory =
            self.root
                .open_at(&parent, LOOK | OFlags::DIRECTORY, Mode::empty(), Wait::Yes)?;
        magic::refuse(&directory, rustix::fs::fstat(&directory)?.st_dev)?;
        Ok(Held { directory, name })
    }

    /// Rules are about names. A link where a rule lies below would lead past it: what is made behind the link has another name, for which
    /// nothing is forbidden, and appears under the one for which it is.
    fn may_be_link(&self, path: &AbsPath) -> Result<(), Errno> {
        match self.grants.rules_below(path) {
            true => Err(Errno::ACCESS),
            false => Ok(()),
        }
    }

    /// A link through which a rule leads keeps its name: without it the same profile would mean less elsewhere, in the next scope.
    fn may_go(&self, path: &AbsPath, held: &Held<'_>) -> Result<(), Errno> {
        match self.grants.rules_below(path) && kind(held)? == FileType::Symlink {
            true => Err(Errno::ACCESS),
            false => Ok(()),
        }
    }

    fn may_create(&self, path: &AbsPath) -> Result<(), Errno> {
        match self.allowed(path) {
            Allowed::Write => Ok(()),
            less => Err(may_not_change(less)),
        }
    }

    /// The name itself is to go or to stand for something else: that changes the directory, too.
    fn may_rename(&self, path: &AbsPath) -> Result<(), Errno> {
        if self.grants.may_rename(path) {
            return Ok(());
        }
        Err(match self.allowed(path) {
            // A granted root: the thing is writable, its name is not.
            Allowed::Write => Errno::ACCESS,
            less => may_not_change(less),
        })
    }
}

/// What has a name, links not followed.
fn kind(held: &Held<'_>) -> Result<FileType, Errno> {
    let found = rustix::fs::statat(&held.directory, held.name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(found.st_mode))
}
