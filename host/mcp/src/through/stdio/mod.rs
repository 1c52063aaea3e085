//! A program on the executor that speaks MCP over its stdin and stdout, one message a line.
//!
//! Two tasks stand behind a [`StdioTransport`]: one writes messages in the order in which they were sent, so that a caller who gives up never
//! leaves half a line behind; the other follows the program, and ends it when the transport is closed or just dropped. So nothing that
//! a harness does or forgets keeps a program running on the executor.

mod ending;
mod follow;
mod lines;
mod writer;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use lockgate_client::{Client, ClientError, Process};
use lockgate_grant::AbsPath;
use lockgate_grant::profile::Sandbox;
use lockgate_wire::process::{EnvPolicy, Inherit, StartParams};
use rmcp::RoleClient;
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::Transport;
use tokio::sync::{mpsc, oneshot, watch};

use super::server::{Opened, Server, Way};
use super::{ThroughError, limits};
pub use ending::{Ending, How};
use writer::Writer;

/// A program that is yet to be started.
pub type StdioServer = Server<Program>;

/// Which program, and how it is started. Its arguments and its environment are not shown by `Debug`: they hold credentials all too often.
#[derive(Clone)]
pub struct Program {
    client: Client,
    program: String,
    args: Vec<String>,
    env: BTreeMap<String, String>,
    secrets: Vec<String>,
    env_policy: Option<EnvPolicy>,
    cwd: Option<AbsPath>,
    sandbox: Option<Sandbox>,
    grace: Duration,
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program")
            .field("program", &self.program)
            .field("args", &self.args.len())
            .field("env", &self.env.keys().collect::<Vec<_>>())
            .field("cwd", &self.cwd)
            .finish_non_exhaustive()
    }
}

impl StdioServer {
    pub(super) fn new(client: &Client, program: String) -> StdioServer {
        Server::by(Program {
            client: client.clone(),
            program,
            args: Vec::new(),
            env: BTreeMap::new(),
            secrets: Vec::new(),
            // What MCP's SDKs give a program: PATH, HOME and the like, and no credentials that happen to be there.
            env_policy: Some(EnvPolicy {
                inherit: Inherit::Core,
                ignore_default_excludes: false,
                exclude: Vec::new(),
                set: BTreeMap::new(),
                include_only: Vec::new(),
            }),
            cwd: None,
            sandbox: None,
            grace: limits::GRACE,
        })
    }

    /// Arguments, behind those that are there already. No shell is involved.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.way.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// A variable of its environment.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.way.env.insert(name.into(), value.into());
        self
    }

    /// The same for a credential: where the program prints its value on stderr, neither the log nor an error will show it.
    #[must_use]
    pub fn secret_env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let value = value.into();
        if !value.is_empty() {
            self.way.secrets.push(value.clone());
        }
        self.env(name, value)
    }

    /// What it inherits of the executor's environment, instead of the core names; `None`: nothing.
    #[must_use]
    pub fn inherit(mut self, policy: Option<EnvPolicy>) -> Self {
        self.way.env_policy = policy;
        self
    }

    /// The directory it starts in, instead of the executor's own.
    #[must_use]
    pub fn cwd(mut self, cwd: AbsPath) -> Self {
        self.way.cwd = Some(cwd);
        self
    }

    /// A permission profile to run under. An executor that cannot enforce it refuses to start the program.
    #[must_use]
    pub fn sandbox(mut self, sandbox: Sandbox) -> Self {
        self.way.sandbox = Some(sandbox);
        self
    }

    /// What the program gets for each step of being ended: the end of its input, SIGTERM, SIGKILL.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.way.grace = grace;
        self
    }

    /// Starts it. The transport is for the SDK's `serve`; dropping it ends the program.
    pub async fn start(self) -> Result<StdioTransport, ThroughError> {
        self.way.start().await
    }
}

impl Way for Program {
    type Transport = StdioTransport;

    async fn open(self) -> Result<Opened<StdioTransport>, ThroughError> {
        let server = self.program.clone();
        let transport = self.start().await?;
        let ending = Some(transport.ending());
        Ok(Opened {
            server,
            transport,
            ending,
        })
    }
}

