//! `fs/open`, `fs/readBlock`, `fs/close` (PROTOCOL-LATER 2).

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use lockgate_e2e::{DEADLINE, Ground, Refusal, Server, Shape, Wire, decoded};
use serde_json::{Value, json};

async fn open(wire: &mut Wire, handle: &str, path: impl AsRef<Path>) -> Result<Value, Refusal> {
    let path = Shape::Late.path(path);
    wire.call("fs/open", json!({"handleId": handle, "path": path}))
        .await
}

/// The bytes of a block, and whether it was the last.
async fn block(
    wire: &mut Wire,
    handle: &str,
    offset: u64,
    len: u64,
) -> Result<(Vec<u8>, bool), Refusal> {
    let params = json!({"handleId": handle, "offset": offset, "len": len});
    let block = wire.call("fs/readBlock", params).await?;
    Ok((
        decoded(&block["chunk"]),
        block["eof"].as_bool().expect("a bool"),
    ))
}

async fn is_closed(wire: &mut Wire, handle: &str) {
    let refusal = block(wire, handle, 0, 1).await.expect_err("closed");
    assert_eq!(refusal.code, -32004, "{}", refusal.message);
}

#[tokio::test]
async fn a_file_is_read_in_blocks_and_closes_at_its_end() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    ground.make(&["f=0123456789", "empty=", "l>f"]);
    assert_eq!(
        open(&mut wire, "h", ground.path("l")).await,
        Ok(json!({"handleId": "h"}))
    );
    for (offset, len, wanted, eof) in [
        (0, 4, &b"0123"[..], false),
        (4, 4, b"4567", false),
        (2, 2, b"23", false),
        // Exactly to the end is not yet the end: `eof` says that there were fewer bytes than asked for.
        (8, 2, b"89", false),
        (8, 4, b"89", true),
    ] {
        assert_eq!(
            block(&mut wire, "h", offset, len).await,
            Ok((wanted.to_vec(), eof))
        );
    }
    is_closed(&mut wire, "h").await;
    for path in ["f", "empty"] {
        open(&mut wire, "h", ground.path(path))
            .await
            .expect("the name is free again");
        let at = if path == "f" { 10 } else { 0 };
        assert_eq!(block(&mut wire, "h", at, 1).await, Ok((vec![], true)));
        is_closed(&mut wire, "h").await;
    }
    open(&mut wire, "h", ground.path("f"))
        .await
        .expect("opened");
    assert_eq!(block(&mut wire, "h", 1 << 50, 1).await, Ok((vec![], true)));
}

#[tokio::test]
async fn closing_is_idempotent_and_unknown_handles_are_not_found() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    ground.make(&["f=x"]);
    is_closed(&mut wire, "never").await;
    open(&mut wire, "h", ground.path("f"))
        .await
        .expect("opened");
    for handle in ["h", "h", "never"] {
        assert_eq!(
            wire.call("fs/close", json!({"handleId": handle})).await,
            Ok(json!({}))
        );
    }
    is_closed(&mut wire, "h").await;
}

#[tokio::test]
async fn handle_ids_have_one_to_32_bytes_and_are_unique_while_open() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    ground.make(&["f=x"]);
    let longest = "x".repeat(32);
    open(&mut wire, &longest, ground.path("f"))
        .await
        .expect("32 bytes");
    for wrong in ["", &"x".repeat(33), &"ü".repeat(17)] {
        let refusal = open(&mut wire, wrong, ground.path("f"))
            .await
            .expect_err("refused");
        assert_eq!(refusal.code, -32602, "{wrong}: {}", refusal.message);
    }
    let refusal = open(&mut wire, &longest, ground.path("f"))
        .await
        .expect_err("open already");
    assert_eq!(refusal.code, -32600, "{}", refusal.message);
    assert_eq!(
        block(&mut wire, &longest, 0, 1).await,
        Ok((b"x".to_vec(), false)),
        "not disturbed"
    );
}

#[tokio::test]
async fn at_most_128_files_are_open_on_one_connection() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let mut other = Wire::ready(&server).await;
    let ground = Ground::new();
    ground.make(&["f=x"]);
    for handle in 0..128 {
        open(&mut wire, &format!("h{handle}"), ground.path("f"))
            .await
            .expect("opened");
    }
    let message = "at most 128 file handles may be open per connection".to_owned();
    let full = Err(Refusal {
        code: -32600,
        message,
    });
    assert_eq!(open(&mut wire, "more", ground.path("f")).await, full);
    open(&mut other, "h0", ground.path("f"))
        .await
        .expect("another connection has its own");
    wire.call("fs/close", json!({"handleId": "h0"}))
        .await
        .expect("closed");
    open(&mut wire, "more", ground.path("f"))
        .await
        .expect("there is room again");
    assert_eq!(open(&mut wire, "and", ground.path("f")).await, full);
    assert_eq!(
        block(&mut wire, "h1", 0, 2).await,
        Ok((b"x".to_vec(), true))
    );
    open(&mut wire, "and", ground.path("f"))
        .await
        .expect("the end of a file makes room, too");
}

