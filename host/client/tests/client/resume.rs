//! A lost link and what comes after it, against a scripted server: what callers, readers and watchers see, and when it is over.

use std::time::Duration;

use crate::support::{Door, Peer, soon};
use lockgate_client::{Client, ClientError, ConnectOptions, ConnectionState, Event, Process};
use lockgate_wire::process::StartParams;
use serde_json::{Value, json};

async fn door() -> (Door, Client, Peer) {
    let door = Door::open().await;
    let (client, peer) = door.client(ConnectOptions::default()).await;
    (door, client, peer)
}

async fn until(client: &Client, what: impl FnMut(&ConnectionState) -> bool) -> ConnectionState {
    let mut states = client.states();
    let state = soon(states.wait_for(what)).await;
    state.expect("the client is there").clone()
}

fn call(
    client: &Client,
    method: &'static str,
) -> tokio::task::JoinHandle<Result<Value, ClientError>> {
    let client = client.clone();
    tokio::spawn(async move { client.call(method, &json!({})).await })
}

#[tokio::test]
async fn calls_in_flight_say_that_nobody_knows_and_new_ones_wait_for_the_session() {
    let (door, client, mut peer) = door().await;
    let in_flight = call(&client, "fs/remove");
    peer.called("fs/remove").await;
    drop(peer);
    let error = soon(in_flight)
        .await
        .expect("no panic")
        .expect_err("unknown");
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
    assert_eq!(soon(waiting).await.expect("no panic").expect("answered"), 1);
    assert!(matches!(
        client.state(),
        ConnectionState::Connected { resumed: 1 }
    ));
    assert_eq!(client.session_id(), "s-1");
}
