//! The face as the SDK sees it: what it says about itself, its tools, and calls.

use std::sync::Arc;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, ErrorData, Implementation, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler};

use super::access::{Access, Commands, Connect, NO_COMMANDS};
use super::answer::{self, Refusal};
use super::call::Running;
use super::session::Session;
use super::tools::{self, Tool};

/// A server of MCP in front of an executor, for one session. Clones share the session, which ends with the last of them.
#[derive(Clone)]
pub struct Face(Arc<Alive>);

struct Alive(Arc<Session>);

impl Drop for Alive {
    fn drop(&mut self) {
        let session = Arc::clone(&self.0);
        // Where the runtime is gone, the connection is, and the executor ends what belonged to it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { session.end().await });
        }
    }
}

impl Face {
    /// A session that has not begun yet.
    pub fn new(access: Arc<Access>, connect: Connect) -> Face {
        Face(Arc::new(Alive(Arc::new(Session::new(access, connect)))))
    }

    /// Ends its processes and its connection, and waits for that.
    pub async fn end(&self) {
        self.session().end().await;
    }

    fn session(&self) -> &Arc<Session> {
        &self.0.0
    }

    fn commands(&self) -> bool {
        self.session().access.commands != Commands::No
    }

    /// The tool of that name, if it is offered here.
    fn tool(&self, name: &str) -> Result<Option<Tool>, ErrorData> {
        let tool = Tool::named(name).ok_or_else(|| {
            let all = tools::definitions(self.commands());
            let names: Vec<_> = all.iter().map(|tool| tool.name.as_ref()).collect();
            let text = format!("there is no tool `{name}`; there are {}", names.join(", "));
            ErrorData::invalid_params(text, None)
        })?;
        Ok(Some(tool).filter(|tool| self.commands() || !tool.is_of_commands()))
    }
}

impl ServerHandler for Face {
    fn get_info(&self) -> ServerConfig {
        let about = Implementation::new("lockgate", env!("CARGO_PKG_VERSION"))
            .with_title("Lockgate executor");
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(about)
            .with_instructions(self.session().access.instructions())
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(tools::definitions(
            self.commands(),
        )))
    }

    fn get_tool(&self, name: &str) -> Option<rmcp::model::Tool> {
        let all = tools::definitions(self.commands());
        all.into_iter().find(|tool| tool.name == name)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let session = self.session();
        let running = match &request.request_state {
            Some(state) => {
                let mut running = session.parked.take(state, &request).ok_or_else(|| {
                    let text = "requestState names no call of this tool with these arguments that waits for an answer; \
                                call again without it";
                    ErrorData::invalid_params(text, None)
                })?;
                running.answered(request.input_responses.as_ref());
                Ok(running)
            }
            None => match self.tool(&request.name)? {
                Some(tool) => Running::start(session, tool, request),
                None => Err(Refusal::new(NO_COMMANDS)),
            },
        };
        match running {
            Ok(running) => running.follow(session, context).await,
            Err(refusal) => Ok(answer::result(Err(refusal)).into()),
        }
    }
}
