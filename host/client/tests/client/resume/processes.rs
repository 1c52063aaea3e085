//! Processes over a lost link, and readers that come late.

use std::future::{Future, poll_fn};
use std::task::Poll;

use super::{
    call, closed, door, door_with, exited, outcome, output, params, read, start, story, until_away,
};
use lockgate_client::{ClientError, ConnectOptions, Event, Process, limits};
use lockgate_wire::ProcessId;
use lockgate_wire::process::WriteStatus;
use serde_json::json;

use crate::support::soon;

#[tokio::test]
async fn what_was_lost_is_fetched_before_anybody_else_may_call_and_nothing_comes_twice() {
    let (door, client, mut peer) = door().await;
    let process = start(&client, &mut peer, "p").await;
    peer.send(output("p", 1, "a")).await;
    // Comes too early, and is kept.
    peer.send(output("p", 3, "c")).await;
    drop(peer);
    until_away(&client).await;
    let waiting = call(&client, "test/new");
    let mut peer = door.accept_again().await;
    let (id, params) = peer.called("process/read").await;
    assert_eq!(
        (&params["processId"], &params["afterSeq"], &params["waitMs"]),
        (&json!("p"), &json!(1), &json!(0))
    );
    // What is pushed from now on is not waited for, and overlaps.
    peer.send(output("p", 5, "e")).await;
    let chunks = [(2, "b"), (3, "c"), (4, "d"), (5, "e")];
    peer.answer(id, read(&chunks, 6, false, false)).await;
    peer.send(output("p", 6, "f")).await;
    let (id, _) = peer.called("test/new").await;
    peer.answer(id, json!({})).await;
    outcome(waiting).await.expect("answered");
    peer.send(exited("p", 7)).await;
    peer.send(closed("p", 8)).await;
    assert_eq!(story(process).await, "a b c d e f exit=7 closed");
}

#[tokio::test]
async fn one_that_ended_meanwhile_is_followed_to_its_end() {
    let (door, client, mut peer) = door().await;
    let process = start(&client, &mut peer, "p").await;
    drop(peer);
    let mut peer = door.accept_again().await;
    let (id, _) = peer.called("process/read").await;
    peer.answer(id, read(&[(1, "a")], 4, true, true)).await;
    assert_eq!(story(process).await, "a exit=7 closed");
}

#[tokio::test]
async fn servers_of_may_2026_are_asked_until_they_have_said_everything() {
    let (door, client, mut peer) = door().await;
    let process = start(&client, &mut peer, "p").await;
    drop(peer);
    let mut peer = door.accept_again().await;
    let (id, _) = peer.called("process/read").await;
    peer.answer(id, read(&[(1, "a"), (2, "b")], 3, true, true))
        .await;
    let (id, params) = peer.called("process/read").await;
    assert_eq!(params["afterSeq"], 2);
    peer.answer(id, read(&[], 5, true, true)).await;
    assert_eq!(story(process).await, "a b exit=7 closed");
}

#[tokio::test]
async fn one_whose_output_has_a_hole_afterwards_is_terminated_and_says_so() {
    let (door, client, mut peer) = door().await;
    let process = start(&client, &mut peer, "p").await;
    peer.send(output("p", 1, "a")).await;
    peer.send(output("p", 2, "b")).await;
    drop(peer);
    let mut peer = door.accept_again().await;
    let (id, _) = peer.called("process/read").await;
    peer.send(output("p", 12, "late")).await;
    peer.answer(id, read(&[(9, "x"), (10, "y")], 11, false, false))
        .await;
    let (id, params) = peer.called("process/terminate").await;
    assert_eq!(params["processId"], "p");
    peer.answer(id, json!({ "running": true })).await;
    let story = story(process).await;
    assert!(
        story.starts_with("a b failed: it was terminated: 6 of its events were lost"),
        "{story}"
    );
    // Its key is free here, and others are not concerned.
    start(&client, &mut peer, "p").await;
}

#[tokio::test]
async fn what_the_new_link_has_pushed_before_the_answer_is_not_missing_from_it() {
    let (door, client, mut peer) = door().await;
    let process = start(&client, &mut peer, "p").await;
    peer.send(output("p", 1, "a")).await;
    drop(peer);
    let mut peer = door.accept_again().await;
    let (id, params) = peer.called("process/read").await;
    assert_eq!(params["afterSeq"], 1);
    // Pushed since the session is attached, and so much that the server has evicted all but the last one.
    for (seq, chunk) in [(2, "b"), (3, "c"), (4, "d")] {
        peer.send(output("p", seq, chunk)).await;
    }
    peer.answer(id, read(&[(4, "d")], 5, false, false)).await;
    // It is not terminated.
    let next = call(&client, "test/next");
    let (id, _) = peer.called("test/next").await;
    peer.answer(id, json!({})).await;
    outcome(next).await.expect("answered");
    peer.send(exited("p", 5)).await;
    peer.send(closed("p", 6)).await;
    assert_eq!(story(process).await, "a b c d exit=7 closed");
}

