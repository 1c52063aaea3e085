//! The face as the SDK sees it: what it says about itself, its tools, and calls.

use std::convert::Infallible;
use std::sync::Arc;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CancelTaskParams, CompleteRequestParams,
    CompleteResult, CustomRequest, CustomResult, ErrorData, GetPromptRequestParams,
    GetPromptResponse, GetTaskParams, GetTaskResult, Implementation, ListPromptsResult,
    ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
    ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities,
    ServerConfig, SubscribeRequestParams, UnsubscribeRequestParams, UpdateTaskParams,
};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::absent;
use super::access::{Access, Commands, Connect, NO_COMMANDS};
use super::answer::{self, Refusal};
use super::call::Running;
use super::http::Roster;
use super::limits;
use super::session::Session;
use super::tools::{self, Tool};

/// A server of MCP in front of an executor, for one session. Clones share the session, which ends with the last of them.
#[derive(Clone)]
pub struct Face {
    own: Arc<Alive>,
    /// Where requests work that belong to no session, if others than one's own come here.
    common: Option<Arc<Alive>>,
    /// Where its name is noted, if it has one.
    roster: Option<Roster>,
}

struct Alive {
    session: Arc<Session>,
    /// Who waits until it has ended.
    holder: Option<mpsc::Sender<Infallible>>,
}

impl Drop for Alive {
    fn drop(&mut self) {
        if !self.session.is_used() {
            return;
        }
        let (session, holder) = (Arc::clone(&self.session), self.holder.take());
        // Where the runtime is gone, the connection is, and the executor ends what belonged to it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                session.end().await;
                drop(holder);
            });
        }
    }
}

impl Face {
    /// A session that has not begun yet.
    pub fn new(access: Arc<Access>, connect: Connect) -> Face {
        let session = Arc::new(Session::new(access, connect));
        Face {
            own: Arc::new(Alive {
                session,
                holder: None,
            }),
            common: None,
            roster: None,
        }
    }

    /// The same before it has begun, and `holder` is dropped once it has ended.
    pub(super) fn held_by(self, holder: mpsc::Sender<Infallible>) -> Face {
        let alive = Alive {
            session: Arc::clone(&self.own.session),
            holder: Some(holder),
        };
        Face {
            own: Arc::new(alive),
            ..self
        }
    }

    /// The same, with requests that belong to no session going to the other one's.
    pub(super) fn beside(self, other: &Face) -> Face {
        Face {
            common: Some(Arc::clone(&other.own)),
            ..self
        }
    }

    /// The same, with its name noted there as soon as it is known.
    pub(super) fn noted_in(self, roster: &Roster) -> Face {
        Face {
            roster: Some(roster.clone()),
            ..self
        }
    }

    /// Ends it if nobody has used it for the time that sessions have, and what of it nobody has asked for. It can be used again.
    pub(super) async fn end_if_idle(&self) {
        let left_alone = self
            .session()
            .processes
            .end_left_alone(limits::SESSION_IDLE);
        // Where the executor is stuck there is another turn.
        let _ = timeout(limits::END, left_alone).await;
        if self.session().is_idle() {
            self.end().await;
        }
    }

    /// Ends its processes and its connection, and waits for that.
    pub async fn end(&self) {
        self.session().end().await;
    }

    fn session(&self) -> &Arc<Session> {
        &self.own.session
    }

    /// Whose request it is. Since protocol 2026-07-28 a request over HTTP belongs to no session.
    fn session_of(&self, context: &RequestContext<RoleServer>) -> &Arc<Session> {
        let version = context.protocol_version();
        let has_none = version
            .is_some_and(|version| version.as_str() >= ProtocolVersion::V_2026_07_28.as_str());
        match &self.common {
            Some(common) if has_none => &common.session,
            _ => self.session(),
        }
    }

    fn commands(&self) -> bool {
        self.session().access.commands != Commands::No
    }

    /// The tool of that name, if it is offered here.
    fn tool(&self, name: &str) -> Result<Option<Tool>, ErrorData> {
        let tool = Tool::named(name).ok_or_else(|| {
            let all = tools::definitions(self.commands());
            let names: Vec<_> = all.iter().map(|tool| tool.name.as_ref()).collect();
            let text = format!("there are the tools {}, and no `{name}`", names.join(", "));
            ErrorData::invalid_params(answer::cut(text), None)
        })?;
        Ok(Some(tool).filter(|tool| self.commands() || !tool.is_of_commands()))
    }
}

#[expect(
    deprecated,
    reason = "logging is asked for by clients of all ages so far"
)]
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

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        Err(absent::unreadable(&request))
    }

    absent::handlers! {
        complete(CompleteRequestParams) -> CompleteResult = "completion/complete";
        set_level(rmcp::model::SetLevelRequestParams) -> () = "logging/setLevel";
        get_prompt(GetPromptRequestParams) -> GetPromptResponse = "prompts/get";
        list_prompts(Option<PaginatedRequestParams>) -> ListPromptsResult = "prompts/list";
        list_resources(Option<PaginatedRequestParams>) -> ListResourcesResult = "resources/list";
        list_resource_templates(Option<PaginatedRequestParams>) -> ListResourceTemplatesResult = "resources/templates/list";
        read_resource(ReadResourceRequestParams) -> ReadResourceResponse = "resources/read";
        subscribe(SubscribeRequestParams) -> () = "resources/subscribe";
        unsubscribe(UnsubscribeRequestParams) -> () = "resources/unsubscribe";
        get_task(GetTaskParams) -> GetTaskResult = "tasks/get";
        update_task(UpdateTaskParams) -> () = "tasks/update";
        cancel_task(CancelTaskParams) -> () = "tasks/cancel";
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let session = self.session_of(&context);
        if let Some(roster) = &self.roster {
            roster.notes(self.session(), &context);
        }
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
