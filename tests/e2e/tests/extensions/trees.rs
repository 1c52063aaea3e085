//! `lockgate/fs/readTree`, `writeTree`: whole trees as streams. What a tar may do is tried on the gate itself; here are the handles.

use std::fs;

use lockgate_e2e::{
    Ground, Profile, Server, Shape, Wire, list_tree, read_tree, tar_entry, tar_names, write_tree,
};
use serde_json::{Value, json};
use tar::EntryType;

/// Without a sandbox, and under a profile that grants the ground.
fn ways(ground: &Ground) -> [Value; 2] {
    let profile = Profile::new().write(ground.path(""));
    [Value::Null, profile.in_shape(Shape::Late)]
}

fn at(ground: &Ground, path: &str) -> Value {
    Shape::Late.path(ground.path(path))
}

async fn open(wire: &mut Wire, method: &str, ground: &Ground, path: &str) -> Result<Value, String> {
    let params = json!({"handleId": "t", "path": at(ground, path)});
    let opened = wire.call(method, params).await;
    opened.map_err(|refusal| refusal.message)
}

async fn refused(wire: &mut Wire, method: &str, params: Value) -> (i64, String) {
    let refusal = wire.call(method, params).await.expect_err("refused");
    (refusal.code, refusal.message)
}

#[tokio::test]
async fn a_tree_is_fetched_and_sent_whole() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::not_temporary();
    ground.make(&["from/a=1", "from/d/b=22", "from/d/e/", "from/l>d/b"]);
    fs::write(ground.path("from/d/big"), vec![7; 3 << 20]).expect("written");
    for (number, sandbox) in ways(&ground).iter().enumerate() {
        let from = at(&ground, "from");
        let (tar, report) = read_tree(&mut wire, sandbox, from, 1 << 20)
            .await
            .expect("read");
        let wanted = json!({
            "files": 3, "directories": 2, "links": 1, "bytes": 3 + (3 << 20), "leftOut": [], "leftOutCount": 0,
        });
        assert_eq!(report, wanted);
        assert_eq!(tar_names(&tar), ["a", "d/", "d/b", "d/big", "d/e/", "l"]);
        let to = format!("to{number}/new");
        let report = write_tree(&mut wire, sandbox, at(&ground, &to), &tar, 1 << 20).await;
        assert_eq!(report, Ok(wanted));
        let strip = |below: &str| -> Vec<_> {
            let root = ground.path(below);
            let all = ground.snapshot(below).into_iter();
            all.map(|(path, text)| (path.strip_prefix(&root).expect("below").to_owned(), text))
                .collect()
        };
        assert_eq!(strip(&to), strip("from"));
    }
}

#[tokio::test]
async fn what_a_tree_has_is_told_in_lines_whatever_the_blocks_are() {
    use std::os::unix::ffi::OsStringExt;
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::not_temporary();
    ground.make(&["from/d/b=22", "from/l>d/b"]);
    let odd = std::ffi::OsString::from_vec(b"odd\xff".to_vec());
    fs::write(ground.path("from").join(odd), "x").expect("written");
    for sandbox in ways(&ground) {
        let mut all = Vec::new();
        for len in [1, 100, 1 << 20] {
            let listed = list_tree(&mut wire, &sandbox, at(&ground, "from"), len).await;
            let (lines, report) = listed.expect("listed");
            assert_eq!(report["files"], 2);
            all.push(lines);
        }
        assert!(all[0] == all[1] && all[1] == all[2]);
        let lines = &all[0];
        let root = (&lines[0]["name"], &lines[0]["kind"]);
        assert_eq!(root, (&json!(""), &json!("directory")));
        let named = |name: Value| {
            let line = lines.iter().find(|line| line["name"] == name);
            line.unwrap_or_else(|| panic!("{name} in {lines:?}"))
        };
        assert_eq!(named(json!("d/b"))["size"], 2);
        assert!(named(json!("d/b"))["modifiedAtMs"].as_i64() > Some(0));
        assert_eq!(named(json!("l"))["target"], "d/b");
        assert_eq!(named(json!({"base64": "b2Rk/w=="}))["kind"], "file");
    }
    let params = json!({"handleId": "t", "path": at(&ground, "none")});
    let (code, _) = refused(&mut wire, "lockgate/fs/listTree", params).await;
    assert_eq!(code, -32004);
}

