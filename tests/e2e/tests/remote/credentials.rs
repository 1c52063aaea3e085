//! Tokens: who is let in, and as what.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use lockgate_e2e::{Executor, Rendezvous, lockgate, write_secret};
use lockgate_relay::{Acks, Body, Segment};
use tokio::time::timeout;

use crate::raw;

/// How a registration that fails ends.
fn refused(mut command: Command) -> (Option<i32>, String) {
    let output = command.stdin(Stdio::null()).output().expect("it runs");
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[test]
fn a_token_is_good_for_its_environment_and_role_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let executor = rendezvous.token("box", "executor");
    let harness = rendezvous.token("box", "harness");
    for (environment, token, says) in [
        (
            "box",
            "lockgate_0000",
            "refuses the credentials (401): the token is not known",
        ),
        (
            "box",
            harness.as_str(),
            "refuses the credentials (403): the token",
        ),
        (
            "other",
            executor.as_str(),
            "refuses the credentials (403): the token",
        ),
    ] {
        let (code, words) = refused(Executor::command(rendezvous.url(), environment, token));
        assert_eq!(code, Some(1), "{words}");
        assert!(words.contains(says), "{words}");
        assert!(!words.contains(token) || token.len() < 20, "{words}");
    }
}

#[test]
fn a_token_may_come_from_a_file_or_a_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let token = rendezvous.token("box", "executor");
    let file = folder.path().join("token");
    write_secret(&file, format!("{token}\n"));
    let print = format!("cat '{}'", file.display());
    for [option, value] in [
        ["--token-file", file.to_str().expect("a path")],
        ["--token-command", &print],
    ] {
        let mut command = Executor::command(rendezvous.url(), "box", "");
        command.args([option, value]);
        let (status, said) = Executor::from_command(command).stop();
        assert!(status.success(), "{said}");
    }
}

#[test]
fn a_token_file_that_is_open_to_others_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let _executor = Executor::start(
        rendezvous.url(),
        "box",
        &rendezvous.token("box", "executor"),
    );
    let file = folder.path().join("token");
    write_secret(&file, rendezvous.token("box", "harness"));
    let ran = || {
        let mut command = Command::new(lockgate());
        command
            .args(["exec", "--remote", rendezvous.url(), "--environment-id"])
            .args(["box", "--remote-transport", "direct", "--token-file"])
            .arg(&file)
            .args(["--", "true"]);
        refused(command)
    };
    for (mode, is_taken) in [
        (0o644, false),
        (0o640, false),
        (0o602, false),
        (0o600, true),
        (0o400, true),
    ] {
        std::fs::set_permissions(&file, Permissions::from_mode(mode)).expect("changed");
        let (code, words) = ran();
        let says = format!("token is open to others (mode {mode:o})");
        match is_taken {
            true => assert_eq!(code, Some(0), "{words}"),
            false => assert!(
                code == Some(125) && words.contains(&says) && words.contains("run: chmod 600"),
                "{code:?} {words}"
            ),
        }
    }
}

#[test]
fn a_token_is_asked_for_before_anything_is_tried() {
    let (code, words) = refused(Executor::command("http://127.0.0.1:9", "box", ""));
    assert_eq!(code, Some(2), "{words}");
    assert!(words.contains("--token-file"), "{words}");
    let mut command = Command::new(lockgate());
    command.args(["serve", "--remote", "http://127.0.0.1:9"]);
    let (code, words) = refused(command);
    assert_eq!(code, Some(2), "{words}");
    assert!(words.contains("--environment-id"), "{words}");
}

#[test]
fn a_revoked_token_ends_what_was_opened_with_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let token = rendezvous.token("box", "executor");
    let _executor = Executor::start(rendezvous.url(), "box", &token);
    let url = rendezvous.harness_url("box", None);
    let mut follow = Command::new(lockgate());
    follow.args(["exec", "--url", &url, "--", "sleep", "60"]);
    let child = follow.stderr(Stdio::piped()).spawn().expect("it runs");
    let id = rendezvous.token_id("box", "harness");
    rendezvous.command(&["token", "revoke", &id]);
    let output = child.wait_with_output().expect("it ends");
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(125), "{words}");
    assert!(words.contains("revoked"), "{words}");
    // Nor can it be used again.
    let output = Command::new(lockgate())
        .args(["exec", "--url", &url, "--", "true"])
        .output()
        .expect("it runs");
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        words.contains("answers 401: the URL's token was revoked"),
        "{words}"
    );
    let unknown = rendezvous.output(&["token", "revoke", "000000000000"]);
    assert!(!unknown.status.success());
}

/// A harness whose frames an executor does not take: one of them is held, and nothing is read from it meanwhile.
#[tokio::test]
async fn attack_33_a_revoked_token_ends_a_link_whose_frame_waits() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let _reads_nothing = raw::executor(&rendezvous, "box").await;
    let url = rendezvous.harness_url("box", None);
    let (mut sink, mut answers) = raw::connected(&url).await.split();
    let acks = Acks { ack: 5, bits: 0 };
    let payload = Bytes::from(vec![b'x'; 200 << 10]);
    for seq in 0.. {
        let segment = Segment::new(seq, 0, 1, payload.clone()).expect("a segment");
        let frame = raw::frame("s", acks, Body::Data(segment));
        // Until everything on the way is full.
        match timeout(Duration::from_secs(1), sink.send(frame)).await {
            Ok(sent) => sent.expect("sent"),
            Err(_) => break,
        }
    }
    let id = rendezvous.token_id("box", "harness");
    rendezvous.command(&["token", "revoke", &id]);
    let close = raw::closed(&mut answers).await;
    assert_eq!(u16::from(close.code), 1008, "{close:?}");
    let (_, list) = raw::ask(
        &rendezvous,
        "GET",
        "/cloud/environments",
        &rendezvous.token("box", "harness"),
    );
    assert_eq!(list["environments"][0]["harnesses"], 0, "{list}");
}

#[test]
fn attack_29_a_url_that_was_changed_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let token = rendezvous.token("box", "executor");
    let _executor = Executor::start(rendezvous.url(), "box", &token);
    let url = rendezvous.harness_url("box", None);
    for (from, to) in [
        ("expires=", "expires=9"),
        ("environment_id=box", "environment_id=other"),
    ] {
        let forged = url.replace(from, to);
        assert_ne!(forged, url);
        let output = Command::new(lockgate())
            .args(["exec", "--url", &forged, "--", "true"])
            .output()
            .expect("it runs");
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(words.contains("the URL's signature is wrong"), "{words}");
        assert!(!words.contains("signature="), "{words}");
    }
}
