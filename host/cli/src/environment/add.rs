//! `lockgate env add`: writes an environment into the file, and touches nothing else in it.

use std::fs::{DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use lockgate_client::environments::config;
use lockgate_client::environments::provider::{self, Source};
use rustix::fs::{FlockOperation, flock};
use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, Value};

use super::{said, source};
use crate::edit::{set, write_over, written};
use crate::exec::variable;
use crate::failure::Failure;
use crate::here;
use crate::output::print;

/// Write an environment into environments.toml, which is made where it is missing
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  lockgate env add box --url ws://10.0.0.7:7000 --default
  lockgate env add cluster -- ssh cluster lockgate serve --listen stdio
  lockgate env add box --replace --url ws://10.0.0.8:7000 --connect-timeout 2.5

Remarks and everything else in the file stay as they are. The whole file is checked before it is written, and written all at once. \
What is said of an environment that is replaced stays where nothing else is said of it, if it goes with the new one.")]
pub(crate) struct Args {
    /// How it is to be called: letters, digits, - and _
    #[arg(value_name = "NAME")]
    name: String,
    /// The executor's address (ws://HOST:PORT)
    #[arg(long, value_name = "URL", required_unless_present = "command")]
    url: Option<String>,
    /// The program that is an executor, or leads to one, on its standard input and output; after --
    #[arg(last = true, value_name = "PROGRAM", conflicts_with = "url")]
    command: Vec<String>,
    /// How long connecting may take
    #[arg(long, value_name = "SECONDS", requires = "url", value_parser = seconds)]
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
    /// Make it the one that is meant where none is named
    #[arg(long)]
    default: bool,
    /// Put it in the place of the one of that name
    #[arg(long)]
    replace: bool,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "expected seconds".to_owned())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(Duration::ZERO) => Err(
            "nothing is done in no time; 10 seconds is what it is if you leave it out".to_owned(),
        ),
        Ok(_) => Ok(seconds),
        Err(error) => Err(error.to_string()),
    }
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    config::check_id(&args.name).map_err(Failure::usage)?;
    let file = provider::file(|name| std::env::var_os(name)).ok_or_else(|| {
        Failure::usage("there is no place for environments.toml: set LOCKGATE_HOME to a directory")
    })?;
    // Whose variable loses its meaning with a first file.
    let before = source();
    let said = write(&args, &file)?;
    let default = match args.default {
        true => ", and is the default",
        false => "",
    };
    print(&format!(
        "{} {said} {}{default}\n",
        args.name,
        file.display()
    ))?;
    if let Source::Variable { name, .. } = before {
        eprintln!("lockgate: {name} is not looked at any more: the file comes first");
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes it, and says what that was.
fn write(args: &Args, file: &Path) -> Result<&'static str, Failure> {
    let cannot = |error: std::io::Error| {
        Failure::new(format!("{} cannot be written: {error}", file.display()))
    };
    let home = file.parent().unwrap_or(Path::new("/"));
    // What is in there is its owner's business.
    let made = DirBuilder::new().recursive(true).mode(0o700).create(home);
    made.map_err(cannot)?;
    // Of two at once the second one adds to what the first one wrote. Held until this ends.
    let lock = File::open(home).map_err(cannot)?;
    flock(&lock, FlockOperation::LockExclusive).map_err(|error| cannot(error.into()))?;
    let before = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => {
            let file = file.display();
            return Err(Failure::new(format!("{file} cannot be read: {error}")));
        }
    };
    let check = |text: &str| {
        config::parse(text, file, Some(home))
            .map_err(|error| said(&Source::File(file.to_owned()), error))
    };
    // One that nobody would take is not made worse.
    let was = check(&before)?;
    let mut document: DocumentMut = before.parse().map_err(|error: toml_edit::TomlError| {
        Failure::usage(format!("{}: {error}", file.display()))
    })?;
    let place = was
        .environments
        .iter()
        .position(|entry| entry.id == args.name);
    if place.is_some() && !args.replace {
        return Err(Failure::usage(format!(
            "{} has an environment {} already: --replace puts this one in its place",
            file.display(),
            args.name
        )));
    }
    let tables = tables(&mut document, file)?;
    if place.is_none() {
        tables.push(Table::new());
    }
    let at = place.unwrap_or(tables.len().saturating_sub(1));
    let table = tables
        .get_mut(at)
        .ok_or_else(|| Failure::new(format!("{} has no such table", file.display())))?;
    fill(args, table)?;
    if args.default {
        set(&mut document, "default", args.name.as_str());
    }
    let after = written(document, &before);
    check(&after)?;
    if after != before {
        // Where the name is a link, what it leads to is written, and the link stays.
        let real = file.canonicalize().unwrap_or_else(|_| file.to_owned());
        // Variables may be secrets.
        write_over(&real, after.as_bytes(), 0o600).map_err(cannot)?;
    }
    Ok(match place {
        None => "is added to",
        Some(_) if after == before => "is in there already, and stays as it is in",
        Some(_) => "takes the place of the one before in",
    })
}

/// `[[environments]]`, made where it is missing.
fn tables<'a>(
    document: &'a mut DocumentMut,
    file: &Path,
) -> Result<&'a mut ArrayOfTables, Failure> {
    document
        .entry("environments")
        .or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()))
        .as_array_of_tables_mut()
        .ok_or_else(|| {
            Failure::usage(format!(
                "{}: `environments` is written in one line: write it as [[environments]], so that one can be added",
                file.display()
            ))
        })
}

/// What the table says then. What goes with the other way to an executor only is taken out.
fn fill(args: &Args, table: &mut Table) -> Result<(), Failure> {
    set(table, "id", args.name.as_str());
    match args.command.split_first() {
        None => {
            for key in ["program", "args", "env", "cwd"] {
                table.remove(key);
            }
            if let Some(url) = &args.url {
                set(table, "url", url.trim());
            }
        }
        Some((program, rest)) => {
            for key in ["url", "connect_timeout_sec", "args"] {
                table.remove(key);
            }
            set(table, "program", program.as_str());
            if !rest.is_empty() {
                set(table, "args", rest.iter().collect::<Array>());
            }
        }
    }
    if !args.set.is_empty() {
        let pairs = args.set.iter();
        let variables = pairs.map(|(name, text)| (name.as_str(), Value::from(text.as_str())));
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