#[tokio::test]
async fn a_link_is_not_opened_where_none_is_to_be_followed() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::not_temporary();
    ground.make(&[
        "f=x",
        "l>f",
        "f-read=x",
        "f-append=x",
        "f-update=x",
        "f-replace=x",
    ]);
    for (number, sandbox) in ways(&ground).into_iter().enumerate() {
        for mode in ["read", "append", "update", "replace"] {
            let open = json!({
                "handleId": format!("{mode}{number}"), "path": at(&ground, "l"), "mode": mode, "sandbox": sandbox,
                "followSymlinks": false,
            });
            wire.call("fs/open", open).await.expect_err("refused");
            let open = json!({
                "handleId": format!("{mode}{number}"), "path": at(&ground, &format!("f-{mode}")), "mode": mode, "sandbox": sandbox,
                "followSymlinks": false,
            });
            wire.call("fs/open", open).await.expect("no link");
        }
    }
    assert_eq!(ground.text("f"), "x");
}

#[tokio::test]
async fn blocks_may_be_asked_for_and_sent_without_waiting() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    for number in 0..100 {
        ground.make(&[&format!("from/d{number}/f=text {number}")]);
    }
    let open = json!({"handleId": "r", "path": at(&ground, "from")});
    wire.request("lockgate/fs/readTree", open).await;
    let mut requests = Vec::new();
    for number in 0..160 {
        let block = json!({"handleId": "r", "offset": number * 1_024, "len": 1_024});
        requests.push(wire.request("fs/readBlock", block).await);
    }
    wire.answer(requests[0] - 1).await.expect("opened");
    let mut tar = Vec::new();
    for request in requests {
        if let Ok(block) = wire.answer(request).await {
            tar.extend(lockgate_e2e::decoded(&block["chunk"]));
        }
    }
    assert_eq!(tar_names(&tar).len(), 200);
    let mut requests = Vec::new();
    let open = json!({"handleId": "w", "path": at(&ground, "to")});
    requests.push(wire.request("lockgate/fs/writeTree", open).await);
    for (number, piece) in tar.chunks(1_000).enumerate() {
        let chunk = base64_simd::STANDARD.encode_to_string(piece);
        let block = json!({"handleId": "w", "offset": number * 1_000, "chunk": chunk});
        requests.push(wire.request("lockgate/fs/writeTreeBlock", block).await);
    }
    let finish = wire
        .request("lockgate/fs/finishTree", json!({"handleId": "w"}))
        .await;
    for request in requests {
        wire.answer(request).await.expect("taken");
    }
    assert_eq!(wire.answer(finish).await.expect("finished")["files"], 100);
    assert_eq!(ground.text("to/d42/f"), "text 42");
}

