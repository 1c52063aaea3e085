//! What a client must not send, each with a clear answer, and the connection as it was before.

use lockgate_e2e::{Server, Wire};
use serde_json::{Value, json};

/// The connection still works.
async fn lives(wire: &mut Wire) {
    let status = wire.call("environment/status", json!({})).await;
    assert_eq!(status, Ok(json!({"status": "ready"})));
}

#[tokio::test]
async fn malformed_messages_are_answered_with_id_minus_one_and_the_connection_lives() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let bomb = format!(
        "{{\"id\":1,\"method\":\"x\",\"params\":[{}0]}}",
        "0,".repeat(300_000)
    );
    for text in [
        "",
        "{",
        "null",
        "[]",
        "\"text\"",
        "{\"id\":null,\"method\":\"environment/status\"}",
        "{\"id\":1.5,\"method\":\"environment/status\"}",
        "{\"id\":99999999999999999999,\"method\":\"environment/status\"}",
        "{\"id\":1}",
        "{\"id\":1,\"id\":2,\"method\":\"environment/status\"}",
        "{\"id\":1,\"method\":7}",
        "{\"id\":1,\"method\":\"\\ud800\"}",
        &deep,
        &bomb,
    ] {
        wire.send_text(text).await;
        let answer = wire.message().await;
        assert_eq!(answer["id"], -1, "{answer}");
        assert_eq!(answer["error"]["code"], -32600, "{answer}");
        let message = answer["error"]["message"].as_str().expect("a message");
        assert!(
            message.starts_with("failed to parse JSON-RPC message"),
            "{message}"
        );
        lives(&mut wire).await;
    }
}

#[tokio::test]
async fn json_nested_deep_inside_params_is_an_answer_not_a_crash() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    for open in ["[", "{\"a\":"] {
        let (close, count) = (if open == "[" { "]" } else { "}" }, 10_000);
        let deep = format!("{}0{}", open.repeat(count), close.repeat(count));
        let text =
            format!("{{\"id\":5,\"method\":\"fs/readFile\",\"params\":{{\"path\":{deep}}}}}");
        wire.send_text(text).await;
        let answer = wire.message().await;
        assert_eq!(
            (&answer["id"], &answer["error"]["code"]),
            (&json!(5), &json!(-32602))
        );
        lives(&mut wire).await;
    }
}

#[tokio::test]
async fn unknown_methods_are_not_found_with_the_code_that_clients_fall_back_on() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    for method in [
        "no/such",
        "",
        "environmentConfig/read",
        "capabilities/discoverV2",
        "fs/join",
    ] {
        let refusal = wire.call(method, json!({})).await.expect_err("not found");
        assert_eq!(refusal.code, -32601, "{method}");
        lives(&mut wire).await;
    }
    // Named as everything from clients is: on one line, and fit for a terminal.
    let method = format!("it's\u{1b}[2J\u{202e}\n{}", "x".repeat(100));
    let refusal = wire.call(&method, json!({})).await.expect_err("not found");
    let shown = format!(r"it's\u{{1b}}[2J\u{{202e}}\n{}", "x".repeat(70));
    assert_eq!(
        refusal.message,
        format!("lockgate does not implement `{shown}`")
    );
}

