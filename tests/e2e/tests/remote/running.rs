//! What works through a rendezvous, and what happens when parts of it go away.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use lockgate_client::{Client, ConnectOptions};
use lockgate_e2e::{Executor, Rendezvous, UPGRADE, kill_9, lockgate};
use rustix::process::Signal;
use serde_json::Value;

use crate::raw::ask;

/// A rendezvous, an executor of `box`, and a URL for harnesses.
fn house(folder: &std::path::Path) -> (Rendezvous, Executor, String) {
    let rendezvous = Rendezvous::start(folder);
    let token = rendezvous.token("box", "executor");
    let executor = Executor::start(rendezvous.url(), "box", &token);
    let url = rendezvous.harness_url("box", None);
    (rendezvous, executor, url)
}

fn run(url: &str, arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new(lockgate());
    command
        .arg(arguments[0])
        .args(["--url", url])
        .args(&arguments[1..]);
    command.output().expect("the command runs")
}

#[test]
fn commands_and_files_go_through_a_rendezvous() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_rendezvous, _executor, url) = house(folder.path());
    let ran = run(
        &url,
        &["exec", "--", "sh", "-c", "echo out; echo err >&2; exit 7"],
    );
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "out\n");
    assert_eq!(String::from_utf8_lossy(&ran.stderr), "err\n");
    assert_eq!(ran.status.code(), Some(7));
    // Larger than a window, in both directions.
    let large: Vec<u8> = (0..12_000_000_u32).map(|i| ((i * 7) >> 3) as u8).collect();
    let mut child = Command::new(lockgate())
        .args(["exec", "--url", &url, "--", "cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the command runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    let writing = std::thread::spawn({
        let large = large.clone();
        move || std::io::Write::write_all(&mut stdin, &large)
    });
    let output = child.wait_with_output().expect("its output");
    writing.join().expect("a writer").expect("all is written");
    assert!(
        output.stdout == large,
        "{} bytes came back",
        output.stdout.len()
    );
}

#[tokio::test]
async fn many_harnesses_have_sessions_of_their_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_rendezvous, _executor, url) = house(folder.path());
    let mut clients = Vec::new();
    for _ in 0..20 {
        let client = Client::connect_ws(&url, ConnectOptions::default()).await;
        clients.push(client.expect("connected"));
    }
    let sessions: std::collections::BTreeSet<_> = clients
        .iter()
        .map(|client| client.session_id().to_owned())
        .collect();
    assert_eq!(sessions.len(), 20);
    for client in clients {
        client.close().await;
    }
}

/// What the next one says line by line, over some seconds.
pub(crate) const LINES: &str = "for i in $(seq 1 60); do echo line $i; sleep 0.05; done";

/// Runs a command that says [`LINES`] while the rendezvous is killed, started, stopped and started again: not a line is missing.
pub(crate) fn outlives_its_rendezvous(
    mut command: Command,
    mut rendezvous: Rendezvous,
    folder: &std::path::Path,
) {
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command runs");
    let address = rendezvous.address().to_owned();
    for signal in [Signal::KILL, Signal::TERM] {
        std::thread::sleep(std::time::Duration::from_millis(400));
        rendezvous.signal(signal);
        rendezvous.wait();
        rendezvous = Rendezvous::at(folder, &address, &[]);
    }
    let output = child.wait_with_output().expect("its output");
    let expected: String = (1..=60).map(|i| format!("line {i}\n")).collect();
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{words}");
    assert!(output.status.success());
}

#[test]
fn a_rendezvous_that_is_killed_and_started_again_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (rendezvous, _executor, url) = house(folder.path());
    let mut command = Command::new(lockgate());
    command.args(["exec", "--url", &url, "--", "sh", "-c", LINES]);
    outlives_its_rendezvous(command, rendezvous, folder.path());
}

#[test]
fn attack_35_an_executor_that_is_killed_comes_back_under_its_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let (rendezvous, executor, url) = house(folder.path());
    kill_9(executor.pid());
    let token = rendezvous.token("box", "executor");
    let _again = Executor::start(rendezvous.url(), "box", &token);
    let ran = run(&url, &["exec", "--", "echo", "back"]);
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "back\n");
}

#[test]
fn an_executor_whose_place_was_taken_says_so_and_does_not_take_it_back_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let token = rendezvous.token("box", "executor");
    let first = Executor::start(rendezvous.url(), "box", &token);
    let second = Executor::start(rendezvous.url(), "box", &token);
    let url = rendezvous.harness_url("box", None);
    assert!(run(&url, &["exec", "--", "true"]).status.success());
    let (status, said) = first.stop();
    assert!(status.success());
    let words = "another executor has registered for this environment: stop one of the two";
    assert_eq!(said.matches(words).count(), 1, "{said}");
    let (_, said) = second.stop();
    assert!(!said.contains("another executor"), "{said}");
}

