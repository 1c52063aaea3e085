//! `lockgate mcp`: an executor as tools, for agents that speak the Model Context Protocol.

mod listen;
mod secrets;

use std::io::{ErrorKind, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use lockgate_client::{Approver, Client, ConnectOptions};
use lockgate_grant::{AbsPath, Sandbox};
use lockgate_mcp::face::{
    Access, Commands, Connect, Directory, Face, FaceError, Files, Http, HttpOptions, Rules,
    holds_too_much, over_stdio, too_much,
};
use tokio::signal::unix::{SignalKind, signal};

use crate::config;
use crate::failure::Failure;
use crate::profile::{self, Profile};
use crate::serve::Sandboxed;
use crate::server::Server;
use crate::{environment, here, logging};
use secrets::Secret;

/// Serve an executor to agents, as tools of the Model Context Protocol
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    config: config::Source,
    #[command(flatten)]
    profile: Profile,
    /// No profile: let tools read and write whatever the executor's user may, and run commands
    #[arg(long, conflicts_with_all = ["read", "write", "deny", "deny_glob"])]
    unrestricted: bool,
    /// Whether commands run although files are restricted; external: yes, because the executor's machine is itself the sandbox. The executor of --url, --env or --remote has to be
    /// started with it, too, or refuses each command
    #[arg(long, value_name = "HOW", value_enum, default_value_t = Sandboxed::Refuse)]
    process_sandbox: Sandboxed,
    /// Where relative paths begin and commands run; without it this directory, or with --url, --env or --remote the executor's, where a relative one begins, too
    #[arg(long, value_name = "DIR")]
    cwd: Option<PathBuf>,
    /// Give commands all variables of the executor, also those whose names contain KEY, SECRET or TOKEN
    #[arg(long)]
    all_variables: bool,
    #[command(flatten)]
    listen: listen::Listen,
}

const EXAMPLES: &str = "\
Examples:
  lockgate mcp                                   this directory, over stdin and stdout
  lockgate mcp --write . --read /usr/share/doc   this directory, and another one to read
  lockgate mcp --unrestricted                    everything you may, with commands
  lockgate mcp --process-sandbox external        in a container: this directory, with commands
  lockgate mcp --env box --unrestricted          an executor somewhere else
  lockgate mcp --config lockgate.toml            with policies, which may ask a person
  lockgate mcp --listen 127.0.0.1:7300 --bearer-file ~/mcp.token --cwd /work
                                                 for many clients, over HTTP

In a client's configuration:
  { \"mcpServers\": { \"lockgate\": { \"command\": \"lockgate\", \"args\": [\"mcp\", \"--cwd\", \"/work\"] } } }

Relative paths and patterns of a profile begin where relative paths of tools do (--cwd).

Without a profile (--read, --write, --deny, --deny-glob) and without --unrestricted, tools read and write in the working directory \
and see nothing else; .mcp.json, .vscode/mcp.json, .cursor/mcp.json, .claude and .envrc in it stay as they are (--write . allows them). The directory must be neither / nor your home directory. The profile holds for every call, and nothing that a client says widens it. Lockgate does not confine processes: \
while files are restricted there is no tool to run commands, unless --process-sandbox external says that the machine is the sandbox.

Policies of the executor hold as for any client. A policy that asks is put to the person at the MCP client (elicitation); where the client \
cannot ask, it is a no. With --url, --env and --remote the executor's own configuration says which policies there are.

Over HTTP the URL is the only line on stdout. Each session has an executor of its own, and ends when the client says so, or after an hour \
without a message. Requests from browsers (Origin) and for other hosts than this address are refused. Tools for files are kept from the files of \
--bearer-file and --token-file, whatever is granted; with --unrestricted they are not, and commands never are.

A session, with its processes, ends with stdin, or on SIGTERM. docs/mcp.md tells more.";

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    let access = Arc::new(args.access()?);
    let listen = args.listen.options()?;
    let open = args.open_to_commands(&access, listen.as_ref());
    let connect = args.connect()?;
    logging::start();
    if let Some(open) = open {
        tracing::warn!("{open}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start: {error}")))?;
    let outcome = runtime.block_on(async {
        match listen {
            Some(options) => http(options, access, connect).await,
            None => stdio(access, connect).await,
        }
    });
    // A read of stdin that blocks does not hold the exit.
    runtime.shutdown_background();
    outcome
}

