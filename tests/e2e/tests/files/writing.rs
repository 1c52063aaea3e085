//! `fs/open` to write, `fs/writeBlock`, `fs/close`, directly and under a profile: what was measured of the reference (docs/protocol.md), and
//! our modes `append` and `update`.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use lockgate_e2e::{DEADLINE, Ground, Profile, Refusal, Server, Shape, Wire, decoded};
use serde_json::{Value, json};

/// A connection, a ground, and how its files are reached.
struct Place {
    server: Server,
    wire: Wire,
    ground: Ground,
    sandbox: Value,
}

/// Directly, and through the gate where everything here is granted.
async fn places() -> Vec<Place> {
    let mut places = Vec::new();
    for gated in [false, true] {
        let server = Server::start();
        let ground = Ground::not_temporary();
        let profile = Profile::new().write(ground.path(""));
        places.push(Place {
            wire: Wire::ready(&server).await,
            sandbox: match gated {
                true => profile.in_shape(Shape::Late),
                false => Value::Null,
            },
            server,
            ground,
        });
    }
    places
}

impl Place {
    async fn open(&mut self, handle: &str, path: &str, mode: &str) -> Result<Value, Refusal> {
        let params = json!({
            "handleId": handle, "path": Shape::Late.path(self.ground.path(path)), "mode": mode, "sandbox": self.sandbox,
        });
        self.wire.call("fs/open", params).await
    }

    async fn opened(&mut self, handle: &str, path: &str, mode: &str) {
        let opened = self.open(handle, path, mode).await;
        assert_eq!(opened, Ok(json!({"handleId": handle})));
    }

    async fn write(&mut self, handle: &str, offset: u64, text: &str) -> Result<Value, Refusal> {
        self.wire
            .call("fs/writeBlock", block(handle, offset, text.as_bytes()))
            .await
    }

    async fn wrote(&mut self, handle: &str, offset: u64, text: &str) {
        assert_eq!(self.write(handle, offset, text).await, Ok(json!({})));
    }

    async fn read(&mut self, handle: &str, offset: u64, len: u64) -> Result<Value, Refusal> {
        let params = json!({"handleId": handle, "offset": offset, "len": len});
        self.wire.call("fs/readBlock", params).await
    }

    async fn closed(&mut self, handle: &str) {
        let closed = self
            .wire
            .call("fs/close", json!({"handleId": handle}))
            .await;
        assert_eq!(closed, Ok(json!({})));
    }
}

fn block(handle: &str, offset: u64, bytes: &[u8]) -> Value {
    let chunk = base64_simd::STANDARD.encode_to_string(bytes);
    json!({"handleId": handle, "offset": offset, "chunk": chunk})
}

fn code<T: std::fmt::Debug>(outcome: Result<T, Refusal>) -> i64 {
    outcome.expect_err("refused").code
}

#[tokio::test]
async fn a_file_that_is_to_be_replaced_is_empty_at_once_and_stays_the_same() {
    for mut at in places().await {
        at.ground.make(&["f=0123456789", "l>f", "to-new>new"]);
        fs::hard_link(at.ground.path("f"), at.ground.path("hard")).expect("linked");
        fs::set_permissions(at.ground.path("f"), fs::Permissions::from_mode(0o640)).expect("set");
        at.opened("h", "f", "replace").await;
        assert_eq!(at.ground.text("hard"), "");
        at.wrote("h", 0, "AB").await;
        assert_eq!(at.ground.text("hard"), "AB", "seen before the close");
        at.closed("h").await;
        assert_eq!(code(at.write("h", 0, "x").await), -32004);
        let found = fs::metadata(at.ground.path("f")).expect("there");
        assert_eq!((found.nlink(), found.mode() & 0o7777), (2, 0o640));
        // Links are followed, also to what is not there yet.
        for (name, target) in [("l", "hard"), ("to-new", "new")] {
            at.opened("h", name, "replace").await;
            at.wrote("h", 0, "through").await;
            at.closed("h").await;
            assert_eq!(at.ground.text(target), "through");
        }
        // Opening is what empties it.
        at.opened("h", "f", "replace").await;
        at.closed("h").await;
        assert_eq!(at.ground.text("f"), "");
        assert_eq!(code(at.open("h", "none/f", "replace").await), -32004);
        assert_eq!(code(at.open("h", "", "replace").await), -32603);
    }
}

