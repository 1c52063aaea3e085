//! From raw params to a method's type.

use serde::{Deserialize, Serialize};

use crate::{Verbatim, members};

/// Params of methods that take none: `{}`, `null` and nothing are accepted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoParams;

/// The empty object, `{}`: the result of methods that only succeed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

/// Decodes params: missing ones count as `null`, and where `{}` does not fit `null` is tried.
///
/// The error is a text for the peer. It says which member was wrong, without a line and column that count from somewhere
/// inside the message.
pub fn decode_params<'a, T: Deserialize<'a>>(params: Option<Verbatim<'a>>) -> Result<T, String> {
    decode_params_expecting(params, None)
}

/// [`decode_params`] where a member's value is likely to be this JSON object again: then it costs next to nothing.
pub fn decode_params_expecting<'a, T: Deserialize<'a>>(
    params: Option<Verbatim<'a>>,
    expected: Option<&str>,
) -> Result<T, String> {
    let text = params.map_or("null", Verbatim::get);
    // Derived types would also take an array of their members in order; nobody means that.
    if text.starts_with('[') {
        return Err("invalid type: array, expected params as an object".to_owned());
    }
    let decoded = match text.starts_with('{') {
        true => members::decode(text, expected),
        false => serde_json::from_str(text),
    };
    let first = match decoded {
        Ok(params) => return Ok(params),
        Err(error) => error,
    };
    if is_empty_object(text)
        && let Ok(params) = serde_json::from_str("null")
    {
        return Ok(params);
    }
    Err(without_position(&first))
}

fn is_empty_object(text: &str) -> bool {
    text.strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
        .is_some_and(|inside| inside.trim().is_empty())
}

fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&position)
        .map(str::to_owned)
        .unwrap_or(text)
}
