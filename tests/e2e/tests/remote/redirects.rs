//! Redirects: nobody follows one, whatever it was that was asked, so that no token and no signature goes to somebody whom nobody named.

use std::process::Stdio;
use std::sync::mpsc::Receiver;

use lockgate_e2e::{Executor, Rendezvous};
use serde_json::json;

use crate::stub::{answer, asked_of, registry, serving};
use crate::work::Way;

/// Where redirects lead, and what is asked there.
fn elsewhere() -> (String, Receiver<String>) {
    registry(vec![answer("200 OK", "", "{}")])
}

fn redirect(to: &str, status: &str) -> String {
    answer(status, &format!("location: {to}/x\r\n"), "")
}

fn words_of(way: &Way) -> (Option<i32>, String) {
    let output = way.command(&["exec"], &["--", "true"]).output();
    let output = output.expect("it runs");
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), words)
}

#[test]
fn attack_29_a_harness_follows_no_redirect_of_its_registry() {
    for status in ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"] {
        let (other, asked_there) = elsewhere();
        let (url, asked) = registry(vec![redirect(&other, status)]);
        let (code, words) = words_of(&Way::Encrypted {
            registry: url,
            environment: "box",
            token: "SECRET".to_owned(),
        });
        assert_eq!(code, Some(125), "{words}");
        assert!(
            words.contains(&format!("the registry answers {}", &status[..3])),
            "{words}"
        );
        assert!(!words.contains("SECRET"), "{words}");
        let request = asked.recv().expect("a request");
        assert!(
            request.starts_with("POST /cloud/environment/box/connect "),
            "{request}"
        );
        assert!(asked_there.try_recv().is_err());
    }
}

#[test]
fn attack_29_an_executor_that_asks_whether_a_harness_may_come_in_follows_no_redirect() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let address = rendezvous.address().to_owned();
    let (other, asked_there) = elsewhere();
    let (url, asked) = serving(move |request| {
        Some(match request.contains("/validate HTTP/1.1") {
            true => redirect(&other, "307 Temporary"),
            false => asked_of(&address, request),
        })
    });
    let token = rendezvous.token("box", "executor");
    let executor = Executor::from_command(Executor::encrypting(&url, "box", &token));
    let (code, words) = words_of(&Way::Encrypted {
        registry: rendezvous.url().to_owned(),
        environment: "box",
        token: rendezvous.token("box", "harness"),
    });
    assert_eq!(code, Some(125), "{words}");
    let questions = asked
        .try_iter()
        .filter(|(request, _)| request.contains("/validate"));
    assert_eq!(questions.count(), 1);
    assert!(asked_there.try_recv().is_err());
    let (_, said) = executor.stop();
    assert!(said.contains("answers 307"), "{said}");
}

#[test]
fn attack_29_who_connects_follows_no_redirect_of_a_rendezvous() {
    let (other, asked_there) = elsewhere();
    let (url, asked) = registry(vec![
        redirect(&other, "302 Found"),
        answer("404 Gone", "", ""),
    ]);
    let rendezvous = format!(
        "{}/rendezvous?signature=SECRET",
        url.replacen("http", "ws", 1)
    );
    let (code, words) = words_of(&Way::Plain(rendezvous.clone()));
    assert_eq!(code, Some(125), "{words}");
    assert!(
        words.contains("302") && !words.contains("SECRET"),
        "{words}"
    );
    assert!(
        asked
            .recv()
            .expect("a request")
            .starts_with("GET /rendezvous?")
    );
    // An executor registers anew instead, and is refused here.
    let body = json!({"environment_id": "box", "url": rendezvous}).to_string();
    let (registry, asked_of_registry) = registry(vec![
        answer("200 OK", "", &body),
        answer("403 Forbidden", "", ""),
    ]);
    let mut command = Executor::command(&registry, "box", "TOKEN");
    let output = command.stdin(Stdio::null()).output().expect("it runs");
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        words.contains("403") && !words.contains("SECRET"),
        "{words}"
    );
    assert_eq!(asked_of_registry.try_iter().count(), 2);
    assert!(asked_there.try_recv().is_err());
}
