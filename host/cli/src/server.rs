//! Which server a command talks to: the one at `--url`, one that has a name, or one of its own.

use std::path::Path;
use std::time::Duration;

use lockgate_client::environments::config::LOCAL;
use lockgate_client::{Client, ConnectOptions};

use crate::failure::Failure;
use crate::here::{self, Beginning};
use crate::remote::Reached;
use crate::{approval, environment};

/// Where to work.
#[derive(clap::Args)]
pub(crate) struct Server {
    /// Server to use (ws://HOST:PORT, wss://HOST where something in front of it does TLS, or a rendezvous: ws…://HOST/rendezvous?role=harness&…); without it, --env and --remote one is started for this command
    #[arg(long, value_name = "URL", value_parser = url)]
    url: Option<String>,
    /// Environment to use, by its name in environments.toml (lockgate env)
    #[arg(long, value_name = "NAME", conflicts_with_all = ["url", "remote"], value_parser = name)]
    env: Option<String>,
    #[command(flatten)]
    reached: Reached,
}

/// Said before a connection is tried: the reasons that come out of one mislead.
fn url(text: &str) -> Result<String, String> {
    match text.split_once("://") {
        Some(("ws" | "wss", rest)) if !rest.is_empty() => Ok(text.to_owned()),
        _ => Err(
            "expected ws://HOST:PORT, as `lockgate serve` prints it, or the URL of a rendezvous"
                .to_owned(),
        ),
    }
}

/// Whether there is one of that name is told later, with the names there are.
fn name(text: &str) -> Result<String, String> {
    match text.contains('=') {
        true => Err(format!(
            "expected the name of an environment; a variable is set with -e {text}"
        )),
        false => Ok(text.to_owned()),
    }
}

impl Server {
    /// Whether it is one of our own, on this machine.
    pub(crate) fn is_own(&self) -> bool {
        let named = self.env.as_deref().unwrap_or(LOCAL);
        self.url.is_none() && !self.reached.is_given() && named == LOCAL
    }

    /// Where its relative paths begin.
    pub(crate) fn beginning(&self, client: &Client) -> Result<Beginning, Failure> {
        if self.is_own() {
            return Ok(Beginning::Here(here::directory()?));
        }
        let told = client.environment().and_then(|told| told.cwd.as_ref());
        Ok(told.map_or(Beginning::Untold, |cwd| Beginning::There(cwd.path.clone())))
    }

    /// A file on this machine that has a token in it.
    pub(crate) fn token_file(&self) -> Option<&Path> {
        self.reached.token_file()
    }

    /// What can be known to be wrong before anybody connects: that there is no environment of that name.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        match &self.env {
            Some(name) => environment::check(name),
            None => Ok(()),
        }
    }

    /// Connects. `resume_window` is for how long a lost connection may stay away.
    pub(crate) async fn connect(&self, resume_window: Option<Duration>) -> Result<Client, Failure> {
        let options = ConnectOptions {
            client_name: concat!("lockgate-cli/", env!("CARGO_PKG_VERSION")).to_owned(),
            wait_for_readers: true,
            approver: approval::approver(),
            resume_window,
            ..ConnectOptions::default()
        };
        self.connect_with(options).await
    }

    /// The same, as another client than a command line.
    pub(crate) async fn connect_with(&self, options: ConnectOptions) -> Result<Client, Failure> {
        if let Some(remote) = self.reached.remote()? {
            return Ok(Client::connect_remote(remote, options).await?);
        }
        if let Some(url) = &self.url {
            return Ok(Client::connect_ws(url, options).await?);
        }
        if let Some(name) = &self.env {
            return environment::connect(name, options).await;
        }
        let own = environment::own()?;
        Ok(Client::spawn_stdio(own.command(), options).await?)
    }
}

/// Does `work` with a connection and ends it properly: a server of our own is gone when this returns.
pub(crate) async fn with<T>(
    server: &Server,
    resume_window: Option<Duration>,
    work: impl AsyncFnOnce(&Client) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let client = server.connect(resume_window).await?;
    let outcome = work(&client).await;
    client.close().await;
    outcome
}
