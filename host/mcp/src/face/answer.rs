//! What a tool answers: text for a model and the same structured for programs, or a refusal in words.

use lockgate_client::ClientError;
use rmcp::model::{CallToolResult, ContentBlock};
use serde::Serialize;
use serde_json::Value;

use super::limits;

/// What a tool has to say.
pub(super) struct Answer {
    content: Vec<ContentBlock>,
    structured: Value,
}

/// What a tool did not do, and why, in words that an agent can act on.
#[derive(Debug)]
pub(super) struct Refusal(pub(super) String);

pub(super) type Outcome = Result<Answer, Refusal>;

impl Answer {
    /// The text of `structured`, and that.
    pub(super) fn new(text: impl Into<String>, structured: &impl Serialize) -> Answer {
        Answer::with(vec![ContentBlock::text(text)], structured)
    }

    pub(super) fn with(content: Vec<ContentBlock>, structured: &impl Serialize) -> Answer {
        Answer {
            content,
            // Types of ours, with names for keys: that cannot fail.
            structured: serde_json::to_value(structured).unwrap_or(Value::Null),
        }
    }
}

impl Refusal {
    pub(super) fn new(text: impl Into<String>) -> Refusal {
        Refusal(text.into())
    }

    /// About that path, unless the executor has named it.
    pub(super) fn about(path: &str) -> impl FnOnce(ClientError) -> Refusal {
        move |error| {
            let Refusal(text) = Refusal::from(error);
            match text.contains(path) {
                true => Refusal(text),
                false => Refusal(format!("{path}: {text}")),
            }
        }
    }
}

impl From<ClientError> for Refusal {
    fn from(error: ClientError) -> Refusal {
        Refusal(match error {
            // Its code is for programs.
            ClientError::Server { message, .. } => message,
            ClientError::Closed(reason) => format!(
                "the connection to the executor is gone ({reason}), and its processes with it; the next call opens another one"
            ),
            error => error.to_string(),
        })
    }
}

/// A text that may quote anything, as far as somebody reads it.
pub(super) fn cut(mut text: String) -> String {
    if text.len() > limits::REFUSAL_BYTES {
        let end = text.floor_char_boundary(limits::REFUSAL_BYTES);
        text.truncate(end);
        text.push_str(" [...]");
    }
    text
}

pub(super) fn result(outcome: Outcome) -> CallToolResult {
    match outcome {
        Ok(answer) => {
            let mut result = CallToolResult::success(answer.content);
            result.structured_content = Some(answer.structured);
            result
        }
        Err(Refusal(text)) => CallToolResult::error(vec![ContentBlock::text(cut(text))]),
    }
}