#[tokio::test]
async fn a_reader_that_comes_while_the_link_is_away_costs_nobody_the_process() {
    let (door, client, mut peer) = door().await;
    let mut process = start(&client, &mut peer, "p").await;
    for (seq, chunk) in [(1, "a"), (2, "b"), (3, "c")] {
        peer.send(output("p", seq, chunk)).await;
        soon(process.events.next()).await.expect("an event");
    }
    drop(peer);
    until_away(&client).await;
    let handle = process.handle.clone();
    let mut coming = Box::pin(async move { handle.events().await });
    // It waits for the link, and what the server tells goes to it already.
    let waits = poll_fn(|cx| Poll::Ready(coming.as_mut().poll(cx).is_pending()));
    assert!(waits.await);
    let late = tokio::spawn(soon(coming));
    let mut peer = door.accept_again().await;
    // Of the reader that missed nothing; what it read long ago is evicted.
    let (id, params) = peer.called("process/read").await;
    assert_eq!(params["afterSeq"], 3);
    peer.answer(id, read(&[], 4, false, false)).await;
    let (id, params) = peer.called("process/read").await;
    assert_eq!(params["afterSeq"], 0);
    peer.answer(id, read(&[(3, "c")], 4, false, false)).await;
    let late = late.await.expect("no panic").expect("followed");
    peer.send(exited("p", 4)).await;
    peer.send(closed("p", 5)).await;
    let (handle, events) = (process.handle.clone(), late);
    let late = Process {
        handle,
        events,
        sandbox_type: None,
    };
    assert_eq!(story(process).await, "exit=7 closed");
    assert_eq!(story(late).await, "lost=2 c exit=7 closed");
}

#[tokio::test]
async fn one_that_a_server_contradicts_itself_about_is_terminated_too() {
    let (door, client, mut peer) = door().await;
    let process = start(&client, &mut peer, "p").await;
    peer.send(output("p", 1, "a")).await;
    drop(peer);
    let mut peer = door.accept_again().await;
    let (id, _) = peer.called("process/read").await;
    // Closed, and yet without a number for it.
    peer.answer(id, read(&[], 2, true, true)).await;
    let (id, _) = peer.called("process/terminate").await;
    peer.answer(id, json!({ "running": false })).await;
    let story = story(process).await;
    assert!(story.contains("makes no sense"), "{story}");
}

#[tokio::test]
async fn one_that_the_server_does_not_know_any_more_fails_alone() {
    let (door, client, mut peer) = door().await;
    let gone = start(&client, &mut peer, "gone").await;
    let here = start(&client, &mut peer, "here").await;
    drop(peer);
    let mut peer = door.accept_again().await;
    // Whatever the server means by it: nobody follows that one any more, so it is to be ended.
    for _ in 0..3 {
        let mut message = peer.next().await;
        let id = message["id"].take();
        match (
            message["params"]["processId"].as_str(),
            message["method"].as_str(),
        ) {
            (Some("gone"), Some("process/read")) => {
                let error = json!({ "code": -32600, "message": "unknown process id gone" });
                peer.send(json!({ "id": id, "error": error })).await;
            }
            (Some("gone"), Some("process/terminate")) => {
                peer.answer(id, json!({ "running": false })).await;
            }
            (Some("here"), Some("process/read")) => {
                peer.answer(id, read(&[], 1, false, false)).await;
            }
            _ => panic!("{message}"),
        }
    }
    let story_of_gone = story(gone).await;
    assert!(
        story_of_gone.contains("unknown process id gone"),
        "{story_of_gone}"
    );
    peer.send(exited("here", 1)).await;
    peer.send(closed("here", 2)).await;
    assert_eq!(story(here).await, "exit=7 closed");
}

#[tokio::test]
async fn one_whose_end_had_come_is_not_asked_about() {
    let (door, client, mut peer) = door().await;
    let process = start(&client, &mut peer, "p").await;
    peer.send(exited("p", 1)).await;
    peer.send(closed("p", 2)).await;
    let status = call(&client, "test/all_has_come");
    let (id, _) = peer.called("test/all_has_come").await;
    peer.answer(id, json!({})).await;
    outcome(status).await.expect("answered");
    drop(peer);
    let mut peer = door.accept_again().await;
    let next = call(&client, "test/next");
    let (id, _) = peer.called("test/next").await;
    peer.answer(id, json!({})).await;
    outcome(next).await.expect("answered");
    assert_eq!(story(process).await, "exit=7 closed");
}

