//! Starts and runs that nobody waits for any more: what they came to is ended, over a lost link too, and nothing else is.

use std::time::Duration;

use lockgate_client::executor::{Command, run};
use lockgate_client::{AbsPath, Awaited, Client, ClientError, ConnectOptions, ConnectionState};
use serde_json::json;
use tokio::task::JoinHandle;

use super::{call, door, door_with, next_is_ours, outcome, params, read, start, until_away};
use crate::support::{Door, Peer, one_link, soon};

fn starting(client: &Client, id: &'static str) -> JoinHandle<Result<(), ClientError>> {
    let client = client.clone();
    tokio::spawn(async move { client.start(&params(id)).await.map(drop) })
}

async fn terminated(peer: &mut Peer, process: &str) {
    let (id, params) = soon(peer.called("process/terminate")).await;
    assert_eq!(params["processId"], process);
    peer.answer(id, json!({ "running": true })).await;
}

#[tokio::test]
async fn a_start_is_ended_and_its_id_is_taken_until_then() {
    let (_door, client, mut peer) = door().await;
    let given_up = starting(&client, "p");
    peer.called("process/start").await;
    given_up.abort();
    let (id, params) = peer.called("process/terminate").await;
    assert_eq!(params["processId"], "p");
    let error = soon(starting(&client, "p")).await.expect("no panic");
    let error = error.expect_err("it is taken").to_string();
    assert!(
        error.contains("still being ended: use another id"),
        "{error}"
    );
    start(&client, &mut peer, "q").await;
    peer.answer(id, json!({ "running": true })).await;
    next_is_ours(&client, &mut peer).await;
    start(&client, &mut peer, "p").await;
    next_is_ours(&client, &mut peer).await;
}

#[tokio::test]
async fn one_whose_end_is_interrupted_is_ended_on_the_next_link() {
    let (door, client, mut peer) = door().await;
    let given_up = starting(&client, "p");
    peer.called("process/start").await;
    given_up.abort();
    peer.called("process/terminate").await;
    drop(peer);
    until_away(&client).await;
    let waiting = call(&client, "test/waiting");
    let mut peer = door.accept_again().await;
    terminated(&mut peer, "p").await;
    let (id, _) = peer.called("test/waiting").await;
    peer.answer(id, json!({})).await;
    outcome(waiting).await.expect("answered");
}

#[tokio::test]
async fn one_that_is_answered_with_nonsense_is_ended() {
    let (_door, client, mut peer) = door().await;
    let started = starting(&client, "p");
    let (id, _) = peer.called("process/start").await;
    peer.answer(id, json!("yes")).await;
    let error = soon(started)
        .await
        .expect("no panic")
        .expect_err("nonsense");
    assert!(matches!(error, ClientError::Protocol(_)), "{error}");
    terminated(&mut peer, "p").await;
}

#[tokio::test]
async fn one_that_is_not_answered_in_time_says_so_and_is_ended() {
    let (_door, client, mut peer) = door_with(ConnectOptions {
        call_timeout: Some(Duration::from_millis(100)),
        ..ConnectOptions::default()
    })
    .await;
    let started = starting(&client, "p");
    peer.called("process/start").await;
    let error = soon(started)
        .await
        .expect("no panic")
        .expect_err("no answer");
    assert!(
        matches!(&error, ClientError::Timeout { of: Awaited::Start { process }, .. } if process == "p"),
        "{error}"
    );
    terminated(&mut peer, "p").await;
}

#[tokio::test]
async fn an_interrupted_start_of_an_id_that_runs_already_ends_nothing() {
    let (door, client, mut peer) = door().await;
    // It goes on, with nobody following it.
    drop(start(&client, &mut peer, "daemon").await);
    let again = starting(&client, "daemon");
    peer.called("process/start").await;
    drop(peer);
    let error = soon(again).await.expect("no panic").expect_err("cut");
    assert!(matches!(error, ClientError::Interrupted { .. }), "{error}");
    let mut peer = door.accept_again().await;
    // What is left to itself is looked after, and goes on.
    let (id, asked) = soon(peer.called("process/read")).await;
    assert_eq!(asked["processId"], "daemon");
    peer.answer(id, read(&[(1, "a")], 2, false, false)).await;
    next_is_ours(&client, &mut peer).await;
    // Nor does one that is given up.
    let again = starting(&client, "daemon");
    peer.called("process/start").await;
    again.abort();
    next_is_ours(&client, &mut peer).await;
    // Once it has closed, the id is one like any other.
    peer.send(super::closed("daemon", 1)).await;
    next_is_ours(&client, &mut peer).await;
    let again = starting(&client, "daemon");
    peer.called("process/start").await;
    again.abort();
    terminated(&mut peer, "daemon").await;
}

#[tokio::test]
async fn the_id_of_one_that_closed_while_the_link_was_away_is_free() {
    let unknown = json!({ "code": -32600, "message": "unknown process id daemon" });
    for answer in [
        json!({ "result": read(&[(1, "a")], 4, true, true) }),
        json!({ "error": unknown }),
    ] {
        let (door, client, mut peer) = door().await;
        drop(start(&client, &mut peer, "daemon").await);
        drop(peer);
        let mut peer = door.accept_again().await;
        let (id, _) = soon(peer.called("process/read")).await;
        let mut answer = answer;
        answer["id"] = id;
        peer.send(answer).await;
        next_is_ours(&client, &mut peer).await;
        // So it is the new one that would be left over.
        let again = starting(&client, "daemon");
        peer.called("process/start").await;
        again.abort();
        terminated(&mut peer, "daemon").await;
    }
}

