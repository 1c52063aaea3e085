//! `lockgate/process/*`: window size, end of input, every signal, a list of what runs, and what was read of its events.

use serde::{Deserialize, Serialize};

use crate::process::{ProcessId, StartParams};

/// Params of `lockgate/process/resize`: a new window size for a process on a PTY. Result `{}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResizeParams {
    /// Which.
    pub process_id: ProcessId,
    /// Lines.
    pub rows: u16,
    /// Characters a line.
    pub cols: u16,
}

/// Params of `lockgate/process/closeStdin`: the child sees the end of its input once what was written before has been
/// read. On a PTY this sends the end-of-file character. Result `{}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CloseStdinParams {
    /// Which.
    pub process_id: ProcessId,
}

/// Params of `lockgate/process/signal`: any signal to the process group. Result `{}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignalParams {
    /// Which.
    pub process_id: ProcessId,
    /// A name as in `kill -l`, with or without `SIG`: `TERM`, `SIGUSR1`, `KILL`.
    pub signal: String,
}

/// Params of `process/start` by a client whose reader acknowledges. Only for servers that answer `lockgate/process/acknowledge`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AcknowledgedStart<'a> {
    /// As ever, with `waitForReader`.
    #[serde(flatten)]
    pub start: &'a StartParams,
    /// See [`ReaderAcknowledges`].
    pub reader_acknowledges: bool,
}

/// What that adds, as the server reads it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReaderAcknowledges {
    /// Beside `waitForReader`: the process is held up at what the reader has not acknowledged, also while nobody is attached. Nothing can be lost
    /// with a connection then: all that was on its way is still retained.
    #[serde(default)]
    pub reader_acknowledges: bool,
}

/// Params of `lockgate/process/acknowledge`, also for processes that wait for nobody. Result `{}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AcknowledgeParams {
    /// Which.
    pub process_id: ProcessId,
    /// Everything up to this number was read; `process/read` says the same with `afterSeq`. Null: nobody reads any more, the process goes on.
    #[serde(default)]
    pub seq: Option<u64>,
}

/// Result of `lockgate/process/list`: the processes of this session that are still known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListResult {
    /// In the order they were started.
    pub processes: Vec<ListedProcess>,
}

/// One process of [`ListResult`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedProcess {
    /// The client's key.
    pub process_id: ProcessId,
    /// The operating system's. It may belong to another process once this one has ended.
    pub pid: u32,
    /// On a PTY.
    pub tty: bool,
    /// The exit code is known.
    pub exited: bool,
    /// Null while it runs.
    #[serde(default)]
    pub exit_code: Option<i32>,
}
