//! Files that were open on a link which is lost: they have gone with it, and nobody is asked about them on the next one.

use lockgate_client::executor::{Blocks, FileWriter, Files};
use lockgate_client::{AbsPath, Client, ClientError, ConnectOptions};
use lockgate_wire::limits::BLOCK_BYTES;
use serde_json::json;

use super::{next_is_ours, until_away};
use crate::support::{Door, Peer, soon};

fn path() -> AbsPath {
    AbsPath::parse("/f").expect("a path")
}

async fn door() -> (Door, Client, Peer) {
    let door = Door::open().await;
    let writes = json!({ "fileWriteStreaming": true, "lockgate": { "methods": [] } });
    let (client, peer) = door.client_as(ConnectOptions::default(), writes).await;
    (door, client, peer)
}

async fn opened(peer: &mut Peer) {
    let (id, params) = soon(peer.called("fs/open")).await;
    peer.answer(id, json!({ "handleId": params["handleId"] }))
        .await;
}

async fn reading(client: &Client, peer: &mut Peer) -> Blocks {
    let path = path();
    let (blocks, ()) = tokio::join!(soon(Files::open(client, &path, 0, None)), opened(peer));
    blocks.expect("opened")
}

async fn writing(client: &Client, peer: &mut Peer) -> FileWriter {
    let path = path();
    let (file, ()) = tokio::join!(soon(client.create(&path, None)), opened(peer));
    file.expect("opened")
}

async fn lost(client: &Client, peer: Peer) {
    drop(peer);
    until_away(client).await;
}

#[tokio::test]
async fn a_block_that_was_not_asked_for_yet_is_interrupted_and_nothing_of_it_is_sent() {
    let (door, client, mut peer) = door().await;
    let mut blocks = reading(&client, &mut peer).await;
    let block = vec![b'x'; BLOCK_BYTES as usize];
    let chunk = serde_json::to_value(lockgate_wire::Base64(block)).expect("encodes");
    let (first, ()) = tokio::join!(soon(blocks.next()), async {
        let (id, _) = soon(peer.called("fs/readBlock")).await;
        peer.answer(id, json!({ "chunk": chunk, "eof": false }))
            .await;
    });
    first.expect("a block").expect("read");
    lost(&client, peer).await;
    let mut peer = door.accept_again().await;
    let error = soon(blocks.next()).await.expect("an end");
    assert!(
        matches!(error, Err(ClientError::Interrupted { .. })),
        "{error:?}"
    );
    assert!(soon(blocks.next()).await.is_none());
    drop(blocks);
    // Not even that it is closed: it is not there.
    next_is_ours(&client, &mut peer).await;
}

#[tokio::test]
async fn one_that_is_opened_on_the_next_link_is_read_there() {
    let (door, client, peer) = door().await;
    lost(&client, peer).await;
    let mut peer = door.accept_again().await;
    let mut blocks = reading(&client, &mut peer).await;
    let (first, ()) = tokio::join!(soon(blocks.next()), async {
        let (id, _) = soon(peer.called("fs/readBlock")).await;
        peer.answer(id, json!({ "chunk": "eA==", "eof": true }))
            .await;
    });
    assert_eq!(first.expect("a block").expect("read"), b"x");
    assert!(soon(blocks.next()).await.is_none());
}

#[tokio::test]
async fn a_write_is_not_sent_either_and_the_file_is_given_up() {
    let (door, client, mut peer) = door().await;
    let mut file = writing(&client, &mut peer).await;
    lost(&client, peer).await;
    // Nor is a link waited for.
    let error = soon(file.write(b"more")).await.expect_err("it has gone");
    assert!(matches!(error, ClientError::Interrupted { .. }), "{error}");
    let error = soon(file.finish()).await.expect_err("it is not whole");
    assert!(matches!(error, ClientError::NotWritten { .. }), "{error}");
    let mut peer = door.accept_again().await;
    next_is_ours(&client, &mut peer).await;
}

#[tokio::test]
async fn one_of_which_all_was_written_is_finished() {
    let (door, client, mut peer) = door().await;
    let mut file = writing(&client, &mut peer).await;
    let (written, ()) = tokio::join!(soon(file.write(b"all")), async {
        let (id, _) = soon(peer.called("fs/writeBlock")).await;
        peer.answer(id, json!({})).await;
    });
    written.expect("written");
    lost(&client, peer).await;
    let mut peer = door.accept_again().await;
    let (finished, ()) = tokio::join!(soon(file.finish()), async {
        let (id, _) = soon(peer.called("fs/close")).await;
        peer.answer(id, json!({})).await;
    });
    finished.expect("finished");
}
