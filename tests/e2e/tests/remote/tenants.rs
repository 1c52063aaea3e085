//! Whose environments are whose, and how many connections each tenant may have.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use lockgate_e2e::{DEADLINE, Executor, Rendezvous, lockgate};
use serde_json::{Value, json};
use sha2::Digest;

use crate::raw::{self, ask};

fn token(rendezvous: &Rendezvous, environment: &str, role: &str, tenant: &str) -> String {
    rendezvous.command(&[
        "token",
        "create",
        "--environment",
        environment,
        "--role",
        role,
        "--tenant",
        tenant,
    ])
}

fn harness(rendezvous: &Rendezvous, environment: &str, token: &str, program: &[&str]) -> Command {
    let mut command = Command::new(lockgate());
    command
        .args(["exec", "--remote", rendezvous.url()])
        .args(["--environment-id", environment, "--"])
        .args(program)
        .env("LOCKGATE_TOKEN", token)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The list, once it is as wanted.
pub(crate) fn listed(
    rendezvous: &Rendezvous,
    token: &str,
    wanted: impl Fn(&[Value]) -> bool,
) -> Vec<Value> {
    let begun = Instant::now();
    loop {
        let (status, answer) = ask(rendezvous, "GET", "/cloud/environments", token);
        assert_eq!(status, 200, "{answer}");
        let list = answer["environments"].as_array().expect("a list");
        if wanted(list) {
            return list.clone();
        }
        assert!(begun.elapsed() < DEADLINE, "{answer}");
    }
}

/// Ends its input, and with it `cat`.
pub(crate) fn finished(mut child: Child) -> Output {
    drop(child.stdin.take());
    child.wait_with_output().expect("its output")
}

fn seconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("a clock").as_secs()
}

#[test]
fn attack_33_a_tenant_sees_its_own_environments_and_who_is_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let executor = token(&rendezvous, "box", "executor", "acme");
    let mine = token(&rendezvous, "box", "harness", "acme");
    token(&rendezvous, "spare", "executor", "acme");
    let theirs = token(&rendezvous, "secret", "both", "other");
    assert_eq!(ask(&rendezvous, "GET", "/cloud/environments", "").0, 401);
    let nothing =
        |name| json!({"environment_id": name, "connected": false, "harnesses": 0, "streams": 0});
    let nobody = [nothing("box"), nothing("spare")];
    listed(&rendezvous, &mine, |list| list == nobody);
    let before = seconds();
    let command = Executor::encrypting(rendezvous.url(), "box", &executor);
    let executor = Executor::from_command(command);
    let mut child = harness(&rendezvous, "box", &mine, &["cat"])
        .spawn()
        .expect("it runs");
    let list = listed(&rendezvous, &mine, |list| list[0]["streams"] == 1);
    let since = list[0]["since"].as_u64().expect("a time");
    assert!((before..=seconds()).contains(&since), "{list:?}");
    let there = json!({"environment_id": "box", "connected": true, "since": since, "harnesses": 1, "streams": 1});
    assert_eq!(list, [there, nothing("spare")]);
    // Others see none of it.
    listed(&rendezvous, &theirs, |list| list == [nothing("secret")]);
    assert!(child.try_wait().expect("a child").is_none());
    assert!(finished(child).status.success());
    listed(&rendezvous, &mine, |list| {
        list[0]["harnesses"] == 0 && list[0]["streams"] == 0
    });
    drop(executor);
    listed(&rendezvous, &mine, |list| list == nobody);
}

