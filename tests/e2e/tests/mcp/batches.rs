//! Batches: arrays of messages, which protocol 2025-03-26 has and no other.

use rmcp::model::ProtocolVersion;
use serde_json::{Value, json};

use crate::by_hand::ByHand;
use crate::house::{Answered, House, INITIALIZE};
use crate::{Folder, command};

const OF: &str = "2025-03-26";

fn call(id: impl Into<Value>, tool: &str, arguments: Value) -> Value {
    let params = json!({"name": tool, "arguments": arguments});
    json!({"jsonrpc": "2.0", "id": id.into(), "method": "tools/call", "params": params})
}

fn initialize(id: u64) -> Value {
    let client = json!({"name": "by hand", "version": "1"});
    let params = json!({"protocolVersion": OF, "capabilities": {}, "clientInfo": client});
    json!({"jsonrpc": "2.0", "id": id, "method": "initialize", "params": params})
}

/// Everything that can be in one, for a folder with a file `a`.
fn mixed() -> Value {
    json!([
        call(11, "read", json!({"path": "a"})),
        {"jsonrpc": "2.0", "method": "notifications/of/others"},
        7,
        {"jsonrpc": "2.0", "id": "twelve", "method": "no/such"},
        {"jsonrpc": "2.0", "id": 5, "result": {}},
        initialize(13),
        call("fourteen", "write", json!({"path": "b", "content": "x"})),
        call(11, "write", json!({"path": "c", "content": "x"})),
        [],
    ])
}

/// That all of it is answered, and right.
fn are_of_mixed(answers: &[Value], folder: &Folder) {
    assert_eq!(answers.len(), 7, "{answers:?}");
    let of =
        |id: Value| -> Vec<&Value> { answers.iter().filter(|answer| answer["id"] == id).collect() };
    let text = |answer: &Value| {
        answer["error"]["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let [twelve] = of(json!("twelve"))[..] else {
        panic!("{answers:?}")
    };
    assert_eq!(twelve["error"]["code"], -32601);
    let [thirteen] = of(json!(13))[..] else {
        panic!("{answers:?}")
    };
    assert!(text(thirteen).contains("comes by itself"), "{thirteen}");
    let [fourteen] = of(json!("fourteen"))[..] else {
        panic!("{answers:?}")
    };
    assert_eq!(fourteen["result"]["structuredContent"]["created"], true);
    let elevens = of(json!(11));
    assert_eq!(elevens.len(), 2);
    assert!(
        elevens
            .iter()
            .any(|answer| answer["result"]["structuredContent"]["text"] == "here\n")
    );
    assert!(
        elevens
            .iter()
            .any(|answer| text(answer).contains("the same `id`"))
    );
    assert_eq!(of(Value::Null).len(), 2, "{answers:?}");
    assert!(folder.path().join("b").exists() && !folder.path().join("c").exists());
}

#[tokio::test]
async fn the_answers_of_a_batch_come_in_one() {
    let folder = Folder::new();
    folder.put("a", "here\n");
    let mut client = ByHand::start(command(folder.path(), &["--unrestricted"]));
    client
        .send(format!("{}\n", json!([initialize(1)])).as_bytes())
        .await;
    let early = client.answer().await;
    assert_eq!(
        (&early["id"], &early["error"]["code"]),
        (&Value::Null, &json!(-32600)),
        "{early}"
    );
    client.initialize(OF).await;
    client.send(format!("{}\n", mixed()).as_bytes()).await;
    let answer = client.answer().await;
    are_of_mixed(answer.as_array().expect("an array"), &folder);
    // What needs no answer has none, and a call that is cancelled keeps the others from nothing.
    let wait = call(
        21,
        "run",
        json!({"command": "exec sleep 1000", "wait_seconds": 600}),
    );
    let cancelled =
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 21}});
    let batches = [
        json!([wait, call(22, "read", json!({"path": "a"}))]),
        json!([cancelled]),
    ];
    for batch in batches {
        client.send(format!("{batch}\n").as_bytes()).await;
    }
    let answer = client.answer().await;
    let ids: Vec<_> = answer
        .as_array()
        .expect("an array")
        .iter()
        .map(|one| &one["id"])
        .collect();
    assert_eq!(ids, [22]);
    // One by one is right as well.
    let read = client.tool(23, "read", json!({"path": "a"})).await;
    assert_eq!(read["result"]["structuredContent"]["text"], "here\n");
}

