//! Messages of real clients and servers decode into our types, and what we encode from them says the same.

use std::collections::HashMap;

use lockgate_wire::{
    Empty, Id, Incoming, Method, NoParams, Verbatim, decode_params, environment, fs, lifecycle,
    notify, process,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[test]
fn every_message_of_a_may_2026_conversation_decodes() {
    replay(include_str!("fixtures/0.133.0.jsonl"));
}

#[test]
fn every_message_of_a_november_2026_conversation_decodes() {
    replay(include_str!("fixtures/0.169.0.jsonl"));
}

#[derive(Deserialize)]
struct Recorded {
    dir: String,
    text: String,
}

fn replay(conversation: &str) {
    let mut asked: HashMap<Id, Method> = HashMap::new();
    let mut notified = Vec::new();
    for line in conversation.lines() {
        let recorded: Recorded = serde_json::from_str(line).expect("the fixture is JSON");
        let message = Incoming::parse(&recorded.text)
            .unwrap_or_else(|error| panic!("{error}: {}", recorded.text));
        match (recorded.dir.as_str(), message) {
            ("c>s", Incoming::Request(request)) => {
                let method = Method::from_name(&request.method).expect("a known method");
                params(method, request.params);
                asked.insert(request.id, method);
            }
            ("c>s", Incoming::Notification(note)) => {
                assert_eq!(note.method, notify::INITIALIZED);
            }
            ("s>c", Incoming::Response(reply)) => result(asked[&reply.id], reply.result),
            ("s>c", Incoming::Error(reply)) => {
                assert!(asked.contains_key(&reply.id));
                assert!(reply.error.code < 0 && !reply.error.message.is_empty());
            }
            ("s>c", Incoming::Notification(note)) => {
                match note.method.as_ref() {
                    notify::PROCESS_OUTPUT => same::<process::OutputNotification>(note.params),
                    notify::PROCESS_EXITED => same::<process::ExitedNotification>(note.params),
                    notify::PROCESS_CLOSED => same::<process::ClosedNotification>(note.params),
                    other => panic!("a notification of no known kind: {other}"),
                }
                notified.push(note.method.into_owned());
            }
            (dir, message) => panic!("{dir} does not send {message:?}"),
        }
    }
    for wanted in [
        notify::PROCESS_OUTPUT,
        notify::PROCESS_EXITED,
        notify::PROCESS_CLOSED,
    ] {
        assert!(
            notified.iter().any(|method| method == wanted),
            "no {wanted} in the fixture"
        );
    }
}

fn params(method: Method, params: Option<Verbatim<'_>>) {
    match method {
        Method::Initialize => same::<lifecycle::InitializeParams>(params),
        Method::ProcessStart => same::<process::StartParams>(params),
        Method::ProcessRead => same::<process::ReadParams>(params),
        Method::ProcessWrite => same::<process::WriteParams>(params),
        Method::ProcessTerminate => same::<process::TerminateParams>(params),
        Method::FsGetMetadata => same::<fs::GetMetadataParams>(params),
        Method::FsReadFile => same::<fs::ReadFileParams>(params),
        Method::FsWriteFile => same::<fs::WriteFileParams>(params),
        Method::FsRemove => same::<fs::RemoveParams>(params),
        // Probed by the client, answered -32601 by servers without them.
        Method::EnvironmentConfigRead | Method::FsWatchMissing => {}
        other => panic!("{} is not expected in a fixture", other.name()),
    }
}

fn result(method: Method, result: Verbatim<'_>) {
    let result = Some(result);
    match method {
        Method::Initialize => same::<lifecycle::InitializeResult>(result),
        Method::ProcessStart => same::<process::StartResult>(result),
        Method::ProcessRead => same::<process::ReadResult>(result),
        Method::ProcessWrite => same::<process::WriteResult>(result),
        Method::ProcessTerminate => same::<process::TerminateResult>(result),
        Method::FsGetMetadata => same::<fs::MetadataResult>(result),
        Method::FsReadFile => same::<fs::ReadFileResult>(result),
        Method::FsWriteFile | Method::FsRemove => same::<Empty>(result),
        Method::EnvironmentConfigRead | Method::FsWatchMissing => {}
        other => panic!("{} is not expected in a fixture", other.name()),
    }
}

/// Decodes, encodes, and finds every member of the original again. Members that were `null` or that we read without
/// keeping (the other platforms' part of a sandbox) may be gone; new ones are defaults of newer members.
fn same<'a, T: Deserialize<'a> + Serialize>(raw: Option<Verbatim<'a>>) {
    let typed: T = decode_params(raw).unwrap_or_else(|error| panic!("{error}: {raw:?}"));
    let original: Value = serde_json::from_str(raw.map_or("null", Verbatim::get)).expect("JSON");
    let ours = serde_json::to_value(&typed).expect("encodes");
    let (Value::Object(original), Value::Object(ours)) = (&original, &ours) else {
        panic!("not objects: {original} {ours}");
    };
    for (name, value) in original {
        let kept = ours.get(name).unwrap_or(&Value::Null);
        match name.as_str() {
            "sandbox" => assert_eq!(kept.is_null(), value.is_null(), "{name}"),
            _ => assert_eq!(kept, value, "{name}"),
        }
    }
}

#[test]
fn methods_without_params_take_nothing_null_and_an_empty_object() {
    for text in [None, Some("null"), Some("{}"), Some("{ }")] {
        let raw = text.map(|text| serde_json::from_str::<Verbatim<'_>>(text).expect("JSON"));
        assert_eq!(decode_params::<NoParams>(raw), Ok(NoParams), "{text:?}");
    }
    let raw = serde_json::from_str::<Verbatim<'_>>("7").expect("JSON");
    assert!(decode_params::<NoParams>(Some(raw)).is_err());
}

#[test]
fn environment_info_needs_only_the_shell() {
    let info: environment::EnvironmentInfo =
        serde_json::from_str(r#"{"shell":{"name":"sh","path":"/bin/sh"}}"#).expect("decodes");
    assert_eq!(info.executor_version, "0.0.0");
    assert_eq!(info.capabilities, environment::Capabilities::default());
    assert!(!info.capabilities.announces(Method::LockgateProcessResize));
}
