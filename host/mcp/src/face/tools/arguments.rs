//! The arguments of a call, as its tool takes them, or what is wrong with them: which member it is, and what belongs there.

use rmcp::model::JsonObject;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::face::answer::Refusal;

/// A member that is null is one that was left out: models write both.
pub(super) fn decode<P: DeserializeOwned>(
    tool: &str,
    mut arguments: JsonObject,
    schema: impl FnOnce() -> JsonObject,
) -> Result<P, Refusal> {
    arguments.retain(|_, value| !value.is_null());
    let error = match serde_json::from_value(Value::Object(arguments.clone())) {
        Ok(params) => return Ok(params),
        Err(error) => error.to_string(),
    };
    let schema = schema();
    let about = |name: &str| {
        let property = &schema.get("properties")?[name];
        let description = property["description"].as_str()?;
        Some(format!("`{name}` takes {}: {description}", kind(property)))
    };
    let text = match wrong::<P>(&arguments, &error) {
        Some(name) => match about(&name) {
            Some(expected) => format!("`{name}`: {error}. {expected}"),
            // It says itself what there is.
            None => error,
        },
        None => {
            let missing = error.strip_prefix("missing field `");
            let name = missing.and_then(|rest| rest.strip_suffix('`'));
            match name.and_then(about) {
                Some(expected) => format!("{error}. {expected}"),
                None => error,
            }
        }
    };
    Err(Refusal::new(format!(
        "invalid arguments for `{tool}`: {text}"
    )))
}

/// The member that it is about: without it the error is another one, or none.
fn wrong<P: DeserializeOwned>(arguments: &JsonObject, error: &str) -> Option<String> {
    let is_wrong = |name: &&String| {
        let mut others = arguments.clone();
        others.remove(*name);
        match serde_json::from_value::<P>(Value::Object(others)) {
            Ok(_) => true,
            Err(other) => other.to_string() != error,
        }
    };
    // Of more than there are parameters, some are unknown, which says the error itself.
    arguments.keys().take(32).find(is_wrong).cloned()
}

/// What a schema lets a value be, in words.
fn kind(property: &Value) -> String {
    let named = |name: &str| match name {
        "string" => "a text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "an object",
        _ => "another value",
    };
    let kind = match &property["type"] {
        Value::String(name) => named(name),
        Value::Array(names) => {
            let mut names = names.iter().filter_map(Value::as_str);
            names
                .find(|name| *name != "null")
                .map_or("another value", named)
        }
        _ => "another value",
    };
    let bound = |name: &str, words: &str| match &property[name] {
        Value::Number(bound) => format!(" {words} {bound}"),
        _ => String::new(),
    };
    let (least, most) = (
        bound("minimum", "of at least"),
        bound("maximum", "and at most"),
    );
    format!("{kind}{least}{most}")
}
