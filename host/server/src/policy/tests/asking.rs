//! Questions to whoever is at the client's end.

use std::time::{Duration, Instant};

use lockgate_policy_gate::{Action, ActionKind, FileVerb, Narrowing, Verdict};
use serde_json::{Value, json};

use super::client::{Client, Setting, allow, ask, base64};
use super::refusals::start;
use crate::limits;

fn asks_before_writing(action: &Action) -> Verdict {
    match action {
        Action::File(file) if file.verb == FileVerb::Read => allow(),
        _ => ask("May it?"),
    }
}

fn answering() -> Setting {
    Setting {
        approvals: true,
        ..Setting::default()
    }
}

fn write(client: &Client, name: &str) -> Value {
    json!({"path": client.path(name), "dataBase64": base64("new")})
}

fn said(question: &Value, decision: &str) -> Value {
    json!({"id": question["id"], "result": {"decision": decision, "reason": "as I like it"}})
}

#[tokio::test]
async fn what_somebody_agrees_to_is_done() {
    let mut client = Client::of(answering(), asks_before_writing).await;
    let params = write(&client, "a");
    let path = client.path("a");
    let request = client.ask("fs/writeFile", params);
    let question = client.question().await;
    let params = &question["params"];
    assert_eq!(params["policy"], "test");
    assert_eq!(params["prompt"], "May it?");
    assert_eq!(params["expiresInMs"], 600_000);
    assert_eq!(params["action"]["kind"], "file");
    assert_eq!(params["requestId"], request);
    assert_eq!(params["action"]["paths"][0]["path"], path);
    assert!(!client.directory().join("a").exists());
    client.send(&said(&question, "allow"));
    client.answer(request).await.expect("written");
    assert!(client.directory().join("a").exists());
    assert_eq!(client.judge.answered_by(), [(true, "client".to_owned())]);
}

#[tokio::test]
async fn what_somebody_refuses_is_not_done_and_the_reason_is_told() {
    let mut client = Client::of(answering(), asks_before_writing).await;
    let params = write(&client, "a");
    let request = client.ask("fs/writeFile", params);
    let question = client.question().await;
    client.send(&said(&question, "deny"));
    let (code, text) = client.answer(request).await.expect_err("refused");
    assert_eq!(code, -32600);
    assert_eq!(
        text,
        "policy \"test\" lets this be done only if somebody agrees: May it? This question was answered with no: as I like it"
    );
    assert!(!client.directory().join("a").exists());
    assert_eq!(client.judge.answered_by(), [(false, "client".to_owned())]);
}

