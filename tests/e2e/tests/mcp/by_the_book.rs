//! What docs/mcp.md has somebody copy line by line.

use std::path::{Path, PathBuf};

use lockgate_e2e::lockgate;
use serde_json::json;
use tokio::process::Command;

use crate::person::{Person, Says};
use crate::{Agent, Folder, soon};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The blocks of code after a passage, up to one in a language: language and text.
fn blocks(after: &str, last: &str) -> Vec<(String, String)> {
    let book = std::fs::read_to_string(repository().join("docs/mcp.md")).expect("the docs");
    let (_, rest) = book.split_once(after).expect("the passage");
    let mut blocks = Vec::new();
    for block in rest.split("```").skip(1).step_by(2) {
        let (language, text) = block.split_once('\n').expect("a block of lines");
        blocks.push((language.to_owned(), text.to_owned()));
        if language == last {
            break;
        }
    }
    blocks
}

#[tokio::test]
async fn the_shortest_configuration_with_a_policy_asks_as_it_says() {
    let folder = Folder::new();
    let blocks = blocks("The shortest configuration that asks", "sh");
    let [files @ .., (_, commands)] = &blocks[..] else {
        panic!("files and commands: {blocks:?}");
    };
    assert_eq!(files.len(), 2, "{files:?}");
    for (_, text) in files {
        let name = text.lines().next().and_then(|line| line.strip_prefix("# "));
        folder.put(name.expect("a name"), text);
    }
    let mut serves = None;
    for line in commands.lines() {
        let line = line.split(" # ").next().unwrap_or_default();
        let mut words = line.split_whitespace();
        match words.next() {
            Some("cp") => {
                let from = words.next().and_then(|from| from.strip_prefix("LOCKGATE/"));
                let from = repository().join(from.expect("what to copy"));
                let to = folder.path().join(from.file_name().expect("a name"));
                std::fs::copy(&from, to).expect("copied");
            }
            Some("lockgate") => {
                let words: Vec<_> = words.collect();
                if let ["mcp", arguments @ ..] = &words[..] {
                    serves = Some(arguments.to_vec());
                    continue;
                }
                let mut install = Command::new(lockgate());
                install.args(&words).current_dir(folder.path());
                let cache = lockgate().with_file_name("test-cache");
                install.env("LOCKGATE_CACHE_DIR", cache);
                let done = soon(install.output());
                let done = done.await.expect("it runs");
                assert!(done.status.success(), "{line}: {done:?}");
            }
            other => panic!("{other:?}"),
        }
    }
    let person = Person::saying(vec![Says::Deny; 10]);
    let arguments = serves.expect("the server is started");
    let agent = Agent::with(person.clone(), folder.path(), &arguments).await;
    folder.put("x", "");
    for call in [
        json!({"command": "rm x"}),
        json!({"argv": ["rm", "x"]}),
        json!({"argv": ["sh", "-c", "ls | rm x"]}),
        json!({"command": "git push"}),
    ] {
        let refused = agent.cannot("run", call.clone()).await;
        assert!(refused.contains("a person was asked"), "{call}: {refused}");
    }
    assert_eq!(person.asked().len(), 4, "{:?}", person.asked());
    // And what it says that is no rule's matter.
    agent.does("run", json!({"argv": ["true"]})).await;
    agent.does("read", json!({"path": "x"})).await;
    agent.does("run", json!({"argv": ["env", "rm", "x"]})).await;
    assert!(!folder.path().join("x").exists());
    assert_eq!(person.asked().len(), 4, "{:?}", person.asked());
    agent.ends().await;
}
