//! Sessions over Streamable HTTP: the SDK's client in both ages of the protocol, and whoever has no business there.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use lockgate_e2e::is_running;
use rmcp::ClientLifecycleMode;
use rmcp::model::ProtocolVersion;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::house::{House, INITIALIZE};
use crate::person::{Person, Says};
use crate::{Folder, command, request, soon};

fn both() -> [ClientLifecycleMode; 2] {
    let newest = ClientLifecycleMode::Discover {
        preferred_versions: vec![ProtocolVersion::V_2026_07_28],
    };
    [ClientLifecycleMode::Initialize, newest]
}

#[tokio::test]
async fn the_sdks_client_works_in_both_ages_of_the_protocol() {
    let folder = Folder::new();
    let house = House::start(folder.path(), &["--unrestricted"]).await;
    for lifecycle in both() {
        let client = house.client(Person::nobody(), lifecycle).await;
        let tools = soon(client.list_all_tools()).await.expect("tools");
        assert!(tools.iter().any(|tool| tool.name == "run"));
        let write = request("write", json!({"path": "a", "content": "x\n"}));
        soon(client.call_tool(write)).await.expect("written");
        let run = request(
            "run",
            json!({"command": "cat a; exec sleep 1000", "wait_seconds": 1}),
        );
        let ran = soon(client.call_tool(run)).await.expect("run");
        let ran = ran.structured_content.expect("structured");
        assert_eq!(
            (&ran["stdout"], &ran["status"]),
            (&json!("x\n"), &json!("running"))
        );
        // It is there in another request of the same client, also where there are no sessions.
        let stop = request("process_stop", json!({"process": ran["process"]}));
        let stopped = soon(client.call_tool(stop)).await.expect("stopped");
        let stopped = stopped.structured_content.expect("structured");
        assert_eq!(stopped["status"], "stopped", "{stopped}");
        soon(client.cancel()).await.expect("it ends");
    }
}

#[tokio::test]
async fn questions_reach_a_person_over_http() {
    let folder = Folder::new();
    folder.put("config/lockgate.toml", "[policy]\ndefault = \"ask\"\n");
    let arguments = ["--unrestricted", "--config", "config/lockgate.toml"];
    let house = House::start(folder.path(), &arguments).await;
    for lifecycle in both() {
        for (says, is_error) in [(Says::Allow, false), (Says::Deny, true)] {
            let person = Person::saying([says]);
            let client = house.client(person.clone(), lifecycle.clone()).await;
            let run = request("run", json!({"argv": ["true"]}));
            let ran = soon(client.call_tool(run)).await.expect("an answer");
            assert_eq!(ran.is_error, Some(is_error), "{ran:?}");
            assert_eq!(person.asked().len(), 1);
            soon(client.cancel()).await.expect("it ends");
        }
    }
}

#[tokio::test]
async fn what_one_client_asks_for_is_never_decided_by_the_person_of_another() {
    let folder = Folder::new();
    folder.put("config/lockgate.toml", "[policy]\ndefault = \"ask\"\n");
    folder.put("a", "of a\n");
    let arguments = ["--unrestricted", "--config", "config/lockgate.toml"];
    let house = House::start(folder.path(), &arguments).await;
    // These share one connection to the executor, and their calls are equal in everything.
    let [_, newest] = both();
    for _ in 0..5 {
        let yes = Person::saying(std::iter::repeat_n(Says::Allow, 20));
        let no = Person::saying(std::iter::repeat_n(Says::Deny, 20));
        let allowed = house.client(yes.clone(), newest.clone()).await;
        let denied = house.client(no.clone(), newest.clone()).await;
        let write = || request("write", json!({"path": "a", "content": "of a\n"}));
        let read = || request("read", json!({"path": "a"}));
        for call in [read, write] {
            let (done, other, refused) = tokio::join!(
                soon(allowed.call_tool(call())),
                soon(allowed.call_tool(call())),
                soon(denied.call_tool(call())),
            );
            for result in [done, other] {
                let result = result.expect("an answer");
                assert_ne!(result.is_error, Some(true), "{result:?}");
            }
            let refused = crate::text(&refused.expect("an answer"));
            assert!(
                refused.contains("a person was asked and denied it"),
                "{refused}"
            );
        }
        assert_eq!(no.asked().len(), 2, "{:?}", no.asked());
        for client in [allowed, denied] {
            soon(client.cancel()).await.expect("it ends");
        }
    }
}

