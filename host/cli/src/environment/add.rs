//! `lockgate env add`: writes an environment into the file, and touches nothing else in it.

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::ArgGroup;
use lockgate_client::EnvironmentId;
use lockgate_client::environments::config;
use lockgate_client::environments::provider::Source;
use toml_edit::{Array, InlineTable, Table};

use super::file::{Editing, cannot, place};
use super::source;
use crate::edit::{in_one_line, set};
use crate::exec::variable;
use crate::failure::Failure;
use crate::here;
use crate::output::print;
use crate::remote::Transport;

/// Write an environment into environments.toml, which is made where it is missing
#[derive(clap::Args)]
#[command(group(ArgGroup::new("way").args(["url", "remote", "command"]).required(true)))]
#[command(override_usage = "\
lockgate env add [OPTIONS] <NAME> --url <URL>
       lockgate env add [OPTIONS] <NAME> --remote <URL> --environment-id <ID> --token-file <PATH>
       lockgate env add [OPTIONS] <NAME> -- <PROGRAM>...")]
#[command(after_help = "\
Examples:
  lockgate env add box --url ws://10.0.0.7:7000 --default
  lockgate env add cluster -- ssh cluster lockgate serve --listen stdio
  lockgate env add box --replace --url ws://10.0.0.8:7000 --connect-timeout 2.5
  lockgate env add far --remote https://rendezvous.example --environment-id box --token-file harness.token

Remarks and everything else in the file stay as they are. The whole file is checked before it is written, and written all at once. \
What is said of an environment that is replaced stays where nothing else is said of it, if it goes with the new one.")]
pub(crate) struct Args {
    /// How it is to be called: letters, digits, - and _
    #[arg(value_name = "NAME")]
    name: String,
    /// The executor's address (ws://HOST:PORT)
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Registry through which the executor of --environment-id is reached; only in a file of $LOCKGATE_HOME, since nobody else understands it
    #[arg(long, value_name = "URL", requires = "environment_id", requires = "token", conflicts_with_all = ["url", "command"])]
    remote: Option<String>,
    /// How the registry calls it
    #[arg(long, value_name = "ID", requires = "remote")]
    environment_id: Option<EnvironmentId>,
    /// Read the token from this file, whenever one is needed
    #[arg(long, value_name = "PATH", requires = "remote", group = "token")]
    token_file: Option<PathBuf>,
    /// Have this command print the token, whenever one is needed
    #[arg(long, value_name = "COMMAND", requires = "remote", group = "token")]
    token_command: Option<String>,
    /// noise: encrypt from end to end, and take nothing else, as it is if nothing is said; direct: let the rendezvous read it
    #[arg(long, value_name = "HOW", value_enum, requires = "remote")]
    remote_transport: Option<Transport>,
    /// The program that is an executor, or leads to one, on its standard input and output; after --
    #[arg(last = true, value_name = "PROGRAM", conflicts_with = "url")]
    command: Vec<String>,
    /// How long connecting may take
    #[arg(long, value_name = "SECONDS", conflicts_with = "command", value_parser = seconds)]
    connect_timeout: Option<f64>,
    /// How long the handshake may take
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    initialize_timeout: Option<f64>,
    /// Set a variable for the program (repeatable); it is written into the file as it is
    #[arg(short = 'e', long, value_name = "K=V", requires = "command", value_parser = variable)]
    set: Vec<(String, String)>,
    /// Directory to start the program in
    #[arg(long, value_name = "DIR", requires = "command")]
    cwd: Option<PathBuf>,
    /// Make it the one that harnesses take where none is named; exec, shell and fs work on this machine all the same, unless --env names it
    #[arg(long)]
    default: bool,
    /// Put it in the place of the one of that name
    #[arg(long)]
    replace: bool,
}

