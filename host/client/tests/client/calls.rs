//! Calls over a real websocket against a scripted server: answers, refusals, and every way a connection can end.

use std::time::Duration;

use crate::support::{Door, Peer, connect, connected, one_link, serve, soon};
use lockgate_client::{Awaited, Client, ClientError, ConnectOptions, ConnectionState};
use lockgate_wire::limits::MESSAGE_BYTES;
use serde_json::{Value, json};

fn pending() -> std::future::Pending<()> {
    std::future::pending()
}

#[tokio::test]
async fn the_handshake_says_who_we_are_and_keeps_what_the_server_says() {
    let url = serve(async |mut peer: Peer| {
        let (id, params) = peer.called("initialize").await;
        assert_eq!(
            (id.clone(), params),
            (
                json!(1),
                json!({ "clientName": "lockgate", "resumeSessionId": null })
            )
        );
        peer.answer(id, json!({ "sessionId": "s-9" })).await;
        peer.called("initialized").await;
        let (id, _) = peer.called("environment/info").await;
        let error = json!({ "code": -32601, "message": "no such method" });
        peer.send(json!({ "id": id, "error": error })).await;
        pending().await;
    })
    .await;
    let client = soon(connect(&url)).await.expect("connects");
    assert_eq!(client.session_id(), "s-9");
    assert!(client.environment().is_none());
    let path = client.path(lockgate_grant::AbsPath::parse("/a b").expect("a path"));
    assert_eq!(
        path.to_string(),
        "/a b",
        "a server that says nothing about itself is an old one"
    );
}

#[tokio::test]
async fn a_server_that_says_what_it_is_only_when_it_is_asked_is_asked() {
    let url = serve(async |mut peer: Peer| {
        let (id, _) = peer.called("initialize").await;
        peer.answer(id, json!({ "sessionId": "s-9" })).await;
        peer.called("initialized").await;
        let (id, _) = peer.called("environment/info").await;
        let info = json!({ "shell": { "name": "zsh", "path": "/bin/zsh" } });
        peer.answer(id, info).await;
        pending().await;
    })
    .await;
    let client = soon(connect(&url)).await.expect("connects");
    let environment = client.environment().expect("told");
    assert_eq!(environment.shell.path, "/bin/zsh");
    let path = client.path(lockgate_grant::AbsPath::parse("/a b").expect("a path"));
    assert_eq!(path.to_string(), "file:///a%20b");
}

#[tokio::test]
async fn a_resume_that_yields_another_session_is_refused() {
    let url = serve(async |mut peer: Peer| peer.handshake().await).await;
    let options = ConnectOptions {
        resume_session_id: Some("other".into()),
        ..one_link()
    };
    let error = soon(Client::connect_ws(&url, options))
        .await
        .expect_err("refused");
    assert!(matches!(error, ClientError::Protocol(_)), "{error}");
}

#[tokio::test]
async fn answers_find_their_calls_in_any_order() {
    let client = connected(async |mut peer: Peer| {
        let mut calls = Vec::new();
        for _ in 0..200 {
            calls.push(peer.called("test/echo").await);
        }
        for (id, params) in calls.into_iter().rev() {
            peer.answer(id, params).await;
        }
        pending().await;
    })
    .await;
    let calls = (0..200).map(|n| {
        let client = client.clone();
        tokio::spawn(async move {
            let answer: Value = client
                .call("test/echo", &json!({ "n": n }))
                .await
                .expect("answered");
            assert_eq!(answer, json!({ "n": n }));
        })
    });
    for call in calls.collect::<Vec<_>>() {
        soon(call).await.expect("equal");
    }
}

#[tokio::test]
async fn a_refusal_keeps_its_code_and_text() {
    let client = connected(async |mut peer: Peer| {
        let (id, _) = peer.called("fs/nothing").await;
        peer.send(json!({ "error": { "code": -32601, "message": "no such method", "data": [1] }, "id": id })).await;
        pending().await;
    })
    .await;
    let error = soon(client.call::<_, Value>("fs/nothing", &json!({})))
        .await
        .expect_err("refused");
    assert_eq!(error.code(), Some(-32601));
    assert_eq!(error.to_string(), "no such method (code -32601)");
}

