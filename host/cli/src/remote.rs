//! What names a registry and an environment on the command line, and where the token comes from.

use std::env;
use std::path::{Path, PathBuf};

use lockgate_relay::registry::{Credentials, EnvironmentId, Registry};
use lockgate_server::{Announced, RemoteOptions};

use crate::failure::Failure;

/// Variables that may hold a token, the first that is set counts. The second is the reference's.
const VARIABLES: [&str; 2] = ["LOCKGATE_TOKEN", "CODEX_API_KEY"];

/// An executor's way to its harnesses.
#[derive(clap::Args)]
pub(crate) struct Remote {
    /// Register with the registry at this URL and serve through its rendezvous, instead of listening. The token comes from
    /// --token-file, --token-command, LOCKGATE_TOKEN or CODEX_API_KEY
    #[arg(long, value_name = "URL", requires = "environment_id")]
    remote: Option<String>,
    /// Which environment to register as
    #[arg(long, value_name = "ID", requires = "remote")]
    environment_id: Option<EnvironmentId>,
    /// A name for people, shown in this server's log
    #[arg(long, value_name = "NAME", requires = "remote")]
    name: Option<String>,
    #[command(flatten)]
    how: How,
}

/// A harness's way to an executor.
#[derive(clap::Args)]
pub(crate) struct Reached {
    /// Registry through which the executor of --environment-id is reached; the token is a harness's, from --token-file, --token-command,
    /// LOCKGATE_TOKEN or CODEX_API_KEY
    #[arg(
        long,
        value_name = "URL",
        requires = "environment_id",
        conflicts_with = "url"
    )]
    remote: Option<String>,
    /// The environment to work in
    #[arg(long, value_name = "ID", requires = "remote")]
    environment_id: Option<EnvironmentId>,
    #[command(flatten)]
    how: How,
}

/// What both ends say alike.
#[derive(clap::Args)]
struct How {
    /// noise: encrypt from end to end, and take nothing else; direct: let the rendezvous read it
    #[arg(
        long,
        value_name = "HOW",
        value_enum,
        requires = "remote",
        default_value = "noise"
    )]
    remote_transport: Transport,
    /// Read the token from this file, whenever one is needed
    #[arg(
        long,
        value_name = "PATH",
        requires = "remote",
        conflicts_with = "token_command"
    )]
    token_file: Option<PathBuf>,
    /// Have this command print the token, whenever one is needed
    #[arg(long, value_name = "COMMAND", requires = "remote")]
    token_command: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Transport {
    Noise,
    Direct,
}

impl Transport {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Transport::Noise => "noise",
            Transport::Direct => "direct",
        }
    }
}

impl Remote {
    pub(crate) fn options(&self, announced: Announced) -> Result<Option<RemoteOptions>, Failure> {
        let (Some(base), Some(environment)) = (&self.remote, &self.environment_id) else {
            return Ok(None);
        };
        Ok(Some(RemoteOptions {
            registry: self.how.registry(base)?,
            environment: environment.clone(),
            encrypt: self.how.remote_transport == Transport::Noise,
            name: self.name.clone(),
            announced,
        }))
    }
}

impl Reached {
    /// A file that the token is in.
    pub(crate) fn token_file(&self) -> Option<&Path> {
        self.how.token_file.as_deref()
    }

    pub(crate) fn is_given(&self) -> bool {
        self.remote.is_some()
    }

    pub(crate) fn remote(&self) -> Result<Option<lockgate_client::Remote>, Failure> {
        let (Some(base), Some(environment)) = (&self.remote, &self.environment_id) else {
            return Ok(None);
        };
        Ok(Some(lockgate_client::Remote {
            registry: self.how.registry(base)?,
            environment: environment.clone(),
            encrypt: self.how.remote_transport == Transport::Noise,
        }))
    }
}

impl How {
    fn registry(&self, base: &str) -> Result<Registry, Failure> {
        Registry::new(base, self.credentials()?)
            .map_err(|error| Failure::usage(format!("--remote: {error}")))
    }

    fn credentials(&self) -> Result<Credentials, Failure> {
        if let Some(path) = &self.token_file {
            return Ok(Credentials::File(path.clone()));
        }
        if let Some(line) = &self.token_command {
            return Ok(Credentials::Command(line.clone()));
        }
        let found = VARIABLES.into_iter().find_map(|name| {
            let token = env::var(name).ok()?;
            (!token.trim().is_empty()).then(|| Credentials::Token {
                token,
                from: name.to_owned(),
            })
        });
        found.ok_or_else(|| {
            Failure::usage(
                "--remote needs a token: give --token-file PATH or --token-command COMMAND, or set LOCKGATE_TOKEN",
            )
        })
    }
}
