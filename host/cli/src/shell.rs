//! `lockgate shell`: the server's shell in this terminal.

use std::path::PathBuf;
use std::process::ExitCode;

use lockgate_client::Client;
use lockgate_wire::Method;

use crate::away::Resume;
use crate::exec::{directory, start_failure, start_params, variable};
use crate::failure::{Failure, USAGE};
use crate::follow::{Follow, Input};
use crate::server::{self, Server};
use crate::{runtime, terminal};

/// Open a shell in this terminal
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    resume: Resume,
    /// Directory to start in, from this one, or with --url, --env or --remote from the server's; without it that one
    #[arg(long, value_name = "DIR")]
    cwd: Option<PathBuf>,
    /// Set a variable on top of the server's environment (repeatable)
    #[arg(short = 'e', long, value_name = "K=V", value_parser = variable)]
    set: Vec<(String, String)>,
}

const EXAMPLES: &str = "\
Examples:
  lockgate shell
  lockgate shell --url ws://10.0.0.7:7000
  lockgate shell --env box

All keys go to the shell, Ctrl-C as well, and the window's size follows yours. Ctrl-] typed three times ends \
the session from here, also when the server hangs.";

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    if !terminal::is_interactive() {
        let text = "shell needs a terminal on stdin and stdout; use `lockgate exec` in scripts";
        return Err(Failure::new(text).with_code(USAGE));
    }
    runtime::run(async {
        server::with(
            &args.server,
            Some(args.resume.window()),
            async |client: &Client| {
                let shell = match client.environment() {
                    Some(environment) => environment.shell.path.clone(),
                    // Of before there was a way to ask.
                    None => "/bin/sh".to_owned(),
                };
                let cwd = directory(client, &args.server, args.cwd.as_ref())?;
                let env = args.set.iter().cloned().collect();
                let params = start_params(client, vec![shell.clone()], cwd, env, true, true);
                let process = client
                    .start(&params)
                    .await
                    .map_err(|error| start_failure(error, &shell))?;
                if params.size.is_none()
                    && client.has(Method::LockgateProcessResize)
                    && let Some(size) = terminal::size()
                {
                    process.handle.resize(size.rows, size.cols).await?;
                }
                let input = Input::Ours {
                    raw: terminal::Raw::enter(),
                };
                Follow { client, tty: true }
                    .to_its_end(process, input)
                    .await
            },
        )
        .await
        .map_err(Failure::ours)
    })
}
