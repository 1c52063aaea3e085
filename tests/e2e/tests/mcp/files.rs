//! The tools for files, in the sandbox that holds where nothing else was said.

use serde_json::json;

use crate::{Agent, Folder, text};

#[tokio::test]
async fn a_file_is_written_read_and_edited_in_the_working_directory() {
    let folder = Folder::new();
    let agent = Agent::start(folder.path(), &[]).await;
    let written = agent
        .does(
            "write",
            json!({"path": "new/dir/a.txt", "content": "one\ntwo\nthree\n"}),
        )
        .await;
    assert_eq!(
        (&written["created"], &written["bytes"]),
        (&json!(true), &json!(14))
    );
    assert_eq!(folder.text("new/dir/a.txt"), "one\ntwo\nthree\n");

    let result = agent
        .asks(
            "read",
            json!({"path": "new/dir/a.txt", "start_line": 2, "lines": 1}),
        )
        .await;
    assert!(text(&result).starts_with("two\n"), "{result:?}");
    let read = result.structured_content.expect("structured");
    assert_eq!(
        (&read["text"], &read["next_line"]),
        (&json!("two\n"), &json!(3))
    );

    let edits =
        json!([{"old_text": "two", "new_text": "2"}, {"old_text": "three", "new_text": "3"}]);
    let edited = agent
        .does("edit", json!({"path": "new/dir/a.txt", "edits": edits}))
        .await;
    assert_eq!(edited["replacements"], 2);
    assert_eq!(folder.text("new/dir/a.txt"), "one\n2\n3\n");
    agent.ends().await;
}
