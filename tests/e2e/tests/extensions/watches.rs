//! `lockgate/fs/watch`: changes are told, in bounds, and only those that the profile lets be seen.

use std::collections::BTreeMap;
use std::fs;

use lockgate_e2e::{Ground, Profile, Server, Shape, Wire};
use serde_json::{Value, json};

/// What was told of one watch so far.
#[derive(Default)]
struct Told {
    kinds: BTreeMap<String, String>,
    overflowed: bool,
}

impl Told {
    /// Takes one notification.
    fn add(&mut self, ground: &Ground, shape: Shape, watch: &str, method: &str, params: &Value) {
        assert_eq!(
            (method, &params["watchId"]),
            ("lockgate/fs/changed", &json!(watch))
        );
        self.overflowed |= params["overflowed"] == true;
        let root = shape.path(ground.path(""));
        let root = root.as_str().expect("text").trim_end_matches('/');
        for change in params["changes"].as_array().expect("a list") {
            let path = change["path"].as_str().expect("a path");
            let name = path
                .strip_prefix(root)
                .expect("below the ground")
                .trim_start_matches('/');
            self.kinds.insert(
                name.to_owned(),
                change["kind"].as_str().expect("a kind").to_owned(),
            );
        }
    }

    /// Waits until this was told.
    async fn wait_for(
        &mut self,
        wire: &mut Wire,
        ground: &Ground,
        shape: Shape,
        name: &str,
        kind: &str,
    ) {
        while self.kinds.get(name).map(String::as_str) != Some(kind) {
            let (method, params) = wire.notification().await;
            self.add(ground, shape, "w", &method, &params);
        }
    }

    fn names(&self) -> Vec<&str> {
        self.kinds.keys().map(String::as_str).collect()
    }
}

fn params(ground: &Ground, shape: Shape, path: &str, sandbox: &Value) -> Value {
    json!({"watchId": "w", "path": shape.path(ground.path(path)), "recursive": true, "sandbox": sandbox})
}

#[tokio::test]
async fn changes_are_told_directly_and_through_the_gate() {
    let server = Server::start();
    for shape in Shape::BOTH {
        for gated in [false, true] {
            let mut wire = Wire::ready(&server).await;
            let ground = Ground::not_temporary();
            ground.make(&["w/f=x", "w/d/gone=x", "l>w"]);
            let profile = Profile::new().write(ground.path(""));
            let sandbox = if gated {
                profile.in_shape(shape)
            } else {
                Value::Null
            };
            // Told in the words of the question, also where that goes through a link.
            let watch = params(&ground, shape, "l", &sandbox);
            assert_eq!(wire.call("lockgate/fs/watch", watch).await, Ok(json!({})));
            fs::write(ground.path("w/f"), "y").expect("written");
            fs::remove_file(ground.path("w/d/gone")).expect("removed");
            fs::create_dir_all(ground.path("w/new/er")).expect("made");
            fs::write(ground.path("w/new/er/f"), "x").expect("written");
            let mut told = Told::default();
            for (name, kind) in [
                ("l/f", "modified"),
                ("l/d/gone", "removed"),
                ("l/new", "created"),
                ("l/new/er/f", "created"),
            ] {
                told.wait_for(&mut wire, &ground, shape, name, kind).await;
            }
            assert!(!told.overflowed);
            assert_eq!(
                wire.call("lockgate/fs/unwatch", json!({"watchId": "w"}))
                    .await,
                Ok(json!({}))
            );
        }
    }
}

#[tokio::test]
async fn what_was_sent_before_is_not_told_and_what_is_sent_after_is() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    ground.make(&["w/"]);
    let shape = Shape::Late;
    let write = |name: &str| json!({"path": shape.path(ground.path(name)), "dataBase64": "eA=="});
    wire.request("fs/writeFile", write("w/before")).await;
    wire.request(
        "lockgate/fs/watch",
        params(&ground, shape, "w", &Value::Null),
    )
    .await;
    let after = wire.request("fs/writeFile", write("w/after")).await;
    wire.answer(after - 2).await.expect("written");
    wire.answer(after - 1).await.expect("watched");
    wire.answer(after).await.expect("written");
    let mut told = Told::default();
    told.wait_for(&mut wire, &ground, shape, "w/after", "created")
        .await;
    assert_eq!(told.names(), ["w/after"]);
}

