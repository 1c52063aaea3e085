//! A walk through a tree, breadth first and bounded: one loop in the host over directories that either way of access lists.
//!
//! What the protocol leaves open is decided here once: the bounds on directories, entries and the answer's bytes end the walk and
//! say so; the bound on depth only keeps it from descending. A link to a file is a file; a link to a directory is one where
//! links are followed and nothing otherwise; whatever else there is (devices, FIFOs, broken links) is left out. Who wants no links at all (`prune_links`) has
//! them left out unseen: nothing is looked at for them.

use std::collections::{HashSet, VecDeque};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use lockgate_grant::path::AbsPath;

use crate::limits;
use crate::operation::{ErrorKind, FsError, WalkEntry, WalkKind, WalkOptions, WalkOutcome};
use crate::workers::alive;

/// What a name in a listing is, before any link is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Directory,
    File,
    Link,
    Other,
}

/// One name of a listing.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) name: OsString,
    pub(crate) kind: Kind,
}

/// What tells a directory from all others, by whatever path it is reached: device and inode.
pub(crate) type Identity = (u64, u64);

/// A tree that can be walked.
pub(crate) trait Tree {
    /// The names of one directory.
    type Listing: Iterator<Item = Result<Found, FsError>>;

    /// Opens the directory at `path`, the last component of which may be a link.
    fn list(&mut self, path: &AbsPath) -> Result<(Identity, Self::Listing), FsError>;

    /// What a path is, or what a link leads to in the end; never [`Kind::Link`] where `follow`.
    fn kind(&mut self, path: &AbsPath, follow: bool) -> Result<Kind, FsError>;
}

/// Walks below `root`. A root that is no directory, or a link that may not be followed, is an empty walk; a root that is missing or may
/// not be looked at is an error.
pub(crate) fn walk(
    tree: &mut impl Tree,
    root: &AbsPath,
    options: &WalkOptions,
) -> Result<WalkOutcome, FsError> {
    options.check()?;
    let mut answer = Answer::default();
    if tree.kind(root, options.follow_directory_symlinks)? != Kind::Directory {
        return Ok(answer.outcome);
    }
    let mut walked = HashSet::new();
    let mut opened = 0;
    let mut queue = VecDeque::from([(root.clone(), 0)]);
    while let Some((directory, depth)) = queue.pop_front() {
        if opened == options.max_directories {
            answer.outcome.truncated = true;
        }
        if answer.outcome.truncated {
            break;
        }
        opened += 1;
        alive();
        let listing = match tree.list(&directory) {
            Ok((identity, listing)) if walked.insert(identity) => listing,
            Ok(_) => continue,
            Err(error) => {
                answer.error(directory, &error);
                continue;
            }
        };
        for found in listing {
            let entry = found.map(|found| entry(tree, &directory, &found, options));
            match entry {
                Ok(Ok(Some(entry))) if answer.entry(&entry, options) => {
                    if entry.kind == WalkKind::Directory && depth < options.max_depth {
                        queue.push_back((entry.path.clone(), depth + 1));
                    }
                    answer.outcome.entries.push(entry);
                }
                Ok(Ok(_)) => {}
                Ok(Err((path, error))) => answer.error(path, &error),
                Err(error) => {
                    answer.error(directory.clone(), &error);
                    break;
                }
            }
            if answer.outcome.truncated {
                break;
            }
        }
    }
    Ok(answer.outcome)
}

/// What a name of a listing is in the answer, if it is in there at all.
fn entry(
    tree: &mut impl Tree,
    directory: &AbsPath,
    found: &Found,
    options: &WalkOptions,
) -> Result<Option<WalkEntry>, (AbsPath, FsError)> {
    let Ok(path) = directory.join(&found.name) else {
        // Longer than any call can name: out of reach, with all below it.
        return Ok(None);
    };
    let kind = match found.kind {
        Kind::Link if options.prune_links => return Ok(None),
        Kind::Link => match looked_at(tree, &path) {
            Ok(Kind::Directory) if !options.follow_directory_symlinks => return Ok(None),
            Ok(kind) => kind,
            // A link that leads nowhere is left out, as it is from a listing.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err((path, error)),
        },
        kind => kind,
    };
    let hidden = found.name.as_bytes().first() == Some(&b'.');
    let kind = match kind {
        Kind::Directory if hidden && options.prune_hidden_directories => return Ok(None),
        Kind::Directory => WalkKind::Directory,
        Kind::File => WalkKind::File,
        Kind::Link | Kind::Other => return Ok(None),
    };
    Ok(Some(WalkEntry { path, kind }))
}

/// What a link leads to. A directory may hold many, on a file system that takes its time for each.
fn looked_at(tree: &mut impl Tree, path: &AbsPath) -> Result<Kind, FsError> {
    alive();
    tree.kind(path, true)
}

/// The outcome, and the bytes that it will take.
#[derive(Default)]
struct Answer {
    outcome: WalkOutcome,
    bytes: usize,
}

/// What an entry of the answer takes besides its path: member names, quotes, kind.
const ENTRY_BYTES: usize = 40;

impl Answer {
    /// Whether there is room for one more entry.
    fn entry(&mut self, entry: &WalkEntry, options: &WalkOptions) -> bool {
        let room = self.outcome.entries.len() < options.max_entries
            && self.takes(entry.path.as_bytes().len());
        self.outcome.truncated |= !room;
        room
    }

    fn error(&mut self, path: AbsPath, error: &FsError) {
        let message = error.to_string();
        if self.takes(path.as_bytes().len() + message.len()) {
            self.outcome.errors.push((path, message));
        } else {
            self.outcome.truncated = true;
        }
    }

    fn takes(&mut self, bytes: usize) -> bool {
        self.bytes += bytes + ENTRY_BYTES;
        self.bytes <= limits::MAX_WALK_ANSWER_BYTES
    }
}
