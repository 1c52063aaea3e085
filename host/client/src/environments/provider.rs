//! Where the choice of executors comes from: a file in the home directory, or else one variable.
//!
//! Our own names come before those of the reference, so that a machine set up for it works as it is and can still be told otherwise.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::config::{self, Config, Entry, EnvironmentError, LOCAL, NONE, Reach};
use crate::limits;

/// The file's name in the home directory.
pub const FILE: &str = "environments.toml";

/// The id of the executor that a variable names.
pub const REMOTE: &str = "remote";

/// Says which executors there are.
pub trait Provider: Send + Sync {
    /// As it is now.
    fn snapshot(&self) -> Result<Config, EnvironmentError>;
}

/// Where one looks for what there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// A variable that is not blank: `none` (nothing at all), or an address.
    Variable {
        /// Its name.
        name: &'static str,
        /// Its value.
        value: String,
    },
    /// There is neither: this host.
    Nothing,
}

impl Provider for Source {
    fn snapshot(&self) -> Result<Config, EnvironmentError> {
        let value = match self {
            Source::File(file) => return config::load(file),
            Source::Variable { value, .. } => value.trim(),
            Source::Nothing => "",
        };
        let mut config = Config {
            default: Some(LOCAL.to_owned()),
            include_local: true,
            environments: Vec::new(),
            starts_all: false,
        };
        if value.eq_ignore_ascii_case(NONE) {
            config.default = None;
        } else if !value.is_empty() {
            config.default = Some(REMOTE.to_owned());
            config.environments.push(Entry {
                id: REMOTE.to_owned(),
                reach: Reach::Url {
                    url: config::check_url(value).map_err(EnvironmentError::Rule)?,
                    connect_timeout: limits::CONNECT,
                },
                initialize_timeout: limits::INITIALIZE,
            });
        }
        Ok(config)
    }
}

/// Where to look: in the file ([`file()`]) where there is one, else in `LOCKGATE_URL`, else in `CODEX_EXEC_SERVER_URL`. A blank variable says what
/// one that is unset says, so a blank `LOCKGATE_URL` leaves it to the other.
pub fn source(variable: impl Fn(&str) -> Option<OsString>) -> Source {
    if let Some(file) = file(&variable).filter(|file| exists(file)) {
        return Source::File(file);
    }
    // What is not UTF-8 is no address; kept as it is, so that the rules of addresses refuse it.
    let set = |name: &'static str| {
        variable(name)
            .map(|value| value.to_string_lossy().into_owned())
            .filter(|value| !value.trim().is_empty())
            .map(|value| Source::Variable { name, value })
    };
    set("LOCKGATE_URL")
        .or_else(|| set("CODEX_EXEC_SERVER_URL"))
        .unwrap_or(Source::Nothing)
}

/// Where the file is, or would be: in `LOCKGATE_HOME`, else in `CODEX_HOME`, else in `~/.codex`. Blank variables count as unset.
pub fn file(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let set = |name| {
        variable(name)
            .filter(|value| !value.to_string_lossy().trim().is_empty())
            .map(PathBuf::from)
    };
    let home = set("LOCKGATE_HOME")
        .or_else(|| set("CODEX_HOME"))
        .or_else(|| set("HOME").map(|home| home.join(".codex")))?;
    // Directories in the file start from it.
    Some(std::path::absolute(&home).unwrap_or(home).join(FILE))
}

/// A file that cannot be looked at counts: reading it then says why, where passing over it would choose another executor.
fn exists(file: &Path) -> bool {
    file.try_exists().unwrap_or(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(pairs: &[(&str, &str)]) -> Result<Config, EnvironmentError> {
        source(|name| {
            pairs
                .iter()
                .find(|(n, _)| *n == name)
                .map(|(_, value)| value.into())
        })
        .snapshot()
    }

    #[test]
    fn a_variable_says_local_none_or_an_address() {
        let default = |pairs: &[(&str, &str)]| from(pairs).expect("a choice").default;
        assert_eq!(default(&[]).as_deref(), Some(LOCAL));
        assert_eq!(
            default(&[("CODEX_EXEC_SERVER_URL", " ")]).as_deref(),
            Some(LOCAL)
        );
        assert_eq!(default(&[("CODEX_EXEC_SERVER_URL", " None ")]), None);
        assert_eq!(
            default(&[("LOCKGATE_URL", "ws://h:1")]).as_deref(),
            Some(REMOTE)
        );
        assert_eq!(
            default(&[
                ("LOCKGATE_URL", "none"),
                ("CODEX_EXEC_SERVER_URL", "ws://h")
            ]),
            None
        );
        assert!(from(&[("LOCKGATE_URL", "http://h")]).is_err());
    }

    #[test]
    fn a_file_comes_before_the_variable() {
        let home = tempfile::tempdir().expect("a directory");
        let at = home.path().to_str().expect("text");
        let pairs = [("CODEX_HOME", at), ("LOCKGATE_URL", "ws://h")];
        assert_eq!(
            from(&pairs).expect("no file").default.as_deref(),
            Some(REMOTE)
        );
        std::fs::write(home.path().join(FILE), "default='none'").expect("written");
        assert_eq!(from(&pairs).expect("a file").default, None);
        let blank = [("LOCKGATE_HOME", " "), ("CODEX_HOME", at)];
        assert_eq!(from(&blank).expect("a file").default, None);
        let other = [("LOCKGATE_HOME", "/nowhere"), ("CODEX_HOME", at)];
        assert_eq!(
            from(&other).expect("ours first").default.as_deref(),
            Some(LOCAL)
        );
    }
}
