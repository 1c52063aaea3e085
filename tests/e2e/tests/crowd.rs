//! Many clients, and clients that misbehave: nobody else is disturbed.

use lockgate_e2e::{Ground, Server, Shape, Wire, lockgate, start_params};
use serde_json::json;

#[tokio::test]
async fn a_thousand_connections_at_once_are_served() {
    let server = Server::start();
    let mut joining = tokio::task::JoinSet::new();
    let server = std::sync::Arc::new(server);
    for _ in 0..1_000 {
        let server = std::sync::Arc::clone(&server);
        joining.spawn(async move {
            let mut wire = Wire::ready(&server).await;
            let status = wire.call("environment/status", json!({})).await;
            assert_eq!(status, Ok(json!({"status": "ready"})));
            wire
        });
    }
    let mut wires = Vec::new();
    while let Some(wire) = joining.join_next().await {
        wires.push(wire.expect("served"));
    }
    for wire in &mut wires {
        wire.call("fs/getMetadata", json!({"path": "/"}))
            .await
            .expect("still served");
    }
}

#[tokio::test]
async fn a_client_that_never_reads_slows_only_itself() {
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a folder");
    let big = folder.path().join("big");
    std::fs::write(&big, vec![0_u8; 8 << 20]).expect("written");
    let mut deaf = Wire::ready(&server).await;
    for _ in 0..200 {
        deaf.request("fs/readFile", json!({"path": big})).await;
    }
    deaf.request("process/start", start_params("flood", "cat /dev/zero"))
        .await;
    let mut wire = Wire::ready(&server).await;
    for number in 0..50 {
        wire.call("fs/getMetadata", json!({"path": big}))
            .await
            .expect("answered");
        assert_eq!(wire.run(&format!("run{number}"), "exit 0").await.code, 0);
    }
    // 200 answers of 11 MB would be 2.2 GB.
    let resident = resident_kilobytes(&server);
    assert!(
        resident < 600_000,
        "the server holds {resident} KiB for a client that never reads"
    );
    // It gets its answers when it reads after all.
    let mut missing: std::collections::BTreeSet<i64> = (2..=201).collect();
    while !missing.is_empty() {
        let message = deaf.message().await;
        if let Some(data) = message["result"]["dataBase64"].as_str() {
            assert_eq!(data.len(), (8_usize << 20).div_ceil(3) * 4);
            assert!(missing.remove(&message["id"].as_i64().expect("a number")));
        }
    }
}

/// Resident memory of the server proper and its guardian.
fn resident_kilobytes(server: &Server) -> u64 {
    let children = format!("/proc/{0}/task/{0}/children", server.pid());
    let children = std::fs::read_to_string(children).expect("readable");
    let pids = children
        .split_whitespace()
        .map(str::to_owned)
        .chain([server.pid().to_string()]);
    pids.filter_map(|pid| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS"))?
            .to_owned();
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    })
    .sum()
}

#[tokio::test]
async fn clients_that_vanish_in_the_middle_of_a_call_leave_nothing() {
    let server = Server::start();
    for round in 0..50 {
        let mut wire = Wire::ready(&server).await;
        wire.request("process/start", start_params("x", "sleep 1000"))
            .await;
        wire.request("process/read", json!({"processId": "x", "waitMs": 600_000}))
            .await;
        wire.request(
            "fs/walk",
            json!({"path": "/usr", "options": {"maxDepth": 64, "maxDirectories": 10_000,
            "maxEntries": 50_000, "followDirectorySymlinks": false}}),
        )
        .await;
        if round % 2 == 0 {
            // A reset instead of a close.
            wire.tcp().set_zero_linger().expect("set");
        }
        drop(wire);
    }
    let mut wire = Wire::ready(&server).await;
    assert_eq!(wire.run("after", "exit 2").await.code, 2);
}

#[tokio::test]
async fn a_low_descriptor_limit_is_raised_for_the_server_and_kept_for_its_children() {
    let mut command = std::process::Command::new("/bin/bash");
    command
        .args([
            "-c",
            "ulimit -Sn 256 && exec \"$0\" serve --listen ws://127.0.0.1:0",
        ])
        .arg(lockgate_e2e::lockgate());
    let server = Server::from_command(command);
    let mut wires = Vec::new();
    for _ in 0..400 {
        wires.push(Wire::ready(&server).await);
    }
    let ended = wires[399]
        .run(
            "limit",
            "until test $(ulimit -Sn) = 256; do :; done; ulimit -Sn",
        )
        .await;
    assert_eq!(String::from_utf8_lossy(&ended.stdout), "256\n");
}

/// A server that may have so many descriptors open and no more.
fn with_descriptors(limit: u32) -> Server {
    let mut command = std::process::Command::new("/bin/bash");
    let start = format!("ulimit -n {limit} && exec \"$0\" serve --listen ws://127.0.0.1:0");
    command.args(["-c", &start]).arg(lockgate());
    Server::from_command(command)
}

#[tokio::test]
async fn attack_25_who_opens_all_the_files_there_can_be_leaves_some_to_others() {
    let server = with_descriptors(512);
    let ground = Ground::new();
    ground.make(&["f=text"]);
    let path = Shape::Late.path(ground.path("f"));
    let mut honest = Wire::ready(&server).await;
    let mut greedy = Vec::new();
    let mut refused = None;
    for _ in 0..5 {
        let mut wire = Wire::ready(&server).await;
        for number in 0..128 {
            let params = json!({"handleId": number.to_string(), "path": path, "mode": "read"});
            refused = wire.call("fs/open", params).await.err().or(refused);
        }
        greedy.push(wire);
    }
    let read = json!({"path": path});
    let text = honest.call("fs/readFile", read).await;
    assert_eq!(text, Ok(json!({"dataBase64": "dGV4dA=="})));
    honest
        .call("process/start", start_params("p", "true"))
        .await
        .expect("started");
    let mut new = Wire::ready(&server).await;
    new.call("environment/status", json!({}))
        .await
        .expect("answered");
    let refused = refused.expect("not all files can be open");
    assert!(
        refused.message.contains("all clients together"),
        "{refused:?}"
    );
    // What one closes another opens.
    drop(greedy);
    let open = json!({"handleId": "h", "path": path, "mode": "read"});
    let end = tokio::time::Instant::now() + lockgate_e2e::DEADLINE;
    while honest.call("fs/open", open.clone()).await.is_err() {
        assert!(tokio::time::Instant::now() < end, "nothing was closed");
    }
}

#[tokio::test]
async fn attack_25_watches_take_no_descriptors() {
    let server = with_descriptors(128);
    let ground = Ground::new();
    let mut wire = Wire::ready(&server).await;
    let mut missing = Vec::new();
    for number in 0..200 {
        ground.make(&[&format!("d{number}/")]);
        missing.push(Shape::Late.path(ground.path(&format!("d{number}/none"))));
    }
    let params = json!({"watchId": 1, "missing": missing});
    let watching = wire.call("fs/watchMissing", params).await;
    assert_eq!(watching, Ok(json!({"watching": true})));
    for number in 0..60 {
        let path = Shape::Late.path(ground.path("d0"));
        let params = json!({"watchId": number.to_string(), "path": path, "recursive": false});
        let begun = wire.call("lockgate/fs/watch", params).await;
        begun.expect("watched");
    }
    Wire::ready(&server).await;
}
