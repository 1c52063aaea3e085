//! `process/*`: start, read, write, signal, terminate and the three notifications.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use lockgate_grant::profile::Sandbox;
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;

use crate::limits::TOOL_CALL_ID_BYTES;
use crate::{Base64, Base64Text, WirePath};

/// A client-chosen key, unique within a session; not the operating system's pid.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProcessId(Arc<str>);

impl ProcessId {
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ProcessId {
    fn from(key: &str) -> Self {
        ProcessId(key.into())
    }
}

impl From<String> for ProcessId {
    fn from(key: String) -> Self {
        ProcessId(key.into())
    }
}

impl Borrow<str> for ProcessId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Params of `process/start`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StartParams {
    /// Free in this session.
    pub process_id: ProcessId,
    /// Telemetry of the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<StartMetadata>,
    /// Program and arguments; not empty. No shell is involved.
    pub argv: Vec<String>,
    /// Directory the process starts in.
    pub cwd: WirePath,
    /// Absent: the environment is exactly `env`. Present: built from the server's own, then overlaid with `env`.
    #[serde(default)]
    pub env_policy: Option<EnvPolicy>,
    /// Overlay, or the whole environment.
    pub env: BTreeMap<String, String>,
    /// PTY instead of pipes.
    pub tty: bool,
    /// Without a PTY: keep stdin open for `process/write`; otherwise it is `/dev/null`.
    #[serde(default)]
    pub pipe_stdin: bool,
    /// What the child sees as `argv[0]`.
    #[serde(default)]
    pub arg0: Option<String>,
    /// A profile to run under. Refused when it cannot be enforced, never ignored.
    #[serde(default)]
    pub sandbox: Option<Sandbox>,
    /// The network must be managed; fails closed.
    #[serde(default)]
    pub enforce_managed_network: bool,
    /// Not interpreted.
    #[serde(default)]
    pub managed_network: Option<Value>,
    /// Only with the capability `networkProxyLaunch`; not interpreted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_proxy: Option<Value>,
    /// Only with the capability `shellSnapshotV2`; not interpreted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell_snapshot: Option<Value>,
    /// Extension: window size of the new PTY (24 x 80 without it).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<TerminalSize>,
    /// Ours: hold the process up rather than lose output while the attached client is far behind, as a pipe would; for
    /// clients that want every byte. Otherwise a client that does not read never stops a process.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wait_for_reader: bool,
}

/// `metadata` of `process/start`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StartMetadata {
    /// A UUID; anything else makes the params invalid.
    #[serde(
        deserialize_with = "uuid_text",
        skip_serializing_if = "Option::is_none"
    )]
    pub thread_id: Option<String>,
    /// At most 256 characters of letters, digits and `_-.:`; anything else is dropped.
    #[serde(
        deserialize_with = "tool_call_id",
        skip_serializing_if = "Option::is_none"
    )]
    pub tool_call_id: Option<String>,
}

fn uuid_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text: Option<String> = Option::deserialize(deserializer)?;
    match text {
        Some(text) if !is_uuid(&text) => Err(de::Error::custom("metadata.threadId is not a UUID")),
        text => Ok(text),
    }
}

fn is_uuid(text: &str) -> bool {
    let groups = [8, 4, 4, 4, 12];
    let mut parts = text.split('-');
    groups.iter().all(|&len| {
        parts.next().is_some_and(|part| {
            part.len() == len && part.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
    }) && parts.next().is_none()
}

fn tool_call_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text: Option<String> = Option::deserialize(deserializer)?;
    Ok(text.filter(|text| {
        text.len() <= TOOL_CALL_ID_BYTES
            && text.bytes().all(|byte| {
                byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':')
            })
    }))
}

/// How the child's environment is built from the server's. All members are required.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvPolicy {
    /// What to start from.
    pub inherit: Inherit,
    /// Keep names that look like `*KEY*`, `*SECRET*`, `*TOKEN*`.
    pub ignore_default_excludes: bool,
    /// Case-insensitive globs over names to drop.
    pub exclude: Vec<String>,
    /// Variables to set after the excludes.
    pub set: BTreeMap<String, String>,
    /// When not empty: keep only names that match one of these globs.
    pub include_only: Vec<String>,
}

/// `envPolicy.inherit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Inherit {
    /// The core set of names.
    Core,
    /// Everything.
    All,
    /// Nothing.
    None,
}

/// Rows and columns of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalSize {
    /// Lines.
    pub rows: u16,
    /// Characters a line.
    pub cols: u16,
}

