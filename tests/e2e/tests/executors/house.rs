//! An executor somewhere, with what has to run for it, and a folder to work in.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use lockgate_client::executor::{Executor, Output, run};
use lockgate_client::{
    AbsPath, Client, ClientError, ConnectOptions, Credentials, Registry, Remote, profile,
};
use lockgate_e2e::{Executor as Served, Ground, Rendezvous, Server, cache_directory, lockgate};

/// How the executor is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In this process.
    Local,
    Websocket,
    Stdio,
    Relay,
    RelayEncrypted,
}

/// An executor, and a folder of its machine.
pub(crate) struct House {
    pub(crate) executor: Arc<dyn Executor>,
    pub(crate) ground: Ground,
    _keeps: Box<dyn std::any::Any>,
}

impl House {
    pub(crate) async fn at(place: Place) -> House {
        let (client, keeps) = connect(place, ConnectOptions::default()).await;
        House {
            executor: Arc::new(client),
            ground: Ground::new(),
            _keeps: keeps,
        }
    }

    /// A path below the folder.
    pub(crate) fn path(&self, path: &str) -> AbsPath {
        AbsPath::parse(self.ground.path(path)).expect("a path")
    }

    /// A shell's command, in the folder.
    pub(crate) fn shell(&self, script: &str) -> lockgate_client::executor::Command {
        lockgate_client::executor::Command::new(self.path(""), ["sh", "-c", script])
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
    }

    /// What a script says in the end.
    pub(crate) async fn ran(&self, script: &str) -> Output {
        let output = run(&*self.executor, &self.shell(script), 64 << 20).await;
        output.expect("it runs")
    }

    /// Which grants nothing but these.
    pub(crate) fn granted(&self, rules: &[(&str, profile::Access)]) -> profile::Sandbox {
        profile::Sandbox::restricted(
            rules
                .iter()
                .map(|(path, access)| (self.path(path), *access)),
        )
    }

    /// Ends the executor first, so that nothing works on the folder that goes with this.
    pub(crate) async fn leave(self) {
        self.executor.close().await;
    }
}

/// A client of one, and what has to run for it.
pub(crate) async fn connect(
    place: Place,
    options: ConnectOptions,
) -> (Client, Box<dyn std::any::Any>) {
    let connected = match place {
        Place::Local => {
            let client = lockgate_local::start(in_process(), options).await;
            return (client.expect("it starts"), Box::new(()));
        }
        Place::Websocket => {
            let server = Server::start();
            let client = Client::connect_ws(server.url(), options).await;
            client.map(|client| (client, Box::new(server) as Box<dyn std::any::Any>))
        }
        Place::Stdio => {
            let client = Client::spawn_stdio(on_stdio(), options).await;
            client.map(|client| (client, Box::new(()) as Box<dyn std::any::Any>))
        }
        Place::Relay | Place::RelayEncrypted => {
            let encrypt = place == Place::RelayEncrypted;
            let folder = tempfile::tempdir().expect("a folder");
            let (rendezvous, served) = remote(folder.path(), encrypt);
            let client = match encrypt {
                true => Client::connect_remote(harness(&rendezvous), options).await,
                false => Client::connect_ws(&rendezvous.harness_url("box", None), options).await,
            };
            let keeps = Box::new((served, rendezvous, folder));
            client.map(|client| (client, keeps as Box<dyn std::any::Any>))
        }
    };
    connected.expect("connects")
}

/// As [`Server::command`] has it.
pub(crate) fn in_process() -> lockgate_local::Options {
    lockgate_local::Options {
        files: lockgate_local::capfs::Options {
            cache: lockgate_local::capfs::CacheChoice::At(cache_directory()),
            ..Default::default()
        },
        ledger: lockgate_local::LedgerChoice::At(lockgate().with_file_name("test-state")),
        http: lockgate_local::HttpOptions {
            proxy: Some(lockgate_local::ProxyChoice::None),
            ..Default::default()
        },
        ..Default::default()
    }
}

fn on_stdio() -> Command {
    let usual = Server::command();
    let variables = usual
        .get_envs()
        .filter_map(|(name, value)| Some((name, value?)));
    let mut command = Command::new(lockgate());
    command
        .args(["serve", "--listen", "stdio"])
        .env_clear()
        .envs(variables);
    command
}

fn remote(folder: &Path, encrypt: bool) -> (Rendezvous, Served) {
    let rendezvous = Rendezvous::start(folder);
    let token = rendezvous.token("box", "executor");
    let served = Served::from_command(match encrypt {
        true => Served::encrypting(rendezvous.url(), "box", &token),
        false => Served::command(rendezvous.url(), "box", &token),
    });
    (rendezvous, served)
}

fn harness(rendezvous: &Rendezvous) -> Remote {
    let credentials = Credentials::Token {
        token: rendezvous.token("box", "harness"),
        from: "the test".to_owned(),
    };
    Remote {
        registry: Registry::new(rendezvous.url(), credentials).expect("a registry"),
        environment: "box".parse().expect("a name"),
        encrypt: true,
    }
}

/// The protocol's code of a refusal.
pub(crate) fn refused<T: std::fmt::Debug>(outcome: Result<T, ClientError>) -> i64 {
    let error = outcome.expect_err("refused");
    error
        .code()
        .unwrap_or_else(|| panic!("no refusal: {error}"))
}

/// Runs each test in every place there is, with the crate's own `Reached` of it.
macro_rules! everywhere {
    ($($test:ident),* $(,)?) => {
        $(
            mod $test {
                use $crate::Reached;
                use $crate::house::Place;

                async fn at(place: Place) {
                    let reached = Reached::at(place).await;
                    let test = super::$test(&reached);
                    let in_time = tokio::time::timeout(3 * lockgate_e2e::DEADLINE, test).await;
                    in_time.expect("the test ends");
                    reached.leave().await;
                }

                #[tokio::test(flavor = "multi_thread")]
                async fn local() {
                    at(Place::Local).await;
                }

                #[tokio::test]
                async fn websocket() {
                    at(Place::Websocket).await;
                }

                #[tokio::test]
                async fn stdio() {
                    at(Place::Stdio).await;
                }

                #[tokio::test]
                async fn relay() {
                    at(Place::Relay).await;
                }

                #[tokio::test]
                async fn relay_encrypted() {
                    at(Place::RelayEncrypted).await;
                }
            }
        )*
    };
}
pub(crate) use everywhere;
