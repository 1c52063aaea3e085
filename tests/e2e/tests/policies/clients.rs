//! Policies that ask, and the client library with somebody to answer.

use std::sync::{Arc, Mutex};

use lockgate_client::{
    ApprovalDecision, ApprovalParams, ApprovalResult, Approver, Client, ClientError, ConnectOptions,
};
use lockgate_e2e::Wire;
use serde_json::json;

use crate::Operator;

async fn connect(url: &str, approver: Option<Approver>) -> Client {
    let options = ConnectOptions {
        approver,
        ..ConnectOptions::default()
    };
    Client::connect_ws(url, options).await.expect("connected")
}

#[tokio::test]
async fn a_client_with_somebody_at_it_answers_the_questions_of_policies() {
    let operator = Operator::with("test-policy-hostile", "");
    let server = operator.starts();
    // The hostile policy asks about a file of this name.
    std::fs::write(operator.path("ask"), "x").expect("written");
    let params = json!({"path": operator.path("ask")});
    for decision in [ApprovalDecision::Allow, ApprovalDecision::Deny] {
        let asked: Arc<Mutex<Vec<ApprovalParams>>> = Arc::default();
        let kept = Arc::clone(&asked);
        let approver = Approver::new(move |question| {
            kept.lock().expect("not poisoned").push(question);
            async move {
                ApprovalResult {
                    decision,
                    reason: Some("it is late".to_owned()),
                }
            }
        });
        let client = connect(server.url(), Some(approver)).await;
        let capabilities = client.capabilities().expect("some");
        assert!(
            capabilities
                .lockgate
                .as_ref()
                .is_some_and(|ours| ours.approvals)
        );
        let outcome: Result<serde_json::Value, ClientError> =
            client.call("fs/readFile", &params).await;
        match (decision, outcome) {
            (ApprovalDecision::Allow, Ok(read)) => assert_eq!(read["dataBase64"], "eA=="),
            (ApprovalDecision::Deny, Err(ClientError::Server { code, message })) => {
                assert_eq!(code, -32600);
                assert!(
                    message.contains("was answered with no: it is late"),
                    "{message}"
                );
            }
            (_, outcome) => panic!("{outcome:?}"),
        }
        let asked = asked.lock().expect("not poisoned");
        let [question] = &asked[..] else {
            panic!("one question: {asked:?}");
        };
        assert_eq!(question.policy.as_deref(), Some("hostile"));
        assert_eq!(question.prompt, "may it?");
        assert_eq!(question.rule.as_deref(), Some("told"));
    }
    let lines = operator.decisions(4).await;
    let answers: Vec<_> = lines
        .iter()
        .filter_map(|line| line.get("approved"))
        .collect();
    assert_eq!(answers, [&json!(true), &json!(false)], "{lines:#?}");
}

#[tokio::test]
async fn a_client_without_anybody_is_denied_and_told_what_is_missing() {
    let operator = Operator::with("test-policy-hostile", "");
    let server = operator.starts();
    let mut wire = Wire::ready(&server).await;
    let refusal = wire
        .call("fs/readFile", json!({"path": operator.path("ask")}))
        .await;
    let refusal = refusal.expect_err("denied");
    assert_eq!(refusal.code, -32600);
    assert!(
        refusal
            .message
            .contains("\"lockgate\":{\"approvals\":true}"),
        "{refusal:?}"
    );
}
