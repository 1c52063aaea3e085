//! The command line as a whole: which subcommands there are, and what each starts.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::{Failure, USAGE};
use crate::{
    discover, doctor, environment, exec, fs, mcp, policy, rendezvous, serve, shell, version,
};

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
  lockgate exec --remote URL --environment-id box -- uname
                                                    behind NAT, through a rendezvous
  lockgate fs cat --read . README.md                read a file through the gate
  lockgate doctor                                   what is enforced here, and what is not

Without --url, --env and --remote, commands start a server of their own and end it when they are done.
LOCKGATE_LOG=info (or debug, or a filter such as lockgate_server=trace) shows more on stderr.
LOCKGATE_CACHE_DIR=DIR keeps compiled guests there and not in ~/.cache/lockgate.";

#[derive(Subcommand)]
enum Command {
    #[command(alias = serve::EXEC_SERVER)]
    Serve(serve::Args),
    Exec(exec::Args),
    Shell(shell::Args),
    Fs(fs::Args),
    Env(environment::Args),
    Discover(discover::Args),
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
        Command::Discover(args) => discover::run(args),
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
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    tell!("lockgate: {}", text.trim_end());
    ExitCode::from(USAGE)
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    #[test]
    fn the_command_line_is_well_formed() {
        super::CommandLine::command().debug_assert();
    }

    /// Whoever copies an example from a help text is understood.
    #[test]
    fn every_example_of_every_help_text_is_a_command_line() {
        let mut texts = Vec::new();
        help_texts(&super::CommandLine::command(), &mut texts);
        let examples = texts.iter().flat_map(|text| text.lines());
        let examples = examples.filter_map(|line| commands(line.strip_prefix("  ")?));
        let wrong: Vec<String> = examples
            .flatten()
            .filter_map(|words| {
                let error = super::CommandLine::try_parse_from(&words).err()?;
                error.use_stderr().then(|| format!("{words:?}: {error}"))
            })
            .collect();
        assert!(texts.len() > 10 && wrong.is_empty(), "{}", wrong.join("\n"));
    }

    fn help_texts(command: &clap::Command, texts: &mut Vec<String>) {
        texts.extend(command.get_after_help().map(ToString::to_string));
        for one in command.get_subcommands() {
            help_texts(one, texts);
        }
    }

    /// The commands of ours in a line as a shell would take it: what stands behind two spaces is a remark.
    fn commands(line: &str) -> Option<Vec<Vec<String>>> {
        line.contains("lockgate ").then_some(())?;
        let (mut all, mut words, mut word) = (Vec::new(), Vec::new(), None::<String>);
        let (mut quote, mut spaces) = (false, 0);
        for character in line.chars().chain([' ']) {
            spaces = if character == ' ' && !quote {
                spaces + 1
            } else {
                0
            };
            match character {
                '\'' => {
                    quote = !quote;
                    word.get_or_insert_default();
                }
                ' ' if !quote && spaces > 1 => break,
                ' ' if !quote => words.extend(word.take()),
                _ => word.get_or_insert_default().push(character),
            }
        }
        for part in words.split(|word| ["|", "&&"].contains(&&**word)) {
            let ours = part.iter().position(|word| word == "lockgate");
            // Before it are variables.
            let is_ours = |at: usize| part[..at].iter().all(|word| word.contains('='));
            all.extend(ours.filter(|at| is_ours(*at)).map(|at| part[at..].to_vec()));
        }
        Some(all)
    }
}
