//! Files and directories.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::SystemTime;

use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt};
use lockgate_grant::AbsPath;
use lockgate_grant::profile::Sandbox;
use lockgate_wire::limits::{WALK_DEPTH, WALK_DIRECTORIES, WALK_ENTRIES};

use super::{Answer, FileKind, FileWriter, Listing, listing};
use crate::ClientError;

/// Works on files. `within` is the sandbox profile that a call stays within, if any.
///
/// What only looks (reading in one piece, `metadata`, `list`, `list_every`, `walk`, `canonicalize`, both `each`, the opening of [`Files::open`]) is asked again by itself where a
/// lost link took its answer along, a few times; where no other link comes it fails with what ended the connection. What changes something is not, nor are blocks of a file that
/// was open, which has gone with its link: these fail with [`ClientError::Interrupted`].
pub trait Files: Send + Sync {
    /// The contents of a regular file, in one piece: for what is known to be small. [`Files::open`] has no limit.
    fn read<'a>(&'a self, path: &'a AbsPath, within: Option<&'a Sandbox>) -> Answer<'a, Vec<u8>>;

    /// The contents of a regular file from that offset on, in blocks. The file is the one that was opened, also if its name goes to another meanwhile.
    fn open<'a>(
        &'a self,
        path: &'a AbsPath,
        from: u64,
        within: Option<&'a Sandbox>,
    ) -> Answer<'a, Blocks>;

    /// [`Files::open`] from the beginning, for a path without links, as [`Files::canonicalize`] gives it: none where a link was put in its way meanwhile, or
    /// the executor's refusal. Of executors that cannot refuse links the path is looked at once more when the file is open; what was there only in
    /// between they do not tell.
    fn open_unlinked<'a>(
        &'a self,
        path: &'a AbsPath,
        within: Option<&'a Sandbox>,
    ) -> Answer<'a, Option<Blocks>> {
        Box::pin(async move {
            let blocks = self.open(path, 0, within).await?;
            let real = self.canonicalize(path, within).await?;
            Ok((real == *path).then_some(blocks))
        })
    }

    /// The contents of several files, each with an error of its own, in the order of the paths. In few round trips where the executor
    /// knows batches.
    fn read_each<'a>(
        &'a self,
        paths: &'a [AbsPath],
        within: Option<&'a Sandbox>,
    ) -> Answer<'a, Vec<Result<Vec<u8>, ClientError>>> {
        Box::pin(async move {
            let mut read = Vec::with_capacity(paths.len());
            for path in paths {
                read.push(self.read(path, within).await);
            }
            Ok(read)
        })
    }

    /// [`Files::metadata`] of several paths, likewise.
    fn metadata_each<'a>(
        &'a self,
        paths: &'a [AbsPath],
        within: Option<&'a Sandbox>,
    ) -> Answer<'a, Vec<Result<Metadata, ClientError>>> {
        Box::pin(async move {
            let mut found = Vec::with_capacity(paths.len());
            for path in paths {
                found.push(self.metadata(path, within).await);
            }
            Ok(found)
        })
    }

    /// Makes a file, or gives one other contents, in blocks: what is there of it before [`FileWriter::finish`] has no bound, and is seen by others.
    fn create<'a>(
        &'a self,
        path: &'a AbsPath,
        within: Option<&'a Sandbox>,
    ) -> Answer<'a, FileWriter>;

    /// Makes a file, or gives one other contents, in place: links and permissions stay. Its parent must be there.
    fn write<'a>(
        &'a self,
        path: &'a AbsPath,
        contents: &'a [u8],
        within: Option<&'a Sandbox>,
    ) -> Answer<'a, ()>;

    /// Makes a file, or puts another in its place: others see the old contents or the new ones, never a part. An executor that cannot do that writes
    /// in place, and the answer says so.
    fn replace<'a>(
        &'a self,
        path: &'a AbsPath,
        contents: &'a [u8],
        within: Option<&'a Sandbox>,
    ) -> Answer<'a, Replaced>;

    /// Makes a directory; with `parents` also those above, and one that is there is fine.
    fn create_directory<'a>(
        &'a self,
        path: &'a AbsPath,
        parents: bool,
        within: Option<&'a Sandbox>,
    ) -> Answer<'a, ()>;

    /// Looks at what is there, at the end of links.
    fn metadata<'a>(
        &'a self,
        path: &'a AbsPath,
        within: Option<&'a Sandbox>,
    ) -> Answer<'a, Metadata>;

    /// What is in a directory, in any order, without links that lead nowhere.
    fn list<'a>(&'a self, path: &'a AbsPath, within: Option<&'a Sandbox>)
    -> Answer<'a, Vec<Entry>>;

    /// All that is in a directory, also links that lead nowhere, and of each name what it is itself. Of an executor that does not tell that it is what plain calls
    /// come to, and [`Listing::is_whole`] says so.
    fn list_every<'a>(
        &'a self,
        path: &'a AbsPath,
        within: Option<&'a Sandbox>,
    ) -> Answer<'a, Listing> {
        Box::pin(listing::plainly(self, path, within))
    }

    /// What is below a directory, breadth first and otherwise in any order, without that itself. Nothing below what is no directory.
    fn walk<'a>(
        &'a self,
        path: &'a AbsPath,
        walk: Walk,
        within: Option<&'a Sandbox>,
    ) -> Answer<'a, Walked>;

    /// The path without links.
    fn canonicalize<'a>(
        &'a self,
        path: &'a AbsPath,
        within: Option<&'a Sandbox>,
    ) -> Answer<'a, AbsPath>;

    /// Removes a file, a link itself, or a directory.
    fn remove<'a>(
        &'a self,
        path: &'a AbsPath,
        removal: Removal,
        within: Option<&'a Sandbox>,
    ) -> Answer<'a, ()>;

    /// Copies a file, a link as a link, or with `recursive` a directory, which is merged into one that is there.
    fn copy<'a>(
        &'a self,
        from: &'a AbsPath,
        to: &'a AbsPath,
        recursive: bool,
        within: Option<&'a Sandbox>,
    ) -> Answer<'a, ()>;
}

