//! Every method of the table has a typed call here, or the protocol's page says why it is not served.

use std::collections::BTreeSet;

use lockgate_client::wire::Method;
use lockgate_client::{Client, ConnectOptions, Event, HttpRequest};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::{Door, Peer, soon};

/// Of a typed call, from what stands on the wire.
fn params<T: Deserialize<'static>>(text: &'static str) -> T {
    serde_json::from_str(text).expect(text)
}

const AT: &str = r#"{"path":"/a"}"#;
const HANDLE: &str = r#"{"handleId":"h","path":"/a"}"#;

/// Makes the typed call of a method. False: it has none, because no server of ours has the method. A new method does not compile until it is here.
async fn call(client: &Client, method: Method) -> bool {
    // What a server makes of them is nothing to this test, so how they end is not either.
    match method {
        // With the connection.
        Method::Initialize => {}
        Method::EnvironmentInfo => drop(client.environment_info().await),
        Method::EnvironmentStatus => drop(client.status().await),
        Method::CapabilityRootsDiscoverV1 => {
            drop(client.discover(vec![params(r#"{"id":"a","path":"/a"}"#)]).await);
        }
        Method::HttpRequest => drop(client.http(&request()).await),
        // By whoever reads a body.
        Method::LockgateHttpAcknowledge => {
            let response = client.http_stream(&request()).await;
            let mut body = response.expect("answered").body;
            while body.next().await.is_some_and(|piece| piece.is_ok()) {}
        }
        Method::LockgateHttpCancel => {
            let response = client.http_stream(&request()).await;
            // Ended before its body has.
            drop(response.expect("answered"));
        }
        Method::ProcessStart => drop(client.start(&start()).await),
        Method::ProcessRead => {
            let process = client.start(&start()).await.expect("started");
            drop(process.handle.read(Some(0), None, None).await);
        }
        Method::ProcessWrite
        | Method::ProcessSignal
        | Method::ProcessTerminate
        | Method::LockgateProcessResize
        | Method::LockgateProcessCloseStdin
        | Method::LockgateProcessSignal => {
            let handle = client.start(&start()).await.expect("started").handle;
            match method {
                Method::ProcessWrite => drop(handle.write(b"x").await),
                Method::ProcessSignal => drop(handle.interrupt().await),
                Method::ProcessTerminate => drop(handle.terminate().await),
                Method::LockgateProcessResize => drop(handle.resize(1, 2).await),
                Method::LockgateProcessCloseStdin => drop(handle.close_stdin().await),
                _ => drop(handle.signal("SIGUSR1").await),
            }
        }
        // By whoever reads what a process waits for.
        Method::LockgateProcessAcknowledge => {
            let mut start = start();
            start.wait_for_reader = true;
            let mut process = client.start(&start).await.expect("started");
            while !matches!(process.events.next().await, Some(Event::Closed)) {}
        }
        Method::LockgateProcessList => drop(client.processes().await),
        Method::FsReadFile => drop(client.read_file(&params(AT)).await),
        Method::FsWriteFile => {
            drop(client.write_file(&params(r#"{"path":"/a","dataBase64":""}"#)).await);
        }
        Method::FsCreateDirectory => drop(client.create_directory(&params(AT)).await),
        Method::FsGetMetadata => drop(client.metadata(&params(AT)).await),
        Method::FsCanonicalize => drop(client.canonicalize(&params(AT)).await),
        Method::FsReadDirectory => drop(client.read_directory(&params(AT)).await),
        Method::FsWalk => drop(client.walk(&params(
            r#"{"path":"/a","options":{"maxDepth":1,"maxDirectories":1,"maxEntries":1,"followDirectorySymlinks":false}}"#,
        )).await),
        Method::FsRemove => drop(client.remove(&params(AT)).await),
        Method::FsCopy => {
            let copied = params(r#"{"sourcePath":"/a","destinationPath":"/b","recursive":false}"#);
            drop(client.copy(&copied).await);
        }
        Method::FsOpen => drop(client.open(&params(HANDLE)).await),
        Method::FsReadBlock => {
            let block = params(r#"{"handleId":"h","offset":0,"len":1}"#);
            drop(client.read_block(&block).await);
        }
        Method::FsWriteBlock => {
            let block = params(r#"{"handleId":"h","offset":0,"chunk":"AA=="}"#);
            drop(client.write_block(&block).await);
        }
        Method::FsClose => drop(client.close_file(&params(r#"{"handleId":"h"}"#)).await),
        Method::FsWatchMissing => drop(client.watch_missing(vec![params(r#""/a""#)], None).await),
        Method::LockgateFsBatch => drop(client.batch(&params(r#"{"operations":[]}"#)).await),
        Method::LockgateFsReadTree => drop(client.read_tree(&params(HANDLE)).await),
        Method::LockgateFsListTree => drop(client.list_tree(&params(HANDLE)).await),
        Method::LockgateFsWriteTree => drop(client.write_tree(&params(HANDLE)).await),
        Method::LockgateFsWriteTreeBlock => {
            let block = params(r#"{"handleId":"h","offset":0,"chunk":"AA=="}"#);
            drop(client.write_tree_block(&block).await);
        }
        Method::LockgateFsFinishTree => {
            drop(client.finish_tree(&params(r#"{"handleId":"h"}"#)).await);
        }
        Method::LockgateFsWatch => {
            drop(client.watch(&params(r#"{"watchId":"w","path":"/a"}"#)).await);
        }
        Method::LockgateFsUnwatch => {
            let watched = client.watch(&params(r#"{"watchId":"w","path":"/a"}"#)).await;
            drop(watched.expect("watched").end().await);
        }
        Method::LockgateFsRename => {
            let renamed = params(r#"{"sourcePath":"/a","destinationPath":"/b"}"#);
            drop(client.rename(&renamed).await);
        }
        Method::LockgateFsSymlink => {
            drop(client.symlink(&params(r#"{"path":"/a","target":"b"}"#)).await);
        }
        Method::LockgateFsReadLink => drop(client.read_link(&params(AT)).await),
        Method::LockgateFsSetMode => {
            drop(client.set_mode(&params(r#"{"path":"/a","mode":384}"#)).await);
        }
        Method::LockgateFsSetTimes => drop(client.set_times(&params(AT)).await),
        Method::LockgateFsReplaceFile => {
            let contents = params(r#"{"path":"/a","dataBase64":""}"#);
            drop(client.replace_file(&contents).await);
        }
        Method::LockgateFsAppendFile => {
            let contents = params(r#"{"path":"/a","dataBase64":""}"#);
            drop(client.append_file(&contents).await);
        }
        Method::EnvironmentConfigRead
        | Method::CapabilitiesDiscoverV2
        | Method::FsGetMetadataBatch => return false,
    }
    true
}

fn request() -> HttpRequest {
    HttpRequest {
        method: "GET".to_owned(),
        url: "http://h/".to_owned(),
        ..HttpRequest::default()
    }
}

fn start() -> lockgate_client::wire::process::StartParams {
    params(r#"{"processId":"p","argv":["true"],"cwd":"/","env":{},"tty":false}"#)
}

/// Answers everything, and gives the methods that it was asked for once `wanted` was.
async fn hears(mut peer: Peer, wanted: Method) {
    loop {
        let mut message = peer.next().await;
        let method = message["method"].as_str().expect("a request").to_owned();
        let result = match method.as_str() {
            "process/start" => json!({ "processId": "p" }),
            "http/request" => json!({ "status": 200, "headers": [], "bodyBase64": "" }),
            "fs/watchMissing" => json!({ "watching": true }),
            _ => json!({}),
        };
        peer.answer(message["id"].take(), result).await;
        if method == "http/request" && wanted == Method::LockgateHttpAcknowledge {
            streams_much(&mut peer, &message["params"]["requestId"]).await;
        }
        if method == wanted.name() {
            return;
        }
        if method == "process/start" && wanted == Method::LockgateProcessAcknowledge {
            tells_much(&mut peer).await;
        }
    }
}

/// The same of a body, as a stream that goes on.
async fn streams_much(peer: &mut Peer, name: &Value) {
    let data = "AAAA".repeat(200 << 10);
    let delta =
        json!({ "requestId": name, "seq": 1, "deltaBase64": data, "done": false, "error": null });
    peer.send(json!({ "method": "http/request/bodyDelta", "params": delta }))
        .await;
}

/// More than is left unacknowledged.
async fn tells_much(peer: &mut Peer) {
    let chunk = "AAAA".repeat(100 << 10);
    let output = json!({ "processId": "p", "seq": 1, "stream": "stdout", "chunk": chunk });
    let note = |method: &str, params: Value| json!({ "method": method, "params": params });
    peer.send(note("process/output", output)).await;
    let exited = json!({ "processId": "p", "seq": 2, "exitCode": 0 });
    peer.send(note("process/exited", exited)).await;
    let closed = json!({ "processId": "p", "seq": 3 });
    peer.send(note("process/closed", closed)).await;
}

#[tokio::test]
async fn every_method_of_the_table_has_a_typed_call_or_is_said_not_to_be_served() {
    let extensions: Vec<_> = Method::extensions().map(Method::name).collect();
    let mut without = BTreeSet::new();
    for &method in Method::ALL {
        let door = Door::open().await;
        let (client, peer) = door
            .client_with(ConnectOptions::default(), &extensions)
            .await;
        if method == Method::Initialize {
            // `door` has seen it.
            continue;
        }
        let mut hearing = Box::pin(hears(peer, method));
        let has_call = soon(async {
            tokio::select! {
                () = &mut hearing => true,
                has_call = call(&client, method) => {
                    if has_call {
                        // What is sent in passing may come after the call's end.
                        hearing.await;
                    }
                    has_call
                }
            }
        });
        if !has_call.await {
            without.insert(method.name());
        }
    }
    assert_eq!(without, not_served());
}

/// By the protocol's page.
fn not_served() -> BTreeSet<&'static str> {
    let page = include_str!("../../../../docs/protocol.md");
    let (_, after) = page
        .split_once("### Not served\n")
        .expect("the page has that part");
    let (part, _) = after.split_once("\n#").unwrap_or((after, ""));
    let rows = part.lines().filter_map(|line| line.strip_prefix("| `"));
    let names = rows.filter_map(|row| Some(row.split_once('`')?.0));
    let known: Vec<_> = names.filter_map(Method::from_name).collect();
    known.into_iter().map(Method::name).collect()
}

#[tokio::test]
async fn what_is_waited_for_is_told_once_and_one_that_is_dropped_is_ended() {
    let door = Door::open().await;
    let (client, mut peer) = door.client(ConnectOptions::default()).await;
    let watching = |client: &Client| {
        let client = client.clone();
        tokio::spawn(async move { client.watch_missing(vec![params(r#""/a""#)], None).await })
    };
    // Told before the answer, as it may be.
    let first = watching(&client);
    let (id, sent) = soon(peer.called("fs/watchMissing")).await;
    assert_eq!(sent["missing"], json!(["/a"]));
    // Servers of 0.169 want the member.
    assert_eq!(sent.get("present"), Some(&Value::Null));
    peer.send(json!({ "method": "fs/missingChanged", "params": { "watchId": sent["watchId"] } }))
        .await;
    peer.answer(id, json!({ "watching": true })).await;
    let mut first = soon(first).await.expect("no panic").expect("answered");
    let first = first.as_mut().expect("watched");
    assert!(soon(first.come()).await);
    assert!(!soon(first.come()).await, "once");

    let second = watching(&client);
    let (id, sent) = soon(peer.called("fs/watchMissing")).await;
    peer.answer(id, json!({ "watching": true })).await;
    drop(soon(second).await.expect("no panic").expect("answered"));
    let (id, ended) = soon(peer.called("fs/watchMissing")).await;
    assert_eq!(
        (&ended["watchId"], &ended["missing"]),
        (&sent["watchId"], &json!([]))
    );
    peer.answer(id, json!({ "watching": false })).await;

    // Where there is nothing to wait for, nothing is left to be ended.
    let third = watching(&client);
    let (id, _) = soon(peer.called("fs/watchMissing")).await;
    peer.answer(id, json!({ "watching": false })).await;
    assert!(
        soon(third)
            .await
            .expect("no panic")
            .expect("answered")
            .is_none()
    );
    let fourth = watching(&client);
    let (id, _) = soon(peer.called("fs/watchMissing")).await;
    peer.answer(id, json!({ "watching": true })).await;
    let mut fourth = soon(fourth).await.expect("no panic").expect("answered");
    drop(peer);
    let fourth = fourth.as_mut().expect("watched");
    assert!(!soon(fourth.come()).await, "it ends with its link");
}