#[tokio::test]
async fn many_are_ended_side_by_side_when_the_link_is_back() {
    const MANY: usize = 40;
    let (door, client, mut peer) = door().await;
    let starts: Vec<_> = (0..MANY)
        .map(|number| {
            let (client, params) = (client.clone(), params(&format!("p{number}")));
            tokio::spawn(async move { client.start(&params).await.map(drop) })
        })
        .collect();
    for _ in 0..MANY {
        peer.called("process/start").await;
    }
    drop(peer);
    for start in starts {
        soon(start).await.expect("no panic").expect_err("cut");
    }
    let mut peer = door.accept_again().await;
    let mut asked = Vec::new();
    let mut ended = 0;
    while ended < MANY {
        asked.push(soon(peer.called("process/terminate")).await.0);
        // A server that takes its time: some wait always.
        if asked.len() == 8 || ended + asked.len() == MANY {
            for id in asked.drain(..) {
                ended += 1;
                peer.answer(id, json!({ "running": true })).await;
            }
        }
    }
    next_is_ours(&client, &mut peer).await;
}

/// A run whose process has started.
async fn running(
    client: &Client,
    peer: &mut Peer,
) -> (JoinHandle<Result<(), ClientError>>, String) {
    let running = tokio::spawn({
        let client = client.clone();
        async move {
            let command = Command::new(AbsPath::root(), ["a"]);
            run(&client, &command, 100).await.map(drop)
        }
    });
    let (id, params) = soon(peer.called("process/start")).await;
    let process = params["processId"].as_str().expect("an id").to_owned();
    peer.answer(id, json!({ "processId": process })).await;
    next_is_ours(client, peer).await;
    (running, process)
}

#[tokio::test]
async fn a_run_that_is_dropped_while_the_link_is_away_is_ended_when_it_is_back() {
    let (door, client, mut peer) = door().await;
    let (running, process) = running(&client, &mut peer).await;
    drop(peer);
    until_away(&client).await;
    running.abort();
    assert!(soon(running).await.expect_err("given up").is_cancelled());
    let mut peer = door.accept_again().await;
    terminated(&mut peer, &process).await;
    next_is_ours(&client, &mut peer).await;
}

#[tokio::test]
async fn a_run_whose_process_is_lost_alone_says_so_and_one_that_is_lost_with_all_says_why() {
    let (door, client, mut peer) = door_with(ConnectOptions {
        resume_window: Some(Duration::from_secs(1)),
        ..ConnectOptions::default()
    })
    .await;
    let (alone, process) = running(&client, &mut peer).await;
    drop(peer);
    let mut peer = door.accept_again().await;
    let (id, _) = peer.called("process/read").await;
    peer.answer(id, super::read(&[(9, "x")], 10, false, false))
        .await;
    terminated(&mut peer, &process).await;
    let error = soon(alone).await.expect("no panic").expect_err("lost");
    assert!(matches!(error, ClientError::Unfollowed { .. }), "{error}");
    assert!(!client.is_closed());
    // It was not kept, so it is ended once more: harmless.
    terminated(&mut peer, &process).await;
    let (with_all, _) = running(&client, &mut peer).await;
    drop((peer, door));
    let error = soon(with_all).await.expect("no panic").expect_err("lost");
    assert!(matches!(error, ClientError::WindowOver { .. }), "{error}");
}

#[test]
fn a_run_that_is_dropped_outside_of_any_runtime_is_ended() {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let (client, mut peer) = runtime.block_on(async {
        let door = Door::open().await;
        door.client(one_link()).await
    });
    let command = Command::new(AbsPath::root(), ["a"]);
    let mut running = Box::pin(run(&client, &command, 100));
    let process = runtime.block_on(async {
        let serving = async {
            let (id, params) = soon(peer.called("process/start")).await;
            peer.answer(id, json!({ "processId": params["processId"] }))
                .await;
            next_is_ours(&client, &mut peer).await;
            params["processId"].as_str().expect("an id").to_owned()
        };
        tokio::select! {
            biased;
            outcome = &mut running => panic!("{outcome:?}"),
            process = serving => process,
        }
    });
    drop(running);
    runtime.block_on(terminated(&mut peer, &process));
}

#[tokio::test]
async fn what_was_given_up_does_not_keep_the_connection() {
    let (door, client, mut peer) = door_with(ConnectOptions {
        resume_window: Some(Duration::from_secs(3_600)),
        ..ConnectOptions::default()
    })
    .await;
    let given_up = starting(&client, "p");
    peer.called("process/start").await;
    given_up.abort();
    peer.called("process/terminate").await;
    drop((peer, door));
    until_away(&client).await;
    let mut states = client.states();
    drop(client);
    let ended = states.wait_for(|state| matches!(state, ConnectionState::Ended(_)));
    let ended = tokio::time::timeout(Duration::from_secs(5), ended).await;
    // Told, or gone with all who could tell.
    let _ = ended.expect("the last handle was its end");
}
