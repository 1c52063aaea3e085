//! HTTP through a scripted executor: names, order, gaps, and readers that fall behind.

use std::time::Duration;

use crate::support::{Peer, connected, one_link, serve, soon};
use lockgate_client::{Client, ClientError, ConnectOptions, HttpBody, HttpRequest, limits};
use lockgate_wire::http::{Header, RedirectPolicy};
use serde_json::{Value, json};

fn get() -> HttpRequest {
    HttpRequest {
        method: "GET".to_owned(),
        url: "http://a/".to_owned(),
        ..HttpRequest::default()
    }
}

fn delta(name: &str, seq: u64, text: &str) -> Value {
    let data = base64(text);
    json!({"method": "http/request/bodyDelta", "params": {"requestId": name, "seq": seq, "deltaBase64": data, "done": false, "error": null}})
}

fn last(name: &str, seq: u64, error: Option<&str>) -> Value {
    let mut last = delta(name, seq, "");
    last["params"]["done"] = json!(true);
    last["params"]["error"] = json!(error);
    last
}

fn base64(text: &str) -> Value {
    serde_json::to_value(lockgate_wire::Base64(text.into())).expect("encodes")
}

async fn begun(peer: &mut Peer) -> String {
    let (id, params) = peer.called("http/request").await;
    assert_eq!(params["streamResponse"], true);
    peer.answer(id, json!({"status": 200, "headers": [], "bodyBase64": ""}))
        .await;
    params["requestId"].as_str().expect("a name").to_owned()
}

/// Sends more of a body, in pieces of a MiB, than is kept for a reader that is behind; and answers a question after it.
async fn more_than_is_kept(mut peer: Peer) {
    let name = begun(&mut peer).await;
    let piece = "x".repeat(1 << 20);
    for seq in 1..=20 {
        peer.send(delta(&name, seq, &piece)).await;
    }
    let (id, _) = peer.called("environment/status").await;
    peer.answer(id, json!({"status": "ready"})).await;
    std::future::pending().await
}

async fn texts(body: &mut HttpBody) -> (Vec<String>, Option<ClientError>) {
    let mut all = Vec::new();
    while let Some(piece) = soon(body.next()).await {
        match piece {
            Ok(data) => all.push(String::from_utf8(data).expect("text")),
            Err(error) => {
                assert!(
                    soon(body.next()).await.is_none(),
                    "an error is the last thing"
                );
                return (all, Some(error));
            }
        }
    }
    (all, None)
}

#[tokio::test]
async fn an_answer_in_one_piece_is_asked_for_as_one_and_each_request_has_a_name() {
    let client = connected(async |mut peer: Peer| {
        let (id, params) = peer.called("http/request").await;
        assert_eq!(
            params,
            json!({
                "method": "POST", "url": "http://a/", "headers": [{"name": "x", "value": "1"}, {"name": "x", "value": "2"}],
                "bodyBase64": "aGk=", "timeoutMs": 1500, "requestId": "http-1", "streamResponse": false, "redirectPolicy": "stop",
            })
        );
        peer.answer(id, json!({"status": 404, "headers": [{"name": "y", "value": "3"}], "bodyBase64": "bm8="})).await;
        let (id, params) = peer.called("http/request").await;
        assert_eq!((&params["requestId"], &params["bodyBase64"], &params["timeoutMs"]), (&json!("http-2"), &Value::Null, &Value::Null));
        let error = json!({"code": -32600, "message": "refused"});
        peer.send(json!({"id": id, "error": error})).await;
        std::future::pending().await
    })
    .await;
    let request = HttpRequest {
        method: "POST".to_owned(),
        headers: vec![Header::new("x", "1"), Header::new("x", "2")],
        body: Some(b"hi".to_vec()),
        // Not less than what was said: a fraction counts as a whole one.
        timeout: Some(Duration::from_micros(1_499_001)),
        redirects: RedirectPolicy::Stop,
        ..get()
    };
    let result = soon(client.http(&request)).await.expect("answered");
    assert_eq!(
        (result.status, result.headers, result.body_base64.0),
        (404, vec![Header::new("y", "3")], b"no".to_vec())
    );
    let error = soon(client.http(&get())).await.expect_err("refused");
    assert_eq!(error.code(), Some(-32600));
}

