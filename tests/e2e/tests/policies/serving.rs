//! What clients meet, and what is logged of it.

use lockgate_e2e::{Profile, Server, Shape, Wire, start_params};
use serde_json::{Value, json};

use crate::{Operator, built, module};

#[tokio::test]
async fn readonly_lets_files_be_read_and_nothing_be_changed() {
    let operator = Operator::with("policy-readonly", "program /usr/bin/printenv\n");
    let server = operator.starts();
    let mut wire = Wire::ready(&server).await;
    operator.puts("data", "contents-of-it");
    let data = operator.path("data");
    let read = wire.call("fs/readFile", json!({"path": data})).await;
    assert!(read.is_ok(), "{read:?}");
    let write = json!({"path": data, "dataBase64": "AAAA"});
    let refusal = wire.call("fs/writeFile", write).await.expect_err("refused");
    assert_eq!(refusal.code, -32600);
    assert!(
        refusal
            .message
            .starts_with(r#"policy "readonly" denies this: "#),
        "{refusal:?}"
    );
    let mut allowed = start_params("p", "");
    allowed["argv"] = json!(["printenv", "TOKEN"]);
    allowed["env"]["TOKEN"] = json!("v4lue");
    wire.start(allowed).await;
    let refusal = wire.call("process/start", start_params("q", "true")).await;
    assert_eq!(refusal.expect_err("refused").code, -32600);
    let fetch = json!({"method": "GET", "url": "http://user:pa55@127.0.0.1:9/x?key=v4lue", "requestId": "r"});
    let refusal = wire.call("http/request", fetch).await.expect_err("refused");
    assert_eq!(refusal.code, -32600);
    assert_eq!(std::fs::read(&data).expect("there"), b"contents-of-it");

    let lines = operator.decisions(5).await;
    let decided = |line: &Value| (line["action"]["kind"].clone(), line["decision"].clone());
    assert_eq!(
        lines.iter().map(decided).collect::<Vec<_>>(),
        [
            (json!("file"), json!("allow")),
            (json!("file"), json!("deny")),
            (json!("process-start"), json!("allow")),
            (json!("process-start"), json!("deny")),
            (json!("http"), json!("deny")),
        ],
        "{lines:#?}"
    );
    let text = serde_json::to_string(&lines).expect("text");
    for secret in ["contents-of-it", "v4lue", "pa55", "AAAA"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    assert!(
        text.contains(&crate::sha256(&built("policy-readonly"))),
        "{text}"
    );
}

#[tokio::test]
async fn at_the_end_of_a_server_nothing_that_was_decided_is_missing_in_the_log() {
    let operator = Operator::with("policy-readonly", "");
    let mut server = operator.starts();
    let mut wire = Wire::ready(&server).await;
    let mut ids = Vec::new();
    for number in 0..500 {
        let params = json!({"path": format!("/{number}")});
        ids.push(wire.request("fs/getMetadata", params).await);
    }
    crate::answers(&mut wire, &ids).await;
    server.signal(rustix::process::Signal::TERM);
    server.wait();
    let log = std::fs::read_to_string(operator.path("decisions.jsonl")).expect("a log");
    assert_eq!(log.lines().count(), 500);
}

#[tokio::test]
async fn without_any_policy_the_default_holds_and_says_whose_it_is() {
    for (default, allowed) in [
        ("", false),
        ("default = \"deny\"\n", false),
        ("default = \"allow\"\n", true),
    ] {
        let operator = Operator::new();
        operator.configures(&format!("[policy]\n{default}"));
        let server = operator.starts();
        let mut wire = Wire::ready(&server).await;
        let stat = wire.call("fs/getMetadata", json!({"path": "/"})).await;
        match stat {
            Ok(_) => assert!(allowed),
            Err(refusal) => {
                assert!(!allowed && refusal.code == -32600);
                assert!(
                    refusal
                        .message
                        .starts_with("the operator's default denies this: "),
                    "{refusal:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn what_cannot_be_had_as_configured_keeps_the_server_from_starting() {
    let bytes = built("policy-readonly");
    let operator = Operator::new();
    operator.configures(&module(&bytes, ""));
    let said = operator.cannot_start();
    assert!(
        said.contains("policy.wasm") && said.contains("cannot be read"),
        "{said}"
    );

    operator.puts("policy.wasm", &bytes[..bytes.len() - 1]);
    let said = operator.cannot_start();
    let found = crate::sha256(&bytes[..bytes.len() - 1]);
    assert!(
        said.contains(&found) && said.contains("lockgate.toml"),
        "{said}"
    );

    operator.puts("policy.wasm", &bytes);
    operator.configures(&module(&bytes, "prgram /usr/bin/git\n"));
    let said = operator.cannot_start();
    assert!(
        said.contains("it refuses its configuration") && said.contains("line 1"),
        "{said}"
    );

    operator.configures("[[policy.module]]\npath = \"policy.wasm\"\n");
    let said = operator.cannot_start();
    assert!(
        said.contains(&format!("sha256 = \"{}\"", crate::sha256(&bytes))),
        "{said}"
    );
}

/// What decides is not the client's to write, whatever its profile grants.
#[tokio::test]
async fn attack_28_no_profile_reaches_what_decisions_are_made_of() {
    let operator = Operator::new();
    let bytes = built("policy-workspace");
    operator.puts("policy.wasm", &bytes);
    let root = operator.path("");
    let root = root.to_str().expect("text").trim_end_matches('/');
    operator.puts("team.conf", format!("root {root}\n"));
    operator.configures(&format!(
        "[policy]\nlog = \"decisions.jsonl\"\n[[policy.module]]\npath = \"policy.wasm\"\nsha256 = \"{}\"\nconfig_file = \"team.conf\"\n",
        crate::sha256(&bytes)
    ));
    let server = operator.starts();
    let mut wire = Wire::ready(&server).await;
    let sandbox = Profile::workspace_write(root).in_shape(Shape::Late);
    let write =
        |name: &str| json!({"path": operator.path(name), "dataBase64": "AAAA", "sandbox": sandbox});
    let other = wire.call("fs/writeFile", write("other")).await;
    assert!(other.is_ok(), "{other:?}");
    for name in [
        "lockgate.toml",
        "policy.wasm",
        "team.conf",
        "decisions.jsonl",
    ] {
        let before = std::fs::read(operator.path(name)).expect("it is there");
        let refusal = wire.call("fs/writeFile", write(name)).await;
        assert!(refusal.is_err(), "{name}");
        let remove = json!({"path": operator.path(name), "sandbox": sandbox});
        assert!(wire.call("fs/remove", remove).await.is_err(), "{name}");
        let rename = json!({
            "sourcePath": operator.path("other"), "destinationPath": operator.path(name), "sandbox": sandbox,
        });
        assert!(
            wire.call("lockgate/fs/rename", rename).await.is_err(),
            "{name}"
        );
        let after = std::fs::read(operator.path(name)).expect("it is still there");
        assert!(after.starts_with(&before), "{name}");
    }
}

/// A server of before the gate, so to speak: nothing is different where no policy is configured.
#[tokio::test]
async fn without_a_section_nobody_is_asked() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let stat = wire.call("fs/getMetadata", json!({"path": "/"})).await;
    assert!(stat.is_ok());
}

/// Answers every connection with a redirect to the same port under another name, and counts them.
fn redirecting() -> (u16, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let count = std::sync::Arc::<std::sync::atomic::AtomicUsize>::default();
    let counted = std::sync::Arc::clone(&count);
    std::thread::spawn(move || {
        while let Ok((mut socket, _)) = listener.accept() {
            counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let mut head = [0; 4096];
            let _ = socket.read(&mut head);
            let answer = format!(
                "HTTP/1.1 302 Found\r\nlocation: http://localhost:{port}/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
            let _ = socket.write_all(answer.as_bytes());
        }
    });
    (port, count)
}

#[tokio::test]
async fn attack_32_a_policy_is_asked_about_each_hop_of_a_redirect() {
    let operator = Operator::with("policy-readonly", "host 127.0.0.1\n");
    let server = operator.starts();
    let mut wire = Wire::ready(&server).await;
    let (port, connections) = redirecting();
    let fetch =
        json!({"method": "GET", "url": format!("http://127.0.0.1:{port}/"), "requestId": "r"});
    let refusal = wire
        .call("http/request", fetch)
        .await
        .expect_err("not to the second host");
    assert_eq!(refusal.code, -32600);
    assert!(
        refusal
            .message
            .starts_with("policy \"readonly\" denies this: "),
        "{refusal:?}"
    );
    assert_eq!(connections.load(std::sync::atomic::Ordering::SeqCst), 1);
    let lines = operator.decisions(2).await;
    let hops: Vec<_> = lines
        .iter()
        .map(|line| (&line["action"]["hop"], &line["decision"]))
        .collect();
    assert_eq!(
        hops,
        [(&json!(0), &json!("allow")), (&json!(1), &json!("deny"))]
    );
}
