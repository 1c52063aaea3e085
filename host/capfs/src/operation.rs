//! What a file operation takes, gives back and fails with, the same whether it runs directly in the host
//! or through the guest: the server sees one set of types and one set of messages.
//!
//! An error's text is what a client reads, so it is the operating system's own text where the system
//! refused, and a sentence of the protocol where a rule did.

use std::io;
use std::time::SystemTime;

use lockgate_grant::path::AbsPath;
use rustix::io::Errno;

pub use crate::entry::{Entry, FileKind, LeadsTo, Listed};
use crate::limits;
pub use crate::open_file::OpenFile;
use crate::workers::NotDone;

/// Whether a path may lead through symbolic links.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Follow {
    /// Links are followed, as the system's own calls do.
    #[default]
    Links,
    /// Any component that is a link is refused, the last one too (`followSymlinks: false`).
    Nothing,
}

/// What is known about the thing at a path. Type, size and times are those of a link's target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// The target is a directory.
    pub is_directory: bool,
    /// The target is a regular file.
    pub is_file: bool,
    /// The path itself is a symbolic link.
    pub is_symlink: bool,
    /// Bytes.
    pub size: u64,
    /// Birth time in Unix milliseconds; 0 when the filesystem keeps none.
    pub created_ms: i64,
    /// Modification time in Unix milliseconds; 0 when unknown.
    pub modified_ms: i64,
    /// Permission bits, set-user-id and the like among them.
    pub mode: u32,
    /// What the target is exactly; never a link.
    pub kind: FileKind,
    /// Whose it is. Within a profile not of what may only be seen, because something that is granted lies below; and not where a guest of one's own answered
    /// something else than it looked at last.
    pub owner: Option<Owner>,
}

/// Whose something is, and how many names it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Of the user.
    pub uid: u32,
    /// Of the group.
    pub gid: u32,
    /// Hard links. Not of a directory within a profile: it would count what is in there, also what is denied.
    pub links: Option<u64>,
}

/// New times for a file; what is `None` stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct NewTimes {
    /// When it was last read.
    pub accessed: Option<SystemTime>,
    /// When its contents were last changed.
    pub modified: Option<SystemTime>,
}

/// Bounds of a walk and what it descends into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalkOptions {
    /// Levels of directories below the root that are opened: 0 lists the root's children only.
    pub max_depth: usize,
    /// Directories that are opened, the root among them.
    pub max_directories: usize,
    /// Entries that are returned.
    pub max_entries: usize,
    /// Links to directories are descended into; otherwise they are left out.
    pub follow_directory_symlinks: bool,
    /// Directories whose name begins with a dot are left out with all below them.
    pub prune_hidden_directories: bool,
    /// Links are left out, also those to files, and none is followed.
    pub prune_links: bool,
}

impl WalkOptions {
    /// Refuses bounds that the protocol refuses: zero directories or entries, or anything above its maxima.
    pub fn check(&self) -> Result<(), FsError> {
        let bounds = [
            ("maxDepth", self.max_depth, 0, limits::MAX_WALK_DEPTH),
            (
                "maxDirectories",
                self.max_directories,
                1,
                limits::MAX_WALK_DIRECTORIES,
            ),
            ("maxEntries", self.max_entries, 1, limits::MAX_WALK_ENTRIES),
        ];
        for (option, asked, least, most) in bounds {
            if asked < least || asked > most {
                return Err(FsError::WalkBound {
                    option,
                    asked,
                    least,
                    most,
                });
            }
        }
        Ok(())
    }
}

/// What a walk reports of one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalkKind {
    /// A directory, or a followed link to one.
    Directory,
    /// A regular file, or a link to one.
    File,
}

/// One thing that a walk came by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalkEntry {
    /// Where it is, below the root as it was asked for.
    pub path: AbsPath,
    /// What it is.
    pub kind: WalkKind,
}

/// What a walk found, breadth first; the root itself is not listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WalkOutcome {
    /// Directories and files.
    pub entries: Vec<WalkEntry>,
    /// Directories that could not be listed, and why.
    pub errors: Vec<(AbsPath, String)>,
    /// A bound ended the walk before its end.
    pub truncated: bool,
}

