//! Calls of the traits around the loss of a link: those that only look are asked again, and nothing else is.

use futures_util::future::BoxFuture;
use lockgate_client::executor::{Files, Removal, Walk};
use lockgate_client::{AbsPath, Client, ClientError, ConnectOptions, limits};
use serde_json::{Value, json};

use super::{door, next_is_ours};
use crate::support::{Door, soon};

/// A call of the trait, of which only the end matters.
type Call = for<'a> fn(&'a dyn Files, &'a AbsPath) -> BoxFuture<'a, Result<(), ClientError>>;

fn called(client: &Client, call: Call) -> tokio::task::JoinHandle<Result<(), ClientError>> {
    let client = client.clone();
    tokio::spawn(async move {
        let path = AbsPath::parse("/a").expect("a path");
        call(&client, &path).await
    })
}

/// A method, what calls it, and an answer.
type Look = (&'static str, Call, fn() -> Value);

const LOOKS: [Look; 7] = [
    (
        "fs/readFile",
        |files, path| Box::pin(async move { files.read(path, None).await.map(drop) }),
        || json!({ "dataBase64": "" }),
    ),
    (
        "fs/getMetadata",
        |files, path| Box::pin(async move { files.metadata(path, None).await.map(drop) }),
        metadata,
    ),
    (
        "fs/readDirectory",
        |files, path| Box::pin(async move { files.list(path, None).await.map(drop) }),
        || json!({ "entries": [] }),
    ),
    (
        "fs/walk",
        |files, path| {
            Box::pin(async move { files.walk(path, Walk::default(), None).await.map(drop) })
        },
        || json!({ "entries": [], "errors": [], "truncated": false }),
    ),
    (
        "fs/canonicalize",
        |files, path| Box::pin(async move { files.canonicalize(path, None).await.map(drop) }),
        || json!({ "path": "file:///a" }),
    ),
    (
        "fs/open",
        |files, path| Box::pin(async move { files.open(path, 0, None).await.map(drop) }),
        || json!({ "handleId": "h" }),
    ),
    (
        "lockgate/fs/batch",
        |files, path| {
            let paths = std::slice::from_ref(path);
            Box::pin(async move { files.metadata_each(paths, None).await.map(drop) })
        },
        || json!({ "results": [{ "result": metadata() }] }),
    ),
];

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

const CHANGES: [(&str, Call); 4] = [
    ("fs/writeFile", |files, path| files.write(path, b"x", None)),
    ("fs/createDirectory", |files, path| {
        files.create_directory(path, true, None)
    }),
    ("fs/remove", |files, path| {
        files.remove(path, Removal::default(), None)
    }),
    ("fs/copy", |files, path| files.copy(path, path, false, None)),
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