impl Program {
    async fn start(self) -> Result<StdioTransport, ThroughError> {
        let announced = self.client.environment();
        let cwd = self
            .cwd
            .or_else(|| announced?.cwd.as_ref().map(|cwd| cwd.path.clone()))
            .unwrap_or_else(AbsPath::root);
        let held_up = self.client.capabilities().is_some_and(|capabilities| {
            let ours = capabilities.lockgate.as_ref();
            ours.is_some_and(|ours| ours.start_wait_for_reader)
        });
        let params = StartParams {
            process_id: format!("mcp-{}", uuid::Uuid::new_v4()).into(),
            metadata: None,
            argv: [self.program.clone()]
                .into_iter()
                .chain(self.args)
                .collect(),
            cwd: self.client.path(cwd),
            env_policy: self.env_policy,
            env: self.env,
            tty: false,
            pipe_stdin: true,
            arg0: None,
            sandbox: self.sandbox,
            enforce_managed_network: false,
            managed_network: None,
            network_proxy: None,
            shell_snapshot: None,
            size: None,
            // Output that is dropped would be answers that never come.
            wait_for_reader: held_up,
        };
        let process = started(self.client, params).await;
        let process = process.map_err(|source| ThroughError::Start {
            program: self.program.clone(),
            source,
        })?;
        let (inbound, messages) = mpsc::channel(limits::INBOUND);
        let (ended, ending) = watch::channel(None);
        let (writer, writing) = Writer::start(process.handle.clone());
        let words = ending::LastWords::new(self.program.clone(), self.secrets);
        tokio::spawn(follow::follow(
            process, words, inbound, writing, self.grace, ended,
        ));
        Ok(StdioTransport {
            program: self.program,
            messages,
            writer: Some(writer),
            ending,
        })
    }
}

/// Starts a process. One that nobody waits for any more when it has started is ended.
async fn started(client: Client, params: StartParams) -> Result<Process, ClientError> {
    let (tell, told) = oneshot::channel();
    tokio::spawn(async move {
        let process = client.start(&params).await;
        if let Err(Ok(process)) = tell.send(process) {
            // The connection is gone otherwise, and the session ends it.
            let _ = process.handle.terminate().await;
        }
    });
    told.await
        .unwrap_or_else(|_| Err(ClientError::Closed("the runtime is going down".to_owned())))
}

/// The client's end of a program that runs on the executor. Closing it gives the program the end of its input, then time, then SIGTERM, then
/// SIGKILL, as MCP has it for stdio; where the executor knows only SIGKILL, that.
#[derive(Debug)]
pub struct StdioTransport {
    program: String,
    messages: mpsc::Receiver<ServerJsonRpcMessage>,
    /// None once closed.
    writer: Option<Writer>,
    ending: watch::Receiver<Option<Ending>>,
}

impl StdioTransport {
    /// Will hold what became of the program.
    pub fn ending(&self) -> watch::Receiver<Option<Ending>> {
        self.ending.clone()
    }

    fn ended(&self) -> Option<ThroughError> {
        let ending = self.ending.borrow().clone()?;
        Some(ThroughError::Ended {
            program: self.program.clone(),
            ending,
        })
    }
}

impl Transport<RoleClient> for StdioTransport {
    type Error = ThroughError;

    fn send(
        &mut self,
        message: ClientJsonRpcMessage,
    ) -> impl Future<Output = Result<(), ThroughError>> + Send + 'static {
        let ended = self.ended();
        // Its place in the order is that of this call, not of the future's first poll.
        let written = match (&self.writer, ended) {
            (Some(writer), None) => writer.send(&self.program, &message),
            (_, Some(ended)) => Err(ended),
            (None, None) => Err(ThroughError::Unsent("it was closed here".to_owned())),
        };
        async move { written?.done().await }
    }

    async fn receive(&mut self) -> Option<ServerJsonRpcMessage> {
        self.messages.recv().await
    }

    async fn close(&mut self) -> Result<(), ThroughError> {
        self.writer = None;
        self.messages.close();
        // Fails if the task is gone, which is as good.
        let _ = self.ending.wait_for(Option::is_some).await;
        Ok(())
    }
}
