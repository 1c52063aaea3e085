//! What does not survive its link, and says so: bodies of HTTP responses and watches.

use super::{call, door, outcome, until_away};
use lockgate_client::{ClientError, HttpRequest};
use serde_json::json;

use crate::support::soon;

#[tokio::test]
async fn a_body_fails_with_its_link_after_what_had_come() {
    let (door, client, mut peer) = door().await;
    let request = HttpRequest {
        method: "GET".to_owned(),
        url: "http://a/".to_owned(),
        ..HttpRequest::default()
    };
    let (response, name) = tokio::join!(soon(client.http_stream(&request)), async {
        let (id, params) = peer.called("http/request").await;
        peer.answer(id, json!({"status": 200, "headers": [], "bodyBase64": ""}))
            .await;
        params["requestId"].as_str().expect("a name").to_owned()
    });
    let mut body = response.expect("answered").body;
    let piece =
        json!({"requestId": name, "seq": 1, "deltaBase64": "aGk=", "done": false, "error": null});
    peer.send(json!({"method": "http/request/bodyDelta", "params": piece}))
        .await;
    assert_eq!(
        soon(body.next()).await.expect("a piece").expect("sound"),
        b"hi"
    );
    drop(peer);
    let error = soon(body.next()).await.expect("an end").expect_err("cut");
    assert!(
        matches!(&error, ClientError::Body(why) if why.contains("connection was lost")),
        "{error}"
    );
    assert!(soon(body.next()).await.is_none());
    // What an old body may still send on the new link goes nowhere.
    let mut peer = door.accept_again().await;
    let stray =
        json!({"requestId": name, "seq": 2, "deltaBase64": "aGk=", "done": true, "error": null});
    peer.send(json!({"method": "http/request/bodyDelta", "params": stray}))
        .await;
    let (response, ()) = tokio::join!(soon(client.http_stream(&request)), async {
        let (id, params) = peer.called("http/request").await;
        assert_ne!(
            params["requestId"],
            name.as_str(),
            "names are not used again"
        );
        peer.answer(id, json!({"status": 200, "headers": [], "bodyBase64": ""}))
            .await;
    });
    response.expect("answered");
}

#[tokio::test]
async fn a_watch_ends_with_its_link_and_its_name_is_free() {
    let (door, client, mut peer) = door().await;
    let params = json!({ "watchId": "w", "path": "/", "recursive": false });
    let params = serde_json::from_value(params).expect("params");
    let (watch, ()) = tokio::join!(soon(client.watch(&params)), async {
        let (id, _) = peer.called("lockgate/fs/watch").await;
        peer.answer(id, json!({})).await;
    });
    let mut watch = watch.expect("watched");
    drop(peer);
    until_away(&client).await;
    assert!(soon(watch.next()).await.is_none());
    let mut peer = door.accept_again().await;
    let (again, ()) = tokio::join!(soon(client.watch(&params)), async {
        let (id, _) = peer.called("lockgate/fs/watch").await;
        peer.answer(id, json!({})).await;
    });
    let mut again = again.expect("watched");
    // The old one does not take the new one's name along.
    drop(watch);
    let changes = json!([{"path": "/a", "kind": "created"}]);
    peer.send(
        json!({"method": "lockgate/fs/changed", "params": {"watchId": "w", "changes": changes}}),
    )
    .await;
    assert_eq!(soon(again.next()).await.expect("told").changes.len(), 1);
}

#[tokio::test]
async fn the_end_of_a_lost_watch_is_not_that_of_its_successor() {
    let (door, client, mut peer) = door().await;
    let params = json!({ "watchId": "w", "path": "/", "recursive": false });
    let params = serde_json::from_value(params).expect("params");
    let (lost, ()) = tokio::join!(soon(client.watch(&params)), async {
        let (id, _) = peer.called("lockgate/fs/watch").await;
        peer.answer(id, json!({})).await;
    });
    drop(peer);
    let mut peer = door.accept_again().await;
    let (watch, ()) = tokio::join!(soon(client.watch(&params)), async {
        let (id, _) = peer.called("lockgate/fs/watch").await;
        peer.answer(id, json!({})).await;
    });
    soon(lost.expect("watched").end()).await.expect("over");
    // The server was told nothing until now.
    let (ended, ()) = tokio::join!(soon(watch.expect("watched").end()), async {
        let (id, _) = peer.called("lockgate/fs/unwatch").await;
        peer.answer(id, json!({})).await;
    });
    ended.expect("ended");
    let next = call(&client, "test/next");
    let (id, _) = peer.called("test/next").await;
    peer.answer(id, json!({})).await;
    outcome(next).await.expect("answered");
}