#[tokio::test]
async fn blocks_of_a_tree_go_in_order_and_in_one_direction() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    ground.make(&["from/f=x", "to/"]);
    open(&mut wire, "lockgate/fs/readTree", &ground, "from")
        .await
        .expect("opened");
    let block = |offset: u64| json!({"handleId": "t", "offset": offset, "len": 512});
    let (code, message) = refused(&mut wire, "fs/readBlock", block(512)).await;
    assert_eq!(
        (code, message.contains("begins at 0, not at 512")),
        (-32600, true),
        "{message}"
    );
    wire.call("fs/readBlock", block(0)).await.expect("in order");
    assert_eq!(refused(&mut wire, "fs/readBlock", block(0)).await.0, -32600);
    let chunk = json!({"handleId": "t", "offset": 512, "chunk": "eA=="});
    let (code, message) = refused(&mut wire, "lockgate/fs/writeTreeBlock", chunk).await;
    assert_eq!(
        (code, message.contains("is being read")),
        (-32600, true),
        "{message}"
    );
    for offset in [512, 1_024, 1_536] {
        let block = wire
            .call("fs/readBlock", block(offset))
            .await
            .expect("in order");
        assert_eq!(block["eof"], false);
    }
    let last = wire
        .call("fs/readBlock", block(2_048))
        .await
        .expect("the end");
    assert_eq!(last, json!({"chunk": "", "eof": true}));
    wire.call("lockgate/fs/finishTree", json!({"handleId": "t"}))
        .await
        .expect("told");
    assert_eq!(
        refused(&mut wire, "fs/readBlock", block(2_048)).await.0,
        -32004
    );

    open(&mut wire, "lockgate/fs/writeTree", &ground, "to")
        .await
        .expect("opened");
    assert_eq!(refused(&mut wire, "fs/readBlock", block(0)).await.0, -32600);
    for (offset, chunk) in [(1, "eA=="), (0, ""), (0, "%")] {
        let params = json!({"handleId": "t", "offset": offset, "chunk": chunk});
        let (code, message) = refused(&mut wire, "lockgate/fs/writeTreeBlock", params).await;
        assert!([-32600, -32602].contains(&code), "{message}");
    }
    wire.call("fs/close", json!({"handleId": "t"}))
        .await
        .expect("abandoned");
    let finish = refused(
        &mut wire,
        "lockgate/fs/finishTree",
        json!({"handleId": "t"}),
    )
    .await;
    assert_eq!(finish.0, -32004);
}

#[tokio::test]
async fn a_tree_that_fails_is_over_and_a_file_is_no_tree() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    ground.make(&["f=x", "to/"]);
    open(&mut wire, "lockgate/fs/writeTree", &ground, "to")
        .await
        .expect("opened");
    let chunk = base64_simd::STANDARD.encode_to_string([b'x'; 512]);
    let params = json!({"handleId": "t", "offset": 0, "chunk": chunk});
    let (code, message) = refused(&mut wire, "lockgate/fs/writeTreeBlock", params).await;
    assert_eq!(
        (code, message.contains("checksum")),
        (-32600, true),
        "{message}"
    );
    let finish = json!({"handleId": "t"});
    assert_eq!(
        refused(&mut wire, "lockgate/fs/finishTree", finish.clone())
            .await
            .0,
        -32004
    );
    for path in ["f", "none"] {
        open(&mut wire, "lockgate/fs/readTree", &ground, path)
            .await
            .expect_err("no directory");
    }
    wire.call(
        "fs/open",
        json!({"handleId": "t", "path": at(&ground, "f")}),
    )
    .await
    .expect("opened");
    assert_eq!(
        refused(&mut wire, "lockgate/fs/finishTree", finish).await.0,
        -32600
    );
    open(&mut wire, "lockgate/fs/readTree", &ground, "to")
        .await
        .expect_err("the name is taken");
}

#[tokio::test]
async fn a_connection_has_few_trees_open_at_once() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    ground.make(&["from/f=x", "f=x"]);
    let params =
        |handle: usize| json!({"handleId": format!("t{handle}"), "path": at(&ground, "from")});
    for handle in 0..4 {
        let method = if handle % 2 == 0 {
            "lockgate/fs/readTree"
        } else {
            "lockgate/fs/writeTree"
        };
        wire.call(method, params(handle)).await.expect("opened");
    }
    let (code, message) = refused(&mut wire, "lockgate/fs/readTree", params(4)).await;
    assert_eq!(
        (code, message.contains("at most 4 trees")),
        (-32600, true),
        "{message}"
    );
    wire.call(
        "fs/open",
        json!({"handleId": "f", "path": at(&ground, "f")}),
    )
    .await
    .expect("files are counted by themselves");
    wire.call("fs/close", json!({"handleId": "t1"}))
        .await
        .expect("closed");
    wire.call("lockgate/fs/readTree", params(4))
        .await
        .expect("there is room");
    let mut other = Wire::ready(&server).await;
    other
        .call("lockgate/fs/readTree", params(0))
        .await
        .expect("another connection has its own");
}

