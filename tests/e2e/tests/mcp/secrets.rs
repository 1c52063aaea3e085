//! The secrets of the server itself: what its tools are kept from, and what an operator is told.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Stdio;

use rmcp::ClientLifecycleMode;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::house::{House, TOKEN};
use crate::person::Person;
use crate::{Folder, command, request, soon, text};

fn with_a_token() -> Folder {
    let folder = Folder::new();
    folder.put("work/deep/mcp.token", format!("{TOKEN}\n"));
    folder.put("work/own", "own\n");
    let token = folder.path().join("work/deep/mcp.token");
    std::fs::set_permissions(&token, Permissions::from_mode(0o600)).expect("set");
    symlink("deep/mcp.token", folder.path().join("work/link")).expect("made");
    symlink("deep", folder.path().join("work/way")).expect("made");
    folder
}

#[tokio::test]
async fn attack_29_no_tool_for_files_reads_or_changes_the_token_of_its_server() {
    let folder = with_a_token();
    let work = folder.path().join("work");
    let whole = work.display().to_string();
    for granted in [
        &[][..],
        &["--write", "."],
        &["--write", "/"],
        &["--read", "/", "--write", &whole, "--read", "deep/mcp.token"],
    ] {
        // By the name of a link to where it is.
        let mut arguments = vec!["--bearer-file", "way/mcp.token"];
        arguments.extend(granted);
        let house = House::start(&work, &arguments).await;
        let client = house
            .client(Person::nobody(), ClientLifecycleMode::Initialize)
            .await;
        for path in [
            "deep/mcp.token",
            "link",
            "way/mcp.token",
            "way/../deep/mcp.token",
        ] {
            for (tool, arguments) in [
                ("read", json!({"path": path})),
                (
                    "write",
                    json!({"path": path, "content": "a-token-of-somebody-else"}),
                ),
                (
                    "edit",
                    json!({"path": path, "edits": [{"old_text": TOKEN, "new_text": "other"}]}),
                ),
                ("search", json!({"path": path, "pattern": "token"})),
            ] {
                let answer = soon(client.call_tool(request(tool, arguments))).await;
                let answer = answer.expect("an answer");
                assert_eq!(
                    answer.is_error,
                    Some(true),
                    "{granted:?} {tool} {path}: {answer:?}"
                );
                assert!(!text(&answer).contains(TOKEN), "{tool} {path}: {answer:?}");
            }
        }
        for (tool, arguments) in [
            ("move", json!({"from": "deep/mcp.token", "to": "taken"})),
            ("move", json!({"from": "deep", "to": "elsewhere"})),
            (
                "move",
                json!({"from": "own", "to": "deep/mcp.token", "overwrite": true}),
            ),
            ("remove", json!({"path": "deep/mcp.token"})),
            ("remove", json!({"path": "deep", "recursive": true})),
        ] {
            let is_move_of_its_directory = arguments["from"] == "deep";
            let answer = soon(client.call_tool(request(tool, arguments))).await;
            let answer = answer.expect("an answer");
            assert_eq!(
                answer.is_error,
                Some(true),
                "{granted:?} {tool}: {answer:?}"
            );
            if is_move_of_its_directory {
                let words = "it holds a file with a token of this server";
                assert!(text(&answer).contains(words), "{granted:?}: {answer:?}");
            }
        }
        for (tool, arguments) in [
            ("search", json!({"pattern": "token"})),
            ("search", json!({"glob": "*.token"})),
            ("list", json!({"depth": 3})),
        ] {
            let answer = soon(client.call_tool(request(tool, arguments))).await;
            let answer = text(&answer.expect("an answer"));
            assert!(
                !answer.contains("mcp.token"),
                "{granted:?} {tool}: {answer}"
            );
        }
        soon(client.cancel()).await.expect("it ends");
        assert_eq!(folder.text("work/deep/mcp.token"), format!("{TOKEN}\n"));
        assert_eq!(folder.text("work/own"), "own\n");
    }
}

#[tokio::test]
async fn a_token_that_cannot_be_kept_from_the_tools_is_refused() {
    let folder = with_a_token();
    let work = folder.path().join("work");
    std::fs::hard_link(work.join("deep/mcp.token"), work.join("other")).expect("made");
    let arguments = ["--listen", "127.0.0.1:0", "--bearer-file", "deep/mcp.token"];
    let mut command = command(&work, &arguments);
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    let output = soon(command.output()).await.expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("it has 2 names (hard links)"), "{said}");
}

#[tokio::test]
async fn that_commands_can_read_the_token_is_said_at_the_start() {
    let folder = with_a_token();
    let work = folder.path().join("work");
    for (arguments, from) in [
        (
            &["--unrestricted", "--bearer-file", "deep/mcp.token"][..],
            "--bearer-file deep/mcp.token",
        ),
        (
            &["--process-sandbox", "external"],
            "LOCKGATE_MCP_TOKEN in the environment",
        ),
    ] {
        let mut command = command(&work, &["--listen", "127.0.0.1:0"]);
        command.args(arguments).env("LOCKGATE_MCP_TOKEN", TOKEN);
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        let mut server = command.spawn().expect("it starts");
        let mut said = String::new();
        let mut stderr = BufReader::new(server.stderr.take().expect("a pipe"));
        soon(stderr.read_line(&mut said)).await.expect("a line");
        assert!(
            said.contains("commands run as the user of this server") && said.contains(from),
            "{arguments:?}: {said}"
        );
        assert!(!said.contains(TOKEN), "{said}");
    }
}
