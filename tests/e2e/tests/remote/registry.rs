//! What an executor makes of what a registry says. The registry is a listener that answers what a test wants.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::mpsc;

use lockgate_e2e::Executor;

/// Answers one request after the other with these, then no more; gives what was asked.
fn registry(answers: Vec<String>) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let (asked, requests) = mpsc::channel();
    std::thread::spawn(move || {
        for answer in answers {
            let (mut socket, _) = listener.accept().expect("a connection");
            let mut reader = BufReader::new(socket.try_clone().expect("a descriptor"));
            let (mut head, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).expect("a line");
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().expect("a number");
                }
                if line.trim().is_empty() {
                    break;
                }
                head.push_str(&line);
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("a body");
            socket.write_all(answer.as_bytes()).expect("answered");
            // The test may have seen enough.
            let _ = asked.send(format!("{head}\n{}", String::from_utf8_lossy(&body)));
        }
    });
    (url, requests)
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    )
}

fn ends(mut command: Command) -> (Option<i32>, String) {
    let output = command.stdin(Stdio::null()).output().expect("it runs");
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[test]
fn a_redirect_is_not_followed_so_that_credentials_stay_here() {
    let (elsewhere, asked_elsewhere) = registry(vec![answer("200 OK", "", "{}")]);
    let redirect = answer(
        "307 Temporary Redirect",
        &format!("location: {elsewhere}/x\r\n"),
        "",
    );
    let (url, asked) = registry(vec![redirect]);
    let (code, words) = ends(Executor::command(&url, "box", "SECRET"));
    assert_eq!(code, Some(1), "{words}");
    assert!(words.contains("the registry answers 307"), "{words}");
    let request = asked.recv().expect("a request");
    assert!(
        request.starts_with("POST /cloud/environment/box/register HTTP/1.1"),
        "{request}"
    );
    assert!(
        request
            .to_ascii_lowercase()
            .contains("authorization: bearer secret"),
        "{request}"
    );
    assert!(asked_elsewhere.try_recv().is_err());
}

#[test]
fn a_token_is_renewed_and_tried_once_more_after_401() {
    let folder = tempfile::tempdir().expect("a folder");
    let count = folder.path().join("count");
    let refusals = ["first", "second", "third"].map(|words| {
        answer(
            "401 Unauthorized",
            "",
            &format!(r#"{{"error":{{"message":"{words}"}}}}"#),
        )
    });
    let (url, asked) = registry(refusals.to_vec());
    let mut command = Executor::command(&url, "box", "");
    command.arg("--token-command");
    command.arg(format!(
        "echo x >> '{0}'; echo token-$(wc -l < '{0}')",
        count.display()
    ));
    let (code, words) = ends(command);
    assert_eq!(code, Some(1), "{words}");
    assert!(
        words.contains("refuses the credentials (401): second"),
        "{words}"
    );
    let tokens: Vec<_> = asked
        .iter()
        .take(2)
        .map(|request| request.to_ascii_lowercase().contains("bearer token-1"))
        .collect();
    assert_eq!(tokens, [true, false]);
}

#[test]
fn refusals_are_told_apart_and_previewed() {
    for (status, body, says) in [
        (
            "403 Forbidden",
            r#"{"error":{"code":"no","message":"not yours"}}"#,
            "refuses the credentials (403): not yours",
        ),
        (
            "404 Not Found",
            r#"{"error":{"code":"gone","message":"no such environment"}}"#,
            "answers 404 gone: no such environment",
        ),
        (
            "500 Oops",
            "<html>\x1b[31mbroken</html>",
            "answers 500: <html> [31mbroken</html>",
        ),
        (
            "200 OK",
            r#"{"environment_id":"other","url":"ws://127.0.0.1:9/"}"#,
            "it was asked about box, and it speaks of `other`",
        ),
        ("200 OK", "{", "makes no sense"),
    ] {
        let (url, _asked) = registry(vec![answer(status, "", body)]);
        let (code, words) = ends(Executor::command(&url, "box", "SECRET"));
        assert_eq!(code, Some(1), "{words}");
        assert!(words.contains(says), "{words}");
        assert!(!words.contains("SECRET"), "{words}");
    }
}

#[test]
fn names_and_urls_that_cannot_be_are_usage_errors() {
    for (registry, environment, says) in [
        ("http://127.0.0.1:9", "a/b", "cannot name an environment"),
        ("http://127.0.0.1:9", " box", "cannot name an environment"),
        ("ftp://127.0.0.1", "box", "expected http://"),
        ("  ", "box", "it is empty"),
    ] {
        let (code, words) = ends(Executor::command(registry, environment, "SECRET"));
        assert_eq!(code, Some(2), "{words}");
        assert!(words.contains(says), "{words}");
    }
}
