//! `lockgate policy install`: writes a policy and its digest into an operator's configuration, and touches nothing else in it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use lockgate_policy_gate::{
    ActionKind, Default as Fallback, Digest, Evaluator, Instances, ModuleSettings, Policy,
};
use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, value};

use super::asked::kind;
use super::component::{self, Component, Given, WasiChoice};
use super::copy::{copied, copy, is_free};
use crate::config::{self, Config};
use crate::edit::{plain, write_over, written};
use crate::failure::Failure;
use crate::output::print;
use crate::policy::test;

/// Write a policy and its digest into a configuration file
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  lockgate policy install careful --config lockgate.toml         a project: built and tested first
  lockgate policy install careful.wasm --config lockgate.toml
  lockgate policy install policy-workspace.wasm --config lockgate.toml --config-text 'root /work'

The policy is loaded first, with the configuration that is given, and asked the cases of a cases.toml beside it that names it; one that cannot be \
used, or fails one of them, is not installed. A module of the same name gets \
the new path and digest, and keeps what else is said of it. A project that is new in the file gets the configuration of its cases, if none is given. \
What is pinned is the component where it is: --copy-to keeps a copy that the next build does not change. A running server takes it up within some seconds.")]
pub(crate) struct Args {
    #[command(flatten)]
    policy: Component,
    /// The configuration file; it is made where it is missing
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Its name in messages and in the log; what it calls itself if left out
    #[arg(long)]
    name: Option<String>,
    /// Ask it about these kinds of actions only, of those that it wants to see: process-start, process-write, file, http
    #[arg(long, value_name = "KINDS", value_delimiter = ',', value_parser = kind)]
    actions: Option<Vec<ActionKind>>,
    /// Copy the component into this directory, and name the copy
    #[arg(long, value_name = "DIR")]
    copy_to: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let given = &args.policy.given;
    // The cases have a configuration of their own, which their answers are about.
    let of_cases = Given {
        wasi: given.wasi,
        ..Given::default()
    };
    let (path, failed) = match args.policy.path.is_dir() {
        true => test::project(&args.policy.path, None, &of_cases)?,
        false => {
            let path = args.policy.path.clone();
            let failed = test::beside(&path, &of_cases)?;
            (path, failed)
        }
    };
    if failed > 0 {
        return Err(Failure::new(format!(
            "{failed} of its cases failed: nothing was installed"
        )));
    }
    let mut new = given.clone();
    if args.policy.path.is_dir() {
        new.or_of_cases(&args.policy.path)?;
    }
    let component = Component { path, given: new };
    Installation { args, component }.run()
}

/// What holds where no policy has an opinion.
fn otherwise(default: Fallback) -> String {
    let (what, others) = match default {
        Fallback::Deny => ("denied", ["allow", "ask"]),
        Fallback::Allow => ("allowed", ["deny", "ask"]),
        Fallback::Ask => ("put to somebody", ["allow", "deny"]),
    };
    let [one, other] = others;
    format!(
        "What no policy has an opinion on is {what}; `default = \"{one}\"` or `\"{other}\"` in [policy] says otherwise.\n"
    )
}

/// A policy that passes its cases, on its way into a file.
struct Installation<'a> {
    args: &'a Args,
    /// The built one, with the configuration that it gets where it is new in the file.
    component: Component,
}