#[tokio::test]
async fn a_failed_open_leaves_nothing_open() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    ground.make(&["f=x", "d/"]);
    for _ in 0..130 {
        let refusal = open(&mut wire, "h", ground.path("none"))
            .await
            .expect_err("missing");
        assert_eq!(refusal.code, -32004);
        let refusal = open(&mut wire, "h", ground.path("d"))
            .await
            .expect_err("a directory");
        assert_eq!(
            (refusal.code, refusal.message.as_str()),
            (-32603, "Is a directory (os error 21)")
        );
    }
    is_closed(&mut wire, "h").await;
    for mode in ["write", "Replace", ""] {
        let params = json!({"handleId": "h", "path": ground.path("f"), "mode": mode});
        let refusal = wire.call("fs/open", params).await.expect_err("refused");
        assert_eq!(refusal.code, -32602, "{mode}: {}", refusal.message);
    }
    assert_eq!(ground.text("f"), "x", "nothing was replaced");
    let params = json!({"handleId": "h", "path": ground.path("f"), "mode": "read"});
    wire.call("fs/open", params).await.expect("opened");
}

#[tokio::test]
async fn blocks_have_one_byte_to_one_mebibyte() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    let bytes = vec![7; (1 << 20) + 10];
    fs::write(ground.path("f"), &bytes).expect("written");
    open(&mut wire, "h", ground.path("f"))
        .await
        .expect("opened");
    let (most, eof) = block(&mut wire, "h", 0, 1 << 20).await.expect("read");
    assert!(most == bytes[..1 << 20] && !eof);
    for (offset, len) in [
        (json!(0), json!(0)),
        (json!(0), json!((1 << 20) + 1)),
        (json!(0), json!(u64::MAX)),
        (json!(0), json!(-1)),
        (json!(0), json!(1.5)),
        (json!(-1), json!(1)),
        (json!("0"), json!(1)),
    ] {
        let params = json!({"handleId": "h", "offset": offset, "len": len});
        let refusal = wire
            .call("fs/readBlock", params)
            .await
            .expect_err("refused");
        assert_eq!(refusal.code, -32602, "{offset} {len}: {}", refusal.message);
    }
    assert_eq!(
        block(&mut wire, "h", 0, 1).await,
        Ok((vec![7], false)),
        "not disturbed"
    );
    // No file is that long; the answer is an end or an error, never a crash.
    let params = json!({"handleId": "h", "offset": u64::MAX, "len": 1});
    let _ = wire.call("fs/readBlock", params).await;
    wire.call("environment/status", json!({}))
        .await
        .expect("the server lives");
}

#[tokio::test]
async fn attack_16_what_happens_to_the_file_meanwhile_is_seen_and_harms_nothing() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    ground.make(&["f=0123456789"]);
    let append = |bytes: &[u8]| {
        let mut file = OpenOptions::new()
            .append(true)
            .open(ground.path("f"))
            .expect("open");
        file.write_all(bytes).expect("written");
    };
    open(&mut wire, "h", ground.path("f"))
        .await
        .expect("opened");
    assert_eq!(
        block(&mut wire, "h", 0, 10).await,
        Ok((b"0123456789".to_vec(), false))
    );
    append(b"abc");
    assert_eq!(
        block(&mut wire, "h", 10, 3).await,
        Ok((b"abc".to_vec(), false)),
        "it grew"
    );
    fs::rename(ground.path("f"), ground.path("moved")).expect("moved");
    ground.make(&["f=another"]);
    assert_eq!(
        block(&mut wire, "h", 0, 2).await,
        Ok((b"01".to_vec(), false)),
        "still the same file"
    );
    fs::remove_file(ground.path("moved")).expect("removed");
    assert_eq!(
        block(&mut wire, "h", 2, 2).await,
        Ok((b"23".to_vec(), false)),
        "gone, yet held"
    );
    open(&mut wire, "other", ground.path("f"))
        .await
        .expect("opened");
    OpenOptions::new()
        .write(true)
        .open(ground.path("f"))
        .expect("open")
        .set_len(2)
        .expect("cut");
    assert_eq!(
        block(&mut wire, "other", 0, 7).await,
        Ok((b"an".to_vec(), true)),
        "it shrank"
    );
}

#[tokio::test]
async fn handles_belong_to_their_connection_and_end_with_it() {
    let server = Server::start();
    let (mut wire, session) = Wire::open(&server).await;
    let mut other = Wire::ready(&server).await;
    let ground = Ground::new();
    ground.make(&["f=x"]);
    open(&mut wire, "h", ground.path("f"))
        .await
        .expect("opened");
    is_closed(&mut other, "h").await;
    other
        .call("fs/close", json!({"handleId": "h"}))
        .await
        .expect("nothing to close");
    assert_eq!(
        block(&mut wire, "h", 0, 1).await,
        Ok((b"x".to_vec(), false))
    );
    let held = |server: &Server| open_descriptors(server.pid(), &ground.path("f"));
    assert_eq!(held(&server), 1);
    drop(wire);
    let patience = std::time::Instant::now();
    while held(&server) != 0 {
        assert!(patience.elapsed() < DEADLINE, "the file stays open");
        tokio::task::yield_now().await;
    }
    let mut resumed = Wire::connect(&server).await;
    while resumed.handshake(Some(&session)).await.is_err() {
        assert!(patience.elapsed() < DEADLINE, "the session stays attached");
        resumed = Wire::connect(&server).await;
    }
    is_closed(&mut resumed, "h").await;
}

/// How many descriptors for a file a process and its children have.
fn open_descriptors(pid: u32, file: &Path) -> usize {
    let children =
        fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let own = fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .flatten();
    let own = own.filter(|entry| fs::read_link(entry.path()).is_ok_and(|target| target == file));
    let below = children
        .split_whitespace()
        .filter_map(|child| child.parse().ok());
    own.count()
        + below
            .map(|child| open_descriptors(child, file))
            .sum::<usize>()
}
