//! `lockgate serve`: the executor.

use std::process::ExitCode;
use std::time::Duration;

use clap::ValueEnum;
use clap::builder::RangedU64ValueParser;
use lockgate_capfs::{Own, Times, limits};
use lockgate_process::guardian::Guardian;
use lockgate_server::{Announced, LedgerChoice, ListenUrl, Options, ProcessSandbox, ServeError};

use crate::config::{self, Config};
use crate::failure::Failure;
use crate::remote::Remote;
use crate::{logging, policy_gate};

/// Serve clients: processes, terminals and files of this machine
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Where to listen: ws://IP:PORT (port 0 for any), or stdio for one client on stdin and stdout
    /// [default: ws://127.0.0.1:0]
    #[arg(long, value_name = "URL", conflicts_with = "remote")]
    listen: Option<String>,
    #[command(flatten)]
    config: config::Source,
    /// What happens to a process that asks for a sandbox; refuse: it is not started, since nothing here confines processes; external: it is started, not confined, because this machine is itself the sandbox
    #[arg(long, value_name = "HOW", value_enum, default_value_t = Sandboxed::Refuse)]
    process_sandbox: Sandboxed,
    /// Give a file call up when the file system has not answered for so long
    #[arg(long, value_name = "SECONDS", default_value_t = limits::OPERATION_TIME.as_secs(), value_parser = seconds())]
    file_seconds: u64,
    /// Give a file call up after so long in all: what a large tree or file may take
    #[arg(long, value_name = "SECONDS", default_value_t = limits::TREE_TIME.as_secs(), value_parser = seconds())]
    tree_seconds: u64,
    #[command(flatten)]
    remote: Remote,
}

/// Up to a day.
fn seconds() -> RangedU64ValueParser {
    RangedU64ValueParser::new().range(1..=86_400)
}

const EXAMPLES: &str = "\
Examples:
  lockgate serve                                  on a free port; the URL is the only line on stdout
  lockgate serve --listen ws://127.0.0.1:7000
  lockgate serve --listen stdio                   for a client that starts its server
  lockgate serve --remote https://rendezvous.example --environment-id box
                                                  through a rendezvous (docs/remote.md)
  lockgate serve --config lockgate.toml           with policies (docs/policies.md)
  lockgate exec-server --listen ws://127.0.0.1:0  the same, as the reference calls it

Who can connect can run commands as you: listen on addresses that only your clients reach. GET /readyz and \
GET /livez are for probes.

Files of sandboxed requests go through the capability gate. Processes are not confined: one that asks for a sandbox \
is refused. If this machine itself is the sandbox, a container or a VM that holds nothing else, say so with \
--process-sandbox external: then it is started, and not confined. `lockgate doctor` tells what holds here.";

/// The other name of `serve`, which is the reference's.
pub(crate) const EXEC_SERVER: &str = "exec-server";

/// `--process-sandbox`.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sandboxed {
    Refuse,
    External,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    // Forks, so it comes before any thread, and before there is a log. Nothing of it is needed for a mistake in the
    // arguments, which has been looked for before.
    let config = args.config.load()?;
    let own = config.keep()?;
    let mut options = args.options(&config, own.clone())?;
    let guardian = Guardian::start();
    logging::start();
    guardian.announce();
    warn(&options);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start: {error}")))?;
    let policies = policy_gate::open(&config, own)?;
    options.policy = policies.as_ref().map(|opened| opened.options.clone());
    let outcome = runtime.block_on(lockgate_server::serve(options));
    if let Some(policies) = policies {
        policies.end();
    }
    // Calls that hang in the kernel do not hold the exit.
    runtime.shutdown_background();
    outcome.map_err(|error| match error {
        ServeError::Gate(reason) => Failure::new(config.files.blame(reason)),
        error => Failure::new(error.to_string()),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// What an operator should not learn from an incident.
fn warn(options: &Options) {
    if options.remote.is_none()
        && let ListenUrl::WebSocket(address) = options.listen
        && !address.ip().is_loopback()
    {
        tracing::warn!(
            "{address} is reached from other machines and clients are not authenticated: whoever connects can run \
             commands as this user"
        );
    }
    if options.process_sandbox == ProcessSandbox::External {
        tracing::warn!(
            "--process-sandbox external: processes that ask for a sandbox run, and this executor does not confine them"
        );
    }
}

/// A script that calls us as it calls the reference waits for the reference's words.
fn announced() -> Announced {
    match std::env::args_os().nth(1) {
        Some(name) if name == EXEC_SERVER => Announced::ExecServer,
        _ => Announced::Lockgate,
    }
}

impl Args {
    fn times(&self) -> Result<Times, Failure> {
        if self.tree_seconds < self.file_seconds {
            return Err(Failure::usage(format!(
                "--tree-seconds {} is less than --file-seconds {}: a tree takes many calls, give it at least the time of one",
                self.tree_seconds, self.file_seconds
            )));
        }
        Ok(Times {
            operation: Duration::from_secs(self.file_seconds),
            tree: Duration::from_secs(self.tree_seconds),
        })
    }

    fn options(&self, config: &Config, own: Own) -> Result<Options, Failure> {
        let listen: ListenUrl = self
            .listen
            .as_deref()
            .unwrap_or("ws://127.0.0.1:0")
            .parse()
            .map_err(|error| Failure::usage(format!("{error}")))?;
        Ok(Options {
            listen,
            remote: self.remote.options(announced())?,
            process_sandbox: match self.process_sandbox {
                Sandboxed::Refuse => ProcessSandbox::Refuse,
                Sandboxed::External => ProcessSandbox::External,
            },
            capfs: lockgate_capfs::Options {
                times: self.times()?,
                own,
                ..config.files.gate()?
            },
            ledger: LedgerChoice::default(),
            policy: None,
            http: config.http.clone(),
        })
    }
}
