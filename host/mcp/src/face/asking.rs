//! A policy's question as an elicitation: what the person sees, and what their client's answer means.

use rmcp::model::{
    ElicitRequestParams, ElicitResult, ElicitationAction, ElicitationSchema, EnumSchema,
};
use serde_json::Value;

use super::deed::{Brought, deed, shown};
use super::limits;
use super::questions::{Question, Said};
use lockgate_client::ApprovalParams;

/// The one thing that is asked for. Not a box to tick: a client that sends the form as it is has agreed to nothing.
const DECISION: &str = "decision";
const ALLOW: &str = "allow";
const DENY: &str = "deny";

/// The form, with what is seen where it is to be done.
pub(super) fn form(question: &Question, seen: &[String]) -> ElicitRequestParams {
    let decision = EnumSchema::builder(vec![ALLOW.to_owned(), DENY.to_owned()])
        .title("Decision")
        .description("Whether this may be done, this once")
        .build();
    let schema = ElicitationSchema::builder().required_enum_schema(DECISION, decision);
    ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: message(&question.asked, question.brought.as_deref(), seen),
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

fn message(asked: &ApprovalParams, brought: Option<&Brought>, seen: &[String]) -> String {
    let short = |text: &str| shown(text, limits::SHOWN_VALUE);
    let who = match &asked.policy {
        Some(policy) => format!("Policy \"{}\"", short(policy)),
        None => "The operator of this executor".to_owned(),
    };
    let rule = match &asked.rule {
        Some(rule) => format!(" (rule {})", short(rule)),
        None => String::new(),
    };
    let prompt = shown(&asked.prompt, limits::SHOWN_ACTION);
    let deed = deed(&asked.action, brought, seen);
    format!("{who}{rule} asks: {prompt}\n\n{deed}\n\nMay this be done, this once?")
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
        let read = json!({"kind": "file", "verb": "read", "paths": [{"path": "/w/a"}]});
        assert_eq!(
            message(&question(read), None, &[]),
            "Policy \"rules\" (rule r1) asks: Push?\\u{1b}[2K\n\nread \"/w/a\"\n\nMay this be done, this once?"
        );
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