#[tokio::test]
async fn blocks_go_anywhere_and_what_lies_between_them_is_zeros() {
    for mut at in places().await {
        at.opened("h", "f", "replace").await;
        for (offset, text, wanted) in [
            (6, "x", "\0\0\0\0\0\0x"),
            (0, "abc", "abc\0\0\0x"),
            (2, "ZZ", "abZZ\0\0x"),
            (6, "end", "abZZ\0\0end"),
        ] {
            at.wrote("h", offset, text).await;
            assert_eq!(at.ground.text("f"), wanted);
        }
        at.closed("h").await;
    }
}

#[tokio::test]
async fn a_block_that_cannot_be_leaves_the_handle_open_and_reading_closes_it() {
    for mut at in places().await {
        at.ground.make(&["r=text"]);
        at.opened("h", "f", "replace").await;
        for (params, code) in [
            (json!({"handleId": "h", "offset": 0, "chunk": ""}), -32600),
            (block("h", 0, &vec![b'x'; (1 << 20) + 1]), -32600),
            (json!({"handleId": "h", "offset": 0, "chunk": "!"}), -32602),
            (
                json!({"handleId": "h", "offset": -1, "chunk": "eA=="}),
                -32602,
            ),
            (json!({"handleId": "h", "chunk": "eA=="}), -32602),
            (json!({"handleId": "h", "offset": 0}), -32602),
            (block("h", i64::MAX as u64, b"x"), -32600),
            (block("h", u64::MAX, b"x"), -32600),
            (block("other", 0, b"x"), -32004),
        ] {
            let refusal = at.wire.call("fs/writeBlock", params).await;
            let refusal = refusal.expect_err("refused");
            assert_eq!(refusal.code, code, "{}", refusal.message);
        }
        let most = block("h", 3, &vec![b'x'; 1 << 20]);
        at.wire
            .call("fs/writeBlock", most)
            .await
            .expect("the largest block");
        assert_eq!(at.ground.text("f").len(), (1 << 20) + 3);
        assert_eq!(code(at.read("h", 0, 1).await), -32603);
        assert_eq!(code(at.write("h", 0, "x").await), -32004);
        // The other way round it stays.
        at.opened("h", "r", "read").await;
        assert_eq!(code(at.write("h", 0, "x").await), -32603);
        let read = at.read("h", 0, 4).await.expect("still open");
        assert_eq!(decoded(&read["chunk"]), b"text");
        assert_eq!(at.ground.text("r"), "text");
    }
}

#[tokio::test]
async fn what_is_appended_goes_to_the_end_as_it_is_by_then() {
    for mut at in places().await {
        at.ground.make(&["f=0123"]);
        at.opened("a", "f", "append").await;
        at.wrote("a", 0, "45").await;
        fs::write(at.ground.path("f"), "rotated").expect("written");
        let params = json!({"handleId": "a", "chunk": "IQ=="});
        at.wire
            .call("fs/writeBlock", params)
            .await
            .expect("no offset");
        assert_eq!(at.ground.text("f"), "rotated!");
        at.opened("n", "new", "append").await;
        assert_eq!(at.ground.text("new"), "");
        assert_eq!(code(at.read("a", 0, 1).await), -32603);
        assert_eq!(code(at.write("a", 0, "x").await), -32004, "closed by that");
    }
}

