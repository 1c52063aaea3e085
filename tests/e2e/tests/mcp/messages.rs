//! What is no message, or one that is not taken, has an answer that says what is wrong, and the session goes on.

use serde_json::{Value, json};

use crate::by_hand::ByHand;
use crate::house::House;
use crate::{Folder, command};

#[tokio::test]
async fn what_is_no_message_is_answered_and_the_session_goes_on() {
    let folder = Folder::new();
    folder.put("a", "here\n");
    let mut client = ByHand::start(command(folder.path(), &[]));
    // Before the session and in it.
    for in_session in [false, true] {
        if in_session {
            client.initialize("2025-11-25").await;
        }
        for (line, id, code, words) in [
            (
                "garbage",
                Value::Null,
                -32700,
                "this is no JSON: expected value at line 1 column 1",
            ),
            (
                "{\"jsonrpc\":\"2.0\",\"id\":1,",
                Value::Null,
                -32700,
                "this is no JSON: EOF",
            ),
            ("\u{1}\u{2}", Value::Null, -32700, "this is no JSON"),
            ("7", Value::Null, -32600, "not a number"),
            ("{}", Value::Null, -32600, "\"jsonrpc\" must be \"2.0\""),
            (
                r#"{"id":5,"method":"tools/list"}"#,
                json!(5),
                -32600,
                "\"jsonrpc\" must be \"2.0\"",
            ),
            (
                r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
                Value::Null,
                -32600,
                "`id` must be",
            ),
            (
                r#"{"jsonrpc":"2.0","id":"x"}"#,
                json!("x"),
                -32600,
                "has none of them",
            ),
            (
                r#"{"jsonrpc":"2.0","id":6,"method":7}"#,
                json!(6),
                -32600,
                "`method` must be a text",
            ),
            (
                r#"{"jsonrpc":"2.0","id":6,"method":"ping","params":[]}"#,
                json!(6),
                -32602,
                "`params` must be an object",
            ),
        ] {
            client.send(format!("{line}\n").as_bytes()).await;
            let answer = client.answer().await;
            assert_eq!(
                (&answer["id"], &answer["error"]["code"]),
                (&id, &json!(code)),
                "{line}: {answer}"
            );
            assert!(
                answer.as_object().is_some_and(|all| all.contains_key("id")),
                "{answer}"
            );
            let text = answer["error"]["message"].as_str().expect("text");
            assert!(text.contains(words), "{line}: {text}");
        }
    }
    let read = client.tool(9, "read", json!({"path": "a"})).await;
    assert_eq!(
        read["result"]["structuredContent"]["text"], "here\n",
        "{read}"
    );
    // Notifications have no answer, whatever they are.
    client.send(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/of/others\"}\n{\"jsonrpc\":\"2.0\",\"method\":\"x\",\"params\":7}\n").await;
    let read = client.tool(10, "read", json!({"path": "a"})).await;
    assert_eq!(read["id"], 10);
}

#[tokio::test]
async fn attack_31_garbage_without_end_that_nobody_reads_the_answers_of_is_not_kept() {
    let folder = Folder::new();
    let mut client = ByHand::start(command(folder.path(), &[]));
    client.initialize("2025-11-25").await;
    // Much more than pipes hold and are kept here, and nothing is read meanwhile.
    let garbage = "garbage\n".repeat(8_000);
    for _ in 0..10 {
        client.send(garbage.as_bytes()).await;
    }
    let list = json!({"jsonrpc": "2.0", "id": 2, "method": "ping"});
    let mut refused = 0;
    client.send(format!("{list}\n").as_bytes()).await;
    loop {
        let answer = client.answer().await;
        match answer["id"].is_null() {
            true => refused += 1,
            false => break assert_eq!(answer["id"], 2, "{answer}"),
        }
    }
    assert!((1_024..40_000).contains(&refused), "{refused}");
}

