//! What a policy is asked: who wants to do what. The Rust side of `wit/policy/types.wit`, which says what each member means.
#![allow(
    missing_docs,
    reason = "wit/policy/types.wit documents each member, for authors in every language"
)]

use serde::{Deserialize, Serialize};

/// How the client is connected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    #[default]
    Websocket,
    Stdio,
    Relay,
}

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Subject {
    /// The same for all requests of a session, and no secret: it opens no session.
    pub session: String,
    /// `clientName` of the handshake.
    pub client: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    pub transport: Transport,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
}

/// The kinds of actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActionKind {
    ProcessStart,
    ProcessWrite,
    File,
    Http,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Action {
    ProcessStart(ProcessStart),
    ProcessWrite(ProcessWrite),
    File(FileOperation),
    Http(HttpRequest),
}

impl Action {
    /// Its kind.
    pub fn kind(&self) -> ActionKind {
        match self {
            Action::ProcessStart(_) => ActionKind::ProcessStart,
            Action::ProcessWrite(_) => ActionKind::ProcessWrite,
            Action::File(_) => ActionKind::File,
            Action::Http(_) => ActionKind::Http,
        }
    }
}

/// A program is to be started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessStart {
    pub argv: Vec<String>,
    /// Absolute path of the file that will be executed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    #[serde(default)]
    pub cwd: String,
    #[serde(default)]
    pub env_names: Vec<String>,
    #[serde(default)]
    pub tty: bool,
    #[serde(default)]
    pub sandboxed: bool,
}

/// Bytes for a process's standard input or terminal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessWrite {
    pub process: String,
    #[serde(default)]
    pub argv0: String,
    #[serde(default)]
    pub tty: bool,
    /// Never logged.
    #[serde(default, skip_serializing)]
    pub data: Vec<u8>,
}

/// What a file operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileVerb {
    Read,
    Metadata,
    Canonicalize,
    ReadDirectory,
    Walk,
    ReadTree,
    Watch,
    Write,
    Append,
    CreateDirectory,
    Remove,
    Copy,
    Rename,
    Symlink,
    SetMode,
    SetTimes,
    WriteTree,
}

/// What a name is wanted for, or what a grant allows: each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    Look,
    Read,
    Write,
}

/// One name of a file operation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilePath {
    pub path: String,
    pub access: Access,
}

/// A file operation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileOperation {
    pub verb: FileVerb,
    pub paths: Vec<FilePath>,
    #[serde(default)]
    pub recursive: bool,
    #[serde(default)]
    pub sandboxed: bool,
}

/// One hop of an HTTP request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpRequest {
    pub method: String,
    pub url: String,
    #[serde(default)]
    pub host: String,
    #[serde(default)]
    pub port: u16,
    #[serde(default)]
    pub header_names: Vec<String>,
    #[serde(default)]
    pub hop: u32,
}