#[test]
fn a_store_whose_name_was_mistyped_is_made_by_nothing_but_a_new_token() {
    let folder = tempfile::tempdir().expect("a folder");
    let typo = folder.path().join("typo");
    let command = |arguments: &[&str]| {
        let mut command = Command::new(lockgate());
        command.args(["rendezvous", "token"]).args(arguments);
        command.arg("--store").arg(&typo).output().expect("it runs")
    };
    for arguments in [&["list"][..], &["revoke", "0123456789ab"]] {
        assert!(!command(arguments).status.success());
        assert!(!typo.exists());
    }
    let made = command(&["create", "--environment", "box", "--role", "both"]);
    let words = String::from_utf8_lossy(&made.stderr).into_owned();
    assert!(
        made.status.success() && words.contains("made a new store"),
        "{words}"
    );
}

#[test]
fn without_an_executor_a_harness_is_told_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let url = rendezvous.harness_url("box", None);
    let ran = run(&url, &["exec", "--", "true"]);
    let words = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(
        words.contains("the executor of `box` is not connected"),
        "{words}"
    );
    assert!(!words.contains("signature="), "{words}");
}

/// What none of the three may log: whoever reads it could come in, or learn what somebody else does.
struct Secrets(Vec<String>);

impl Secrets {
    /// The values of a signed URL and the rest, as they are and as a dump of bytes has them.
    fn of(url: &str, others: &[&str]) -> Secrets {
        let (_, query) = url.split_once('?').expect("a query");
        let signature = query.rsplit("signature=").next().expect("a signature");
        let mut all = vec!["signature=".to_owned()];
        for secret in others.iter().chain([&signature]) {
            let bytes: Vec<_> = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
            all.extend([(*secret).to_owned(), bytes.concat(), bytes.join(" ")]);
        }
        Secrets(all)
    }

    #[track_caller]
    fn are_not_in(&self, log: &str) {
        // All of it, from the first line on.
        assert!(log.contains(" DEBUG "), "{log}");
        for secret in &self.0 {
            assert!(!log.contains(secret), "the log has {secret}: {log}");
        }
    }
}

#[test]
fn stopping_says_good_bye_and_leaves_no_secrets_in_the_log() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let token = rendezvous.token("box", "executor");
    let mut command = Executor::command(rendezvous.url(), "box", &token);
    command.env("LOCKGATE_LOG", "trace");
    let executor = Executor::from_command(command);
    let url = rendezvous.harness_url("box", None);
    let ran = std::process::Command::new(lockgate_e2e::lockgate())
        .args(["exec", "--url", &url, "--", "true"])
        .env("LOCKGATE_LOG", "trace")
        .output()
        .expect("it runs");
    let harness = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(ran.status.success(), "{harness}");
    let (status, said) = executor.stop();
    assert!(status.success(), "{status}: {said}");
    let secrets = Secrets::of(&url, &[&token]);
    for log in [said, harness] {
        secrets.are_not_in(&log);
    }
}

#[tokio::test]
async fn attack_34_a_rendezvous_logs_no_session_no_url_no_token_and_nothing_that_it_carries() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::logged(folder.path());
    // Without encryption, so that it could read all of it.
    let token = rendezvous.token("box", "executor");
    let mut command = Executor::command(rendezvous.url(), "box", &token);
    command.env("LOCKGATE_LOG", "trace");
    let executor = Executor::from_command(command);
    let url = rendezvous.harness_url("box", None);
    let client = Client::connect_ws(&url, ConnectOptions::default()).await;
    let client = client.expect("connected");
    client.status().await.expect("answered");
    let session = client.session_id().to_owned();
    // Refusals are logged no otherwise.
    let forged = url.replace("signature=", "signature=00");
    for (url, status) in [(&url, "101"), (&forged, "401")] {
        let path = &url[url.find("/rendezvous").expect("its path")..];
        let mut socket = TcpStream::connect(rendezvous.address()).expect("connected");
        write!(socket, "GET {path} HTTP/1.1\r\nHost: x\r\n{UPGRADE}\r\n").expect("sent");
        let mut head = [0; 12];
        socket.read_exact(&mut head).expect("an answer");
        assert!(head.ends_with(status.as_bytes()), "{head:?}");
    }
    let stranger = "lockgate_0123456789abcdef0123456789abcdef";
    let path = "/cloud/environment/box/register";
    assert_eq!(ask(&rendezvous, "POST", path, stranger).0, 401);
    assert_eq!(ask(&rendezvous, "POST", path, &token).0, 200);
    client.close().await;
    let (_, executor) = executor.stop();
    let store = std::fs::read_to_string(rendezvous.store()).expect("its store");
    let first: Value = serde_json::from_str(store.lines().next().expect("a line")).expect("JSON");
    let key = first["key"].as_str().expect("the key that signs URLs");
    let secrets = Secrets::of(&url, &[&token, stranger, &session, key]);
    secrets.are_not_in(&rendezvous.stop());
    secrets.are_not_in(&executor);
}
