//! Output faster than it is read: who loses what, and who waits for whom.

use std::time::{Duration, Instant};

use lockgate_e2e::{DEADLINE, Server, Wire, start_params};
use serde_json::{Value, json};

fn decode(chunk: &Value) -> Vec<u8> {
    base64_simd::STANDARD
        .decode_to_vec(chunk.as_str().expect("a chunk"))
        .expect("base64")
}

#[tokio::test]
async fn attack_24_a_flood_that_nobody_reads_stops_neither_the_child_nor_the_answers() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let folder = tempfile::tempdir().expect("a folder");
    let done = folder.path().join("done");
    let flood = format!("head -c 50000000 /dev/zero; touch {}", done.display());
    wire.start(start_params("flood", &flood)).await;
    // Nothing is read from the socket: the child ends all the same.
    let patience = Instant::now();
    while !done.exists() {
        assert!(
            patience.elapsed() < DEADLINE,
            "the child is held up by a client that does not read"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let status = wire.call("environment/status", json!({})).await;
    assert_eq!(status, Ok(json!({"status": "ready"})));
    let read = json!({"processId": "flood", "afterSeq": 0});
    let read = wire.call("process/read", read).await.expect("readable");
    let kept: usize = read["chunks"]
        .as_array()
        .expect("chunks")
        .iter()
        .map(|chunk| decode(&chunk["chunk"]).len())
        .sum();
    assert!(
        (1 << 19..=1 << 20).contains(&kept),
        "the last MiB is kept, {kept} bytes came"
    );
}

#[tokio::test]
async fn a_reading_client_gets_every_byte_of_a_flood() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ended = wire.run("flood", "seq 1 3000000").await;
    let expected: usize = (1..=3_000_000_u32).map(|n| n.to_string().len() + 1).sum();
    assert_eq!(ended.stdout.len(), expected);
    assert!(ended.stdout.ends_with(b"\n3000000\n"));
}

#[tokio::test]
async fn a_client_that_polls_gets_every_byte_of_a_flood() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    // It says what kind of client it is, as those of May 2026 do with their first command.
    wire.run("first", "true").await;
    wire.call("process/read", json!({"processId": "first"}))
        .await
        .expect("readable");
    wire.start(start_params("flood", "head -c 20000000 /dev/zero"))
        .await;
    let (mut after, mut bytes) = (0, 0);
    loop {
        let read = json!({"processId": "flood", "afterSeq": after, "waitMs": 10_000});
        let result = wire.call("process/read", read).await.expect("readable");
        for chunk in result["chunks"].as_array().expect("chunks") {
            assert_eq!(chunk["seq"], after + 1, "{bytes} bytes so far");
            after += 1;
            bytes += decode(&chunk["chunk"]).len();
        }
        if result["closed"] == true {
            break;
        }
    }
    assert_eq!(bytes, 20_000_000);
}

#[tokio::test]
async fn a_process_that_waits_for_its_reader_loses_nothing() {
    let server = Server::start();
    let (mut wire, session) = Wire::open(&server).await;
    let folder = tempfile::tempdir().expect("a folder");
    let done = folder.path().join("done");
    let command = format!("head -c 30000000 /dev/zero; touch {}", done.display());
    let mut params = start_params("patient", &command);
    params["waitForReader"] = json!(true);
    wire.start(params).await;
    // Nothing is read here for much longer than another process would be held up.
    let mut other = Wire::ready(&server).await;
    for number in 0..20 {
        other.run(&format!("{number}"), "sleep 0.01").await;
    }
    assert!(!done.exists(), "it waits for its reader");
    let ended = wire.follow("patient").await;
    assert_eq!((ended.stdout.len(), ended.code), (30_000_000, 0));

    // Without anybody attached there is nobody to wait for.
    let away = folder.path().join("away");
    let command = format!(
        "sleep 0.2; head -c 30000000 /dev/zero; touch {}",
        away.display()
    );
    let mut params = start_params("alone", &command);
    params["waitForReader"] = json!(true);
    wire.start(params).await;
    drop((wire, session));
    let patience = Instant::now();
    while !away.exists() {
        assert!(
            patience.elapsed() < DEADLINE,
            "a process without a connection is held up"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
