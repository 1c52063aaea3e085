//! A tree without its contents: what there is, and whether one has it already.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use lockgate_grant::AbsPath;
use rustix::fs::Stat;
use rustix::io::Errno;

use super::TreeReport;
use super::entries::{Entries, TreeEntry, What, count, opened};
use super::ground::Ground;
use crate::contents;
use crate::operation::FsError;

/// Everything in a tree: first what the path itself leads to, a directory or a file, then all below it. Each file could be opened a moment ago.
/// A directory comes before what is in it.
#[derive(Debug)]
pub struct Outline {
    root: Option<OutlineEntry>,
    entries: Option<Entries>,
    report: TreeReport,
}

/// One thing in a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutlineEntry {
    /// Below the path where the tree begins; empty for that itself.
    pub name: OsString,
    /// What it is.
    pub kind: OutlineKind,
    /// The nine permission bits; of a link they mean nothing.
    pub mode: u32,
    /// When it was last changed, in Unix milliseconds; 0 for a link.
    pub modified_ms: i64,
}

/// What it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutlineKind {
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// Bytes.
        size: u64,
    },
    /// A symbolic link.
    Link {
        /// What it says.
        target: OsString,
    },
}

impl Outline {
    pub(super) fn new(ground: Box<dyn Ground>, root: AbsPath) -> Result<Outline, FsError> {
        let mut report = TreeReport::default();
        // Where it is neither, the first error says why.
        let (what, entries) = match opened(&*ground, &root) {
            Ok(file) => {
                count(&file, &mut report);
                (file, None)
            }
            Err(error) => match Entries::below(ground, root) {
                Ok(entries) => {
                    let root = entries.root()?;
                    report.note(&root);
                    (What::Directory(root), Some(entries))
                }
                Err(FsError::Os(Errno::NOTDIR)) => return Err(error),
                Err(error) => return Err(error),
            },
        };
        Ok(Outline {
            root: Some(entry(TreeEntry {
                name: Vec::new(),
                what,
            })),
            entries,
            report,
        })
    }

    /// The next one; none at the end.
    pub fn next_entry(&mut self) -> Result<Option<OutlineEntry>, FsError> {
        if let Some(root) = self.root.take() {
            return Ok(Some(root));
        }
        let Some(entries) = &mut self.entries else {
            return Ok(None);
        };
        Ok(entries.next(&mut self.report)?.map(entry))
    }

    /// What there was so far, and what could not be looked at.
    pub fn report(&self) -> &TreeReport {
        &self.report
    }
}

fn entry(found: TreeEntry) -> OutlineEntry {
    let of = |stat: &Stat| {
        let milliseconds = i64::try_from(stat.st_mtime_nsec).unwrap_or(0) / 1_000_000;
        let modified = stat.st_mtime.saturating_mul(1000);
        (
            stat.st_mode & contents::PERMISSION_BITS,
            modified.saturating_add(milliseconds),
        )
    };
    let (kind, (mode, modified_ms)) = match found.what {
        What::Directory(stat) => (OutlineKind::Directory, of(&stat)),
        What::File(file, stat) => (OutlineKind::File { size: file.size }, of(&stat)),
        What::Link(target) => {
            let target = OsString::from_vec(target);
            (OutlineKind::Link { target }, (0o777, 0))
        }
    };
    OutlineEntry {
        name: OsString::from_vec(found.name),
        kind,
        mode,
        modified_ms,
    }
}
