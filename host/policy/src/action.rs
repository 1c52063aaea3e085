//! What a policy is asked: who wants to do what. The Rust side of `wit/policy/types.wit`, which says what each member means.
//!
//! Members and cases stand in the order of the WIT, because these types are written into a policy's memory as they are. What a later version of
//! the contract tells beside them, in an interface of its own, is a member here: [`Shown`] is an action as `evaluate` has it, which borrows the rest. A policy
//! whose interface does not fit these types is refused when it is loaded.
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

    /// As `evaluate` is shown it.
    pub(crate) fn shown(&self) -> Shown<'_> {
        match self {
            Action::ProcessStart(start) => Shown::ProcessStart(start),
            Action::ProcessWrite(write) => Shown::ProcessWrite(write),
            Action::File(operation) => Shown::File(ShownOperation {
                verb: operation.verb,
                paths: &operation.paths,
                recursive: operation.recursive,
                sandboxed: operation.sandboxed,
            }),
            Action::Http(request) => Shown::Http(request),
        }
    }

    /// As the interface `options` tells it.
    pub(crate) fn walk(&self) -> Option<WalkOptions> {
        match self {
            Action::File(operation) => operation.walk,
            _ => None,
        }
    }
}

/// An action of version 0.1.0, the one that `evaluate` takes.
#[derive(Clone, Copy, ComponentType, Lower)]
#[component(variant)]
pub(crate) enum Shown<'a> {
    #[component(name = "process-start")]
    ProcessStart(&'a ProcessStart),
    #[component(name = "process-write")]
    ProcessWrite(&'a ProcessWrite),
    #[component(name = "file")]
    File(ShownOperation<'a>),
    #[component(name = "http")]
    Http(&'a HttpRequest),
}

/// A file operation of that version.
#[derive(Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(crate) struct ShownOperation<'a> {
    verb: FileVerb,
    paths: &'a [FilePath],
    recursive: bool,
    sandboxed: bool,
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
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileOperation {
    pub verb: FileVerb,
    pub paths: Vec<FilePath>,
    #[serde(default)]
    pub recursive: bool,
    #[serde(default)]
    pub sandboxed: bool,
    /// How far a walk goes; there for every walk of a client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub walk: Option<WalkOptions>,
}

/// How far a walk goes, and what it goes into: `wit/policy/options.wit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ComponentType, Lower)]
#[serde(deny_unknown_fields)]
#[component(record)]
pub struct WalkOptions {
    #[component(name = "max-depth")]
    pub max_depth: u32,
    #[component(name = "max-directories")]
    pub max_directories: u32,
    #[component(name = "max-entries")]
    pub max_entries: u32,
    #[component(name = "follow-directory-links")]
    pub follow_directory_links: bool,
    #[component(name = "prune-hidden-directories")]
    pub prune_hidden_directories: bool,
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
