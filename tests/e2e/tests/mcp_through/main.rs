//! MCP servers that are reached through the real executor.

mod ages;
mod broken;
#[path = "../executors/house.rs"]
#[allow(dead_code)] // the tests of the traits use all of it
mod house;
mod http;
mod links;
mod pypi;
mod served;
mod stdio;
mod ways;

use lockgate_client::{Client, ConnectOptions};
use lockgate_e2e::origin;
use lockgate_mcp::through::{McpServer, StdioServer};
use rmcp::model::{CallToolRequestParams, CallToolResult};
use serde_json::{Value, json};

pub(crate) use house::everywhere;
pub(crate) use ways::Reached;

/// A client of an executor.
pub(crate) async fn client(url: &str) -> Client {
    Client::connect_ws(url, ConnectOptions::default())
        .await
        .expect("connects")
}

/// One that ends with its first lost link.
pub(crate) async fn brittle(url: &str) -> Client {
    let options = ConnectOptions {
        resume_window: None,
        ..ConnectOptions::default()
    };
    Client::connect_ws(url, options).await.expect("connects")
}

/// The MCP server that is made with the official SDK, as a program.
pub(crate) fn program(client: &Client) -> StdioServer {
    McpServer::stdio(client, env!("CARGO_BIN_EXE_lockgate-test-mcp"))
}

/// A shell script instead of a server.
pub(crate) fn script(client: &Client, script: &str) -> StdioServer {
    McpServer::stdio(client, "/bin/sh").args(["-c", script])
}

/// Params of a call.
pub(crate) fn call(tool: &'static str, arguments: Value) -> CallToolRequestParams {
    let arguments = arguments.as_object().expect("an object").clone();
    CallToolRequestParams::new(tool).with_arguments(arguments)
}

/// A call of `echo`.
pub(crate) fn echo(text: &str) -> CallToolRequestParams {
    call("echo", json!({"text": text}))
}

/// The text of a result.
pub(crate) fn text(result: &CallToolResult) -> &str {
    let content = result.content.first().expect("content");
    &content.as_text().expect("text").text
}
