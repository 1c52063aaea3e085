//! Lists the tools of an MCP server that is reached through an executor.
//!
//!     cargo run -p lockgate-mcp --example list_tools -- ws://127.0.0.1:7777 mcp-server-time --local-timezone UTC
//!     cargo run -p lockgate-mcp --example list_tools -- ws://127.0.0.1:7777 https://mcp.example.com/mcp

use std::error::Error;

use lockgate_client::{Client, ConnectOptions};
use lockgate_mcp::through::McpServer;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(executor), Some(server)) = (arguments.next(), arguments.next()) else {
        return Err("give the executor's URL, and a program with its arguments or a URL".into());
    };
    let executor = Client::connect_ws(&executor, ConnectOptions::default()).await?;
    let server = match server.starts_with("http") {
        true => McpServer::http(&executor, server).connect().await?,
        false => {
            let program = McpServer::stdio(&executor, server);
            program.args(arguments).connect().await?
        }
    };
    for tool in server.list_all_tools().await? {
        println!("{}: {}", tool.name, tool.description.unwrap_or_default());
    }
    server.close().await;
    Ok(())
}
