//! How an agent is told that it may not.

use serde_json::json;

use crate::{Agent, Folder, text};

#[tokio::test]
async fn what_the_profile_refuses_is_said_in_its_words() {
    let folder = Folder::new();
    folder.put("outside", "of others\n");
    folder.put("work/here", "own\n");
    folder.put("work/own/here", "own\n");
    let work = folder.path().join("work");
    std::os::unix::fs::symlink(folder.path().join("outside"), work.join("link")).expect("made");
    let work = work.as_path();
    let workspace = format!(
        "It grants {} and all below for reading and writing",
        work.display()
    );
    let profile = format!(
        "It grants reading and writing of {0}/own, reading of {0}",
        work.display()
    );
    for (arguments, words) in [
        (&[][..], workspace),
        (&["--read", ".", "--write", "own"][..], profile),
    ] {
        let agent = Agent::start(work, arguments).await;
        for (tool, arguments, done) in [
            (
                "read",
                json!({"path": "../outside"}),
                "../outside: this server's profile does not let it be read",
            ),
            (
                "read",
                json!({"path": "../nothing"}),
                "../nothing: this server's profile does not let it be read",
            ),
            (
                "list",
                json!({"path": ".."}),
                "..: this server's profile does not let it be read",
            ),
            (
                "search",
                json!({"path": "..", "pattern": "x"}),
                "..: this server's profile does not let it be read",
            ),
            (
                "write",
                json!({"path": "../new", "content": ""}),
                "../new: this server's profile does not let it be written",
            ),
            (
                "write",
                json!({"path": ".git/config", "content": ""}),
                ".git/config: this server's profile does not let it be written",
            ),
            (
                "move",
                json!({"from": "own/here", "to": "../new"}),
                "../new: this server's profile does not let it be moved or removed",
            ),
            (
                "remove",
                json!({"path": "../outside"}),
                "../outside: this server's profile does not let it be moved or removed",
            ),
        ] {
            let refused = agent.cannot(tool, arguments).await;
            assert!(
                refused.starts_with(done)
                    && refused.contains(&words)
                    && refused.contains("only the operator can grant more"),
                "{tool}: {refused}"
            );
        }
        let link = agent
            .cannot("write", json!({"path": "link", "content": ""}))
            .await;
        assert!(link.contains("this server's profile does not"), "{link}");
        let missing = agent.cannot("read", json!({"path": "nothing"})).await;
        assert!(!missing.contains("profile"), "{missing}");
        agent.ends().await;
    }
    assert_eq!(folder.text("outside"), "of others\n");
    // A system's own word is not the profile's.
    let agent = Agent::start(work, &["--unrestricted"]).await;
    let refused = agent
        .cannot("write", json!({"path": "/proc/version", "content": ""}))
        .await;
    assert!(!refused.contains("profile"), "{refused}");
    agent.ends().await;
}

#[tokio::test]
async fn attack_03_a_link_that_leads_out_is_told_as_one_that_leads_to_nothing() {
    let folder = Folder::new();
    folder.put("outside/here", "of others\n");
    folder.put("work/own/here", "own\n");
    let work = folder.path().join("work");
    for (name, target) in [
        ("out", "../outside/here"),
        ("nowhere", "../outside/nothing"),
        ("broken", "nothing"),
        ("out-directory", "../outside"),
        ("fine", "own"),
    ] {
        std::os::unix::fs::symlink(target, work.join(name)).expect("made");
    }
    let agent = Agent::start(&work, &[]).await;
    let told = async |tool, path: &str| {
        let mut arguments = json!({"path": path});
        match tool {
            "search" => arguments["pattern"] = "x".into(),
            "edit" => arguments["edits"] = json!([{"old_text": "x", "new_text": "y"}]),
            _ => {}
        }
        let words = agent.cannot(tool, arguments).await;
        words.strip_prefix(path).map(str::to_owned).expect(&words)
    };
    for tool in ["read", "edit", "list", "search"] {
        let out = told(tool, "out").await;
        assert!(
            out.contains("it is a link, or lies behind one, that leads to nothing, or to what this server's profile does not grant. It grants "),
            "{tool}: {out}"
        );
        for path in [
            "nowhere",
            "broken",
            "out-directory/here",
            "out-directory/nothing/x",
        ] {
            assert_eq!(told(tool, path).await, out, "{tool} {path}");
        }
        // What is not there, be it behind a link, is no more than that.
        for path in ["nothing", "own/nothing", "fine/nothing", "fine/nothing/x"] {
            let missing = told(tool, path).await;
            assert_eq!(
                missing, ": No such file or directory (os error 2)",
                "{tool} {path}"
            );
        }
    }
    agent.ends().await;
}

#[tokio::test]
async fn lines_count_from_one() {
    let folder = Folder::new();
    folder.put("a", "one\ntwo\n");
    let agent = Agent::start(folder.path(), &["--unrestricted"]).await;
    for member in ["start_line", "lines"] {
        let refused = agent.cannot("read", json!({"path": "a", member: 0})).await;
        assert!(
            refused.contains(&format!("`{member}` is 0: lines count from 1")),
            "{refused}"
        );
    }
    let refused = agent
        .cannot("run", json!({"command": "true", "timeout_seconds": 0}))
        .await;
    assert!(refused.contains("must be at least 1"), "{refused}");
    agent.ends().await;
}

