//! Whoever has no business at a server over HTTP: without the token, from a web page, or with what is no request.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use rmcp::ClientLifecycleMode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::house::{House, INITIALIZE};
use crate::person::Person;
use crate::{Folder, command, soon};

#[tokio::test]
async fn attack_29_without_the_token_nothing_is_told_or_begun() {
    let folder = Folder::new();
    let house = House::start(folder.path(), &[]).await;
    for token in [
        "",
        "Bearer",
        "Bearer wrong-token-0123456789abcdef",
        "Basic a-token-of-the-tests-0123456789",
    ] {
        for (method, path) in [
            ("POST", "/mcp"),
            ("GET", "/mcp"),
            ("DELETE", "/mcp"),
            ("GET", "/"),
            ("OPTIONS", "/mcp"),
        ] {
            let answered = house
                .sends(method, path, &[("authorization", token)], INITIALIZE)
                .await;
            assert_eq!(
                answered.status, 401,
                "{method} {path} {token:?}: {answered:?}"
            );
            assert_eq!(answered.header("www-authenticate"), Some("Bearer"));
            assert!(!answered.text.contains("lockgate"), "{answered:?}");
        }
    }
    let path = format!("/mcp?access_token={}", crate::house::TOKEN);
    let answered = house
        .sends("POST", &path, &[("authorization", "")], INITIALIZE)
        .await;
    assert_eq!(answered.status, 401, "{answered:?}");
}

#[tokio::test]
async fn attack_29_a_web_page_reaches_nothing_under_any_name() {
    let folder = Folder::new();
    let house = House::start(folder.path(), &["--allow-host", "tools.example"]).await;
    let port = house
        .address()
        .rsplit_once(':')
        .expect("a port")
        .1
        .to_owned();
    for origin in [
        "https://evil.example",
        "http://localhost",
        "http://127.0.0.1",
        "null",
        "file://",
    ] {
        let answered = house
            .sends("POST", "/mcp", &[("origin", origin)], INITIALIZE)
            .await;
        assert_eq!(answered.status, 403, "{origin}: {answered:?}");
        assert!(answered.header("access-control-allow-origin").is_none());
    }
    let with_port = |name: &str| format!("{name}:{port}");
    for (host, status) in [
        ("evil.example", 403),
        (with_port("evil.example").as_str(), 403),
        ("127.0.0.1.evil.example", 403),
        ("0.0.0.0", 403),
        (with_port("localhost").as_str(), 200),
        (with_port("127.0.0.1").as_str(), 200),
        ("tools.example", 200),
    ] {
        let answered = house
            .sends("POST", "/mcp", &[("host", host)], INITIALIZE)
            .await;
        assert_eq!(answered.status, status, "{host}: {answered:?}");
    }
}

#[tokio::test]
async fn attack_34_a_session_id_opens_nothing_that_is_not_a_session() {
    let folder = Folder::new();
    let house = House::start(folder.path(), &[]).await;
    let list = r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#;
    for (id, status) in [
        ("0b0b0b0b-0000-4000-8000-000000000000", 404),
        ("../../etc/passwd", 404),
        ("x", 404),
    ] {
        let answered = house
            .sends("POST", "/mcp", &[("mcp-session-id", id)], list)
            .await;
        assert_eq!(answered.status, status, "{id}: {answered:?}");
    }
    let answered = house.sends("POST", "/mcp", &[], list).await;
    assert_eq!(answered.status, 400, "{answered:?}");
    // One that was ended is none any more.
    let begun = house.sends("POST", "/mcp", &[], INITIALIZE).await;
    let session = begun
        .header("mcp-session-id")
        .expect("a session")
        .to_owned();
    let ended = house
        .sends("DELETE", "/mcp", &[("mcp-session-id", &session)], "")
        .await;
    assert_eq!(ended.status, 202, "{ended:?}");
    let answered = house
        .sends("POST", "/mcp", &[("mcp-session-id", &session)], list)
        .await;
    assert_eq!(answered.status, 404, "{answered:?}");
}

