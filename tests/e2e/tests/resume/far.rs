//! An executor behind a rendezvous, where connections can be cut on both sides, and streams be broken.

use std::process::Command;

use lockgate_client::{Client, ConnectOptions, Credentials, Registry, Remote};
use lockgate_e2e::{Executor, Proxy, Rendezvous, lockgate};
use tempfile::TempDir;

use crate::breaker::Breaker;

pub(crate) struct Far {
    encrypt: bool,
    rendezvous: Rendezvous,
    /// On the executor's side, and on the harnesses'.
    sides: [Proxy; 2],
    pub(crate) breaker: Breaker,
    _keeps: (Executor, TempDir),
}

impl Far {
    pub(crate) async fn start(encrypt: bool) -> Far {
        let folder = tempfile::tempdir().expect("a folder");
        let rendezvous = Rendezvous::start(folder.path());
        let breaker = Breaker::before(rendezvous.address()).await;
        let sides = [rendezvous.address(), breaker.address()].map(Proxy::to);
        let token = rendezvous.token("box", "executor");
        let registry = format!("http://{}", sides[0].address());
        let executor = match encrypt {
            true => Executor::encrypting(&registry, "box", &token),
            false => Executor::command(&registry, "box", &token),
        };
        Far {
            encrypt,
            sides,
            breaker,
            _keeps: (Executor::from_command(executor), folder),
            rendezvous,
        }
    }

    /// By a signed URL.
    fn url(&self) -> String {
        let address = self.sides[1].address();
        self.rendezvous.harness_url("box", Some(address))
    }

    /// By this registry, with that token.
    fn registry(&self) -> (String, String) {
        let registry = format!("http://{}", self.sides[1].address());
        (registry, self.rendezvous.token("box", "harness"))
    }

    pub(crate) async fn client(&self, options: ConnectOptions) -> Client {
        let connected = match self.encrypt {
            true => {
                let (registry, token) = self.registry();
                let from = "the test".to_owned();
                let credentials = Credentials::Token { token, from };
                let remote = Remote {
                    registry: Registry::new(&registry, credentials).expect("a registry"),
                    environment: "box".parse().expect("a name"),
                    encrypt: true,
                };
                Client::connect_remote(remote, options).await
            }
            false => Client::connect_ws(&self.url(), options).await,
        };
        connected.expect("connects")
    }

    /// `lockgate fs VERB …` there.
    pub(crate) fn files(&self, verb: &str) -> Command {
        let mut command = Command::new(lockgate());
        command.args(["fs", verb]);
        match self.encrypt {
            true => {
                let (registry, token) = self.registry();
                command.args(["--remote", &registry, "--environment-id", "box"]);
                command.env("LOCKGATE_TOKEN", token);
            }
            false => {
                command.args(["--url", &self.url()]);
            }
        }
        command
    }

    /// Bytes that came from harnesses or for them so far.
    pub(crate) fn carried(&self) -> u64 {
        self.sides[1].carried()
    }

    /// Cuts a connection or breaks a stream. False where there is nothing to break at the moment.
    pub(crate) fn break_one(&self, chance: u64) -> bool {
        match chance % 4 {
            side @ 0..2 => self.sides[side as usize].cut_any(chance >> 2),
            _ => self.breaker.break_any(chance >> 2),
        }
    }
}