fn seconds(text: &str) -> Result<f64, String> {
    let wrong = || "expected seconds, a number from 0 to 1.8e19".to_owned();
    let seconds: f64 = text.parse().map_err(|_| wrong())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(Duration::ZERO) => Err(
            "nothing is done in no time; 10 seconds is what it is if you leave it out".to_owned(),
        ),
        Ok(_) => Ok(seconds),
        Err(_) => Err(wrong()),
    }
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    config::check_id(&args.name).map_err(Failure::usage)?;
    let file = place()?;
    let is_blank = |home: OsString| home.to_string_lossy().trim().is_empty();
    if args.remote.is_some() && std::env::var_os("LOCKGATE_HOME").is_none_or(is_blank) {
        return Err(Failure::usage(format!(
            "clients of codex read {} as well, and would refuse all of it for --remote, which they do not know: set LOCKGATE_HOME to a directory of Lockgate's own, and add it again; its environments.toml takes the place of that one, whose names are not seen then (`lockgate env add` them there, too)",
            file.display()
        )));
    }
    // Whose variable loses its meaning with a first file.
    let before = source();
    let said = write(args, &file)?;
    let default = match args.default {
        true => format!(
            ", and is the default of harnesses; exec, shell and fs go there with --env {}",
            args.name
        ),
        false => String::new(),
    };
    print(&format!(
        "{} {said} {}{default}\n",
        args.name,
        file.display()
    ))?;
    if let Source::Variable { name, .. } = before {
        tell!("lockgate: {name} is not looked at any more: the file comes first");
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes it, and says what that was.
fn write(args: &Args, file: &Path) -> Result<&'static str, Failure> {
    let home = file.parent().unwrap_or(Path::new("/"));
    // What is in there is its owner's business.
    let made = DirBuilder::new().recursive(true).mode(0o700).create(home);
    made.map_err(|error| cannot(file, &error))?;
    let mut editing = Editing::begin(file)?;
    let mut entries = editing.was.environments.iter();
    let place = entries.position(|entry| entry.id == args.name);
    if place.is_some() && !args.replace {
        return Err(Failure::usage(format!(
            "{} has an environment {} already: --replace puts this one in its place",
            file.display(),
            args.name
        )));
    }
    let tables = editing.tables()?;
    if place.is_none() {
        tables.push(Table::new());
    }
    let at = place.unwrap_or(tables.len().saturating_sub(1));
    let table = tables
        .get_mut(at)
        .ok_or_else(|| Failure::new(format!("{} has no such table", file.display())))?;
    fill(args, table)?;
    if args.default {
        editing.set_default(&args.name);
    }
    Ok(match (place, editing.end()?) {
        (None, _) => "is added to",
        (Some(_), false) => "is in there already, and stays as it is in",
        (Some(_), true) => "takes the place of the one before in",
    })
}

/// Keys that go with a way to an executor, and with which of them.
const WAYS: [(&str, &[Way]); 11] = [
    ("url", &[Way::Url]),
    ("program", &[Way::Program]),
    ("args", &[]),
    ("env", &[Way::Program]),
    ("cwd", &[Way::Program]),
    ("connect_timeout_sec", &[Way::Url, Way::Registry]),
    ("remote", &[Way::Registry]),
    ("environment_id", &[Way::Registry]),
    ("token_file", &[Way::Registry]),
    ("token_command", &[Way::Registry]),
    ("remote_transport", &[Way::Registry]),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Url,
    Program,
    Registry,
}

/// What the table says then. What goes with another way to an executor only is taken out.
fn fill(args: &Args, table: &mut Table) -> Result<(), Failure> {
    let way = match (&args.remote, args.command.is_empty()) {
        (Some(_), _) => Way::Registry,
        (None, true) => Way::Url,
        (None, false) => Way::Program,
    };
    for (key, ways) in WAYS {
        // What is said anew as a whole is not mixed with what was.
        if !ways.contains(&way) {
            table.remove(key);
        }
    }
    set(table, "id", args.name.as_str());
    if let Some(url) = &args.url {
        set(table, "url", url.trim());
    }
    if let Some((program, rest)) = args.command.split_first() {
        set(table, "program", in_one_line(program));
        if !rest.is_empty() {
            let rest = rest.iter().map(|argument| in_one_line(argument));
            set(table, "args", rest.collect::<Array>());
        }
    }
    if let Some(remote) = &args.remote {
        set(table, "remote", remote.trim());
    }
    if let Some(environment) = &args.environment_id {
        set(table, "environment_id", environment.as_str());
    }
    if let Some(path) = &args.token_file {
        table.remove("token_command");
        set(table, "token_file", here::path(path)?.to_string());
    }
    if let Some(line) = &args.token_command {
        table.remove("token_file");
        set(table, "token_command", in_one_line(line));
    }
    if let Some(how) = args.remote_transport {
        set(table, "remote_transport", how.name());
    }
    if !args.set.is_empty() {
        let pairs = args.set.iter();
        let variables = pairs.map(|(name, text)| (name.as_str(), in_one_line(text)));
        set(table, "env", variables.collect::<InlineTable>());
    }
    if let Some(cwd) = &args.cwd {
        set(table, "cwd", here::path(cwd)?.to_string());
    }
    for (key, seconds) in [
        ("connect_timeout_sec", args.connect_timeout),
        ("initialize_timeout_sec", args.initialize_timeout),
    ] {
        if let Some(seconds) = seconds {
            set(table, key, seconds);
        }
    }
    Ok(())
}
