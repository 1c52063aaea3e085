//! `lockgate discover`: what a harness would find of a project and its plugins, on this machine or on another executor.

use std::fmt::Write;
use std::io::{IsTerminal, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use lockgate_client::discovery::{Discovery, Documents, FoundFile, ProjectDocuments, Root};
use lockgate_client::{Client, limits};
use lockgate_grant::AbsPath;
use lockgate_grant::profile::Sandbox;
use lockgate_policy_gate::printable::printable;
use serde_json::{Value, json};

use crate::failure::{FAILED, Failure};
use crate::here::Beginning;
use crate::output::{print, print_json, write};
use crate::profile::Profile;
use crate::runtime;
use crate::server::{self, Server};

/// Show what a project and its plugins say to an agent that works there
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    profile: Profile,
    /// Take this name, too, in directories that have no document of the names before it (repeatable)
    #[arg(long = "or", value_name = "NAME")]
    names: Vec<String>,
    /// What the root of a project has in it (repeatable)
    #[arg(long = "marker", value_name = "NAME", default_value = ".git")]
    markers: Vec<String>,
    /// Look for a plugin and skills below this directory (repeatable)
    #[arg(long = "root", value_name = "DIR")]
    roots: Vec<PathBuf>,
    /// The documents' text alone, as a harness hands it to an agent; warnings are on stderr
    #[arg(long, conflicts_with_all = ["json", "roots"])]
    text: bool,
    /// As a JSON object, with all contents
    #[arg(long)]
    json: bool,
    /// Where the agent works, from this directory, or with --url, --env or --remote from the server's; without it that one
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  lockgate discover
  lockgate discover --env box /srv/project
  lockgate discover --or CLAUDE.md --text
  lockgate discover --read . --root ~/.codex/plugins/one --json

Documents are AGENTS.override.md, else AGENTS.md, else what --or names, in each directory from the project's root down to DIR; all of them \
together have at most 32 KiB. A link that leads out of the project is not followed. Plugins and skills are looked for below each --root only. \
The exit code is 1 where one of these could not be looked at.";

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    args.profile.foretold(args.server.is_own())?;
    runtime::run(server::with(&args.server, None, async |client: &Client| {
        let begins = args.server.beginning(client)?;
        let within = args.profile.sandbox_on(&begins)?;
        let directory = match &args.directory {
            Some(path) => begins.path(path)?,
            None => begins.directory(),
        };
        let documents = args.documents(within.as_ref());
        let found = documents
            .find(client, &directory)
            .await
            .map_err(|error| Failure::new(format!("{directory}: {}", Failure::from(error))))?;
        let roots = args.roots(client, &begins, within.as_ref())?;
        let below = match roots.is_empty() {
            true => Vec::new(),
            false => client.discover(roots).await?,
        };
        args.tell(&directory, &found, &below)?;
        Ok(match below.iter().any(|root| root.error.is_some()) {
            false => ExitCode::SUCCESS,
            true => ExitCode::from(FAILED),
        })
    }))
}

impl Args {
    fn documents(&self, within: Option<&Sandbox>) -> ProjectDocuments {
        let mut documents = ProjectDocuments::new().markers(&self.markers);
        for name in &self.names {
            documents = documents.or(name);
        }
        match within {
            Some(profile) => documents.within(profile.clone()),
            None => documents,
        }
    }

    fn roots(
        &self,
        client: &Client,
        begins: &Beginning,
        within: Option<&Sandbox>,
    ) -> Result<Vec<Root>, Failure> {
        let roots = self.roots.iter().map(|path| {
            Ok(Root {
                id: path.to_string_lossy().into_owned(),
                path: client.path(begins.path(path)?),
                sandbox: within.cloned(),
            })
        });
        roots.collect()
    }

    fn tell(
        &self,
        directory: &AbsPath,
        found: &Documents,
        below: &[Discovery],
    ) -> Result<(), Failure> {
        if self.text {
            for warning in &found.warnings {
                tell!("lockgate: {}", printable(&warning.to_string()));
            }
            let text = found.text();
            // As it is, where it does not go to somebody's terminal.
            return match stdout().is_terminal() {
                true => print(&format!("{text}\n")),
                false => write(text.as_bytes()),
            };
        }
        if self.json {
            return print_json(&described(found, below));
        }
        let mut text = String::new();
        documents(directory, found, &mut text);
        for root in below {
            plugins(root, &mut text);
        }
        print(&text)
    }
}

fn described(found: &Documents, below: &[Discovery]) -> Value {
    let documents = found
        .documents
        .iter()
        .map(|document| json!({ "path": document.path.to_string(), "text": document.text }));
    let warnings = found
        .warnings
        .iter()
        .map(|warning| json!({ "path": warning.path.to_string(), "reason": warning.reason }));
    json!({
        "project": found.root.to_string(),
        "documents": documents.collect::<Vec<_>>(),
        "warnings": warnings.collect::<Vec<_>>(),
        "roots": below,
    })
}

fn shown(path: &AbsPath) -> String {
    printable(&path.to_string()).into_owned()
}

fn documents(directory: &AbsPath, found: &Documents, text: &mut String) {
    let project = shown(&found.root);
    let bytes: usize = found.documents.iter().map(|one| one.text.len()).sum();
    let _ = match found.documents.is_empty() {
        true => {
            let directory = shown(directory);
            writeln!(
                text,
                "Project {project}: no documents on the way to {directory}"
            )
        }
        false => writeln!(
            text,
            "Project {project}: {bytes} bytes of at most {}",
            limits::DOCUMENT_BYTES
        ),
    };
    for document in &found.documents {
        let path = shown(&document.path);
        let _ = writeln!(text, "  {path}: {} bytes", document.text.len());
    }
    for warning in &found.warnings {
        let _ = writeln!(text, "  warning: {}", printable(&warning.to_string()));
    }
}

fn plugins(root: &Discovery, text: &mut String) {
    let at = shown(&root.path.path);
    if let Some(error) = &root.error {
        let _ = writeln!(text, "Below {at}: {}", printable(error));
        return;
    }
    let skills = match root.skills.len() {
        1 => "1 skill".to_owned(),
        count => format!("{count} skills"),
    };
    let plugin = match root.plugin {
        Some(_) => "a plugin",
        None => "no plugin",
    };
    let _ = writeln!(text, "Below {at}: {plugin}, {skills}");
    let one = |what: &str, file: &FoundFile| {
        let path = shown(&file.path.path);
        format!("  {what} {path}: {} bytes\n", file.contents.len())
    };
    text.extend(root.plugin.iter().map(|file| one("plugin", file)));
    text.extend(root.skills.iter().map(|file| one("skill", file)));
    let others = root.namespace_manifests.iter();
    let others = others.filter(|file| Some(*file) != root.plugin.as_ref());
    text.extend(others.map(|file| one("its plugin", file)));
    for warning in &root.warnings {
        let _ = writeln!(text, "  warning: {}", printable(warning));
    }
}
