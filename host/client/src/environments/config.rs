//! `environments.toml`: which executors there are, and how each is reached.
//!
//! Past [`parse`] nothing can be wrong any more: every rule is checked here, with the message that the reference gives, and a key
//! that nobody knows is refused at both levels, because a misspelt one would otherwise be ignored in silence. Five keys are our own ([`super::Registered`]).

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::fs::OFlags;
use url::Url;

use super::connector::Connector;
use super::nearest::nearest;
use super::registered::{self, Registered};
use crate::limits;
use written::{Document, Raw};

mod written;

/// This host, wherever a choice of environment is named.
pub const LOCAL: &str = "local";

/// No environment at all; in any case of letters.
pub const NONE: &str = "none";

/// What a file says, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The id that is used where none is named; `None` when execution is disabled.
    pub default: Option<String>,
    /// Whether [`LOCAL`] is there too.
    pub include_local: bool,
    /// In the order of the file.
    pub environments: Vec<Entry>,
    /// Whether a session starts with all of them, and not with the default alone: so it is with a file.
    pub starts_all: bool,
}

/// One executor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Unique in its file.
    pub id: String,
    /// Where it is.
    pub reach: Reach,
    /// For the handshake.
    pub initialize_timeout: Duration,
}

/// How an executor is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// Over a websocket.
    Url {
        /// `ws://` or `wss://`.
        url: String,
        /// For the connection itself.
        connect_timeout: Duration,
    },
    /// Through a registry.
    Registered(Registered),
    /// By a program that is started.
    Program(Program),
    /// As the embedder does it.
    Connector(Connector),
}

/// A program that is an executor, or a way to one: it is spoken to over its stdin and stdout.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Program {
    /// Looked up in PATH when it has no slash.
    pub program: PathBuf,
    /// As given.
    pub args: Vec<String>,
    /// Added to the inherited environment.
    pub env: BTreeMap<String, String>,
    /// Absolute.
    pub cwd: Option<PathBuf>,
}

impl Program {
    /// To be started.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args).envs(&self.env);
        if let Some(cwd) = &self.cwd {
            command.current_dir(cwd);
        }
        command
    }

    /// Why it cannot be started as it is written, in words of the file. A file that has such an entry is none the worse for the others, as in the reference.
    pub(super) fn check(&self) -> Result<(), String> {
        let has_nul = |text: &str| text.contains('\0');
        let program = self.program.as_os_str().as_bytes();
        if program.contains(&0) || self.args.iter().any(|argument| has_nul(argument)) {
            return Err("program and args must not contain NUL".to_owned());
        }
        let is_bad = |name: &&String| name.is_empty() || name.contains(['=', '\0']);
        if let Some(name) = self.env.keys().find(is_bad) {
            let name = name.escape_debug();
            return Err(format!(
                "env name `{name}` must be one: not empty, and without `=` and NUL"
            ));
        }
        match self.env.iter().find(|(_, value)| has_nul(value)) {
            Some((name, _)) => Err(format!("env value of `{name}` must not contain NUL")),
            None => Ok(()),
        }
    }
}

/// Why there is no such environment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // each message says what it is
pub enum EnvironmentError {
    #[error("failed to read environment config `{}`: {reason}", .path.display())]
    Read { path: PathBuf, reason: String },
    #[error("failed to parse environment config `{}`: {reason}", .path.display())]
    Parse { path: PathBuf, reason: String },
    #[error("{0}")]
    Rule(String),
    #[error("there is no default environment: execution is disabled")]
    Disabled,
    #[error("unknown environment id `{}`; {}", .id.escape_debug(), there(.id, .ids))]
    Unknown { id: String, ids: Vec<String> },
}

/// Those that could have been meant.
fn there(id: &str, ids: &[String]) -> String {
    let meant = match nearest(id, ids) {
        Some(meant) => format!("did you mean `{meant}`? "),
        None => String::new(),
    };
    let told = &ids[..ids.len().min(limits::IDS_TOLD)];
    match (told, ids.len() - told.len()) {
        ([], _) => "there is none".to_owned(),
        (told, 0) => format!("{meant}there are {}", told.join(", ")),
        (told, more) => format!("{meant}there are {}, and {more} more", told.join(", ")),
    }
}

