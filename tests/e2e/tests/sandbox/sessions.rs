//! Profiles belong to their request: not to the session, the connection or the server. Handles keep what they
//! were opened with.

use std::sync::Arc;

use lockgate_e2e::{DEADLINE, Ground, Profile, Server, Shape, Way, Wire, decoded};
use serde_json::json;

#[tokio::test]
async fn two_sessions_with_different_profiles_work_at_the_same_time() {
    let server = Server::start();
    let ground = Arc::new(Ground::new());
    ground.make(&["a/f=a", "b/f=b"]);
    let mut tasks = Vec::new();
    for at in 0..6 {
        let (own, other) = if at % 2 == 0 { ("a", "b") } else { ("b", "a") };
        let mut wire = Wire::ready(&server).await;
        let ground = Arc::clone(&ground);
        tasks.push(tokio::spawn(async move {
            let shape = Shape::BOTH[at % 2];
            let profile = match at % 3 {
                0 => Profile::new().write(ground.path(own)),
                1 => Profile::new().read(ground.path(own)),
                _ => Profile::new()
                    .write(ground.path(own))
                    .deny(ground.path(other)),
            };
            let write = if at % 3 == 1 { "rofs" } else { "ok" };
            let way = Way::under(&profile, shape);
            for round in 0..60 {
                let table = [
                    (format!("read {own}/f"), own),
                    (format!("write {own}/g{at} {round}"), write),
                    (format!("read {other}/f"), "noent"),
                    (format!("stream {other}/f"), "noent"),
                    (format!("write {other}/f x"), "access"),
                    (format!("copy {own}/f {other}/x"), "access"),
                ];
                for (operation, wanted) in table {
                    let found = ground.run(&mut wire, &way, &operation).await;
                    assert_eq!(found, wanted, "session {at}, round {round}: {operation}");
                }
            }
        }));
    }
    for task in tasks {
        task.await.expect("each session got what it was granted");
    }
    assert_eq!(
        (ground.text("a/f"), ground.text("b/f")),
        ("a".into(), "b".into())
    );
}

#[tokio::test]
async fn a_profile_does_not_outlive_its_request_nor_leave_its_session() {
    let server = Server::start();
    let (mut wire, session) = Wire::open(&server).await;
    let mut other = Wire::ready(&server).await;
    let ground = Ground::new();
    ground.make(&["w/f=x", "r/f=x"]);
    let wide = Way::under(&Profile::new().write(ground.path("")), Shape::Late);
    let narrow = Way::under(&Profile::new().read(ground.path("r")), Shape::Late);
    let nothing = Way::under(&Profile::new(), Shape::Late);
    for _ in 0..3 {
        ground
            .table(&mut wire, &wide, &[("write w/f y", "ok")])
            .await;
        for wire in [&mut wire, &mut other] {
            let table = [
                ("read r/f", "x"),
                ("write r/f y", "rofs"),
                ("read w/f", "noent"),
                ("write w/f z", "access"),
            ];
            ground.table(wire, &narrow, &table).await;
            ground.table(wire, &nothing, &[("read r/f", "noent")]).await;
            ground
                .table(wire, &Way::direct(Shape::Late), &[("read w/f", "y")])
                .await;
        }
    }
    drop(wire);
    let patience = std::time::Instant::now();
    let mut wire = Wire::connect(&server).await;
    while wire.handshake(Some(&session)).await.is_err() {
        assert!(patience.elapsed() < DEADLINE, "the session stays attached");
        wire = Wire::connect(&server).await;
    }
    let table = [
        ("read r/f", "x"),
        ("write r/f y", "rofs"),
        ("read w/f", "noent"),
    ];
    ground.table(&mut wire, &narrow, &table).await;
}

#[tokio::test]
async fn requests_under_different_profiles_may_be_in_flight_together() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    ground.make(&["a/f=a", "b/f=b"]);
    let mut wanted = std::collections::HashMap::new();
    for round in 0..100 {
        let (granted, asked) = (["a", "b"][round % 2], ["a", "b"][round / 2 % 2]);
        let profile = Profile::new().read(ground.path(granted));
        let way = Way::under(&profile, Shape::BOTH[round / 4 % 2]);
        let (method, params) = ground.request(&way, "read", &format!("{asked}/f"), "");
        wanted.insert(wire.request(method, params).await, (granted, asked));
    }
    while !wanted.is_empty() {
        let answer = wire.message().await;
        let (granted, asked) = wanted
            .remove(&answer["id"].as_i64().expect("an id"))
            .expect("asked for");
        if granted == asked {
            assert_eq!(decoded(&answer["result"]["dataBase64"]), asked.as_bytes());
        } else {
            assert_eq!(
                answer["error"]["code"], -32004,
                "{granted} {asked}: {answer}"
            );
        }
    }
}

