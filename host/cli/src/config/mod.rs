//! The configuration file of an executor: which file that is, and what it may say.
//!
//! A file that is asked for must be there and must be right to the last key: an operator's setting that is not
//! understood is never left out. Every mistake is told with the file, the line and the key.

mod document;
mod files;
mod http;
mod policy;

use std::path::{Path, PathBuf};

use lockgate_capfs::Own;

use crate::failure::Failure;

pub(crate) use document::{parse, read};
pub(crate) use files::Files;
pub(crate) use policy::Policy;

/// Names the file where `--config` does not. Empty: no file, not even the one in the home directory.
const VARIABLE: &str = "LOCKGATE_CONFIG";

/// A configuration has some lines; what has more bytes than this is something else.
const LARGEST: u64 = 1024 * 1024;

/// Which configuration file to use.
#[derive(clap::Args, Default)]
pub(crate) struct Source {
    /// Configuration file [default: $LOCKGATE_CONFIG, else ~/.config/lockgate/lockgate.toml where it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// What the configuration file says; all defaults without one.
#[derive(Debug, Default)]
pub(crate) struct Config {
    /// The file that was read.
    pub(crate) file: Option<PathBuf>,
    /// `[files]`.
    pub(crate) files: Files,
    /// `[http]`.
    pub(crate) http: lockgate_server::HttpOptions,
    /// `[policy]`; none: nobody is asked.
    pub(crate) policy: Option<Policy>,
    /// All but `[policy]`, as it stands in the file.
    pub(crate) rest: toml::Table,
}

impl Config {
    /// What the next start believes, and no client may write through a grant: the files that were read, and the standard place, which need
    /// not be there. As whoever opens them has them: where `..` leads is for the system to say.
    pub(crate) fn own(&self) -> Result<Vec<PathBuf>, Failure> {
        let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
        let guest = self.files.guest.as_ref().map(|guest| &guest.path);
        let policy = self.policy.iter().flat_map(Policy::own);
        let files = self.file.iter().chain(guest).chain(policy);
        let standard = standard_directory(variable);
        let all = files.chain(&standard).map(|file| {
            std::path::absolute(file).map_err(|error| {
                Failure::new(format!(
                    "{} is to be kept from clients, and where it is cannot be told: {error}; give its whole path, from the root",
                    file.display()
                ))
            })
        });
        all.collect()
    }

    /// Keeps them from clients, or refuses: where one of them had no place, clients could write it.
    pub(crate) fn keep(&self) -> Result<Own, Failure> {
        Own::of(self.own()?).map_err(|error| Failure::new(error.to_string()))
    }
}

impl Source {
    /// Whether `--config` names one.
    pub(crate) fn is_given(&self) -> bool {
        self.config.is_some()
    }

    /// The arguments that give it to another process of this program.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let file = self.config.iter();
        let file = file.map(|file| file.to_string_lossy().into_owned());
        file.flat_map(|file| ["--config".to_owned(), file])
            .collect()
    }

    /// Reads it.
    pub(crate) fn load(&self) -> Result<Config, Failure> {
        match self.find(|name| std::env::var_os(name).map(PathBuf::from)) {
            Some(file) => document::read(&file),
            None => Ok(Config::default()),
        }
    }

    fn find(&self, variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
        if let Some(file) = &self.config {
            return Some(file.clone());
        }
        if let Some(file) = variable(VARIABLE) {
            return Some(file).filter(is_set);
        }
        let file = standard_directory(variable)?.join("lockgate.toml");
        // What is there and cannot be read is not taken for absent: reading it will tell.
        match file.symlink_metadata() {
            Err(error) if is_absence(&error) => None,
            _ => Some(file),
        }
    }
}

fn is_set(path: &impl AsRef<Path>) -> bool {
    !path.as_ref().as_os_str().is_empty()
}

/// Where the file is that nobody named.
fn standard_directory(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let directory = variable("XDG_CONFIG_HOME")
        .filter(is_set)
        .or_else(|| Some(variable("HOME").filter(is_set)?.join(".config")))?;
    Some(directory.join("lockgate"))
}

fn is_absence(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

/// The bytes of a regular file that has at most `largest` of them.
pub(crate) fn read_bounded(path: &Path, largest: u64) -> Result<Vec<u8>, String> {
    use std::io::Read;
    let said = |error: std::io::Error| error.to_string();
    // Looked at first: opening a FIFO would wait for somebody to write into it.
    let found = path.metadata().map_err(said)?;
    if !found.is_file() {
        return Err("not a regular file".to_owned());
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(largest + 1).read_to_end(&mut bytes))
        .map_err(said)?;
    match bytes.len() as u64 {
        read if read > largest => Err(format!("larger than {largest} bytes")),
        _ => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(
        option: Option<&str>,
        variable: Option<&str>,
        home: &Path,
        xdg: Option<&Path>,
    ) -> Option<PathBuf> {
        let source = Source {
            config: option.map(PathBuf::from),
        };
        source.find(|name| match name {
            VARIABLE => variable.map(PathBuf::from),
            "XDG_CONFIG_HOME" => xdg.map(PathBuf::from),
            "HOME" => Some(home.to_owned()),
            _ => None,
        })
    }

    #[test]
    fn the_option_comes_before_the_variable_and_both_before_the_home_directory() {
        let home = tempfile::tempdir().expect("a directory");
        let (at, xdg) = (home.path(), home.path().join("xdg"));
        assert_eq!(found(None, None, at, None), None);
        for directory in [at.join(".config/lockgate"), xdg.join("lockgate")] {
            std::fs::create_dir_all(&directory).expect("made");
            std::fs::write(directory.join("lockgate.toml"), "").expect("written");
        }
        let standard = at.join(".config/lockgate/lockgate.toml");
        assert_eq!(found(None, None, at, None), Some(standard));
        let moved = xdg.join("lockgate/lockgate.toml");
        assert_eq!(found(None, None, at, Some(&xdg)), Some(moved));
        assert_eq!(found(None, Some("v"), at, None), Some("v".into()));
        assert_eq!(found(Some("o"), Some("v"), at, None), Some("o".into()));
        assert_eq!(
            found(None, Some(""), at, None),
            None,
            "an empty variable means no file"
        );
    }

    #[test]
    fn a_file_that_dangles_in_the_home_directory_is_not_taken_for_absent() {
        let home = tempfile::tempdir().expect("a directory");
        let file = home.path().join(".config/lockgate/lockgate.toml");
        std::fs::create_dir_all(file.parent().expect("above")).expect("made");
        std::os::unix::fs::symlink("gone", &file).expect("linked");
        assert_eq!(found(None, None, home.path(), None), Some(file));
    }
}