#[tokio::test]
async fn a_start_in_flight_is_ended_before_anybody_else_may_call() {
    let (door, client, mut peer) = door().await;
    let starting = tokio::spawn({
        let client = client.clone();
        async move { client.start(&params("p")).await }
    });
    peer.called("process/start").await;
    peer.send(output("p", 1, "nobody knows me")).await;
    drop(peer);
    let error = soon(starting)
        .await
        .expect("no panic")
        .expect_err("unknown");
    assert!(
        matches!(&error, ClientError::Interrupted { what, .. } if what == "process/start"),
        "{error}"
    );
    // Also when the first new link is lost over it.
    let mut peer = door.accept_again().await;
    peer.called("process/terminate").await;
    drop(peer);
    let waiting = call(&client, "test/new");
    let mut peer = door.accept_again().await;
    let (id, params) = peer.called("process/terminate").await;
    assert_eq!(params["processId"], "p");
    peer.answer(id, json!({ "running": true })).await;
    let (id, _) = peer.called("test/new").await;
    peer.answer(id, json!({})).await;
    outcome(waiting).await.expect("answered");
    let process = start(&client, &mut peer, "p").await;
    peer.send(exited("p", 1)).await;
    peer.send(closed("p", 2)).await;
    assert_eq!(story(process).await, "exit=7 closed");
}

#[tokio::test]
async fn an_interrupted_write_is_repeated_under_its_name() {
    let (door, client, mut peer) = door().await;
    let process = start(&client, &mut peer, "p").await;
    let writing = tokio::spawn(async move { process.handle.write(b"once").await });
    let (_, first) = peer.called("process/write").await;
    drop(peer);
    let mut peer = door.accept_again().await;
    // Its reader went with the task, its events with that.
    let (id, second) = loop {
        let mut message = peer.next().await;
        match message["method"].as_str() {
            Some("process/write") => break (message["id"].take(), message["params"].take()),
            Some("process/read") => {
                peer.answer(message["id"].take(), read(&[], 1, false, false))
                    .await
            }
            _ => panic!("{message}"),
        }
    };
    assert_eq!(first, second);
    assert!(first["writeId"].as_str().is_some_and(|id| !id.is_empty()));
    peer.answer(id, json!({ "status": "accepted" })).await;
    let status = soon(writing).await.expect("no panic").expect("written");
    assert_eq!(status, WriteStatus::Accepted);
}

