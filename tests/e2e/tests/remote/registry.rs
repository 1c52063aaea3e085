//! What an executor makes of what a registry says. The registry is a listener that answers what a test wants.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Duration;

use lockgate_e2e::{DEADLINE, Executor, Rendezvous};
use rustix::process::{Pid, Signal, kill_process};

use crate::stub::{answer, asked_of, clocked, registry, serving};
use crate::work::Way;

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
            "400 Oops",
            "<html>\x1b[31mbroken</html>",
            "answers 400: <html> [31mbroken</html>",
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
fn a_registry_that_is_not_up_yet_is_waited_for_and_that_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let token = rendezvous.token("box", "executor");
    let (url, address) = (rendezvous.url().to_owned(), rendezvous.address().to_owned());
    drop(rendezvous);
    let mut child = Executor::encrypting(&url, "box", &token)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let said = BufReader::new(child.stderr.take().expect("piped")).lines();
    let mut said = said.map(|line| line.expect("text"));
    for _ in 0..2 {
        let waits = said
            .by_ref()
            .find(|line| line.contains("not registered yet, trying again in "));
        let waits = waits.expect("it says that it waits");
        assert!(
            waits.contains("cannot be reached: ") && waits.contains("refused"),
            "{waits}"
        );
    }
    let _rendezvous = Rendezvous::at(folder.path(), &address, &[]);
    let registered = said.find(|line| line.contains("registered with environment_id box"));
    registered.expect("it registers");
    kill_process(Pid::from_child(&child), Signal::TERM).expect("it can be signalled");
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn what_stands_before_a_registry_may_ask_for_patience_and_a_refusal_ends_that() {
    let answers = [
        ("502 Starting", ""),
        ("503 Starting", "retry-after: 1\r\n"),
        ("429 Slowly", ""),
        ("404 Not Found", ""),
    ];
    let answers = answers.map(|(status, headers)| answer(status, headers, ""));
    let (url, asked) = clocked(answers.to_vec());
    let (code, words) = ends(Executor::command(&url, "box", "SECRET"));
    assert_eq!(code, Some(1), "{words}");
    for says in [
        "yet, trying again in 0.1 s: the registry answers 502",
        "yet, trying again in 1.0 s: the registry answers 503",
        "answers 429",
        "lockgate: the registry answers 404",
    ] {
        assert!(words.contains(says), "{says}: {words}");
    }
    let at: Vec<_> = asked.iter().take(4).map(|(_, at)| at).collect();
    assert!(at[2] - at[1] >= Duration::from_secs(1));
}

#[test]
fn one_that_waits_for_its_registry_can_be_ended() {
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", nobody.local_addr().expect("an address"));
    drop(nobody);
    let mut child = Executor::command(&url, "box", "SECRET")
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut said = BufReader::new(child.stderr.take().expect("piped")).lines();
    assert!(said.any(|line| line.expect("text").contains("not registered yet")));
    kill_process(Pid::from_child(&child), Signal::TERM).expect("it can be signalled");
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn who_is_no_registry_is_not_waited_for() {
    // Says something, which is no HTTP.
    let (url, _asked) = registry(vec!["220 mail.example ESMTP\r\n".to_owned()]);
    let (code, words) = ends(Executor::command(&url, "box", "SECRET"));
    assert_eq!(code, Some(1), "{words}");
    assert!(!words.contains("trying again"), "{words}");
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

/// Where the executor asked for patience: at the registry, and at the rendezvous that it had named.
#[test]
fn retry_after_is_waited_for() {
    let wait = answer("503 Busy", "retry-after: 2\r\n", "");
    // The first registration has to succeed; where it leads nobody serves.
    let nobody = |url: &str| {
        let url = url.replacen("http", "ws", 1);
        let body = format!(r#"{{"environment_id":"box","url":"{url}/rendezvous"}}"#);
        answer("200 OK", "", &body)
    };
    let refuses = answer("404 Nobody", "", "");
    let (busy, at_busy) = clocked(vec![wait.clone()]);
    let (empty, _at_empty) = clocked(vec![refuses]);
    for (answers, first_busy) in [
        (vec![nobody(&empty), wait, nobody(&empty)], None),
        (vec![nobody(&busy), nobody(&empty)], Some(at_busy)),
    ] {
        let (url, asked) = clocked(answers);
        let mut child = Executor::command(&url, "box", "SECRET")
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it runs");
        let next = || asked.recv_timeout(DEADLINE).expect("a request").1;
        next();
        let told = match first_busy {
            None => next(),
            Some(busy) => busy.recv_timeout(DEADLINE).expect("a request").1,
        };
        let again = next();
        assert!(again - told >= Duration::from_secs(2), "{:?}", again - told);
        kill_process(Pid::from_child(&child), Signal::TERM).expect("it can be signalled");
        child.wait().expect("it ends");
    }
}

#[test]
fn a_registry_that_is_away_for_a_moment_keeps_no_harness_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let address = rendezvous.address().to_owned();
    // What the executor asks goes on to the real one, but for the first questions about a harness.
    let mut refusals = vec!["502 Restarting", "503 Starting"];
    let (url, asked) = serving(move |request| {
        if request.contains("/validate HTTP/1.1")
            && let Some(status) = refusals.pop()
        {
            return Some(answer(status, "", ""));
        }
        Some(asked_of(&address, request))
    });
    let token = rendezvous.token("box", "executor");
    let _executor = Executor::from_command(Executor::encrypting(&url, "box", &token));
    let way = Way::Encrypted {
        registry: rendezvous.url().to_owned(),
        environment: "box",
        token: rendezvous.token("box", "harness"),
    };
    let (code, words) = ends(way.command(&["exec"], &["--", "true"]));
    assert_eq!(code, Some(0), "{words}");
    let asked = asked
        .try_iter()
        .filter(|(request, _)| request.contains("/validate"));
    assert_eq!(asked.count(), 3);
}
