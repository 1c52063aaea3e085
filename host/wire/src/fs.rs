//! `fs/*`: files and directories.
//!
//! Every request but `fs/readBlock` and `fs/close` (whose handle remembers) takes a `sandbox`: absent or null means direct
//! access. `S` is how the profile is kept: decoded, or as its text by a server that knows it already. The April 2026 name `sandboxPolicy` is read as the same member, because ignoring a restriction would void it.

use lockgate_grant::profile::Sandbox;
use serde::{Deserialize, Serialize};

use crate::lockgate::tree::{LeftOut, is_zero};
use crate::{Base64, Base64Text, WirePath};

/// Params of `fs/readFile`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadFileParams<S = Sandbox> {
    /// A regular file.
    pub path: WirePath,
    /// Profile to act under.
    #[serde(default = "Option::default", alias = "sandboxPolicy")]
    pub sandbox: Option<S>,
    /// `false` refuses any symlink component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follow_symlinks: Option<bool>,
}

/// Result of `fs/readFile`. Servers send it with [`crate::file_result`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadFileResult {
    /// The contents.
    pub data_base64: Base64,
}

/// Params of `fs/writeFile`: create or truncate, in place. Result `{}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WriteFileParams<'a, S = Sandbox> {
    /// Its parent exists.
    pub path: WirePath,
    /// The new contents.
    #[serde(borrow)]
    pub data_base64: Base64Text<'a>,
    /// Ours: refuse unless the file is there and its contents have this SHA-256, 64 hexadecimal digits. Only where
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

/// Params of `fs/createDirectory`. Result `{}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateDirectoryParams<S = Sandbox> {
    /// The new directory.
    pub path: WirePath,
    /// Also parents, and existing is fine; absent = true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recursive: Option<bool>,
    /// Profile to act under.
    #[serde(default = "Option::default", alias = "sandboxPolicy")]
    pub sandbox: Option<S>,
    /// `false` refuses any symlink component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follow_symlinks: Option<bool>,
    /// Permission bits that it is made with at most, 0 to 511; not those above it. Absent = 511.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
}

/// Params of `fs/getMetadata`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GetMetadataParams<S = Sandbox> {
    /// Anything that exists.
    pub path: WirePath,
    /// Profile to act under.
    #[serde(default = "Option::default", alias = "sandboxPolicy")]
    pub sandbox: Option<S>,
    /// `false` refuses any symlink component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follow_symlinks: Option<bool>,
    /// Also say what it is exactly, and its mode, owner and links. Ours: only where
    /// [`LockgateCapabilities::every_attribute`](crate::environment::LockgateCapabilities::every_attribute) says so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub every_attribute: bool,
}

/// Result of `fs/getMetadata`: of the target, except `isSymlink`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MetadataResult {
    /// The target is a directory.
    pub is_directory: bool,
    /// The target is a regular file.
    pub is_file: bool,
    /// The path itself is a link.
    pub is_symlink: bool,
    /// Bytes; servers of May 2026 do not send it.
    #[serde(default)]
    pub size: u64,
    /// Unix milliseconds; 0 when unknown.
    pub created_at_ms: i64,
    /// Unix milliseconds; 0 when unknown.
    pub modified_at_ms: i64,
    /// What the target is exactly, never a link. Told where it was asked for (`everyAttribute`), as is the rest; that not of what a profile lets be seen only
    /// because something that it grants lies below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<FileKind>,
    /// Permission bits, set-user-id and the like among them: 0 to 4095.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
    /// Number of the user whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Number of its group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    /// Names that it has (hard links). Not of a directory within a profile: there it counts what is in it, also what is denied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nlink: Option<u64>,
}

/// Params of `fs/canonicalize`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CanonicalizeParams<S = Sandbox> {
    /// Anything that exists.
    pub path: WirePath,
    /// Profile to act under.
    #[serde(default = "Option::default", alias = "sandboxPolicy")]
    pub sandbox: Option<S>,
}

/// Result of `fs/canonicalize`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanonicalizeResult {
    /// Without links; as a URI, whichever style was asked in.
    pub path: WirePath,
}