#[tokio::test]
async fn attack_06_a_sandboxed_watch_tells_nothing_that_is_not_granted() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::not_temporary();
    ground.make(&["w/d/f=x", "w/secret/key=s", "out/f=o", "w/l>../out"]);
    let profile = Profile::new()
        .write(ground.path("w"))
        .deny(ground.path("w/secret"))
        .deny_glob(format!("{}/**/*.key", ground.path("w").display()));
    let shape = Shape::Late;
    let sandbox = profile.in_shape(shape);
    wire.call("lockgate/fs/watch", params(&ground, shape, "w", &sandbox))
        .await
        .expect("watched");
    fs::write(ground.path("w/secret/new"), "x").expect("written");
    fs::write(ground.path("w/d/a.key"), "x").expect("written");
    fs::write(ground.path("out/new"), "x").expect("written");
    fs::rename(ground.path("w/d"), ground.path("out/d")).expect("moved out");
    fs::write(ground.path("out/d/secret"), "x").expect("written");
    fs::write(ground.path("w/last"), "x").expect("written");
    let mut told = Told::default();
    told.wait_for(&mut wire, &ground, shape, "w/last", "created")
        .await;
    assert_eq!(told.names(), ["w/d", "w/last"]);
    for (path, code) in [
        ("out", -32004),
        ("w/secret", -32004),
        ("w/l", -32004),
        ("w/last", -32603),
        ("w/none", -32004),
    ] {
        let mut watch = params(&ground, shape, path, &sandbox);
        watch["watchId"] = json!("other");
        let refusal = wire
            .call("lockgate/fs/watch", watch)
            .await
            .expect_err("refused");
        assert_eq!(refusal.code, code, "{path}: {}", refusal.message);
    }
}

#[tokio::test]
async fn names_of_watches_are_bounded_and_given_back() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    ground.make(&["w/"]);
    let named = |name: String| json!({"watchId": name, "path": ground.path("w")});
    for number in 0..64 {
        wire.call("lockgate/fs/watch", named(number.to_string()))
            .await
            .expect("watched");
    }
    for (name, code, text) in [
        ("more".to_owned(), -32600, "at most 64 watches"),
        ("7".to_owned(), -32600, "there already"),
        (String::new(), -32602, "1 to 32 bytes"),
        ("x".repeat(33), -32602, "1 to 32 bytes"),
    ] {
        let refusal = wire
            .call("lockgate/fs/watch", named(name))
            .await
            .expect_err("refused");
        assert_eq!(
            (refusal.code, refusal.message.contains(text)),
            (code, true),
            "{}",
            refusal.message
        );
    }
    for name in ["7", "7", "never"] {
        let ended = wire
            .call("lockgate/fs/unwatch", json!({"watchId": name}))
            .await;
        assert_eq!(ended, Ok(json!({})));
    }
    wire.call("lockgate/fs/watch", named("more".into()))
        .await
        .expect("there is room");
    // One that fails gives its name back.
    wire.call("lockgate/fs/unwatch", json!({"watchId": "more"}))
        .await
        .expect("ended");
    let missing = json!({"watchId": "more", "path": ground.path("none")});
    wire.call("lockgate/fs/watch", missing)
        .await
        .expect_err("nothing there");
    wire.call("lockgate/fs/watch", named("more".into()))
        .await
        .expect("the name is free");
    let mut other = Wire::ready(&server).await;
    other
        .call("lockgate/fs/watch", named("7".into()))
        .await
        .expect("another connection has its own");
}

#[tokio::test]
async fn nothing_is_told_after_a_watch_was_ended() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    ground.make(&["w/", "v/"]);
    let shape = Shape::Late;
    let mut other = params(&ground, shape, "v", &Value::Null);
    other["watchId"] = json!("v");
    wire.call("lockgate/fs/watch", other)
        .await
        .expect("watched");
    wire.call(
        "lockgate/fs/watch",
        params(&ground, shape, "w", &Value::Null),
    )
    .await
    .expect("watched");
    wire.call("lockgate/fs/unwatch", json!({"watchId": "w"}))
        .await
        .expect("ended");
    fs::write(ground.path("w/f"), "x").expect("written");
    fs::write(ground.path("v/f"), "x").expect("written");
    let (_, told) = wire.notification().await;
    assert_eq!(told["watchId"], "v");
}

#[tokio::test]
async fn a_client_that_does_not_read_gets_a_mark_and_delays_nobody() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    ground.make(&["w/"]);
    let shape = Shape::Late;
    wire.call(
        "lockgate/fs/watch",
        params(&ground, shape, "w", &Value::Null),
    )
    .await
    .expect("watched");
    // Far more than the socket and the queue hold, while nobody reads.
    let name = "n".repeat(200);
    for round in 0..30 {
        for number in 0..1_000 {
            fs::write(ground.path(&format!("w/{round}-{number}-{name}")), "").expect("written");
        }
    }
    let mut other = Wire::ready(&server).await;
    other
        .call("environment/status", json!({}))
        .await
        .expect("served");
    fs::write(ground.path("w/last"), "").expect("written");
    let mut told = Told::default();
    told.wait_for(&mut wire, &ground, shape, "w/last", "created")
        .await;
    assert!(
        told.overflowed || told.kinds.len() == 30_001,
        "{}",
        told.kinds.len()
    );
    wire.call("environment/status", json!({}))
        .await
        .expect("served");
}
