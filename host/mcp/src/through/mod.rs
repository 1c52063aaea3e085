//! MCP servers that are reached through an executor: programs that run on it and speak over their stdin and stdout, and servers that it
//! can reach by HTTP where the harness perhaps cannot.
//!
//! Both come as transports of the protocol's official SDK, so what a harness has in its hands afterwards is the SDK's own client:
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use lockgate_client::{Client, ConnectOptions};
//! use lockgate_mcp::through::McpServer;
//!
//! let executor = Client::connect_ws("ws://127.0.0.1:7777", ConnectOptions::default()).await?;
//! let server = McpServer::stdio(&executor, "mcp-server-time").args(["--local-timezone", "UTC"]).connect().await?;
//! for tool in server.list_all_tools().await? {
//!     println!("{}", tool.name);
//! }
//! server.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! What the servers say is not trusted: lines, events and bodies have ceilings ([`limits`]), and a server that dies, hangs or prints
//! something else ends its own connection with an error that says so, and nothing more.

mod error;
mod http;
pub mod limits;
mod server;
mod stdio;

pub use error::ThroughError;
pub use http::{Endpoint, ExecutorHttp, HttpServer};
pub use server::{Connected, McpServer, Server};
pub use stdio::{Ending, How, Program, StdioServer, StdioTransport};
