//! `lockgate mcp`: the executor as a server of MCP, driven by the protocol's official SDK as the client.

mod approvals;
mod batches;
mod beforehand;
mod blinks;
mod by_hand;
mod by_the_book;
mod commands;
mod confined;
mod cutter;
mod elsewhere;
mod files;
mod forms;
mod house;
mod http;
mod left;
mod listings;
mod messages;
mod person;
mod refusals;
mod secrets;
mod starts;
mod stdio;
mod strangers;
mod stuck;
mod told;
mod unseen;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use lockgate_e2e::{DEADLINE, lockgate};
use rmcp::model::{CallToolRequestParams, CallToolResult};
use rmcp::service::RunningService;
use rmcp::{ClientLifecycleMode, RoleClient, serve_client_with_lifecycle};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use person::Person;

/// An MCP client with a server of its own over stdio, in a folder.
pub(crate) struct Agent {
    pub(crate) client: RunningService<RoleClient, Person>,
    pub(crate) server: Child,
}

/// A folder to work in, by the name that it really has.
pub(crate) struct Folder {
    _folder: TempDir,
    path: PathBuf,
}

impl Folder {
    pub(crate) fn new() -> Folder {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().canonicalize().expect("it is there");
        Folder {
            _folder: folder,
            path,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn put(&self, name: &str, contents: impl AsRef<[u8]>) {
        let path = self.path.join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        std::fs::write(path, contents).expect("written");
    }

    pub(crate) fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path.join(name)).expect(name)
    }
}

/// `lockgate mcp` in that folder, with a clean environment.
pub(crate) fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(lockgate());
    let beside = |name: &str| lockgate().with_file_name(name);
    std::fs::create_dir_all(beside("test-cache")).expect("made");
    command
        .arg("mcp")
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", beside("test-home"))
        .env("LOCKGATE_CACHE_DIR", beside("test-cache"))
        .env("XDG_STATE_HOME", beside("test-state"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    command
}

pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, what)
        .await
        .expect("it took too long")
}

impl Agent {
    /// With a client that asks nobody.
    pub(crate) async fn start(folder: &Path, arguments: &[&str]) -> Agent {
        Agent::with(Person::nobody(), folder, arguments).await
    }

    pub(crate) async fn with(person: Person, folder: &Path, arguments: &[&str]) -> Agent {
        Agent::speaking(
            ClientLifecycleMode::Initialize,
            person,
            command(folder, arguments),
        )
        .await
    }

    pub(crate) async fn speaking(
        lifecycle: ClientLifecycleMode,
        person: Person,
        mut command: Command,
    ) -> Agent {
        let mut server = command.spawn().expect("it starts");
        let output = server.stdout.take().expect("a pipe");
        let input = server.stdin.take().expect("a pipe");
        let client = soon(serve_client_with_lifecycle(
            person,
            (output, input),
            lifecycle,
        ));
        let client = client.await.expect("a session");
        Agent { client, server }
    }

    /// What a tool answers, whether that is a success or not.
    pub(crate) async fn asks(&self, tool: &'static str, arguments: Value) -> CallToolResult {
        let result = soon(self.client.call_tool(request(tool, arguments))).await;
        result.expect("an answer of the tool")
    }

    /// The structured answer of a tool that does what it is asked for.
    pub(crate) async fn does(&self, tool: &'static str, arguments: Value) -> Value {
        let result = self.asks(tool, arguments).await;
        assert_ne!(result.is_error, Some(true), "{result:?}");
        result.structured_content.expect("a structured answer")
    }

    /// The words of a tool that does not.
    pub(crate) async fn cannot(&self, tool: &'static str, arguments: Value) -> String {
        let result = self.asks(tool, arguments).await;
        assert_eq!(result.is_error, Some(true), "{result:?}");
        text(&result)
    }

    /// Ends the session, and waits until the server has ended by itself.
    pub(crate) async fn ends(mut self) {
        soon(self.client.cancel()).await.expect("it ends");
        let status = soon(self.server.wait()).await.expect("it ends");
        assert!(status.success(), "{status}");
    }
}

pub(crate) fn request(tool: &'static str, arguments: Value) -> CallToolRequestParams {
    let Value::Object(arguments) = arguments else {
        panic!("arguments are an object");
    };
    CallToolRequestParams::new(tool).with_arguments(arguments)
}

/// All text of an answer.
pub(crate) fn text(result: &CallToolResult) -> String {
    let texts = result.content.iter().filter_map(|block| block.as_text());
    texts.map(|text| text.text.as_str()).collect()
}
