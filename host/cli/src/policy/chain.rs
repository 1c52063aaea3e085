//! `lockgate policy eval --config`: one question to all policies of a configuration, as a server with it would decide it.
//!
//! A server keeps to itself what those said who did not decide. Here each is heard, up to the first that denies: behind it a server asks nobody either.

use std::path::Path;
use std::process::ExitCode;

use lockgate_policy_gate::printable::{printable, printable_json};
use lockgate_policy_gate::{
    Action, ActionKind, Answer, Decision, Default as Fallback, Fail, Narrowing, Outcome, Policy,
    Ruling, Settings, Verdict,
};
use serde::Serialize;

use super::asked::{shown, subject};
use super::component;
use super::eval::{ALLOWED, ASKED, DENIED};
use crate::config;
use crate::failure::Failure;
use crate::output::{print, print_json};
use crate::policy_gate::{repin, word};

/// What one policy of the chain said.
#[derive(Serialize)]
struct Said {
    policy: String,
    #[serde(flatten)]
    answer: SaidWhat,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum SaidWhat {
    /// An answer; of one that failed, what it counts as.
    Verdict {
        #[serde(flatten)]
        verdict: Box<Verdict>,
        #[serde(skip_serializing_if = "Option::is_none")]
        failure: Option<String>,
    },
    /// Why it was not asked.
    NotAsked(&'static str),
}

#[derive(Serialize)]
struct Asked<'a> {
    /// `allow`, `deny` or `ask`.
    decision: &'static str,
    /// Who decided; none: the default.
    policy: Option<&'a str>,
    reason: Option<&'a str>,
    rule: Option<&'a str>,
    default: Fallback,
    answers: &'a [Said],
    action: &'a Action,
}

pub(super) fn ask(file: &Path, action: &Action, json: bool) -> Result<ExitCode, Failure> {
    let config = config::read(file)?;
    let settings = config.policy.map(|policy| policy.settings).ok_or_else(|| {
        Failure::new(format!(
            "{} has no [policy]: nobody is asked, and what a client asks for is done",
            file.display()
        ))
    })?;
    let policies = load(&settings, file)?;
    let said = hear(&policies, action);
    // What is written to a process is asked only of policies that want to see it.
    let default = match action.kind() {
        ActionKind::ProcessWrite => Fallback::Allow,
        _ => settings.default,
    };
    let ruling = Ruling::of(answers(&said), default);
    match json {
        true => print_json(&asked(&ruling, default, &said, action))?,
        false => print(&text(&ruling, default, &said, action)?)?,
    }
    Ok(ExitCode::from(match ruling.outcome {
        Outcome::Allow => ALLOWED,
        Outcome::Deny { .. } => DENIED,
        Outcome::Ask(_) => ASKED,
    }))
}

fn load(settings: &Settings, file: &Path) -> Result<Vec<Policy>, Failure> {
    let evaluator = component::evaluator()?;
    let load = |module| {
        let policy = evaluator.load(module);
        policy.map_err(|error| Failure::new(repin::told(&error, &settings.modules, file)))
    };
    settings.modules.iter().map(load).collect()
}

fn hear(policies: &[Policy], action: &Action) -> Vec<Said> {
    let mut is_denied = false;
    let hear = |policy: &Policy| {
        let answer = if !policy.actions().contains(&action.kind()) {
            SaidWhat::NotAsked("it does not see actions of this kind")
        } else if is_denied {
            SaidWhat::NotAsked("it was denied before")
        } else {
            let (verdict, failure) = match policy.evaluate(&subject(), action) {
                Ok(verdict) => (verdict, None),
                Err(failure) => (failed(policy, &failure), Some(failure.to_string())),
            };
            is_denied = matches!(verdict.decision, Decision::Deny { .. });
            SaidWhat::Verdict {
                verdict: Box::new(verdict),
                failure,
            }
        };
        Said {
            policy: policy.name().to_owned(),
            answer,
        }
    };
    policies.iter().map(hear).collect()
}

/// What a failure counts as: an error that a policy answers is a deny, whatever its operator chose.
fn failed(policy: &Policy, failure: &lockgate_policy_gate::Failure) -> Verdict {
    let is_answer = matches!(failure, lockgate_policy_gate::Failure::Error(_));
    let decision = match policy.settings().fail {
        Fail::Abstain if !is_answer => Decision::Abstain,
        _ => Decision::Deny {
            reason: format!("it fails: {failure}"),
        },
    };
    Verdict::from(decision)
}

fn answers(said: &[Said]) -> Vec<Answer> {
    let answer = |said: &Said| match &said.answer {
        SaidWhat::NotAsked(_) => None,
        SaidWhat::Verdict { verdict, .. } => Some(Answer {
            policy: said.policy.clone(),
            verdict: (**verdict).clone(),
        }),
    };
    said.iter().filter_map(answer).collect()
}

fn asked<'a>(
    ruling: &'a Ruling,
    default: Fallback,
    answers: &'a [Said],
    action: &'a Action,
) -> Asked<'a> {
    let (decision, policy, reason, rule) = match &ruling.outcome {
        Outcome::Allow => ("allow", None, None, None),
        Outcome::Deny {
            policy,
            reason,
            rule,
        } => ("deny", policy.as_deref(), Some(&**reason), rule.as_deref()),
        Outcome::Ask(consent) => (
            "ask",
            consent.policy.as_deref(),
            Some(&*consent.prompt),
            consent.rule.as_deref(),
        ),
    };
    Asked {
        decision,
        policy,
        reason,
        rule,
        default,
        answers,
        action,
    }
}

