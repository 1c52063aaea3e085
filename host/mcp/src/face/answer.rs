//! What a tool answers: text for a model and the same structured for programs, or a refusal in words.

use std::borrow::Cow;

use lockgate_client::ClientError;
use lockgate_grant::unseen::is_unfit;
use rmcp::model::{CallToolResult, ContentBlock};
use serde::Serialize;
use serde_json::Value;

use super::deed::quoted;
use super::limits;

/// What a tool has to say.
pub(super) struct Answer {
    content: Vec<ContentBlock>,
    structured: Value,
}

/// What a tool did not do, and why, in words that an agent can act on.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) text: String,
    /// The connection to the executor was lost meanwhile, and the text does not say what was done.
    is_lost: bool,
}

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
        Refusal {
            text: text.into(),
            is_lost: false,
        }
    }

    /// With that said beside it.
    pub(super) fn and(mut self, words: &str) -> Refusal {
        self.text.push_str("; ");
        self.text.push_str(words);
        self
    }

    /// Of a call that changes something: what a lost connection leaves of that. `was_asked`: the executor may have had a request that does.
    pub(super) fn of_a_change(self, was_asked: bool) -> Refusal {
        match (self.is_lost, was_asked) {
            (false, _) => self,
            (true, false) => self.and("nothing was done"),
            (true, true) => {
                self.and("nobody knows whether it was done, so look before you do it again")
            }
        }
    }

    /// About that path, unless the executor has named it.
    pub(super) fn about(path: &str) -> impl FnOnce(ClientError) -> Refusal {
        move |error| {
            let mut refusal = Refusal::from(error);
            if !names(&refusal.text, path) {
                refusal.text = format!("{path}: {}", refusal.text);
            }
            refusal
        }
    }
}

impl From<ClientError> for Refusal {
    fn from(error: ClientError) -> Refusal {
        let is_lost = matches!(
            error,
            ClientError::Closed(_)
                | ClientError::Interrupted { .. }
                | ClientError::Protocol(_)
                | ClientError::SessionGone { .. }
                | ClientError::WindowOver { .. }
        );
        let text = match error {
            // Its code is for programs.
            ClientError::Server { message, .. } => message,
            ClientError::Closed(reason) => format!(
                "the connection to the executor is gone ({reason}), and its processes with it; the next call opens another one"
            ),
            // What that leaves in doubt depends on what it was for.
            ClientError::Interrupted { what, why } => {
                format!("the connection was lost before the answer to {what} came ({why})")
            }
            error => error.to_string(),
        };
        Refusal { text, is_lost }
    }
}

/// Whether a text names a path, and does not only have it in one of its words.
fn names(text: &str, path: &str) -> bool {
    let marked = ['`', '"'].map(|mark| format!("{mark}{path}{mark}"));
    let is_whole = path.starts_with('/') && path.len() > 1 && stands(text, path);
    is_whole
        || text.starts_with(&format!("{path}: "))
        || marked.iter().any(|marked| text.contains(marked))
}

/// Whether it stands there by itself, and not as the beginning or the end of another path.
fn stands(text: &str, path: &str) -> bool {
    text.match_indices(path).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let mut after = text[at + path.len()..].chars();
        let ends = match after.next() {
            Some('.') => !after.next().is_some_and(is_of_name),
            Some(next) => !is_of_name(next),
            None => true,
        };
        // A URI has its scheme before it.
        ends && !before.is_some_and(|before| is_of_name(before) && before != '/')
    })
}

/// Names may have anything else as well, but mostly they do not, and texts have it between them.
fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '/' | '_' | '-' | '.' | '~' | '+' | '@')
}

/// A name in a text: as it is, or between marks if it would end its line, or be read as another one.
pub(super) fn named(name: &str) -> Cow<'_, str> {
    match name.contains(is_unfit) {
        true => quoted(name, usize::MAX).into(),
        false => name.into(),
    }
}

/// Names and what others say stand in a refusal as they are, and can neither begin a line of it nor be read as something else.
fn in_one_line(text: &str) -> String {
    let shown = |c: char| match is_unfit(c) {
        true => c.escape_default().collect(),
        false => c.to_string(),
    };
    text.chars().map(shown).collect()
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
        Err(refusal) => {
            let text = cut(in_one_line(&refusal.text));
            CallToolResult::error(vec![ContentBlock::text(text)])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_would_end_its_line_is_between_marks() {
        for (name, wanted) in [
            ("a b", "a b"),
            ("\u{2764}\u{fe0f}", "\u{2764}\u{fe0f}"),
            ("a\nb", r#""a\nb""#),
            ("gpj.\u{202e}exe", r#""gpj.\u{202e}exe""#),
        ] {
            assert_eq!(named(name), wanted);
        }
        let long = format!("{}\n", "x".repeat(100_000));
        assert_eq!(named(&long).len(), long.len() + 3);
    }

    #[test]
    fn what_was_refused_is_named_once_and_never_not_at_all() {
        let missing = "No such file or directory (os error 2)";
        for (path, message, wanted) in [
            ("f", missing, "f: No such file or directory (os error 2)"),
            ("No", missing, "No: No such file or directory (os error 2)"),
            (
                "/",
                "Is a directory (os error 21) / else",
                "/: Is a directory (os error 21) / else",
            ),
            ("f", "f: it is taken", "f: it is taken"),
            ("f", "`f` is taken", "`f` is taken"),
            (
                "/w/f",
                "a policy says no to /w/f",
                "a policy says no to /w/f",
            ),
            ("/w/f", "no to /w/f.", "no to /w/f."),
            ("/w/f", "no to file:///w/f: no", "no to file:///w/f: no"),
            ("/w/f", "no to /w/foo", "/w/f: no to /w/foo"),
            ("/w/f", "no to /w/f.txt", "/w/f: no to /w/f.txt"),
            ("/w/f", "no to /w/f/in", "/w/f: no to /w/f/in"),
            ("/w/f", "no to /home/w/f", "/w/f: no to /home/w/f"),
            ("/w/f", "no to /w/foo or /w/f", "no to /w/foo or /w/f"),
        ] {
            let error = ClientError::Server {
                code: 0,
                message: message.to_owned(),
            };
            assert_eq!(Refusal::about(path)(error).text, wanted);
        }
    }
}
