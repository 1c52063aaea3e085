//! Whole trees as one stream of bytes, in the tar format: out of a directory ([`Download`]) and into one ([`Upload`]). And what there is in
//! one, without the contents ([`Outline`]).
//!
//! The format is nothing but a format here. Every name and every byte goes through the request's files ([`Ground`]), so each entry is
//! decided as a request of its own would be, and no link is ever followed below the directory where the tree begins: a download has links
//! as links, an upload refuses what lies behind one. What cannot travel is left out and told in the [`TreeReport`]; what makes the rest
//! worthless (a disk that is full, bytes that are no tar) ends the tree.
//!
//! Both hold one open file or listing and a bounded list of names, however large the tree is.

mod copy;
mod direct;
mod download;
mod entries;
mod format;
mod ground;
mod outline;
mod scoped;
mod upload;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

pub use download::Download;
pub use outline::{Outline, OutlineEntry, OutlineKind};
pub use upload::Upload;

use crate::files::Files;
use crate::operation::FsError;
use crate::{contents, limits};
pub(crate) use ground::Ground;
use lockgate_grant::AbsPath;

/// What became of a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TreeReport {
    /// Regular files, without those that became shorter while they were read: these are among what was left out, whatever of them arrives.
    pub files: u64,
    /// Directories, without the one where the tree begins.
    pub directories: u64,
    /// Symbolic links.
    pub links: u64,
    /// Bytes of the files' contents.
    pub bytes: u64,
    /// What was left out or is not as it was, and why: the first of them.
    pub left_out: Vec<LeftOut>,
    /// How many there were.
    pub left_out_count: u64,
    /// Files and directories, the first one too, that have set-user-id, set-group-id or sticky bits: these never travel.
    pub special_bits: u64,
    /// Files and directories, the first one too, that were changed before 1970 last: such times do not travel, because no guest can be told them.
    pub times_before_1970: u64,
}

/// Something that did not travel, or not whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Below the directory where the tree begins.
    pub name: OsString,
    /// In words.
    pub reason: String,
}

impl TreeReport {
    /// Notes bits and times that do not travel.
    fn note(&mut self, stat: &rustix::fs::Stat) {
        if stat.st_mode & contents::SPECIAL_BITS != 0 {
            self.special_bits += 1;
        }
        if stat.st_mtime < 0 {
            self.times_before_1970 += 1;
        }
    }

    fn leave_out(&mut self, name: &[u8], reason: impl Into<String>) {
        self.left_out_count += 1;
        if self.left_out.len() < limits::TREE_REPORTED {
            let name = OsString::from_vec(name[..name.len().min(limits::TREE_NAME_BYTES)].to_vec());
            let reason = reason.into();
            self.left_out.push(LeftOut { name, reason });
        }
    }
}

/// Why an entry is left out, in words of trees.
fn reason(error: &FsError) -> String {
    match error {
        FsError::SymbolicLink => "a symbolic link is in the way".to_owned(),
        error => error.to_string(),
    }
}

/// Errors that the next entry would meet as well.
fn ends_the_tree(error: &FsError) -> bool {
    use rustix::io::Errno;
    match error {
        FsError::Gate(_) => true,
        FsError::Os(errno) => matches!(
            *errno,
            Errno::NOSPC
                | Errno::DQUOT
                | Errno::IO
                | Errno::MFILE
                | Errno::NFILE
                | Errno::NOMEM
                | Errno::STALE
        ),
        _ => false,
    }
}

impl Files {
    /// The tree below the directory `path`, as a tar to be read.
    pub fn download(&self, path: &AbsPath) -> Result<Download, FsError> {
        // From here on no link is followed.
        let root = self.canonicalize(path)?;
        Download::new(self.ground()?, root)
    }

    /// What the tree at `path` has, without its contents; a file is a tree of one entry.
    pub fn outline(&self, path: &AbsPath) -> Result<Outline, FsError> {
        // From here on no link is followed.
        let root = self.canonicalize(path)?;
        Outline::new(self.ground()?, root)
    }

    /// A tar to be written into the directory `path`, which is made where it is missing.
    pub fn upload(&self, path: &AbsPath) -> Result<Upload, FsError> {
        self.upload_with(path, contents::PERMISSION_BITS)
    }

    /// The same, where the directory is made with no more than these of the nine permission bits.
    pub fn upload_with(&self, path: &AbsPath, mode: u32) -> Result<Upload, FsError> {
        use crate::operation::Follow;
        self.create_directory_with(path, true, Follow::Links, mode)?;
        Ok(Upload::new(self.ground()?, self.canonicalize(path)?))
    }

    pub(crate) fn ground(&self) -> Result<Box<dyn Ground>, FsError> {
        Ok(match self {
            Files::Direct => Box::new(direct::Direct::new()?),
            Files::Scoped(scope) => Box::new(scope.clone()),
        })
    }
}
