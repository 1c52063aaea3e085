//! `lockgate env`: the executors that have names, and `--env NAME` of the commands that use one.

mod add;
mod check;
mod file;
mod list;
mod remove;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Subcommand;
use lockgate_client::environments::config::{LOCAL, Program, Reach};
use lockgate_client::environments::provider::{self, Provider, Source};
use lockgate_client::environments::{Environment, EnvironmentError, Environments, Setup};
use lockgate_client::{Client, ConnectOptions};
use lockgate_relay::driver::without_query;
use serde_json::{Value, json};

use crate::config;
use crate::failure::Failure;

/// Give executors names, and see whether they answer
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

const EXAMPLES: &str = "\
Examples:
  lockgate env add box --url ws://10.0.0.7:7000
  lockgate env add cluster -- ssh cluster lockgate serve --listen stdio
  lockgate env remove box
  lockgate env list
  lockgate env check                       connects to all of them
  lockgate exec --env box -- uname -a      so do shell and fs

They are in environments.toml, in $LOCKGATE_HOME, else in $CODEX_HOME, else in ~/.codex: the file that clients of codex read as well. \
Where there is none, $LOCKGATE_URL names one executor, else $CODEX_EXEC_SERVER_URL does; it is called remote. This machine is called local.";

#[derive(Subcommand)]
enum What {
    List(list::Args),
    Check(check::Args),
    Add(Box<add::Args>),
    Remove(remove::Args),
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    match args.what {
        What::List(args) => list::run(&args),
        What::Check(args) => check::run(args),
        What::Add(args) => add::run(&args),
        What::Remove(args) => remove::run(&args),
    }
}

/// Connects to the environment of that name.
pub(crate) async fn connect(name: &str, options: ConnectOptions) -> Result<Client, Failure> {
    // It will find the same configuration. What is wrong with that is better said by us than by a server that is gone.
    let own = (name == LOCAL).then(own).transpose()?;
    let environment = named(name, own, options)?;
    environment.client().await.map_err(|error| {
        Failure::new(format!(
            "environment {name}: {}",
            Failure::of_environment(error)
        ))
    })
}

/// Whether there is an environment of that name, without connecting to it.
pub(crate) fn check(name: &str) -> Result<(), Failure> {
    named(name, None, ConnectOptions::default()).map(|_| ())
}

fn named(
    name: &str,
    own: Option<Program>,
    options: ConnectOptions,
) -> Result<Arc<Environment>, Failure> {
    let source = source();
    let all = all(&source, own, options)?;
    all.resolve(Some(name)).map_err(|error| {
        let is_unknown = matches!(error, EnvironmentError::Unknown { .. });
        let unread = match (&source, unread()) {
            (Source::File(file), Some(variable)) if is_unknown => format!(
                "; {variable} is not looked at, because there is {}",
                file.display()
            ),
            _ => String::new(),
        };
        refused(error).and(&unread)
    })
}

/// The variable that would name an executor if there were no file.
fn unread() -> Option<&'static str> {
    let is_set = |name: &&str| std::env::var(name).is_ok_and(|text| !text.trim().is_empty());
    ["LOCKGATE_URL", "CODEX_EXEC_SERVER_URL"]
        .into_iter()
        .find(is_set)
}

/// An executor on this machine: this program.
pub(crate) fn own() -> Result<Program, Failure> {
    own_with(&config::Source::default())
}

/// The same, with a configuration file.
pub(crate) fn own_with(config: &config::Source) -> Result<Program, Failure> {
    config.load()?.files.gate()?;
    let program = std::env::current_exe().map_err(|error| {
        Failure::new(format!("cannot find the own program: {error}; use --url"))
    })?;
    Ok(Program {
        program,
        args: ["serve", "--listen", "stdio"]
            .map(str::to_owned)
            .into_iter()
            .chain(config.arguments())
            .collect(),
        ..Program::default()
    })
}

fn source() -> Source {
    provider::source(|name| std::env::var_os(name))
}

fn all(
    source: &Source,
    local: Option<Program>,
    connect: ConnectOptions,
) -> Result<Environments, Failure> {
    all_of(source, source, local, connect)
}

