//! Which server a command talks to: the one at `--url`, or one of its own.

use std::process::Command;

use lockgate_client::{Client, ConnectOptions};

use crate::failure::Failure;

/// Where to work.
#[derive(clap::Args)]
pub(crate) struct Server {
    /// Server to use (ws://HOST:PORT); without it one is started for this command
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

impl Server {
    /// Whether it is one of our own, on this machine.
    pub(crate) fn is_own(&self) -> bool {
        self.url.is_none()
    }

    /// Connects.
    pub(crate) async fn connect(&self) -> Result<Client, Failure> {
        let options = ConnectOptions {
            client_name: concat!("lockgate-cli/", env!("CARGO_PKG_VERSION")).to_owned(),
            wait_for_readers: true,
            ..ConnectOptions::default()
        };
        match &self.url {
            Some(url) => Ok(Client::connect_ws(url, options).await?),
            None => {
                let program = std::env::current_exe().map_err(|error| {
                    Failure::new(format!("cannot find the own program: {error}; use --url"))
                })?;
                let mut command = Command::new(program);
                command.args(["serve", "--listen", "stdio"]);
                Ok(Client::spawn_stdio(command, options).await?)
            }
        }
    }
}

/// Does `work` with a connection and ends it properly: a server of our own is gone when this returns.
pub(crate) async fn with<T>(
    server: &Server,
    work: impl AsyncFnOnce(&Client) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let client = server.connect().await?;
    let outcome = work(&client).await;
    client.close().await;
    outcome
}
