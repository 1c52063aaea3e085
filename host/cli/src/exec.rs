//! `lockgate exec`: a command somewhere else, as if it ran here.

use std::collections::BTreeMap;
use std::io::stdin;
use std::path::PathBuf;
use std::process::ExitCode;

use lockgate_client::{Client, ClientError};
use lockgate_grant::AbsPath;
use lockgate_wire::process::{EnvPolicy, Inherit, StartParams};
use lockgate_wire::{Method, code};

use crate::away::Resume;
use crate::failure::{Failure, NOT_EXECUTABLE, NOT_FOUND, OURS};
use crate::follow::{Follow, Input};
use crate::server::{self, Server};
use crate::{runtime, terminal};

/// Run a command and pass its input, output, signals and exit code
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    resume: Resume,
    /// Give the command a terminal
    #[arg(short, long)]
    tty: bool,
    /// Directory to run in, from this one, or with --url, --env or --remote from the server's; without it that one
    #[arg(long, value_name = "DIR")]
    cwd: Option<PathBuf>,
    /// Set a variable on top of the server's environment (repeatable)
    #[arg(short = 'e', long, value_name = "K=V", value_parser = variable)]
    set: Vec<(String, String)>,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "CMD")]
    command: Vec<String>,
}

const EXAMPLES: &str = "\
Examples:
  lockgate exec -- cargo test
  tar c src | lockgate exec --url ws://10.0.0.7:7000 --cwd /build -- tar x
  lockgate exec --env box -e CI=1 -- make test
  lockgate exec --tty -- top

The exit code is the command's, 128 + n when signal n ended it. 125 means that lockgate itself failed or that the executor denied it, \
126 that the command cannot be run, 127 that there is none. Ctrl-C is sent on as an interrupt; the third one kills.

The output is complete when exec returns: programs left in the background that still hold the output keep it waiting. \
With --tty they do not.";

/// `K=V`.
pub(crate) fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    runtime::run(async {
        server::with(
            &args.server,
            Some(args.resume.window()),
            async |client: &Client| {
                let cwd = directory(client, &args.server, args.cwd.as_ref())?;
                // Without a way to say that the input ends, a command that reads it all would never return: better none.
                let input =
                    args.tty || client.has(Method::LockgateProcessCloseStdin) || !is_empty_input();
                let params = start_params(
                    client,
                    args.command.clone(),
                    cwd,
                    args.set.iter().cloned().collect(),
                    args.tty,
                    input,
                );
                let process = client
                    .start(&params)
                    .await
                    .map_err(|error| start_failure(error, &args.command[0]))?;
                let input = match input {
                    true => Input::Ours {
                        raw: args.tty.then(terminal::Raw::enter).flatten(),
                    },
                    false => Input::None,
                };
                Follow {
                    client,
                    tty: args.tty,
                }
                .to_its_end(process, input)
                .await
            },
        )
        .await
        .map_err(Failure::ours)
    })
}

/// `</dev/null` or a closed stdin.
fn is_empty_input() -> bool {
    use rustix::fs::{FileType, fstat, major, minor};
    fstat(stdin()).is_ok_and(|stat| {
        FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice
            && (major(stat.st_rdev), minor(stat.st_rdev)) == (1, 3)
    })
}

/// Where the command runs.
pub(crate) fn directory(
    client: &Client,
    server: &Server,
    wanted: Option<&PathBuf>,
) -> Result<AbsPath, Failure> {
    let begins = server.beginning(client)?;
    match wanted {
        Some(path) => begins.path(path),
        None => Ok(begins.directory()),
    }
}

/// A start with the server's whole environment under `env`.
pub(crate) fn start_params(
    client: &Client,
    argv: Vec<String>,
    cwd: AbsPath,
    mut env: BTreeMap<String, String>,
    tty: bool,
    input: bool,
) -> StartParams {
    if tty {
        // The server's terminal, if it has any, is another one.
        for name in ["TERM", "COLORTERM"] {
            if let Ok(value) = std::env::var(name) {
                env.entry(name.to_owned()).or_insert(value);
            }
        }
    }
    let ours = client.capabilities().and_then(|all| all.lockgate.as_ref());
    StartParams {
        process_id: format!("cli-{}", std::process::id()).into(),
        metadata: None,
        argv,
        cwd: client.path(cwd),
        env_policy: Some(EnvPolicy {
            inherit: Inherit::All,
            ignore_default_excludes: true,
            exclude: Vec::new(),
            set: BTreeMap::new(),
            include_only: Vec::new(),
        }),
        env,
        tty,
        pipe_stdin: input && !tty,
        arg0: None,
        sandbox: None,
        enforce_managed_network: false,
        managed_network: None,
        network_proxy: None,
        shell_snapshot: None,
        size: if tty && ours.is_some_and(|ours| ours.start_size) {
            terminal::size()
        } else {
            None
        },
        // `exec | less` is to lose nothing, however long somebody reads a page.
        wait_for_reader: ours.is_some_and(|ours| ours.start_wait_for_reader),
    }
}

/// The shell's exit codes for programs that are not there or cannot be run.
pub(crate) fn start_failure(error: ClientError, program: &str) -> Failure {
    let ClientError::Server { code, message } = error else {
        return Failure::from(error);
    };
    // Servers of the reference send the system's text alone.
    let of_policies =
        message.starts_with("policy \"") || message.starts_with("the operator's default ");
    // The directory is not the program's fault.
    let of_the_directory = message.starts_with("cannot use cwd ");
    let text = match of_policies || of_the_directory || message.contains(program) {
        true => message,
        false => format!("cannot run {program}: {message}"),
    };
    let of_the_program = code == code::INTERNAL && !text.contains("cwd");
    let exit_code = match text.rsplit_once("(os error ") {
        Some((_, "2)")) if of_the_program => NOT_FOUND,
        Some((_, "13)")) if of_the_program => NOT_EXECUTABLE,
        _ => OURS,
    };
    Failure::new(text).with_code(exit_code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_there_or_cannot_run_has_the_exit_code_of_shells() {
        let refused = |code, message: &str| ClientError::Server {
            code,
            message: message.to_owned(),
        };
        for (error, exit_code, text) in [
            (
                refused(-32603, "No such file or directory (os error 2)"),
                127,
                "cannot run ls: No such file or directory (os error 2)",
            ),
            (
                refused(-32603, "cannot run ls: Permission denied (os error 13)"),
                126,
                "cannot run ls: Permission denied (os error 13)",
            ),
            (
                refused(
                    -32603,
                    "cannot use cwd /a: No such file or directory (os error 2)",
                ),
                125,
                "cannot use cwd /a: No such file or directory (os error 2)",
            ),
            (
                refused(-32600, "process p already exists"),
                125,
                "cannot run ls: process p already exists",
            ),
        ] {
            let failure = start_failure(error, "ls");
            assert_eq!(
                (failure.code(), failure.to_string().as_str()),
                (exit_code, text)
            );
        }
    }

    #[test]
    fn variables_have_a_name() {
        assert_eq!(variable("A=b=c"), Ok(("A".into(), "b=c".into())));
        assert_eq!(variable("A="), Ok(("A".into(), String::new())));
        assert!(variable("A").is_err() && variable("=a").is_err());
    }
}