/// Result of `process/start`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StartResult {
    /// Echoed; clients drop an answer without it.
    pub process_id: ProcessId,
    /// `none`, `linuxSeccomp`, ...; absent = not reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox_type: Option<String>,
}

/// Params of `process/read`, the long poll over retained output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadParams {
    /// Which.
    pub process_id: ProcessId,
    /// Chunks after this number; absent = from the start.
    #[serde(default)]
    pub after_seq: Option<u64>,
    /// Byte budget; at least one chunk is returned anyway. Absent = no budget.
    #[serde(default)]
    pub max_bytes: Option<u64>,
    /// How long to wait for something new; absent = not at all.
    #[serde(default)]
    pub wait_ms: Option<u64>,
}

/// Result of `process/read`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadResult {
    /// In order.
    pub chunks: Vec<OutputChunk>,
    /// With `maxBytes`: last returned number + 1, or the next unassigned one when nothing was returned. Without it: the
    /// next unassigned one.
    pub next_seq: u64,
    /// The exit code is known.
    pub exited: bool,
    /// Present after the exit.
    pub exit_code: Option<i32>,
    /// Nothing more will come.
    pub closed: bool,
    /// From a server: the limit of a policy at which it ended the process, else null. Clients fill it in when they lose the transport.
    pub failure: Option<String>,
    /// A guess that the failure came from a sandbox.
    #[serde(default)]
    pub sandbox_denied: bool,
}

/// A piece of output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputChunk {
    /// Its number.
    pub seq: u64,
    /// Where it was written.
    pub stream: Stream,
    /// The bytes; may split a UTF-8 character.
    pub chunk: Base64,
}

/// Where output came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Stream {
    /// The pipe on 1.
    Stdout,
    /// The pipe on 2.
    Stderr,
    /// Everything, with `tty`.
    Pty,
}

impl Stream {
    /// As on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
            Stream::Pty => "pty",
        }
    }
}

/// Params of `process/write`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WriteParams<'a> {
    /// Which.
    pub process_id: ProcessId,
    /// Bytes for stdin.
    #[serde(borrow)]
    pub chunk: Base64Text<'a>,
    /// A repeated id is answered `accepted` without writing again. Not empty; clients of May 2026 do not send it.
    #[serde(
        default,
        deserialize_with = "write_id",
        skip_serializing_if = "Option::is_none"
    )]
    pub write_id: Option<String>,
}

fn write_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text: Option<String> = Option::deserialize(deserializer)?;
    match text {
        Some(text) if text.is_empty() => Err(de::Error::custom("writeId must not be empty")),
        text => Ok(text),
    }
}

/// Result of `process/write`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteResult {
    /// What became of the bytes.
    pub status: WriteStatus,
}

/// `status` of `process/write`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WriteStatus {
    /// Queued for stdin.
    Accepted,
    /// No such process.
    UnknownProcess,
    /// Neither `tty` nor `pipeStdin`, or closed since.
    StdinClosed,
    /// Not spawned yet.
    Starting,
}

/// Params of `process/signal`. Result `{}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignalParams {
    /// Which; unknown and exited ones are no error.
    pub process_id: ProcessId,
    /// The protocol knows one; see `lockgate/process/signal` for the others.
    pub signal: Signal,
}

/// `signal` of `process/signal`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Signal {
    /// SIGINT to the process group.
    Interrupt,
}

/// Params of `process/terminate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TerminateParams {
    /// Which; unknown and exited ones are no error.
    pub process_id: ProcessId,
}

/// Result of `process/terminate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminateResult {
    /// It was running and was told to die.
    pub running: bool,
}

/// Params of the notification `process/output`. Servers send it with [`crate::output_notification`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutputNotification {
    /// Which.
    pub process_id: ProcessId,
    /// Its number.
    pub seq: u64,
    /// Where it was written.
    pub stream: Stream,
    /// The bytes.
    pub chunk: Base64,
}

/// The same without the bytes, which follow it in a message of [`crate::output_bytes`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutputHead {
    /// Which.
    pub process_id: ProcessId,
    /// Its number.
    pub seq: u64,
    /// Where it was written.
    pub stream: Stream,
}

/// Params of the notification `process/exited`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExitedNotification {
    /// Which.
    pub process_id: ProcessId,
    /// Its number, in the same sequence as the output.
    pub seq: u64,
    /// 128 + n after signal n; -1 when no status is known.
    pub exit_code: i32,
    /// A guess that the failure came from a sandbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox_denied: Option<bool>,
}

/// Params of the notification `process/closed`: exited, and both output readers are at their end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClosedNotification {
    /// Which.
    pub process_id: ProcessId,
    /// The last number of this process.
    pub seq: u64,
}