async fn stdio(access: Arc<Access>, connect: Connect) -> Result<ExitCode, Failure> {
    if std::io::stdin().is_terminal() {
        tell!(
            "lockgate: this speaks MCP on stdin and stdout, for a client that starts it; `lockgate mcp --help` shows how. Ctrl-D ends it."
        );
    }
    let stop = stop()?;
    let (input, output) = (tokio::io::stdin(), tokio::io::stdout());
    over_stdio(Face::new(access, connect), input, output, stop)
        .await
        .map_err(|error| Failure::new(error.to_string()))?;
    Ok(ExitCode::SUCCESS)
}

async fn http(
    options: HttpOptions,
    access: Arc<Access>,
    connect: Connect,
) -> Result<ExitCode, Failure> {
    let stop = stop()?;
    let address = options.listen;
    if !address.ip().is_loopback() {
        tracing::warn!(
            "{address} is reached from other machines, and what they send is not encrypted here, their token neither: put something in front of it that does TLS"
        );
    }
    let http = Http::bind(options, access, connect);
    let http = http.await.map_err(|error| match &error {
        FaceError::Listen { reason, .. } if reason.kind() == ErrorKind::AddrInUse => {
            Failure::new(format!("{error}; choose another port, or port 0 for any"))
        }
        _ => Failure::new(error.to_string()),
    })?;
    // The one line of stdout, for whoever started this to find it.
    writeln!(std::io::stdout(), "{}", http.url()).map_err(|_| Failure::unread())?;
    http.serve(stop).await;
    Ok(ExitCode::SUCCESS)
}

/// Returns when somebody wants this program to end.
fn stop() -> Result<impl Future<Output = ()>, Failure> {
    let failed = |error| Failure::new(format!("cannot listen for signals: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut hang_up = signal(SignalKind::hangup()).map_err(failed)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hang_up.recv() => {}
        }
    })
}

impl Args {
    fn access(&self) -> Result<Access, Failure> {
        let directory = self.directory()?;
        let files = match self.rules(&directory)? {
            Some(rules) => Files::Granted(rules),
            None if self.unrestricted => Files::Everything,
            None => Files::Workspace,
        };
        if let (Directory::At(directory), Files::Granted(rules)) = (&directory, &files) {
            (rules.profile)(directory, self.home().as_ref()).map_err(Failure::usage)?;
        }
        let commands = match (&files, self.process_sandbox) {
            (Files::Everything, _) | (_, Sandboxed::External) => Commands::Yes {
                secrets: self.all_variables,
            },
            (_, Sandboxed::Refuse) if self.all_variables => {
                return Err(Failure::usage(
                    "--all-variables is about commands, and none run here: give --process-sandbox external or --unrestricted, too",
                ));
            }
            (_, Sandboxed::Refuse) => Commands::No,
        };
        let kept = match &files {
            Files::Everything => Vec::new(),
            Files::Workspace | Files::Granted(_) => secrets::kept(&self.secrets())?,
        };
        let access = Access {
            files,
            commands,
            directory,
            kept,
        };
        // Of an executor somewhere else it is looked at, and its handshake tells which home is there.
        if self.server.is_own()
            && let Directory::At(directory) = &access.directory
            && !directory.as_path().is_dir()
        {
            return Err(Failure::usage(format!(
                "--cwd {directory}: there is no such directory"
            )));
        }
        if let Directory::At(directory) = &access.directory
            && access.is_too_much(directory, self.home().as_ref())
        {
            return Err(Failure::usage(too_much(directory)));
        }
        Ok(access)
    }

