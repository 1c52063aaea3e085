//! Decisions that take their time, where the ones before were quick.

use std::sync::{Mutex, mpsc};
use std::time::Duration;

use lockgate_policy_gate::{Action, ActionKind};
use serde_json::json;
use tokio::sync::mpsc::unbounded_channel;

use super::client::{Client, Setting, allow, deny};
use super::refusals::start;

/// Far beyond what anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// One thread runs both connections, so whoever decides on it has it alone.
#[tokio::test]
async fn attack_25_a_slow_decision_holds_up_no_other_connection() {
    let mut other = Client::of(Setting::default(), |_| allow()).await;
    let directory = other.path("");
    for (method, params) in [
        ("fs/getMetadata", json!({"path": directory})),
        ("fs/readFile", json!({"path": "/etc/hostname"})),
        ("process/start", start("true", "x", &directory)),
    ] {
        let (begun, mut has_begun) = unbounded_channel();
        let (end, ends) = mpsc::channel();
        let ends = Mutex::new(ends);
        let setting = Setting {
            quick: true,
            gives_up: true,
            ..Setting::default()
        };
        let mut slow = Client::of(setting, move |_| {
            begun.send(()).expect("the test waits for it");
            match ends.lock().expect("not poisoned").recv_timeout(PATIENCE) {
                Ok(()) => allow(),
                Err(_) => deny("nobody else was answered meanwhile"),
            }
        })
        .await;
        let id = slow.ask(method, params);
        has_begun.recv().await.expect("it is being decided");
        for _ in 0..100 {
            let params = json!({"path": directory});
            other.call("fs/getMetadata", params).await.expect(method);
        }
        end.send(()).expect("it waits");
        slow.answer(id).await.expect(method);
    }
}

/// What was decided before the connection had no more time for it holds, and is not asked again.
#[tokio::test]
async fn what_is_given_up_goes_on_where_it_was() {
    let setting = Setting {
        quick: true,
        gives_up: true,
        ..Setting::default()
    };
    let mut client = Client::of(setting, |action| match action {
        Action::ProcessStart(_) => allow(),
        _ => deny("not this"),
    })
    .await;
    let cwd = client.path("");
    client
        .call("process/start", start("true", "x", &cwd))
        .await
        .expect("started");
    let kinds: Vec<ActionKind> = client.judge.asked().iter().map(Action::kind).collect();
    assert_eq!(kinds, [ActionKind::ProcessStart]);
    let (_, message) = client.refusal("fs/getMetadata", json!({"path": cwd})).await;
    assert!(message.contains("not this"), "{message}");
}
