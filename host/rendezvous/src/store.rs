//! What outlives the rendezvous: the key that signs URLs, and the tokens. One file of JSON lines.
//!
//! The first line has the key; each other one makes a token or revokes it. Lines are only ever appended, under a lock, and forced to the disk, so a crash
//! can cost no more than the line that was being written: a last line without its end is passed over, and cut off by the next writer. Commands and
//! a running server share the file: the server reads on where it stopped.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::hex::{hex, unhex};
use crate::limits;
use crate::token::{Token, digest};

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
    /// There is no such token.
    #[error("there is no token `{0}`; `lockgate rendezvous token list` shows those there are")]
    NoToken(String),
    /// The system gives no random bytes.
    #[error("no random bytes: {0}")]
    Random(String),
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
    key: Vec<u8>,
    /// By digest.
    tokens: HashMap<String, Token>,
    /// The last reading came to its end.
    is_readable: bool,
}

impl Store {
    /// Opens the store, and makes it where there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(path: &Path) -> Result<Store, StoreError> {
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
            .map_err(|error| StoreError::Io {
                path: path.to_owned(),
                error,
            })?;
        let mut store = Store {
            path: path.to_owned(),
            file,
            read: 0,
            lines: 0,
            key: Vec::new(),
            tokens: HashMap::new(),
            is_readable: true,
        };
        store.locked(|store| {
            store.read_on()?;
            if store.lines == 0 {
                let key = hex(&random()?);
                store.append(&Line::Store { version: 1, key })?;
            }
            Ok(())
        })?;
        Ok(store)
    }

    /// The key that signs URLs.
    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    /// Whether all that is written is known here. If not, nobody new may be let in: it may be a revocation.
    pub(crate) fn is_readable(&self) -> bool {
        self.is_readable
    }

    /// What is known of a token.
    pub(crate) fn find(&self, token: &str) -> Option<&Token> {
        self.tokens.get(&digest(token))
    }

    /// The token of that name.
    pub(crate) fn named(&self, id: &str) -> Option<&Token> {
        self.tokens.values().find(|token| token.id == id)
    }

    /// All tokens, the oldest first.
    pub fn tokens(&self) -> Vec<&Token> {
        let mut tokens: Vec<_> = self.tokens.values().collect();
        tokens.sort_by_key(|token| (token.created, token.id.clone()));
        tokens
    }

    /// Makes a token; gives the secret, which is shown once and kept nowhere. `token` says all but what is made here: its id and digest.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn create(&mut self, mut token: Token) -> Result<(String, Token), StoreError> {
        let secret = format!("lockgate_{}", hex(&random()?));
        token.sha256 = digest(&secret);
        token.id = token.sha256[..12].to_owned();
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
            if store.named(id).is_none() {
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
        let read = self.read_on();
        self.is_readable = read.is_ok();
        read?;
        Ok(self.lines != before)
    }

    fn locked(
        &mut self,
        what: impl FnOnce(&mut Store) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let lock = |store: &Store, operation| {
            flock(&store.file, operation).map_err(|error| store.failed(error.into()))
        };
        lock(self, FlockOperation::LockExclusive)?;
        let outcome = what(self);
        lock(self, FlockOperation::Unlock)?;
        outcome
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
                self.key = unhex(&key).ok_or_else(|| wrong("the key is no hex".to_owned()))?;
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
                self.tokens.insert(token.sha256.clone(), token);
            }
            (_, Line::Revoked { id }) => self.tokens.retain(|_, token| token.id != id),
        }
        self.lines = number;
        Ok(())
    }

    /// Under the lock, after everything was read.
    fn append(&mut self, line: &Line) -> Result<(), StoreError> {
        let mut text = serde_json::to_vec(line).map_err(|error| self.failed(error.into()))?;
        text.push(b'\n');
        let read = self.read;
        self.file
            // What a writer left that was killed in the middle.
            .set_len(read)
            .and_then(|()| self.file.write_all(&text))
            .and_then(|()| self.file.sync_all())
            .map_err(|error| self.failed(error))?;
        self.read_on()
    }
}