#[tokio::test]
async fn bodies_side_by_side_come_in_order_and_end() {
    let client = connected(async |mut peer: Peer| {
        let (one, two) = (begun(&mut peer).await, begun(&mut peer).await);
        assert_eq!((one.as_str(), two.as_str()), ("http-1", "http-2"));
        for message in [
            delta(&one, 1, "a"),
            delta("http-7", 9, "nobody's"),
            delta(&two, 1, "x"),
            delta(&one, 2, "b"),
            last(&one, 3, None),
            last(&two, 2, Some("it broke")),
            delta(&one, 4, "after the end"),
        ] {
            peer.send(message).await;
        }
        std::future::pending().await
    })
    .await;
    let mut one = soon(client.http_stream(&get())).await.expect("answered");
    let mut two = soon(client.http_stream(&get())).await.expect("answered");
    let (pieces, error) = texts(&mut one.body).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(
        (one.status, pieces),
        (200, vec!["a".to_owned(), "b".to_owned()])
    );
    let (pieces, error) = texts(&mut two.body).await;
    assert_eq!(pieces, ["x"]);
    assert!(matches!(error, Some(ClientError::Body(why)) if why == "it broke"));
}

#[tokio::test]
async fn a_gap_or_a_repeat_fails_the_stream_and_no_other() {
    for wrong in [3, 1, 0] {
        let client = connected(async move |mut peer: Peer| {
            let (bad, good) = (begun(&mut peer).await, begun(&mut peer).await);
            for message in [
                delta(&bad, 1, "a"),
                delta(&bad, wrong, "c"),
                delta(&bad, 2, "b"),
                delta(&good, 1, "fine"),
                last(&good, 2, None),
            ] {
                peer.send(message).await;
            }
            std::future::pending().await
        })
        .await;
        let mut bad = soon(client.http_stream(&get())).await.expect("answered");
        let mut good = soon(client.http_stream(&get())).await.expect("answered");
        let (pieces, error) = texts(&mut bad.body).await;
        assert_eq!(pieces, ["a"]);
        assert!(
            matches!(&error, Some(ClientError::Body(why)) if why.contains("piece 2 was due")),
            "{error:?}"
        );
        assert_eq!(texts(&mut good.body).await.0, ["fine"]);
    }
}

/// Sends more pieces than are kept, then answers a call.
async fn flood(mut peer: Peer) {
    let name = begun(&mut peer).await;
    let most = limits::BODY_PIECES as u64 + 44;
    for seq in 1..=most {
        peer.send(delta(&name, seq, "x")).await;
    }
    peer.send(last(&name, most + 1, None)).await;
    let (id, _) = peer.called("environment/status").await;
    peer.answer(id, json!({"status": "ready"})).await;
    std::future::pending().await
}