/// As that provider has them, which are those of `source`.
fn all_of(
    provider: &dyn Provider,
    source: &Source,
    local: Option<Program>,
    connect: ConnectOptions,
) -> Result<Environments, Failure> {
    let local = local.map(Reach::Program);
    Environments::new(provider, Setup { local, connect }).map_err(|error| said(source, error))
}

/// A rule says which entry breaks it, but not where that is.
fn said(source: &Source, error: EnvironmentError) -> Failure {
    match (&error, source) {
        (EnvironmentError::Rule(rule), Source::File(file)) => {
            // The reference's words, which does not know of the third.
            let third = match rule.ends_with("exactly one of url or program") {
                true => ", or remote (the URL of a registry)",
                false => "",
            };
            Failure::usage(format!("{}: {rule}{third}", file.display()))
        }
        (EnvironmentError::Rule(rule), Source::Variable { name, .. }) => {
            Failure::usage(format!("{name}: {rule}"))
        }
        _ => refused(error),
    }
}

fn refused(error: EnvironmentError) -> Failure {
    let advice = match error {
        EnvironmentError::Unknown { .. } => "; `lockgate env add` adds one",
        _ => "",
    };
    Failure::usage(format!("{error}{advice}"))
}

/// Whether it is the one that is meant where none is named.
fn is_default(all: &Environments, environment: &Environment) -> bool {
    all.default()
        .is_some_and(|default| default.id() == environment.id())
}

/// How it is reached, for people. A URL may hold a signature.
fn shown(environment: &Environment) -> String {
    match environment.reach() {
        _ if environment.is_local() => "this machine".to_owned(),
        Some(Reach::Url { url, .. }) => without_query(url),
        Some(Reach::Registered(registered)) => registered.shown(),
        Some(Reach::Program(program)) => {
            let words = std::iter::once(program.program.to_string_lossy())
                .chain(program.args.iter().map(|word| word.into()));
            words
                .map(|word| quoted(&word))
                .collect::<Vec<_>>()
                .join(" ")
        }
        // None that is read from a file.
        Some(Reach::Connector(_)) | None => "nothing".to_owned(),
    }
}

/// A word as a shell would take it.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        return word.to_owned();
    }
    let mut text = String::from("'");
    for character in word.chars() {
        match character {
            '\'' => text.push_str(r"'\''"),
            // Nothing in a file draws on the terminal.
            character if character.is_control() => text.extend(character.escape_default()),
            character => text.push(character),
        }
    }
    text.push('\'');
    text
}

/// The same for programs. Of variables only the names: their values may be secrets.
fn described(environment: &Environment, is_default: bool) -> Value {
    let mut object = json!({ "id": environment.id(), "default": is_default });
    match environment.reach() {
        _ if environment.is_local() => {}
        Some(Reach::Url { url, .. }) => object["url"] = without_query(url).into(),
        // A command that prints a token may have one in it.
        Some(Reach::Registered(registered)) => {
            object["remote"] = without_query(&registered.registry).into();
            object["environmentId"] = registered.environment.as_str().into();
            object["remoteTransport"] = match registered.encrypt {
                true => "noise".into(),
                false => "direct".into(),
            };
        }
        Some(Reach::Program(program)) => {
            object["program"] = program.program.to_string_lossy().into();
            object["args"] = program.args.clone().into();
            object["env"] = program.env.keys().cloned().collect::<Vec<_>>().into();
            object["cwd"] = match &program.cwd {
                Some(cwd) => cwd.to_string_lossy().into(),
                None => Value::Null,
            };
        }
        Some(Reach::Connector(_)) | None => {}
    }
    object
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_are_shown_as_a_shell_would_take_them() {
        for (word, shown) in [
            ("serve", "serve"),
            ("a b", "'a b'"),
            ("", "''"),
            ("it's", r"'it'\''s'"),
            ("\u{1b}[2J", r"'\u{1b}[2J'"),
        ] {
            assert_eq!(quoted(word), shown);
        }
    }
}
