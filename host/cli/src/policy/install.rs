//! `lockgate policy install`: writes a policy and its digest into an operator's configuration, and touches nothing else in it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lockgate_policy_gate::{ActionKind, Digest, Instances, PublicKey, signature_path, verify};
use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, value};

use super::component::{self, Component, Given, WasiChoice};
use super::sign::write_over;
use crate::config;
use crate::failure::Failure;
use crate::output::print;
use crate::policy::test;

/// Write a policy and its digest into a configuration file
#[derive(Clone, clap::Args)]
#[command(after_help = "\
Examples:
  lockgate policy install careful --config lockgate.toml         a project: built and tested first
  lockgate policy install careful.wasm --config lockgate.toml
  lockgate policy install workspace.wasm --config lockgate.toml --config-text 'root /work'

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
    /// The configuration is the one of a project's cases: only for a module that is new in the file.
    #[arg(skip)]
    of_cases: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let mut args = args.clone();
    // The cases have a configuration of their own, which their answers are about.
    let given = Given {
        wasi: args.policy.given.wasi,
        ..Given::default()
    };
    let passes = |failed: usize| match failed {
        0 => Ok(()),
        _ => Err(Failure::new(format!(
            "{failed} of its cases failed: nothing was installed"
        ))),
    };
    if args.policy.path.is_dir() {
        let (component, failed) = test::project(&args.policy.path, None, &given)?;
        passes(failed)?;
        args.of_cases = args.policy.given.is_without_config();
        args.policy.given.or_of_cases(&args.policy.path)?;
        args.policy.path = component;
    } else {
        passes(test::beside(&args.policy.path, &given)?)?;
    }
    install(&args)
}

