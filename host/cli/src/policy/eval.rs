//! `lockgate policy eval`: one question by hand.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::ArgGroup;
use lockgate_policy_gate::printable::printable;
use lockgate_policy_gate::{Decision, Instances, Verdict};
use serde::Serialize;

use super::asked::{Asked, shown, subject};
use super::chain;
use super::component::{self, Component, Given};
use crate::failure::Failure;
use crate::output::{print, print_json};

/// Ask a policy, or all of a configuration, one question
#[derive(clap::Args)]
#[command(group(ArgGroup::new("who").args(["policy", "config"]).required(true)))]
#[command(after_help = EXIT)]
pub(crate) struct Args {
    /// The component, or its project: that is built where it has changed, and gets the configuration of its cases if none is given
    #[arg(value_name = "POLICY.wasm")]
    policy: Option<PathBuf>,
    #[command(flatten)]
    given: Given,
    /// Ask all policies of this configuration file, as a server does: what each says, and what holds
    #[arg(long, value_name = "FILE", conflicts_with_all = ["policy", "config_text", "config_file", "wasi"])]
    config: Option<PathBuf>,
    #[command(flatten)]
    asked: Asked,
    /// As JSON
    #[arg(long)]
    json: bool,
}

const EXIT: &str = "\
Examples:
  lockgate policy eval careful -- git push          a project, with the configuration of its cases
  lockgate policy eval policy-workspace.wasm --config-text 'root /work' --write /work/a
  lockgate policy eval careful --get https://example.com/
  lockgate policy eval --config lockgate.toml -- git push    all policies of a server, and what holds

The exit code is 0 for allow, 3 for deny, 4 for ask, 5 for abstain; 1 if the policy fails.";

#[derive(Serialize)]
struct Evaluated<'a> {
    #[serde(flatten)]
    verdict: &'a Verdict,
    action: &'a lockgate_policy_gate::Action,
    micros: u64,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let Some(action) = args.asked.action()? else {
        return Err(Failure::usage(
            "nothing is asked: give --read, --write or --remove PATH, --get URL, --action FILE, or a command after --",
        ));
    };
    let path = match (&args.config, &args.policy) {
        (Some(config), _) => return chain::ask(config, &action, args.json),
        (None, Some(path)) => path.clone(),
        // What is required was checked before.
        (None, None) => return Err(Failure::usage("name a policy, or --config FILE")),
    };
    let component = Component {
        path,
        given: args.given.clone(),
    };
    let evaluator = component::evaluator()?;
    let policy = component.built()?.load(&evaluator, Instances::Fresh)?;
    let started = Instant::now();
    let verdict = policy
        .evaluate(&subject(), &action)
        .map_err(|failure| Failure::new(format!("{} fails: {failure}", policy.name())))?;
    let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    if args.json {
        print_json(&Evaluated {
            verdict: &verdict,
            action: &action,
            micros,
        })?;
    } else {
        let answer = text(&verdict, policy.actions().contains(&action.kind()), micros)?;
        let asked = shown(&action, &answer)?;
        print(&format!("{answer}  to {asked}\n"))?;
    }
    Ok(ExitCode::from(match verdict.decision {
        Decision::Allow => ALLOWED,
        Decision::Deny { .. } => DENIED,
        Decision::Ask { .. } => ASKED,
        Decision::Abstain => 5,
    }))
}

/// Exit codes; those of a chain, which has no fourth answer, are the same.
pub(super) const ALLOWED: u8 = 0;
pub(super) const DENIED: u8 = 3;
pub(super) const ASKED: u8 = 4;

fn text(verdict: &Verdict, is_asked: bool, micros: u64) -> Result<String, Failure> {
    let mut text = match &verdict.decision {
        Decision::Allow => "allow\n".to_owned(),
        Decision::Deny { reason } => format!("deny: {}\n", printable(reason)),
        Decision::Ask { prompt } => format!("ask: {}\n", printable(prompt)),
        Decision::Abstain => "abstain\n".to_owned(),
    };
    if let Some(rule) = &verdict.rule {
        text.push_str(&format!("  rule {rule}\n"));
    }
    if let Some(narrowing) = &verdict.narrowing {
        let narrowing =
            serde_json::to_string(narrowing).map_err(|error| Failure::new(error.to_string()))?;
        text.push_str(&format!("  narrowed to {narrowing}\n"));
    }
    if let Some(details) = &verdict.details {
        text.push_str(&format!("  details {details}\n"));
    }
    if !is_asked {
        text.push_str(
            "  (it does not want to see actions of this kind: a server would not ask it)\n",
        );
    }
    text.push_str(&format!("  in {micros} us\n"));
    Ok(text)
}
