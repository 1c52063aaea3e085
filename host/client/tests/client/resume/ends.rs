//! When a lost link is not replaced, or not at once: each reason is an error of its own.

use std::time::Duration;

use super::{call, door, door_with, end, outcome, start, story, until, until_away};
use lockgate_client::{ClientError, ConnectOptions, ConnectionState};
use serde_json::{Value, json};

use crate::support::{Peer, soon};

async fn refused(peer: &mut Peer, code: i64, message: &str) {
    let (id, _) = peer.called("initialize").await;
    peer.send(json!({ "id": id, "error": { "code": code, "message": message } }))
        .await;
}

#[tokio::test]
async fn a_session_that_still_seems_attached_is_asked_for_again() {
    let (door, client, peer) = door().await;
    drop(peer);
    let attached = "session s-1 is already attached to another connection";
    // The second is what servers of May 2026 say.
    for code in [-32010, -32600, -32010] {
        refused(&mut door.accept().await, code, attached).await;
    }
    // Nor do links help that are lost at once.
    drop(door.accept().await);
    door.accept().await.called("initialize").await;
    let _peer = door.accept_again().await;
    until(&client, |state| {
        matches!(state, ConnectionState::Connected { resumed: 1 })
    })
    .await;
}

#[tokio::test]
async fn a_session_that_the_server_does_not_know_any_more_is_gone_at_once() {
    let (door, client, mut peer) = door().await;
    let process = start(&client, &mut peer, "p").await;
    drop(peer);
    until_away(&client).await;
    let waiting = call(&client, "test/waiting");
    refused(&mut door.accept().await, -32600, "unknown session id s-1").await;
    let error = outcome(waiting).await.expect_err("gone");
    assert!(matches!(error, ClientError::SessionGone { .. }), "{error}");
    assert!(
        error.to_string().contains("unknown session id s-1"),
        "{error}"
    );
    let ended = end(&client).await;
    assert!(matches!(ended, ClientError::SessionGone { .. }), "{ended}");
    assert!(client.is_closed());
    let story = story(process).await;
    assert!(
        story.starts_with("failed: ") && story.contains("gone"),
        "{story}"
    );
}

#[tokio::test]
async fn another_session_than_the_one_asked_for_is_a_broken_protocol() {
    let (door, client, peer) = door().await;
    drop(peer);
    let mut peer = door.accept().await;
    let (id, _) = peer.called("initialize").await;
    peer.answer(id, json!({ "sessionId": "s-2" })).await;
    let error = end(&client).await;
    assert!(matches!(error, ClientError::Protocol(_)), "{error}");
}

#[tokio::test]
async fn nonsense_on_the_new_link_is_a_broken_protocol_too() {
    let (door, client, peer) = door().await;
    drop(peer);
    let mut peer = door.accept().await;
    peer.called("initialize").await;
    peer.text("{").await;
    let error = end(&client).await;
    assert!(matches!(error, ClientError::Protocol(_)), "{error}");
}

#[tokio::test]
async fn a_server_that_does_not_want_us_any_more_is_not_asked_again() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (door, client, peer) = door().await;
    drop(peer);
    let mut stream = door.accept_raw().await;
    let mut asked = [0; 4096];
    assert!(stream.read(&mut asked).await.expect("asked") > 0);
    let answer = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n";
    stream.write_all(answer).await.expect("answered");
    let error = end(&client).await;
    assert!(matches!(error, ClientError::Connect { .. }), "{error}");
    assert!(error.to_string().contains("401"), "{error}");
}

#[tokio::test]
async fn when_the_window_is_over_the_error_says_what_was_tried() {
    let window = Duration::from_millis(300);
    let (door, client, mut peer) = door_with(ConnectOptions {
        resume_window: Some(window),
        ..ConnectOptions::default()
    })
    .await;
    let process = start(&client, &mut peer, "p").await;
    drop((peer, door));
    let error = end(&client).await;
    assert!(
        matches!(&error, ClientError::WindowOver { window: after, last, .. } if *after == window && last.contains("refused")),
        "{error}"
    );
    let story = story(process).await;
    assert!(
        story.contains("could not be resumed within 0.3 s"),
        "{story}"
    );
    let later = soon(client.status()).await.expect_err("over");
    assert!(matches!(later, ClientError::WindowOver { .. }), "{later}");
}

