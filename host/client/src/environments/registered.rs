//! An executor that a registry leads to, encrypted from end to end: keys of Lockgate's own in `environments.toml`.
//!
//! The format is the reference's, which refuses a whole file for a key that it does not know. So they are for a file that only Lockgate reads, and nothing of ours
//! writes them into another one; but who did that by hand, on a machine where nothing else reads it, is understood.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lockgate_relay::driver::without_query;
use lockgate_relay::registry::{Credentials, EnvironmentId, Registry, RegistryError};
use url::Url;

use crate::{Remote, limits};

/// A registry, and which of its executors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// `http://` or `https://`.
    pub registry: String,
    /// As the registry calls it.
    pub environment: EnvironmentId,
    /// Where the token comes from, whenever one is needed.
    pub token: TokenFrom,
    /// From end to end; the executor has to do the same.
    pub encrypt: bool,
    /// For the connection itself.
    pub connect_timeout: Duration,
}

/// Where a harness's token comes from: never from the file of environments itself, which is shown to people.
#[derive(Clone, PartialEq, Eq)]
pub enum TokenFrom {
    /// A file that holds it; absolute.
    File(PathBuf),
    /// A command for `sh` that prints it.
    Command(String),
}

impl fmt::Debug for TokenFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TokenFrom::File(path) => write!(f, "File({})", path.display()),
            TokenFrom::Command(_) => f.write_str("Command"),
        }
    }
}

impl Registered {
    /// To be connected to.
    ///
    /// # Errors
    /// Where the registry's URL, or this machine's certificates, cannot be used.
    pub fn remote(&self) -> Result<Remote, RegistryError> {
        let credentials = match &self.token {
            TokenFrom::File(path) => Credentials::File(path.clone()),
            TokenFrom::Command(line) => Credentials::Command(line.clone()),
        };
        Ok(Remote {
            registry: Registry::new(&self.registry, credentials)?,
            environment: self.environment.clone(),
            encrypt: self.encrypt,
        })
    }

    /// As it may be shown.
    pub fn shown(&self) -> String {
        let registry = without_query(&self.registry);
        format!("{} at {registry}", self.environment)
    }
}

/// What an entry says of it.
#[derive(Default, PartialEq)]
pub(super) struct Keys {
    pub(super) remote: Option<String>,
    environment_id: Option<String>,
    token_file: Option<PathBuf>,
    token_command: Option<String>,
    remote_transport: Option<String>,
}

impl Keys {
    pub(super) fn of(
        remote: Option<String>,
        environment_id: Option<String>,
        token: (Option<PathBuf>, Option<String>),
        remote_transport: Option<String>,
    ) -> Keys {
        Keys {
            remote,
            environment_id,
            token_file: token.0,
            token_command: token.1,
            remote_transport,
        }
    }

    /// The rule that keys without a registry break.
    pub(super) fn without_remote(&self, id: &str) -> Result<(), String> {
        match self == &Keys::default() {
            true => Ok(()),
            false => Err(format!(
                "environment `{id}` environment_id, token_file, token_command, and remote_transport require remote"
            )),
        }
    }

    /// Under the rules of the file; a relative `token_file` starts in `home`.
    pub(super) fn check(
        self,
        id: &str,
        connect_timeout: Option<Duration>,
        home: Option<&Path>,
    ) -> Result<Registered, String> {
        let registry = check_registry(self.remote.as_deref().unwrap_or_default())?;
        let Some(environment) = self.environment_id else {
            return Err(format!("environment `{id}` remote requires environment_id"));
        };
        let environment = environment
            .parse()
            .map_err(|error| format!("environment `{id}` environment_id: {error}"))?;
        let token = match (self.token_file, self.token_command, home) {
            (Some(path), None, _) if path.is_absolute() => TokenFrom::File(path),
            (Some(path), None, Some(home)) if home.is_absolute() => {
                TokenFrom::File(home.join(path))
            }
            (Some(_), None, _) => {
                return Err(format!("environment `{id}` token_file must be absolute"));
            }
            (None, Some(line), _) if line.trim().is_empty() => {
                return Err(format!("environment `{id}` token_command cannot be empty"));
            }
            (None, Some(line), _) => TokenFrom::Command(line),
            _ => {
                return Err(format!(
                    "environment `{id}` must set exactly one of token_file or token_command"
                ));
            }
        };
        let encrypt = match self.remote_transport.as_deref() {
            None | Some("noise") => true,
            Some("direct") => false,
            Some(other) => {
                return Err(format!(
                    "environment `{id}` remote_transport `{other}` must be noise or direct"
                ));
            }
        };
        Ok(Registered {
            registry,
            environment,
            token,
            encrypt,
            connect_timeout: connect_timeout.unwrap_or(limits::CONNECT),
        })
    }
}

/// The rules of a registry's address; the answer has no space around it.
fn check_registry(url: &str) -> Result<String, String> {
    let url = url.trim();
    if url.is_empty() {
        return Err("environment remote cannot be empty".to_owned());
    }
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err(format!(
            "environment remote `{}` must use http:// or https://",
            without_query(url)
        ));
    }
    Url::parse(url).map(|_| url.to_owned()).map_err(|error| {
        format!(
            "environment remote `{}` is invalid: {error}",
            without_query(url)
        )
    })
}
