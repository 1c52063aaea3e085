//! Sessions: detach, resume, exactly one attachment (PROTOCOL 3.4, PROTOCOL-LATER 3).

use std::time::{Duration, Instant};

use lockgate_e2e::{DEADLINE, Refusal, Server, Wire, is_running, start_params};
use serde_json::{Value, json};

/// Resumes as soon as the server has seen the old connection go.
async fn resume(server: &Server, session: &str) -> Wire {
    let patience = std::time::Instant::now();
    loop {
        let mut wire = Wire::connect(server).await;
        match wire.handshake(Some(session)).await {
            Ok(id) => {
                assert_eq!(id, session, "the same id is returned");
                return wire;
            }
            Err(refusal) => assert_eq!(refusal.code, -32010, "{}", refusal.message),
        }
        assert!(patience.elapsed() < DEADLINE, "the session stays attached");
        tokio::task::yield_now().await;
    }
}

fn text(read: &Value) -> String {
    let chunks = read["chunks"].as_array().expect("chunks").iter();
    let bytes = chunks.flat_map(|chunk| {
        base64_simd::STANDARD
            .decode_to_vec(chunk["chunk"].as_str().expect("a chunk"))
            .expect("base64")
    });
    String::from_utf8(bytes.collect()).expect("text")
}

#[tokio::test]
async fn an_attached_session_cannot_be_taken() {
    let server = Server::start();
    let (mut wire, session) = Wire::open(&server).await;
    let mut thief = Wire::connect(&server).await;
    let message = format!("session {session} is already attached to another connection");
    assert_eq!(
        thief.handshake(Some(&session)).await,
        Err(Refusal {
            code: -32010,
            message
        })
    );
    wire.call("environment/status", json!({}))
        .await
        .expect("the owner is not disturbed");
    thief
        .handshake(None)
        .await
        .expect("the other may have a session of its own");
}

/// Longer than a client that is asked for its session has to show that it is there (`SIGN_OF_LIFE`).
const LONGER_THAN_A_DOUBT: Duration = Duration::from_secs(7);

