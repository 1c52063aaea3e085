//! `lockgate policy inspect`: what a component is, before anybody trusts it.

use std::path::PathBuf;
use std::process::ExitCode;

use lockgate_policy_gate::{ActionKind, Digest, Instances, signature_path};
use serde::Serialize;

use super::component::{self, Component};
use crate::failure::{FAILED, Failure};
use crate::output::{print, print_json};

/// Tell what a policy is: name, digest, what it asks for and wants to see
#[derive(clap::Args)]
#[command(after_help = "\
The component is loaded with the configuration that is given, and describes itself; it is asked nothing. The exit code is 1 if it cannot be \
used as a policy, and all else is told all the same.")]
pub(crate) struct Args {
    #[command(flatten)]
    policy: Component,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Inspected {
    path: PathBuf,
    sha256: String,
    bytes: usize,
    /// A file with a signature is beside it; whose it is, `verify` tells.
    signature: Option<PathBuf>,
    imports: Vec<String>,
    exports: Vec<String>,
    #[serde(flatten)]
    policy: Option<Described>,
    /// Why it cannot be used.
    problem: Option<String>,
}

#[derive(Serialize)]
struct Described {
    name: String,
    version: String,
    summary: String,
    actions: Vec<ActionKind>,
    /// Each decision begins with the configuration parsed.
    snapshot: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let component = args.policy.built()?;
    let path = &component.path;
    let bytes = component::bytes(path)?;
    let evaluator = component::evaluator()?;
    let interfaces = evaluator
        .interfaces(&bytes)
        .map_err(|problem| Failure::new(format!("{}: {problem}", path.display())))?;
    let loaded = component.load(&evaluator, Instances::Fresh);
    let signature = Some(signature_path(path)).filter(|path| path.exists());
    let (policy, problem) = match loaded {
        Err(failure) => (None, Some(failure.to_string())),
        Ok(policy) => {
            let report = policy.report();
            let described = Described {
                name: report.description.name,
                version: report.description.version,
                summary: report.description.summary,
                actions: report.description.actions,
                snapshot: report.snapshot.is_ok(),
            };
            (Some(described), None)
        }
    };
    let inspected = Inspected {
        path: path.clone(),
        sha256: Digest::of(&bytes).to_string(),
        bytes: bytes.len(),
        signature,
        imports: interfaces.imports,
        exports: interfaces.exports,
        policy,
        problem,
    };
    match args.json {
        true => print_json(&inspected)?,
        false => print(&text(&inspected))?,
    }
    Ok(match inspected.problem {
        None => ExitCode::SUCCESS,
        Some(_) => ExitCode::from(FAILED),
    })
}

fn text(inspected: &Inspected) -> String {
    let mut lines: Vec<(&str, String)> = Vec::new();
    if let Some(policy) = &inspected.policy {
        let actions: Vec<_> = policy
            .actions
            .iter()
            .map(|kind| crate::policy_gate::word(*kind))
            .collect();
        lines.push(("name", format!("{} {}", policy.name, policy.version)));
        lines.push(("summary", policy.summary.clone()));
        lines.push(("wants to see", actions.join(", ")));
        lines.push((
            "configuration",
            match policy.snapshot {
                true => "parsed once, when it is loaded".to_owned(),
                false => "parsed for each decision".to_owned(),
            },
        ));
    }
    if inspected.policy.is_none() {
        // Who it is it says itself, once it has taken a configuration.
        lines.push(("name", "it does not say who it is (below: why)".to_owned()));
    }
    lines.push(("sha256", inspected.sha256.clone()));
    lines.push(("size", format!("{} bytes", inspected.bytes)));
    lines.push((
        "signature",
        match &inspected.signature {
            Some(path) => format!("{} (lockgate policy verify tells whose)", path.display()),
            None => "none beside it".to_owned(),
        },
    ));
    let names = |names: &[String]| match names.is_empty() {
        true => "nothing".to_owned(),
        false => names.join(", "),
    };
    lines.push(("imports", names(&inspected.imports)));
    lines.push(("exports", names(&inspected.exports)));
    if let Some(problem) = &inspected.problem {
        lines.push(("cannot be used", problem.clone()));
    }
    lines
        .iter()
        .map(|(name, value)| format!("{name:14} {value}\n"))
        .collect()
}
