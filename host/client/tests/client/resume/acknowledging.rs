//! A process that waits for what its readers acknowledge: that is what all of them have read, and not what has come.

use super::{closed, next_is_ours, output, params, read, story, until_away};
use lockgate_client::{Client, ConnectOptions, ConnectionState, Event, Process, limits};
use serde_json::json;

use crate::support::{Door, Peer, soon};

const ACKNOWLEDGE: &str = "lockgate/process/acknowledge";

/// A server that waits so, and such a process.
async fn waiting() -> (Door, Client, Peer, Process) {
    let door = Door::open().await;
    let (client, mut peer) = door
        .client_with(ConnectOptions::default(), &[ACKNOWLEDGE])
        .await;
    let mut params = params("p");
    params.wait_for_reader = true;
    let (process, ()) = tokio::join!(soon(client.start(&params)), async {
        let (call, params) = peer.called("process/start").await;
        assert_eq!(params["readerAcknowledges"], true);
        peer.answer(call, json!({ "processId": "p" })).await;
    });
    (door, client, peer, process.expect("started"))
}

/// The next event, which is output.
async fn text(process: &mut Process) -> String {
    match soon(process.events.next()).await.expect("an event") {
        Event::Output { data, .. } => String::from_utf8(data).expect("text"),
        other => panic!("{other:?}"),
    }
}

/// One more reader.
async fn late(process: &Process, peer: &mut Peer, chunks: &[(u64, &str)]) -> Process {
    let client = process.handle.client().clone();
    let next = chunks.last().map_or(1, |(seq, _)| seq + 1);
    let (late, ()) = tokio::join!(soon(client.attach(process.handle.id())), async {
        let (id, params) = peer.called("process/read").await;
        assert_eq!(params["afterSeq"], 0);
        peer.answer(id, read(chunks, next, false, false)).await;
    });
    late.expect("attached")
}

#[tokio::test]
async fn over_a_lost_link_only_what_was_read_is_acknowledged_however_much_had_come() {
    let (door, _client, mut peer, mut process) = waiting().await;
    for (seq, chunk) in [(1, "a"), (2, "b"), (3, "c")] {
        peer.send(output("p", seq, chunk)).await;
    }
    assert_eq!(text(&mut process).await, "a");
    drop(peer);
    let mut peer = door.accept_again().await;
    let (id, params) = peer.called("process/read").await;
    assert_eq!(
        params["afterSeq"], 1,
        "b and c are here, and nobody has them"
    );
    let chunks = [(2, "b"), (3, "c"), (4, "d")];
    peer.answer(id, read(&chunks, 5, false, false)).await;
    peer.send(closed("p", 5)).await;
    assert_eq!(story(process).await, "b c d closed");
}

#[tokio::test]
async fn the_slowest_reader_is_waited_for_also_over_a_lost_link() {
    let (door, _client, mut peer, mut process) = waiting().await;
    let big = "x".repeat(usize::try_from(limits::ACKNOWLEDGE_BYTES).expect("fits"));
    peer.send(output("p", 1, &big)).await;
    let mut slow = late(&process, &mut peer, &[(1, &big)]).await;
    peer.send(output("p", 2, &big)).await;
    // Enough for an acknowledgement, were there only this one.
    text(&mut process).await;
    text(&mut process).await;
    drop(peer);
    let mut peer = door.accept_again().await;
    for _ in 0..2 {
        let (id, params) = peer.called("process/read").await;
        assert_eq!(params["afterSeq"], 0, "one has read nothing yet");
        let chunks = [(1, &*big), (2, &*big)];
        peer.answer(id, read(&chunks, 3, false, false)).await;
    }
    text(&mut slow).await;
    let (id, params) = peer.called(ACKNOWLEDGE).await;
    assert_eq!(params["seq"], 1);
    peer.answer(id, json!({})).await;
    // Nobody waits for one that has left.
    drop(slow);
    let (id, params) = peer.called(ACKNOWLEDGE).await;
    assert_eq!(params["seq"], 2);
    peer.answer(id, json!({})).await;
    drop(process);
    let (id, params) = peer.called(ACKNOWLEDGE).await;
    assert_eq!(params["seq"], json!(null), "nobody reads any more");
    peer.answer(id, json!({})).await;
}

#[tokio::test]
async fn that_nobody_reads_any_more_is_said_on_the_next_link_too_until_it_is_answered() {
    let (door, client, mut peer, process) = waiting().await;
    drop(process.events);
    let (_, params) = peer.called(ACKNOWLEDGE).await;
    assert_eq!(params["seq"], json!(null));
    // Without an answer.
    drop(peer);
    let mut peer = door.accept_again().await;
    looked_after(&mut peer).await;
    let (id, params) = peer.called(ACKNOWLEDGE).await;
    assert_eq!(params["seq"], json!(null));
    peer.answer(id, json!({})).await;
    drop(peer);
    // And no longer.
    let mut peer = door.accept_again().await;
    looked_after(&mut peer).await;
    next_is_ours(&client, &mut peer).await;
}

/// That it goes on is asked for, with nothing that would count as read.
async fn looked_after(peer: &mut Peer) {
    let (id, asked) = soon(peer.called("process/read")).await;
    assert_eq!(asked["afterSeq"], json!(null));
    peer.answer(id, read(&[], 1, false, false)).await;
}

#[tokio::test]
async fn one_that_is_read_again_before_that_was_said_is_not_let_go() {
    let (door, client, peer, process) = waiting().await;
    drop(peer);
    until_away(&client).await;
    drop(process.events);
    let attaching = {
        let (client, id) = (client.clone(), process.handle.id().clone());
        tokio::spawn(async move { client.attach(&id).await })
    };
    // It waits for the link, and is known as a reader.
    tokio::task::yield_now().await;
    let mut peer = door.accept_again().await;
    let (id, _) = peer.called("process/read").await;
    peer.answer(id, read(&[(1, "a")], 2, false, false)).await;
    let attached = soon(attaching).await.expect("no panic").expect("attached");
    peer.send(closed("p", 2)).await;
    assert_eq!(story(attached).await, "a closed");
    next_is_ours(&client, &mut peer).await;
}

#[tokio::test]
async fn a_word_that_waits_for_a_link_does_not_keep_the_connection() {
    let (door, client, peer, process) = waiting().await;
    drop((peer, door));
    until_away(&client).await;
    let mut states = client.states();
    drop((process, client));
    let ended = states.wait_for(|state| matches!(state, ConnectionState::Ended(_)));
    // Told, or gone with all who could tell.
    let _ = soon(ended).await;
}