/// Reads and checks a file; a relative `cwd` starts in the file's directory.
pub fn load(path: &Path) -> Result<Config, EnvironmentError> {
    let text = read(path).map_err(|error| EnvironmentError::Read {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    parse(&text, path, path.parent())
}

/// Its text. What is no regular file is refused: a pipe would be waited for, and a device be read without an end.
pub fn read(path: &Path) -> io::Result<String> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    let found = file.metadata()?;
    let refused = |why: String| Err(io::Error::other(why));
    if !found.is_file() {
        return refused("it is no regular file".to_owned());
    }
    let most = limits::ENVIRONMENTS_FILE;
    let mut text = String::new();
    file.take(most + 1).read_to_string(&mut text)?;
    match text.len() as u64 > most {
        true => refused(format!("it has more than {most} bytes")),
        false => Ok(text),
    }
}

/// Checks a text; `path` is for messages, `home` is where a relative `cwd` starts.
pub fn parse(text: &str, path: &Path, home: Option<&Path>) -> Result<Config, EnvironmentError> {
    let file: Document = toml::from_str(text).map_err(|error| EnvironmentError::Parse {
        path: path.to_owned(),
        // It ends in an empty line.
        reason: error.to_string().trim_end().to_owned(),
    })?;
    let mut seen = HashSet::new();
    let mut environments = Vec::with_capacity(file.environments.len());
    for raw in file.environments {
        check_id(&raw.id).map_err(EnvironmentError::Rule)?;
        if !seen.insert(raw.id.clone()) {
            return rule(format!("environment id `{}` is duplicated", raw.id));
        }
        environments.push(entry(raw, home).map_err(EnvironmentError::Rule)?);
    }
    let default = match file.default.as_deref().map(str::trim) {
        Some("") => return rule("default environment id cannot be empty".to_owned()),
        Some(none) if none.eq_ignore_ascii_case(NONE) => None,
        named => Some(named.unwrap_or(LOCAL).to_owned()),
    };
    let config = Config {
        default,
        include_local: file.include_local,
        environments,
        starts_all: true,
    };
    check_default(&config)?;
    Ok(config)
}

/// The rules of ids and the default, for what did not come from a text.
pub(super) fn check(config: &Config) -> Result<(), EnvironmentError> {
    let mut seen = HashSet::new();
    for Entry { id, .. } in &config.environments {
        check_id(id).map_err(EnvironmentError::Rule)?;
        if !seen.insert(id) {
            return rule(format!("environment id `{id}` is duplicated"));
        }
    }
    check_default(config)
}

fn check_default(config: &Config) -> Result<(), EnvironmentError> {
    let Some(id) = &config.default else {
        return Ok(());
    };
    let is_there = match id == LOCAL {
        true => config.include_local,
        false => config.environments.iter().any(|entry| entry.id == *id),
    };
    if is_there {
        return Ok(());
    }
    // What is left out says `local`, also where that is not included: to have nothing has to be said.
    let advice = match id == LOCAL {
        true => "; include_local is false: name another one, or \"none\"".to_owned(),
        false => meant(id, config),
    };
    rule(format!(
        "default environment `{id}` is not configured{advice}"
    ))
}

/// The one that was meant, perhaps.
fn meant(id: &str, config: &Config) -> String {
    let local = config.include_local.then_some(LOCAL);
    let named = config.environments.iter().map(|entry| entry.id.as_str());
    let ids: Vec<String> = local.into_iter().chain(named).map(str::to_owned).collect();
    match nearest(id, &ids) {
        Some(meant) => format!("; did you mean `{meant}`?"),
        None => String::new(),
    }
}

/// The rules of an id, for files and for environments that are added at run time.
pub fn check_id(id: &str) -> Result<(), String> {
    if id.trim().is_empty() {
        Err("environment id cannot be empty".to_owned())
    } else if id.trim() != id {
        Err(format!(
            "environment id `{id}` must not contain surrounding whitespace"
        ))
    } else if id == LOCAL || id.eq_ignore_ascii_case(NONE) {
        Err(format!("environment id `{id}` is reserved"))
    } else if id.chars().count() > limits::ENVIRONMENT_ID {
        Err(format!(
            "environment id `{id}` cannot be longer than {} characters",
            limits::ENVIRONMENT_ID
        ))
    } else if !id
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    {
        Err(format!(
            "environment id `{id}` must contain only ASCII letters, numbers, '-' or '_'"
        ))
    } else {
        Ok(())
    }
}

/// The rules of a websocket's address; the answer has no space around it.
pub fn check_url(url: &str) -> Result<String, String> {
    let url = url.trim();
    if url.is_empty() {
        return Err("environment url cannot be empty".to_owned());
    }
    if !url.starts_with("ws://") && !url.starts_with("wss://") {
        return Err(format!(
            "environment url `{}` must use ws:// or wss://",
            bare(url)
        ));
    }
    // The parser refuses these two schemes without a host, and ports that are none.
    Url::parse(url)
        .map(|_| url.to_owned())
        .map_err(|error| format!("environment url `{}` is invalid: {error}", bare(url)))
}

/// As it may be shown, also where it is none: without what may be user and password, query and fragment.
fn bare(url: &str) -> String {
    let shown = url.split(['?', '#']).next().unwrap_or_default();
    match (shown.split_once("://"), shown.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://{rest}"),
        (None, Some((_, rest))) => rest.to_owned(),
        _ => shown.to_owned(),
    }
}

fn rule<T>(text: String) -> Result<T, EnvironmentError> {
    Err(EnvironmentError::Rule(text))
}

fn entry(raw: Raw, home: Option<&Path>) -> Result<Entry, String> {
    let id = raw.id;
    let ours = registered::Keys::of(
        raw.remote,
        raw.environment_id,
        (raw.token_file, raw.token_command),
        raw.remote_transport,
    );
    if ours.remote.is_none() {
        ours.without_remote(&id)?;
    } else if raw.url.is_some() || raw.program.is_some() {
        return Err(format!(
            "environment `{id}` must set exactly one of url, program, or remote"
        ));
    }
    let of_program = raw.args.is_some() || raw.env.is_some() || raw.cwd.is_some();
    let reach = match (raw.url, raw.program) {
        (None, None) if ours.remote.is_some() => {
            if of_program {
                return Err(format!(
                    "environment `{id}` args, env, and cwd require program"
                ));
            }
            Reach::Registered(ours.check(&id, raw.connect_timeout_sec, home)?)
        }
        (Some(url), None) => {
            if of_program {
                return Err(format!(
                    "environment `{id}` args, env, and cwd require program"
                ));
            }
            Reach::Url {
                url: check_url(&url).map_err(|why| format!("{why} (of `{id}`)"))?,
                connect_timeout: raw.connect_timeout_sec.unwrap_or(limits::CONNECT),
            }
        }
        (None, Some(program)) => {
            if raw.connect_timeout_sec.is_some() {
                return Err(format!(
                    "environment `{id}` connect_timeout_sec requires url"
                ));
            }
            if program.trim().is_empty() {
                return Err(format!("environment `{id}` program cannot be empty"));
            }
            let cwd = match (raw.cwd, home) {
                (Some(cwd), _) if cwd.is_absolute() => Some(cwd),
                (Some(cwd), Some(home)) if home.is_absolute() => Some(home.join(cwd)),
                (Some(_), _) => return Err(format!("environment `{id}` cwd must be absolute")),
                (None, _) => None,
            };
            Reach::Program(Program {
                program: program.trim().into(),
                args: raw.args.unwrap_or_default(),
                env: raw.env.unwrap_or_default(),
                cwd,
            })
        }
        _ => {
            return Err(format!(
                "environment `{id}` must set exactly one of url or program"
            ));
        }
    };
    Ok(Entry {
        id,
        reach,
        initialize_timeout: raw.initialize_timeout_sec.unwrap_or(limits::INITIALIZE),
    })
}

#[cfg(test)]
mod tests;