impl Installation<'_> {
    fn run(&self) -> Result<ExitCode, Failure> {
        let (args, path, file) = (self.args, &self.component.path, &self.args.config);
        let bytes = component::bytes(path)?;
        let evaluator = component::evaluator()?;
        let name = match &args.name {
            Some(name) => name.clone(),
            None => {
                let policy = self.component.load(&evaluator, Instances::Fresh)?;
                policy.name().to_owned()
            }
        };
        let before = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                return Err(Failure::new(format!(
                    "{} cannot be read: {error}",
                    file.display()
                )));
            }
        };
        // One that a server would not take is not made worse.
        let old = config::parse(file, &before)?;
        let place = place(&evaluator, &old, &name);
        let mut document: DocumentMut =
            plain(&before)
                .parse()
                .map_err(|error: toml_edit::TomlError| {
                    Failure::usage(format!("{}: {error}", file.display()))
                })?;
        let modules = modules(&mut document, file)?;
        let new = place.unwrap_or(modules.len());
        if place.is_none() {
            modules.push(Table::new());
        }
        let module = modules.get_mut(new).ok_or_else(|| {
            Failure::new(format!("{} has another module meanwhile", file.display()))
        })?;
        let was = module.clone();
        self.write(module, &name, Digest::of(&bytes), place.is_none())?;
        let is_same = module.to_string() == was.to_string();
        let stays = staying(&was, module);
        let after = written(document, &before);
        let config = config::parse(file, &after)?;
        let policy = self.check(&evaluator, &config, new)?;
        if let Some(directory) = &args.copy_to {
            is_free(&copied(path, directory)?, &config, new)?;
            copy(path, &bytes, directory)?;
        }
        if after != before {
            // Where the name is a link, what it leads to is written, and the link stays.
            let real = file.canonicalize().unwrap_or_else(|_| file.clone());
            write_over(&real, after.as_bytes(), 0o666).map_err(|error| {
                Failure::new(format!("{} cannot be written: {error}", file.display()))
            })?;
        }
        if place.is_none() && given_by_cases(args, &self.component) {
            print(
                "Its configuration is that of its cases; what you change in the file stays when it is installed again.\n",
            )?;
        }
        let (digest, file) = (Digest::of(&bytes), file.display());
        let before = old.policy.as_ref().zip(place);
        let before = before.and_then(|(policy, at)| policy.settings.modules.get(at));
        print(&match before {
            None => format!("{name} (sha256:{digest}) is installed in {file}\n"),
            Some(_) if is_same => {
                format!("{name} (sha256:{digest}) is installed already in {file}\n")
            }
            Some(before) => format!(
                "{name} ({} {}, sha256:{digest}) takes the place of the one before ({}) in {file}\n{stays}",
                policy.description().name,
                policy.version(),
                described(before)
            ),
        })?;
        // Whoever installs a first policy that has an opinion on files only should not learn from an incident what becomes of the rest.
        if let Some(policy) = &config.policy {
            print(&otherwise(policy.settings.default))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// What the module says then. Of one that is there already, whatever else an operator has written stays.
    fn write(
        &self,
        module: &mut Table,
        name: &str,
        digest: Digest,
        is_new: bool,
    ) -> Result<(), Failure> {
        let (args, file) = (self.args, &self.args.config);
        module["name"] = value(name);
        module["path"] = value(match &args.copy_to {
            None => written_path(&self.component.path, file)?,
            Some(directory) => written_path(&copied(&self.component.path, directory)?, file)?,
        });
        // Pinned by a key: a digest beside it would hold the next signed version up.
        if !module.contains_key("signed_by") || module.contains_key("sha256") {
            module["sha256"] = value(digest.to_string());
        }
        let given = match is_new {
            true => &self.component.given,
            false => &args.policy.given,
        };
        if let Some(text) = &given.config_text {
            module.remove("config_file");
            module["config"] = value(text.as_str());
        }
        if let Some(path) = &given.config_file {
            module.remove("config");
            module["config_file"] = value(written_path(path, file)?);
        }
        if let Some(kinds) = &args.actions {
            module["actions"] = value(words(kinds).into_iter().collect::<Array>());
        }
        if given.wasi == WasiChoice::Empty {
            module["wasi"] = value("empty");
        }
        Ok(())
    }

    /// Loads the component as a server will, with the signature that is asked for.
    fn check(
        &self,
        evaluator: &Arc<Evaluator>,
        config: &Config,
        at: usize,
    ) -> Result<Policy, Failure> {
        let modules = config
            .policy
            .as_ref()
            .map(|policy| &policy.settings.modules);
        let module = modules.and_then(|modules| modules.get(at));
        let module =
            module.ok_or_else(|| Failure::new("the module is not where it was written"))?;
        let settings = ModuleSettings {
            // From where it is copied, if it is.
            path: self.component.path.clone(),
            ..module.clone()
        };
        let sign = match &module.trust.signed_by {
            Some(_) => "; sign it first (lockgate policy sign)",
            None => "",
        };
        let policy = evaluator.load(&settings).map_err(|error| {
            Failure::new(format!(
                "{error}, as {} has it{sign}; nothing was installed",
                self.args.config.display()
            ))
        })?;
        if policy.actions().is_empty() {
            let wanted = words(&policy.description().actions);
            return Err(Failure::usage(format!(
                "{} would never be asked: of --actions it wants to see none, but {}; nothing was installed",
                policy.name(),
                wanted.join(", ")
            )));
        }
        Ok(policy)
    }
}