#[tokio::test]
async fn a_server_that_leaves_fails_calls_in_flight_and_later_ones() {
    let client = connected(async |mut peer: Peer| {
        peer.next().await;
    })
    .await;
    let error = soon(client.call::<_, Value>("test/any", &json!({})))
        .await
        .expect_err("lost");
    assert!(matches!(error, ClientError::Interrupted { .. }), "{error}");
    let error = soon(client.status()).await.expect_err("closed");
    assert!(matches!(error, ClientError::Closed(_)), "{error}");
}

#[tokio::test]
async fn messages_that_make_no_sense_end_the_connection() {
    for nonsense in [
        "{",
        r#"{"id":1}"#,
        r#"{"id":77,"result":{}}"#,
        r#"{"id":"x","result":{}}"#,
        r#"{"error":{"code":-32600,"message":"failed to parse"},"id":-1}"#,
        r#"{"method":"process/output","params":{"processId":"p","seq":1,"stream":"stdout","chunk":"?"}}"#,
        r#"{"method":"process/closed"}"#,
        r#"{"method":"process/closed","params":{"processId":"p","seq":18446744073709551615}}"#,
    ] {
        let client = connected(async move |mut peer: Peer| {
            peer.text(nonsense).await;
            peer.left().await;
        })
        .await;
        let error = soon(client.status()).await.expect_err(nonsense);
        assert!(
            matches!(error, ClientError::Protocol(_)),
            "{nonsense}: {error}"
        );
    }
}

#[tokio::test]
async fn a_result_of_the_wrong_shape_fails_only_its_call() {
    let client = connected(async |mut peer: Peer| {
        let (id, _) = peer.called("environment/status").await;
        peer.answer(id, json!({ "status": "asleep" })).await;
        let (id, _) = peer.called("environment/status").await;
        peer.answer(id, json!({ "status": "ready" })).await;
        pending().await;
    })
    .await;
    assert!(matches!(
        soon(client.status()).await,
        Err(ClientError::Protocol(_))
    ));
    soon(client.status()).await.expect("the connection lives");
}

#[tokio::test]
async fn unknown_notifications_and_requests_of_the_server_do_no_harm() {
    let (told, refused) = tokio::sync::oneshot::channel();
    let client = connected(async |mut peer: Peer| {
        let nobody = json!({ "processId": "nobody", "seq": 1, "exitCode": 0 });
        for message in [
            json!({ "method": "fs/missingChanged", "params": { "watchId": 1 } }),
            json!({ "method": "process/exited", "params": nobody }),
            json!({ "id": "n-1", "method": "network/policyRequest", "params": {} }),
        ] {
            peer.send(message).await;
        }
        told.send(peer.next().await).expect("the test waits");
        let (id, _) = peer.called("environment/status").await;
        peer.answer(id, json!({ "status": "ready" })).await;
        pending().await;
    })
    .await;
    let answer = soon(refused).await.expect("told");
    assert_eq!(
        (&answer["id"], &answer["error"]["code"]),
        (&json!("n-1"), &json!(-32601))
    );
    soon(client.status()).await.expect("the connection lives");
}

#[tokio::test]
async fn a_server_that_uses_the_id_of_an_open_question_again_breaks_the_protocol() {
    use lockgate_client::Approver;
    let url = serve(async |mut peer: Peer| {
        peer.handshake().await;
        for name in ["one", "two"] {
            let params = json!({
                "approvalId": name, "policy": "p", "rule": null, "prompt": "?", "action": {}, "expiresInMs": 60_000,
            });
            peer.send(json!({ "id": 1, "method": "lockgate/approval/request", "params": params })).await;
        }
        peer.left().await;
    })
    .await;
    let options = ConnectOptions {
        approver: Some(Approver::new(|_| std::future::pending())),
        ..ConnectOptions::default()
    };
    let client = soon(Client::connect_ws(&url, options))
        .await
        .expect("connects");
    let mut states = client.states();
    let ended = |state: &ConnectionState| matches!(state, ConnectionState::Ended(_));
    soon(states.wait_for(ended)).await.expect("told");
    let error = soon(client.status()).await.expect_err("ended");
    assert!(matches!(error, ClientError::Protocol(_)), "{error}");
}

