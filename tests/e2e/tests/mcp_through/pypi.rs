//! MCP servers that others wrote, with another SDK: from PyPI, as `make mcp-servers` installs them.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use lockgate_e2e::lockgate;
use lockgate_mcp::through::{How, McpServer};
use serde_json::{Value, json};

use crate::{Reached, call, everywhere, text};

/// A program of theirs.
pub(crate) fn installed(program: &str) -> String {
    let profile = lockgate();
    let target = profile.ancestors().nth(2).expect("the target directory");
    let program = target.join("mcp-servers/bin").join(program);
    assert!(
        program.exists(),
        "{} is not there: run `make mcp-servers` (it needs Python 3 with venv; Debian: apt-get install python3-venv; .ci/run does both)",
        program.display()
    );
    program.to_str().expect("UTF-8").to_owned()
}

everywhere! { the_time_server_runs_on_the_executor }

async fn the_time_server_runs_on_the_executor(client: &Reached) {
    let server = McpServer::stdio(client, installed("mcp-server-time"))
        .args(["--local-timezone", "Europe/Lisbon"])
        .connect()
        .await
        .expect("connects");
    let about = server.peer_info().expect("it says who it is");
    let name = about.server_info.as_ref().map(|info| info.name.as_str());
    assert!(name.is_some_and(|name| name.contains("time")), "{about:?}");
    let tools = server.list_all_tools().await.expect("tools");
    let mut names: Vec<_> = tools.iter().map(|tool| tool.name.as_ref()).collect();
    names.sort_unstable();
    assert_eq!(names, ["convert_time", "get_current_time"]);
    // Without daylight saving on either side.
    let arguments =
        json!({"source_timezone": "Asia/Tokyo", "time": "16:30", "target_timezone": "UTC"});
    let result = server.call_tool(call("convert_time", arguments)).await;
    let result: Value = serde_json::from_str(text(&result.expect("answered"))).expect("JSON");
    assert_eq!(result["time_difference"], "-9.0h");
    let when = result["target"]["datetime"].as_str().expect("a time");
    assert!(when.contains("T07:30:00"), "{when}");
    let arguments = json!({"timezone": "Nowhere/At_All"});
    let failed = server.call_tool(call("get_current_time", arguments)).await;
    assert_eq!(failed.expect("answered").is_error, Some(true));
    let ending = server.close().await.expect("a program");
    assert_eq!(ending.how, How::Closed(Some(0)), "{ending}");
    assert!(ending.stderr[0].contains("Nowhere/At_All"), "{ending}");
}

everywhere! { one_that_cannot_start_says_why }

async fn one_that_cannot_start_says_why(client: &Reached) {
    let refused = McpServer::stdio(client, installed("mcp-server-time"))
        .args(["--no-such-option"])
        .connect()
        .await;
    let said = refused.expect_err("it exits").to_string();
    assert!(
        said.contains("it exited with code 2; its last words on stderr:\n")
            && said.contains("unrecognized arguments: --no-such-option"),
        "{said}"
    );
}

/// The server over HTTP. Ends with the value.
struct Shouting {
    child: Child,
    port: String,
}

impl Shouting {
    fn at(port: &str) -> Shouting {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("mcp-servers/shout_server.py");
        let mut child = Command::new(installed("python"))
            .arg(script)
            .arg(port)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut port = String::new();
        BufReader::new(child.stdout.take().expect("stdout is a pipe"))
            .read_line(&mut port)
            .expect("it prints its port");
        let port = port.trim().to_owned();
        assert!(!port.is_empty(), "it ended instead");
        Shouting { child, port }
    }
}

impl Drop for Shouting {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

everywhere! { one_of_the_python_sdk_is_reached_by_http_and_found_again_when_it_was_started_again }

async fn one_of_the_python_sdk_is_reached_by_http_and_found_again_when_it_was_started_again(
    client: &Reached,
) {
    let shouting = Shouting::at("0");
    let port = shouting.port.clone();
    let url = format!("http://127.0.0.1:{port}/mcp");
    // With a slash too many, which this server redirects.
    for url in [format!("{url}/"), url] {
        let server = McpServer::http(client, url).connect().await;
        let server = server.expect("connects");
        let result = server
            .call_tool(call("shout", json!({"text": "hello"})))
            .await;
        assert_eq!(text(&result.expect("answered")), "HELLO");
        server.close().await;
    }
    let server = McpServer::http(client, format!("http://127.0.0.1:{port}/mcp"));
    let server = server.connect().await.expect("connects");
    drop(shouting);
    let gone = server.call_tool(call("shout", json!({"text": "x"}))).await;
    assert!(gone.is_err(), "{gone:?}");
    // The new one has never heard of the session.
    let _again = Shouting::at(&port);
    let result = server
        .call_tool(call("shout", json!({"text": "again"})))
        .await;
    assert_eq!(text(&result.expect("answered")), "AGAIN");
    server.close().await;
}
