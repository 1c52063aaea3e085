//! What outlives the rendezvous: the key that signs URLs, and the tokens. One file of JSON lines.
//!
//! The first line has the key; each other one makes a token or revokes it. Lines are only ever appended, under a lock, and forced to the disk, so a crash
//! can cost no more than the line that was being written: a last line without its end is passed over, and cut off by the next writer. Where a disk is full or
//! does not keep what it took, what is there goes on to hold, and what was to be written is refused and cut off again. Commands and
//! a running server share the file: the server reads on where it stopped, unless the last line that it read is not there any more, as one that was cut off. That file, or one
//! that took the place of this one (a backup that was put back, say), is read from its beginning, and what is in it holds; nothing does that was only in the other.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::hex::{hex, unhex};
use crate::known::Known;
use crate::limits;
use crate::token::Token;

/// Why the store is of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The file cannot be opened, read or written.
    #[error("the store {}: {error}", .path.display())]
    Io {
        /// Where it is.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Nothing more can be written, or it is not kept: its disk is full, or fails.
    #[error("the store {} takes nothing more: {error}; nothing was changed. {}, and run this again", .path.display(), remedy(.error))]
    Unwritten {
        /// Where it is.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A line makes no sense.
    #[error("the store {}, line {line}: {reason}", .path.display())]
    Line {
        /// Where it is.
        path: PathBuf,
        /// Which one, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// Others can read the key, or write tokens.
    #[error(
        "the store {} is open to others (mode {mode:o}), and who reads it can sign URLs; run: chmod 600 {}", .path.display(), .path.display()
    )]
    Exposed {
        /// Where it is.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It holds no key, where it must.
    #[error("the store {} is empty: a running rendezvous takes only one that has its key", .0.display())]
    Empty(PathBuf),
    /// There is no such token.
    #[error("there is no token `{0}`; `lockgate rendezvous token list` shows those there are")]
    NoToken(String),
    /// The system gives no random bytes.
    #[error("no random bytes: {0}")]
    Random(String),
}

/// What helps.
fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "Make room on its disk",
        _ => "See what is wrong with its disk",
    }
}

/// One line.
#[derive(Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case", deny_unknown_fields)]
enum Line {
    Store { version: u32, key: String },
    Token(Token),
    Revoked { id: String },
}

/// The store, as it was last read.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    file: File,
    /// Bytes of whole lines that were read, and how many lines they are.
    read: u64,
    lines: usize,
    /// The last of them, with its end.
    last: Vec<u8>,
    known: Known,
}