#[tokio::test]
async fn methods_and_parameters_that_are_not_taken_are_told_with_what_there_is() {
    let folder = Folder::new();
    let mut client = ByHand::start(command(folder.path(), &[]));
    client.initialize("2025-11-25").await;
    let there_is = "it has tools and nothing else, and takes initialize, ping, server/discover, tools/list, tools/call";
    let of_uri = json!({"uri": "file:///a"});
    for (method, params) in [
        ("no/such", json!({})),
        ("resources/list", json!({})),
        ("resources/templates/list", json!({})),
        ("resources/read", of_uri.clone()),
        ("resources/subscribe", of_uri.clone()),
        ("resources/unsubscribe", of_uri),
        ("prompts/list", json!({})),
        ("prompts/get", json!({"name": "x"})),
        ("logging/setLevel", json!({"level": "debug"})),
        (
            "completion/complete",
            json!({"ref": {"type": "ref/prompt", "name": "x"}, "argument": {"name": "a", "value": "b"}}),
        ),
    ] {
        let message = json!({"jsonrpc": "2.0", "id": 2, "method": method, "params": params});
        let answer = client.call(message).await;
        assert_eq!(answer["error"]["code"], -32601, "{method}: {answer}");
        let text = answer["error"]["message"].as_str().expect("text");
        assert!(
            text.contains(method) && text.contains(there_is),
            "{method}: {text}"
        );
    }
    for (method, params, words) in [
        (
            "tools/call",
            json!({}),
            "`tools/call` needs `name`, a text: it is missing",
        ),
        (
            "tools/call",
            json!({"name": 7}),
            "`name` of `tools/call` must be a text",
        ),
        (
            "tools/call",
            json!({"name": "read", "arguments": []}),
            "`arguments` of `tools/call` must be an object",
        ),
    ] {
        let message = json!({"jsonrpc": "2.0", "id": 2, "method": method, "params": params});
        let answer = client.call(message).await;
        assert_eq!(answer["error"]["code"], -32602, "{method}: {answer}");
        assert_eq!(answer["error"]["message"], words, "{method}");
    }
    let read = client
        .tool(3, "read", json!({"path": "a", "lines": "all"}))
        .await;
    let text = read["result"]["content"][0]["text"].as_str().expect("text");
    assert!(
        text.contains("`lines`: invalid type: string \"all\", expected u64. `lines` takes a whole number of at least 1: How many lines"),
        "{text}"
    );
}

#[tokio::test]
async fn who_asks_before_a_session_has_begun_is_told_how_it_begins() {
    let folder = Folder::new();
    let early = json!({"jsonrpc": "2.0", "id": 77, "method": "tools/list"});
    let tells = |answer: &Value| {
        let text = answer["error"]["message"].as_str().unwrap_or_default();
        assert_eq!(answer["id"], 77, "{answer}");
        assert_eq!(answer["error"]["code"], -32600, "{answer}");
        assert!(text.starts_with("send `initialize` first"), "{answer}");
    };
    let mut client = ByHand::start(command(folder.path(), &[]));
    tells(&client.call(early.clone()).await);
    client.initialize("2025-11-25").await;
    let list = client.call(early.clone()).await;
    assert!(list["result"]["tools"].is_array(), "{list}");
    let house = House::start(folder.path(), &[]).await;
    let answered = house.sends("POST", "/mcp", &[], &early.to_string()).await;
    assert_eq!(answered.status, 400, "{answered:?}");
    let body = answered.text.split("\r\n\r\n").nth(1).expect("a body");
    tells(&serde_json::from_str(body).expect("JSON"));
}

#[tokio::test]
async fn a_client_that_does_not_wait_for_the_answer_to_initialize_is_not_too_early() {
    let folder = Folder::new();
    let mut client = ByHand::start(command(folder.path(), &[]));
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "by hand", "version": "1"}});
    let begin = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params});
    let begun = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let list = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"});
    client
        .send(format!("{begin}\n{begun}\n{list}\n").as_bytes())
        .await;
    assert_eq!(client.answer().await["id"], 1);
    let list = client.answer().await;
    assert!(list["result"]["tools"].is_array(), "{list}");
}