#[tokio::test]
async fn wrong_params_are_refused_by_every_method() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    for method in [
        "process/start",
        "process/read",
        "process/write",
        "process/signal",
        "process/terminate",
        "fs/readFile",
        "fs/open",
        "fs/readBlock",
        "fs/writeBlock",
        "fs/close",
        "capabilityRoots/discoverV1",
        "fs/writeFile",
        "fs/createDirectory",
        "fs/getMetadata",
        "fs/canonicalize",
        "fs/readDirectory",
        "fs/walk",
        "fs/remove",
        "fs/copy",
        "fs/watchMissing",
        "capabilityRoots/discoverV1",
        "lockgate/process/resize",
        "lockgate/process/closeStdin",
        "lockgate/process/signal",
        "lockgate/http/acknowledge",
        "lockgate/http/cancel",
        "lockgate/process/acknowledge",
        "lockgate/fs/batch",
        "lockgate/fs/readTree",
        "lockgate/fs/listTree",
        "lockgate/fs/writeTree",
        "lockgate/fs/writeTreeBlock",
        "lockgate/fs/finishTree",
        "lockgate/fs/watch",
        "lockgate/fs/unwatch",
        "lockgate/fs/rename",
        "lockgate/fs/symlink",
        "lockgate/fs/readLink",
        "lockgate/fs/setMode",
        "lockgate/fs/setTimes",
        "lockgate/fs/replaceFile",
        "lockgate/fs/appendFile",
    ] {
        for params in [
            json!({}),
            json!(null),
            json!([]),
            json!("x"),
            json!({"path": 7, "processId": []}),
        ] {
            let refusal = wire
                .call(method, params.clone())
                .await
                .expect_err("refused");
            assert_eq!(
                refusal.code, -32602,
                "{method} {params}: {}",
                refusal.message
            );
        }
    }
    lives(&mut wire).await;
}

#[tokio::test]
async fn attack_01_paths_that_are_no_absolute_paths_are_refused() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    for path in [
        json!("relative"),
        json!(""),
        json!("./x"),
        json!("~/x"),
        json!("/with\u{0}nul"),
        json!("file:///with%00nul"),
        json!("file://host/x"),
        json!("file:relative"),
        json!("http://127.0.0.1/x"),
        json!(format!("/{}", "x/".repeat(3_000))),
        json!(7),
        json!(null),
    ] {
        let refusal = wire
            .call("fs/getMetadata", json!({"path": path}))
            .await
            .expect_err("refused");
        assert_eq!(refusal.code, -32602, "{path}: {}", refusal.message);
    }
    lives(&mut wire).await;
}

#[tokio::test]
async fn paths_come_in_both_spellings_and_are_normalized() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a b%ü");
    std::fs::write(&file, "x").expect("written");
    let native = file.to_str().expect("UTF-8").to_owned();
    let encoded = native
        .replace('%', "%25")
        .replace(' ', "%20")
        .replace('ü', "%C3%BC");
    for path in [
        native.clone(),
        format!("file://{encoded}"),
        format!("FILE://{encoded}"),
        native.replace("/a b", "//./x/../a b"),
    ] {
        let answer: Value = wire
            .call("fs/getMetadata", json!({"path": path}))
            .await
            .expect("found");
        assert_eq!(
            (&answer["isFile"], &answer["size"]),
            (&json!(true), &json!(1)),
            "{path}"
        );
    }
}

#[tokio::test]
async fn invalid_base64_is_refused_and_nothing_is_written() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "before").expect("written");
    for data in ["*", "YQ", "YQ=", "YR==", "Y Q=", "YQ==\n", "_-8="] {
        let params = json!({"path": file, "dataBase64": data});
        let refusal = wire
            .call("fs/writeFile", params)
            .await
            .expect_err("refused");
        assert_eq!(refusal.code, -32600, "{data}: {}", refusal.message);
    }
    assert_eq!(std::fs::read(&file).expect("readable"), b"before");
    lives(&mut wire).await;
}

#[tokio::test]
async fn a_message_over_64_mib_ends_its_connection_and_no_other() {
    let server = Server::start();
    let mut other = Wire::ready(&server).await;
    let mut wire = Wire::ready(&server).await;
    let padding = "x".repeat((64 << 20) - 200);
    wire.send(json!({"id": 1, "method": "environment/status", "params": {}, "x": padding}))
        .await;
    assert_eq!(
        wire.message().await["result"]["status"],
        "ready",
        "63.9 MiB are taken"
    );
    // The server may close before everything is sent.
    let too_long = "x".repeat((64 << 20) + 1);
    wire.send_lossy(json!({"id": 1, "method": "environment/status", "x": too_long}))
        .await;
    assert_eq!(wire.try_message().await, None);
    lives(&mut other).await;
}