/// How a file was replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// At once.
    AtOnce,
    /// It was written in place: who read it meanwhile may have seen a part, and a failure would have left one.
    InPlace,
}

/// What something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// Anything else.
    Other,
}

/// What is known of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// At the end of links.
    pub kind: Kind,
    /// The path itself is a link.
    pub is_link: bool,
    /// Bytes, where the executor says it: those of May 2026 do not.
    pub size: Option<u64>,
    /// When the contents changed last, if that is known; to the millisecond.
    pub modified: Option<SystemTime>,
    /// When it was made, likewise.
    pub created: Option<SystemTime>,
    /// What it is exactly at the end of links, where the executor says it; as for all that follows.
    pub exact: Option<FileKind>,
    /// Permission bits, set-user-id and the like among them. Within a profile neither this nor the rest is told of what may only be seen, because something that is
    /// granted lies below.
    pub mode: Option<u32>,
    /// Number of the user whose it is.
    pub uid: Option<u32>,
    /// Number of its group.
    pub gid: Option<u32>,
    /// Names that it has (hard links); of a directory only where there is no profile.
    pub nlink: Option<u64>,
}

/// Something in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What is not UTF-8 in it is replaced.
    pub name: String,
    /// At the end of links.
    pub kind: Kind,
}

/// The bounds of a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walk {
    /// Levels below the root; more than [`WALK_DEPTH`] is refused.
    pub depth: u64,
    /// At most [`WALK_DIRECTORIES`].
    pub directories: u64,
    /// At most [`WALK_ENTRIES`].
    pub entries: u64,
    /// Also go where links to directories lead. What was seen is not seen again.
    pub follows_links: bool,
    /// Leave out directories whose name begins with a dot.
    pub skips_hidden: bool,
}

impl Default for Walk {
    /// As far as a walk may go, along no links.
    fn default() -> Walk {
        Walk {
            depth: WALK_DEPTH,
            directories: WALK_DIRECTORIES,
            entries: WALK_ENTRIES,
            follows_links: false,
            skips_hidden: false,
        }
    }
}

/// What a walk found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Walked {
    /// Files and directories.
    pub found: Vec<Found>,
    /// Where it could not go on, and why.
    pub errors: Vec<(AbsPath, String)>,
    /// A bound ended it.
    pub truncated: bool,
}

/// A file or a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// All of it.
    pub path: AbsPath,
    /// What it is.
    pub kind: Kind,
}

/// How far a removal goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removal {
    /// Directories with all that is in them.
    pub recursive: bool,
    /// That nothing is there is fine.
    pub force: bool,
}

/// The contents of a file, in blocks of up to a MiB; an error is the last one. Dropped, it closes the file.
pub struct Blocks(BoxStream<'static, Result<Vec<u8>, ClientError>>);

impl Blocks {
    /// Of any stream of blocks.
    pub fn new(
        blocks: impl Stream<Item = Result<Vec<u8>, ClientError>> + Send + 'static,
    ) -> Blocks {
        Blocks(Box::pin(blocks.fuse()))
    }

    /// The next block; none at the end. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Result<Vec<u8>, ClientError>> {
        poll_fn(|cx| self.0.as_mut().poll_next(cx)).await
    }
}

impl Stream for Blocks {
    type Item = Result<Vec<u8>, ClientError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl fmt::Debug for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Blocks")
    }
}
