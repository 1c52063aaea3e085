//! What a transfer that can go on asks of either of its ends: this machine, or a server. Links are followed to where a transfer begins, and
//! nowhere below it.

use std::path::Path;

use lockgate_client::ClientError;
use lockgate_grant::AbsPath;
use lockgate_wire::lockgate::tree::TreeResult;

use crate::failure::Failure;
use crate::fs::stream::OPEN;

/// Entries that are worked on together.
pub(super) const CHUNK: usize = 512;

/// One thing in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Below the path where the tree begins, as the other end says: anything. Empty for that path itself.
    pub(super) name: Vec<u8>,
    pub(super) kind: Kind,
    pub(super) mode: u32,
    pub(super) modified_ms: i64,
}

impl Found {
    /// Of a file.
    pub(super) fn version(&self) -> Option<Version> {
        match self.kind {
            Kind::File { size } => Some(Version {
                size,
                modified_ms: self.modified_ms,
            }),
            Kind::Directory | Kind::Link { .. } => None,
        }
    }

    pub(super) fn looks(&self) -> Looks {
        Looks {
            mode: self.mode,
            modified_ms: self.modified_ms,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Directory,
    File { size: u64 },
    Link { target: Vec<u8> },
}

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Looked {
    Nothing,
    File(Version),
    Directory,
    /// It cannot be told, and why: a link is in the way, or it is not granted.
    Refused(String),
}

/// What tells a file's contents from those it had before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) size: u64,
    pub(super) modified_ms: i64,
}

impl Version {
    /// What is there when it has arrived: times before 1970 do not travel.
    pub(super) fn arrived(self) -> Version {
        let modified_ms = self.modified_ms.max(0);
        Version {
            modified_ms,
            ..self
        }
    }
}

/// What a file is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Read,
    /// Writing, from nothing.
    Begin,
    /// Writing and reading, with what is in it.
    GoOn,
}

/// The permission bits and the time that something gets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Looks {
    pub(super) mode: u32,
    pub(super) modified_ms: i64,
}

/// The permission bits that a file gets.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bits {
    /// As the listing of the source had them: if it is another version by now, they may be others, too.
    OfSource(u32),
    /// Of the file that it takes the place of.
    Kept(u32),
}

impl Bits {
    pub(super) fn with(self, modified_ms: i64) -> Looks {
        let (Bits::OfSource(mode) | Bits::Kept(mode)) = self;
        Looks { mode, modified_ms }
    }
}

/// A file that is not whole is its owner's alone, whoever may read it when it is: it may stay for long.
pub(super) const HIDDEN: u32 = 0o600;

impl Looks {
    /// Those of a directory as long as its owner writes into it.
    pub(super) fn open(self) -> Looks {
        let mode = self.mode | OPEN;
        Looks { mode, ..self }
    }

    /// Whether a new file, as most are made, could be read by somebody who may not read what has these looks.
    pub(super) fn hide(self) -> bool {
        self.mode & 0o044 != 0o044
    }
}

/// Why something was not done.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) text: String,
    /// All that would come after it fares the same.
    pub(super) ends: bool,
    /// That is so because the system says that a disk is full or fails. Of the end that is read it says something of one file only.
    pub(super) of_disk: bool,
    /// The connection is gone: over another one it can go on.
    pub(super) lost: bool,
    /// It is about what is read, and not about what is written.
    pub(super) of_source: bool,
}

pub(super) trait End {
    /// A tree that is being listed.
    type Outline;
    /// An open file.
    type File;

    /// The path without links; none if nothing is there.
    async fn real(&self, path: &AbsPath) -> Result<Option<AbsPath>, Broken>;

    /// The path without links, as far as it is there.
    async fn real_or_new(&self, path: &AbsPath) -> Result<AbsPath, Broken> {
        let (mut there, mut missing) = (path.clone(), Vec::new());
        let mut real = loop {
            if let Some(real) = self.real(&there).await? {
                break real;
            }
            match (there.parent(), there.file_name()) {
                (Some(parent), Some(name)) => {
                    missing.push(name.to_owned());
                    there = parent;
                }
                // Not even the root may be looked at.
                _ => return Ok(path.clone()),
            }
        };
        while let Some(name) = missing.pop() {
            let longer = real.join(name);
            real = longer.map_err(|error| Broken::by(error.to_string()))?;
        }
        Ok(real)
    }

    /// What there is at and below a path.
    async fn outline(&self, path: &AbsPath) -> Result<Self::Outline, Broken>;

    /// Some more of it, a directory before what is in it; nothing at the end.
    async fn next(&self, outline: &mut Self::Outline) -> Result<Vec<Found>, Broken>;

    /// What could not be looked at.
    async fn end(&self, outline: Self::Outline) -> Result<TreeResult, Broken>;

    /// What stands at each path.
    async fn look(&self, paths: &[AbsPath]) -> Result<Vec<Looked>, Broken>;

    /// What is in each directory; nothing in one that is not there or cannot be listed.
    async fn names(&self, directories: &[AbsPath]) -> Result<Vec<Vec<String>>, Broken>;

    /// All of a small file, and what stands there afterwards.
    async fn contents(&self, path: &AbsPath) -> Result<(Vec<u8>, Looked), Broken>;

