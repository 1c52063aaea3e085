//! An executor that was started by somebody else, somewhere else: where relative paths begin, and what a profile denies there.

use std::path::Path;

use lockgate_e2e::Server;
use serde_json::json;

use crate::cutter::Cutter;
use crate::{Agent, Folder, command, soon};

/// One that works in that directory, which is its user's home directory too.
fn server_in(directory: &Path) -> Server {
    let mut server = Server::command();
    server.current_dir(directory).env("HOME", directory);
    Server::from_command(server)
}

#[tokio::test]
async fn links_are_not_found_with_an_executor_that_walks_to_them_either() {
    let folder = Folder::new();
    folder.put("d/real.txt", "needle\n");
    folder.put("far.txt", "needle\n");
    for (says, name) in [("real.txt", "d/a.txt"), ("../far.txt", "d/z.txt")] {
        std::os::unix::fs::symlink(says, folder.path().join(name)).expect("made");
    }
    let server = server_in(folder.path());
    let cutter = Cutter::before(&server).await;
    cutter.conceals("pruneLinks");
    let agent = Agent::start(
        folder.path(),
        &["--url", cutter.url(), "--cwd", "d", "--read", "."],
    )
    .await;
    for arguments in [
        json!({"pattern": "needle"}),
        json!({"glob": "*.txt"}),
        json!({"glob": "*.txt", "pattern": "needle"}),
    ] {
        let found = agent.does("search", arguments).await;
        let found = found["matches"].as_array().expect("matches");
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0]["path"], "real.txt");
    }
    agent.ends().await;
}

#[tokio::test]
async fn a_working_directory_that_is_not_there_is_told_and_not_made() {
    let folder = Folder::new();
    folder.put("f", "1");
    let server = server_in(folder.path());
    let full = folder.path().join("none/in");
    let full = full.to_str().expect("text");
    for (cwd, words) in [
        ("none", "there is no such directory where the executor is"),
        (full, "there is no such directory where the executor is"),
        ("f", "that is no directory where the executor is"),
    ] {
        for restricted in [&[][..], &["--unrestricted"], &["--read", "."]] {
            let arguments = [&["--url", server.url(), "--cwd", cwd], restricted].concat();
            let agent = Agent::start(folder.path(), &arguments).await;
            for (tool, call) in [
                ("list", json!({})),
                ("write", json!({"path": "a", "content": "x"})),
            ] {
                let refused = agent.cannot(tool, call).await;
                assert!(refused.contains(words), "{cwd} {tool}: {refused}");
            }
            agent.ends().await;
        }
    }
    assert!(!folder.path().join("none").exists());
    // One that is made meanwhile is used.
    let agent = Agent::start(folder.path(), &["--url", server.url(), "--cwd", "new"]).await;
    agent.cannot("list", json!({})).await;
    folder.put("new/in", "1");
    let read = agent.does("read", json!({"path": "in"})).await;
    assert_eq!(read["text"], "1");
    agent.ends().await;
    // Whichever executor it is, that is too much.
    let refused = command(folder.path(), &["--url", server.url(), "--cwd", "/"]).output();
    let refused = soon(refused).await.expect("it runs");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(
        refused.status.code() == Some(2) && said.contains("the working directory is /, which"),
        "{said}"
    );
}

#[tokio::test]
async fn an_executor_somewhere_else_is_used_in_its_own_directory() {
    let (there, here) = (Folder::new(), Folder::new());
    there.put("a", "of there\n");
    let mut server = Server::command();
    server.current_dir(there.path());
    let server = Server::from_command(server);
    let agent = Agent::start(here.path(), &["--url", server.url()]).await;
    let read = agent.does("read", json!({"path": "a"})).await;
    assert_eq!(read["text"], "of there\n");
    let outside = here.path().join("x");
    agent
        .cannot("write", json!({"path": outside, "content": "x"}))
        .await;
    agent.ends().await;
    let refused = command(here.path(), &["--url", server.url(), "--config", "x"]).output();
    let refused = soon(refused).await.expect("it runs");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(
        refused.status.code() == Some(2) && said.contains("has its own"),
        "{said}"
    );
}