#[tokio::test]
async fn a_call_that_was_given_up_is_forgotten() {
    let client = connected(async |mut peer: Peer| {
        let (first, _) = peer.called("test/slow").await;
        let (second, _) = peer.called("environment/status").await;
        peer.answer(first, json!({})).await;
        peer.answer(second, json!({ "status": "ready" })).await;
        pending().await;
    })
    .await;
    let params = json!({});
    let slow = client.call::<_, Value>("test/slow", &params);
    assert!(
        tokio::time::timeout(Duration::from_millis(50), slow)
            .await
            .is_err()
    );
    soon(client.status())
        .await
        .expect("the late answer is ignored");
}

#[tokio::test]
async fn silence_is_a_timeout_that_says_of_what() {
    let url = serve(async |_peer: Peer| pending().await).await;
    let options = ConnectOptions {
        initialize_timeout: Duration::from_millis(50),
        ..one_link()
    };
    let error = soon(Client::connect_ws(&url, options))
        .await
        .expect_err("silence");
    assert!(
        matches!(&error, ClientError::Timeout { of: Awaited::Handshake { method }, .. } if method == "initialize"),
        "{error}"
    );

    // A socket that accepts and says nothing.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let url = format!("ws://{}", listener.local_addr().expect("bound"));
    let options = ConnectOptions {
        connect_timeout: Duration::from_millis(50),
        ..one_link()
    };
    let error = soon(Client::connect_ws(&url, options))
        .await
        .expect_err("silence");
    assert!(
        matches!(&error, ClientError::Timeout { of: Awaited::Connection { to }, .. } if to.contains(&url)),
        "{error}"
    );
}

#[tokio::test]
async fn a_message_that_is_too_large_is_not_sent() {
    let client = connected(async |mut peer: Peer| {
        let (id, _) = peer.called("environment/status").await;
        peer.answer(id, json!({ "status": "ready" })).await;
        pending().await;
    })
    .await;
    let error = client
        .call::<_, Value>("test/big", &"x".repeat(MESSAGE_BYTES))
        .await
        .expect_err("too large");
    assert!(matches!(error, ClientError::Unsendable { .. }), "{error}");
    soon(client.status()).await.expect("the connection lives");
}

#[tokio::test]
async fn dropping_the_last_clone_says_goodbye() {
    let (told, left) = tokio::sync::oneshot::channel();
    let client = connected(async |mut peer: Peer| {
        peer.left().await;
        told.send(()).expect("the test waits");
    })
    .await;
    let clone = client.clone();
    drop(client);
    drop(clone);
    soon(left).await.expect("told");
}

#[tokio::test]
async fn changes_go_to_their_watch_and_what_has_no_room_is_a_mark() {
    use lockgate_wire::lockgate::watch::{ChangeKind, WatchParams};
    use lockgate_wire::{Method, WirePath};
    let client = connected(async move |mut peer| {
        let (id, params) = peer.called("lockgate/fs/watch").await;
        assert_eq!((&params["watchId"], &params["recursive"]), (&json!("w"), &json!(true)));
        let changed = |watch: &str, number: usize| {
            let changes = json!([{"path": format!("/p/{number}"), "kind": "created"}]);
            json!({"method": "lockgate/fs/changed", "params": {"watchId": watch, "changes": changes}})
        };
        peer.send(changed("unknown", 0)).await;
        // Before the answer: the server may be faster with these.
        peer.send(changed("w", 1)).await;
        peer.answer(id, json!({})).await;
        for number in 2..100 {
            peer.send(changed("w", number)).await;
        }
        let (id, _) = peer.called("environment/status").await;
        peer.answer(id, json!({"status": "ready"})).await;
        let (id, params) = peer.called("lockgate/fs/unwatch").await;
        assert_eq!(params, json!({"watchId": "w"}));
        peer.answer(id, json!({})).await;
        peer.left().await;
    })
    .await;
    let params = WatchParams {
        watch_id: "w".into(),
        path: WirePath::parse("/p").expect("a path"),
        recursive: true,
        sandbox: None,
    };
    let mut watch = soon(client.watch(&params)).await.expect("watched");
    let second = soon(client.watch(&params))
        .await
        .expect_err("the name is in use");
    assert!(second.to_string().contains("already"), "{second}");
    // Everything has come by then.
    soon(client.status()).await.expect("ready");
    let first = soon(watch.next()).await.expect("told");
    assert!(first.overflowed);
    assert_eq!(first.changes[0].kind, ChangeKind::Created);
    let second = soon(watch.next()).await.expect("told");
    assert!(!second.overflowed);
    assert!(!client.has(Method::LockgateFsWatch));
    soon(watch.end()).await.expect("ended");
    client.close().await;
}

