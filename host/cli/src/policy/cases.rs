//! `cases.toml`, or the same as JSON: what a policy is to decide, beside the policy.

use std::fs;
use std::path::{Path, PathBuf};

use lockgate_policy_gate::{Action, Decision, Narrowing, Subject, Verdict};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cases {
    /// The component, from the file's folder.
    pub(super) policy: Option<PathBuf>,
    /// The text that the policy reads as its configuration.
    #[serde(default)]
    pub(super) config: String,
    #[serde(default)]
    pub(super) case: Vec<Case>,
}

/// One question with the answer that is right.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub(super) name: String,
    #[serde(default)]
    pub(super) subject: Subject,
    pub(super) action: Action,
    pub(super) expect: Expected,
}

/// What has to be in the answer. What is left out may be anything.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expected {
    decision: String,
    /// A part of the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// A part of the prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    narrowing: Option<Narrowing>,
}

impl Cases {
    pub(super) fn read(path: &Path) -> Result<Cases, Failure> {
        let failure = |text: String| Failure::new(format!("{}: {text}", path.display()));
        let text = fs::read_to_string(path).map_err(|error| failure(error.to_string()))?;
        let cases: Cases = match path.extension().is_some_and(|end| end == "json") {
            true => serde_json::from_str(&text).map_err(|error| failure(error.to_string()))?,
            false => toml::from_str(&text).map_err(|error| failure(error.to_string()))?,
        };
        for case in &cases.case {
            let known = ["allow", "deny", "ask", "abstain"];
            if !known.contains(&&*case.expect.decision) {
                return Err(failure(format!(
                    "case {:?} expects the decision {:?}; there are {}",
                    case.name,
                    case.expect.decision,
                    known.join(", ")
                )));
            }
        }
        Ok(cases)
    }
}

impl Expected {
    /// Whether an answer has all that is expected of it.
    pub(super) fn is_met(&self, verdict: &Verdict) -> bool {
        let (decision, text) = match &verdict.decision {
            Decision::Allow => ("allow", None),
            Decision::Abstain => ("abstain", None),
            Decision::Deny { reason } => ("deny", Some(("reason", reason))),
            Decision::Ask { prompt } => ("ask", Some(("prompt", prompt))),
        };
        let says = |member: &str, part: &Option<String>| {
            part.as_ref().is_none_or(|part| {
                text.is_some_and(|(found, text)| found == member && text.contains(part.as_str()))
            })
        };
        decision == self.decision
            && says("reason", &self.reason)
            && says("prompt", &self.prompt)
            && (self.rule.is_none() || self.rule == verdict.rule)
            && (self.narrowing.is_none() || self.narrowing == verdict.narrowing)
    }
}
