//! The configuration, read: policies, schema, entities and settings.

use std::collections::HashMap;

use cedar_policy::{
    Effect, Entities, Policy, PolicyId, PolicySet, Schema, ValidationMode, Validator,
};
use lockgate_policy::config;
use miette::Diagnostic;
use policy_parts::{Part, parts};

use crate::question::FROM_THE_REQUEST;
use crate::rule::Rule;
use crate::schema::SCHEMA;

/// A configuration that is right in itself.
pub(crate) struct Text {
    pub(crate) schema: Schema,
    /// Those of the configuration, and the actions.
    pub(crate) entities: Entities,
    /// All but the next.
    pub(crate) deciding: PolicySet,
    /// The forbids with `@ask`.
    pub(crate) asking: PolicySet,
    pub(crate) rules: HashMap<PolicyId, Rule>,
    /// Where nothing applies it is not this policy that decides.
    pub(crate) abstains: bool,
    /// The schema has a place for how far a walk goes: one of the operator's may be older than that.
    pub(crate) has_walk: bool,
}

impl Text {
    pub(crate) fn read(text: &str) -> Result<Text, String> {
        let parts = parts(text, &["schema", "entities", "settings"])?;
        let part = |name| parts.iter().find(|part| part.name == name);
        let policies = part("").ok_or("there are no policies")?;
        let schema = match part("schema") {
            Some(part) => schema(part)?,
            None => {
                Schema::from_cedarschema_str(SCHEMA)
                    .map_err(|error| error.to_string())?
                    .0
            }
        };
        let entities = match part("entities") {
            Some(part) => entities(part, &schema)?,
            None => {
                Entities::from_entities([], Some(&schema)).map_err(|error| error.to_string())?
            }
        };
        let set: PolicySet =
            policies
                .text
                .parse()
                .map_err(|error: cedar_policy::ParseErrors| {
                    let first = error.iter().next();
                    told(
                        policies,
                        first.map_or(&error as &dyn Diagnostic, |first| first),
                    )
                })?;
        valid(policies, &set, &schema)?;
        let (mut deciding, mut asking) = (Vec::new(), Vec::new());
        let mut rules = HashMap::new();
        for (order, (policy, line)) in in_order(policies, &set).into_iter().enumerate() {
            let rule = Rule::of(&policy, order, line)?;
            let asks = policy.effect() == Effect::Forbid && rule.ask.is_some();
            rules.insert(policy.id().clone(), rule);
            if asks { &mut asking } else { &mut deciding }.push(policy);
        }
        let set = |policies| PolicySet::from_policies(policies).map_err(|error| error.to_string());
        Ok(Text {
            schema,
            entities,
            deciding: set(deciding)?,
            asking: set(asking)?,
            rules,
            abstains: part("settings").map_or(Ok(false), settings)?,
            has_walk: true,
        })
    }
}

fn schema(part: &Part<'_>) -> Result<Schema, String> {
    match Schema::from_cedarschema_str(part.text) {
        Ok((schema, _)) => Ok(schema),
        Err(error) => Err(format!("schema: {}", told(part, &error))),
    }
}

fn entities(part: &Part<'_>, schema: &Schema) -> Result<Entities, String> {
    // Cedar's own errors have no positions: what is no JSON at all is told here.
    let json: serde_json::Value = serde_json::from_str(part.text).map_err(|error| {
        let position = part.at(error.line().max(1), error.column().max(1));
        format!("entities: {position}: {error}")
    })?;
    let entities = Entities::from_json_value(json, Some(schema)).map_err(|error| {
        format!(
            "entities (after line {}): {}",
            part.lines_before,
            chain(&error)
        )
    })?;
    for entity in entities.iter() {
        let uid = entity.uid();
        if FROM_THE_REQUEST.contains(&uid.type_name().basename()) {
            return Err(format!(
                "entities (after line {}): {uid} comes from the request and cannot be configured; Identity and Group can",
                part.lines_before
            ));
        }
    }
    Ok(entities)
}

fn settings(part: &Part<'_>) -> Result<bool, String> {
    let mut abstains = false;
    // So that lines are counted from the beginning of the whole text.
    let text = "\n".repeat(part.lines_before) + part.text;
    for line in config::lines(&text) {
        abstains = match (line.key, line.value) {
            ("default", "deny") => false,
            ("default", "abstain") => true,
            ("default", _) => return Err(line.error("is `deny` or `abstain`")),
            _ => return Err(line.unknown(&["default"])),
        };
    }
    Ok(abstains)
}

fn valid(part: &Part<'_>, set: &PolicySet, schema: &Schema) -> Result<(), String> {
    if set.is_empty() {
        return Err(
            "there is no policy: the configuration of `cedar` is the text of Cedar policies"
                .to_owned(),
        );
    }
    if let Some(template) = set.templates().next() {
        return Err(format!(
            "{} is a template (it has ?principal or ?resource): nothing here links templates, so write it as a policy",
            template.id()
        ));
    }
    let result = Validator::new(schema.clone()).validate(set, ValidationMode::Strict);
    if let Some(error) = first(part, result.validation_errors()) {
        return Err(error);
    }
    for warning in result.validation_warnings() {
        lockgate_policy::warn!("{}", told(part, warning));
    }
    Ok(())
}

/// The one that stands first in the text, as Cedar has them in no order.
fn first<'a, E: Diagnostic + 'a>(
    part: &Part<'_>,
    errors: impl Iterator<Item = &'a E>,
) -> Option<String> {
    errors
        .min_by_key(|error| (offset(*error).unwrap_or(usize::MAX), error.to_string()))
        .map(|error| told(part, error))
}

fn offset(error: &dyn Diagnostic) -> Option<usize> {
    error.labels()?.map(|label| label.offset()).min()
}

/// Where it is, what it is, and what Cedar has to say about it.
fn told(part: &Part<'_>, error: &dyn Diagnostic) -> String {
    let position = offset(error).map(|offset| part.position(offset));
    let mut message = position.map_or_else(String::new, |position| format!("{position}: "));
    message.push_str(&chain(error));
    let labels = error.labels().into_iter().flatten();
    for label in labels.filter_map(|label| label.label().map(str::to_owned)) {
        message.push_str(&format!("; {label}"));
    }
    if let Some(help) = error.help() {
        message.push_str(&format!(" ({help})"));
    }
    message
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !message.contains(&text) {
            message.push_str(&format!(": {text}"));
        }
        cause = error.source();
    }
    message.replace('\n', " ")
}

/// The policies as the text has them, with the lines that they begin in. Cedar numbers them in that order and keeps what they looked like.
fn in_order(part: &Part<'_>, set: &PolicySet) -> Vec<(Policy, usize)> {
    let number = |policy: &Policy| {
        let id = policy.id().to_string();
        id.strip_prefix("policy")
            .and_then(|number| number.parse::<usize>().ok())
    };
    let mut policies: Vec<_> = set.policies().cloned().collect();
    policies.sort_by_key(|policy| (number(policy), policy.id().clone()));
    let mut from = 0;
    let mut with_line = |policy: Policy| {
        let text = policy.to_cedar().unwrap_or_default();
        let begin = part.text[from..].find(&text).map_or(from, |at| from + at);
        from = (begin + text.len()).min(part.text.len());
        let line = part.lines_before + part.text[..begin].matches('\n').count() + 1;
        (policy, line)
    };
    policies.into_iter().map(&mut with_line).collect()
}
