//! Harnesses that share an executor: one that floods takes nobody else's turn.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use futures_util::{SinkExt, StreamExt};
use lockgate_client::{Client, ConnectOptions};
use lockgate_e2e::{DEADLINE, Executor, Rendezvous, lockgate};
use lockgate_relay::{Acks, Body, Segment};
use tokio::time::timeout;

use crate::raw::{connected, frame};

const CALLS: usize = 40;

/// Makes small calls, each of which has to be answered, until the flood has gone on meanwhile.
async fn calls(client: &Client, flooded: &AtomicU64) {
    let (begun, before) = (Instant::now(), flooded.load(Ordering::Relaxed));
    let mut answered = 0;
    while answered < CALLS || flooded.load(Ordering::Relaxed) == before {
        assert!(begun.elapsed() < DEADLINE, "the flood stands still");
        let status = timeout(DEADLINE, client.status()).await;
        status
            .expect("not behind the whole flood")
            .expect("answered");
        answered += 1;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn small_calls_are_answered_beside_a_harness_that_writes_all_it_can() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let token = rendezvous.token("box", "executor");
    let _executor = Executor::start(rendezvous.url(), "box", &token);
    let url = rendezvous.harness_url("box", None);
    let client = Client::connect_ws(&url, ConnectOptions::default()).await;
    let client = client.expect("connected");
    let mut flood = Command::new(lockgate())
        .args(["exec", "--url", &url, "--", "cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("it runs");
    let mut input = flood.stdin.take().expect("a pipe");
    let (written, enough) = (
        Arc::new(AtomicU64::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let writer = std::thread::spawn({
        let (written, enough) = (Arc::clone(&written), Arc::clone(&enough));
        move || {
            let piece = vec![b'x'; 64 << 10];
            while !enough.load(Ordering::Relaxed) {
                input.write_all(&piece).expect("written");
                written.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    // More than waits anywhere on the way: it is a flood.
    let begun = Instant::now();
    while written.load(Ordering::Relaxed) < 256 {
        assert!(begun.elapsed() < DEADLINE, "no flood");
        tokio::task::yield_now().await;
    }
    calls(&client, &written).await;
    enough.store(true, Ordering::Relaxed);
    writer.join().expect("it wrote to the end");
    assert!(flood.wait().expect("it ends").success());
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_33_a_flood_that_keeps_no_window_delays_no_other_harness_for_long() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let token = rendezvous.token("box", "executor");
    let _executor = Executor::start(rendezvous.url(), "box", &token);
    let url = rendezvous.harness_url("box", None);
    let client = Client::connect_ws(&url, ConnectOptions::default()).await;
    let client = client.expect("connected");
    // Segments far beyond any window, as fast as they are taken; what comes back is read, and is nothing to it.
    let (mut sink, mut answers) = connected(&url).await.split();
    let flooded = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&flooded);
    let flood = tokio::spawn(async move {
        let acks = Acks { ack: 5, bits: 0 };
        let payload = vec![b'x'; 32 << 10];
        for seq in 1_000_u32.. {
            let segment = Segment::new(seq, 0, 1, payload.clone().into()).expect("a segment");
            let frame = frame("flood", acks, Body::Data(segment));
            sink.send(frame).await.expect("sent");
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    let reading = tokio::spawn(async move { while answers.next().await.is_some() {} });
    let begun = Instant::now();
    while flooded.load(Ordering::Relaxed) < 256 {
        assert!(
            begun.elapsed() < DEADLINE && !flood.is_finished(),
            "no flood"
        );
        tokio::task::yield_now().await;
    }
    calls(&client, &flooded).await;
    assert!(!flood.is_finished());
    flood.abort();
    reading.abort();
}
