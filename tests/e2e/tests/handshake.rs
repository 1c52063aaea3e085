//! `initialize`, `initialized`, and what is refused before them (PROTOCOL 3).

use std::collections::BTreeSet;

use lockgate_e2e::{Refusal, Server, Wire};
use lockgate_wire::Method;
use serde_json::json;

fn invalid_request(message: &str) -> Refusal {
    Refusal {
        code: -32600,
        message: message.to_owned(),
    }
}

#[tokio::test]
async fn initialize_answers_a_session_id_and_describes_the_host() {
    let server = Server::start();
    let mut wire = Wire::connect(&server).await;
    let result = wire
        .call(
            "initialize",
            json!({"clientName": "codex-environment", "resumeSessionId": null}),
        )
        .await
        .expect("initialize succeeds");
    let id = result["sessionId"].as_str().expect("a session id");
    assert_eq!(id.len(), 36, "{id} is a uuid");
    let info = &result["environmentInfo"];
    assert!(["bash", "sh", "zsh"].contains(&info["shell"]["name"].as_str().expect("a name")));
    assert_eq!(info["platformOs"], "linux");
    assert!(info["cwd"].as_str().expect("a cwd").starts_with("file:///"));
    assert_eq!(info["capabilities"]["sandboxedFileStreaming"], true);
    assert_eq!(info["capabilities"]["networkProxyLaunch"], false);
    assert_eq!(info["capabilities"]["fileWriteStreaming"], true);
    let modes = &info["capabilities"]["lockgate"]["openModes"];
    assert_eq!(*modes, json!(["append", "update"]));
    let ours = &info["capabilities"]["lockgate"]["methods"];
    assert!(
        ours.as_array()
            .expect("a list")
            .contains(&json!("lockgate/process/resize"))
    );

    wire.send(json!({"method": "initialized"})).await;
    assert_eq!(
        wire.call("environment/info", json!({})).await.as_ref(),
        Ok(info)
    );
    assert_eq!(
        wire.call("environment/status", json!(null)).await,
        Ok(json!({"status": "ready"}))
    );
}

#[tokio::test]
async fn nothing_works_before_both_steps_of_the_handshake() {
    let server = Server::start();
    let mut wire = Wire::connect(&server).await;
    for (method, family) in [
        ("process/start", "exec"),
        ("fs/readFile", "filesystem"),
        ("http/request", "http"),
    ] {
        let refused = wire.call(method, json!({})).await;
        let text = format!("client must call initialize before using {family} methods");
        assert_eq!(refused, Err(invalid_request(&text)));
    }
    wire.call("initialize", json!({"clientName": "e2e"}))
        .await
        .expect("initialize succeeds");
    for (method, family) in [("process/read", "exec"), ("fs/walk", "filesystem")] {
        let refused = wire.call(method, json!({})).await;
        let text = format!("client must send initialized before using {family} methods");
        assert_eq!(refused, Err(invalid_request(&text)));
    }
}

#[tokio::test]
async fn a_second_initialize_is_refused_and_a_failed_one_may_be_repeated() {
    let server = Server::start();
    let mut wire = Wire::connect(&server).await;
    let unknown = "00000000-0000-4000-8000-000000000000";
    let refused = wire.handshake(Some(unknown)).await;
    assert_eq!(
        refused,
        Err(invalid_request(&format!("unknown session id {unknown}")))
    );
    let wrong = wire.call("initialize", json!({"clientName": 7})).await;
    assert_eq!(wrong.expect_err("a number is no name").code, -32602);
    wire.handshake(None).await.expect("it may try again");
    let again = wire.call("initialize", json!({"clientName": "e2e"})).await;
    assert_eq!(
        again,
        Err(invalid_request(
            "initialize may only be sent once per connection"
        ))
    );
    // The connection is as it was.
    wire.call("environment/status", json!({}))
        .await
        .expect("the connection lives");
}

#[tokio::test]
async fn initialized_may_be_repeated_but_not_come_first() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    wire.send(json!({"method": "initialized", "params": {}}))
        .await;
    wire.call("environment/status", json!({}))
        .await
        .expect("the connection lives");

    let mut wire = Wire::connect(&server).await;
    wire.send(json!({"method": "initialized", "params": {}}))
        .await;
    assert_eq!(
        wire.try_message().await,
        None,
        "the server closes the connection"
    );
}

#[tokio::test]
async fn an_unknown_notification_or_a_stray_response_closes_the_connection() {
    let server = Server::start();
    for message in [
        json!({"method": "no/such/notification"}),
        json!({"id": 1, "result": {}}),
        json!({"id": 1, "error": {"code": 1, "message": "?"}}),
    ] {
        let mut wire = Wire::ready(&server).await;
        wire.send(message).await;
        assert_eq!(
            wire.try_message().await,
            None,
            "the server closes the connection"
        );
    }
}

#[tokio::test]
async fn the_methods_that_are_not_served_are_those_of_the_page() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let mut unknown = BTreeSet::new();
    for &method in Method::ALL {
        // Params that no other method takes as they are, or that do no harm.
        if let Err(refusal) = wire.call(method.name(), json!({})).await
            && refusal.code == -32601
        {
            unknown.insert(method.name());
        }
    }
    let page = include_str!("../../../docs/protocol.md");
    let (_, part) = page.split_once("### Not served\n").expect("that part");
    let (part, _) = part.split_once("\n###").expect("another one");
    let named = |method: &&Method| part.contains(&format!("| `{}` |", method.name()));
    let named: BTreeSet<_> = Method::ALL
        .iter()
        .filter(named)
        .map(|method| method.name())
        .collect();
    assert_eq!(unknown, named);
    for method in ["fs/join", "fs/parent", "network/policyRequest"] {
        assert!(part.contains(&format!("`{method}`")), "{method}");
        let refusal = wire.call(method, json!({})).await.expect_err("unknown");
        assert_eq!(refusal.code, -32601, "{method}");
    }
}