#[tokio::test]
async fn where_nobody_can_be_asked_it_is_a_denial_that_says_so() {
    let mut client = Client::of(Setting::default(), asks_before_writing).await;
    let params = write(&client, "a");
    let (code, text) = client.refusal("fs/writeFile", params).await;
    assert_eq!(code, -32600);
    assert!(
        text.contains(r#""lockgate":{"approvals":true}"#) && text.contains("May it?"),
        "{text}"
    );
    let cwd = client.path("");
    let new = client.path("b");
    client
        .refusal("process/start", start("touch", &new, &cwd))
        .await;
    assert_eq!(
        std::fs::read_dir(client.directory())
            .expect("there")
            .count(),
        0
    );
}

#[tokio::test]
async fn nobody_waits_behind_a_question() {
    let mut client = Client::of(answering(), asks_before_writing).await;
    std::fs::write(client.directory().join("there"), "1").expect("written");
    let params = write(&client, "a");
    let asked = client.ask("fs/writeFile", params);
    let question = client.question().await;
    let path = client.path("there");
    let read = client.call("fs/readFile", json!({"path": path})).await;
    assert_eq!(read.expect("read")["dataBase64"], base64("1"));
    client.send(&said(&question, "allow"));
    client.answer(asked).await.expect("written");
}

#[tokio::test]
async fn a_question_that_nobody_answers_is_withdrawn_and_denied() {
    let setting = Setting {
        ask_time: Duration::from_millis(20),
        ..answering()
    };
    let mut client = Client::of(setting, asks_before_writing).await;
    let params = write(&client, "a");
    let request = client.ask("fs/writeFile", params);
    let question = client.question().await;
    let (_, text) = client.answer(request).await.expect_err("denied");
    assert!(text.contains("was not answered by anybody"), "{text}");
    let withdrawn = client
        .find(|message| message["method"] == "lockgate/approval/withdrawn")
        .await;
    assert_eq!(
        withdrawn["params"]["approvalId"],
        question["params"]["approvalId"]
    );
    // It crosses with the withdrawal: nothing happens, neither does it break anything.
    client.send(&said(&question, "allow"));
    let path = client.path("a");
    client.refusal("fs/readFile", json!({"path": path})).await;
}

/// Only `allow`, spelled as it is, is a yes.
#[tokio::test]
async fn only_a_yes_is_a_yes() {
    for answer in [
        json!({"result": {"decision": "Allow"}}),
        json!({"result": {"decision": "deny"}}),
        json!({"result": true}),
        json!({"result": {}}),
        json!({"result": null}),
        json!({"error": {"code": -32601, "message": "what?"}}),
    ] {
        let mut client = Client::of(answering(), asks_before_writing).await;
        let params = write(&client, "a");
        let request = client.ask("fs/writeFile", params);
        let question = client.question().await;
        let mut message = answer.clone();
        message["id"] = question["id"].clone();
        client.send(&message);
        client.answer(request).await.expect_err("it was no yes");
        assert!(!client.directory().join("a").exists(), "{answer}");
    }
}

#[tokio::test]
async fn attack_31_an_answer_to_what_was_never_asked_ends_the_connection() {
    for id in [
        json!("approval-1"),
        json!("approval-0"),
        json!("approval-01"),
        json!(1),
    ] {
        let mut client = Client::of(answering(), asks_before_writing).await;
        client.send(&json!({"id": id, "result": {"decision": "allow"}}));
        assert!(client.is_cut_off().await);
    }
}

#[tokio::test]
async fn a_client_cannot_pile_up_questions() {
    let mut client = Client::of(answering(), asks_before_writing).await;
    let count = limits::APPROVALS + 3;
    let requests: Vec<i64> = (0..count)
        .map(|number| {
            let params = write(&client, &format!("f{number}"));
            client.ask("fs/writeFile", params)
        })
        .collect();
    // Those beyond the limit are refused while the others wait.
    let mut refused = 0;
    while refused < 3 {
        let answer = client.find(|message| message.get("error").is_some()).await;
        let text = answer["error"]["message"].as_str().expect("text");
        assert!(text.contains("wait"), "{text}");
        refused += 1;
    }
    let mut agreed = 0;
    while agreed < limits::APPROVALS {
        let question = client.question().await;
        client.send(&said(&question, "allow"));
        agreed += 1;
    }
    let done = std::cell::Cell::new(0);
    for _ in 0..limits::APPROVALS {
        client
            .find(|message| {
                message.get("result").is_some()
                    && requests.contains(&message["id"].as_i64().unwrap_or(0))
            })
            .await;
        done.set(done.get() + 1);
    }
    assert_eq!(
        std::fs::read_dir(client.directory())
            .expect("there")
            .count(),
        limits::APPROVALS
    );
}

/// The time in which somebody makes up their mind is not the process's. They take more of it than the process has.
#[tokio::test]
async fn waiting_for_somebody_does_not_count_against_the_time_of_a_process() {
    const LIMIT: Duration = Duration::from_secs(4);
    let opinion = |_: &Action| Verdict {
        narrowing: Some(Narrowing {
            time_limit: Some(4_000),
            ..Narrowing::default()
        }),
        ..ask("May it?")
    };
    let setting = Setting {
        kinds: vec![ActionKind::ProcessStart],
        ..answering()
    };
    let mut client = Client::of(setting, opinion).await;
    let cwd = client.path("");
    let new = client.path("new");
    let request = client.ask("process/start", start("touch", &new, &cwd));
    let question = client.question().await;
    let asked = Instant::now();
    while asked.elapsed() <= LIMIT {
        let params = json!({"path": cwd});
        client.call("fs/getMetadata", params).await.expect("told");
    }
    assert!(!client.directory().join("new").exists());
    client.send(&said(&question, "allow"));
    client.answer(request).await.expect("started");
    client
        .find(|message| message["method"] == "process/closed")
        .await;
    assert!(client.directory().join("new").exists());
    let read = json!({"processId": "p"});
    let read = client.call("process/read", read).await.expect("known");
    assert_eq!(
        (&read["exitCode"], &read["failure"]),
        (&json!(0), &Value::Null)
    );
}

#[tokio::test]
async fn a_start_that_is_cancelled_while_somebody_is_asked_never_begins() {
    let setting = Setting {
        kinds: vec![ActionKind::ProcessStart],
        ..answering()
    };
    let mut client = Client::of(setting, |_| ask("May it?")).await;
    let cwd = client.path("");
    let new = client.path("new");
    let request = client.ask("process/start", start("touch", &new, &cwd));
    let question = client.question().await;
    let ended = client
        .call("process/terminate", json!({"processId": "p"}))
        .await;
    assert_eq!(ended.expect("told")["running"], true);
    // Nobody needs to answer any more, and an answer that comes nevertheless changes nothing.
    let (_, text) = client.answer(request).await.expect_err("cancelled");
    let withdrawn = client
        .find(|message| message["method"] == "lockgate/approval/withdrawn")
        .await;
    assert_eq!(
        withdrawn["params"]["approvalId"],
        question["params"]["approvalId"]
    );
    client.send(&said(&question, "allow"));
    assert_eq!(text, "process p start was cancelled");
    assert!(!client.directory().join("new").exists());
}

#[tokio::test]
async fn a_question_says_which_of_equal_requests_waits_for_it() {
    let mut client = Client::of(answering(), |_| ask("May it?")).await;
    let cwd = client.path("");
    let starts = ["p", "q"].map(|id| {
        let mut params = start("true", "x", &cwd);
        params["processId"] = id.into();
        client.ask("process/start", params)
    });
    // One changes something, and the next of them waits for its turn; while somebody is asked it does not.
    let params = write(&client, "a");
    let writes = [(); 2].map(|()| client.ask("fs/writeFile", params.clone()));
    let mut questions = Vec::new();
    while questions.len() < 4 {
        questions.push(client.question().await);
    }
    let mut asked: Vec<_> = questions
        .iter()
        .map(|question| {
            (
                &question["params"]["requestId"],
                &question["params"]["action"]["kind"],
            )
        })
        .map(|(id, kind)| (id.as_i64().expect("a number"), kind.as_str().expect("text")))
        .collect();
    asked.sort_unstable();
    let start = "process-start";
    let expected = [
        (starts[0], start),
        (starts[1], start),
        (writes[0], "file"),
        (writes[1], "file"),
    ];
    assert_eq!(asked, expected);
}

/// Whatever a client sends behind a question, its answer is heard.
#[tokio::test]
async fn an_answer_is_heard_on_a_connection_that_is_full() {
    let opinion = |action: &Action| match action {
        Action::ProcessWrite(write) if write.data == b"first" => ask("May it?"),
        _ => allow(),
    };
    let mut client = Client::of(answering(), opinion).await;
    let params = json!({
        "processId": "p", "argv": ["/bin/cat"], "cwd": client.path(""), "tty": false, "pipeStdin": true, "env": {},
    });
    client.call("process/start", params).await.expect("started");
    let first = client.ask(
        "process/write",
        json!({"processId": "p", "chunk": base64("first")}),
    );
    let question = client.question().await;
    let behind = json!({"processId": "p", "chunk": base64("more")});
    for _ in 0..limits::REQUESTS_IN_FLIGHT + 50 {
        client.ask("process/write", behind.clone());
    }
    let refused = client.find(|message| message.get("error").is_some()).await;
    let text = refused["error"]["message"].as_str().expect("text");
    assert!(text.contains("behind a question"), "{text}");
    client.send(&said(&question, "allow"));
    client.answer(first).await.expect("written");
}

#[tokio::test]
async fn each_of_several_things_is_shown_before_it_is_agreed_to() {
    let mut client = Client::of(answering(), |_| ask("May it?")).await;
    let paths = [client.path("a"), client.path("b")];
    let request = client.ask("fs/watchMissing", json!({"watchId": 1, "missing": paths}));
    for path in &paths {
        let question = client.question().await;
        assert_eq!(question["params"]["action"]["paths"][0]["path"], **path);
        client.send(&said(&question, "allow"));
    }
    client.answer(request).await.expect("watched");
}
