//! Calls around the loss of a link: those that only look are asked again, the traits' and the client's own, and nothing else is.

use std::time::Duration;

use futures_util::future::BoxFuture;
use lockgate_client::executor::{Files, Removal, Walk};
use lockgate_client::wire::lockgate::batch::BatchParams;
use lockgate_client::{AbsPath, Client, ClientError, ConnectOptions, limits};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{door, end, next_is_ours};
use crate::support::{Door, one_link, soon};

/// A call of which only the end matters.
type Call = for<'a> fn(&'a Client, &'a AbsPath) -> BoxFuture<'a, Result<(), ClientError>>;

fn called(client: &Client, call: Call) -> tokio::task::JoinHandle<Result<(), ClientError>> {
    let client = client.clone();
    tokio::spawn(async move {
        let path = AbsPath::parse("/a").expect("a path");
        call(&client, &path).await
    })
}

/// A method, what calls it, and an answer.
type Look = (&'static str, Call, fn() -> Value);

const LOOKS: [Look; 16] = [
    (
        "fs/readFile",
        |client, path| Box::pin(async move { Files::read(client, path, None).await.map(drop) }),
        || json!({ "dataBase64": "" }),
    ),
    (
        "fs/getMetadata",
        |client, path| Box::pin(async move { Files::metadata(client, path, None).await.map(drop) }),
        metadata,
    ),
    (
        "fs/readDirectory",
        |client, path| Box::pin(async move { Files::list(client, path, None).await.map(drop) }),
        || json!({ "entries": [] }),
    ),
    (
        "fs/walk",
        |client, path| {
            Box::pin(async move {
                Files::walk(client, path, Walk::default(), None)
                    .await
                    .map(drop)
            })
        },
        || json!({ "entries": [], "errors": [], "truncated": false }),
    ),
    (
        "fs/canonicalize",
        |client, path| {
            Box::pin(async move { Files::canonicalize(client, path, None).await.map(drop) })
        },
        || json!({ "path": "file:///a" }),
    ),
    (
        "fs/open",
        |client, path| Box::pin(async move { Files::open(client, path, 0, None).await.map(drop) }),
        || json!({ "handleId": "h" }),
    ),
    (
        "lockgate/fs/batch",
        |client, path| {
            let paths = std::slice::from_ref(path);
            Box::pin(async move { Files::metadata_each(client, paths, None).await.map(drop) })
        },
        || json!({ "results": [{ "result": metadata() }] }),
    ),
    (
        "fs/readFile",
        |client, _| Box::pin(async move { client.read_file(&params()).await.map(drop) }),
        || json!({ "dataBase64": "" }),
    ),
    (
        "fs/getMetadata",
        |client, _| Box::pin(async move { client.metadata(&params()).await.map(drop) }),
        metadata,
    ),
    (
        "fs/readDirectory",
        |client, _| Box::pin(async move { client.read_directory(&params()).await.map(drop) }),
        || json!({ "entries": [] }),
    ),
    (
        "fs/canonicalize",
        |client, _| Box::pin(async move { client.canonicalize(&params()).await.map(drop) }),
        || json!({ "path": "file:///a" }),
    ),
    (
        "fs/open",
        |client, _| Box::pin(async move { client.open(&params()).await.map(drop) }),
        || json!({ "handleId": "h" }),
    ),
    (
        "lockgate/fs/batch",
        |client, _| Box::pin(async move { client.batch(&batch(&["fs/readFile"])).await.map(drop) }),
        || json!({ "results": [{ "result": { "dataBase64": "" } }] }),
    ),
    (
        "environment/status",
        |client, _| Box::pin(client.status()),
        || json!({ "status": "ready" }),
    ),
    (
        "lockgate/process/list",
        |client, _| Box::pin(async move { client.processes().await.map(drop) }),
        || json!({ "processes": [] }),
    ),
    (
        "capabilityRoots/discoverV1",
        |client, _| {
            let roots = || vec![from(json!({ "id": "r", "path": "file:///a" }))];
            Box::pin(async move { client.discover(roots()).await.map(drop) })
        },
        || json!({ "roots": [{ "id": "r", "path": "file:///a" }] }),
    ),
];

fn from<T: DeserializeOwned>(params: Value) -> T {
    serde_json::from_value(params).expect("params")
}

/// Of any method that is about a path.
fn params<T: DeserializeOwned>() -> T {
    from(json!({ "path": "file:///a", "handleId": "h" }))
}

fn batch(methods: &[&str]) -> BatchParams {
    let operations = methods
        .iter()
        .map(|method| json!({ "method": method, "params": {} }));
    from(json!({ "operations": operations.collect::<Vec<_>>() }))
}

fn metadata() -> Value {
    json!({
        "isDirectory": false, "isFile": true, "isSymlink": false, "size": 1,
        "createdAtMs": 0, "modifiedAtMs": 0,
    })
}

#[tokio::test]
async fn what_only_looks_is_asked_again_on_the_next_link() {
    for (method, look, answer) in LOOKS {
        let door = Door::open().await;
        let (client, mut peer) = door
            .client_with(ConnectOptions::default(), &["lockgate/fs/batch"])
            .await;
        let looking = called(&client, look);
        let (_, first) = soon(peer.called(method)).await;
        drop(peer);
        let mut peer = door.accept_again().await;
        let (id, second) = soon(peer.called(method)).await;
        assert_eq!(first, second, "{method}");
        peer.answer(id, answer()).await;
        let looked = soon(looking).await.expect("no panic");
        looked.unwrap_or_else(|error| panic!("{method}: {error}"));
    }
}

#[tokio::test]
async fn a_look_that_takes_every_link_along_is_not_asked_for_without_end() {
    let (door, client, mut peer) = door().await;
    let (method, look, _) = LOOKS[0];
    let looking = called(&client, look);
    for _ in 0..limits::LOOKS_AGAIN {
        soon(peer.called(method)).await;
        drop(peer);
        peer = door.accept_again().await;
    }
    soon(peer.called(method)).await;
    drop(peer);
    let error = soon(looking)
        .await
        .expect("no panic")
        .expect_err("never answered");
    assert!(matches!(error, ClientError::Interrupted { .. }), "{error}");
    let mut peer = door.accept_again().await;
    next_is_ours(&client, &mut peer).await;
}

const CHANGES: [(&str, Call); 8] = [
    ("fs/writeFile", |client, path| {
        Files::write(client, path, b"x", None)
    }),
    ("fs/createDirectory", |client, path| {
        Files::create_directory(client, path, true, None)
    }),
    ("fs/remove", |client, path| {
        Files::remove(client, path, Removal::default(), None)
    }),
    ("fs/copy", |client, path| {
        Files::copy(client, path, path, false, None)
    }),
    ("fs/remove", |client, _| {
        Box::pin(async move { client.remove(&params()).await })
    }),
    ("lockgate/fs/batch", |client, _| {
        Box::pin(async move {
            client
                .batch(&batch(&["fs/readFile", "fs/remove"]))
                .await
                .map(drop)
        })
    }),
    ("fs/open", |client, _| {
        let replacing = || from(json!({ "path": "file:///a", "handleId": "h", "mode": "replace" }));
        Box::pin(async move { client.open(&replacing()).await.map(drop) })
    }),
    ("test/any", |client, _| {
        Box::pin(async move { client.call("test/any", &json!({})).await })
    }),
];

#[tokio::test]
async fn what_changes_something_is_asked_for_once() {
    for (method, change) in CHANGES {
        let (door, client, mut peer) = door().await;
        let changing = called(&client, change);
        soon(peer.called(method)).await;
        drop(peer);
        let error = soon(changing)
            .await
            .expect("no panic")
            .expect_err("unknown");
        assert!(matches!(error, ClientError::Interrupted { .. }), "{error}");
        let mut peer = door.accept_again().await;
        next_is_ours(&client, &mut peer).await;
    }
}

#[tokio::test]
async fn a_look_for_which_no_link_comes_says_why_and_a_change_that_nobody_knows() {
    // Of a connection with one link, and of one that does not come back.
    let away = ConnectOptions {
        resume_window: Some(Duration::from_millis(1)),
        ..ConnectOptions::default()
    };
    let changes = CHANGES.map(|(method, change)| (method, change, false));
    for options in [one_link(), away] {
        let looks = LOOKS.map(|(method, look, _)| (method, look, true));
        for (method, call, is_look) in looks.into_iter().chain(changes) {
            let door = Door::open().await;
            let (client, mut peer) = door
                .client_with(options.clone(), &["lockgate/fs/batch"])
                .await;
            let calling = called(&client, call);
            soon(peer.called(method)).await;
            drop((peer, door));
            let error = soon(calling).await.expect("no panic").expect_err("lost");
            let ended = end(&client).await;
            match is_look {
                true => assert_eq!(error.to_string(), ended.to_string(), "{method}"),
                false => assert!(matches!(error, ClientError::Interrupted { .. }), "{error}"),
            }
            let has_one_link = options.resume_window.is_none();
            assert_eq!(
                matches!(ended, ClientError::Closed(_)),
                has_one_link,
                "{ended}"
            );
            assert_eq!(
                matches!(ended, ClientError::WindowOver { .. }),
                !has_one_link,
                "{ended}"
            );
        }
    }
}
