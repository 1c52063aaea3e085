//! The websocket listener and stdio (PROTOCOL 1).

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use lockgate_e2e::{DEADLINE, Server, UPGRADE, Wire, lockgate};
use serde_json::{Value, json};

/// Sends an HTTP request as it is and returns the whole answer.
fn http(server: &Server, request: &str) -> String {
    let mut socket = TcpStream::connect(server.address()).expect("connected");
    socket.set_read_timeout(Some(DEADLINE)).expect("a deadline");
    socket.write_all(request.as_bytes()).expect("sent");
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        match socket.read(&mut buffer).expect("an answer comes") {
            0 => break,
            count => answer.extend_from_slice(&buffer[..count]),
        }
    }
    String::from_utf8(answer).expect("the answer is text")
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("none")
}

#[test]
fn readyz_and_livez_answer_200_with_nothing() {
    let server = Server::start();
    for path in ["/readyz", "/livez"] {
        let answer = http(&server, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert_eq!(status(&answer), "200", "{answer}");
        assert!(
            answer.to_lowercase().contains("content-length: 0"),
            "{answer}"
        );
    }
    let answer = http(&server, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(status(&answer), "404", "{answer}");
}

#[test]
fn attack_29_any_origin_header_is_refused() {
    let server = Server::start();
    let upgrade = UPGRADE;
    for origin in ["http://localhost", "null", "", "https://evil.example"] {
        for (path, headers) in [("/", upgrade), ("/readyz", "")] {
            let request =
                format!("GET {path} HTTP/1.1\r\nHost: x\r\nOrigin: {origin}\r\n{headers}\r\n");
            let answer = http(&server, &request);
            assert_eq!(status(&answer), "403", "{answer}");
        }
    }
    let answer = http(
        &server,
        &format!("GET / HTTP/1.1\r\nHost: x\r\n{upgrade}\r\n"),
    );
    assert_eq!(status(&answer), "101", "{answer}");
    assert!(answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{answer}");
    let answer = http(
        &server,
        &format!("GET /other HTTP/1.1\r\nHost: x\r\n{upgrade}\r\n"),
    );
    assert_eq!(status(&answer), "404", "{answer}");
}

/// A page of a name that was made to lead to this machine after it was loaded. Its browser says `Origin` with every websocket and with every request but
/// the plainest, and it has no say in the headers that make an upgrade. `Host` is what it is.
#[test]
fn attack_29_a_page_whose_name_leads_here_by_now_reaches_nothing() {
    let server = Server::start();
    let port = server.address().rsplit_once(':').expect("a port").1;
    let host = format!("rebound.example:{port}");
    let ask = |request: &str, headers: &str| {
        http(
            &server,
            &format!("{request} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n"),
        )
    };
    let origin = format!("Origin: http://{host}\r\n");
    let body = format!("{origin}Content-Type: text/plain\r\nContent-Length: 0\r\n");
    for (request, headers) in [
        ("GET /", format!("{origin}{UPGRADE}")),
        ("POST /", body.clone()),
        ("POST /readyz", body),
        (
            "OPTIONS /",
            format!("{origin}Access-Control-Request-Method: GET\r\n"),
        ),
    ] {
        let answer = ask(request, &headers);
        assert_eq!(status(&answer), "403", "{request}: {answer}");
        assert!(
            !answer.to_lowercase().contains("access-control"),
            "{answer}"
        );
    }
    // Of its own origin, as it believes, it may ask without saying so: there is nothing to learn.
    let own = "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\n";
    for (request, wanted) in [
        ("GET /", "426"),
        ("HEAD /", "426"),
        ("GET /readyz", "200"),
        ("GET /livez", "200"),
        ("GET /sessions", "404"),
    ] {
        let answer = ask(request, own);
        assert_eq!(status(&answer), wanted, "{request}: {answer}");
        assert!(!answer.contains("101"), "{answer}");
    }
    // Other names are for proxies and forwarded ports, whose clients are none of a browser.
    assert_eq!(status(&ask("GET /", UPGRADE)), "101");
}

#[test]
fn a_plain_request_to_the_websocket_path_is_told_to_upgrade() {
    let server = Server::start();
    for method in ["GET", "POST"] {
        let answer = http(
            &server,
            &format!("{method} / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"),
        );
        assert_eq!(status(&answer), "426", "{answer}");
    }
}

#[tokio::test]
async fn text_and_binary_frames_are_taken_and_answers_are_text() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let request = json!({"id": "seven", "method": "environment/status"}).to_string();
    wire.send_binary(request.clone().into_bytes()).await;
    assert_eq!(wire.message().await["id"], "seven");
    wire.send_text(request).await;
    assert_eq!(wire.message().await["id"], "seven");
    wire.send_binary(vec![0xff, 0xfe]).await;
    let answer = wire.message().await;
    assert_eq!(
        (&answer["id"], &answer["error"]["code"]),
        (&json!(-1), &json!(-32600))
    );
}

#[test]
fn the_bound_url_is_the_only_line_on_stdout() {
    for name in ["serve", "exec-server"] {
        let mut child = Command::new(lockgate())
            .arg(name)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("a line");
        let port = line
            .trim_end()
            .strip_prefix("ws://127.0.0.1:")
            .expect("the default address");
        assert_ne!(port.parse(), Ok(0_u16), "the bound port is printed");
        rustix::process::kill_process(
            rustix::process::Pid::from_child(&child),
            rustix::process::Signal::TERM,
        )
        .expect("signalled");
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).expect("the rest");
        assert_eq!(rest, "");
        assert_eq!(child.wait().expect("it ends").code(), Some(0));
    }
}

#[test]
fn a_listen_url_that_cannot_be_used_is_explained() {
    for (url, text) in [
        ("ws://localhost:1", "expected `ws://IP:PORT`"),
        ("tcp://127.0.0.1:1", "unsupported --listen URL"),
    ] {
        let output = Command::new(lockgate())
            .args(["serve", "--listen", url])
            .output()
            .expect("it runs");
        assert!(!output.status.success());
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(stderr.contains(text), "{stderr}");
        assert_eq!(output.stdout, b"");
    }
}

#[test]
fn stdio_is_one_connection_of_lines_and_ends_with_its_input() {
    let mut child = Command::new(lockgate())
        .args(["serve", "--listen", "stdio"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the server starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut ask = |text: &str| -> Value {
        writeln!(stdin, "{text}").expect("sent");
        let line = lines.next().expect("an answer").expect("readable");
        serde_json::from_str(&line).expect("JSON")
    };
    let answer = ask(r#"{"id":1,"method":"initialize","params":{"clientName":"e2e"}}"#);
    assert!(answer["result"]["sessionId"].is_string(), "{answer}");
    let answer = ask("\n  \n{\"method\":\"initialized\"}\nnot json");
    assert_eq!(answer["id"], -1, "{answer}");
    let answer = ask(r#"{"id":2,"method":"environment/status","params":{}}"#);
    assert_eq!(answer["result"]["status"], "ready", "{answer}");
    drop(stdin);
    assert!(lines.next().is_none(), "nothing follows");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn what_was_asked_for_before_the_end_of_the_input_is_answered() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, vec![b'x'; 200_000]).expect("written");
    let confined = json!({
        "permissions": {"type": "managed", "network": "restricted", "file_system": {"type": "restricted",
            "entries": [{"path": {"type": "path", "path": folder.path()}, "access": "read"}]}},
        "windowsSandboxLevel": "disabled",
    });
    for sandbox in [json!(null), confined] {
        for _ in 0..10 {
            let mut child = Command::new(lockgate())
                .args(["serve", "--listen", "stdio"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .expect("the server starts");
            let mut stdin = child.stdin.take().expect("a pipe");
            for message in [
                json!({"id": 1, "method": "initialize", "params": {"clientName": "e2e"}}),
                json!({"method": "initialized"}),
                json!({"id": 2, "method": "fs/readFile", "params": {"path": file, "sandbox": sandbox}}),
            ] {
                writeln!(stdin, "{message}").expect("sent");
            }
            drop(stdin);
            let output = child.wait_with_output().expect("it ends");
            let last = output
                .stdout
                .split(|byte| *byte == b'\n')
                .rev()
                .nth(1)
                .expect("answers");
            let last: Value = serde_json::from_slice(last).expect("JSON");
            let data = last["result"]["dataBase64"].as_str().expect("the file");
            assert_eq!(data.len(), 200_000_usize.div_ceil(3) * 4);
            assert_eq!(output.status.code(), Some(0));
        }
    }
}
