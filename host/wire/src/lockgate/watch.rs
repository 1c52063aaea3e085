//! `lockgate/fs/watch`: to be told what changes in a directory.

use lockgate_grant::profile::Sandbox;
use serde::{Deserialize, Serialize};

use crate::WirePath;

/// Params of `lockgate/fs/watch`. Result `{}`. The watch ends with the connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WatchParams<S = Sandbox> {
    /// Chosen by the client; at most [`crate::limits::HANDLE_ID_BYTES`] bytes.
    pub watch_id: String,
    /// A directory.
    pub path: WirePath,
    /// Also all below it, as far as it may be listed. Links are not followed.
    #[serde(default)]
    pub recursive: bool,
    /// Profile to act under: what it does not show is not told.
    #[serde(default = "Option::default", alias = "sandboxPolicy")]
    pub sandbox: Option<S>,
}

/// Params of `lockgate/fs/unwatch`. Result `{}`, also for a watch that there is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UnwatchParams {
    /// From `lockgate/fs/watch`.
    pub watch_id: String,
}

/// Params of the notification `lockgate/fs/changed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangedNotification {
    /// Which watch.
    pub watch_id: String,
    /// What has changed since the notification before, each path once.
    pub changes: Vec<Change>,
    /// More has changed than could be kept: only a look at everything tells what is so now. Absent means false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub overflowed: bool,
}

/// One path and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Below the path that is watched, as it was given. That path itself, `removed`, is the end of the watch.
    pub path: WirePath,
    /// What came of it last.
    pub kind: ChangeKind,
}

/// What came of a path. A renaming is one of each: the old name is removed, the new one created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ChangeKind {
    /// It is there now.
    Created,
    /// Its contents or attributes are others.
    Modified,
    /// It is gone.
    Removed,
}
