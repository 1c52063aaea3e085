//! `fs/walk` (PROTOCOL-LATER 2).

use lockgate_e2e::{Ground, Server, Wire};
use serde_json::{Value, json};

use crate::tables;

#[tokio::test]
async fn a_walk_lists_what_is_below_and_not_the_root_itself() {
    tables(
        &[
            "r/f=x",
            "r/d/g=x",
            "r/d/e/",
            "r/.h/x=x",
            "r/to-file>f",
            "r/to-dir>d",
            "r/broken>none",
            "alias>r",
        ],
        &[
            ("walk r", "r/.h/ r/.h/x r/d/ r/d/e/ r/d/g r/f r/to-file"),
            ("walk r/d/e", ""),
            ("walk r/f", ""),
            ("walk alias", ""),
            ("walk none", "noent"),
            ("walklinks alias/d", "alias/d/e/ alias/d/g"),
        ],
    )
    .await;
}

#[tokio::test]
async fn links_to_directories_are_followed_when_asked_and_cycles_are_cut() {
    tables(
        &["r/d/g=x", "r/d/up>..", "r/self>.", "r/loop>loop", "other/o=x", "r/out>../other"],
        &[
            ("walk r", "r/d/ r/d/g r/loop:Too many levels of symbolic links (os error 40)"),
            (
                "walklinks r",
                "r/d/ r/d/g r/d/up/ r/loop:Too many levels of symbolic links (os error 40) r/out/ r/out/o r/self/",
            ),
        ],
    )
    .await;
}

fn options(change: Value) -> Value {
    let mut options = json!({
        "maxDepth": 64, "maxDirectories": 10_000, "maxEntries": 50_000, "followDirectorySymlinks": false,
    });
    for (option, value) in change.as_object().expect("an object") {
        options[option] = value.clone();
    }
    options
}

#[tokio::test]
async fn bounds_end_a_walk_which_then_says_so() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    ground.make(&["a/b/c/f=x", "d/f=x", ".git/objects/o=x", ".hidden=x"]);
    for (change, entries, truncated) in [
        (json!({}), 10, false),
        (json!({"maxEntries": 10}), 10, false),
        (json!({"maxEntries": 9}), 9, true),
        (json!({"maxEntries": 1}), 1, true),
        (json!({"maxDirectories": 7}), 10, false),
        (json!({"maxDirectories": 1}), 4, true),
        (json!({"maxDepth": 0}), 4, false),
        (json!({"maxDepth": 1}), 7, false),
        (json!({"pruneHiddenDirectories": true}), 7, false),
        (json!({"pruneHiddenDirectories": false}), 10, false),
    ] {
        let params = json!({"path": ground.path(""), "options": options(change.clone())});
        let walk = wire.call("fs/walk", params).await.expect("walked");
        assert_eq!(
            walk["entries"].as_array().map(Vec::len),
            Some(entries),
            "{change}: {walk}"
        );
        assert_eq!(walk["truncated"], truncated, "{change}");
        assert_eq!(walk["errors"], json!([]), "{change}");
    }
}

#[tokio::test]
async fn a_walk_goes_breadth_first() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    ground.make(&["a/b/c/f=x", "d/f=x", "e/f/g=x", "h=x"]);
    let params = json!({"path": ground.path(""), "options": options(json!({}))});
    let walk = wire.call("fs/walk", params).await.expect("walked");
    let entries = walk["entries"].as_array().expect("entries").iter();
    let depths: Vec<_> = entries
        .map(|entry| entry["path"].as_str().expect("a path").matches('/').count())
        .collect();
    assert!(depths.is_sorted(), "{walk}");
}

#[tokio::test]
async fn bounds_that_the_protocol_does_not_know_are_refused() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    for (change, code) in [
        (json!({"maxDepth": 65}), -32600),
        (json!({"maxDirectories": 0}), -32600),
        (json!({"maxDirectories": 10_001}), -32600),
        (json!({"maxEntries": 0}), -32600),
        (json!({"maxEntries": 50_001}), -32600),
        (json!({"maxEntries": u64::MAX}), -32600),
        (json!({"maxEntries": -1}), -32602),
        (json!({"maxDepth": null}), -32602),
        (json!({"maxDirectories": "many"}), -32602),
        (json!({"followDirectorySymlinks": null}), -32602),
    ] {
        let params = json!({"path": ground.path(""), "options": options(change.clone())});
        let refusal = wire.call("fs/walk", params).await.expect_err("refused");
        assert_eq!(refusal.code, code, "{change}: {}", refusal.message);
    }
    let refusal = wire
        .call("fs/walk", json!({"path": ground.path("")}))
        .await
        .expect_err("no options");
    assert_eq!(refusal.code, -32602);
}

#[tokio::test]
async fn an_answer_is_held_to_about_four_mebibytes() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let ground = Ground::new();
    let long = "long".repeat(60);
    let directory = (0..8).fold(ground.path(""), |path, _| path.join(&long));
    std::fs::create_dir_all(&directory).expect("made");
    for file in 0..3_000 {
        std::fs::write(directory.join(format!("{file}")), "").expect("written");
    }
    let params = json!({"path": ground.path(""), "options": options(json!({}))});
    let walk = wire.call("fs/walk", params).await.expect("walked");
    assert_eq!(walk["truncated"], true);
    let size = walk.to_string().len();
    assert!((2 << 20..6 << 20).contains(&size), "{size}");
}
