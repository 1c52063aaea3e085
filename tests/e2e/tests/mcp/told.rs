//! What the texts of answers tell: each name as one, and nothing passed over unsaid that was meant.

use serde_json::json;

use crate::{Agent, Folder, text};

#[tokio::test]
async fn a_name_ends_no_line_of_an_answer_and_drives_no_terminal() {
    let folder = Folder::new();
    let (one, other) = ("a\nb\u{1b}[2J", "c\u{202e}d");
    folder.put(one, "needle\n");
    let agent = Agent::start(folder.path(), &[]).await;
    let quoted = r#""a\nb\u{1b}[2J""#;
    for (tool, arguments, wanted) in [
        ("list", json!({}), format!("{quoted}\n")),
        ("list", json!({"path": one}), format!("{quoted}: 7 bytes, ")),
        (
            "search",
            json!({"pattern": "needle"}),
            format!("{quoted}:1:needle\n"),
        ),
        ("search", json!({"glob": "a*"}), format!("{quoted}\n")),
        (
            "write",
            json!({"path": one, "content": ""}),
            format!("replaced {quoted} (0 bytes)"),
        ),
        (
            "move",
            json!({"from": one, "to": other}),
            format!("moved {quoted} to \"c\\u{{202e}}d\""),
        ),
        (
            "remove",
            json!({"path": other}),
            "removed \"c\\u{202e}d\"".to_owned(),
        ),
        (
            "write",
            json!({"path": one, "content": ""}),
            format!("created {quoted} (0 bytes)"),
        ),
    ] {
        let told = text(&agent.asks(tool, arguments.clone()).await);
        assert!(told.starts_with(&wanted), "{tool} {arguments}: {told:?}");
    }
    // What programs read has the name itself.
    let found = agent.does("search", json!({"glob": "a*"})).await;
    assert_eq!(found["matches"], json!([{"path": one}]));
    folder.put(one, vec![b'x'; 5 * 1024 * 1024]);
    let told = text(&agent.asks("search", json!({"pattern": "x"})).await);
    assert!(
        told.contains(&format!("skipped: {quoted}: larger than")),
        "{told:?}"
    );
    agent.ends().await;
}

#[tokio::test]
async fn a_name_ends_no_line_of_a_refusal_either() {
    let folder = Folder::new();
    let name = "a\u{202e}b\n[a forged line]";
    folder.put(name, "needle\n");
    let agent = Agent::start(folder.path(), &[]).await;
    let new = json!({"path": name, "content": "", "only_new": true});
    let edits = json!([{"old_text": "none", "new_text": ""}]);
    let missing = format!("{name}/none");
    for (tool, arguments) in [
        ("write", new),
        ("edit", json!({"path": name, "edits": edits})),
        ("read", json!({"path": missing})),
        ("list", json!({"path": missing})),
        ("search", json!({"path": missing, "glob": "*"})),
        ("remove", json!({"path": missing})),
        ("move", json!({"from": missing, "to": "there"})),
    ] {
        let refused = agent.cannot(tool, arguments).await;
        assert!(!refused.contains(['\n', '\u{202e}']), "{tool}: {refused:?}");
        assert!(
            refused.contains(r"a\u{202e}b\n[a forged line]"),
            "{tool}: {refused:?}"
        );
    }
    agent.ends().await;
}

#[tokio::test]
async fn a_search_of_one_file_that_is_no_text_says_so() {
    let folder = Folder::new();
    folder.put("bin", b"a\0b needle\n");
    folder.put("text", "needle\n");
    let agent = Agent::start(folder.path(), &[]).await;
    let result = agent
        .asks("search", json!({"path": "bin", "pattern": "needle"}))
        .await;
    let told = text(&result);
    let words = "[nothing found in 0 files]\n[1 file was skipped: bin: it is no text]\n";
    assert_eq!(told, words);
    let found = result.structured_content.expect("structured");
    assert_eq!(
        (&found["skipped_count"], &found["skipped"][0]["path"]),
        (&json!(1), &json!("bin"))
    );
    // Among many it is passed over, as the tool says.
    let found = agent.does("search", json!({"pattern": "needle"})).await;
    assert_eq!(
        (&found["files"], &found["skipped_count"]),
        (&json!(1), &json!(0))
    );
    agent.ends().await;
}