/// What kind of failure an [`FsError`] is; the server maps it to a code of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Nothing is there.
    NotFound,
    /// The system or a grant refused.
    PermissionDenied,
    /// The request itself cannot be done as it was asked.
    InvalidInput,
    /// Anything else.
    Other,
}

/// Why a file operation failed. `Display` is the message that the client gets.
#[derive(Debug, thiserror::Error)]
pub enum FsError {
    /// A system call failed, or the gate answered as the system would have.
    #[error("{}", io::Error::from(*.0))]
    Os(Errno),
    /// The file is larger than the reader wanted it, or than [`limits::MAX_READ_BYTES`].
    #[error("file is too large to read: limit is {limit} bytes")]
    TooLarge {
        /// Bytes that would have been read.
        limit: u64,
    },
    /// A FIFO, socket or device was to be read or written.
    #[error("not a regular file: only regular files can be read or written")]
    NotRegular,
    /// A link where [`Follow::Nothing`] was asked for.
    #[error(
        "path goes through a symbolic link, and the request forbids following one (followSymlinks: false)"
    )]
    SymbolicLink,
    /// A directory was to be copied without `recursive`.
    #[error("fs/copy requires recursive: true when sourcePath is a directory")]
    CopyNeedsRecursive,
    /// The destination of a copied directory lies in that directory.
    #[error("fs/copy cannot copy a directory to itself or one of its descendants")]
    CopyIntoItself,
    /// A FIFO, socket or device was to be copied.
    #[error("fs/copy only supports regular files, directories, and symlinks")]
    CopyUnsupported,
    /// A bound of a walk is out of range.
    #[error("fs/walk {option} must be between {least} and {most}, not {asked}")]
    WalkBound {
        /// The option's name on the wire.
        option: &'static str,
        /// What the request says.
        asked: usize,
        /// The smallest accepted value.
        least: usize,
        /// The largest accepted value.
        most: usize,
    },
    /// What was sent as a tree is none.
    #[error("this is no tree in the tar format: {0}")]
    NoTree(&'static str),
    /// Nothing can be watched, or not that much.
    #[error("cannot watch: {0}")]
    Watch(&'static str),
    /// An entry of a tree cannot be, and all after it neither.
    #[error("{name}: {error}")]
    Within {
        /// Below the directory where the tree begins.
        name: String,
        /// What happened.
        error: Box<FsError>,
    },
    /// Changing a file's contents failed, and they could not be kept as they were.
    #[error("{}: {}", io::Error::from(*.cause), .left.sentence(*.written, *.wanted))]
    Torn {
        /// What went wrong.
        cause: Errno,
        /// New bytes that were written before it did.
        written: u64,
        /// New bytes that were to be written.
        wanted: u64,
        /// What the file holds now.
        left: Left,
    },
    /// Not all could be written.
    #[error("{}: {written} of {all} bytes were written", io::Error::from(*.errno))]
    WrittenInPart {
        /// Why.
        errno: Errno,
        /// Bytes that are in the file.
        written: usize,
        /// Bytes that were to be written.
        all: usize,
    },
    /// A file cannot be replaced, though it can be written: no other file can be made in its directory.
    #[error(
        "the file can be written but not replaced, because its directory cannot be changed: use fs/writeFile, which writes in place"
    )]
    OnlyInPlace,
    /// A file has other contents than those that were to be written over.
    #[error(
        "the file has other contents than those to be written over (onlyIfSha256): it was changed meanwhile, and was left as it is"
    )]
    Changed,
    /// A file was replaced and written to the disk, but its directory was not.
    #[error("the file was replaced, but a crash of the system may still undo that: {0}")]
    NotYetDurable(String),
    /// The call hangs, or could not begin.
    #[error(transparent)]
    NotDone(#[from] NotDone),
    /// The gate itself failed: a trap of the guest, an exhausted budget, a pool that is full. Never a reason to go round it.
    #[error("the file gate could not finish: {0}")]
    Gate(String),
}