fn install(args: &Args) -> Result<ExitCode, Failure> {
    let bytes = component::bytes(&args.policy.path)?;
    let digest = Digest::of(&bytes);
    let mut settings = args.policy.given.settings(args.policy.path.clone())?;
    settings.actions.clone_from(&args.actions);
    let policy = component::evaluator()?
        .load(&settings)
        .map_err(|error| Failure::new(error.to_string()))?;
    if policy.digest() != digest {
        return Err(Failure::new(format!(
            "{} was changed just now; nothing was installed, try again",
            args.policy.path.display()
        )));
    }
    if policy.actions().is_empty() {
        let wanted = words(&policy.description().actions);
        return Err(Failure::usage(format!(
            "{} would never be asked: of --actions it wants to see none, but {}; nothing was installed",
            policy.name(),
            wanted.join(", ")
        )));
    }
    let name = args
        .name
        .clone()
        .unwrap_or_else(|| policy.name().to_owned());
    let file = &args.config;
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
    if !before.is_empty() {
        // One that a server would not take is not made worse.
        config::read(file)?;
    }
    let mut document: DocumentMut = before.parse().map_err(|error: toml_edit::TomlError| {
        Failure::usage(format!("{}: {error}", file.display()))
    })?;
    let component = match &args.copy_to {
        None => args.policy.path.clone(),
        Some(directory) => copy(&args.policy.path, &bytes, directory)?,
    };
    let entry = Entry {
        name: &name,
        path: &written_path(&component, file)?,
        digest,
        args,
    };
    let modules = modules(&mut document, file)?;
    let found = modules.iter_mut().find(|module| {
        let says = module.get("name").and_then(Item::as_str);
        says == Some(&name) || (says.is_none() && is_of(module, &name, file))
    });
    let done = match found {
        Some(module) => {
            let before = module.to_string();
            entry.replace(module, &component)?;
            let same = before == module.to_string();
            if same {
                "is installed already"
            } else {
                "takes the place of the one before"
            }
        }
        None => {
            modules.push(entry.table()?);
            "is installed"
        }
    };
    let after = written(document, &before);
    if after != before {
        // Where the name is a link, what it leads to is written, and the link stays.
        let real = file.canonicalize().unwrap_or_else(|_| file.clone());
        write_over(&real, after.as_bytes()).map_err(|error| {
            Failure::new(format!("{} cannot be written: {error}", file.display()))
        })?;
    }
    print(&format!(
        "{name} (sha256:{digest}) {done} in {}\n",
        file.display()
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// The document's text. A remark at the end of the file, which belongs to no table, stays before what was added at the end.
fn written(mut document: DocumentMut, before: &str) -> String {
    let remark = document.trailing().as_str().unwrap_or_default().to_owned();
    document.set_trailing("");
    let text = document.to_string();
    let added = before
        .strip_suffix(&remark)
        .and_then(|body| text.strip_prefix(body))
        .filter(|added| !remark.is_empty() && !added.is_empty());
    match added {
        None => text + &remark,
        Some(added) => {
            let line = if before.ends_with('\n') { "" } else { "\n" };
            let gap = if added.starts_with('\n') { "" } else { "\n" };
            format!("{before}{line}{gap}{added}")
        }
    }
}

/// A kind of action as the configuration has it.
fn kind(word: &str) -> Result<ActionKind, String> {
    serde_json::from_value(word.into()).map_err(|_| {
        "there are process-start, process-write, file and http, with commas between them".to_owned()
    })
}

fn words(kinds: &[ActionKind]) -> Vec<String> {
    kinds
        .iter()
        .map(|kind| crate::policy_gate::word(*kind))
        .collect()
}

/// What is written of a policy.
struct Entry<'a> {
    name: &'a str,
    path: &'a str,
    digest: Digest,
    args: &'a Args,
}

impl Entry<'_> {
    fn table(&self) -> Result<Table, Failure> {
        let mut module = Table::new();
        module["name"] = value(self.name);
        module["path"] = value(self.path);
        module["sha256"] = value(self.digest.to_string());
        self.configure(&mut module)?;
        if self.args.of_cases {
            print(
                "Its configuration is that of its cases; what you change in the file stays when it is installed again.\n",
            )?;
        }
        Ok(module)
    }

    /// In the place of the one that a module names. What else an operator has written of it stays, and has to fit.
    fn replace(&self, module: &mut Table, component: &Path) -> Result<(), Failure> {
        module["name"] = value(self.name);
        module["path"] = value(self.path);
        match module.get("signed_by").and_then(Item::as_str) {
            // Pinned by a key: a digest beside it would hold the next signed version up.
            Some(key) => {
                signed(component, key)?;
                if module.contains_key("sha256") {
                    module["sha256"] = value(self.digest.to_string());
                }
            }
            None => module["sha256"] = value(self.digest.to_string()),
        }
        if !self.args.of_cases {
            return self.configure(module);
        }
        let kept = Component {
            path: component.to_owned(),
            given: given_of(module, &self.args.config),
        };
        kept.load(&component::evaluator()?, Instances::Fresh)
            .map(drop)
            .map_err(|failure| {
                failure.and(&format!(
                    " (as {} configures it); nothing was installed",
                    self.args.config.display()
                ))
            })
    }

    fn configure(&self, module: &mut Table) -> Result<(), Failure> {
        let given = &self.args.policy.given;
        if let Some(text) = &given.config_text {
            module.remove("config_file");
            module["config"] = value(text.as_str());
        }
        if let Some(path) = &given.config_file {
            module.remove("config");
            module["config_file"] = value(written_path(path, &self.args.config)?);
        }
        if let Some(kinds) = &self.args.actions {
            module["actions"] = value(words(kinds).into_iter().collect::<Array>());
        }
        if given.wasi == WasiChoice::Empty {
            module["wasi"] = value("empty");
        }
        Ok(())
    }
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

/// The signature beside a component, by the key that a module asks for.
fn signed(component: &Path, key: &str) -> Result<(), Failure> {
    let cannot = |reason: String| {
        Failure::new(format!(
            "the module is `signed_by` {key}, and {}: {reason}; sign it first (lockgate policy sign); nothing was installed",
            component.display()
        ))
    };
    let key: PublicKey = key
        .parse()
        .map_err(|error: lockgate_policy_gate::SignatureError| cannot(error.to_string()))?;
    let bytes = component::bytes(component)?;
    let file = signature_path(component);
    let text = std::fs::read_to_string(&file)
        .map_err(|error| cannot(format!("{}: {error}", file.display())))?;
    verify(&key, &bytes, &text).map_err(|error| cannot(error.to_string()))
}

/// What a module of the file is given.
fn given_of(module: &Table, file: &Path) -> Given {
    let beside = file.parent().unwrap_or(Path::new(""));
    let text = |key| module.get(key).and_then(Item::as_str);
    Given {
        config_text: text("config").map(str::to_owned),
        config_file: text("config_file").map(|file| beside.join(file)),
        wasi: match text("wasi") {
            Some("empty") => WasiChoice::Empty,
            _ => WasiChoice::None,
        },
    }
}

/// Whether a module without a name is the policy that calls itself so. Loaded as it is configured; one that cannot be loaded is none.
fn is_of(module: &Table, name: &str, file: &Path) -> bool {
    let Some(path) = module.get("path").and_then(Item::as_str) else {
        return false;
    };
    let other = Component {
        path: file.parent().unwrap_or(Path::new("")).join(path),
        given: given_of(module, file),
    };
    component::evaluator()
        .and_then(|evaluator| other.load(&evaluator, Instances::Fresh))
        .is_ok_and(|policy| policy.name() == name)
}

/// A path as it is written into the file: from its folder where it is below it, else whole.
fn written_path(path: &Path, file: &Path) -> Result<String, Failure> {
    let cannot = |error: std::io::Error| Failure::new(format!("{}: {error}", path.display()));
    let path = path.canonicalize().map_err(cannot)?;
    let folder = match file.parent() {
        Some(folder) if folder != Path::new("") => folder.canonicalize(),
        _ => std::env::current_dir(),
    };
    let folder = folder.map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
    let shown = path.strip_prefix(&folder).unwrap_or(&path);
    shown.to_str().map(str::to_owned).ok_or_else(|| {
        Failure::usage(format!(
            "{} is not UTF-8 and cannot be written into the configuration",
            path.display()
        ))
    })
}

fn copy(path: &Path, bytes: &[u8], directory: &Path) -> Result<PathBuf, Failure> {
    let name = path
        .file_name()
        .ok_or_else(|| Failure::usage(format!("{} has no name", path.display())))?;
    let to = directory.join(name);
    let made = std::fs::create_dir_all(directory).and_then(|()| write_over(&to, bytes));
    made.map_err(|error| Failure::new(format!("{} cannot be written: {error}", to.display())))?;
    Ok(to)
}
