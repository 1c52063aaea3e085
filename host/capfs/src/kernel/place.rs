//! A directory by its path and what was found there: whether that is still so, and which of its names may be seen.

use std::sync::Arc;

use lockgate_grant::{AbsPath, Allowed, Grants};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::root::{LOOK, Root, Wait};

/// Where a directory is, and which one.
#[derive(Clone)]
pub(crate) struct Place {
    root: Arc<Root>,
    pub(crate) path: AbsPath,
    /// Device and inode.
    pub(crate) identity: (u64, u64),
    /// There are rules below this directory: each name is asked for. Where there are none, all are as the directory is.
    filter: Option<Arc<Grants>>,
}

impl Place {
    pub(crate) fn new(
        root: Arc<Root>,
        path: AbsPath,
        identity: (u64, u64),
        filter: Option<Arc<Grants>>,
    ) -> Place {
        Place {
            root,
            path,
            identity,
            filter,
        }
    }

    /// Whether the directory is found at its path, without following a link.
    pub(crate) fn is_in_place(&self) -> Result<bool, Errno> {
        let flags = LOOK | OFlags::DIRECTORY;
        let there = self
            .root
            .open_at(&self.path, flags, Mode::empty(), Wait::Yes)?;
        let stat = rustix::fs::fstat(&there)?;
        Ok((stat.st_dev, stat.st_ino) == self.identity)
    }

    /// What tells which of the directory's names may be seen.
    pub(crate) fn names(&self) -> Names<'_> {
        let mut child = Vec::new();
        if self.filter.is_some() {
            child.extend_from_slice(self.path.as_bytes());
            if !self.path.is_root() {
                child.push(b'/');
            }
        }
        Names {
            below: child.len(),
            child,
            filter: self.filter.as_deref(),
        }
    }
}

/// The names of one directory, looked at one by one.
pub(crate) struct Names<'a> {
    child: Vec<u8>,
    below: usize,
    filter: Option<&'a Grants>,
}

impl Names<'_> {
    /// Whether this one may be seen.
    pub(crate) fn shows(&mut self, name: &[u8]) -> bool {
        let Some(grants) = self.filter else {
            return true;
        };
        self.child.truncate(self.below);
        self.child.extend_from_slice(name);
        grants.allowed_bytes(&self.child) != Allowed::Nothing
    }
}
