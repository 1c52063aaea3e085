//! What a text that came in is: a message, a batch of them, or none, and what is answered then.
//!
//! The SDK takes messages that are one by one and whole. What it would pass over in silence, or answer with nothing but a code, is told here: whoever writes a client reads these
//! answers.

use rmcp::model::{
    ClientJsonRpcMessage, ClientRequest, ErrorCode, JsonRpcMessage, ProtocolVersion, RequestId,
};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::limits;

/// A text that is no message, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// The request's, as far as it has one that can be told.
    id: Value,
    code: ErrorCode,
    reason: String,
}

/// What is a message or, in an array, some of them.
pub(super) enum Heard<'a> {
    One(Box<ClientJsonRpcMessage>),
    /// Each is to be looked at for itself.
    Batch(Vec<&'a RawValue>),
    /// A notification that says nothing to us: these are never answered.
    Nothing,
}

/// What a text is.
pub(super) fn heard(text: &[u8]) -> Result<Heard<'_>, Refused> {
    match text.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'[') => serde_json::from_slice(text)
            .map(Heard::Batch)
            .map_err(no_json),
        _ => Ok(match one(text)? {
            Some(message) => Heard::One(message),
            None => Heard::Nothing,
        }),
    }
}

/// What a text is that can be one message only. None: a notification that says nothing to us.
pub(super) fn one(text: &[u8]) -> Result<Option<Box<ClientJsonRpcMessage>>, Refused> {
    match serde_json::from_slice(text) {
        Ok(message) => Ok(Some(Box::new(message))),
        Err(_) => match serde_json::from_slice(text) {
            Ok(value) => strange(&value),
            Err(error) => Err(no_json(error)),
        },
    }
}

/// What stands in a batch: a message as any, but for what can only come by itself. `is_known`: a batch waits for the answer to a request of that id.
pub(super) fn of_batch(
    part: &RawValue,
    is_known: impl Fn(&RequestId) -> bool,
) -> Result<Option<Box<ClientJsonRpcMessage>>, Refused> {
    let message = one(part.get().as_bytes())?;
    if let Some(JsonRpcMessage::Request(request)) = message.as_deref() {
        let reason = match &request.request {
            ClientRequest::InitializeRequest(_) => "`initialize` comes by itself, not in a batch",
            _ if is_known(&request.id) => "two requests must not have the same `id`",
            _ => return Ok(message),
        };
        let id = serde_json::to_value(&request.id).unwrap_or_default();
        return Err(Refused::request(reason).about(id));
    }
    Ok(message)
}

/// Why a batch is refused in sessions of that version.
pub(super) fn no_batches(version: &ProtocolVersion) -> Refused {
    Refused::request(format!(
        "this session speaks {version}, in which messages come one by one; a batch, which is an array of messages, is of {} only. Nothing of it was done",
        ProtocolVersion::V_2025_03_26
    ))
}

/// Why a batch of so many is refused, if it is.
pub(super) fn is_no_batch(messages: usize) -> Option<Refused> {
    match messages {
        0 => Some(Refused::request("there is nothing in this batch")),
        1..=limits::BATCH => None,
        _ => Some(Refused::request(format!(
            "this batch has {messages} messages, at most {} are possible: give fewer at once. Nothing of it was done",
            limits::BATCH
        ))),
    }
}

/// In whose `_meta` a request says for itself which protocol it speaks.
const VERSION: &str = "io.modelcontextprotocol/protocolVersion";

/// Why a request cannot come where no session has begun, if it cannot.
pub(super) fn is_too_early(text: &[u8]) -> Option<Refused> {
    let message: Value = serde_json::from_slice(text).ok()?;
    let (id, method) = (message.get("id")?, message.get("method")?.as_str()?);
    let can_be_first = ["initialize", "ping", "server/discover"].contains(&method);
    if can_be_first || message["params"]["_meta"].get(VERSION).is_some() {
        return None;
    }
    let refused = Refused::request(format!(
        "send `initialize` first, with which a session begins, and then this again; only requests of {} belong to no session, and say so in `_meta` ({VERSION})",
        ProtocolVersion::V_2026_07_28
    ));
    Some(refused.about(id.clone()))
}

fn no_json(error: serde_json::Error) -> Refused {
    Refused::new(ErrorCode::PARSE_ERROR, format!("this is no JSON: {error}"))
}