#[tokio::test]
async fn a_session_whose_client_gives_no_sign_of_life_can_be_resumed() {
    let server = Server::start();
    // Nobody reads this connection, so nobody answers pings on it; its socket is as open as that of a machine that lost its network.
    let (mut silent, session) = Wire::open(&server).await;
    silent.start(start_params("kept", "sleep 1000")).await;
    let patience = Instant::now();
    let mut wire = loop {
        let mut wire = Wire::connect(&server).await;
        match wire.handshake(Some(&session)).await {
            Ok(id) => {
                assert_eq!(id, session);
                break wire;
            }
            Err(refusal) => assert_eq!(refusal.code, -32010, "{}", refusal.message),
        }
        assert!(patience.elapsed() < DEADLINE, "the session stays attached");
        // As clients do.
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let list = wire
        .call("lockgate/process/list", json!({}))
        .await
        .expect("a list");
    assert_eq!(list["processes"].as_array().map(Vec::len), Some(1));
    // The old one was ended, after what was on its way to it.
    while silent.try_message().await.is_some() {}
}

#[tokio::test]
async fn so_can_one_whose_connection_takes_nothing_more() {
    let server = Server::start();
    let (mut silent, session) = Wire::open(&server).await;
    let flood = start_params("flood", "exec yes");
    silent.request("process/start", flood).await;
    let patience = Instant::now();
    loop {
        let mut wire = Wire::connect(&server).await;
        match wire.handshake(Some(&session)).await {
            Ok(_) => break,
            Err(refusal) => assert_eq!(refusal.code, -32010, "{}", refusal.message),
        }
        assert!(patience.elapsed() < DEADLINE, "the session stays attached");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_client_that_answers_pings_keeps_its_session_however_often_others_ask_for_it() {
    let server = Server::start();
    let (mut owner, session) = Wire::open(&server).await;
    let begun = Instant::now();
    while begun.elapsed() < LONGER_THAN_A_DOUBT {
        let asking = async {
            let mut thief = Wire::connect(&server).await;
            let refused = thief.handshake(Some(&session)).await;
            assert_eq!(refused.expect_err("attached").code, -32010);
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        tokio::select! {
            () = asking => {}
            message = owner.try_message() => panic!("{message:?}"),
        }
    }
    owner
        .call("environment/status", json!({}))
        .await
        .expect("the owner is not disturbed");
}

#[tokio::test]
async fn a_resumed_session_catches_up_with_nothing_lost() {
    let server = Server::start();
    let (mut wire, session) = Wire::open(&server).await;
    let mut params = start_params("cat", "cat");
    params["pipeStdin"] = json!(true);
    wire.start(params).await;
    let write = |text: &str| json!({"processId": "cat", "chunk": base64_simd::STANDARD.encode_to_string(text)});
    wire.call("process/write", write("one\n"))
        .await
        .expect("written");
    wire.wait_for_output("cat", "one").await;
    // A poll is under way when the connection breaks.
    wire.request(
        "process/read",
        json!({"processId": "cat", "afterSeq": 1, "waitMs": 600_000}),
    )
    .await;
    drop(wire);

    let mut wire = resume(&server, &session).await;
    let read = wire
        .call("process/read", json!({"processId": "cat"}))
        .await
        .expect("still there");
    assert_eq!(text(&read), "one\n");
    wire.call("process/write", write("two\n"))
        .await
        .expect("written");
    wire.wait_for_output("cat", "two").await;
    drop(wire);

    let mut wire = resume(&server, &session).await;
    let after = json!({"processId": "cat", "afterSeq": 1, "waitMs": 0});
    let read = wire.call("process/read", after).await.expect("still there");
    assert_eq!(
        (text(&read).as_str(), &read["nextSeq"]),
        ("two\n", &json!(3))
    );
    wire.call("lockgate/process/closeStdin", json!({"processId": "cat"}))
        .await
        .expect("closed");
    let (method, params) = wire.notification().await;
    assert_eq!(
        (method.as_str(), &params["seq"]),
        ("process/exited", &json!(3)),
        "nothing is replayed"
    );
}

#[tokio::test]
async fn what_happens_while_detached_is_kept() {
    let server = Server::start();
    let (mut wire, session) = Wire::open(&server).await;
    let folder = tempfile::tempdir().expect("a folder");
    let go = folder.path().join("go");
    let command = format!(
        "echo before; until test -e {}; do sleep 0.01; done; echo after; exit 3",
        go.display()
    );
    wire.start(start_params("late", &command)).await;
    wire.wait_for_output("late", "before").await;
    drop(wire);
    std::fs::write(&go, "").expect("written");
    let mut wire = resume(&server, &session).await;
    let mut after = 1;
    let mut shown = String::new();
    let patience = std::time::Instant::now();
    let last = loop {
        let params = json!({"processId": "late", "afterSeq": after, "waitMs": 1000});
        let read = wire.call("process/read", params).await.expect("readable");
        shown.push_str(&text(&read));
        after = read["nextSeq"].as_u64().expect("a number") - 1;
        if read["closed"] == true {
            break read;
        }
        assert!(patience.elapsed() < DEADLINE);
    };
    assert_eq!((shown.as_str(), &last["exitCode"]), ("after\n", &json!(3)));
    assert_eq!(last["nextSeq"], 5, "before, after, exit, close");
}

#[tokio::test]
async fn sessions_do_not_see_each_other() {
    let server = Server::start();
    let mut one = Wire::ready(&server).await;
    let mut two = Wire::ready(&server).await;
    one.start(start_params("same", "sleep 1000")).await;
    let unknown = two.call("process/read", json!({"processId": "same"})).await;
    assert_eq!(unknown.expect_err("another session's").code, -32600);
    two.start(start_params("same", "sleep 1000")).await;
    let gone = two
        .call("process/terminate", json!({"processId": "same"}))
        .await;
    assert_eq!(gone, Ok(json!({"running": true})));
    let list = one
        .call("lockgate/process/list", json!({}))
        .await
        .expect("a list");
    assert_eq!(list["processes"][0]["exited"], false);
    let pid = list["processes"][0]["pid"].as_u64().expect("a pid") as u32;
    assert!(is_running(pid));
}