#[tokio::test]
async fn attack_03_an_upload_stays_in_its_directory() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::not_temporary();
    ground.make(&["out/f=secret", "to/"]);
    let before = ground.snapshot("out");
    let mut tar = Vec::new();
    let out = ground.path("out");
    tar_entry(
        &mut tar,
        EntryType::Symlink,
        "l",
        out.to_str().expect("UTF-8"),
        b"",
    );
    tar_entry(&mut tar, EntryType::Regular, "l/f", "", b"evil");
    tar_entry(&mut tar, EntryType::Regular, "../out/f", "", b"evil");
    tar_entry(
        &mut tar,
        EntryType::Regular,
        out.join("f").to_str().expect("UTF-8"),
        "",
        b"evil",
    );
    tar_entry(&mut tar, EntryType::Link, "hard", "../out/f", b"");
    tar_entry(&mut tar, EntryType::Regular, "fine", "", b"fine");
    for sandbox in ways(&ground) {
        let report = write_tree(&mut wire, &sandbox, at(&ground, "to"), &tar, 777)
            .await
            .expect("done");
        assert_eq!(
            (&report["files"], &report["leftOutCount"]),
            (&json!(1), &json!(4)),
            "{report:#}"
        );
        assert_eq!(ground.snapshot("out"), before);
        assert_eq!(ground.text("to/fine"), "fine");
    }
}

#[tokio::test]
async fn what_a_profile_does_not_grant_does_not_travel() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::not_temporary();
    ground.make(&["w/f=x", "w/secret/key=k", "w/.git/config=c", "out/f=o"]);
    let profile = Profile::new()
        .write(ground.path("w"))
        .deny(ground.path("w/secret"));
    for shape in Shape::BOTH {
        let sandbox = profile.in_shape(shape);
        let (tar, _) = read_tree(&mut wire, &sandbox, at(&ground, "w"), 512)
            .await
            .expect("read");
        assert_eq!(tar_names(&tar), [".git/", ".git/config", "f"]);
        let refusal = read_tree(&mut wire, &sandbox, at(&ground, "out"), 512)
            .await
            .expect_err("refused");
        assert_eq!(refusal.code, -32004);
        let mut tar = Vec::new();
        for name in [
            "f",
            ".git/config",
            ".git/hooks/x",
            "secret/key",
            "secret/new",
        ] {
            tar_entry(&mut tar, EntryType::Regular, name, "", b"evil");
        }
        let report = write_tree(&mut wire, &sandbox, at(&ground, "w"), &tar, 512)
            .await
            .expect("done");
        assert_eq!(
            (&report["files"], &report["leftOutCount"]),
            (&json!(1), &json!(4)),
            "{report:#}"
        );
        assert_eq!(ground.text("w/.git/config"), "c");
        assert_eq!(ground.text("w/secret/key"), "k");
        assert!(!ground.has("w/secret/new") && !ground.has("w/.git/hooks"));
        let refusal = write_tree(&mut wire, &sandbox, at(&ground, "out"), &tar, 512)
            .await
            .expect_err("refused");
        assert_eq!(refusal.code, -32600);
    }
}

#[tokio::test]
async fn a_client_that_vanishes_ends_its_tree() {
    let server = Server::start();
    let ground = Ground::new();
    ground.make(&["to/f=old old old old"]);
    let mut tar = Vec::new();
    tar_entry(&mut tar, EntryType::Regular, "f", "", &[b'n'; 8]);
    {
        let mut wire = Wire::ready(&server).await;
        open(&mut wire, "lockgate/fs/writeTree", &ground, "to")
            .await
            .expect("opened");
        let chunk = base64_simd::STANDARD.encode_to_string(&tar[..516]);
        let block = json!({"handleId": "t", "offset": 0, "chunk": chunk});
        wire.call("lockgate/fs/writeTreeBlock", block)
            .await
            .expect("taken");
    }
    // The file ends after what came once the server has let go of it.
    let deadline = std::time::Instant::now() + lockgate_e2e::DEADLINE;
    while ground.text("to/f") != "nnnn" {
        assert!(
            std::time::Instant::now() < deadline,
            "{}",
            ground.text("to/f")
        );
        tokio::task::yield_now().await;
    }
}
