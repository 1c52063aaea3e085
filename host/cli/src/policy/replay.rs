//! `lockgate policy replay`: what another policy, or another version of it, would have decided.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::ExitCode;

use lockgate_policy_gate::printable::printable;
use lockgate_policy_gate::replay::{Line, Recorded};
use lockgate_policy_gate::{Action, ActionKind, Decision, Instances, LoggedNarrowing, Policy};
use serde::Serialize;

use super::asked::{kind, shown};
use super::component::{self, Component};
use crate::failure::{FAILED, Failure};
use crate::output::{print, print_json};

/// Ask a policy about all decisions of a log, and tell what it would have decided differently
#[derive(clap::Args)]
#[command(after_help = "\
It is compared with what the policy of the same name said then, or, where none of that name was asked, with what held in the end: the \
decision and what it leaves of the action, not the words of a reason. What is written to processes is not logged and cannot be asked again; of URLs, \
also in commands, the log has no user name, password and query. The exit code is 1 if anything differs.")]
pub(crate) struct Args {
    /// The decision log
    #[arg(value_name = "LOG.jsonl")]
    log: PathBuf,
    #[command(flatten)]
    policy: Component,
    /// Ask it about these kinds of actions only, of those that it wants to see: process-start, process-write, file, http
    #[arg(long, value_name = "KINDS", value_delimiter = ',', value_parser = kind)]
    actions: Option<Vec<ActionKind>>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// A line of the log with more bytes than any that is written.
const LONGEST: u64 = 1 << 20;

#[derive(Default, Serialize)]
struct Outcome {
    decisions: u64,
    same: u64,
    different: Vec<Different>,
    /// Of kinds of actions that this policy does not want to see.
    not_asked: u64,
    cannot_be_asked: u64,
    damaged: Vec<Damaged>,
}

#[derive(Serialize)]
struct Different {
    line: u64,
    number: u64,
    action: Action,
    then: Decision,
    /// What was left of the action.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    then_within: Vec<LoggedNarrowing>,
    now: Option<Decision>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    now_within: Vec<LoggedNarrowing>,
    rule: Option<String>,
    /// Why the policy gave no answer.
    failure: Option<String>,
}

#[derive(Serialize)]
struct Damaged {
    line: u64,
    problem: String,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let cannot = |error: std::io::Error| Failure::new(format!("{}: {error}", args.log.display()));
    let mut log = BufReader::new(File::open(&args.log).map_err(cannot)?);
    let policy = args.policy.built()?.load_for(
        &component::evaluator()?,
        Instances::Fresh,
        args.actions.as_deref(),
    )?;
    let mut outcome = Outcome::default();
    for line in 1.. {
        let mut bytes = Vec::new();
        let read = std::io::Read::take(&mut log, LONGEST).read_until(b'\n', &mut bytes);
        if read.map_err(cannot)? == 0 {
            break;
        }
        let text = String::from_utf8_lossy(&bytes);
        if text.trim().is_empty() {
            continue;
        }
        match Line::read(&text) {
            Line::Answer => {}
            Line::LeftOut(_) => outcome.cannot_be_asked += 1,
            Line::Damaged(problem) => outcome.damaged.push(Damaged { line, problem }),
            Line::Decision(recorded) => outcome.add(line, *recorded, &policy),
        }
    }
    if outcome.decisions == 0 && !outcome.damaged.is_empty() {
        return Err(Failure::new(format!(
            "{} is no decision log: none of its lines can be read (line {}: {})",
            args.log.display(),
            outcome.damaged[0].line,
            outcome.damaged[0].problem
        )));
    }
    let differs = !outcome.different.is_empty();
    match args.json {
        true => print_json(&outcome)?,
        false => print(&text(&outcome, policy.name())?)?,
    }
    Ok(match differs {
        false => ExitCode::SUCCESS,
        true => ExitCode::from(FAILED),
    })
}

impl Outcome {
    fn add(&mut self, line: u64, recorded: Recorded, policy: &Policy) {
        self.decisions += 1;
        if !policy.actions().contains(&recorded.action.kind()) {
            self.not_asked += 1;
            return;
        }
        let own = recorded
            .answers
            .iter()
            .find(|answer| answer.policy == policy.name());
        let (then, answers) = match own {
            Some(own) => (own.decision.clone(), std::slice::from_ref(own)),
            None => (recorded.decision.clone(), &recorded.answers[..]),
        };
        let then_within: Vec<_> = match then {
            // Of nothing, nothing is left.
            Decision::Deny { .. } => Vec::new(),
            _ => answers
                .iter()
                .filter_map(|answer| answer.narrowing.clone())
                .collect(),
        };
        let mut now_within = Vec::new();
        let (now, rule, failure) = match policy.evaluate(&recorded.subject, &recorded.action) {
            Ok(verdict) => {
                now_within.extend(LoggedNarrowing::of(&verdict));
                (Some(verdict.decision), verdict.rule, None)
            }
            Err(failure) => (None, None, Some(failure.to_string())),
        };
        let same = |now: &Decision| std::mem::discriminant(now) == std::mem::discriminant(&then);
        if now.as_ref().is_some_and(same) && now_within == then_within {
            self.same += 1;
            return;
        }
        self.different.push(Different {
            line,
            number: recorded.number,
            action: recorded.action,
            then,
            then_within,
            now,
            now_within,
            rule,
            failure,
        });
    }
}

fn text(outcome: &Outcome, name: &str) -> Result<String, Failure> {
    let mut text = String::new();
    for different in &outcome.different {
        let within = |left: &[LoggedNarrowing]| match different.then_within == different.now_within
        {
            true => String::new(),
            false => within(left),
        };
        let now = match (&different.now, &different.failure) {
            (Some(now), _) => said(now),
            (None, Some(failure)) => format!("it fails: {failure}"),
            (None, None) => "nothing".to_owned(),
        };
        let rule = different
            .rule
            .as_ref()
            .map(|rule| format!(" (rule {rule})"));
        let then = format!(
            "{}{}",
            said(&different.then),
            within(&different.then_within)
        );
        let now = format!(
            "{now}{}{}",
            rule.unwrap_or_default(),
            within(&different.now_within)
        );
        let action = shown(&different.action, &format!("{then} {now}"))?;
        text.push_str(&format!(
            "line {}: {action}\n  then {then}\n  now  {now}\n",
            different.line
        ));
    }
    for damaged in &outcome.damaged {
        text.push_str(&format!(
            "line {} cannot be read: {}\n",
            damaged.line, damaged.problem
        ));
    }
    text.push_str(&format!(
        "{} decisions: {} the same, {} different",
        outcome.decisions,
        outcome.same,
        outcome.different.len()
    ));
    for (count, what) in [
        (outcome.not_asked, format!("not for {name} to see")),
        (outcome.cannot_be_asked, "cannot be asked again".to_owned()),
        (outcome.damaged.len() as u64, "lines damaged".to_owned()),
    ] {
        if count > 0 {
            text.push_str(&format!(", {count} {what}"));
        }
    }
    text.push('\n');
    Ok(text)
}

/// What was left, in the words of the log.
fn within(left: &[LoggedNarrowing]) -> String {
    let narrowings: Vec<String> = left
        .iter()
        .map(|narrowing| serde_json::to_string(narrowing).unwrap_or_default())
        .collect();
    match narrowings.is_empty() {
        true => ", with nothing made smaller".to_owned(),
        false => format!(", within {}", narrowings.join(" and ")),
    }
}

fn said(decision: &Decision) -> String {
    match decision {
        Decision::Allow => "allow".to_owned(),
        Decision::Deny { reason } => format!("deny: {}", printable(reason)),
        Decision::Ask { prompt } => format!("ask: {}", printable(prompt)),
        Decision::Abstain => "abstain".to_owned(),
    }
}