#[tokio::test]
async fn a_reader_too_far_behind_loses_its_stream_and_delays_nobody() {
    let client = connected(flood).await;
    let mut answer = soon(client.http_stream(&get())).await.expect("answered");
    soon(client.status()).await.expect("answered");
    let (pieces, error) = texts(&mut answer.body).await;
    assert_eq!(pieces.len(), limits::BODY_PIECES);
    assert!(
        matches!(&error, Some(ClientError::Body(why)) if why.contains("behind")),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_connection_that_waits_for_its_readers_loses_nothing() {
    let url = serve(async |mut peer: Peer| {
        peer.handshake().await;
        flood(peer).await;
    })
    .await;
    let options = ConnectOptions {
        wait_for_readers: true,
        ..one_link()
    };
    let client = soon(Client::connect_ws(&url, options))
        .await
        .expect("connects");
    let answer = soon(client.http_stream(&get())).await.expect("answered");
    let bytes = soon(answer.body.read_to_end(1_000))
        .await
        .expect("all of it");
    assert_eq!(bytes.len(), limits::BODY_PIECES + 44);
    soon(client.status()).await.expect("answered");
}

#[tokio::test]
async fn whoever_drops_a_body_is_not_waited_for_and_the_end_of_the_connection_ends_them_all() {
    let client = connected(async |mut peer: Peer| {
        let dropped = begun(&mut peer).await;
        let cut = begun(&mut peer).await;
        peer.called("environment/status").await;
        peer.send(delta(&dropped, 1, "nobody listens")).await;
        peer.send(delta(&cut, 1, "half")).await;
    })
    .await;
    drop(soon(client.http_stream(&get())).await.expect("answered"));
    let mut cut = soon(client.http_stream(&get())).await.expect("answered");
    soon(client.status())
        .await
        .expect_err("the connection ends");
    let (pieces, error) = texts(&mut cut.body).await;
    assert_eq!(pieces, ["half"]);
    assert!(matches!(error, Some(ClientError::Body(_))), "{error:?}");
    assert!(matches!(
        soon(client.http_stream(&get())).await,
        Err(ClientError::Closed(_))
    ));
}

#[tokio::test]
async fn a_reader_says_how_far_it_is_to_an_executor_that_waits_for_it() {
    let url = serve(async |mut peer: Peer| {
        peer.handshake_with(&["lockgate/http/acknowledge"]).await;
        let (id, params) = peer.called("http/request").await;
        assert_eq!(params["windowBytes"], limits::BODY_WINDOW);
        peer.answer(id, json!({"status": 200, "headers": [], "bodyBase64": ""}))
            .await;
        let name = params["requestId"].as_str().expect("a name");
        let piece = "x".repeat(limits::BODY_ACKNOWLEDGE as usize);
        for seq in 1..=3 {
            peer.send(delta(name, seq, &piece)).await;
            let (id, params) = peer.called("lockgate/http/acknowledge").await;
            let bytes = limits::BODY_ACKNOWLEDGE * seq;
            assert_eq!(params, json!({"requestId": name, "bytes": bytes}));
            peer.answer(id, json!({})).await;
        }
        // Small pieces may be many.
        for seq in 4..=1_003 {
            peer.send(delta(name, seq, "x")).await;
        }
        peer.send(last(name, 1_004, None)).await;
        let (id, _) = peer.called("environment/status").await;
        peer.answer(id, json!({"status": "ready"})).await;
        std::future::pending().await
    })
    .await;
    let client = soon(Client::connect_ws(&url, one_link())).await;
    let client = client.expect("connects");
    let mut body = soon(client.http_stream(&get()))
        .await
        .expect("answered")
        .body;
    for _ in 0..3 {
        let piece = soon(body.next()).await.expect("a piece").expect("there");
        assert_eq!(piece.len() as u64, limits::BODY_ACKNOWLEDGE);
    }
    // What was read is told when the next one is waited for.
    let first = soon(body.next()).await.expect("a piece").expect("there");
    soon(client.status()).await.expect("answered");
    let (pieces, error) = texts(&mut body).await;
    assert_eq!((first.len(), pieces.len()), (1, 999));
    assert!(error.is_none(), "{error:?}");
}

#[tokio::test]
async fn what_a_slow_reader_keeps_is_bounded_by_its_bytes() {
    let client = connected(more_than_is_kept).await;
    let mut answer = soon(client.http_stream(&get())).await.expect("answered");
    soon(client.status()).await.expect("answered");
    let (pieces, error) = texts(&mut answer.body).await;
    assert_eq!((pieces.len() as u64) << 20, limits::BODY_BYTES);
    assert!(
        matches!(&error, Some(ClientError::Body(why)) if why.contains("16777216 bytes behind")),
        "{error:?}"
    );
}

#[tokio::test]
async fn who_waits_for_its_readers_still_refuses_more_than_its_window_from_an_executor_that_is_told()
 {
    let url = serve(async |mut peer: Peer| {
        peer.handshake_with(&["lockgate/http/acknowledge"]).await;
        more_than_is_kept(peer).await
    })
    .await;
    let options = ConnectOptions {
        wait_for_readers: true,
        ..one_link()
    };
    let client = soon(Client::connect_ws(&url, options)).await;
    let client = client.expect("connects");
    let mut answer = soon(client.http_stream(&get())).await.expect("answered");
    // It holds nobody else up.
    soon(client.status()).await.expect("answered");
    let (pieces, error) = texts(&mut answer.body).await;
    assert_eq!((pieces.len() as u64) << 20, limits::BODY_BYTES);
    assert!(
        matches!(&error, Some(ClientError::Body(why)) if why.contains("beyond those that were acknowledged")),
        "{error:?}"
    );
}
