//! The command line as a whole: which subcommands there are, and what each starts.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::{Failure, USAGE};
use crate::{doctor, environment, exec, fs, mcp, policy, rendezvous, serve, shell, version};

/// A remote executor: processes, terminals and files for a harness, with files gated by capabilities.
#[derive(Parser)]
#[command(name = "lockgate", version, max_term_width = 100, after_help = EXAMPLES)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  lockgate serve --listen ws://127.0.0.1:7000       serve clients on this machine
  lockgate exec -- make test                        run a command in a server of its own
  lockgate exec --url ws://127.0.0.1:7000 -- uname  run it on that server
  lockgate exec --env box -- uname                  run it in the environment of that name
  lockgate fs cat --read . README.md                read a file through the gate
  lockgate doctor                                   what is enforced here, and what is not

Without --url and --env, commands start a server of their own and end it when they are done.
LOCKGATE_LOG=info (or debug, or a filter such as lockgate_server=trace) shows more on stderr.
LOCKGATE_CACHE_DIR=DIR keeps compiled guests there and not in ~/.cache/lockgate.";

#[derive(Subcommand)]
enum Command {
    #[command(alias = "exec-server")]
    Serve(serve::Args),
    Exec(exec::Args),
    Shell(shell::Args),
    Fs(fs::Args),
    Env(environment::Args),
    Mcp(mcp::Args),
    Policy(policy::Args),
    Rendezvous(rendezvous::Args),
    Doctor(doctor::Args),
    Version(version::Args),
}

/// Runs what the arguments say.
pub(crate) fn run() -> ExitCode {
    let line = match CommandLine::try_parse() {
        Ok(line) => line,
        Err(error) => return usage(&error),
    };
    let outcome = match line.command {
        Command::Serve(args) => serve::run(args),
        Command::Exec(args) => exec::run(args),
        Command::Shell(args) => shell::run(args),
        Command::Fs(args) => fs::run(args),
        Command::Env(args) => environment::run(args),
        Command::Mcp(args) => mcp::run(args),
        Command::Policy(args) => policy::run(args),
        Command::Rendezvous(args) => rendezvous::run(args),
        Command::Doctor(args) => doctor::run(args),
        Command::Version(args) => version::run(args),
    };
    outcome.unwrap_or_else(Failure::report)
}

/// Help and version go to stdout; mistakes to stderr, in the words of all our errors.
fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let text = error.render().to_string();
    eprint!(
        "lockgate: {}",
        text.strip_prefix("error: ").unwrap_or(&text)
    );
    ExitCode::from(USAGE)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        super::CommandLine::command().debug_assert();
    }
}
