//! `lockgate policy eval`: one question by hand.

use std::process::ExitCode;
use std::time::Instant;

use lockgate_policy_gate::printable::{printable, printable_json};
use lockgate_policy_gate::{Decision, Instances, Verdict};
use serde::Serialize;

use super::asked::{Asked, subject};
use super::component::{self, Component};
use crate::failure::Failure;
use crate::output::{print, print_json};

/// Ask a policy one question
#[derive(clap::Args)]
#[command(after_help = EXIT)]
pub(crate) struct Args {
    #[command(flatten)]
    policy: Component,
    #[command(flatten)]
    asked: Asked,
    /// As JSON
    #[arg(long)]
    json: bool,
}

const EXIT: &str = "\
Examples:
  lockgate policy eval careful.wasm -- git push
  lockgate policy eval workspace.wasm --config-text 'root /work' --write /work/a
  lockgate policy eval careful.wasm --get https://example.com/

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
    let evaluator = component::evaluator()?;
    let policy = args.policy.built()?.load(&evaluator, Instances::Fresh)?;
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
        let asked =
            serde_json::to_string(&action).map_err(|error| Failure::new(error.to_string()))?;
        let asked = printable_json(&asked);
        let answer = text(&verdict, policy.actions().contains(&action.kind()), micros)?;
        print(&format!("{answer}  to {asked}\n"))?;
    }
    Ok(ExitCode::from(match verdict.decision {
        Decision::Allow => 0,
        Decision::Deny { .. } => 3,
        Decision::Ask { .. } => 4,
        Decision::Abstain => 5,
    }))
}

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
