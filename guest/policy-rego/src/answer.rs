//! What the rules of a module come to.
//!
//! Values of the wrong shape are errors, and an error is a deny: a misspelt `narowing` must not leave an answer as wide as it was.

use lockgate_policy::{Access, Decision, GrantEntry, Narrowing, Verdict, path};
use policy_parts::{MESSAGE_BYTES, NAME_BYTES, cut};
use serde_json::{Map, Value, json};

/// The rules that are asked. At least one has to be there.
pub(crate) const RULES: [&str; 4] = ["decision", "deny", "ask", "allow"];

/// Beside them.
pub(crate) const NARROWING: &str = "narrowing";

/// What each rule came to; none if it is undefined or not there.
#[derive(Default)]
pub(crate) struct Values {
    pub(crate) decision: Option<Value>,
    pub(crate) deny: Option<Value>,
    pub(crate) ask: Option<Value>,
    pub(crate) allow: Option<Value>,
    pub(crate) narrowing: Option<Value>,
}

/// The strictest of the rules' answers, with what the others narrow.
pub(crate) fn verdict(values: Values) -> Result<Verdict, String> {
    let mut answers = Vec::new();
    if let Some(value) = values.decision {
        answers.push(decision(value).map_err(|error| format!("decision: {error}"))?);
    }
    if let Some(said) = messages("deny", values.deny)? {
        answers.push(Answer {
            decision: Decision::Deny(said.text_or("the policy denies this")),
            rule: said.rule,
            narrowing: None,
            details: said.details,
        });
    }
    if let Some(said) = messages("ask", values.ask)? {
        answers.push(Answer {
            decision: Decision::Ask(said.text_or("may this be done?")),
            rule: said.rule,
            narrowing: None,
            details: said.details,
        });
    }
    match values.allow {
        None => {}
        Some(Value::Bool(true)) => answers.push(Answer::of(Decision::Allow, "allow")),
        Some(Value::Bool(false)) => answers.push(Answer::of(
            Decision::Deny("no rule of the policy allows this".to_owned()),
            "allow",
        )),
        Some(other) => return Err(format!("allow is true or false, not {}", kind(&other))),
    }
    let mut narrowing = match values.narrowing {
        Some(value) => Some(narrowed(value).map_err(|error| format!("narrowing: {error}"))?),
        None => None,
    };
    let mut strictest = Answer {
        decision: Decision::Abstain,
        rule: None,
        narrowing: None,
        details: None,
    };
    for mut answer in answers {
        if let Some(own) = answer.narrowing.take() {
            if narrowing.is_some() {
                return Err(
                    "narrowing stands in decision and as a rule: write it in one".to_owned(),
                );
            }
            narrowing = Some(own);
        }
        if severity(&answer.decision) > severity(&strictest.decision) {
            strictest = answer;
        }
    }
    Ok(Verdict {
        narrowing: narrowing.filter(|_| !matches!(strictest.decision, Decision::Deny(_))),
        decision: match strictest.decision {
            Decision::Deny(reason) => Decision::Deny(cut(&reason, MESSAGE_BYTES)),
            Decision::Ask(prompt) => Decision::Ask(cut(&prompt, MESSAGE_BYTES)),
            other => other,
        },
        rule: strictest.rule.map(|rule| cut(&rule, NAME_BYTES)),
        details: strictest.details,
    })
}

struct Answer {
    decision: Decision,
    rule: Option<String>,
    narrowing: Option<Narrowing>,
    details: Option<String>,
}

impl Answer {
    fn of(decision: Decision, rule: &str) -> Answer {
        Answer {
            decision,
            rule: Some(rule.to_owned()),
            narrowing: None,
            details: None,
        }
    }
}

fn severity(decision: &Decision) -> u8 {
    match decision {
        Decision::Abstain => 0,
        Decision::Allow => 1,
        Decision::Ask(_) => 2,
        Decision::Deny(_) => 3,
    }
}

/// `decision`: one of the four words, or an object with it.
fn decision(value: Value) -> Result<Answer, String> {
    let mut members = match value {
        Value::String(word) => Map::from_iter([("decision".to_owned(), Value::String(word))]),
        Value::Object(members) => members,
        other => return Err(format!("is a word or an object, not {}", kind(&other))),
    };
    let word = text(&mut members, "decision")?.ok_or("has no member \"decision\"")?;
    let reason = text(&mut members, "reason")?;
    let prompt = text(&mut members, "prompt")?;
    let rule = text(&mut members, "rule")?.unwrap_or_else(|| "decision".to_owned());
    let narrowing = members.remove("narrowing").map(narrowed).transpose()?;
    let details = members.remove("details").and_then(logged);
    none_left(
        &members,
        "decision, reason, prompt, rule, narrowing, details",
    )?;
    let decision = match &*word {
        "allow" => Decision::Allow,
        "abstain" => Decision::Abstain,
        "deny" => Decision::Deny(reason.unwrap_or_else(|| "the policy denies this".to_owned())),
        "ask" => Decision::Ask(
            prompt
                .or(reason)
                .unwrap_or_else(|| "may this be done?".to_owned()),
        ),
        _ => return Err(format!("{word:?} is none of allow, deny, ask, abstain")),
    };
    Ok(Answer {
        decision,
        rule: Some(rule),
        narrowing,
        details,
    })
}

