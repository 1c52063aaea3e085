//! `[policy]`: who decides over what clients ask for.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lockgate_policy_gate::{
    ActionKind, Default as Fallback, Digest, Fail, Instances, LogTarget, ModuleSettings, Settings,
    Trust, Wasi, limits, signature_path,
};
use serde::Deserialize;
use toml::Spanned;

use super::document::Place;
use super::read_bounded;
use crate::failure::Failure;

/// The table as it stands in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    default: Option<Fallback>,
    log: Option<Spanned<PathBuf>>,
    log_required: Option<Spanned<bool>>,
    ask_seconds: Option<Spanned<u64>>,
    #[serde(default)]
    module: Vec<Module>,
}

/// `[[policy.module]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Module {
    path: Spanned<PathBuf>,
    sha256: Option<Spanned<String>>,
    signed_by: Option<Spanned<String>>,
    min_version: Option<Spanned<String>>,
    component_name: Option<String>,
    name: Option<String>,
    config: Option<Spanned<String>>,
    config_file: Option<Spanned<PathBuf>>,
    actions: Option<Spanned<Vec<ActionKind>>>,
    #[serde(default)]
    fail: Fail,
    #[serde(default)]
    instances: Instances,
    #[serde(default)]
    wasi: Wasi,
    time_ms: Option<Spanned<u64>>,
    memory_mib: Option<Spanned<u64>>,
}

/// What the table says.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) settings: Settings,
    /// Every file that decisions are made of: components, signatures and configurations.
    pub(crate) files: Vec<PathBuf>,
}

impl Policy {
    /// What no client may write: the files, and the log of what was decided.
    pub(super) fn own(&self) -> impl Iterator<Item = &PathBuf> {
        let log = match &self.settings.log {
            Some(LogTarget::File(log)) => Some(log),
            Some(LogTarget::Stderr) | None => None,
        };
        self.files.iter().chain(log)
    }
}

/// Checks it. Reads the configurations of policies; the components are read when the gate is opened.
pub(super) fn policy(table: Table, at: &Place<'_>) -> Result<Policy, Failure> {
    let mut files = Vec::new();
    let mut modules = Vec::with_capacity(table.module.len());
    for entry in table.module {
        modules.push(module(entry, at, &mut files)?);
    }
    let defaults = Settings::default();
    let log_required = table.log_required.as_ref().is_some_and(|it| *it.as_ref());
    if let Some(it) = table
        .log_required
        .filter(|_| log_required && table.log.is_none())
    {
        let what = "`log_required` without a `log`: nothing could be logged, and so nothing done; name one";
        return Err(at.mistake(it.span(), what));
    }
    Ok(Policy {
        settings: Settings {
            default: table.default.unwrap_or(defaults.default),
            log: table
                .log
                .map(|log| match log.as_ref() == Path::new("stderr") {
                    true => LogTarget::Stderr,
                    false => LogTarget::File(at.beside(log.as_ref())),
                }),
            log_required,
            ask_time: match table.ask_seconds {
                None => defaults.ask_time,
                Some(seconds) => {
                    Duration::from_secs(within("ask_seconds", &seconds, ASK_SECONDS, at)?)
                }
            },
            modules,
            cache: defaults.cache,
        },
        files,
    })
}

/// A day: nobody's agreement is worth more after it.
const ASK_SECONDS: u64 = 86_400;

fn module(
    entry: Module,
    at: &Place<'_>,
    files: &mut Vec<PathBuf>,
) -> Result<ModuleSettings, Failure> {
    let path = at.beside(entry.path.as_ref());
    let trust = Trust {
        sha256: parsed("sha256", entry.sha256, at)?,
        signed_by: parsed("signed_by", entry.signed_by, at)?,
        min_version: parsed("min_version", entry.min_version, at)?,
        component_name: entry.component_name,
    };
    if !trust.is_pinned() {
        let largest = lockgate_engine::limits::MAX_COMPONENT_BYTES as u64;
        let now = match read_bounded(&path, largest) {
            Ok(bytes) => format!("sha256 = \"{}\" is what is there now", Digest::of(&bytes)),
            Err(error) => format!("it cannot be read: {error}"),
        };
        let what = format!(
            "`path` needs `sha256` beside it, or the key that the policy is `signed_by`, so that no other component can take its place; {now}"
        );
        return Err(at.mistake(entry.path.span(), &what));
    }
    files.push(path.clone());
    if trust.signed_by.is_some() {
        files.push(signature_path(&path));
    }
    let config = match (entry.config, entry.config_file) {
        (None, None) => String::new(),
        (Some(text), None) => text.into_inner(),
        (None, Some(file)) => {
            let path = at.beside(file.as_ref());
            let bytes = read_bounded(&path, limits::CONFIG_BYTES as u64);
            let text = bytes.and_then(|bytes| {
                String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
            });
            files.push(path.clone());
            text.map_err(|reason| {
                let what = format!("`config_file`: {} cannot be read: {reason}", path.display());
                at.mistake(file.span(), &what)
            })?
        }
        (Some(_), Some(file)) => {
            return Err(at.mistake(
                file.span(),
                "`config_file` and `config` are both there: a policy has one configuration",
            ));
        }
    };
    let mut settings = ModuleSettings::new(path);
    settings.trust = trust;
    settings.name = entry.name;
    settings.config = config;
    settings.fail = entry.fail;
    settings.instances = entry.instances;
    settings.wasi = entry.wasi;
    if let Some(actions) = entry.actions {
        if actions.as_ref().is_empty() {
            let what = "`actions` is empty: the policy would never be asked; leave it out for all that it wants to see";
            return Err(at.mistake(actions.span(), what));
        }
        settings.actions = Some(actions.into_inner());
    }
    if let Some(time) = entry.time_ms {
        let most = limits::MAX_DECISION_TIME.as_millis() as u64;
        settings.time = Duration::from_millis(within("time_ms", &time, most, at)?);
    }
    if let Some(memory) = entry.memory_mib {
        let most = (lockgate_engine::limits::MAX_MEMORY_BYTES >> 20) as u64;
        settings.memory_bytes = (within("memory_mib", &memory, most, at)? as usize) << 20;
    }
    Ok(settings)
}

fn within(key: &str, value: &Spanned<u64>, most: u64, at: &Place<'_>) -> Result<u64, Failure> {
    match *value.as_ref() {
        found if (1..=most).contains(&found) => Ok(found),
        found => Err(at.mistake(
            value.span(),
            &format!("`{key}` is from 1 to {most}, not {found}"),
        )),
    }
}

fn parsed<T>(key: &str, text: Option<Spanned<String>>, at: &Place<'_>) -> Result<Option<T>, Failure>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    let Some(text) = text else { return Ok(None) };
    let parsed = text.as_ref().parse().map(Some);
    parsed.map_err(|why| at.mistake(text.span(), &format!("`{key}`: {why}")))
}