#[tokio::test]
async fn a_session_sees_no_processes_of_another_and_takes_its_own_with_it() {
    let folder = Folder::new();
    let house = House::start(folder.path(), &["--unrestricted"]).await;
    let one = house
        .client(Person::nobody(), ClientLifecycleMode::Initialize)
        .await;
    let other = house
        .client(Person::nobody(), ClientLifecycleMode::Initialize)
        .await;
    let run = request(
        "run",
        json!({"command": "echo $$; exec sleep 1000", "wait_seconds": 1}),
    );
    let ran = soon(one.call_tool(run)).await.expect("run");
    let ran = ran.structured_content.expect("structured");
    let pid: u32 = ran["stdout"]
        .as_str()
        .and_then(|text| text.trim().parse().ok())
        .expect("a number");
    let look = request("process_output", json!({"process": ran["process"]}));
    let looked = soon(other.call_tool(look)).await.expect("an answer");
    assert_eq!(looked.is_error, Some(true), "{looked:?}");
    // The client deletes its session.
    soon(one.cancel()).await.expect("it ends");
    soon(async {
        while is_running(pid) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
    soon(other.cancel()).await.expect("it ends");
}

#[tokio::test]
async fn sigterm_ends_the_server_and_what_its_sessions_started() {
    let folder = Folder::new();
    let mut house = House::start(folder.path(), &["--unrestricted"]).await;
    let client = house
        .client(Person::nobody(), ClientLifecycleMode::Initialize)
        .await;
    let run = request(
        "run",
        json!({"command": "echo $$; exec sleep 1000", "wait_seconds": 1}),
    );
    let ran = soon(client.call_tool(run)).await.expect("run");
    let ran = ran.structured_content.expect("structured");
    let pid: u32 = ran["stdout"]
        .as_str()
        .and_then(|text| text.trim().parse().ok())
        .expect("a number");
    let server = house.server.id().expect("it runs");
    let server = Pid::from_raw(server.try_into().expect("a number")).expect("a number");
    kill_process(server, Signal::TERM).expect("signalled");
    let status = soon(house.server.wait()).await.expect("it ends");
    assert!(status.success(), "{status}");
    assert!(!is_running(pid));
}

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
async fn attack_35_a_thousand_sessions_are_refused_and_the_others_work_on() {
    let folder = Folder::new();
    folder.put("a", "here\n");
    let house = House::start(folder.path(), &[]).await;
    let client = house
        .client(Person::nobody(), ClientLifecycleMode::Initialize)
        .await;
    let (mut begun, mut refused) = (0, 0);
    for _ in 0..1_000 {
        let answered = house.sends("POST", "/mcp", &[], INITIALIZE).await;
        match answered.status {
            200 => begun += 1,
            503 => {
                assert!(answered.header("retry-after").is_some(), "{answered:?}");
                refused += 1;
            }
            _ => panic!("{answered:?}"),
        }
    }
    assert!(
        begun < 64 && begun + refused == 1_000,
        "{begun} begun, {refused} refused"
    );
    let read = soon(client.call_tool(request("read", json!({"path": "a"})))).await;
    assert_eq!(
        read.expect("read").structured_content.expect("structured")["text"],
        "here\n"
    );
    soon(client.cancel()).await.expect("it ends");
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

#[tokio::test]
async fn a_client_without_a_session_that_vanishes_takes_its_command_with_it() {
    let folder = Folder::new();
    let house = House::start(folder.path(), &["--unrestricted"]).await;
    let version = "2026-07-28";
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": version,
        "io.modelcontextprotocol/clientInfo": {"name": "by hand", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let arguments = json!({"command": "echo $$ > pid; exec sleep 1000", "wait_seconds": 600});
    let params = json!({"name": "run", "arguments": arguments, "_meta": meta});
    let call =
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string();
    let headers = [
        ("mcp-protocol-version", version),
        ("mcp-method", "tools/call"),
        ("mcp-name", "run"),
    ];
    let calling = house.sends("POST", "/mcp", &headers, &call);
    let started = async {
        while !std::fs::read_to_string(folder.path().join("pid"))
            .is_ok_and(|text| text.ends_with('\n'))
        {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        answered = calling => panic!("{answered:?}"),
        () = soon(started) => {}
    }
    // The connection is gone with `calling`.
    let pid = folder.text("pid").trim().parse().expect("a number");
    soon(async {
        while is_running(pid) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
}