#[tokio::test]
async fn attack_14_relative_paths_of_a_profile_begin_where_the_executor_is() {
    let (there, here) = (Folder::new(), Folder::new());
    for name in ["work/own", "work/hidden/a", "work/a.key", "other"] {
        there.put(name, "of there\n");
    }
    let work = there.path().join("work");
    let mut server = Server::command();
    server.current_dir(&work);
    let server = Server::from_command(server);
    let url = server.url();
    let granted = there.path().to_str().expect("text");
    let denials = ["--deny", "hidden", "--deny-glob", "*.key"];

    // All of it is granted by a path in full, and the denials are what there is.
    let arguments = [&["--url", url, "--read", granted][..], &denials].concat();
    let agent = Agent::start(here.path(), &arguments).await;
    for path in ["hidden/a", "a.key"] {
        let refused = agent.cannot("read", json!({"path": path})).await;
        assert!(refused.contains("profile"), "{refused}");
    }
    for path in ["own", "../other"] {
        let read = agent.does("read", json!({"path": path})).await;
        assert_eq!(read["text"], "of there\n", "{path}");
    }
    agent.ends().await;

    // What is granted begins there as well, and nothing of the client's own directory is.
    let arguments = [&["--url", url, "--write", "."][..], &denials].concat();
    let agent = Agent::start(here.path(), &arguments).await;
    agent
        .does("write", json!({"path": "own", "content": "changed"}))
        .await;
    assert_eq!(there.text("work/own"), "changed");
    let mine = here.path().join("x");
    let mine = json!({"path": mine, "content": "x"});
    agent.cannot("write", mine).await;
    for path in ["hidden/a", "a.key", "../other"] {
        agent.cannot("read", json!({"path": path})).await;
    }
    agent.ends().await;

    // Another working directory, from there.
    let arguments = ["--url", url, "--cwd", "hidden", "--write", "."];
    let agent = Agent::start(here.path(), &arguments).await;
    let read = agent.does("read", json!({"path": "a"})).await;
    assert_eq!(read["text"], "of there\n");
    agent.cannot("read", json!({"path": "../own"})).await;
    agent.ends().await;
}

#[tokio::test]
async fn a_directory_of_an_executor_that_nobody_can_have_meant_is_not_granted() {
    let (there, here) = (Folder::new(), Folder::new());
    there.put(".ssh/key", "the key\n");
    let server = server_in(there.path());
    for (arguments, says) in [
        (&[][..], "say which directory is meant with --cwd"),
        (&["--write", "."], "say with --cwd DIR"),
        (&["--cwd", "..", "--write", "."], "say with --cwd DIR"),
        (&["--cwd", ".."], "say which directory is meant with --cwd"),
    ] {
        let arguments = [&["--url", server.url()][..], arguments].concat();
        let agent = Agent::start(here.path(), &arguments).await;
        for path in [".ssh/key", "x"] {
            let refused = agent.cannot("read", json!({"path": path})).await;
            assert!(refused.contains(says), "{arguments:?}: {refused}");
        }
        agent.ends().await;
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_profile_for_an_executor_somewhere_else_is_said_at_start() {
    let here = Folder::new();
    for (arguments, says) in [
        (&["--read", ".", "--deny-glob", "a[b"][..], "malformed"),
        (&["--read", ".", "--deny", "*.key"], "use --deny-glob"),
    ] {
        let arguments = [&["--url", "ws://127.0.0.1:1"][..], arguments].concat();
        let refused = soon(command(here.path(), &arguments).output()).await;
        let refused = refused.expect("it runs");
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(
            refused.status.code() == Some(2) && said.contains(says),
            "{said}"
        );
    }
}

#[tokio::test]
async fn attack_12_a_pattern_that_was_given_as_a_path_is_no_path_because_of_what_is_here() {
    let (there, here) = (Folder::new(), Folder::new());
    there.put("a.key", "secret");
    here.put("*.key", "");
    let at = there.path().to_str().expect("text");
    let server = server_in(there.path());
    let arguments = ["--read", ".", "--deny", "*.key"];
    for place in [["--url", server.url()], ["--cwd", at]] {
        let arguments = [&place[..], &arguments].concat();
        let refused = soon(command(here.path(), &arguments).output()).await;
        let refused = refused.expect("it runs");
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(
            refused.status.code() == Some(2) && said.contains("use --deny-glob"),
            "{said}"
        );
    }
    // What is called so where the profile holds is a path.
    let agent = Agent::start(here.path(), &arguments).await;
    agent.does("list", json!({"path": "."})).await;
    agent.cannot("read", json!({"path": "*.key"})).await;
    agent.ends().await;
}