/// Params of `fs/readDirectory`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadDirectoryParams<S = Sandbox> {
    /// A directory.
    pub path: WirePath,
    /// Profile to act under.
    #[serde(default = "Option::default", alias = "sandboxPolicy")]
    pub sandbox: Option<S>,
    /// Leave nothing out, and say of each entry what it is. Ours: only where
    /// [`LockgateCapabilities::every_entry`](crate::environment::LockgateCapabilities::every_entry) says so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub every_entry: bool,
}

/// Result of `fs/readDirectory`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadDirectoryResult {
    /// Direct children in any order; but for `everyEntry` without those whose target cannot be looked at.
    pub entries: Vec<DirectoryEntry>,
    /// There are more than an answer to `everyEntry` has room for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// One child.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DirectoryEntry {
    /// What is not UTF-8 in it is replaced.
    pub file_name: String,
    /// Of the target.
    pub is_directory: bool,
    /// Of the target.
    pub is_file: bool,
    /// What it is itself; told where it was asked for (`everyEntry`), as is the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<FileKind>,
    /// Of a link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leads_to: Option<LeadsTo>,
    /// The name's bytes, where they are not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_base64: Option<Base64>,
}

/// What something in a file system is, itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)] // the kinds that POSIX has
pub enum FileKind {
    File,
    Directory,
    Symlink,
    Fifo,
    Socket,
    BlockDevice,
    CharacterDevice,
    /// The file system does not say; or a kind of a later version.
    #[serde(other)]
    Unknown,
}

/// Where a symbolic link leads in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LeadsTo {
    /// To a regular file.
    File,
    /// To a directory.
    Directory,
    /// To nothing that this request may look at, be it there or not.
    Nowhere,
    /// To a pipe, a socket, a device.
    #[serde(other)]
    Other,
}

/// Params of `fs/walk`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WalkParams<S = Sandbox> {
    /// Where to begin; not listed itself.
    pub path: WirePath,
    /// Bounds.
    pub options: WalkOptions,
    /// Profile to act under.
    #[serde(default = "Option::default", alias = "sandboxPolicy")]
    pub sandbox: Option<S>,
}

/// Bounds of a walk; the largest allowed are in [`crate::limits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WalkOptions {
    /// Levels below the root.
    pub max_depth: u64,
    /// More than 0.
    pub max_directories: u64,
    /// More than 0.
    pub max_entries: u64,
    /// Cycles are cut by identity.
    pub follow_directory_symlinks: bool,
    /// Leave out directories whose name begins with a dot.
    #[serde(default)]
    pub prune_hidden_directories: bool,
    /// Leave out links, also those to files, and follow none but `path` itself. Ours: only where
    /// [`LockgateCapabilities::prune_links`](crate::environment::LockgateCapabilities::prune_links) says so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub prune_links: bool,
}

/// Result of `fs/walk`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalkResult {
    /// Breadth first.
    pub entries: Vec<WalkEntry>,
    /// What could not be looked into.
    pub errors: Vec<WalkError>,
    /// A bound ended the walk.
    pub truncated: bool,
}

/// One file or directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalkEntry {
    /// Full path; as a URI, whichever style was asked in.
    pub path: WirePath,
    /// What it is.
    pub kind: WalkKind,
}

/// Kind of a [`WalkEntry`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WalkKind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
}

/// A place where the walk could not go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalkError {
    /// Where.
    pub path: WirePath,
    /// Why.
    pub message: String,
}

/// Params of `fs/remove`. Result `{}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RemoveParams<S = Sandbox> {
    /// A link is removed itself, not its target.
    pub path: WirePath,
    /// Directories with what is in them; absent = true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recursive: Option<bool>,
    /// Absent is fine; absent = true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force: Option<bool>,
    /// Profile to act under.
    #[serde(default = "Option::default", alias = "sandboxPolicy")]
    pub sandbox: Option<S>,
    /// `false` refuses any symlink component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follow_symlinks: Option<bool>,
}

