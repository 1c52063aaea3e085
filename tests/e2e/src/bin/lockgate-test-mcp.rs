//! The MCP server of the tests, over stdio.

use lockgate_e2e::TestMcp;
use rmcp::serve_server;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let stdio = (tokio::io::stdin(), tokio::io::stdout());
    match serve_server(TestMcp::default(), stdio).await {
        Ok(service) => drop(service.waiting().await),
        Err(error) => {
            eprintln!("lockgate-test-mcp: {error}");
            std::process::exit(2);
        }
    }
}
