//! What comes out of a policy, as it lies in its memory, and whether it can be what it says it is.
//!
//! How many bytes leave a policy in one call is held to [`limits::REPLY_BYTES`] while they are read: lists in lists cannot be larger in
//! the host than that, whatever they refer to. What is read is checked here, once; behind this are only answers that are in order.

use lockgate_grant::AbsPath;
use wasmtime::component::{ComponentType, Lift};

use crate::action::ActionKind;
use crate::limits;
use crate::verdict::{Decision, Description, Narrowing, Verdict};
use crate::version::Version;

#[derive(ComponentType, Lift)]
#[component(variant)]
pub(crate) enum RawDecision {
    #[component(name = "allow")]
    Allow,
    #[component(name = "deny")]
    Deny(String),
    #[component(name = "ask")]
    Ask(String),
    #[component(name = "abstain")]
    Abstain,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct RawVerdict {
    decision: RawDecision,
    narrowing: Option<Narrowing>,
    rule: Option<String>,
    details: Option<String>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct RawDescription {
    name: String,
    version: String,
    summary: String,
    actions: Vec<ActionKind>,
}

impl RawVerdict {
    /// The verdict, or what is wrong with it.
    pub(crate) fn check(self) -> Result<Verdict, String> {
        if let Some(narrowing) = &self.narrowing {
            check_narrowing(narrowing)?;
        }
        if let Some(rule) = &self.rule {
            at_most(rule, limits::NAME_BYTES, "the rule's name")?;
        }
        if let Some(details) = &self.details {
            at_most(details, limits::DETAILS_BYTES, "`details`")?;
            // As the decision log reads it, which would be without it otherwise: some texts have the form of JSON and are none that is read (too deep, half
            // of a surrogate pair, a number beyond all).
            serde_json::from_str::<serde_json::Value>(details)
                .map_err(|error| format!("`details` is no JSON ({error})"))?;
        }
        let decision = match self.decision {
            RawDecision::Allow => Decision::Allow,
            RawDecision::Deny(reason) => {
                at_most(&reason, limits::MESSAGE_BYTES, "the reason")?;
                Decision::Deny { reason }
            }
            RawDecision::Ask(prompt) => {
                at_most(&prompt, limits::MESSAGE_BYTES, "the prompt")?;
                Decision::Ask { prompt }
            }
            RawDecision::Abstain => Decision::Abstain,
        };
        Ok(Verdict {
            decision,
            narrowing: self.narrowing,
            rule: self.rule,
            details: self.details,
        })
    }
}

impl RawDescription {
    /// The description and its version, or what is wrong with it.
    pub(crate) fn check(self) -> Result<(Description, Version), String> {
        check_name(&self.name)?;
        let version: Version = self
            .version
            .parse()
            .map_err(|error: crate::version::NotAVersion| error.to_string())?;
        at_most(&self.summary, limits::SUMMARY_BYTES, "the summary")?;
        if self.summary.chars().any(char::is_control) {
            return Err("the summary has more than one line".to_owned());
        }
        let mut actions = self.actions;
        actions.sort_unstable();
        actions.dedup();
        if actions.is_empty() {
            return Err("it wants to see no action, so it could never decide anything".to_owned());
        }
        let description = Description {
            name: self.name,
            version: self.version,
            summary: self.summary,
            actions,
        };
        Ok((description, version))
    }
}

/// A policy's name: the contract's pattern.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    let first = name
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_lowercase());
    let rest = name
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    match first && rest && name.len() <= limits::POLICY_NAME_BYTES {
        true => Ok(()),
        false => Err(format!(
            "{:?} is no name of a policy: a lower-case letter, then lower-case letters, digits and `-`, at most {} bytes",
            shown(name),
            limits::POLICY_NAME_BYTES
        )),
    }
}

fn check_narrowing(narrowing: &Narrowing) -> Result<(), String> {
    let entries = narrowing.grant.as_deref().unwrap_or_default();
    if entries.len() > limits::GRANT_ENTRIES {
        return Err(format!(
            "its grant has {} entries, and {} is the most",
            entries.len(),
            limits::GRANT_ENTRIES
        ));
    }
    for entry in entries {
        let path = AbsPath::parse(&entry.path).map_err(|error| {
            format!("its grant names the path {:?}: {error}", shown(&entry.path))
        })?;
        if path.as_bytes() != entry.path.as_bytes() {
            return Err(format!(
                "its grant names the path {:?}, which is not normalized: {}",
                shown(&entry.path),
                path.as_path().display()
            ));
        }
    }
    if narrowing.drop_env.len() > limits::DROPPED_VARIABLES {
        return Err(format!(
            "it drops {} environment variables, and {} is the most",
            narrowing.drop_env.len(),
            limits::DROPPED_VARIABLES
        ));
    }
    for name in &narrowing.drop_env {
        at_most(name, limits::NAME_BYTES, "an environment variable's name")?;
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(format!("{:?} is no environment variable", shown(name)));
        }
    }
    Ok(())
}

fn at_most(text: &str, bytes: usize, what: &str) -> Result<(), String> {
    match text.len() <= bytes {
        true => Ok(()),
        false => Err(format!(
            "{what} has {} bytes, and {bytes} is the most",
            text.len()
        )),
    }
}

/// The beginning of a text that may be long.
fn shown(text: &str) -> String {
    text.chars().take(100).collect()
}