/// Params of `fs/copy`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CopyParams<S = Sandbox> {
    /// File, directory or link (which is copied as a link).
    pub source_path: WirePath,
    /// The new name; files are overwritten, directories merged.
    pub destination_path: WirePath,
    /// Needed for directories.
    pub recursive: bool,
    /// Ours: goes on behind what cannot be copied of a directory, and tells it. Servers take it where
    /// [`LockgateCapabilities::copy_leaves_out`](crate::environment::LockgateCapabilities::copy_leaves_out) says so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub leave_out: bool,
    /// Profile to act under.
    #[serde(default = "Option::default", alias = "sandboxPolicy")]
    pub sandbox: Option<S>,
}

/// Result of `fs/copy`: `{}`, unless something was left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CopyResult {
    /// What was not copied of a directory, for who said `leaveOut`: the first of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
    /// How much there was.
    #[serde(skip_serializing_if = "is_zero")]
    pub left_out_count: u64,
}

/// Params of `fs/open`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenParams<S = Sandbox> {
    /// Chosen by the client; at most [`crate::limits::HANDLE_ID_BYTES`] bytes.
    pub handle_id: String,
    /// A regular file.
    pub path: WirePath,
    /// Profile to act under; the handle keeps what it allowed.
    #[serde(default = "Option::default", alias = "sandboxPolicy")]
    pub sandbox: Option<S>,
    /// What for.
    #[serde(default)]
    pub mode: OpenMode,
    /// `false` refuses any symlink component. Ours: servers without `lockgate/fs/listTree` do not read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follow_symlinks: Option<bool>,
}

/// `mode` of `fs/open`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OpenMode {
    /// For `fs/readBlock`.
    #[default]
    Read,
    /// For `fs/writeBlock`: empty once it is open, made where it is missing. Only with the capability `fileWriteStreaming`.
    Replace,
    /// For `fs/writeBlock` at the end, wherever that is by then; made where it is missing. Only where
    /// [`LockgateCapabilities::open_modes`](crate::environment::LockgateCapabilities::open_modes) has it.
    Append,
    /// For `fs/writeBlock` and `fs/readBlock` of a file that is there. As `Append`.
    Update,
}

/// Result of `fs/open`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenResult {
    /// Echoed.
    pub handle_id: String,
}

/// Params of `fs/readBlock`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadBlockParams {
    /// From `fs/open`.
    pub handle_id: String,
    /// In bytes from the start of the file.
    pub offset: u64,
    /// 1 to [`crate::limits::BLOCK_BYTES`].
    pub len: u64,
}

/// Result of `fs/readBlock`. Servers send it with [`crate::block_result`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadBlockResult {
    /// The bytes.
    pub chunk: Base64,
    /// Exactly when there are fewer than asked for; the handle is closed then.
    pub eof: bool,
}

/// Params of `fs/writeBlock`. Result `{}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WriteBlockParams<'a> {
    /// From `fs/open`.
    pub handle_id: String,
    /// In bytes from the start of the file. Not needed where the file was opened to append.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// 1 to [`crate::limits::BLOCK_BYTES`] bytes.
    #[serde(borrow)]
    pub chunk: Base64Text<'a>,
}

/// Params of `fs/close`. Result `{}`, also for a handle that is closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CloseParams {
    /// From `fs/open`.
    pub handle_id: String,
}

/// Params of `fs/watchMissing` (0.169): paths where nothing was found, to be told once when that may have changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WatchMissingParams<S = Sandbox> {
    /// Chosen by the client; comes back in the notification.
    pub watch_id: u64,
    /// At most [`crate::limits::MISSING_PATHS`].
    pub missing: Vec<WirePath>,
    /// Servers of 0.169 want the member; null is enough for them, and ours do not look at it.
    #[serde(default, skip_deserializing)]
    pub present: (),
    /// Profile to act under. Clients of 0.169 send none.
    #[serde(
        default = "Option::default",
        alias = "sandboxPolicy",
        skip_serializing_if = "Option::is_none"
    )]
    pub sandbox: Option<S>,
}

/// Result of `fs/watchMissing`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchMissingResult {
    /// False when there is nothing to watch: something is at all of the paths, or can come to be at none.
    pub watching: bool,
}

/// Params of the notification `fs/missingChanged`: one of the paths, or a directory above one, has come to be. Sent once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MissingChangedNotification {
    /// From `fs/watchMissing`.
    pub watch_id: u64,
}
