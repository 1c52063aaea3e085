//! An MCP server for tests, made with the protocol's official SDK: the program `lockgate-test-mcp` over stdio, and in a test's own process over HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{ErrorData, ProgressNotificationParam, ProgressToken};
use rmcp::schemars::{self, JsonSchema};
use rmcp::service::RequestContext;
use rmcp::{Peer, RoleServer, tool, tool_router};
use serde::Deserialize;
use tokio::sync::Notify;

/// Its tools do what a test needs of a server.
#[derive(Clone, Default)]
pub struct TestMcp {
    /// Told when a call of `wait` has begun, and again when it was cancelled.
    pub waits: Arc<Notify>,
    /// How often `echo` was carried out.
    pub echoed: Arc<AtomicUsize>,
}

#[derive(Deserialize, JsonSchema)]
struct Text {
    text: String,
}

#[derive(Deserialize, JsonSchema)]
struct Size {
    bytes: usize,
}

#[derive(Deserialize, JsonSchema)]
struct Code {
    code: i32,
}

#[derive(Deserialize, JsonSchema)]
struct Variable {
    name: String,
}

#[tool_router(server_handler)]
impl TestMcp {
    #[tool(description = "The text again")]
    fn echo(&self, Parameters(Text { text }): Parameters<Text>) -> String {
        self.echoed.fetch_add(1, Ordering::Relaxed);
        text
    }

    #[tool(description = "So many bytes")]
    fn large(&self, Parameters(Size { bytes }): Parameters<Size>) -> String {
        "x".repeat(bytes)
    }

    #[tool(description = "A variable of the server's environment, and the directory it runs in")]
    fn variable(&self, Parameters(Variable { name }): Parameters<Variable>) -> String {
        let value = std::env::var(name).unwrap_or_else(|_| "(not set)".to_owned());
        let cwd = std::env::current_dir().unwrap_or_default();
        format!("{value} in {}", cwd.display())
    }

    #[tool(description = "Says something on stderr, and exits in the middle of the call")]
    fn exit(&self, Parameters(Code { code }): Parameters<Code>) -> String {
        eprintln!("going down with {code}");
        std::process::exit(code)
    }

    #[tool(description = "Does not answer until it is cancelled")]
    async fn wait(&self, context: RequestContext<RoleServer>) -> String {
        self.waits.notify_one();
        context.ct.cancelled().await;
        eprintln!("a call was cancelled");
        self.waits.notify_one();
        "cancelled".to_owned()
    }

    #[tool(description = "Tells its progress in so many steps")]
    async fn count(
        &self,
        Parameters(Size { bytes }): Parameters<Size>,
        context: RequestContext<RoleServer>,
    ) -> Result<String, ErrorData> {
        let token = context.meta.get_progress_token();
        for step in 0..bytes {
            tell(&context.peer, token.clone(), step).await;
        }
        Ok("counted".to_owned())
    }
}

async fn tell(peer: &Peer<RoleServer>, token: Option<ProgressToken>, step: usize) {
    if let Some(token) = token {
        let progress = ProgressNotificationParam::new(token, step as f64);
        // Nobody has to listen.
        let _ = peer.notify_progress(progress).await;
    }
}