#[tokio::test]
async fn numbers_are_held_to_what_the_schema_says() {
    let folder = Folder::new();
    folder.put("f", "one\n");
    let agent = Agent::start(folder.path(), &["--unrestricted"]).await;
    let tools = agent.client.list_all_tools().await.expect("tools");
    let mut tried = 0;
    for tool in tools {
        // One of each that does something with it.
        let given = |name: &str| match name {
            "read" => json!({"path": "f"}),
            "list" => json!({}),
            "search" => json!({"pattern": "one"}),
            "run" => json!({"argv": ["true"]}),
            _ => json!({"process": "none"}),
        };
        let properties = tool.input_schema["properties"].as_object().cloned();
        for (member, property) in properties.expect("an object") {
            for (bound, beyond) in [("minimum", -1), ("maximum", 1)] {
                let Some(bound) = property[bound].as_f64().map(|bound| bound as i64) else {
                    continue;
                };
                let asks = async |number: i64| {
                    let mut arguments = given(&tool.name);
                    arguments[&member] = number.into();
                    let name: &'static str = String::leak(tool.name.to_string());
                    text(&agent.asks(name, arguments).await)
                };
                let about = format!("`{member}`");
                let taken = asks(bound).await;
                assert!(!taken.contains(&about), "{} {bound}: {taken}", tool.name);
                let refused = asks(bound + beyond).await;
                assert!(
                    refused.contains(&about),
                    "{} {about} {}: {refused}",
                    tool.name,
                    bound + beyond
                );
                tried += 1;
            }
        }
    }
    assert!(tried >= 20, "{tried}");
    agent.ends().await;
}

#[tokio::test]
async fn a_slash_at_the_end_of_a_path_means_a_directory() {
    let folder = Folder::new();
    folder.put("f", "12345");
    folder.put("d/in", "1");
    let link = |says: &str, name: &str| {
        std::os::unix::fs::symlink(says, folder.path().join(name)).expect("made");
    };
    link("d", "linked");
    link("nothing", "dangling");
    let agent = Agent::start(folder.path(), &[]).await;
    for (tool, call) in [
        ("read", json!({"path": "f/"})),
        ("list", json!({"path": "f/"})),
        ("list", json!({"path": "f/."})),
        ("search", json!({"path": "f/", "pattern": "1"})),
        ("write", json!({"path": "f/", "content": "x"})),
        ("write", json!({"path": "new/", "content": "x"})),
        (
            "edit",
            json!({"path": "f/", "edits": [{"old_text": "1", "new_text": "2"}]}),
        ),
        ("remove", json!({"path": "f/"})),
        ("remove", json!({"path": "linked/", "recursive": true})),
        ("remove", json!({"path": "dangling/"})),
        ("move", json!({"from": "f/", "to": "new"})),
        ("move", json!({"from": "f", "to": "new/"})),
        ("move", json!({"from": "linked/", "to": "new"})),
    ] {
        let refused = agent.cannot(tool, call.clone()).await;
        let named = call["path"]
            .as_str()
            .or(call["from"].as_str())
            .expect("one");
        assert!(
            refused.starts_with(named) || refused.starts_with("new/"),
            "{tool} {call}: {refused}"
        );
        assert!(
            refused.contains("Not a directory (os error 20)"),
            "{tool} {call}: {refused}"
        );
    }
    let refused = agent
        .cannot("write", json!({"path": "d/", "content": "x"}))
        .await;
    assert_eq!(refused, "d/: Is a directory (os error 21)");
    assert_eq!(folder.text("f"), "12345");
    assert!(folder.path().join("linked").exists());
    assert!(!folder.path().join("new").exists());
    // Directories and links to them, where it is not the link that counts.
    agent.does("list", json!({"path": "linked/"})).await;
    agent
        .does("search", json!({"path": "d/", "pattern": "1"}))
        .await;
    agent.does("move", json!({"from": "d/", "to": "e/"})).await;
    agent
        .does("remove", json!({"path": "e/", "recursive": true}))
        .await;
    agent.ends().await;
}

#[tokio::test]
async fn a_number_is_held_to_what_the_schema_says() {
    let folder = Folder::new();
    folder.put("f", "12345");
    let agent = Agent::start(folder.path(), &["--unrestricted"]).await;
    for most in [0_u64, 1, 1_023, 262_145, u64::MAX] {
        for (tool, mut call) in [
            ("read", json!({"path": "f"})),
            ("run", json!({"command": "true"})),
        ] {
            call["max_bytes"] = json!(most);
            let refused = agent.cannot(tool, call.clone()).await;
            assert!(
                refused.contains(&format!(
                    "`max_bytes` is {most}; at least 1024 and at most 262144 are possible"
                )),
                "{tool} {call}: {refused}"
            );
        }
    }
    for most in [1_024, 262_144] {
        agent
            .does("read", json!({"path": "f", "max_bytes": most}))
            .await;
    }
    agent.ends().await;
}
