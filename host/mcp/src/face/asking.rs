//! A policy's question as an elicitation: what the person sees, and what their client's answer means.

use rmcp::model::{
    ElicitRequestParams, ElicitResult, ElicitationAction, ElicitationSchema, EnumSchema,
};
use serde_json::Value;

use super::limits;
use super::questions::Said;
use lockgate_client::ApprovalParams;

/// The one thing that is asked for. Not a box to tick: a client that sends the form as it is has agreed to nothing.
const DECISION: &str = "decision";
const ALLOW: &str = "allow";
const DENY: &str = "deny";

/// The form.
pub(super) fn form(asked: &ApprovalParams) -> ElicitRequestParams {
    let decision = EnumSchema::builder(vec![ALLOW.to_owned(), DENY.to_owned()])
        .title("Decision")
        .description("Whether this may be done, this once")
        .build();
    let schema = ElicitationSchema::builder().required_enum_schema(DECISION, decision);
    ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: message(asked),
        requested_schema: schema.build_unchecked(),
    }
}

/// Anything but a clear yes is a no.
pub(super) fn said(answer: &ElicitResult) -> Said {
    let no = |reason: &str| Said::Deny(reason.to_owned());
    match answer.action {
        ElicitationAction::Accept => {
            let content = answer.content.as_ref();
            match content
                .and_then(|content| content.get(DECISION))
                .and_then(Value::as_str)
            {
                Some(ALLOW) => Said::Allow,
                Some(DENY) => no("a person was asked and denied it"),
                _ => no("the answer of the MCP client did not say `allow` or `deny`"),
            }
        }
        ElicitationAction::Decline => no("a person was asked and declined"),
        ElicitationAction::Cancel => no("a person was asked and dismissed the question"),
        _ => no("the answer of the MCP client was not understood"),
    }
}

/// What it quotes comes from elsewhere, an agent or a policy: it is shown as it is, without what could draw or reorder.
fn message(asked: &ApprovalParams) -> String {
    let who = match &asked.policy {
        Some(policy) => format!("Policy \"{}\"", printable(policy)),
        None => "The operator of this executor".to_owned(),
    };
    let rule = match &asked.rule {
        Some(rule) => format!(" (rule {})", printable(rule)),
        None => String::new(),
    };
    let action = bounded(printable(&deed(&asked.action)));
    let prompt = bounded(printable(&asked.prompt));
    format!("{who}{rule} asks: {prompt}\n\n{action}\n\nMay this be done, this once?")
}

/// An action of the decision log in words.
fn deed(action: &Value) -> String {
    let text = |member: &str| action[member].as_str().unwrap_or("?");
    match action["kind"].as_str() {
        Some("process-start") => {
            let program = action["program"]
                .as_str()
                .unwrap_or("nothing that is there");
            let terminal = match action["tty"] == true {
                true => ", at a terminal that can be written to",
                false => "",
            };
            // What it is comes first: arguments can be long enough to be cut.
            format!(
                "run in {} the file {program}{terminal}: {}",
                text("cwd"),
                action["argv"]
            )
        }
        Some("process-write") => {
            format!("write to {} (process {})", text("argv0"), text("process"))
        }
        Some("file") => {
            let paths = action["paths"].as_array().into_iter().flatten();
            let paths: Vec<_> = paths.filter_map(|path| path["path"].as_str()).collect();
            let all = if action["recursive"] == true {
                ", and all below"
            } else {
                ""
            };
            format!("{} {}{all}", text("verb"), paths.join(" -> "))
        }
        Some("http") => format!("{} {}", text("method"), text("url")),
        _ => action.to_string(),
    }
}

fn bounded(mut text: String) -> String {
    if text.len() > limits::SHOWN_ACTION {
        let end = text.floor_char_boundary(limits::SHOWN_ACTION);
        let left = text.len() - end;
        text.truncate(end);
        text.push_str(&format!(
            " [and {left} bytes more: deny it unless you know them]"
        ));
    }
    text
}

fn printable(text: &str) -> String {
    let shown = |c: char| match c.is_control() || reorders(c) {
        true => c.escape_default().collect::<String>(),
        false => c.to_string(),
    };
    text.chars().map(shown).collect()
}

/// It has others shown in another order than they are read in, or is not shown at all.
fn reorders(c: char) -> bool {
    matches!(c, '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn question(action: Value) -> ApprovalParams {
        ApprovalParams {
            approval_id: "a".into(),
            policy: Some("rules".into()),
            rule: Some("r1".into()),
            prompt: "Push?\u{1b}[2K".into(),
            action,
            request_id: None,
            expires_in_ms: 1_000,
        }
    }

    #[test]
    fn a_question_shows_who_asks_and_what_is_to_be_done() {
        let start = json!({"kind": "process-start", "argv": ["git", "push"], "cwd": "/w", "program": "/usr/bin/git"});
        assert_eq!(
            message(&question(start)),
            "Policy \"rules\" (rule r1) asks: Push?\\u{1b}[2K\n\nrun in /w the file /usr/bin/git: [\"git\",\"push\"]\n\nMay this be done, this once?"
        );
        let long = json!({"kind": "process-start", "argv": ["x".repeat(10_000)], "cwd": "/w"});
        let message = message(&question(long));
        assert!(message.contains("bytes more: deny it"), "{message}");
        assert!(message.len() < 3_000);
        // However long, what hides nothing of where and what.
        assert!(message.contains("run in /w the file "), "{message}");
    }

    #[test]
    fn only_a_clear_yes_is_a_yes() {
        let accept =
            |content: Value| ElicitResult::new(ElicitationAction::Accept).with_content(content);
        assert_eq!(said(&accept(json!({"decision": "allow"}))), Said::Allow);
        for answer in [
            accept(json!({"decision": "deny"})),
            accept(json!({"decision": true})),
            accept(json!({"decision": "Allow"})),
            accept(json!({})),
            accept(json!("allow")),
            ElicitResult::new(ElicitationAction::Accept),
            ElicitResult::new(ElicitationAction::Decline)
                .with_content(json!({"decision": "allow"})),
            ElicitResult::new(ElicitationAction::Cancel).with_content(json!({"decision": "allow"})),
        ] {
            assert!(matches!(said(&answer), Said::Deny(_)), "{answer:?}");
        }
    }
}
