//! Whom a question is put to: the approver of the call that it is about, where the server says which that is, or else the connection's.

use lockgate_client::{ApprovalDecision, ApprovalResult, Approver, Client, ConnectOptions};
use lockgate_wire::process::StartParams;
use serde_json::{Value, json};

use crate::support::{Door, Peer, one_link, soon};

/// Agrees, and says who did.
fn approver(name: &'static str) -> Approver {
    Approver::new(move |_| async move {
        ApprovalResult {
            decision: ApprovalDecision::Allow,
            reason: Some(name.to_owned()),
        }
    })
}

/// A connection with an approver, and two handles of it with their own.
async fn connected() -> (Client, Client, Client, Peer) {
    let door = Door::open().await;
    let options = ConnectOptions {
        approver: Some(approver("connection")),
        ..one_link()
    };
    let (client, peer) = door.client(options).await;
    let one = client.with_approver(approver("one"));
    let other = client.with_approver(approver("other"));
    (client, one, other, peer)
}

fn calls(client: &Client, method: &'static str) -> tokio::task::JoinHandle<()> {
    let client = client.clone();
    tokio::spawn(async move {
        let answer = client.call::<_, Value>(method, &json!({})).await;
        answer.expect("answered");
    })
}

/// The client's answer to a question about that request.
async fn asks(peer: &mut Peer, about: Option<&Value>) -> Value {
    let mut params = json!({"approvalId": "a", "prompt": "?", "action": {}, "expiresInMs": 60_000});
    if let Some(id) = about {
        params["requestId"] = id.clone();
    }
    peer.send(json!({"id": "a", "method": "lockgate/approval/request", "params": params}))
        .await;
    let mut answer = soon(peer.next()).await;
    assert_eq!(answer["id"], "a", "{answer}");
    answer["result"].take()
}

#[tokio::test]
async fn a_question_is_put_to_the_approver_of_the_call_that_it_is_about() {
    let (client, one, other, mut peer) = connected().await;
    let mut of = Vec::new();
    let mut running = Vec::new();
    for (handle, method, name) in [
        (&one, "test/one", "one"),
        (&other, "test/other", "other"),
        (&one.clone(), "test/again", "one"),
        (&client, "test/plain", "connection"),
    ] {
        running.push(calls(handle, method));
        let (id, _) = soon(peer.called(method)).await;
        of.push((id, name));
    }
    for (id, name) in of.iter().rev().chain(&of) {
        assert_eq!(asks(&mut peer, Some(id)).await["reason"], *name);
    }
    assert_eq!(asks(&mut peer, None).await["reason"], "connection");
    let unknown = json!("not-of-ours");
    assert_eq!(
        asks(&mut peer, Some(&unknown)).await["reason"],
        "connection"
    );
    for (id, _) in of {
        peer.answer(id, json!({})).await;
    }
    for call in running {
        soon(call).await.expect("no panic");
    }
}

#[tokio::test]
async fn what_is_asked_about_a_call_that_was_given_up_is_denied() {
    let (_client, one, _other, mut peer) = connected().await;
    let call = calls(&one, "test/one");
    let (id, _) = soon(peer.called("test/one")).await;
    call.abort();
    assert!(soon(call).await.is_err());
    let said = asks(&mut peer, Some(&id)).await;
    assert_eq!(said["decision"], "deny");
    assert_eq!(said["reason"], "the call that it is about was given up");
}

#[tokio::test]
async fn who_acts_on_a_process_can_be_another_one_than_who_started_it() {
    let (_client, one, _other, mut peer) = connected().await;
    let params: StartParams = serde_json::from_value(json!({
        "processId": "p", "argv": ["cat"], "cwd": "/", "env": {}, "tty": false, "pipeStdin": true,
    }))
    .expect("params");
    let started = tokio::spawn(async move { one.start(&params).await });
    let (id, _) = soon(peer.called("process/start")).await;
    assert_eq!(asks(&mut peer, Some(&id)).await["reason"], "one");
    peer.answer(id, json!({"processId": "p"})).await;
    let process = soon(started).await.expect("no panic").expect("started");
    for (handle, name) in [
        (process.handle.clone(), "one"),
        (process.handle.with_approver(approver("third")), "third"),
    ] {
        let written = tokio::spawn(async move { handle.write(b"x").await });
        let (id, _) = soon(peer.called("process/write")).await;
        assert_eq!(asks(&mut peer, Some(&id)).await["reason"], name);
        peer.answer(id, json!({"status": "accepted"})).await;
        soon(written).await.expect("no panic").expect("written");
    }
}