impl Store {
    /// Opens the store, and makes it where there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(path: &Path) -> Result<Store, StoreError> {
        let mut store = Store::at(path, true)?;
        store.locked(|store| {
            store.read_on()?;
            if store.lines == 0 {
                // Its name, too, has to be there after a crash: first, so that whoever finds a line in it need not see to that.
                let parent = path.parent().filter(|parent| *parent != Path::new(""));
                File::open(parent.unwrap_or(Path::new(".")))
                    .and_then(|folder| folder.sync_all())
                    .map_err(|error| store.unwritten(error))?;
                let key = hex(&random()?);
                store.append(&Line::Store { version: 1, key })?;
            }
            Ok(())
        })?;
        Ok(store)
    }

    /// The file, of which nothing was read yet.
    fn at(path: &Path, create: bool) -> Result<Store, StoreError> {
        let failed = |error| StoreError::Io {
            path: path.to_owned(),
            error,
        };
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(create)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        let mode = file.metadata().map_err(failed)?.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(StoreError::Exposed {
                path: path.to_owned(),
                mode,
            });
        }
        Ok(Store {
            path: path.to_owned(),
            file,
            read: 0,
            lines: 0,
            last: Vec::new(),
            known: Known::default(),
        })
    }

    /// What is written in it.
    pub fn known(&self) -> &Known {
        &self.known
    }

    /// Makes a token; gives the secret, which is shown once and kept nowhere. `token` says all but what is made here: its id and digest.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn create(&mut self, token: Token) -> Result<(String, Token), StoreError> {
        let (secret, token) = token.issue(&random()?);
        self.locked(|store| {
            store.read_on()?;
            store.append(&Line::Token(token.clone()))
        })?;
        Ok((secret, token))
    }

    /// Makes a token worthless.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn revoke(&mut self, id: &str) -> Result<(), StoreError> {
        self.locked(|store| {
            store.read_on()?;
            if store.known.named(id).is_none() {
                return Err(StoreError::NoToken(id.to_owned()));
            }
            store.append(&Line::Revoked { id: id.to_owned() })
        })
    }

    /// Reads what others have written meanwhile. True if there was something.
    ///
    /// # Errors
    /// [`StoreError`]; what was known before still holds.
    pub fn refresh(&mut self) -> Result<bool, StoreError> {
        let before = self.lines;
        let changed = match self.is_replaced() {
            Ok(true) => self.reopen().map(|()| true),
            Ok(false) => self.read_on().map(|()| self.lines != before),
            Err(error) => Err(error),
        };
        self.known.set_current(changed.is_ok());
        changed
    }

    /// Whether another file has its name now, or it was cut off: it may have grown again since.
    fn is_replaced(&self) -> Result<bool, StoreError> {
        let both =
            std::fs::metadata(&self.path).and_then(|named| Ok((named, self.file.metadata()?)));
        let (named, ours) = both.map_err(|error| self.failed(error))?;
        let is_same = named.dev() == ours.dev() && named.ino() == ours.ino();
        if !is_same || ours.len() < self.read {
            return Ok(true);
        }
        let mut last = vec![0; self.last.len()];
        let start = self.read - last.len() as u64;
        match self.file.read_exact_at(&mut last, start) {
            Ok(()) => Ok(last != self.last),
            // It is being cut off.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(true),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Goes over to the file that has its name now.
    fn reopen(&mut self) -> Result<(), StoreError> {
        let mut store = Store::at(&self.path, false)?;
        store.read_on()?;
        if store.lines == 0 {
            return Err(StoreError::Empty(self.path.clone()));
        }
        tracing::warn!(
            "the store {} was replaced or cut off; what is in it now holds",
            self.path.display()
        );
        *self = store;
        Ok(())
    }

    fn locked(
        &mut self,
        what: impl FnOnce(&mut Store) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.lock(FlockOperation::LockExclusive)?;
        let outcome = self.follow().and_then(|()| what(self));
        self.lock(FlockOperation::Unlock)?;
        outcome
    }

    fn lock(&self, operation: FlockOperation) -> Result<(), StoreError> {
        flock(&self.file, operation).map_err(|error| self.failed(error.into()))
    }

    /// Under the lock: goes on, locked as well, to the file that others read, if that is another one meanwhile.
    fn follow(&mut self) -> Result<(), StoreError> {
        while self.is_replaced()? {
            self.reopen()?;
            self.lock(FlockOperation::LockExclusive)?;
        }
        Ok(())
    }

    fn unwritten(&self, error: io::Error) -> StoreError {
        StoreError::Unwritten {
            path: self.path.clone(),
            error,
        }
    }

    fn failed(&self, error: io::Error) -> StoreError {
        StoreError::Io {
            path: self.path.clone(),
            error,
        }
    }

    /// Reads the whole lines after those that were read.
    fn read_on(&mut self) -> Result<(), StoreError> {
        let mut text = Vec::new();
        let start = self.read;
        self.file
            .seek(SeekFrom::Start(start))
            .and_then(|_| self.file.read_to_end(&mut text))
            .map_err(|error| self.failed(error))?;
        let mut rest = text.as_slice();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.take(&rest[..end])?;
            self.read += end as u64 + 1;
            self.last = rest[..=end].to_vec();
            rest = &rest[end + 1..];
        }
        Ok(())
    }

    fn take(&mut self, line: &[u8]) -> Result<(), StoreError> {
        let number = self.lines + 1;
        let wrong = |reason: String| StoreError::Line {
            path: self.path.clone(),
            line: number,
            reason,
        };
        if line.len() > limits::STORE_LINE {
            return Err(wrong(format!("it has {} bytes", line.len())));
        }
        let line: Line = serde_json::from_slice(line).map_err(|error| wrong(error.to_string()))?;
        match (number, line) {
            (1, Line::Store { version: 1, key }) => {
                let key = unhex(&key).filter(|key| key.len() == KEY_BYTES);
                self.known.set_key(
                    key.ok_or_else(|| wrong(format!("the key is not {KEY_BYTES} bytes in hex")))?,
                );
            }
            (1, Line::Store { version, .. }) => {
                return Err(wrong(format!("version {version} is not known here")));
            }
            (1, _) | (_, Line::Store { .. }) => {
                return Err(wrong(
                    "the key stands in the first line, and only there".to_owned(),
                ));
            }
            (_, Line::Token(token)) => {
                self.known.insert(token);
            }
            (_, Line::Revoked { id }) => self.known.remove(&id),
        }
        self.lines = number;
        Ok(())
    }

    /// Under the lock, after everything was read.
    fn append(&mut self, line: &Line) -> Result<(), StoreError> {
        let mut text = serde_json::to_vec(line).map_err(|error| self.failed(error.into()))?;
        text.push(b'\n');
        let read = self.read;
        let written = self
            .file
            // What a writer left that was killed in the middle.
            .set_len(read)
            .and_then(|()| self.file.write_all(&text))
            .and_then(|()| self.file.sync_all());
        if let Err(error) = written {
            // A part of it, or all of it and not on the disk: who is told that it failed must not find it there later, as far as the disk can be told so.
            let removed = self.file.set_len(read).and_then(|()| self.file.sync_all());
            if let Err(error) = removed {
                tracing::warn!(%error, "a line that was not kept may not have been removed from the disk of the store");
            }
            return Err(self.unwritten(error));
        }
        self.read_on()
    }
}

/// As many as the signatures have (RFC 2104, 3).
pub(crate) const KEY_BYTES: usize = 32;

pub(crate) fn random() -> Result<[u8; KEY_BYTES], StoreError> {
    let mut bytes = [0; KEY_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| StoreError::Random(error.to_string()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