#[tokio::test]
async fn a_file_opened_in_a_sandbox_is_read_in_blocks_as_long_as_it_is_open() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    for shape in Shape::BOTH {
        let ground = Ground::new();
        let bytes: Vec<u8> = (0..3 << 20).map(|at: u32| (at / 1_000) as u8).collect();
        ground.make(&["r/", "out/secret=theirs", "r/l>$/out/secret"]);
        std::fs::write(ground.path("r/large"), &bytes).expect("written");
        let sandbox = Profile::new().read(ground.path("r")).in_shape(shape);
        let open = |path: &str| {
            let path = shape.path(ground.path(path));
            json!({"handleId": "h", "path": path, "sandbox": sandbox})
        };
        for path in ["out/secret", "r/l", "r/none"] {
            let refusal = wire
                .call("fs/open", open(path))
                .await
                .expect_err("not granted");
            assert_eq!(refusal.code, -32004, "{path}: {}", refusal.message);
        }
        let block =
            |offset: usize, len: usize| json!({"handleId": "h", "offset": offset, "len": len});
        let refusal = wire
            .call("fs/readBlock", block(0, 1))
            .await
            .expect_err("nothing is open");
        assert_eq!(refusal.code, -32004);
        wire.call("fs/open", open("r/large"))
            .await
            .expect("granted");
        // Names change; the handle is the file that was granted.
        std::fs::rename(ground.path("r/large"), ground.path("r/moved")).expect("moved");
        std::fs::rename(ground.path("out/secret"), ground.path("r/large")).expect("moved");
        let mut read = Vec::new();
        loop {
            let answer = wire
                .call("fs/readBlock", block(read.len(), 1 << 20))
                .await
                .expect("read");
            read.extend(decoded(&answer["chunk"]));
            if answer["eof"] == true {
                break;
            }
        }
        assert!(read == bytes);
    }
}

#[tokio::test]
async fn a_thousand_confined_requests_at_once_are_all_answered() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    ground.make(&["w/f=x", "out/f=theirs"]);
    let profile = Profile::new().write(ground.path("w"));
    let mut wanted = std::collections::HashMap::new();
    for at in 0..1_000 {
        let way = Way::under(&profile, Shape::BOTH[at % 2]);
        let (verb, path, code) = match at % 5 {
            0 => ("write", "w/f", None),
            1 => ("stat", "w/f", None),
            2 => ("list", "w", None),
            3 => ("read", "out/f", Some(-32004)),
            _ => ("write", "out/f", Some(-32600)),
        };
        let (method, params) = ground.request(&way, verb, path, "y");
        wanted.insert(wire.request(method, params).await, code);
    }
    while !wanted.is_empty() {
        let answer = wire.message().await;
        let code = wanted
            .remove(&answer["id"].as_i64().expect("an id"))
            .expect("asked for");
        assert_eq!(answer["error"]["code"].as_i64(), code, "{answer}");
    }
    assert_eq!(ground.text("out/f"), "theirs");
}

#[tokio::test]
async fn attack_16_large_files_are_written_and_refused_as_without_a_sandbox() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    let bytes: Vec<u8> = (0..20 << 20).map(|at: u32| (at / 999) as u8).collect();
    let sandbox = Profile::new().write(ground.path("")).in_shape(Shape::Late);
    let path = Shape::Late.path(ground.path("large"));
    let data = base64_simd::STANDARD.encode_to_string(&bytes);
    let write = json!({"path": path, "dataBase64": data, "sandbox": sandbox});
    assert_eq!(wire.call("fs/writeFile", write).await, Ok(json!({})));
    assert!(std::fs::read(ground.path("large")).expect("readable") == bytes);
    let read = json!({"path": path, "sandbox": sandbox});
    let answer = wire
        .call("fs/readFile", read.clone())
        .await
        .expect("20 MiB fit");
    assert!(decoded(&answer["dataBase64"]) == bytes);
    let file = std::fs::File::options()
        .write(true)
        .open(ground.path("large"))
        .expect("open");
    for (len, guidance) in [(60 << 20, "fs/open"), (1 << 40, "limit is 536870912 bytes")] {
        file.set_len(len).expect("sparse");
        let refusal = wire
            .call("fs/readFile", read.clone())
            .await
            .expect_err("too large");
        assert_eq!(refusal.code, -32600);
        assert!(refusal.message.contains(guidance), "{}", refusal.message);
    }
}
