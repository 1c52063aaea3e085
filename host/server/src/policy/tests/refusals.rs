//! Every method that can do something, sent to a gate that denies everything.

use lockgate_policy_gate::ActionKind;
use lockgate_wire::Method;
use serde_json::{Value, json};

use super::client::{Client, Setting, base64, deny};
use crate::policy::doors::{Door, door};

/// Params with which a method would do something.
fn params(client: &Client, method: Method) -> Value {
    let there = client.path("there");
    match method {
        Method::HttpRequest => {
            json!({"method": "GET", "url": "http://192.0.2.1/", "requestId": "r", "headers": []})
        }
        Method::ProcessStart => start("touch", &client.path("new"), &client.path("")),
        Method::ProcessWrite => unreachable!("there is no process to write to"),
        Method::FsWriteFile => json!({"path": there, "dataBase64": base64("other")}),
        Method::FsOpen => {
            json!({"path": client.path("new"), "handleId": "h", "mode": "replace"})
        }
        Method::FsCreateDirectory | Method::LockgateFsWriteTree => {
            json!({"path": client.path("new"), "handleId": "h", "mode": 0o700})
        }
        Method::FsWalk => json!({"path": client.path(""), "options": {
            "maxDepth": 9, "maxDirectories": 9, "maxEntries": 9, "followDirectorySymlinks": false, "pruneHiddenDirectories": false,
        }}),
        Method::FsCopy | Method::LockgateFsRename => {
            json!({"sourcePath": there, "destinationPath": client.path("new"), "recursive": false})
        }
        Method::FsWatchMissing => json!({"watchId": 1, "missing": [client.path("new")]}),
        Method::LockgateFsBatch => json!({"stopOnError": true, "operations": [
            {"method": "fs/writeFile", "params": {"path": client.path("new"), "dataBase64": base64("new")}},
        ]}),
        Method::CapabilityRootsDiscoverV1 => {
            json!({"roots": [{"id": "r", "path": client.path("")}]})
        }
        Method::LockgateFsWatch => json!({"watchId": "w", "path": client.path("")}),
        Method::LockgateFsReadTree | Method::LockgateFsListTree => {
            json!({"path": client.path(""), "handleId": "h"})
        }
        Method::LockgateFsSymlink => json!({"path": client.path("new"), "target": "there"}),
        Method::LockgateFsSetMode => json!({"path": there, "mode": 0}),
        Method::LockgateFsSetTimes => json!({"path": there, "modifiedAtMs": 1}),
        Method::LockgateFsReplaceFile | Method::LockgateFsAppendFile => {
            json!({"path": there, "dataBase64": base64("other")})
        }
        _ => json!({"path": there}),
    }
}

pub(super) fn start(program: &str, argument: &str, cwd: &str) -> Value {
    json!({
        "processId": "p", "argv": [program, argument], "cwd": cwd, "tty": false, "pipeStdin": true,
        "env": {"PATH": "/usr/bin:/bin", "SECRET": "s3cret"},
    })
}

#[tokio::test]
async fn every_method_that_does_something_stops_at_a_gate_that_denies_everything() {
    for quick in [true, false] {
        let setting = Setting {
            quick,
            ..Setting::default()
        };
        let mut client = Client::of(setting, |_| deny("ask for something else")).await;
        let there = client.directory().join("there");
        std::fs::write(&there, "as it was").expect("written");
        let before = std::fs::metadata(&there).expect("it is there");
        for &method in Method::ALL {
            let Door::Asked(kind) = door(method) else {
                continue;
            };
            if kind == ActionKind::ProcessWrite {
                continue;
            }
            let params = params(&client, method);
            let name = method.name();
            let (code, text) = match method {
                Method::LockgateFsBatch => {
                    let answer = client.call(name, params).await.expect("an answer");
                    let error = &answer["results"][0]["error"];
                    let text = error["message"].as_str().unwrap_or_default().to_owned();
                    (error["code"].as_i64().unwrap_or_default(), text)
                }
                Method::CapabilityRootsDiscoverV1 => {
                    let answer = client.call(name, params).await.expect("an answer");
                    let error = answer["roots"][0]["error"].as_str();
                    (-32600, error.unwrap_or_default().to_owned())
                }
                _ => client.refusal(name, params).await,
            };
            assert_eq!(code, -32600, "{name}: {text}");
            assert_eq!(
                text, r#"policy "test" denies this: ask for something else"#,
                "{name}"
            );
            let asked = client.judge.asked();
            assert_eq!(
                asked.last().map(|action| action.kind()),
                Some(kind),
                "{name}"
            );
        }
        let names: Vec<_> = std::fs::read_dir(client.directory())
            .expect("a directory")
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        assert_eq!(names, ["there"]);
        assert_eq!(std::fs::read(&there).expect("readable"), b"as it was");
        let after = std::fs::metadata(&there).expect("it is there");
        assert_eq!(before.modified().ok(), after.modified().ok());
        assert_eq!(before.permissions(), after.permissions());
    }
}

#[tokio::test]
async fn who_asks_is_told_without_what_opens_the_session() {
    let mut client = Client::of(Setting::default(), |_| deny("no")).await;
    let path = client.path("x");
    for _ in 0..2 {
        client.refusal("fs/readFile", json!({"path": path})).await;
    }
    let [first, second] = &client.judge.subjects()[..] else {
        panic!("two were asked");
    };
    assert_eq!(first, second);
    assert_eq!(first.client, "the test");
    assert_eq!(first.session.len(), 16);
    assert!(!client.session_id.replace('-', "").contains(&first.session));
}

#[tokio::test]
async fn what_nobody_wants_to_see_is_not_asked_about() {
    let setting = Setting {
        kinds: vec![ActionKind::Http],
        ..Setting::default()
    };
    let mut client = Client::of(setting, |_| deny("no")).await;
    std::fs::write(client.directory().join("a"), "a").expect("written");
    let path = client.path("a");
    let read = client.call("fs/readFile", json!({"path": path})).await;
    assert_eq!(read.expect("read")["dataBase64"], base64("a"));
    let cwd = client.path("");
    let started = client.call("process/start", start("true", "x", &cwd)).await;
    started.expect("started");
    assert_eq!(client.judge.asked(), []);
}