#[test]
fn attack_33_a_tenant_takes_no_more_places_than_it_has() {
    let folder = tempfile::tempdir().expect("a folder");
    let limit = ["--tenant-connections", "2"];
    let rendezvous = Rendezvous::at(folder.path(), "127.0.0.1:0", &limit);
    let start = |environment: &str, tenant: &str| {
        let executor = token(&rendezvous, environment, "executor", tenant);
        let command = Executor::encrypting(rendezvous.url(), environment, &executor);
        let harness = token(&rendezvous, environment, "harness", tenant);
        (Executor::from_command(command), harness)
    };
    let (_one, mine) = start("box", "acme");
    let (_two, theirs) = start("secret", "other");
    let child = harness(&rendezvous, "box", &mine, &["cat"])
        .spawn()
        .expect("it runs");
    listed(&rendezvous, &mine, |list| list[0]["harnesses"] == 1);
    let output = finished(
        harness(&rendezvous, "box", &mine, &["true"])
            .spawn()
            .expect("it runs"),
    );
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(125), "{words}");
    assert!(
        words.contains("answers 429: the tenant has as many connections as it may have"),
        "{words}"
    );
    // That is nothing to others.
    let output = finished(
        harness(&rendezvous, "secret", &theirs, &["true"])
            .spawn()
            .expect("it runs"),
    );
    assert!(output.status.success(), "{output:?}");
    // A place that is given back is there for the next.
    assert!(finished(child).status.success());
    listed(&rendezvous, &mine, |list| list[0]["harnesses"] == 0);
    let output = finished(
        harness(&rendezvous, "box", &mine, &["true"])
            .spawn()
            .expect("it runs"),
    );
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn behind_a_proxy_urls_lead_to_where_clients_came_from_or_to_where_the_operator_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let base = |rendezvous: &Rendezvous, headers: &str| {
        let token = rendezvous.token("box", "executor");
        let mut socket = TcpStream::connect(rendezvous.address()).expect("connected");
        write!(
            socket,
            "POST /cloud/environment/box/register HTTP/1.1\r\n{headers}connection: close\r\ncontent-length: 0\r\n\
             authorization: Bearer {token}\r\n\r\n"
        )
        .expect("sent");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("an answer");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        let body: Value = serde_json::from_str(body).expect("JSON");
        match body["url"].as_str() {
            Some(url) => url.split("/rendezvous?").next().map(str::to_owned),
            None => body["error"]["code"].as_str().map(str::to_owned),
        }
        .expect("a URL or an error")
    };
    let rendezvous = Rendezvous::start(folder.path());
    for (headers, url) in [
        ("Host: box.example:8443\r\n", "ws://box.example:8443"),
        (
            "Host: box.example\r\nX-Forwarded-Proto: https\r\n",
            "wss://box.example",
        ),
        (
            "Host: [::1]:7\r\nX-Forwarded-Proto: http\r\n",
            "ws://[::1]:7",
        ),
        // What would lead elsewhere than to a host.
        ("Host: box.example/path\r\n", "host"),
        ("Host: user@box.example\r\n", "host"),
        ("Host: \r\n", "host"),
        ("Host: box.example?role=\r\n", "host"),
    ] {
        assert_eq!(base(&rendezvous, headers), url, "{headers}");
    }
    let public = ["--public-url", "wss://rendezvous.example"];
    let rendezvous = Rendezvous::at(folder.path(), "127.0.0.1:0", &public);
    for headers in ["Host: evil.example\r\n", "Host: x/y\r\n"] {
        assert_eq!(base(&rendezvous, headers), "wss://rendezvous.example");
    }
}

/// A token that is good until then, as the store has it.
fn until(rendezvous: &Rendezvous, secret: &str, expires: u64) {
    let digest = sha2::Sha256::digest(secret.as_bytes());
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let line = json!({
        "what": "token", "id": digest[..12], "sha256": digest, "environment": "box", "role": "both", "tenant": "t", "created": 1, "expires": expires,
    });
    let mut store = std::fs::OpenOptions::new()
        .append(true)
        .open(rendezvous.store())
        .expect("its store");
    writeln!(store, "{line}").expect("written");
}

#[tokio::test]
async fn a_token_that_expires_ends_what_was_opened_with_it_and_opens_nothing_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    until(&rendezvous, "lockgate_over", 2);
    until(&rendezvous, "lockgate_soon", seconds() + 8);
    let path = "/cloud/environment/box/register";
    let register = |token: &str| ask(&rendezvous, "POST", path, token);
    let (status, answer) = register("lockgate_over");
    let words = answer["error"]["message"].as_str().unwrap_or_default();
    assert_eq!((status, words), (401, "the token has expired"));
    let (status, answer) = register("lockgate_soon");
    assert_eq!(status, 200, "{answer}");
    let url = answer["url"].as_str().expect("a URL");
    let mut executor = raw::connected(url).await;
    let close = raw::closed(&mut executor).await;
    assert!(close.reason.contains("token"), "{close:?}");
    assert_eq!(register("lockgate_soon").0, 401);
    // The URL is good for a minute, but not without its token.
    let again = tokio_tungstenite::connect_async(url).await;
    let error = again.expect_err("refused").to_string();
    assert!(error.contains("401"), "{error}");
}
