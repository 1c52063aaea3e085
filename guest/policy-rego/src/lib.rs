//! The stock policy `rego`: a module in Rego, the language of Open Policy Agent, decides.
//!
//! The configuration is the module's text; `--- data` with a JSON object may follow. Module and data are parsed and prepared when the policy is
//! loaded; each decision takes a copy of the prepared engine and leaves nothing in it. README.md says which rules are asked.

mod answer;
mod calls;
mod input;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use lockgate_policy::{Action, ActionKind, Description, Policy, Subject, Verdict};
use policy_parts::{Part, parts};
use regorus::{Engine, Value};

use crate::answer::{NARROWING, RULES, Values};

struct Rego {
    engine: Engine,
    /// Those of [`RULES`] and [`NARROWING`] that the module has.
    rules: Vec<Asked>,
}

/// A rule that is asked.
struct Asked {
    name: &'static str,
    /// The paths in the engine: the rule's own, or, with their names, those of its members (`narrowing.grant`).
    paths: Vec<(Option<String>, String)>,
}

impl Policy for Rego {
    fn description() -> Description {
        Description::new(
            "rego",
            env!("CARGO_PKG_VERSION"),
            "A Rego module decides",
            [
                ActionKind::ProcessStart,
                ActionKind::ProcessWrite,
                ActionKind::File,
                ActionKind::Http,
            ],
        )
    }

    fn load(text: &str) -> Result<Self, String> {
        let parts = parts(text, &["data"])?;
        let part = |name| parts.iter().find(|part| part.name == name);
        let policy = part("").ok_or("there is no module")?;
        if policy.text.trim().is_empty() {
            return Err(
                "there is no module: the configuration of `rego` is the text of a Rego module of `package lockgate`"
                    .to_owned(),
            );
        }
        let mut engine = Engine::new();
        engine.set_strict_builtin_errors(true);
        engine.set_gather_prints(true);
        let package = engine
            .add_policy("line".to_owned(), policy.text.to_owned())
            .map_err(|error| told(&error))?;
        if package != "data.lockgate" {
            return Err(format!(
                "the module is `package {}`; write `package lockgate`",
                package.trim_start_matches("data.")
            ));
        }
        let rules = checked(policy, &mut engine)?;
        if let Some(part) = part("data") {
            data(part, &mut engine)?;
        }
        // Prepares the engine, without deciding anything.
        engine
            .compile_with_entrypoint(&rules[0].paths[0].1.as_str().into())
            .map_err(|error| told(&error))?;
        Ok(Rego { engine, rules })
    }

    fn evaluate(&self, subject: &Subject, action: &Action) -> Result<Verdict, String> {
        let mut engine = self.engine.clone();
        engine.set_input(Value::from(input::input(subject, action)));
        let mut values = Values::default();
        for rule in &self.rules {
            let value = rule.value(&mut engine)?;
            match rule.name {
                "decision" => values.decision = value,
                "deny" => values.deny = value,
                "ask" => values.ask = value,
                "allow" => values.allow = value,
                _ => values.narrowing = value,
            }
        }
        let prints = engine.take_prints().unwrap_or_default();
        for line in prints {
            lockgate_policy::debug!("{line}");
        }
        answer::verdict(values)
    }
}

impl Asked {
    /// The rule of this name, if the module has it.
    fn find(name: &'static str, declared: &BTreeSet<String>) -> Result<Option<Asked>, String> {
        let mut paths = Vec::new();
        for path in declared {
            let member = match path.strip_prefix(name) {
                Some("") => None,
                Some(rest) => match rest.strip_prefix('.') {
                    Some(member) => Some(member.to_owned()),
                    None => continue,
                },
                None => continue,
            };
            let can_have_members = matches!(name, "decision" | NARROWING);
            if member
                .as_ref()
                .is_some_and(|member| !can_have_members || member.contains('.'))
            {
                return Err(format!(
                    "the rule {path} is none that is asked: write {name} itself"
                ));
            }
            paths.push((member, format!("data.lockgate.{path}")));
        }
        if paths.len() > 1 && paths.iter().any(|(member, _)| member.is_none()) {
            return Err(format!(
                "write {name} as one rule or as rules for its members, not both"
            ));
        }
        Ok((!paths.is_empty()).then_some(Asked { name, paths }))
    }

    /// What it comes to; none if it is undefined.
    fn value(&self, engine: &mut Engine) -> Result<Option<serde_json::Value>, String> {
        let mut members = serde_json::Map::new();
        for (member, path) in &self.paths {
            let value = engine
                .eval_rule(path.clone())
                .map_err(|error| told(&error))?;
            if value == Value::Undefined {
                continue;
            }
            let value =
                serde_json::to_value(&value).map_err(|error| format!("{}: {error}", self.name))?;
            match member {
                None => return Ok(Some(value)),
                Some(member) => members.insert(member.clone(), value),
            };
        }
        Ok((!members.is_empty()).then_some(members.into()))
    }
}

/// The module calls only what there is, and has a rule to be asked.
fn checked(part: &Part<'_>, engine: &mut Engine) -> Result<Vec<Asked>, String> {
    let module = engine.get_modules().first().ok_or("there is no module")?;
    if let Some(import) = module.imports.iter().find(|import| {
        let path = calls::path(&import.refr).unwrap_or_default();
        !(path == "rego.v1" || path.starts_with("future.keywords"))
    }) {
        let (line, column) = (import.span.line as usize, import.span.col as usize);
        return Err(format!(
            "{}: there is nothing to import but `rego.v1`: the module stands alone, `input` and `data` need no import",
            part.at(line, column)
        ));
    }
    calls::check(part, module)?;
    let declared = calls::rules(module);
    let mut asked = Vec::new();
    for name in RULES {
        asked.extend(Asked::find(name, &declared)?);
    }
    if asked.is_empty() {
        return Err(format!(
            "the module has none of the rules that are asked: {}",
            RULES.join(", ")
        ));
    }
    asked.extend(Asked::find(NARROWING, &declared)?);
    Ok(asked)
}

fn data(part: &Part<'_>, engine: &mut Engine) -> Result<(), String> {
    let json: serde_json::Value = serde_json::from_str(part.text).map_err(|error| {
        let position = part.at(error.line().max(1), error.column().max(1));
        format!("data: {position}: {error}")
    })?;
    if json.get("lockgate").is_some() {
        return Err(format!(
            "data (after line {}): `lockgate` is the module's own name; use another",
            part.lines_before
        ));
    }
    engine
        .add_data(Value::from(json))
        .map_err(|error| format!("data (after line {}): {error}", part.lines_before))
}

/// The engine shows the line with an arrow below it: `--> line:3:7` and the rest. In one line here.
fn told(error: &dyn std::fmt::Display) -> String {
    let text = format!("{error:#}");
    let Some((_, rest)) = text.split_once("--> line:") else {
        return text.replace('\n', " ");
    };
    let (place, shown) = rest.split_once('\n').unwrap_or((rest, ""));
    let (line, column) = place.split_once(':').unwrap_or((place, "1"));
    let said = shown
        .lines()
        .find_map(|line| line.strip_prefix("error: "))
        .unwrap_or(shown);
    format!("line {line}, column {column}: {said}")
}

lockgate_policy::export!(Rego);