    fn secrets(&self) -> Vec<Secret<'_>> {
        let named = [
            ("--bearer-file", self.listen.bearer_file()),
            ("--token-file", self.server.token_file()),
        ];
        let given = named.into_iter();
        given
            .filter_map(|(option, file)| {
                Some(Secret {
                    option,
                    file: file?,
                })
            })
            .collect()
    }

    /// What an operator is to know of a token where commands run on this machine.
    fn open_to_commands(&self, access: &Access, listen: Option<&HttpOptions>) -> Option<String> {
        let has_token = listen.is_some_and(|options| options.token.is_some());
        let run_here = access.commands != Commands::No && self.server.is_own();
        (has_token && run_here).then(|| secrets::open_to_commands(self.listen.bearer_file()))
    }

    /// Of an executor somewhere else a relative one is found out there.
    fn directory(&self) -> Result<Directory, Failure> {
        Ok(match &self.cwd {
            Some(path) if !self.server.is_own() && here::is_relative(path) => {
                Directory::OfExecutor(path.clone())
            }
            Some(path) => Directory::At(here::path(path)?),
            None if self.server.is_own() => Directory::At(here::directory()?),
            // This directory need not exist there.
            None => Directory::OfExecutor(PathBuf::new()),
        })
    }

    /// On this machine; that of an executor somewhere else its handshake tells.
    fn home(&self) -> Option<AbsPath> {
        let home = std::env::home_dir().filter(|_| self.server.is_own());
        home.and_then(|home| AbsPath::parse(home).ok())
    }

    fn rules(&self, directory: &Directory) -> Result<Option<Rules>, Failure> {
        // What hangs on no directory is told at once.
        let root = AbsPath::root();
        let from = match directory {
            Directory::At(directory) => directory,
            Directory::OfExecutor(_) => &root,
        };
        let is_here = self.server.is_own();
        let Some(sandbox) = self.profile.sandbox(from, is_here)? else {
            return Ok(None);
        };
        profile::check(&sandbox)?;
        let profile = self.profile.clone();
        Ok(Some(Rules {
            are_relative: profile.is_relative(),
            profile: Arc::new(move |from, home| {
                no_write_is_too_much(&profile, from, home)?;
                let in_words = |failure: Failure| failure.to_string();
                let sandbox = profile.sandbox(from, is_here).map_err(in_words)?;
                let sandbox = sandbox.unwrap_or_else(|| Sandbox::restricted([]));
                profile::check(&sandbox).map_err(in_words)?;
                Ok(sandbox)
            }),
        }))
    }

    /// What opens connections. What is wrong with an executor of our own is said now, and better than by a server that is gone.
    fn connect(self) -> Result<Connect, Failure> {
        let own = match self.server.is_own() {
            true => Some(self.own()?),
            false if self.config.is_given() => {
                return Err(Failure::usage(
                    "--config is for an executor that is started here; the one at --url, --env or --remote has its own",
                ));
            }
            false => {
                self.server.check()?;
                None
            }
        };
        let server = Arc::new(self.server);
        Ok(Arc::new(move |approver| {
            let (server, own) = (Arc::clone(&server), own.clone());
            Box::pin(async move {
                let options = options(approver);
                let client = match own {
                    Some(own) => {
                        let mut command = own.command();
                        command.env_remove(listen::VARIABLE);
                        Client::spawn_stdio(command, options)
                            .await
                            .map_err(Failure::from)
                    }
                    None => server.connect_with(options).await,
                };
                client.map_err(|failure| failure.to_string())
            })
        }))
    }

    fn own(&self) -> Result<lockgate_client::environments::config::Program, Failure> {
        let mut own = environment::own_with(&self.config)?;
        if self.process_sandbox == Sandboxed::External {
            own.args
                .extend(["--process-sandbox", "external"].map(str::to_owned));
        }
        Ok(own)
    }
}

/// Clients start their servers anywhere: `--write .` is refused where it would be `/` or a home directory. Whoever means that names it.
fn no_write_is_too_much(
    profile: &Profile,
    from: &AbsPath,
    home: Option<&AbsPath>,
) -> Result<(), String> {
    let mut writes = profile.relative_writes(from);
    match writes.find(|(_, path)| holds_too_much(path, home)) {
        None => Ok(()),
        Some((given, path)) => Err(format!(
            "--write {} is {path}, which holds a home directory or everything: say with --cwd DIR where relative paths begin, or name it in full \
             if it is meant",
            given.display()
        )),
    }
}

fn options(approver: Approver) -> ConnectOptions {
    ConnectOptions {
        client_name: concat!("lockgate-mcp/", env!("CARGO_PKG_VERSION")).to_owned(),
        approver: Some(approver),
        // All that a process writes is taken in at once here; none is lost to a flood of another.
        wait_for_readers: true,
        ..ConnectOptions::default()
    }
}