#[tokio::test]
async fn an_approver_that_panics_has_not_agreed_and_harms_nothing_else() {
    use lockgate_client::Approver;
    let (url, served) = {
        let (tell, served) = tokio::sync::oneshot::channel();
        let url = serve(async move |mut peer: Peer| {
            peer.handshake().await;
            let params = json!({
                "approvalId": "a", "policy": "p", "rule": null, "prompt": "?", "action": {}, "expiresInMs": 60_000,
            });
            for question in ["q-1", "q-2"] {
                peer.send(json!({ "id": question, "method": "lockgate/approval/request", "params": params }))
                    .await;
                let answer = peer.next().await;
                assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(question), &json!(-32603)));
            }
            tell.send(()).expect("the test listens");
            let (id, _) = peer.called("test/next").await;
            peer.answer(id, json!({})).await;
            pending().await;
        })
        .await;
        (url, served)
    };
    let options = ConnectOptions {
        approver: Some(Approver::new(|_| -> std::future::Pending<_> {
            panic!("a mistake of the harness")
        })),
        ..one_link()
    };
    let client = soon(Client::connect_ws(&url, options))
        .await
        .expect("connects");
    soon(served).await.expect("served");
    soon(client.call::<_, Value>("test/next", &json!({})))
        .await
        .expect("answered");
}

#[test]
fn calls_end_with_the_runtime_of_their_connection() {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(1).enable_all().build().expect("one")
    };
    let (of_the_connection, of_the_caller) = (runtime(), runtime());
    let (called, is_called) = tokio::sync::oneshot::channel();
    let url = of_the_caller.block_on(serve(async move |mut peer: Peer| {
        peer.handshake().await;
        peer.called("test/any").await;
        called.send(()).expect("the test listens");
        pending().await;
    }));
    let client = of_the_connection
        .block_on(soon(connect(&url)))
        .expect("connects");
    let in_flight = of_the_caller.spawn({
        let client = client.clone();
        async move { client.call::<_, Value>("test/any", &json!({})).await }
    });
    of_the_caller.block_on(soon(is_called)).expect("called");
    of_the_connection.shutdown_background();
    let error = of_the_caller.block_on(soon(in_flight)).expect("no panic");
    assert!(matches!(error, Err(ClientError::Closed(_))), "{error:?}");
    let error = of_the_caller.block_on(soon(client.status()));
    assert!(matches!(error, Err(ClientError::Closed(_))), "{error:?}");
    assert!(client.is_closed());
}

#[tokio::test]
async fn requests_of_the_server_and_what_is_dropped_are_sent_when_the_queue_of_calls_has_room_again()
 {
    let door = Door::open().await;
    let (client, mut peer) = door.client(one_link()).await;
    let starting = tokio::spawn({
        let client = client.clone();
        let params =
            json!({ "processId": "p", "argv": ["a"], "cwd": "/", "env": {}, "tty": false });
        let params = serde_json::from_value(params).expect("params");
        async move { client.start(&params).await.map(drop) }
    });
    peer.called("process/start").await;
    // More than the queue and the sockets hold, while the server does not read.
    let big = json!({ "big": "x".repeat(128 * 1024) });
    let calls: Vec<_> = (0..400)
        .map(|_| {
            let (client, big) = (client.clone(), big.clone());
            tokio::spawn(async move { client.call::<_, Value>("test/big", &big).await })
        })
        .collect();
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    starting.abort();
    peer.send(json!({ "id": "q", "method": "test/of_the_server", "params": {} }))
        .await;
    let (mut refused, mut terminated, mut answered) = (false, false, 0);
    while !(refused && terminated && answered == calls.len()) {
        let mut message = soon(peer.next()).await;
        match message["method"].as_str() {
            None => refused = message["id"] == "q" && message["error"]["code"] == -32601,
            Some("process/terminate") => terminated = message["params"]["processId"] == "p",
            _ => {
                answered += 1;
                peer.answer(message["id"].take(), json!({})).await;
            }
        }
    }
    for call in calls {
        soon(call).await.expect("no panic").expect("answered");
    }
}