/// One line for each policy, and what holds.
fn text(
    ruling: &Ruling,
    default: Fallback,
    said: &[Said],
    action: &Action,
) -> Result<String, Failure> {
    let width = said.iter().map(|one| one.policy.chars().count()).max();
    let width = width.unwrap_or_default();
    let mut lines = String::new();
    for one in said {
        let answer = match &one.answer {
            SaidWhat::NotAsked(why) => format!("not asked: {why}"),
            // Of one that counts as a deny this is the reason.
            SaidWhat::Verdict {
                verdict,
                failure: Some(failure),
            } if verdict.decision == Decision::Abstain => {
                format!("abstain: it fails: {}", printable(failure))
            }
            SaidWhat::Verdict { verdict, .. } => answer(verdict)?,
        };
        lines.push_str(&format!("  {:width$}  {answer}\n", one.policy));
    }
    let whole = asked(ruling, default, said, action);
    let by = match whole.policy {
        Some(policy) => format!(" by {policy}"),
        None if is_by_default(said) => format!(" by default = \"{}\"", word(default)),
        None => String::new(),
    };
    let reason = whole
        .reason
        .map(|reason| format!(": {}", printable(reason)));
    let asked = shown(action, &lines)?;
    Ok(format!(
        "{}{by}{}\n{lines}  to {asked}\n",
        whole.decision,
        reason.unwrap_or_default()
    ))
}

/// Nobody who was asked had an opinion.
fn is_by_default(said: &[Said]) -> bool {
    said.iter().all(|one| match &one.answer {
        SaidWhat::NotAsked(_) => true,
        SaidWhat::Verdict { verdict, .. } => matches!(verdict.decision, Decision::Abstain),
    })
}

fn answer(verdict: &Verdict) -> Result<String, Failure> {
    let decision = match &verdict.decision {
        Decision::Allow => "allow".to_owned(),
        Decision::Abstain => "abstain".to_owned(),
        Decision::Deny { reason } => format!("deny: {}", printable(reason)),
        Decision::Ask { prompt } => format!("ask: {}", printable(prompt)),
    };
    let rule = verdict
        .rule
        .as_ref()
        .map(|rule| format!(" (rule {})", printable(rule)));
    let json = |narrowing: &Narrowing| {
        serde_json::to_string(narrowing).map_err(|error| Failure::new(error.to_string()))
    };
    let narrowed = verdict.narrowing.as_ref().map(json).transpose()?;
    let narrowed =
        narrowed.map(|narrowing| format!(", narrowed to {}", printable_json(&narrowing)));
    Ok(format!(
        "{decision}{}{}",
        rule.unwrap_or_default(),
        narrowed.unwrap_or_default()
    ))
}