#[tokio::test]
async fn what_is_no_batch_of_the_sessions_version_is_refused_as_a_whole() {
    let folder = Folder::new();
    let write = json!([call(2, "write", json!({"path": "b", "content": "x"}))]);
    let many = Value::Array(vec![
        json!({"jsonrpc": "2.0", "id": 2, "method": "ping"});
        65
    ]);
    let versions = ProtocolVersion::KNOWN_VERSIONS
        .iter()
        .map(ProtocolVersion::as_str);
    let others = versions.filter(|version| *version != OF && *version < "2026");
    let mut refused: Vec<_> = others
        .map(|version| {
            (
                version,
                write.clone(),
                format!("this session speaks {version}"),
            )
        })
        .collect();
    assert!(refused.len() >= 3);
    refused.push((OF, json!([]), "there is nothing in this batch".to_owned()));
    refused.push((OF, many, "65 messages, at most 64".to_owned()));
    for (version, batch, words) in &refused {
        let mut client = ByHand::start(command(folder.path(), &[]));
        client.initialize(version).await;
        client.send(format!("{batch}\n").as_bytes()).await;
        let answer = client.answer().await;
        assert_eq!(
            (&answer["id"], &answer["error"]["code"]),
            (&Value::Null, &json!(-32600)),
            "{answer}"
        );
        let text = answer["error"]["message"].as_str().expect("text");
        assert!(text.contains(words.as_str()), "{text}");
    }
    let house = House::start(folder.path(), &[]).await;
    for (version, batch, words) in &refused {
        let session = begin(&house, version).await;
        let answer = sends(&house, &session, batch).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        let body = json_of(&answer);
        assert_eq!(
            (&body["id"], &body["error"]["code"]),
            (&Value::Null, &json!(-32600)),
            "{body}"
        );
        assert!(answer.text.contains(words.as_str()), "{answer:?}");
    }
    for session in ["", "none"] {
        let answer = sends(&house, session, &write).await;
        assert_eq!(
            answer.status,
            if session.is_empty() { 400 } else { 404 },
            "{answer:?}"
        );
    }
    let answer = house.sends("POST", "/mcp", &[], "garbage").await;
    assert_eq!(
        (answer.status, &json_of(&answer)["error"]["code"]),
        (400, &json!(-32700))
    );
    assert!(!folder.path().join("b").exists());
}

/// A session of that version, by its name.
async fn begin(house: &House, version: &str) -> String {
    let initialize = INITIALIZE.replace("2025-11-25", version);
    let begun = house.sends("POST", "/mcp", &[], &initialize).await;
    assert_eq!(begun.status, 200, "{begun:?}");
    let session = begun
        .header("mcp-session-id")
        .expect("a session")
        .to_owned();
    let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    let headers = [("mcp-session-id", session.as_str())];
    let answered = house.sends("POST", "/mcp", &headers, initialized).await;
    assert_eq!(answered.status, 202, "{answered:?}");
    session
}

async fn sends(house: &House, session: &str, body: &Value) -> Answered {
    let headers = [("mcp-session-id", session)];
    house
        .sends("POST", "/mcp", &headers, &body.to_string())
        .await
}

fn body(answer: &Answered) -> &str {
    answer.text.split_once("\r\n\r\n").expect("a body").1
}

fn json_of(answer: &Answered) -> Value {
    serde_json::from_str(body(answer)).unwrap_or_else(|_| panic!("{answer:?}"))
}

#[tokio::test]
async fn over_http_the_answers_of_a_batch_come_on_one_stream() {
    let folder = Folder::new();
    folder.put("a", "here\n");
    let house = House::start(folder.path(), &[]).await;
    let session = begin(&house, OF).await;
    let answer = sends(&house, &session, &mixed()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    let lines = body(&answer).lines();
    let events = lines.filter_map(|line| line.strip_prefix("data:"));
    let answers: Vec<Value> = events
        .map(|data| serde_json::from_str(data).expect("JSON"))
        .collect();
    are_of_mixed(&answers, &folder);
    assert!(!answer.text.contains("\nid:"), "{answer:?}");
    let notifications = json!([{"jsonrpc": "2.0", "method": "notifications/of/others"}]);
    let answer = sends(&house, &session, &notifications).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let bad = sends(&house, &session, &json!([7])).await;
    assert_eq!(
        (bad.status, &json_of(&bad)[0]["error"]["code"]),
        (400, &json!(-32600))
    );
}
