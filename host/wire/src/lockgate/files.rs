//! `lockgate/fs/*`: what can be done to files beyond the protocol, each with a `sandbox` as its methods have it.

use lockgate_grant::profile::Sandbox;
use serde::{Deserialize, Serialize};

use super::tree::FileName;
use crate::{Base64Text, WirePath};

/// Params of `lockgate/fs/rename`. Result `{}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RenameParams<S = Sandbox> {
    /// File, directory or link; a link gets the name itself.
    pub source_path: WirePath,
    /// The new name.
    pub destination_path: WirePath,
    /// A file there is replaced, or an empty directory by a directory; absent = true. With `false` a name that is taken is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overwrite: Option<bool>,
    /// Profile to act under.
    #[serde(default = "Option::default", alias = "sandboxPolicy")]
    pub sandbox: Option<S>,
}

/// Params of `lockgate/fs/symlink`. Result `{}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SymlinkParams<S = Sandbox> {
    /// What the link says, as it is: no path of the protocol, and nothing need be there.
    pub target: String,
    /// The link's own name, which must be free.
    pub path: WirePath,
    /// Profile to act under.
    #[serde(default = "Option::default", alias = "sandboxPolicy")]
    pub sandbox: Option<S>,
}

/// Params of `lockgate/fs/readLink`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReadLinkParams<S = Sandbox> {
    /// A symbolic link, wherever it leads; those on the way to it are followed.
    pub path: WirePath,
    /// Profile to act under.
    #[serde(default = "Option::default", alias = "sandboxPolicy")]
    pub sandbox: Option<S>,
}

/// Result of `lockgate/fs/readLink`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadLinkResult {
    /// What the link says, as it is.
    pub target: FileName,
}

/// Params of `lockgate/fs/setMode`. Result `{}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SetModeParams<S = Sandbox> {
    /// A file or directory.
    pub path: WirePath,
    /// The nine permission bits; at most [`crate::limits::MODE`].
    pub mode: u32,
    /// Profile to act under.
    #[serde(default = "Option::default", alias = "sandboxPolicy")]
    pub sandbox: Option<S>,
    /// `false` refuses any symlink component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follow_symlinks: Option<bool>,
}

/// Params of `lockgate/fs/setTimes`. Result `{}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SetTimesParams<S = Sandbox> {
    /// A file or directory.
    pub path: WirePath,
    /// Unix milliseconds, not before 1970; absent leaves the time as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accessed_at_ms: Option<i64>,
    /// Unix milliseconds, not before 1970; absent leaves the time as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified_at_ms: Option<i64>,
    /// Profile to act under.
    #[serde(default = "Option::default", alias = "sandboxPolicy")]
    pub sandbox: Option<S>,
    /// `false` refuses any symlink component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follow_symlinks: Option<bool>,
}

/// Params of `lockgate/fs/replaceFile`: others see the old file or the new one, never a part. Result `{}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplaceFileParams<'a, S = Sandbox> {
    /// A regular file, or a free name. Its directory must be writable.
    pub path: WirePath,
    /// The new contents.
    #[serde(borrow)]
    pub data_base64: Base64Text<'a>,
    /// The new file, and its name, are on the disk before the answer.
    #[serde(default)]
    pub durable: bool,
    /// The nine permission bits; absent keeps those of the file that is replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
    /// Refuse where there is something of that name already, be it a link that leads nowhere. Only where
    /// [`LockgateCapabilities::replace_only_new`](crate::environment::LockgateCapabilities::replace_only_new) says so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only_new: bool,
    /// Refuse unless there is a file and its contents have this SHA-256, 64 hexadecimal digits. Only where
    /// [`LockgateCapabilities::only_if_sha256`](crate::environment::LockgateCapabilities::only_if_sha256) says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only_if_sha256: Option<String>,
    /// Profile to act under.
    #[serde(default = "Option::default", alias = "sandboxPolicy")]
    pub sandbox: Option<S>,
    /// `false` refuses any symlink component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follow_symlinks: Option<bool>,
}

/// Params of `lockgate/fs/appendFile`: the bytes go to the file's end, wherever that is by then. Result `{}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppendFileParams<'a, S = Sandbox> {
    /// A regular file; made where it is missing.
    pub path: WirePath,
    /// What is added.
    #[serde(borrow)]
    pub data_base64: Base64Text<'a>,
    /// Profile to act under.
    #[serde(default = "Option::default", alias = "sandboxPolicy")]
    pub sandbox: Option<S>,
    /// `false` refuses any symlink component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follow_symlinks: Option<bool>,
}