#[tokio::test]
async fn a_server_that_takes_the_session_and_then_says_nothing_uses_the_window_up() {
    let (door, client, mut peer) = door_with(ConnectOptions {
        resume_window: Some(Duration::from_millis(300)),
        ..ConnectOptions::default()
    })
    .await;
    let _process = start(&client, &mut peer, "p").await;
    drop(peer);
    let mut peer = door.accept_again().await;
    peer.called("process/read").await;
    let error = end(&client).await;
    assert!(
        matches!(&error, ClientError::WindowOver { last, .. } if last.contains("what the processes did")),
        "{error}"
    );
    peer.left().await;
}

#[tokio::test]
async fn a_link_that_falls_silent_while_the_session_is_recovered_is_given_up_for_another_one() {
    let (door, client, mut peer) = door_with(ConnectOptions {
        initialize_timeout: Duration::from_secs(2),
        ..ConnectOptions::default()
    })
    .await;
    let process = start(&client, &mut peer, "p").await;
    drop(peer);
    let mut silent = door.accept_again().await;
    silent.called("process/read").await;
    let mut peer = door.accept_again().await;
    let (id, _) = peer.called("process/read").await;
    peer.answer(id, super::read(&[(1, "a")], 4, true, true))
        .await;
    assert_eq!(story(process).await, "a exit=7 closed");
    silent.left().await;
}

#[tokio::test]
async fn without_a_window_the_connection_ends_with_its_link() {
    let (_door, client, mut peer) = door_with(crate::support::one_link()).await;
    let in_flight = call(&client, "test/any");
    peer.called("test/any").await;
    drop(peer);
    let error = outcome(in_flight).await.expect_err("unknown");
    assert!(matches!(error, ClientError::Interrupted { .. }), "{error}");
    let error = end(&client).await;
    assert!(matches!(error, ClientError::Closed(_)), "{error}");
}

#[tokio::test]
async fn closing_ends_the_wait_for_a_link_at_once() {
    let (door, client, peer) = door().await;
    drop(peer);
    until_away(&client).await;
    let waiting = call(&client, "test/waiting");
    tokio::task::yield_now().await;
    let mut states = client.states();
    soon(client.close()).await;
    let error = outcome(waiting).await.expect_err("closed");
    assert!(matches!(error, ClientError::Closed(_)), "{error}");
    let ended = |state: &ConnectionState| matches!(state, ConnectionState::Ended(_));
    soon(states.wait_for(ended)).await.expect("told");
    drop(door);
}

#[tokio::test]
async fn dropping_the_last_clone_ends_it_too() {
    let (door, client, peer) = door().await;
    drop(peer);
    until_away(&client).await;
    let mut states = client.states();
    drop(client);
    // Told, or gone with all who could tell.
    let _ = soon(states.wait_for(|state| matches!(state, ConnectionState::Ended(_)))).await;
    drop(door);
}

#[tokio::test]
async fn a_question_of_the_old_link_is_not_answered_on_the_new_one() {
    use lockgate_client::{ApprovalDecision, ApprovalResult, Approver};
    let (agree, agreed) = tokio::sync::watch::channel(false);
    let (asked, mut questions) = tokio::sync::mpsc::unbounded_channel();
    let approver = Approver::new(move |question| {
        let mut agreed = agreed.clone();
        asked.send(question.approval_id).expect("the test listens");
        async move {
            let _ = agreed.wait_for(|agreed| *agreed).await;
            ApprovalResult {
                decision: ApprovalDecision::Allow,
                reason: None,
            }
        }
    });
    let (door, client, mut peer) = door_with(ConnectOptions {
        approver: Some(approver),
        ..ConnectOptions::default()
    })
    .await;
    let ask = |id: &str| {
        let params = json!({
            "approvalId": id, "policy": "p", "rule": null, "prompt": "?", "action": {}, "expiresInMs": 60_000,
        });
        json!({ "id": id, "method": "lockgate/approval/request", "params": params })
    };
    peer.send(ask("approval-1")).await;
    assert_eq!(soon(questions.recv()).await.expect("asked"), "approval-1");
    drop(peer);
    let mut peer = door.accept_again().await;
    until(&client, ConnectionState::is_connected).await;
    // A server may begin its names anew on each connection.
    peer.send(ask("approval-1")).await;
    assert_eq!(soon(questions.recv()).await.expect("asked"), "approval-1");
    agree.send_replace(true);
    let answer = peer.next().await;
    assert_eq!(
        (&answer["id"], &answer["result"]["decision"]),
        (&json!("approval-1"), &json!("allow"))
    );
    // Exactly one answer: the next message is a call.
    let next = call(&client, "test/next");
    let (id, _) = peer.called("test/next").await;
    peer.answer(id, Value::Null).await;
    outcome(next).await.expect("answered");
}
