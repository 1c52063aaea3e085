//! `lockgate policy test`: asks the policy what its cases say, and shows where it answers differently.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use lockgate_policy_gate::{Evaluator, ModuleSettings};
use similar::TextDiff;

use crate::failure::Failure;
use crate::output::print;
use crate::policy::cases::Cases;

/// Ask a policy the questions of its cases, and show where it answers differently
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The project, or a component; this folder if left out
    #[arg(default_value = ".")]
    policy: PathBuf,

    /// The cases; cases.toml in the project, or beside the component, if left out
    #[arg(long, value_name = "FILE")]
    cases: Option<PathBuf>,

    /// The policy's configuration text, in place of the one in the cases
    #[arg(long, value_name = "FILE")]
    config_file: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let is_project = args.policy.is_dir();
    let folder = match is_project {
        true => args.policy.as_path(),
        false => args.policy.parent().unwrap_or(&args.policy),
    };
    let file = args
        .cases
        .clone()
        .unwrap_or_else(|| folder.join("cases.toml"));
    let cases = Cases::read(&file)?;
    if cases.case.is_empty() {
        return Err(Failure::new(format!("{}: no [[case]]", file.display())));
    }
    let component = match (is_project, &cases.policy) {
        (false, _) => args.policy.clone(),
        (true, Some(component)) => folder.join(component),
        (true, None) => {
            return Err(Failure::usage(format!(
                "{} names no component (policy = \"NAME.wasm\"); give one on the command line",
                file.display()
            )));
        }
    };
    if is_project && !component.exists() {
        return Err(Failure::new(format!(
            "there is no {}: `lockgate policy build` makes it",
            component.display()
        )));
    }
    let config = match &args.config_file {
        None => cases.config.clone(),
        Some(file) => fs::read_to_string(file)
            .map_err(|error| Failure::new(format!("{}: {error}", file.display())))?,
    };

    let failure = |error: &dyn std::error::Error| Failure::new(error.to_string());
    let evaluator =
        Evaluator::new(lockgate_engine::CacheChoice::Standard).map_err(|error| failure(&error))?;
    let settings = ModuleSettings {
        config,
        ..ModuleSettings::new(component)
    };
    let policy = evaluator.load(&settings).map_err(|error| failure(&error))?;

    let mut failed = 0;
    for case in &cases.case {
        let difference = match policy.evaluate(&case.subject, &case.action) {
            Ok(verdict) if case.expect.is_met(&verdict) => None,
            Ok(verdict) => Some(difference(&case.expect, &verdict)?),
            Err(error) => Some(format!("  it failed: {error}\n")),
        };
        match difference {
            None => print(&format!("ok    {}\n", case.name))?,
            Some(difference) => {
                failed += 1;
                print(&format!("FAIL  {}\n{difference}", case.name))?;
            }
        }
    }
    print(&format!("{} cases, {failed} failed\n", cases.case.len()))?;
    Ok(match failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// What was expected and what came, line by line.
fn difference(
    expected: &impl serde::Serialize,
    got: &impl serde::Serialize,
) -> Result<String, Failure> {
    let text = |error: serde_json::Error| Failure::new(error.to_string());
    // Through a value, so that both have their members in one order.
    let pretty = |value: serde_json::Value| serde_json::to_string_pretty(&value).map_err(text);
    let expected = pretty(serde_json::to_value(expected).map_err(text)?)?;
    let got = pretty(serde_json::to_value(got).map_err(text)?)?;
    let diff = TextDiff::from_lines(&*expected, &*got);
    let mut lines = String::from("  - expected (a part is enough for reason and prompt)  + got\n");
    for change in diff.iter_all_changes() {
        let line = change.to_string();
        lines.push_str(&format!(
            "  {} {}\n",
            change.tag(),
            line.trim_end_matches('\n')
        ));
    }
    Ok(lines)
}
