//! Policies that are exchanged while requests wait: what holds is what those say who are there when the request's turn has come.

use std::sync::{Mutex, mpsc};
use std::time::Duration;

use lockgate_policy_gate::{Action, ActionKind, Verdict};
use serde_json::{Value, json};
use tokio::sync::mpsc::unbounded_channel;

use super::client::{Client, Setting, allow, ask, base64, deny};
use super::refusals::start;

/// Far beyond what anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// More than may wait for a process that does not read.
const WRITES: usize = 140;

#[tokio::test]
async fn attack_28_a_write_that_waits_for_its_turn_is_asked_of_the_policies_that_are_there_then() {
    let setting = Setting {
        kinds: vec![ActionKind::ProcessStart],
        ..Setting::default()
    };
    let mut client = Client::of(setting, |action| match action {
        Action::ProcessWrite(_) => deny("no more of that"),
        _ => allow(),
    })
    .await;
    let cwd = client.path("");
    // It goes with the directory, too: nothing is left of it when the test ends.
    let wait = client.directory().join("wait");
    std::fs::write(&wait, "").expect("written");
    let mut params = start("sh", "-c", &cwd);
    params["argv"] = json!([
        "sh",
        "-c",
        "while [ -e wait ]; do sleep 0.01; done; exec cat"
    ]);
    client.call("process/start", params).await.expect("started");
    let write = |text: &str| json!({"processId": "p", "chunk": base64(text)});
    // More than a pipe takes, and then one behind the other.
    client.ask("process/write", write(&"x".repeat(200 << 10)));
    let writes: Vec<i64> = (0..WRITES)
        .map(|_| client.ask("process/write", write("secret")))
        .collect();
    // Requests are taken in their order: those before this one have been.
    let taken = client.call("lockgate/process/list", json!({})).await;
    taken.expect("told");
    client.judge.is_exchanged(&[ActionKind::ProcessWrite]);
    std::fs::remove_file(wait).expect("removed");
    let last = writes[WRITES - 1];
    let (_, text) = client.answer(last).await.expect_err("denied");
    assert!(text.contains("no more of that"), "{text}");
}

#[tokio::test]
async fn attack_28_a_file_request_that_waits_in_the_lane_is_asked_of_the_policies_that_are_there_then()
 {
    let (begun, mut has_begun) = unbounded_channel();
    let (end, ends) = mpsc::channel();
    let ends = Mutex::new(ends);
    let setting = Setting {
        kinds: vec![ActionKind::ProcessStart],
        ..Setting::default()
    };
    let mut client = Client::of(setting, move |action| {
        if action.kind() == ActionKind::File {
            return deny("no more of that");
        }
        begun.send(()).expect("the test waits for it");
        let ends = ends.lock().expect("not poisoned");
        ends.recv_timeout(PATIENCE).expect("the test goes on");
        allow()
    })
    .await;
    let cwd = client.path("");
    let start = client.ask("process/start", start("true", "x", &cwd));
    has_begun.recv().await.expect("it is being decided");
    let params = json!({"path": client.path("new"), "dataBase64": base64("x")});
    let write = client.ask("fs/writeFile", params);
    let taken = client.call("lockgate/process/list", json!({})).await;
    taken.expect("told");
    client.judge.is_exchanged(&[ActionKind::File]);
    end.send(()).expect("it waits");
    let (_, text) = client.answer(write).await.expect_err("denied");
    assert!(text.contains("no more of that"), "{text}");
    client.answer(start).await.expect("started");
    assert!(!client.directory().join("new").exists());
}

/// Has an opinion until it is told another one.
fn asking_first() -> (
    impl Fn(&Action) -> Verdict + Send + Sync,
    mpsc::Sender<Verdict>,
) {
    let (tell, told) = mpsc::channel();
    let opinion = Mutex::new((ask("May it?"), told));
    let decide = move |_: &Action| {
        let mut opinion = opinion.lock().expect("not poisoned");
        if let Ok(other) = opinion.1.try_recv() {
            opinion.0 = other;
        }
        opinion.0.clone()
    };
    (decide, tell)
}

fn answering() -> Setting {
    Setting {
        approvals: true,
        ..Setting::default()
    }
}

const ALL: [ActionKind; 4] = [
    ActionKind::ProcessStart,
    ActionKind::ProcessWrite,
    ActionKind::File,
    ActionKind::Http,
];

fn agreed(question: &Value) -> Value {
    json!({"id": question["id"], "result": {"decision": "allow"}})
}

#[tokio::test]
async fn attack_28_what_was_agreed_to_under_other_policies_is_decided_once_more() {
    for method in ["process/start", "fs/writeFile"] {
        let (decide, tell) = asking_first();
        let mut client = Client::of(answering(), decide).await;
        let (cwd, new) = (client.path(""), client.path("new"));
        let params = match method {
            "process/start" => start("touch", &new, &cwd),
            _ => json!({"path": new, "dataBase64": base64("x")}),
        };
        let request = client.ask(method, params);
        let question = client.question().await;
        tell.send(deny("stop")).expect("it decides");
        client.judge.is_exchanged(&ALL);
        client.send(&agreed(&question));
        let (_, text) = client.answer(request).await.expect_err("denied");
        assert_eq!(text, r#"policy "test" denies this: stop"#, "{method}");
        assert!(!client.directory().join("new").exists(), "{method}");
    }
}

#[tokio::test]
async fn under_other_policies_the_same_question_is_put_once_and_another_one_is_put_too() {
    for (other, puts) in [(ask("May it?"), 1), (ask("Really?"), 2), (allow(), 1)] {
        let (decide, tell) = asking_first();
        let mut client = Client::of(answering(), decide).await;
        let params = json!({"path": client.path("new"), "dataBase64": base64("x")});
        let request = client.ask("fs/writeFile", params);
        let question = client.question().await;
        tell.send(other).expect("it decides");
        client.judge.is_exchanged(&ALL);
        client.send(&agreed(&question));
        if puts == 2 {
            let question = client.question().await;
            assert_eq!(question["params"]["prompt"], "Really?");
            client.send(&agreed(&question));
        }
        client.answer(request).await.expect("written");
        assert_eq!(client.judge.asked().len(), 2);
    }
}

#[tokio::test]
async fn where_nobody_wants_to_see_it_any_more_what_was_agreed_to_is_done() {
    let mut client = Client::of(answering(), |_| ask("May it?")).await;
    let params = json!({"path": client.path("new"), "dataBase64": base64("x")});
    let request = client.ask("fs/writeFile", params);
    let question = client.question().await;
    client.judge.is_exchanged(&[]);
    client.send(&agreed(&question));
    client.answer(request).await.expect("written");
    assert_eq!(client.judge.asked().len(), 1);
}
