//! What there is in a tree, one entry after the other.
//!
//! The files of a directory come before its directories, each of which comes with all below it before the next: so one
//! listing is open at a time, and what is remembered is a bounded list of names.

use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

use lockgate_grant::AbsPath;
use rustix::fs::{FileType, Stat};
use rustix::io::Errno;

use super::ground::Ground;
use super::{TreeReport, ends_the_tree, reason};
use crate::kernel::Listing;
use crate::operation::{FsError, OpenFile};
use crate::{contents, limits};

/// All below a directory, which has no entry itself.
pub(super) struct Entries {
    ground: Box<dyn Ground>,
    /// Free of links.
    root: AbsPath,
    /// Directories to enter, the next one last: their names below the root.
    left: Vec<Vec<u8>>,
    left_bytes: usize,
    listing: Option<Entered>,
}

/// One of them.
pub(super) struct TreeEntry {
    /// Below the root.
    pub(super) name: Vec<u8>,
    pub(super) what: What,
}

pub(super) enum What {
    Directory(Stat),
    /// Opened, so that it can be read by whoever is told of it.
    File(OpenFile, Stat),
    /// And what it says.
    Link(Vec<u8>),
}

/// The directory that is being listed.
struct Entered {
    /// Its name below the root, with a slash at the end; nothing for the root itself.
    prefix: Vec<u8>,
    path: AbsPath,
    names: Listing,
}

impl std::fmt::Debug for Entries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entries")
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

impl Entries {
    pub(super) fn below(ground: Box<dyn Ground>, root: AbsPath) -> Result<Entries, FsError> {
        let names = ground.list(&root)?;
        Ok(Entries {
            listing: Some(Entered {
                prefix: Vec::new(),
                path: root.clone(),
                names,
            }),
            ground,
            root,
            left: Vec::new(),
            left_bytes: 0,
        })
    }

    /// What the directory itself is like.
    pub(super) fn root(&self) -> Result<Stat, FsError> {
        match &self.listing {
            Some(entered) => Ok(rustix::fs::fstat(entered.names.as_fd())?),
            None => Ok(rustix::fs::fstat(self.ground.list(&self.root)?.as_fd())?),
        }
    }

    /// The next one, counted in the report, as is what is left out on the way.
    pub(super) fn next(&mut self, report: &mut TreeReport) -> Result<Option<TreeEntry>, FsError> {
        loop {
            // Much may be left out before there is something to tell.
            crate::workers::alive();
            let Some(entered) = &mut self.listing else {
                let Some(name) = self.left.pop() else {
                    return Ok(None);
                };
                match self.enter(name, report)? {
                    Some(entry) => return Ok(Some(entry)),
                    None => continue,
                }
            };
            let entry = match entered.names.next() {
                Ok(Some(entry)) => entry,
                Ok(None) => {
                    self.listing = None;
                    continue;
                }
                Err(errno) => {
                    report.leave_out(&entered.prefix, reason(&errno.into()));
                    self.listing = None;
                    continue;
                }
            };
            let name = [&*entered.prefix, &*entry.name].concat();
            let Ok(path) = entered.path.join(OsStr::from_bytes(&entry.name)) else {
                report.leave_out(&name, "its path is longer than any call can name");
                continue;
            };
            let what = match entry.kind {
                FileType::Directory => {
                    self.remember(name, report);
                    continue;
                }
                FileType::RegularFile => opened(&*self.ground, &path),
                FileType::Symlink => self.ground.read_link(&path).map(What::Link),
                _ => {
                    report.leave_out(&name, "neither a file nor a directory nor a link");
                    continue;
                }
            };
            match what {
                Ok(what) => {
                    count(&what, report);
                    return Ok(Some(TreeEntry { name, what }));
                }
                Err(error) => leave_out(&name, error, report)?,
            }
        }
    }

    /// A directory to enter later.
    fn remember(&mut self, name: Vec<u8>, report: &mut TreeReport) {
        if self.left_bytes + held(&name) > limits::TREE_PENDING_BYTES {
            return report.leave_out(
                &name,
                "too many directories are still to be entered: take this one by itself",
            );
        }
        self.left_bytes += held(&name);
        self.left.push(name);
    }

    fn enter(
        &mut self,
        name: Vec<u8>,
        report: &mut TreeReport,
    ) -> Result<Option<TreeEntry>, FsError> {
        self.left_bytes -= held(&name);
        let path = match AbsPath::from_bytes(&[self.root.as_bytes(), b"/", &name].concat()) {
            Ok(path) => path,
            Err(error) => {
                report.leave_out(&name, error.to_string());
                return Ok(None);
            }
        };
        let listed = self
            .ground
            .list(&path)
            .and_then(|names| Ok((rustix::fs::fstat(names.as_fd())?, names)));
        let (stat, names) = match listed {
            Ok(listed) => listed,
            Err(error) => {
                leave_out(&name, error, report)?;
                return Ok(None);
            }
        };
        self.listing = Some(Entered {
            prefix: [&*name, b"/"].concat(),
            path,
            names,
        });
        let what = What::Directory(stat);
        count(&what, report);
        Ok(Some(TreeEntry { name, what }))
    }
}

/// A regular file, opened.
pub(super) fn opened(ground: &dyn Ground, path: &AbsPath) -> Result<What, FsError> {
    let file = ground.open(path)?;
    let stat = contents::regular(&file.fd)?;
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    Ok(What::File(OpenFile { size, ..file }, stat))
}

pub(super) fn count(what: &What, report: &mut TreeReport) {
    match what {
        What::Directory(stat) => {
            report.directories += 1;
            report.note(stat);
        }
        What::File(file, stat) => {
            report.files += 1;
            report.bytes += file.size;
            report.note(stat);
        }
        What::Link(_) => report.links += 1,
    }
}

/// What cannot be read is no reason to leave out what comes after it, as an error of writing is: some files of /proc and /sys have nothing but errors.
fn leave_out(name: &[u8], error: FsError, report: &mut TreeReport) -> Result<(), FsError> {
    let of_this = matches!(error, FsError::Os(Errno::IO | Errno::STALE));
    if !of_this && ends_the_tree(&error) {
        return Err(error.within(name));
    }
    report.leave_out(name, reason(&error));
    Ok(())
}

/// Bytes that a name takes while it is remembered, with what a list and an allocator add: a million short ones are not small.
fn held(name: &[u8]) -> usize {
    name.len() + 2 * size_of::<Vec<u8>>()
}
