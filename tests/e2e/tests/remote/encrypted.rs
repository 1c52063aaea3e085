//! Streams that are encrypted from end to end, which is what both ends do if nothing is said.

use std::process::{Command, Output, Stdio};

use lockgate_e2e::{Executor, Proxy, Rendezvous, lockgate};

use crate::running::{LINES, outlives_its_rendezvous};

/// A rendezvous, an executor of `box`, and a harness's token.
fn house(folder: &std::path::Path) -> (Rendezvous, Executor, String) {
    let rendezvous = Rendezvous::start(folder);
    let token = rendezvous.token("box", "executor");
    let executor = Executor::from_command(Executor::encrypting(rendezvous.url(), "box", &token));
    let token = rendezvous.token("box", "harness");
    (rendezvous, executor, token)
}

fn harness(registry: &str, token: &str, arguments: &[&str], rest: &[&str]) -> Command {
    let mut command = Command::new(lockgate());
    command
        .args(arguments)
        .args(["--remote", registry, "--environment-id", "box"])
        .args(rest)
        .env("LOCKGATE_TOKEN", token)
        .stdin(Stdio::null());
    command
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Whether a text is somewhere in these bytes. What a client's websocket has masked is not found; what a rendezvous hands on to it is not masked.
fn holds(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|part| part == text)
}

#[test]
fn commands_and_files_go_through_and_the_rendezvous_reads_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    // What a rendezvous writes to its ends is not masked, so what it could read is here.
    let proxy = Proxy::to(rendezvous.address());
    let registry = format!("http://{}", proxy.address());
    let token = rendezvous.token("box", "executor");
    let mut command = Executor::encrypting(&registry, "box", &token);
    command.env("LOCKGATE_LOG", "trace");
    let executor = Executor::from_command(command);
    let token = rendezvous.token("box", "harness");
    let script = "echo clear text $((1000 + 234)); exit 3";
    let ran = harness(&registry, &token, &["exec"], &["--", "sh", "-c", script]).output();
    let ran = ran.expect("it runs");
    assert_eq!(
        String::from_utf8_lossy(&ran.stdout),
        "clear text 1234\n",
        "{}",
        words(&ran)
    );
    assert_eq!(ran.status.code(), Some(3));
    // Larger than a window and than any record, in both directions.
    let large: Vec<u8> = (0..3_000_000_u32)
        .flat_map(|i| (i ^ (i << 7)).to_le_bytes())
        .collect();
    let [source, target] = ["source", "target"].map(|name| folder.path().join(name));
    std::fs::write(&source, &large).expect("a file");
    let [from, to] = [&source, &target].map(|path| path.to_str().expect("a path"));
    let put = harness(&registry, &token, &["fs", "put"], &[from, to])
        .output()
        .expect("it runs");
    assert!(put.status.success(), "{}", words(&put));
    let cat = harness(&registry, &token, &["fs", "cat"], &[to])
        .output()
        .expect("it runs");
    assert!(cat.stdout == large, "{} bytes", cat.stdout.len());
    let seen = proxy.seen();
    assert!(holds(&seen, b"HTTP/1.1 101"), "the proxy saw the upgrade");
    for clear in [&b"sessionId"[..], b"jsonrpc", b"clear text", b"process/"] {
        assert!(!holds(&seen, clear), "{:?}", String::from_utf8_lossy(clear));
    }
    let (status, said) = executor.stop();
    assert!(status.success(), "{said}");
    assert!(!said.contains("signature="), "{said}");
}

#[test]
fn a_rendezvous_that_is_killed_and_started_again_loses_nothing_encrypted() {
    let folder = tempfile::tempdir().expect("a folder");
    let (rendezvous, _executor, token) = house(folder.path());
    let rest = ["--", "sh", "-c", LINES];
    let command = harness(rendezvous.url(), &token, &["exec"], &rest);
    outlives_its_rendezvous(command, rendezvous, folder.path());
}

#[test]
fn attack_33_an_executor_that_encrypts_takes_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let (rendezvous, _executor, token) = house(folder.path());
    // By a URL, in which there are no keys.
    let url = rendezvous.harness_url("box", None);
    let ran = Command::new(lockgate())
        .args(["exec", "--url", &url, "--", "true"])
        .output();
    let ran = ran.expect("it runs");
    assert!(!ran.status.success());
    assert!(
        words(&ran).contains("encrypted streams only"),
        "{}",
        words(&ran)
    );
    // And by the registry.
    let direct = ["--remote-transport", "direct", "--", "true"];
    let ran = harness(rendezvous.url(), &token, &["exec"], &direct)
        .output()
        .expect("it runs");
    assert!(!ran.status.success());
    assert!(
        words(&ran).contains("answers 409 security_profile"),
        "{}",
        words(&ran)
    );
}

#[test]
fn attack_33_a_harness_that_encrypts_is_not_talked_out_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let token = rendezvous.token("box", "executor");
    let _executor = Executor::start(rendezvous.url(), "box", &token);
    let token = rendezvous.token("box", "harness");
    let ran = harness(rendezvous.url(), &token, &["exec"], &["--", "true"]).output();
    let ran = ran.expect("it runs");
    assert!(!ran.status.success());
    assert!(
        words(&ran).contains("without encryption only"),
        "{}",
        words(&ran)
    );
    let direct = ["--remote-transport", "direct", "--", "echo", "plain"];
    let ran = harness(rendezvous.url(), &token, &["exec"], &direct)
        .output()
        .expect("it runs");
    assert_eq!(
        String::from_utf8_lossy(&ran.stdout),
        "plain\n",
        "{}",
        words(&ran)
    );
}

#[test]
fn a_token_of_the_other_role_is_told_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let token = rendezvous.token("box", "executor");
    let ran = harness(rendezvous.url(), &token, &["exec"], &["--", "true"]).output();
    let ran = ran.expect("it runs");
    assert!(
        words(&ran).contains("refuses the credentials (403)"),
        "{}",
        words(&ran)
    );
}