/// What a set of messages says.
struct Said {
    texts: Vec<String>,
    rule: Option<String>,
    details: Option<String>,
}

impl Said {
    fn text_or(&self, other: &str) -> String {
        match self.texts.is_empty() {
            true => other.to_owned(),
            false => self.texts.join("; "),
        }
    }
}

/// `deny` or `ask`: a set of texts or of objects `{"msg": …, "rule": …}`; or true. None if it holds nothing.
fn messages(name: &str, value: Option<Value>) -> Result<Option<Said>, String> {
    let mut said = Said {
        texts: Vec::new(),
        rule: None,
        details: None,
    };
    let items = match value {
        None | Some(Value::Bool(false)) => return Ok(None),
        Some(Value::Bool(true)) => {
            said.rule = Some(name.to_owned());
            return Ok(Some(said));
        }
        Some(Value::Array(items)) => items,
        Some(other) => return Err(format!("{name} is a set of messages, not {}", kind(&other))),
    };
    for item in &items {
        let (text, rule) = message(item.clone()).map_err(|error| format!("{name}: {error}"))?;
        said.texts.push(text);
        said.rule = said.rule.or(rule);
    }
    if said.texts.is_empty() {
        return Ok(None);
    }
    said.rule = said.rule.or_else(|| Some(name.to_owned()));
    said.details = logged(json!({ (name): items }));
    Ok(Some(said))
}

fn message(value: Value) -> Result<(String, Option<String>), String> {
    let mut members = match value {
        Value::String(text) => return Ok((text, None)),
        Value::Object(members) => members,
        other => {
            return Err(format!(
                "a message is a text or an object with \"msg\", not {}",
                kind(&other)
            ));
        }
    };
    let text = text(&mut members, "msg")?.ok_or("a message has no member \"msg\"")?;
    let rule = self::text(&mut members, "rule")?;
    none_left(&members, "msg, rule")?;
    Ok((text, rule))
}

fn narrowed(value: Value) -> Result<Narrowing, String> {
    let Value::Object(mut members) = value else {
        return Err(format!("is an object, not {}", kind(&value)));
    };
    let mut narrowing = Narrowing::new();
    if let Some(grant) = members.remove("grant") {
        narrowing.grant = Some(
            list(grant, "grant")?
                .into_iter()
                .map(entry)
                .collect::<Result<_, _>>()?,
        );
    }
    if let Some(names) = members.remove("drop_env") {
        for name in list(names, "drop_env")? {
            match name {
                Value::String(name) => narrowing.drop_env.push(name),
                other => return Err(format!("drop_env holds names, not {}", kind(&other))),
            }
        }
    }
    narrowing.time_limit = number(&mut members, "time_limit")?;
    narrowing.output_limit = number(&mut members, "output_limit")?;
    none_left(&members, "grant, drop_env, time_limit, output_limit")?;
    Ok(narrowing)
}

fn entry(value: Value) -> Result<GrantEntry, String> {
    let Value::Object(mut members) = value else {
        return Err(format!("grant holds objects, not {}", kind(&value)));
    };
    let path = text(&mut members, "path")?.ok_or("grant: an entry has no \"path\"")?;
    let access = match members.remove("access") {
        None | Some(Value::Null) => None,
        Some(Value::String(word)) => Some(match &*word {
            "look" => Access::Look,
            "read" => Access::Read,
            "write" => Access::Write,
            _ => return Err(format!("grant: {word:?} is none of look, read, write")),
        }),
        Some(other) => return Err(format!("grant: access is a word, not {}", kind(&other))),
    };
    none_left(&members, "path, access")?;
    Ok(GrantEntry {
        path: path::normalized(&path)?,
        access,
    })
}

/// For the decision log, if it is not longer than the host takes.
fn logged(details: Value) -> Option<String> {
    const MOST: usize = 16 * 1024;
    let text = details.to_string();
    (text.len() <= MOST).then_some(text)
}

fn list(value: Value, name: &str) -> Result<Vec<Value>, String> {
    match value {
        Value::Array(items) => Ok(items),
        other => Err(format!("{name} is a list, not {}", kind(&other))),
    }
}

fn text(members: &mut Map<String, Value>, name: &str) -> Result<Option<String>, String> {
    match members.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(format!("{name} is a text, not {}", kind(&other))),
    }
}

fn number(members: &mut Map<String, Value>, name: &str) -> Result<Option<u64>, String> {
    match members.remove(name) {
        None => Ok(None),
        Some(value) => match value.as_u64() {
            Some(number) => Ok(Some(number)),
            None => Err(format!("{name} is a whole number, not {value}")),
        },
    }
}

fn none_left(members: &Map<String, Value>, known: &str) -> Result<(), String> {
    match members.keys().next() {
        None => Ok(()),
        Some(name) => Err(format!("{name:?} is no member; there are {known}")),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
