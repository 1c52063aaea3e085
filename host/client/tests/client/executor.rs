//! The traits over a scripted executor: what is asked of older ones, and what a broken or hostile one does to a harness.

use lockgate_client::executor::{Command, Files, HttpClient, Kind, Processes, Replaced, Walk};
use lockgate_client::{AbsPath, Client, ClientError};
use serde_json::{Value, json};
use std::sync::Arc;

use crate::support::{Peer, connect, connected, serve, soon};

pub(crate) fn at(path: &str) -> AbsPath {
    AbsPath::parse(path).expect("a path")
}

pub(crate) fn base64(bytes: impl Into<Vec<u8>>) -> Value {
    serde_json::to_value(lockgate_wire::Base64(bytes.into())).expect("encodes")
}

/// An executor of May 2026: it tells nothing of itself, and knows no method that came later. `answer` answers the others.
pub(crate) async fn old(
    answer: impl Fn(&str, &Value) -> Result<Value, (i64, &'static str)> + Send + Sync + 'static,
) -> Client {
    let url = serve(async move |mut peer: Peer| {
        let (id, _) = peer.called("initialize").await;
        peer.answer(id, json!({ "sessionId": "s-1" })).await;
        peer.called("initialized").await;
        let (id, _) = peer.called("environment/info").await;
        let error = json!({ "code": -32601, "message": "no such method" });
        peer.send(json!({ "id": id, "error": error })).await;
        loop {
            answer_one(&mut peer, &answer).await;
        }
    })
    .await;
    connect(&url).await.expect("connects")
}

/// One of ours, with these capabilities.
pub(crate) async fn of_today(
    capabilities: Value,
    answer: impl Fn(&str, &Value) -> Result<Value, (i64, &'static str)> + Send + Sync + 'static,
) -> Client {
    let url = serve(async move |mut peer: Peer| {
        let (id, _) = peer.called("initialize").await;
        let shell = json!({ "name": "sh", "path": "/bin/sh" });
        let info = json!({ "shell": shell, "capabilities": capabilities });
        peer.answer(id, json!({ "sessionId": "s-1", "environmentInfo": info }))
            .await;
        peer.called("initialized").await;
        loop {
            answer_one(&mut peer, &answer).await;
        }
    })
    .await;
    connect(&url).await.expect("connects")
}

async fn answer_one(
    peer: &mut Peer,
    answer: &(impl Fn(&str, &Value) -> Result<Value, (i64, &'static str)> + Sync),
) {
    let message = peer.next().await;
    let method = message["method"].as_str().expect("a method");
    let answer = match answer(method, &message["params"]) {
        Ok(result) => json!({ "id": message["id"], "result": result }),
        Err((code, text)) => {
            json!({ "id": message["id"], "error": { "code": code, "message": text } })
        }
    };
    peer.send(answer).await;
}

pub(crate) const UNKNOWN: Result<Value, (i64, &str)> =
    Err((-32601, "exec-server stub does not implement it yet"));

pub(crate) fn metadata(is_directory: bool, is_symlink: bool) -> Value {
    json!({
        "isDirectory": is_directory, "isFile": !is_directory, "isSymlink": is_symlink, "createdAtMs": 0, "modifiedAtMs": 1_500,
    })
}

#[tokio::test]
async fn an_old_executor_is_asked_in_plain_calls_and_nothing_is_made_up() {
    let client = old(|method, params| match method {
        // Paths as it knows them.
        "fs/readFile" => {
            assert_eq!(params["path"], "/f");
            Ok(json!({ "dataBase64": base64(vec![7; 2_500_000]) }))
        }
        "fs/writeFile" => Ok(json!({})),
        "fs/getMetadata" => Ok(metadata(false, false)),
        _ => UNKNOWN,
    })
    .await;
    let files: &dyn Files = &client;
    let mut blocks = soon(files.open(&at("/f"), 1_000_000, None))
        .await
        .expect("opened");
    let mut sizes = Vec::new();
    while let Some(block) = blocks.next().await {
        sizes.push(block.expect("a block").len());
    }
    assert_eq!(sizes, [1 << 20, 1_500_000 - (1 << 20)]);
    let replaced = soon(files.replace(&at("/f"), b"x", None)).await;
    assert_eq!(replaced.expect("written"), Replaced::InPlace);
    let found = soon(files.metadata(&at("/f"), None)).await.expect("found");
    assert_eq!((found.size, found.created), (None, None));
    let modified = found
        .modified
        .expect("known")
        .duration_since(std::time::UNIX_EPOCH);
    assert_eq!(modified.expect("later").as_millis(), 1_500);
    let paths = [at("/f"), at("/f")];
    let read = soon(files.read_each(&paths, None)).await.expect("answered");
    assert!(
        read.iter()
            .all(|read| read.as_ref().is_ok_and(|read| read.len() == 2_500_000))
    );
    let refused = soon(files.canonicalize(&at("/f"), None))
        .await
        .expect_err("unknown");
    assert!(
        matches!(refused, ClientError::Unsupported { .. }),
        "{refused}"
    );
    assert!(refused.to_string().contains("resolve links"), "{refused}");
}

#[tokio::test]
async fn what_an_old_executor_takes_at_once_is_gathered() {
    let (told, written) = std::sync::mpsc::channel();
    let client = old(move |method, params| match method {
        "fs/writeFile" => {
            told.send(params["dataBase64"].clone()).expect("heard");
            Ok(json!({}))
        }
        _ => UNKNOWN,
    })
    .await;
    let mut file = soon(client.create(&at("/f"), None)).await.expect("made");
    assert_eq!(written.recv().expect("it is there at once"), "");
    for part in [&b"one "[..], b"", b"two"] {
        soon(file.write(part)).await.expect("taken");
    }
    soon(file.finish()).await.expect("finished");
    assert_eq!(written.recv().expect("written"), base64("one two"));
}

#[tokio::test]
async fn a_walk_through_an_old_executor_is_made_of_listings() {
    let tree = |method: &str, params: &Value| {
        let path = params["path"].as_str().expect("a path");
        match (method, path) {
            ("fs/getMetadata", "/r/link") => Ok(metadata(true, true)),
            ("fs/getMetadata", "/r/f") => Ok(metadata(false, false)),
            ("fs/getMetadata", "/none") => Err((-32004, "No such file or directory (os error 2)")),
            ("fs/getMetadata", _) => Ok(metadata(true, false)),
            ("fs/readDirectory", "/r") => Ok(json!({ "entries": [
                entry("d", true), entry(".hidden", true), entry("link", true), entry("f", false),
                // Names that are none.
                entry("..", true), entry("a/b", true), entry("", false),
                // Neither file nor directory.
                { "fileName": "socket", "isDirectory": false, "isFile": false },
            ] })),
            ("fs/readDirectory", "/r/d") => {
                Ok(json!({ "entries": [entry("g", false), entry("shut", true)] }))
            }
            ("fs/readDirectory", "/r/d/shut") => Err((-32600, "Permission denied (os error 13)")),
            ("fs/readDirectory", "/r/.hidden") => Ok(json!({ "entries": [] })),
            _ => UNKNOWN,
        }
    };
    let client = old(tree).await;
    let walk = async |at: &AbsPath, walk| soon(client_walk(&client, at, walk)).await;
    let walked = walk(&at("/r"), Walk::default()).await.expect("walked");
    let names: Vec<_> = walked
        .found
        .iter()
        .map(|found| (found.path.to_string(), found.kind))
        .collect();
    let wanted = [
        ("/r/d", Kind::Directory),
        ("/r/.hidden", Kind::Directory),
        ("/r/f", Kind::File),
        ("/r/d/g", Kind::File),
        ("/r/d/shut", Kind::Directory),
    ];
    assert_eq!(names, wanted.map(|(name, kind)| (name.to_owned(), kind)));
    let denied = ("/r/d/shut", "Permission denied (os error 13)");
    assert_eq!(walked.errors, [(at(denied.0), denied.1.to_owned())]);
    let bound = |walk: Walk| (walk, true);
    for (options, truncated) in [
        bound(Walk {
            entries: 2,
            ..Walk::default()
        }),
        bound(Walk {
            directories: 1,
            ..Walk::default()
        }),
        (
            Walk {
                depth: 0,
                ..Walk::default()
            },
            false,
        ),
        (
            Walk {
                skips_hidden: true,
                ..Walk::default()
            },
            false,
        ),
    ] {
        let walked = walk(&at("/r"), options).await.expect("walked");
        assert_eq!(walked.truncated, truncated, "{options:?}");
        assert!(walked.found.len() < 5, "{options:?}");
    }
    let nothing = walk(&at("/r/f"), Walk::default()).await.expect("walked");
    assert!(nothing.found.is_empty());
    let missing = walk(&at("/none"), Walk::default())
        .await
        .expect_err("missing");
    assert_eq!(missing.code(), Some(-32004));
    let follow = Walk {
        follows_links: true,
        ..Walk::default()
    };
    let refused = walk(&at("/r"), follow).await.expect_err("it cannot");
    assert!(
        matches!(refused, ClientError::Unsupported { .. }),
        "{refused}"
    );
    let beyond = Walk {
        depth: 65,
        ..Walk::default()
    };
    let refused = walk(&at("/r"), beyond).await.expect_err("too deep");
    assert!(
        matches!(refused, ClientError::Unsendable { .. }),
        "{refused}"
    );
}

async fn client_walk(
    client: &Client,
    at: &AbsPath,
    walk: Walk,
) -> Result<lockgate_client::executor::Walked, ClientError> {
    Files::walk(client, at, walk, None).await
}

pub(crate) fn entry(name: &str, is_directory: bool) -> Value {
    json!({ "fileName": name, "isDirectory": is_directory, "isFile": !is_directory })
}

#[tokio::test]
async fn an_old_executor_knows_two_signals() {
    let (told, heard) = std::sync::mpsc::channel();
    let client = old(move |method, params| {
        told.send((method.to_owned(), params.clone()))
            .expect("heard");
        match method {
            "process/start" => Ok(json!({ "processId": params["processId"] })),
            "process/signal" => Ok(json!({})),
            "process/terminate" => Ok(json!({ "running": true })),
            "process/write" => Ok(json!({ "status": "stdinClosed" })),
            _ => UNKNOWN,
        }
    })
    .await;
    let command = Command::new(at("/"), ["true"]);
    let started = soon(Processes::start(&client, &command))
        .await
        .expect("it starts");
    let (_, params) = heard.recv().expect("asked");
    assert_eq!(
        (&params["cwd"], &params["tty"], &params["pipeStdin"]),
        (&json!("/"), &json!(false), &json!(false))
    );
    for (name, method) in [
        ("INT", "process/signal"),
        ("sigint", "process/signal"),
        ("SIGKILL", "process/terminate"),
    ] {
        soon(started.process.signal(name)).await.expect("sent");
        assert_eq!(heard.recv().expect("asked").0, method);
    }
    let unsupported = [
        soon(started.process.signal("TERM"))
            .await
            .expect_err("unknown"),
        soon(started.process.close_stdin())
            .await
            .expect_err("unknown"),
        soon(started.process.resize(1, 2))
            .await
            .expect_err("unknown"),
    ];
    for error in unsupported {
        assert!(matches!(error, ClientError::Unsupported { .. }), "{error}");
    }
    let unwritten = soon(started.process.write(b"x")).await.expect_err("closed");
    assert!(
        matches!(unwritten, ClientError::NotWritten { .. }),
        "{unwritten}"
    );
}

#[tokio::test]
async fn an_executor_that_cannot_confine_blocks_is_not_asked_for_them_within_a_profile() {
    // It knows open files, but would open them without looking at the profile.
    let client = of_today(
        json!({ "fileWriteStreaming": true }),
        |method, params| match method {
            "fs/readFile" | "fs/writeFile" => {
                assert!(params["sandbox"].is_object(), "{params}");
                Ok(json!({ "dataBase64": base64("within") }))
            }
            other => panic!("{other}"),
        },
    )
    .await;
    let within = lockgate_client::profile::Sandbox::restricted([(
        at("/w"),
        lockgate_client::profile::Access::Write,
    )]);
    let mut blocks = soon(Files::open(&client, &at("/w/f"), 2, Some(&within)))
        .await
        .expect("read");
    assert_eq!(
        blocks.next().await.expect("a block").expect("bytes"),
        b"thin"
    );
    assert!(blocks.next().await.is_none());
    let file = soon(client.create(&at("/w/f"), Some(&within)))
        .await
        .expect("made");
    soon(file.finish()).await.expect("written");
}

const BLOCK: u64 = 1 << 20;

#[tokio::test]
async fn blocks_that_make_no_sense_end_the_file_and_nothing_else() {
    // Not the last one, and nothing in it: it would be asked for without end. Or too little, and more than was asked for.
    for len in [0, 3, BLOCK as usize + 1] {
        let client = of_today(
            json!({ "sandboxedFileStreaming": true }),
            move |method, params| match method {
                "fs/open" => Ok(json!({ "handleId": params["handleId"] })),
                "fs/readBlock" if params["offset"] == BLOCK => {
                    Ok(json!({ "chunk": base64(vec![b'x'; len]), "eof": false }))
                }
                "fs/readBlock" => {
                    Ok(json!({ "chunk": base64(vec![b'a'; BLOCK as usize]), "eof": false }))
                }
                "fs/close" => Ok(json!({})),
                "fs/getMetadata" => Ok(metadata(false, false)),
                other => panic!("{other}"),
            },
        )
        .await;
        let blocks = soon(Files::open(&client, &at("/f"), 0, None)).await;
        let mut blocks = blocks.expect("opened");
        let first = soon(blocks.next()).await.expect("a block").expect("bytes");
        assert_eq!(first.len() as u64, BLOCK);
        let error = soon(blocks.next()).await.expect("an error");
        let error = error.expect_err("no sense");
        assert!(matches!(error, ClientError::Protocol(_)), "{error}");
        assert!(soon(blocks.next()).await.is_none());
        assert!(soon(blocks.next()).await.is_none());
        let found = soon(Files::metadata(&client, &at("/f"), None)).await;
        found.expect("the connection goes on");
    }
}

#[tokio::test]
async fn a_small_file_is_one_question_and_of_a_large_one_a_few_blocks_are_asked_for_ahead() {
    let url = serve(async |mut peer: Peer| {
        let (id, _) = peer.called("initialize").await;
        let shell = json!({ "name": "sh", "path": "/bin/sh" });
        let ours = json!({ "lockgate": { "methods": [] } });
        let info = json!({ "shell": shell, "capabilities": ours });
        let answer = json!({ "sessionId": "s-1", "environmentInfo": info });
        peer.answer(id, answer).await;
        peer.called("initialized").await;
        // It has closed the file when it was read to its end, so nothing more is asked.
        let (id, _) = peer.called("fs/open").await;
        peer.answer(id, json!({ "handleId": "h" })).await;
        let (id, params) = peer.called("fs/readBlock").await;
        assert_eq!(
            (&params["offset"], &params["len"]),
            (&json!(7), &json!(BLOCK))
        );
        peer.answer(id, json!({ "chunk": base64("small"), "eof": true }))
            .await;
        let (id, _) = peer.called("fs/open").await;
        peer.answer(id, json!({ "handleId": "h" })).await;
        let (id, _) = peer.called("fs/readBlock").await;
        let full = json!({ "chunk": base64(vec![b'a'; BLOCK as usize]), "eof": false });
        peer.answer(id, full.clone()).await;
        // The answers come the other way round.
        let mut asked = Vec::new();
        for i in 1..=4 {
            let (id, params) = peer.called("fs/readBlock").await;
            assert_eq!(params["offset"], i * BLOCK);
            asked.push(id);
        }
        for id in asked.split_off(2).into_iter().rev() {
            let unknown = json!({ "code": -32004, "message": "no such handle" });
            peer.send(json!({ "id": id, "error": unknown })).await;
        }
        let last = asked.pop().expect("the third");
        peer.answer(last, json!({ "chunk": base64("end"), "eof": true }))
            .await;
        peer.answer(asked.pop().expect("the second"), full).await;
        let (id, _) = peer.called("fs/getMetadata").await;
        peer.answer(id, metadata(false, false)).await;
        std::future::pending().await
    })
    .await;
    let client = connect(&url).await.expect("connects");
    let mut small = soon(Files::open(&client, &at("/s"), 7, None))
        .await
        .expect("opened");
    assert_eq!(
        soon(small.next()).await.expect("a block").expect("bytes"),
        b"small"
    );
    assert!(soon(small.next()).await.is_none());
    drop(small);
    let mut large = soon(Files::open(&client, &at("/l"), 0, None))
        .await
        .expect("opened");
    let mut bytes = 0;
    while let Some(block) = soon(large.next()).await {
        bytes += block.expect("bytes").len() as u64;
    }
    assert_eq!(bytes, 2 * BLOCK + 3);
    drop(large);
    soon(Files::metadata(&client, &at("/l"), None))
        .await
        .expect("found");
}

#[tokio::test]
async fn batches_that_make_no_sense_are_errors_and_never_the_answers_of_other_paths() {
    let batches = json!({ "lockgate": { "methods": ["lockgate/fs/batch"] } });
    for results in [
        json!([]),
        json!([{ "result": metadata(false, false) }]),
        json!([{ "result": {} }, { "result": {} }]),
    ] {
        let client = of_today(batches.clone(), move |method, params| {
            assert_eq!(
                (method, params["operations"].as_array().map(Vec::len)),
                ("lockgate/fs/batch", Some(2))
            );
            Ok(json!({ "results": results }))
        })
        .await;
        let paths = [at("/a"), at("/b")];
        let error = soon(client.metadata_each(&paths, None))
            .await
            .expect_err("no sense");
        assert!(matches!(error, ClientError::Protocol(_)), "{error}");
    }
}

#[tokio::test]
async fn a_read_that_had_no_room_in_a_batch_is_asked_for_by_itself() {
    let batches = json!({ "lockgate": { "methods": ["lockgate/fs/batch"] } });
    let client = of_today(batches, |method, params| match method {
        "lockgate/fs/batch" => Ok(json!({ "results": [
            { "result": { "dataBase64": base64("small") } },
            { "error": { "code": -32600, "message": "the result has no room in the answer of the batch" } },
            { "error": { "code": -32004, "message": "No such file or directory (os error 2)" } },
        ] })),
        "fs/readFile" => {
            assert_eq!(params["path"], "file:///large");
            Ok(json!({ "dataBase64": base64("large") }))
        }
        other => panic!("{other}"),
    })
    .await;
    let paths = ["/small", "/large", "/none"].map(at);
    let read = soon(client.read_each(&paths, None))
        .await
        .expect("answered");
    let texts: Vec<_> = read
        .iter()
        .map(|read| read.as_deref().map_err(ClientError::code))
        .collect();
    assert_eq!(texts, [Ok(&b"small"[..]), Ok(b"large"), Err(Some(-32004))]);
}

#[tokio::test]
async fn a_write_that_failed_is_not_gone_on_with() {
    let streams = json!({ "fileWriteStreaming": true, "sandboxedFileStreaming": true });
    let client = of_today(streams, |method, params| match method {
        "fs/open" => {
            assert_eq!(params["mode"], "replace");
            Ok(json!({ "handleId": params["handleId"] }))
        }
        "fs/writeBlock" if params["offset"] == 0 => Ok(json!({})),
        "fs/writeBlock" => Err((-32603, "No space left on device (os error 28)")),
        "fs/close" => Ok(json!({})),
        other => panic!("{other}"),
    })
    .await;
    let mut file = soon(client.create(&at("/f"), None)).await.expect("opened");
    soon(file.write(b"first")).await.expect("written");
    let error = soon(file.write(b"second")).await.expect_err("full");
    assert_eq!(error.code(), Some(-32603));
    let error = soon(file.write(b"third")).await.expect_err("it has ended");
    assert!(matches!(error, ClientError::NotWritten { .. }), "{error}");
    let error = soon(file.finish()).await.expect_err("it is not whole");
    assert!(matches!(error, ClientError::NotWritten { .. }), "{error}");
}

#[tokio::test]
async fn a_lost_executor_is_an_error_everywhere_and_nobody_waits_for_it() {
    let client = connected(async |mut peer: Peer| {
        for method in ["fs/readFile", "process/start", "http/request"] {
            peer.called(method).await;
        }
    })
    .await;
    let executor: Arc<dyn lockgate_client::executor::Executor> = Arc::new(client);
    let command = Command::new(at("/"), ["true"]);
    let path = at("/f");
    let http = HttpClient::new(Arc::clone(&executor) as Arc<dyn lockgate_client::executor::Http>);
    let (read, started, answer) = soon(async {
        futures_util::join!(
            executor.read(&path, None),
            executor.start(&command),
            http.get("http://h/").send()
        )
    })
    .await;
    for error in [read.map(drop), started.map(drop), answer.map(drop)] {
        let error = error.expect_err("it is gone");
        assert!(error.code().is_none(), "{error}");
    }
}
