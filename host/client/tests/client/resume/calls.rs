//! Calls around the loss of a link: in flight, waiting, given up, and by the hundred.

use std::time::Duration;

use super::{call, door, door_with, outcome, until, until_away};
use lockgate_client::{Awaited, ClientError, ConnectOptions, ConnectionState};
use serde_json::{Value, json};

use crate::support::soon;

#[tokio::test]
async fn those_in_flight_say_that_nobody_knows_and_new_ones_wait_for_the_session() {
    let (door, client, mut peer) = door().await;
    let in_flight = call(&client, "fs/remove");
    peer.called("fs/remove").await;
    drop(peer);
    let error = outcome(in_flight).await.expect_err("unknown");
    assert!(
        matches!(&error, ClientError::Interrupted { what, .. } if what == "fs/remove"),
        "{error}"
    );
    assert!(error.to_string().contains("not known whether"), "{error}");
    let away = until(&client, ConnectionState::is_away).await;
    assert!(
        matches!(away, ConnectionState::Away { resumed: 0, .. }),
        "{away:?}"
    );
    assert!(!client.is_closed());
    let waiting = call(&client, "test/new");
    let mut peer = door.accept_again().await;
    let (id, _) = peer.called("test/new").await;
    peer.answer(id, json!(1)).await;
    assert_eq!(outcome(waiting).await.expect("answered"), 1);
    assert!(matches!(
        client.state(),
        ConnectionState::Connected { resumed: 1 }
    ));
    assert_eq!(client.session_id(), "s-1");
}

#[tokio::test]
async fn hundreds_fail_wait_and_are_answered_each_for_itself() {
    let (door, client, mut peer) = door().await;
    let in_flight: Vec<_> = (0..300).map(|_| call(&client, "test/before")).collect();
    for _ in 0..300 {
        peer.called("test/before").await;
    }
    drop(peer);
    for called in in_flight {
        let error = outcome(called).await.expect_err("unknown");
        assert!(matches!(error, ClientError::Interrupted { .. }), "{error}");
    }
    let waiting: Vec<_> = (0..300)
        .map(|number| {
            let client = client.clone();
            let params = json!({ "number": number });
            tokio::spawn(async move { client.call("test/after", &params).await })
        })
        .collect();
    let mut peer = door.accept_again().await;
    let mut calls = Vec::new();
    for _ in 0..300 {
        calls.push(peer.called("test/after").await);
    }
    for (id, params) in calls.into_iter().rev() {
        peer.answer(id, params).await;
    }
    for (number, called) in waiting.into_iter().enumerate() {
        let answer = outcome(called).await.expect("answered");
        assert_eq!(answer, json!({ "number": number }));
    }
}

#[tokio::test]
async fn one_that_waits_for_longer_than_it_may_is_a_timeout_and_is_never_sent() {
    let (door, client, peer) = door_with(ConnectOptions {
        call_timeout: Some(Duration::from_millis(50)),
        ..ConnectOptions::default()
    })
    .await;
    drop(peer);
    until_away(&client).await;
    let error = outcome(call(&client, "test/late"))
        .await
        .expect_err("too late");
    assert!(
        matches!(&error, ClientError::Timeout { of: Awaited::Turn { method }, .. } if method == "test/late"),
        "{error}"
    );
    let mut peer = door.accept_again().await;
    let next = call(&client, "test/next");
    let (id, _) = peer.called("test/next").await;
    peer.answer(id, json!({})).await;
    outcome(next).await.expect("answered");
}

#[tokio::test]
async fn one_that_is_given_up_while_the_connection_is_away_leaves_nothing_behind() {
    let (door, client, mut peer) = door().await;
    let in_flight = call(&client, "test/before");
    peer.called("test/before").await;
    drop(peer);
    until_away(&client).await;
    outcome(in_flight).await.expect_err("unknown");
    let given_up = call(&client, "test/given_up");
    let watch = json!({ "watchId": "w", "path": "/", "recursive": false });
    let watch = serde_json::from_value(watch).expect("params");
    let params = super::params("p");
    // Each of them is polled, waits, and is dropped.
    for _ in 0..2 {
        let short = Duration::from_millis(20);
        let starting = tokio::time::timeout(short, client.start(&params));
        let watching = tokio::time::timeout(short, client.watch(&watch));
        let (starting, watching) = tokio::join!(starting, watching);
        assert!(starting.is_err() && watching.is_err(), "they wait");
    }
    given_up.abort();
    let mut peer = door.accept_again().await;
    // Their names are free, and nothing of theirs is sent. So nothing is ended either: the next start of that id is another one.
    let (watch, ()) = tokio::join!(soon(client.watch(&watch)), async {
        let (id, _) = peer.called("lockgate/fs/watch").await;
        peer.answer(id, json!({})).await;
    });
    watch.expect("watched");
    super::start(&client, &mut peer, "p").await;
}

#[tokio::test]
async fn an_answer_of_the_old_link_is_none_to_a_call_of_the_new_one() {
    let (door, client, mut peer) = door().await;
    let first = call(&client, "test/first");
    let (first_id, _) = peer.called("test/first").await;
    drop(peer);
    outcome(first).await.expect_err("unknown");
    let second = call(&client, "test/second");
    let mut peer = door.accept_again().await;
    let (second_id, _) = peer.called("test/second").await;
    assert_ne!(first_id, second_id, "ids are not used again");
    peer.answer(first_id, json!("first")).await;
    peer.answer(second_id, json!("second")).await;
    assert_eq!(outcome(second).await.expect("answered"), "second");
}

#[tokio::test]
async fn links_may_be_lost_again_and_again() {
    let (door, client, mut peer) = door().await;
    for round in 1..=5_u64 {
        let in_flight = call(&client, "test/again");
        peer.called("test/again").await;
        drop(peer);
        let error = outcome(in_flight).await.expect_err("unknown");
        assert!(matches!(error, ClientError::Interrupted { .. }), "{error}");
        peer = door.accept_again().await;
        until(
            &client,
            |state| matches!(state, ConnectionState::Connected { resumed } if *resumed == round),
        )
        .await;
    }
    let last = call(&client, "test/last");
    let (id, _) = peer.called("test/last").await;
    peer.answer(id, Value::Null).await;
    outcome(last).await.expect("answered");
}