fn random() -> Result<[u8; 32], StoreError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| StoreError::Random(error.to_string()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::TokenRole;

    fn token(environment: &str) -> Token {
        Token {
            id: String::new(),
            sha256: String::new(),
            environment: environment.to_owned(),
            role: TokenRole::Both,
            tenant: "default".to_owned(),
            created: 1,
            expires: None,
        }
    }

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a folder")
    }

    #[test]
    fn tokens_outlive_the_store_and_secrets_are_not_in_it() {
        let folder = folder();
        let path = folder.path().join("store");
        let mut store = Store::open(&path).expect("a store");
        let (secret, made) = store.create(token("box")).expect("a token");
        let again = Store::open(&path).expect("the store");
        assert_eq!(again.find(&secret), Some(&made));
        assert_eq!(again.key(), store.key());
        assert_eq!(again.find("lockgate_00"), None);
        let text = std::fs::read_to_string(&path).expect("its text");
        assert!(!text.contains(&secret), "{text}");
    }

    #[test]
    fn the_store_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = folder();
        let path = folder.path().join("store");
        Store::open(&path).expect("a store");
        let mode = path.metadata().expect("its mode").permissions().mode();
        assert_eq!(mode & 0o077, 0);
    }

    #[test]
    fn a_running_store_learns_what_others_write() {
        let folder = folder();
        let path = folder.path().join("store");
        let mut server = Store::open(&path).expect("a store");
        let mut command = Store::open(&path).expect("the store");
        let (secret, made) = command.create(token("box")).expect("a token");
        assert!(server.refresh().expect("the store"));
        assert!(server.find(&secret).is_some());
        server.revoke(&made.id).expect("a revocation");
        assert!(command.refresh().expect("the store"));
        assert_eq!(command.find(&secret), None);
        assert!(matches!(
            command.revoke(&made.id),
            Err(StoreError::NoToken(_))
        ));
    }

    #[test]
    fn a_line_that_was_being_written_costs_nothing_else() {
        let folder = folder();
        let path = folder.path().join("store");
        let mut store = Store::open(&path).expect("a store");
        let (first, _) = store.create(token("box")).expect("a token");
        let whole = std::fs::read(&path).expect("its text");
        for cut in 1..40 {
            let mut torn = whole.clone();
            torn.extend_from_slice(&br#"{"what":"token","id":"0123456789ab","sha256":"x"}"#[..cut]);
            std::fs::write(&path, &torn).expect("a torn store");
            let mut store = Store::open(&path).expect("the store");
            assert!(store.find(&first).is_some());
            let (second, _) = store.create(token("other")).expect("a token");
            let store = Store::open(&path).expect("the store");
            assert!(store.find(&first).is_some() && store.find(&second).is_some());
        }
    }

    #[test]
    fn a_line_that_cannot_be_read_later_is_not_passed_over() {
        let folder = folder();
        let path = folder.path().join("store");
        let mut store = Store::open(&path).expect("a store");
        store.create(token("box")).expect("a token");
        let mut file = OpenOptions::new()
            .append(true)
            .open(&path)
            .expect("the file");
        file.write_all(b"{\"what\":\"of a later version\"}\n")
            .expect("written");
        assert!(store.is_readable());
        assert!(store.refresh().is_err());
        assert!(!store.is_readable());
    }

    #[test]
    fn a_store_that_makes_no_sense_is_refused_with_the_line() {
        let folder = folder();
        let path = folder.path().join("store");
        std::fs::write(&path, "{\"what\":\"revoked\",\"id\":\"x\"}\n").expect("a file");
        let error = Store::open(&path).expect_err("no store").to_string();
        assert!(error.contains("line 1"), "{error}");
    }
}
