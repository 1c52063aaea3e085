//! What other sessions notice of decisions that never end: nothing. Shown by order: their calls are answered while all of these are under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lockgate_e2e::{Server, Wire, start_params};
use serde_json::{Value, json};

use crate::Operator;

/// Calls of another session that have to be answered in one round while no endless decision has ended. If they waited for these, there would be one
/// or two in each.
const ANSWERED: usize = 20;

/// A slow machine may have fewer in one of them.
const ROUNDS: usize = 20;

/// Each decision has a second, a long time to hold others up.
fn operator() -> Operator {
    let operator = Operator::with("test-policy-hostile", "");
    let text = std::fs::read_to_string(operator.path("lockgate.toml")).expect("configured");
    operator.configures(&format!("{text}time_ms = 1000\n"));
    std::fs::write(operator.path("allow"), "x").expect("written");
    operator
}

/// Sends what is never decided, and meanwhile the calls of another session, until enough of them were answered before the first of these.
async fn are_answered_before(operator: &Operator, server: &Server, endless: &[(&str, Value)]) {
    let mut other = Wire::ready(server).await;
    let read = json!({"path": operator.path("allow")});
    for _ in 0..ROUNDS {
        let mut wire = Wire::ready(server).await;
        let mut ids = Vec::new();
        for (method, params) in endless {
            ids.push(wire.request(method, params.clone()).await);
        }
        // What is answered was taken after these.
        wire.call("environment/info", json!({}))
            .await
            .expect("told");
        let ended = Arc::new(AtomicBool::new(false));
        let first = Arc::clone(&ended);
        let waits = tokio::spawn(async move {
            let answer = wire.message().await;
            first.store(true, Ordering::Relaxed);
            assert!(ids.iter().any(|id| answer["id"] == *id), "{answer}");
            let message = answer["error"]["message"].as_str().expect("a refusal");
            assert!(message.contains("it ran past its deadline"), "{message}");
        });
        let mut answered = 0;
        while !ended.load(Ordering::Relaxed) {
            let contents = other.call("fs/readFile", read.clone()).await;
            assert_eq!(contents.expect("not disturbed")["dataBase64"], "eA==");
            answered += usize::from(!ended.load(Ordering::Relaxed));
        }
        waits.await.expect("ended at its deadline");
        if answered >= ANSWERED {
            return;
        }
    }
    panic!("in none of {ROUNDS} rounds {ANSWERED} calls were answered before an endless decision");
}

#[tokio::test]
async fn attack_25_while_decisions_on_files_never_end_other_sessions_are_answered() {
    let operator = operator();
    let server = operator.starts();
    let spin = ("fs/getMetadata", json!({"path": operator.path("spin")}));
    are_answered_before(&operator, &server, &vec![spin; 100]).await;
}

/// These have no lane: what holds them together is the turn that a connection gives them.
#[tokio::test]
async fn attack_25_while_decisions_on_programs_never_end_other_sessions_are_answered() {
    let operator = operator();
    let server = operator.starts();
    let spins: Vec<_> = (0..200)
        .map(|number| {
            let mut params = start_params(&format!("p{number}"), "true");
            params["argv"] = json!(["spin", number.to_string()]);
            ("process/start", params)
        })
        .collect();
    are_answered_before(&operator, &server, &spins).await;
}