#[tokio::test]
async fn attack_35_connections_that_show_no_token_keep_nobody_out() {
    let folder = Folder::new();
    let house = House::start(folder.path(), &["--unrestricted"]).await;
    let client = house
        .client(Person::nobody(), ClientLifecycleMode::Initialize)
        .await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(
            TcpStream::connect(house.address())
                .await
                .expect("connected"),
        );
    }
    // The first has to go although its time is not over: all that came late are still heard.
    let mut rest = Vec::new();
    soon(silent[0].read_to_end(&mut rest))
        .await
        .expect("closed");
    assert!(rest.is_empty(), "{rest:?}");
    let request = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", house.address());
    for late in &mut silent[40..] {
        late.write_all(request.as_bytes()).await.expect("open");
        let mut answer = String::new();
        // It shows no token in it, and is closed after the answer.
        soon(late.read_to_string(&mut answer))
            .await
            .expect("answered");
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    }
    // Whoever was let in stays.
    soon(client.list_all_tools()).await.expect("tools");
    soon(client.cancel()).await.expect("it ends");
}

#[tokio::test]
async fn attack_31_what_is_no_request_of_the_protocol_is_refused_and_costs_nothing() {
    let folder = Folder::new();
    let house = House::start(folder.path(), &[]).await;
    let deep = "[".repeat(100_000);
    for (body, headers, statuses) in [
        ("", &[][..], &[400, 415][..]),
        ("{", &[], &[400, 415]),
        (deep.as_str(), &[], &[400, 415]),
        ("{}", &[], &[400, 415]),
        (INITIALIZE, &[("content-type", "text/plain")], &[415]),
        (INITIALIZE, &[("accept", "text/html")], &[406]),
        (
            INITIALIZE,
            &[("mcp-protocol-version", "1999-01-01")],
            &[400],
        ),
    ] {
        let answered = house.sends("POST", "/mcp", headers, body).await;
        assert!(
            statuses.contains(&answered.status),
            "{}: {answered:?}",
            &body[..body.len().min(40)]
        );
    }
    let answered = house.sends("PUT", "/mcp", &[], INITIALIZE).await;
    assert_eq!(answered.status, 405, "{answered:?}");
    let answered = house
        .sends_raw(b"\x16\x03\x01\x02\x00garbage\r\n\r\n")
        .await;
    assert!([0, 400].contains(&answered.status), "{answered:?}");
    // Larger than any message, and told before all of it was sent.
    let answered = house
        .sends("POST", "/mcp", &[], &" ".repeat(17 * 1024 * 1024))
        .await;
    assert!([413, 0].contains(&answered.status), "{}", answered.status);
    let answered = house.sends("POST", "/mcp", &[], INITIALIZE).await;
    assert_eq!(answered.status, 200, "{answered:?}");
}

#[tokio::test]
async fn a_server_without_a_token_is_started_only_on_loopback_and_on_purpose() {
    let folder = Folder::new();
    folder.put("short", "0123456789abcde\n");
    folder.put("good", "0123456789abcdef\n");
    folder.put("open", "0123456789abcdef\n");
    for (name, mode) in [("short", 0o600), ("good", 0o400), ("open", 0o640)] {
        std::fs::set_permissions(folder.path().join(name), Permissions::from_mode(mode))
            .expect("set");
    }
    for (arguments, words) in [
        (&["--listen", "127.0.0.1:0"][..], "--listen needs a token"),
        (
            &["--listen", "0.0.0.0:0", "--no-token"],
            "--no-token is for loopback addresses",
        ),
        (
            &["--listen", "127.0.0.1:0", "--bearer-file", "short"],
            "at least 16 are needed",
        ),
        (
            &["--listen", "127.0.0.1:0", "--bearer-file", "none"],
            "No such file",
        ),
        (
            &["--listen", "127.0.0.1:0", "--bearer-file", "open"],
            "is open to others (mode 640), and who has the token works as you; run: chmod 600 open",
        ),
        (&["--listen", "localhost:0", "--no-token"], "invalid value"),
        (&["--bearer-file", "good"], "--listen"),
        (
            &["--listen", "0.0.0.0:0", "--bearer-file", "good"],
            "say with --allow-host",
        ),
        (&["--cwd", "nowhere"], "there is no such directory"),
    ] {
        let mut command = command(folder.path(), arguments);
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        let output = soon(command.output()).await.expect("it runs");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
}