/// JSON, and no message.
fn strange(value: &Value) -> Result<Option<Box<ClientJsonRpcMessage>>, Refused> {
    let Value::Object(members) = value else {
        return Err(Refused::request(format!(
            "a message is an object with \"jsonrpc\": \"2.0\", not {}",
            kind(value)
        )));
    };
    let has = |name: &str| members.contains_key(name);
    let is_answer = !has("method") && (has("result") || has("error"));
    if !has("id") && has("method") {
        return Ok(None);
    }
    let id = members.get("id").cloned().unwrap_or_default();
    let refused = if members.get("jsonrpc") != Some(&json!("2.0")) {
        Refused::request("\"jsonrpc\" must be \"2.0\"")
    } else if is_answer {
        let reason = "this answer has no `id` that is a text or a whole number, or no `result` that is an object, or no `error` with `code` and `message`";
        return Err(Refused::request(reason));
    } else if !has("method") {
        Refused::request(
            "a request has `id` and `method`, a notification `method`, an answer `id` and `result` or `error`: this has none of them",
        )
    } else if !(id.is_string() || id.is_i64()) {
        Refused::request("`id` must be a text or a whole number")
    } else if !members["method"].is_string() {
        Refused::request("`method` must be a text")
    } else {
        let reason = "`params` must be an object, as the method has it";
        Refused::new(ErrorCode::INVALID_PARAMS, reason)
    };
    Err(refused.about(id))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

impl Refused {
    fn new(code: ErrorCode, reason: impl Into<String>) -> Refused {
        Refused {
            id: Value::Null,
            code,
            reason: reason.into(),
        }
    }

    /// What is no request.
    pub(super) fn request(reason: impl Into<String>) -> Refused {
        Refused::new(ErrorCode::INVALID_REQUEST, reason)
    }

    /// What was longer than is taken.
    pub(super) fn too_long(bytes: usize) -> Refused {
        let most = limits::MESSAGE_BYTES / (1024 * 1024);
        Refused::request(format!(
            "the message has {bytes} bytes, and {most} MiB are taken at most: give less at once"
        ))
    }

    /// The same with its request's id, if that is one that can be given back.
    pub(super) fn about(self, id: Value) -> Refused {
        let can_be = match &id {
            Value::Number(_) => true,
            Value::String(text) => text.len() <= limits::SHOWN_VALUE,
            _ => false,
        };
        Refused {
            id: if can_be { id } else { Value::Null },
            ..self
        }
    }

    /// The answer.
    pub(super) fn answer(&self) -> Value {
        let error = json!({"code": self.code.0, "message": self.reason});
        json!({"jsonrpc": "2.0", "id": self.id, "error": error})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_message_is_refused_with_its_id_and_what_is_wrong() {
        for (text, id, code, words) in [
            (
                "x",
                Value::Null,
                -32700,
                "no JSON: expected value at line 1 column 1",
            ),
            ("{\"id\":1", Value::Null, -32700, "no JSON: EOF"),
            ("\u{ff}", Value::Null, -32700, "no JSON"),
            ("7", Value::Null, -32600, "not a number"),
            ("\"x\"", Value::Null, -32600, "not a text"),
            ("{}", Value::Null, -32600, "\"jsonrpc\" must be"),
            (
                r#"{"id":1,"method":"ping"}"#,
                json!(1),
                -32600,
                "\"jsonrpc\" must be",
            ),
            (
                r#"{"jsonrpc":"2.0"}"#,
                Value::Null,
                -32600,
                "has none of them",
            ),
            (
                r#"{"jsonrpc":"2.0","id":"a"}"#,
                json!("a"),
                -32600,
                "has none of them",
            ),
            (
                r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
                Value::Null,
                -32600,
                "`id` must be",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
                json!(1.5),
                -32600,
                "`id` must be",
            ),
            (
                r#"{"jsonrpc":"2.0","id":[],"method":"ping"}"#,
                Value::Null,
                -32600,
                "`id` must be",
            ),
            (
                r#"{"jsonrpc":"2.0","id":2,"method":3}"#,
                json!(2),
                -32600,
                "`method` must be",
            ),
            (
                r#"{"jsonrpc":"2.0","id":2,"method":"x","params":[1]}"#,
                json!(2),
                -32602,
                "`params` must be",
            ),
            (
                r#"{"jsonrpc":"2.0","id":2,"error":{}}"#,
                Value::Null,
                -32600,
                "this answer",
            ),
        ] {
            let Err(refused) = heard(text.as_bytes()) else {
                panic!("{text}");
            };
            assert_eq!(
                (&refused.id, refused.code.0),
                (&id, code),
                "{text}: {refused:?}"
            );
            assert!(refused.reason.contains(words), "{text}: {refused:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_says_so_without_quoting_it() {
        let secret = "s3cret".repeat(100);
        for text in [
            secret.clone(),
            format!("{{\"jsonrpc\":\"2.0\",\"id\":\"{secret}\",\"method\":1}}"),
            format!("{{\"jsonrpc\":\"{secret}\",\"id\":1,\"method\":\"{secret}\"}}"),
        ] {
            let Err(refused) = heard(text.as_bytes()) else {
                panic!("{text}");
            };
            assert!(
                !refused.answer().to_string().contains("s3cret"),
                "{refused:?}"
            );
        }
    }

    #[test]
    fn messages_batches_and_what_is_never_answered_are_told_apart() {
        for text in [
            r#"{"jsonrpc":"2.0","id":1,"method":"no/such"}"#,
            r#"{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"name":1}}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/of/others"}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
            r#" {"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""}}"#,
        ] {
            assert!(
                matches!(heard(text.as_bytes()), Ok(Heard::One(_))),
                "{text}"
            );
        }
        for text in [
            r#"{"method":"x"}"#,
            r#"{"jsonrpc":"2.0","method":"x","params":1}"#,
        ] {
            assert!(
                matches!(heard(text.as_bytes()), Ok(Heard::Nothing)),
                "{text}"
            );
        }
        for (text, count) in [("[]", 0), (" [1, {}, [2]]\r", 3)] {
            let Ok(Heard::Batch(parts)) = heard(text.as_bytes()) else {
                panic!("{text}");
            };
            assert_eq!(parts.len(), count);
        }
    }
}
