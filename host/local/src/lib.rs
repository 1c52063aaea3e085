//! This host as an executor, in the harness's own process.
//!
//! [`start`] gives a [`Client`] like any other, and with it every trait of [`lockgate_client::executor`]. Behind it is the server of `lockgate serve` with its
//! sessions, its capability gate and its policies, so nothing that holds at a distance is skipped here; only the socket is. It lives as long as its
//! connection: when the last `Client` and the last handle of a process are gone, or at [`Client::close`], its processes are ended, by group and with what is found
//! below them; what has become a daemon by then, forked twice and out of its session, is found by nobody.
//!
//! ```no_run
//! use lockgate_client::executor::{Command, run};
//! use lockgate_client::{AbsPath, ConnectOptions};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let options = lockgate_local::Options::default();
//! eprintln!("{}", options.report());
//! let here = lockgate_local::start(options, ConnectOptions::default()).await?;
//! let command = Command::new(AbsPath::root(), ["uname", "-n"]).env("PATH", "/usr/bin:/bin");
//! let output = run(&here, &command, 4096).await?;
//! println!("{}", String::from_utf8_lossy(&output.stdout));
//! here.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! # What a program of its own does better
//! A library may not do to its program what `lockgate serve` does to itself. It starts no guardians, so what it started outlives a harness that is killed (SIGKILL,
//! `std::process::exit`); and it starts the harness's program once more for nothing. So what policies bound in time or output, which needs a keeper
//! above it, is refused until [`Options::keeper`] names one. Nor does it raise the limit on open files or touch a signal. [`Options::report`] says all
//! that for what was chosen. It needs children to be waited for: [`start`] fails where SIGCHLD is ignored, and who calls `waitpid(-1)` takes exit
//! codes away.
//!
//! # Environments
//! [`connector`] is what [`Setup::local`](lockgate_client::environments::Setup::local) takes:
//!
//! ```
//! use lockgate_client::environments::config::Reach;
//! use lockgate_client::environments::{Environments, Setup, provider::Source};
//!
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let here = lockgate_local::connector(lockgate_local::Options::default());
//! let setup = Setup { local: Some(Reach::Connector(here)), ..Setup::default() };
//! let environments = Environments::new(&Source::Nothing, setup)?;
//! assert_eq!(environments.default().expect("this host").id(), "local");
//! # Ok(())
//! # }
//! # example().expect("it is made");
//! ```

mod children;
mod error;
mod options;
mod report;
mod server;

use std::path::Path;
use std::sync::Arc;

use lockgate_client::environments::Connector;
use lockgate_client::{Client, ClientError, ConnectOptions};
use lockgate_server::Embedded;

pub use error::LocalError;
pub use options::Options;
pub use report::{Bounds, Report};

/// What options are made of.
pub use lockgate_capfs as capfs;
pub use lockgate_server::{
    HostPattern, HttpOptions, HttpRules, Judge, LedgerChoice, Network, Place, PolicyOptions,
    ProcessSandbox, ProxyChoice,
};

/// Starts an executor of this host and connects to it. It works in the tokio runtime that is entered.
pub async fn start(options: Options, connect: ConnectOptions) -> Result<Client, LocalError> {
    children::are_waited_for()?;
    if let Some(keeper) = &options.keeper {
        is_program(keeper)?;
    }
    let (options, keeper) = options.of_server();
    let embedded = Arc::new(Embedded::start(options, keeper.as_deref()).await?);
    let (requests, answers) = embedded.connect();
    let server = server::Server::new(requests, embedded);
    Ok(Client::over(answers, server, connect).await?)
}

/// The same for [`Environments`](lockgate_client::environments::Environments): an executor whenever one is needed.
pub fn connector(options: Options) -> Connector {
    Connector::new(move |connect| {
        let options = options.clone();
        async move {
            start(options, connect).await.map_err(|error| match error {
                LocalError::Connect(error) => error,
                error => ClientError::Connect {
                    url: "this host".to_owned(),
                    reason: error.to_string(),
                },
            })
        }
    })
}

/// A name that is found in PATH could be anything.
fn is_program(keeper: &Path) -> Result<(), LocalError> {
    use rustix::fs::{Access, access};
    let refused = |reason: String| LocalError::Keeper {
        path: keeper.to_owned(),
        reason,
    };
    if !keeper.is_absolute() {
        return Err(refused("expected an absolute path".to_owned()));
    }
    if keeper.is_dir() {
        return Err(refused("it is a directory".to_owned()));
    }
    access(keeper, Access::EXEC_OK).map_err(|error| refused(error.to_string()))
}