    async fn open(&self, path: &AbsPath, purpose: Purpose) -> Result<Self::File, Broken>;

    /// Closes a partial to all but its owner, before there is anything in it.
    async fn hide(&self, partial: &AbsPath) -> Result<(), Broken>;

    /// Fewer bytes only where the file ends.
    async fn read(&self, file: &Self::File, offset: u64, len: u64) -> Result<Vec<u8>, Broken>;

    async fn write(&self, file: &Self::File, offset: u64, bytes: Vec<u8>) -> Result<(), Broken>;

    async fn close(&self, file: Self::File) -> Result<(), Broken>;

    /// Writes a small file, and gives it its name.
    async fn place(
        &self,
        partial: &AbsPath,
        path: &AbsPath,
        bytes: Vec<u8>,
        looks: Looks,
    ) -> Result<(), Broken>;

    /// Gives a file that is whole its name.
    async fn finish(&self, partial: &AbsPath, path: &AbsPath, looks: Looks) -> Result<(), Broken>;

    /// Removes a file, a link or an empty directory; one that is not there is fine.
    async fn remove(&self, path: &AbsPath) -> Result<(), Broken>;

    /// Makes directories, from the beginning with no more than these bits but for their owner's, and what came of each; one that is there is fine.
    async fn make_directories(
        &self,
        directories: &[(AbsPath, Looks)],
    ) -> Result<Vec<Result<(), Broken>>, Broken>;

    /// Makes a directory and, in it, a mark: without that, if it cannot be.
    async fn make_marked(&self, path: &AbsPath, mark: &AbsPath, looks: Looks)
    -> Result<(), Broken>;

    /// Takes the mark out of a directory, if there is one, and gives that its bits and time.
    async fn settle_marked(
        &self,
        path: &AbsPath,
        mark: Option<&AbsPath>,
        looks: Looks,
    ) -> Result<(), Broken>;

    /// Makes a link, in the place of another one if need be.
    async fn make_link(&self, target: &[u8], path: &AbsPath) -> Result<(), Broken>;

    /// Gives directories their bits and times, in this order, and what came of each.
    async fn settle(
        &self,
        directories: &[(AbsPath, Looks)],
    ) -> Result<Vec<Result<(), Broken>>, Broken>;
}

impl Broken {
    /// Only what it is about is concerned, unless the system says otherwise: a full disk, a quota, a disk that fails.
    pub(super) fn by(text: String) -> Broken {
        // ENOSPC, EDQUOT, EIO. EROFS is no such word: a profile has it for each path that it does not grant for writing.
        let ends = ["(os error 28)", "(os error 122)", "(os error 5)"];
        let of_disk = ends.iter().any(|system| text.contains(system));
        Broken {
            ends: of_disk,
            of_disk,
            lost: false,
            of_source: false,
            text,
        }
    }

    /// Over this connection, or with this end, nothing more is done.
    pub(super) fn ending(text: String) -> Broken {
        Broken {
            ends: true,
            of_disk: false,
            lost: false,
            of_source: false,
            text,
        }
    }

    /// Of what is being read: only a connection that is gone, or is no good, ends more than that.
    pub(super) fn while_reading(self) -> Broken {
        match self.ends && !self.of_disk {
            true => self,
            false => Broken {
                ends: false,
                of_disk: false,
                of_source: true,
                ..self.of("it cannot be read")
            },
        }
    }

    /// What is wrong with what is read.
    pub(super) fn source(text: &str) -> Broken {
        Broken {
            of_source: true,
            ends: false,
            of_disk: false,
            ..Broken::by(text.to_owned())
        }
    }

    /// What happened with which path, where nothing goes on.
    pub(super) fn about(self, path: &Path) -> Failure {
        Failure::new(format!("{}: {}", path.display(), self.text))
    }

    pub(super) fn of(self, name: &str) -> Broken {
        Broken {
            text: format!("{name}: {}", self.text),
            ..self
        }
    }
}

impl From<ClientError> for Broken {
    fn from(error: ClientError) -> Broken {
        match error {
            ClientError::Server { message, .. } => Broken::by(message),
            // The connection is gone, or is no good.
            error => Broken {
                lost: matches!(
                    error,
                    ClientError::Closed(_)
                        | ClientError::Interrupted { .. }
                        | ClientError::Timeout { .. }
                        | ClientError::Connect { .. }
                ),
                ..Broken::from(Failure::from(error))
            },
        }
    }
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Broken {
        Broken::ending(failure.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_fails_ends_a_transfer_where_it_is_written_to_and_not_where_it_is_read() {
        for system in [
            "Input/output error (os error 5)",
            "No space left on device (os error 28)",
        ] {
            let broken = || Broken::by(format!("reading 7 bytes: {system}"));
            assert!(broken().ends, "{system}");
            let of_source = broken().while_reading();
            assert!(!of_source.ends && of_source.of_source, "{system}");
        }
        for system in [
            "Permission denied (os error 13)",
            "Read-only file system (os error 30)",
        ] {
            assert!(!Broken::by(system.to_owned()).ends, "{system}");
        }
        let gone = || Broken::from(ClientError::Closed("gone".to_owned()));
        assert!(gone().ends && gone().while_reading().ends && gone().while_reading().lost);
    }
}