/// What a file holds after its contents could neither be changed nor kept ([`FsError::Torn`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Nothing. It was empty before, or it was made for this.
    Empty,
    /// The beginning of the new contents and nothing else.
    Beginning,
    /// The beginning of the new contents, and from there on the old ones.
    BeginningThenOld,
    /// The old contents were being put back when that failed as well.
    Mixture,
}

impl Left {
    fn sentence(self, written: u64, wanted: u64) -> String {
        let so_far = format!("the first {written} of {wanted} bytes were written");
        match self {
            Left::Empty => "nothing was written, the file is empty".to_owned(),
            Left::Beginning => format!("{so_far}; the file now holds them and nothing else"),
            Left::BeginningThenOld => format!(
                "{so_far}; the file now holds them followed by its old contents from there on"
            ),
            Left::Mixture => format!(
                "{so_far}, and the old contents could not be put back; up to there the file now holds a mixture of both"
            ),
        }
    }
}

impl FsError {
    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            FsError::Os(errno) | FsError::WrittenInPart { errno, .. } => {
                match io::Error::from(*errno).kind() {
                    io::ErrorKind::NotFound => ErrorKind::NotFound,
                    io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
                    io::ErrorKind::InvalidInput => ErrorKind::InvalidInput,
                    _ => ErrorKind::Other,
                }
            }
            FsError::OnlyInPlace => ErrorKind::PermissionDenied,
            FsError::TooLarge { .. }
            | FsError::NotRegular
            | FsError::SymbolicLink
            | FsError::CopyNeedsRecursive
            | FsError::CopyIntoItself
            | FsError::CopyUnsupported
            | FsError::NoTree(_)
            | FsError::Watch(_)
            | FsError::WalkBound { .. } => ErrorKind::InvalidInput,
            FsError::Within { error, .. } => error.kind(),
            FsError::Changed
            | FsError::NotYetDurable(_)
            | FsError::Torn { .. }
            | FsError::Gate(_)
            | FsError::NotDone(_) => ErrorKind::Other,
        }
    }
}

impl FsError {
    /// Says which entry of a tree it is about.
    pub(crate) fn within(self, name: &[u8]) -> FsError {
        let name = &name[..name.len().min(limits::TREE_NAME_BYTES)];
        FsError::Within {
            name: String::from_utf8_lossy(name).into_owned(),
            error: Box::new(self),
        }
    }
}

impl From<Errno> for FsError {
    fn from(errno: Errno) -> Self {
        FsError::Os(errno)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_errno_carries_the_text_and_the_kind_of_the_system() {
        let missing = FsError::from(Errno::NOENT);
        assert_eq!(
            missing.to_string(),
            "No such file or directory (os error 2)"
        );
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        assert_eq!(
            FsError::from(Errno::PERM).kind(),
            ErrorKind::PermissionDenied
        );
        assert_eq!(
            FsError::from(Errno::ACCESS).kind(),
            ErrorKind::PermissionDenied
        );
        assert_eq!(FsError::from(Errno::INVAL).kind(), ErrorKind::InvalidInput);
        assert_eq!(FsError::from(Errno::ROFS).kind(), ErrorKind::Other);
        assert_eq!(FsError::from(Errno::ISDIR).kind(), ErrorKind::Other);
    }

    #[test]
    fn a_file_above_the_protocols_limit_is_refused_in_the_protocols_words() {
        let refused = FsError::TooLarge {
            limit: limits::MAX_READ_BYTES,
        };
        assert_eq!(
            refused.to_string(),
            "file is too large to read: limit is 536870912 bytes"
        );
    }

    #[test]
    fn walk_bounds_outside_the_protocols_are_refused() {
        let options = WalkOptions {
            max_depth: 64,
            max_directories: 10_000,
            max_entries: 50_000,
            follow_directory_symlinks: false,
            prune_hidden_directories: false,
            prune_links: false,
        };
        assert!(options.check().is_ok());
        for wrong in [
            WalkOptions {
                max_depth: 65,
                ..options
            },
            WalkOptions {
                max_directories: 0,
                ..options
            },
            WalkOptions {
                max_entries: 50_001,
                ..options
            },
        ] {
            let refused = wrong.check().expect_err("out of range");
            assert_eq!(refused.kind(), ErrorKind::InvalidInput);
        }
    }
}
