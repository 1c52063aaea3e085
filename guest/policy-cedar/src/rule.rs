//! What the annotations of a policy say.

use cedar_policy::{Effect, Policy};
use lockgate_policy::Narrowing;

use crate::narrow;

/// Annotations that are for readers.
const REMARKS: [&str; 3] = ["description", "note", "advice"];

/// One policy of the text.
#[derive(Debug, PartialEq)]
pub(crate) struct Rule {
    /// From 0, as the text has them.
    pub(crate) order: usize,
    /// Its `@id`, or the line that it begins in.
    pub(crate) name: String,
    pub(crate) reason: Option<String>,
    pub(crate) ask: Option<String>,
    /// Nothing, unless it permits.
    pub(crate) narrowing: Option<Narrowing>,
}

impl Rule {
    /// A misspelt annotation would narrow nothing and ask nobody: those that are not known are refused.
    pub(crate) fn of(policy: &Policy, order: usize, line: usize) -> Result<Rule, String> {
        let name = match policy.annotation("id") {
            Some(id) if !id.trim().is_empty() => id.to_owned(),
            _ => format!("line {line}"),
        };
        let error =
            |key: &str, message: &str| format!("line {line}: policy {name:?}: @{key}: {message}");
        let permits = policy.effect() == Effect::Permit;
        let mut rule = Rule {
            order,
            name: name.clone(),
            reason: None,
            ask: None,
            narrowing: None,
        };
        let mut annotations: Vec<_> = policy.annotations().collect();
        annotations.sort_unstable();
        for (key, text) in annotations {
            match key {
                "id" => {}
                "ask" | "reason" if text.trim().is_empty() => {
                    return Err(error(
                        key,
                        "says nothing: write a sentence, as in @ask(\"May it?\")",
                    ));
                }
                "ask" => rule.ask = Some(text.to_owned()),
                "reason" if permits => {
                    return Err(error(
                        key,
                        "a permit has no reason to give; it is for forbid",
                    ));
                }
                "reason" => rule.reason = Some(text.to_owned()),
                narrows if narrow::ANNOTATIONS.contains(&narrows) => {
                    if !permits {
                        return Err(error(
                            key,
                            "a forbid leaves nothing to narrow; it is for permit",
                        ));
                    }
                    let narrowing = rule.narrowing.get_or_insert_default();
                    narrow::add(narrowing, narrows, text).map_err(|told| error(key, &told))?;
                }
                remark if REMARKS.contains(&remark) => {}
                _ => {
                    let known = ["id", "reason", "ask"].iter();
                    let known: Vec<_> = known.chain(&narrow::ANNOTATIONS).chain(&REMARKS).collect();
                    let known = known.iter().map(|name| format!("@{name}"));
                    return Err(error(
                        key,
                        &format!(
                            "is not known; there are {}",
                            known.collect::<Vec<_>>().join(", ")
                        ),
                    ));
                }
            }
        }
        if rule.ask.is_some() && rule.reason.is_some() {
            return Err(error("reason", "a forbid that asks gives its question"));
        }
        Ok(rule)
    }
}