#[tokio::test]
async fn a_file_that_is_updated_is_read_and_written_by_one_handle() {
    for mut at in places().await {
        at.ground.make(&["f=0123456789"]);
        assert_eq!(code(at.open("h", "none", "update").await), -32004);
        assert!(!at.ground.has("none"));
        at.opened("h", "f", "update").await;
        at.wrote("h", 3, "xyz").await;
        // Its end does not close it: there may be more in a moment.
        let read = at.read("h", 2, 100).await.expect("read");
        assert_eq!(
            (decoded(&read["chunk"]), &read["eof"]),
            (b"2xyz6789".to_vec(), &json!(true))
        );
        at.wrote("h", 10, "!").await;
        let read = at.read("h", 9, 2).await.expect("read");
        assert_eq!(
            (decoded(&read["chunk"]), &read["eof"]),
            (b"9!".to_vec(), &json!(false))
        );
        let without = json!({"handleId": "h", "chunk": "eA=="});
        assert_eq!(code(at.wire.call("fs/writeBlock", without).await), -32602);
        at.closed("h").await;
        assert_eq!(at.ground.text("f"), "012xyz6789!");
    }
}

#[tokio::test]
async fn blocks_sent_without_waiting_land_in_order_and_before_the_close() {
    for mut at in places().await {
        let path = Shape::Late.path(at.ground.path("f"));
        for mode in ["replace", "append", "update"] {
            let open = json!({"handleId": "h", "path": path, "mode": mode, "sandbox": at.sandbox});
            let mut ids = vec![at.wire.request("fs/open", open).await];
            for n in 0..100u64 {
                // The same place again and again: the last one wins.
                let text = format!("{n:03}");
                ids.push(
                    at.wire
                        .request("fs/writeBlock", block("h", n / 10 * 3, text.as_bytes()))
                        .await,
                );
            }
            ids.push(at.wire.request("fs/close", json!({"handleId": "h"})).await);
            ids.push(
                at.wire
                    .request("fs/readFile", json!({"path": path, "sandbox": at.sandbox}))
                    .await,
            );
            let mut answers = std::collections::HashMap::new();
            while answers.len() < ids.len() {
                let answer = at.wire.message().await;
                let id = answer["id"].as_i64().expect("an id");
                if ids[ids.len() - 2] == id {
                    // Whoever hears of the close finds everything.
                    assert_eq!(
                        at.ground.text("f").len(),
                        if mode == "replace" { 30 } else { 330 }
                    );
                }
                answers.insert(id, answer);
            }
            for id in &ids {
                assert!(answers[id].get("error").is_none(), "{}", answers[id]);
            }
            let text = decoded(&answers[ids.last().expect("some")]["result"]["dataBase64"]);
            let all: String = (0..100).map(|n| format!("{n:03}")).collect();
            let tens: String = (0..10).map(|n| format!("{:03}", n * 10 + 9)).collect();
            let wanted = match mode {
                "replace" => tens,
                // The update writes the beginning again.
                _ => tens + &all,
            };
            assert_eq!(String::from_utf8(text).expect("text"), wanted, "{mode}");
        }
    }
}

#[tokio::test]
async fn a_connection_that_ends_leaves_what_was_written() {
    for mut at in places().await {
        at.ground.make(&["f=0123456789"]);
        at.opened("h", "f", "replace").await;
        at.wrote("h", 0, "NE").await;
        drop(at.wire);
        assert_eq!(at.ground.text("f"), "NE");
        at.wire = tokio::time::timeout(DEADLINE, Wire::ready(&at.server))
            .await
            .expect("another one");
        at.opened("h", "f", "append").await;
        at.wrote("h", 0, "W").await;
        assert_eq!(at.ground.text("f"), "NEW");
    }
}

#[tokio::test]
async fn handles_that_write_count_with_those_that_read() {
    for mut at in places().await {
        at.ground.make(&["f=x"]);
        for handle in 0..128 {
            let mode = ["read", "append", "update", "replace"][handle % 4];
            let path = if mode == "replace" { "g" } else { "f" };
            at.opened(&format!("h{handle}"), path, mode).await;
        }
        for mode in ["read", "append", "update", "replace"] {
            assert_eq!(code(at.open("more", "f", mode).await), -32600);
        }
        assert_eq!(at.ground.text("f"), "x", "what is refused empties nothing");
        at.closed("h1").await;
        at.opened("more", "f", "append").await;
    }
}
