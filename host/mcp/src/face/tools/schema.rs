//! Schemas of tools, from their types, in the plainest words of JSON Schema.
//!
//! Clients hand them on to models whose own dialects know little: no references, no numbers' formats of other specifications, lists of
//! names instead of alternatives. What may be left out may be left out, and is not nullable beside.

use std::sync::Arc;

use rmcp::model::JsonObject;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

/// Of what a tool takes.
pub(super) fn input<T: JsonSchema>() -> Arc<JsonObject> {
    let mut schema = of::<T>(SchemaSettings::draft2020_12());
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    for property in properties.into_iter().flat_map(|all| all.values_mut()) {
        not_nullable(property);
    }
    Arc::new(schema)
}

/// Of what a tool answers.
pub(super) fn output<T: JsonSchema>() -> Arc<JsonObject> {
    Arc::new(of::<T>(SchemaSettings::draft2020_12().for_serialize()))
}

fn of<T: JsonSchema>(settings: SchemaSettings) -> JsonObject {
    let settings = settings.with(|settings| settings.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<T>();
    let mut schema = schema.to_value();
    plain(&mut schema);
    let mut schema = match schema {
        Value::Object(schema) => schema,
        _ => JsonObject::new(),
    };
    // The tool has a name and a description of its own.
    for member in ["title", "description", "$schema"] {
        schema.remove(member);
    }
    schema
}

fn plain(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if members.get("format").is_some_and(Value::is_string) {
                members.remove("format");
            }
            if let Some(names) = members.get("oneOf").and_then(names) {
                members.remove("oneOf");
                members.insert("type".to_owned(), "string".into());
                members.insert("enum".to_owned(), names);
            }
            members.values_mut().for_each(plain);
        }
        Value::Array(all) => all.iter_mut().for_each(plain),
        _ => {}
    }
}

/// Of alternatives that are nothing but names.
fn names(alternatives: &Value) -> Option<Value> {
    let all = alternatives.as_array()?.iter();
    let names: Option<Vec<Value>> = all
        .map(|one| one.get("const").filter(|name| name.is_string()).cloned())
        .collect();
    names.map(Value::from)
}

fn not_nullable(schema: &mut Value) {
    let Some(members) = schema.as_object_mut() else {
        return;
    };
    members.remove("default");
    if let Some(Value::Array(types)) = members.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = &types[..] {
            let only = only.clone();
            members.insert("type".to_owned(), only);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::{Deserialize, Serialize};
    use serde_json::json;

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Params {
        /// A name
        name: String,
        /// A number
        #[schemars(range(min = 1, max = 9))]
        number: Option<u64>,
        /// A choice
        #[serde(default)]
        choice: Choice,
        /// More
        more: Vec<More>,
    }

    #[derive(Default, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    enum Choice {
        /// The one
        #[default]
        One,
        /// The other
        Other,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct More {
        /// Whether
        flag: bool,
    }

    #[test]
    fn a_schema_is_as_plain_as_it_can_be() {
        let schema = Value::Object(input::<Params>().as_ref().clone());
        assert_eq!(
            schema,
            json!({
                "type": "object",
                "additionalProperties": false,
                "required": ["name", "more"],
                "properties": {
                    "name": {"type": "string", "description": "A name"},
                    "number": {"type": "integer", "minimum": 1, "maximum": 9, "description": "A number"},
                    "choice": {"type": "string", "enum": ["one", "other"], "description": "A choice"},
                    "more": {
                        "type": "array",
                        "description": "More",
                        "items": {
                            "type": "object",
                            "additionalProperties": false,
                            "required": ["flag"],
                            "properties": {"flag": {"type": "boolean", "description": "Whether"}},
                        },
                    },
                },
            })
        );
        let schema = Value::Object(output::<Params>().as_ref().clone());
        assert_eq!(
            schema["properties"]["number"]["type"],
            json!(["integer", "null"])
        );
        assert!(!schema.to_string().contains("uint64"));
    }
}
