//! The protocol's rules for files (PROTOCOL.md 5.1), on a real filesystem.

mod files;
mod trees;
mod walks;

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use lockgate_grant::path::AbsPath;
use rustix::fs::{CWD, FileType, Mode};

use super::*;
use crate::operation::{ErrorKind, Follow, FsError, WalkKind, WalkOptions};

const LINKS: Follow = Follow::Links;
const NOTHING: Follow = Follow::Nothing;

/// A folder of its own for each test.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Home {
        Home(tempfile::tempdir().expect("temporary directory"))
    }

    fn at(&self, name: impl AsRef<Path>) -> AbsPath {
        AbsPath::parse(self.0.path().join(name)).expect("absolute")
    }

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> AbsPath {
        fs::write(self.path(&name), contents).expect("written");
        self.at(name)
    }

    fn directory(&self, name: impl AsRef<Path>) -> AbsPath {
        fs::create_dir_all(self.path(&name)).expect("made");
        self.at(name)
    }

    fn link(&self, name: &str, target: impl AsRef<Path>) -> AbsPath {
        symlink(target, self.path(name)).expect("linked");
        self.at(name)
    }

    fn fifo(&self, name: &str) -> AbsPath {
        rustix::fs::mknodat(
            CWD,
            self.path(name),
            FileType::Fifo,
            Mode::from_raw_mode(0o600),
            0,
        )
        .expect("made");
        self.at(name)
    }

    fn read(&self, name: impl AsRef<Path>) -> Vec<u8> {
        fs::read(self.path(name)).expect("read")
    }
}

fn read(path: &AbsPath) -> Result<Vec<u8>, FsError> {
    open(path, LINKS)?.read_all(u64::MAX)
}

fn kind<T: std::fmt::Debug>(result: Result<T, FsError>) -> ErrorKind {
    result.expect_err("refused").kind()
}

fn text<T: std::fmt::Debug>(result: Result<T, FsError>) -> String {
    result.expect_err("refused").to_string()
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