/// The component that was there: by what pins it, and where it is.
fn described(module: &ModuleSettings) -> String {
    let is = match (&module.trust.sha256, &module.trust.signed_by) {
        (Some(digest), _) => format!("sha256:{digest}"),
        (None, Some(key)) => format!("signed by {key}"),
        (None, None) => "pinned by nothing".to_owned(),
    };
    format!("{is}, {}", module.path.display())
}

/// What an operator has written of the module before that holds for this one, too: whoever puts another component in its place should know.
fn staying(before: &Table, now: &Table) -> String {
    let written = |table: &Table, key: &str| table.get(key).map(ToString::to_string);
    let names = before.iter().map(|(key, _)| key);
    let same: Vec<&str> = names
        .filter(|key| !matches!(*key, "name" | "path" | "sha256"))
        .filter(|key| written(before, key) == written(now, key))
        .collect();
    match same.is_empty() {
        true => String::new(),
        false => format!(
            "What the file says of it besides stays: {}.\n",
            same.join(", ")
        ),
    }
}

/// Whether what the policy gets was not said on the command line.
fn given_by_cases(args: &Args, component: &Component) -> bool {
    args.policy.given.is_without_config() && !component.given.is_without_config()
}

/// Which module of a configuration is the policy of that name: the one that is called so, or that calls itself so. One that cannot be loaded
/// as it is configured is none.
fn place(evaluator: &Arc<Evaluator>, config: &Config, name: &str) -> Option<usize> {
    let modules = &config.policy.as_ref()?.settings.modules;
    modules.iter().position(|module| match &module.name {
        Some(own) => own == name,
        None => evaluator
            .load(module)
            .is_ok_and(|policy| policy.name() == name),
    })
}

fn words(kinds: &[ActionKind]) -> Vec<String> {
    kinds
        .iter()
        .map(|kind| crate::policy_gate::word(*kind))
        .collect()
}

/// `[[policy.module]]`, made where it is missing.
fn modules<'a>(
    document: &'a mut DocumentMut,
    file: &Path,
) -> Result<&'a mut ArrayOfTables, Failure> {
    let policy = document.entry("policy").or_insert_with(|| {
        let mut table = Table::new();
        table.set_implicit(true);
        Item::Table(table)
    });
    let cannot = |what: &str| Failure::usage(format!("{}: {what}", file.display()));
    let policy = policy.as_table_mut().ok_or_else(|| {
        cannot(
            "`policy` is written in one line: write it as [policy], so that a module can be added",
        )
    })?;
    policy
        .entry("module")
        .or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()))
        .as_array_of_tables_mut()
        .ok_or_else(|| cannot("`module` is written in one line: write it as [[policy.module]], so that one can be added"))
}

/// A path as it is written into the file: from its folder where it is below it, else whole. It need not be there yet.
fn written_path(path: &Path, file: &Path) -> Result<String, Failure> {
    let path = whole(path)?;
    // Of the name that the server is given, which may be a link.
    let folder = whole(match file.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    })?;
    let shown = path.strip_prefix(&folder).unwrap_or(&path);
    shown.to_str().map(str::to_owned).ok_or_else(|| {
        Failure::usage(format!(
            "{} is not UTF-8 and cannot be written into the configuration",
            path.display()
        ))
    })
}

/// The path without links, as far as it is there.
pub(super) fn whole(path: &Path) -> Result<PathBuf, Failure> {
    let cannot = |error: std::io::Error| Failure::new(format!("{}: {error}", path.display()));
    let path = std::path::absolute(path).map_err(cannot)?;
    let mut there = path.as_path();
    loop {
        match (there.canonicalize(), there.parent()) {
            (Ok(real), _) => {
                let rest = path.strip_prefix(there).unwrap_or(Path::new(""));
                // An empty rest would leave a slash behind.
                return Ok(real.join(rest).components().collect());
            }
            (Err(_), Some(parent)) => there = parent,
            (Err(error), None) => return Err(cannot(error)),
        }
    }
}
