//! Signed URLs that were good once: when their time is over the rendezvous takes them no more, whoever signed them.

use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use lockgate_e2e::{Executor, Rendezvous, lockgate};
use sha2::{Digest, Sha256};

use crate::raw::ask;

/// The URL with another end of its time and a signature that is right: as its rendezvous would have made it (`host/rendezvous/src/signed.rs`).
fn expiring(rendezvous: &Rendezvous, url: &str, expires: u64) -> String {
    let store = std::fs::read_to_string(rendezvous.store()).expect("a store");
    let first = store.lines().next().expect("a line");
    let first: serde_json::Value = serde_json::from_str(first).expect("JSON");
    let key = first["key"].as_str().expect("a key");
    let key = (0..key.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&key[at..at + 2], 16));
    let mut key: Vec<u8> = key.collect::<Result<_, _>>().expect("hex");
    let (base, query) = url.split_once('?').expect("a query");
    let (before, _) = query.split_once("&expires=").expect("a time");
    let query = format!("{before}&expires={expires}");
    // HMAC (RFC 2104).
    key.resize(64, 0);
    let pad = |byte: u8| key.iter().map(|key| key ^ byte).collect::<Vec<_>>();
    let text = format!("lockgate rendezvous url v1\n{query}");
    let inner = Sha256::digest([&pad(0x36)[..], text.as_bytes()].concat());
    let outer = Sha256::digest([&pad(0x5c)[..], &inner[..]].concat());
    let signature: String = outer.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{base}?{query}&signature={signature}")
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("a clock").as_secs()
}

#[test]
fn attack_29_a_url_whose_time_is_over_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let token = rendezvous.token("box", "executor");
    let _executor = Executor::start(rendezvous.url(), "box", &token);
    let url = rendezvous.harness_url("box", None);
    let run = |url: &str| {
        let mut command = Command::new(lockgate());
        let output = command.args(["exec", "--url", url, "--", "true"]).output();
        let output = output.expect("it runs");
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), words)
    };
    // Signed here as there.
    let (code, words) = run(&expiring(&rendezvous, &url, now() + 60));
    assert_eq!(code, Some(0), "{words}");
    for expires in [0, now() - 1] {
        let (code, words) = run(&expiring(&rendezvous, &url, expires));
        assert_eq!(code, Some(125), "{words}");
        assert!(
            words.contains("answers 401: the URL has expired"),
            "{words}"
        );
        assert!(!words.contains("signature="), "{words}");
    }
}

#[tokio::test]
async fn attack_29_an_executors_url_that_was_changed_or_whose_time_is_over_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let token = rendezvous.token("box", "executor");
    let path = "/cloud/environment/box/register";
    let (status, answer) = ask(&rendezvous, "POST", path, &token);
    assert_eq!(status, 200, "{answer}");
    let url = answer["url"].as_str().expect("a URL");
    let last = url.chars().last().expect("a digit");
    let other = if last == '0' { "1" } else { "0" };
    for wrong in [
        expiring(&rendezvous, url, now() - 1),
        url.replace("role=environment", "role=harness"),
        url.replace("environment_id=box", "environment_id=other"),
        url.replace("encrypts=0", "encrypts=1"),
        url.replace("expires=", "expires=1"),
        format!("{}{other}", &url[..url.len() - 1]),
        url.split_once("&signature=")
            .expect("a signature")
            .0
            .to_owned(),
    ] {
        assert_ne!(wrong, url);
        let error = tokio_tungstenite::connect_async(&wrong).await;
        let error = error.expect_err("refused").to_string();
        assert!(error.contains("401"), "{wrong}: {error}");
    }
    tokio_tungstenite::connect_async(url)
        .await
        .expect("connected");
}
