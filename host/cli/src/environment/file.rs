//! Changing environments.toml: one at a time, from a file in which nothing is wrong to another one of these, and all at once.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use lockgate_client::environments::config::{self, Config};
use lockgate_client::environments::provider::{self, Source};
use rustix::fs::{FlockOperation, flock};
use toml_edit::{ArrayOfTables, DocumentMut, Item};

use super::said;
use crate::edit::{plain, set, write_over, written};
use crate::failure::Failure;

/// Where it is, or would be.
pub(super) fn place() -> Result<PathBuf, Failure> {
    provider::file(|name| std::env::var_os(name)).ok_or_else(|| {
        Failure::usage("there is no place for environments.toml: set LOCKGATE_HOME to a directory")
    })
}

/// A file that is being changed. Whoever else wants to waits meanwhile.
pub(super) struct Editing<'a> {
    path: &'a Path,
    home: &'a Path,
    before: String,
    /// What it said.
    pub(super) was: Config,
    pub(super) document: DocumentMut,
    _lock: File,
}

impl<'a> Editing<'a> {
    /// Its directory has to be there; itself it need not be.
    pub(super) fn begin(path: &'a Path) -> Result<Self, Failure> {
        let home = path.parent().unwrap_or(Path::new("/"));
        // Of two at once the second one adds to what the first one wrote. Held until this ends.
        let lock = File::open(home).map_err(|error| cannot(path, &error))?;
        flock(&lock, FlockOperation::LockExclusive).map_err(|error| cannot(path, &error.into()))?;
        let before = match config::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => {
                let file = path.display();
                return Err(Failure::new(format!("{file} cannot be read: {error}")));
            }
        };
        // One that nobody would take is not made worse.
        let was = check(&before, path, home)?;
        let document = plain(&before)
            .parse()
            .map_err(|error: toml_edit::TomlError| {
                Failure::usage(format!("{}: {error}", path.display()))
            })?;
        Ok(Editing {
            path,
            home,
            before,
            was,
            document,
            _lock: lock,
        })
    }

    /// `[[environments]]`, made where it is missing.
    pub(super) fn tables(&mut self) -> Result<&mut ArrayOfTables, Failure> {
        let path = self.path;
        self.document
            .entry("environments")
            .or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()))
            .as_array_of_tables_mut()
            .ok_or_else(|| {
                Failure::usage(format!(
                    "{}: `environments` is written in one line: write it as [[environments]], so that it can be changed",
                    path.display()
                ))
            })
    }

    /// The one that is meant where none is named. A first such line stands apart from the tables that follow it, and below what the file begins with.
    pub(super) fn set_default(&mut self, name: &str) {
        let is_first = !self.document.contains_key("default");
        // Then a table is what the file begins with, after its remarks.
        let begins = self.document.iter().all(|(key, _)| key == "environments");
        set(&mut self.document, "default", name);
        let tables = self.document.get_mut("environments");
        let first = tables
            .and_then(Item::as_array_of_tables_mut)
            .and_then(|tables| tables.get_mut(0));
        let (true, Some(first)) = (is_first, first) else {
            return;
        };
        let before = first.decor().prefix().and_then(|before| before.as_str());
        let before = before.unwrap_or_default().to_owned();
        let (head, own) = match before.rsplit_once("\n\n") {
            Some((head, own)) if begins && !head.trim().is_empty() => (format!("{head}\n\n"), own),
            _ => (String::new(), &*before),
        };
        let gap = if own.starts_with('\n') { "" } else { "\n" };
        first.decor_mut().set_prefix(format!("{gap}{own}"));
        if let Some(mut key) = self.document.key_mut("default")
            && !head.is_empty()
        {
            key.leaf_decor_mut().set_prefix(head);
        }
    }

    /// Writes it, if anything is different and nothing is wrong; whether it was.
    pub(super) fn end(self) -> Result<bool, Failure> {
        let after = written(self.document, &self.before);
        check(&after, self.path, self.home)?;
        if after == self.before {
            return Ok(false);
        }
        // Where the name is a link, what it leads to is written, and the link stays.
        let real = led_to(self.path).map_err(|error| cannot(self.path, &error))?;
        // Variables may be secrets.
        write_over(&real, after.as_bytes(), 0o600).map_err(|error| cannot(self.path, &error))?;
        Ok(true)
    }
}

/// Where links lead, also to what is not there yet.
fn led_to(path: &Path) -> io::Result<PathBuf> {
    let mut real = path.to_owned();
    // As many as the system follows.
    for _ in 0..40 {
        match fs::read_link(&real) {
            Ok(target) => real = real.parent().unwrap_or(Path::new("/")).join(target),
            // It is none, or it is not there.
            Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::NotFound) => {
                return Ok(real);
            }
            Err(error) => return Err(error),
        }
    }
    Err(rustix::io::Errno::LOOP.into())
}

fn check(text: &str, path: &Path, home: &Path) -> Result<Config, Failure> {
    config::parse(text, path, Some(home))
        .map_err(|error| said(&Source::File(path.to_owned()), error))
}

pub(super) fn cannot(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("{} cannot be written: {error}", path.display()))
}
