//! What a policy is asked: who wants to do what. The Rust side of `wit/policy/types.wit`, which says what each member means.
//!
//! Members and cases stand in the order of the WIT, because these types are written into a policy's memory as they are: no copy
//! of another shape lies between. A policy whose interface does not fit them is refused when it is loaded.
#![allow(
    missing_docs,
    reason = "wit/policy/types.wit documents each member, for authors in every language"
)]

use serde::{Deserialize, Serialize};
use wasmtime::component::{ComponentType, Lift, Lower};

/// How the client is connected.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ComponentType, Lower,
)]
#[serde(rename_all = "kebab-case")]
#[component(enum)]
#[repr(u8)]
pub enum Transport {
    #[component(name = "websocket")]
    #[default]
    Websocket,
    #[component(name = "stdio")]
    Stdio,
    #[component(name = "relay")]
    Relay,
}

/// Who asks.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ComponentType, Lower,
)]
#[serde(default, deny_unknown_fields)]
#[component(record)]
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
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    ComponentType,
    Lower,
    Lift,
)]
#[serde(rename_all = "kebab-case")]
#[component(enum)]
#[repr(u8)]
pub enum ActionKind {
    #[component(name = "process-start")]
    ProcessStart,
    #[component(name = "process-write")]
    ProcessWrite,
    #[component(name = "file")]
    File,
    #[component(name = "http")]
    Http,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ComponentType, Lower)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[component(variant)]
pub enum Action {
    #[component(name = "process-start")]
    ProcessStart(ProcessStart),
    #[component(name = "process-write")]
    ProcessWrite(ProcessWrite),
    #[component(name = "file")]
    File(FileOperation),
    #[component(name = "http")]
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
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ComponentType, Lower,
)]
#[serde(deny_unknown_fields)]
#[component(record)]
pub struct ProcessStart {
    pub argv: Vec<String>,
    /// Absolute path of the file that will be executed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    #[serde(default)]
    pub cwd: String,
    #[serde(default)]
    #[component(name = "env-names")]
    pub env_names: Vec<String>,
    #[serde(default)]
    pub tty: bool,
    #[serde(default)]
    pub sandboxed: bool,
}

/// Bytes for a process's standard input or terminal.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ComponentType, Lower,
)]
#[serde(deny_unknown_fields)]
#[component(record)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ComponentType, Lower)]
#[serde(rename_all = "kebab-case")]
#[component(enum)]
#[repr(u8)]
pub enum FileVerb {
    #[component(name = "read")]
    Read,
    #[component(name = "metadata")]
    Metadata,
    #[component(name = "canonicalize")]
    Canonicalize,
    #[component(name = "read-directory")]
    ReadDirectory,
    #[component(name = "walk")]
    Walk,
    #[component(name = "read-tree")]
    ReadTree,
    #[component(name = "watch")]
    Watch,
    #[component(name = "write")]
    Write,
    #[component(name = "append")]
    Append,
    #[component(name = "create-directory")]
    CreateDirectory,
    #[component(name = "remove")]
    Remove,
    #[component(name = "copy")]
    Copy,
    #[component(name = "rename")]
    Rename,
    #[component(name = "symlink")]
    Symlink,
    #[component(name = "set-mode")]
    SetMode,
    #[component(name = "set-times")]
    SetTimes,
    #[component(name = "write-tree")]
    WriteTree,
}

/// What a name is wanted for, or what a grant allows: each includes those before it.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    ComponentType,
    Lower,
    Lift,
)]
#[serde(rename_all = "kebab-case")]
#[component(enum)]
#[repr(u8)]
pub enum Access {
    #[component(name = "look")]
    Look,
    #[component(name = "read")]
    Read,
    #[component(name = "write")]
    Write,
}

/// One name of a file operation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ComponentType, Lower)]
#[serde(deny_unknown_fields)]
#[component(record)]
pub struct FilePath {
    pub path: String,
    pub access: Access,
}

/// A file operation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ComponentType, Lower)]
#[serde(deny_unknown_fields)]
#[component(record)]
pub struct FileOperation {
    pub verb: FileVerb,
    pub paths: Vec<FilePath>,
    #[serde(default)]
    pub recursive: bool,
    #[serde(default)]
    pub sandboxed: bool,
}

/// One hop of an HTTP request.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ComponentType, Lower,
)]
#[serde(deny_unknown_fields)]
#[component(record)]
pub struct HttpRequest {
    pub method: String,
    pub url: String,
    #[serde(default)]
    pub host: String,
    #[serde(default)]
    pub port: u16,
    #[serde(default)]
    #[component(name = "header-names")]
    pub header_names: Vec<String>,
    #[serde(default)]
    pub hop: u32,
}