#[tokio::test]
async fn what_a_slow_reader_missed_before_the_loss_is_fetched_or_lost_and_no_reason_to_end_it() {
    let big = "x".repeat(192 * 1024);
    let many = limits::EVENT_BYTES as u64 / (192 * 1024) + 10;
    let (door, client, mut peer) = door().await;
    let mut process = start(&client, &mut peer, "p").await;
    for seq in 1..=many {
        peer.send(output("p", seq, &big)).await;
    }
    let status = call(&client, "test/all_has_come");
    let (id, _) = peer.called("test/all_has_come").await;
    peer.answer(id, json!({})).await;
    outcome(status).await.expect("answered");
    drop(peer);
    let mut peer = door.accept_again().await;
    let (id, params) = peer.called("process/read").await;
    assert_eq!(params["afterSeq"], many, "all of it had come");
    peer.answer(id, read(&[], many + 3, true, true)).await;
    let serving = tokio::spawn(async move {
        let (id, params) = peer.called("process/read").await;
        assert!(params["afterSeq"].as_u64().expect("a number") < many);
        peer.answer(id, read(&[(many, "last")], many + 3, true, true))
            .await;
        peer
    });
    let mut lost = 0;
    let mut outputs = 0;
    loop {
        match soon(process.events.next()).await.expect("an event") {
            Event::Output { .. } => outputs += 1,
            Event::Lost { count } => lost += count,
            Event::Exited { exit_code: 7, .. } => {}
            Event::Closed => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(lost > 0);
    assert_eq!(outputs + lost, many, "each number is accounted for");
    soon(serving).await.expect("served");
}

#[tokio::test]
async fn a_late_reader_gets_everything_from_the_first_event_on() {
    let (door, client, mut peer) = door().await;
    let process = start(&client, &mut peer, "p").await;
    peer.send(output("p", 1, "a")).await;
    let handle = process.handle.clone();
    let (second, ()) = tokio::join!(soon(handle.events()), async {
        let (id, params) = peer.called("process/read").await;
        assert_eq!(params["afterSeq"], 0);
        // Pushed while the answer is on its way.
        peer.send(output("p", 2, "b")).await;
        peer.answer(id, read(&[(1, "a")], 2, false, false)).await;
    });
    let mut second = second.expect("followed");
    let event = soon(second.next()).await;
    assert!(matches!(event, Some(Event::Output { data, .. }) if data == b"a"));
    // Both readers survive the loss of the link.
    drop(peer);
    let mut peer = door.accept_again().await;
    for _ in 0..2 {
        let (id, params) = peer.called("process/read").await;
        let chunks: &[(u64, &str)] = match params["afterSeq"].as_u64() {
            Some(1) => &[(2, "b"), (3, "c")],
            _ => &[(3, "c")],
        };
        peer.answer(id, read(chunks, 4, false, false)).await;
    }
    peer.send(exited("p", 4)).await;
    peer.send(closed("p", 5)).await;
    assert_eq!(story(process).await, "a b c exit=7 closed");
    let mut rest = Vec::new();
    while let Some(event) = soon(second.next()).await {
        rest.push(event);
    }
    assert_eq!(rest.len(), 4, "{rest:?}");
}

#[tokio::test]
async fn a_process_of_another_run_is_attached_to_and_what_was_evicted_is_lost() {
    let (_door, client, mut peer) = door_with(ConnectOptions {
        resume_session_id: Some("s-1".into()),
        ..ConnectOptions::default()
    })
    .await;
    let id = ProcessId::from("old");
    let (process, ()) = tokio::join!(soon(client.attach(&id)), async {
        let (call, params) = peer.called("process/read").await;
        assert_eq!(
            (&params["processId"], &params["afterSeq"]),
            (&json!("old"), &json!(0))
        );
        peer.answer(call, read(&[(8, "h")], 9, false, false)).await;
    });
    let process = process.expect("attached");
    peer.send(output("old", 9, "i")).await;
    peer.send(exited("old", 10)).await;
    peer.send(closed("old", 11)).await;
    assert_eq!(story(process).await, "lost=7 h i exit=7 closed");
    // One that is not there is an error of its own, and its key stays free.
    let nobody = ProcessId::from("nobody");
    let (missing, ()) = tokio::join!(soon(client.attach(&nobody)), async {
        let (call, _) = peer.called("process/read").await;
        let error = json!({ "code": -32600, "message": "unknown process id nobody" });
        peer.send(json!({ "id": call, "error": error })).await;
    });
    assert_eq!(missing.expect_err("unknown").code(), Some(-32600));
    start(&client, &mut peer, "nobody").await;
}

#[tokio::test]
async fn a_late_reader_of_what_has_ended_sees_its_end_also_at_servers_of_may_2026() {
    let (_door, client, mut peer) = door().await;
    let id = ProcessId::from("done");
    let (process, ()) = tokio::join!(soon(client.attach(&id)), async {
        let (call, _) = peer.called("process/read").await;
        peer.answer(call, read(&[(1, "a")], 2, true, true)).await;
    });
    let serving = tokio::spawn(async move {
        let (call, params) = peer.called("process/read").await;
        assert_eq!(params["afterSeq"], 1);
        peer.answer(call, read(&[], 4, true, true)).await;
        peer
    });
    assert_eq!(story(process.expect("attached")).await, "a exit=7 closed");
    soon(serving).await.expect("served");
}

#[tokio::test]
async fn a_slow_reader_that_the_connection_waits_for_does_not_hold_up_recovery_and_loses_nothing() {
    let (door, client, mut peer) = door_with(ConnectOptions {
        wait_for_readers: true,
        ..ConnectOptions::default()
    })
    .await;
    let process = start(&client, &mut peer, "p").await;
    let big = "x".repeat(192 * 1024);
    let fit = limits::EVENT_BYTES as u64 / (192 * 1024);
    for seq in 1..=fit {
        peer.send(output("p", seq, &big)).await;
    }
    let next = call(&client, "test/all_has_come");
    let (id, _) = peer.called("test/all_has_come").await;
    peer.answer(id, json!({})).await;
    outcome(next).await.expect("answered");
    drop(peer);
    let mut peer = door.accept_again().await;
    let (id, params) = peer.called("process/read").await;
    assert_eq!(params["afterSeq"], fit);
    // Beyond what is kept for a reader that is behind, and nobody reads. The server keeps none of it.
    let pushed = fit + 10;
    for seq in fit + 1..=pushed {
        peer.send(output("p", seq, &big)).await;
    }
    peer.answer(id, read(&[], pushed + 1, false, false)).await;
    let next = call(&client, "test/next");
    let (id, _) = peer.called("test/next").await;
    peer.answer(id, json!({})).await;
    outcome(next).await.expect("answered");
    peer.send(exited("p", pushed + 1)).await;
    peer.send(closed("p", pushed + 2)).await;
    let story = story(process).await;
    let outputs = vec![big; pushed as usize].join(" ");
    assert!(
        story == format!("{outputs} exit=7 closed"),
        "something is lost"
    );
}
