//! `environment/info` and `environment/status`: what the executor's machine is like.

use serde::{Deserialize, Serialize};

use crate::{Method, WirePath};

/// Result of `environment/info`, also sent inside the result of `initialize`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentInfo {
    /// The client composes every command from this shell.
    pub shell: Shell,
    /// Version of the server; `0.0.0` means unknown. Clients do not compare it.
    #[serde(default = "unknown_version")]
    pub executor_version: String,
    /// Build identity: `sha256:` and 64 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<String>,
    /// Directory of the server process, as a URI.
    #[serde(default)]
    pub cwd: Option<WirePath>,
    /// What `~` means, as a URI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_home_dir: Option<WirePath>,
    /// `linux`, `macos`, `windows`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform_os: Option<String>,
    /// Directories a client puts in front of PATH.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prepend_path_dirs: Vec<WirePath>,
    /// What `:tmpdir` means here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temporary_directories: Option<Vec<WirePath>>,
    /// Place for sidecar files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temp_dir: Option<WirePath>,
    /// Optional abilities.
    #[serde(default)]
    pub capabilities: Capabilities,
}

fn unknown_version() -> String {
    "0.0.0".to_owned()
}

/// The shell commands are run with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shell {
    /// One of zsh, bash, sh, powershell, cmd.
    pub name: String,
    /// Plain path or name, not a URI.
    pub path: String,
}

/// Flags that tell a client which optional request members it may send. Absent means false; all are printed, so that a
/// recorded conversation shows what was announced.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)] // named by the protocol
pub struct Capabilities {
    pub network_proxy_launch: bool,
    pub network_proxy_review_domains: bool,
    pub credential_masking: bool,
    pub credential_masking_custom_providers: bool,
    pub capability_discovery_sandbox: bool,
    pub fs_watch_missing: bool,
    #[serde(rename = "capabilityDiscoveryV2")]
    pub capability_discovery_v2: bool,
    pub environment_config_read: bool,
    pub http_header_env_vars: bool,
    pub sandboxed_file_streaming: bool,
    pub file_write_streaming: bool,
    #[serde(rename = "shellSnapshotV2")]
    pub shell_snapshot_v2: bool,
    pub windows_mxc: bool,
    pub linux_root_write_preserves_devices: bool,
    pub linux_approved_root_write_preserves_restrictions: bool,
    /// What this server has beyond the protocol; other servers do not send it, other clients ignore it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lockgate: Option<LockgateCapabilities>,
}

/// Our additive extensions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LockgateCapabilities {
    /// Names of the extension methods this server answers.
    pub methods: Vec<String>,
    /// `process/start` takes `size`, the window size of a new PTY.
    pub start_size: bool,
    /// `process/start` takes `waitForReader`.
    pub start_wait_for_reader: bool,
    /// Values of `mode` that `fs/open` takes beyond the protocol's.
    pub open_modes: Vec<String>,
    /// `lockgate/fs/replaceFile` takes `onlyNew`.
    pub replace_only_new: bool,
    /// `fs/writeFile` and `lockgate/fs/replaceFile` take `onlyIfSha256`.
    pub only_if_sha256: bool,
    /// `fs/readDirectory` takes `everyEntry`.
    pub every_entry: bool,
    /// `fs/getMetadata` takes `everyAttribute`.
    pub every_attribute: bool,
    /// `fs/walk` takes `pruneLinks`.
    pub prune_links: bool,
    /// `fs/copy` takes `leaveOut`.
    pub copy_leaves_out: bool,
    /// `initialized` takes `outputBytes`.
    pub output_bytes: bool,
    /// Policies decide here, and may send `lockgate/approval/request` to a client that can answer it.
    pub approvals: bool,
}

impl Capabilities {
    /// True when the server announced that extension method.
    pub fn announces(&self, method: Method) -> bool {
        self.lockgate
            .as_ref()
            .is_some_and(|ours| ours.methods.iter().any(|name| name == method.name()))
    }
}

/// Result of `environment/status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusResult {
    /// Ready, as soon as it can be asked.
    pub status: Status,
}

/// The only value so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// Requests are served.
    Ready,
}
