//! `lockgate policy test`: asks the policy what its cases say, and shows where it answers differently.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use similar::TextDiff;

use crate::failure::Failure;
use crate::output::print;
use crate::policy::build;
use crate::policy::cases::Cases;
use crate::policy::component::{self, Given};

/// Ask a policy the questions of its cases, and show where it answers differently; a project is built first where it has changed
#[derive(clap::Args)]
#[command(
    after_help = "A configuration that is given takes the place of the one in the cases. The exit code is 1 if a case fails."
)]
pub(crate) struct Args {
    /// The project, or a component; this folder if left out
    #[arg(default_value = ".")]
    policy: PathBuf,

    /// The cases, as TOML or, if its name ends with .json, JSON; cases.toml in the project, or beside the component, if left out
    #[arg(long, value_name = "FILE")]
    cases: Option<PathBuf>,

    #[command(flatten)]
    given: Given,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let failed = match args.policy.is_dir() {
        true => project(&args.policy, args.cases.as_deref(), &args.given)?.1,
        false if !args.policy.exists() => {
            return Err(Failure::new(format!(
                "{}: there is no such project or component; `lockgate policy new NAME` makes a project",
                args.policy.display()
            )));
        }
        false => {
            let beside = args.policy.with_file_name("cases.toml");
            if args.cases.is_none() && !beside.exists() {
                return Err(Failure::new(format!(
                    "there are no cases to ask {} about, because there is no {}: say with --cases FILE where they are, or name the folder of a project",
                    args.policy.display(),
                    beside.display()
                )));
            }
            let cases = read(args.cases.as_deref().unwrap_or(&beside))?;
            ask(&args.policy, &cases, &args.given)?
        }
    };
    Ok(match failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// Builds a project where it has changed, and asks its cases: the component, and how many of them failed.
pub(super) fn project(
    folder: &Path,
    cases: Option<&Path>,
    given: &Given,
) -> Result<(PathBuf, usize), Failure> {
    let component = build::current(folder)?;
    let beside = folder.join("cases.toml");
    let cases = read(cases.unwrap_or(&beside))?;
    let failed = ask(&component, &cases, given)?;
    Ok((component, failed))
}

/// Asks the cases that lie beside a component, if they say that they are about it: how many of them failed.
pub(super) fn beside(component: &Path, given: &Given) -> Result<usize, Failure> {
    let file = component.with_file_name("cases.toml");
    if !file.exists() {
        return Ok(0);
    }
    let cases = read(&file)?;
    let is_about = |policy: &PathBuf| policy.file_name() == component.file_name();
    match cases.policy.as_ref().is_some_and(is_about) {
        true => ask(component, &cases, given),
        false => Ok(0),
    }
}

fn read(file: &Path) -> Result<Cases, Failure> {
    let cases = Cases::read(file)?;
    match cases.case.is_empty() {
        true => Err(Failure::new(format!("{}: no [[case]]", file.display()))),
        false => Ok(cases),
    }
}

/// How many of the cases failed.
fn ask(component: &Path, cases: &Cases, given: &Given) -> Result<usize, Failure> {
    let mut settings = given.settings(component.to_owned())?;
    if given.is_without_config() {
        settings.config.clone_from(&cases.config);
    }
    let policy = component::evaluator()?
        .load(&settings)
        .map_err(|error| Failure::new(error.to_string()))?;
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
    Ok(failed)
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
