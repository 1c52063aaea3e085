//! The legacy policy of April 2026, and what it becomes.

use super::decode::{NetworkName, RawPath, plain};
use super::{Access, EntryPath, FileSystem, Network, Permissions, Special};

/// As it is sent.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPolicy {
    pub(super) r#type: PolicyKind,
    pub(super) network_access: Option<RawPolicyNetwork>,
    #[serde(default)]
    pub(super) writable_roots: Vec<RawPath>,
    #[serde(default)]
    pub(super) exclude_tmpdir_env_var: bool,
    #[serde(default)]
    pub(super) exclude_slash_tmp: bool,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum PolicyKind {
    DangerFullAccess,
    ReadOnly,
    ExternalSandbox,
    WorkspaceWrite,
}

#[derive(serde::Deserialize)]
#[serde(untagged)]
pub(super) enum RawPolicyNetwork {
    Allowed(bool),
    Named(NetworkName),
}

impl RawPolicy {
    pub(super) fn into_permissions(self) -> Permissions {
        let network = match self.network_access {
            Some(
                RawPolicyNetwork::Allowed(true) | RawPolicyNetwork::Named(NetworkName::Enabled),
            ) => Network::Enabled,
            _ => Network::Restricted,
        };
        let special = |special, access| plain(EntryPath::Special(special), access);
        let mut entries = vec![special(Special::Root, Access::Read)];
        match self.r#type {
            PolicyKind::DangerFullAccess => return Permissions::Disabled,
            PolicyKind::ExternalSandbox => return Permissions::External { network },
            PolicyKind::ReadOnly => {}
            PolicyKind::WorkspaceWrite => {
                entries.push(special(
                    Special::ProjectRoots { subpath: None },
                    Access::Write,
                ));
                for name in [".git", ".agents", ".codex"] {
                    entries.push(special(
                        Special::ProjectRoots {
                            subpath: Some(name.into()),
                        },
                        Access::Read,
                    ));
                }
                if !self.exclude_slash_tmp {
                    entries.push(special(Special::SlashTmp, Access::Write));
                }
                if !self.exclude_tmpdir_env_var {
                    entries.push(special(Special::Tmpdir, Access::Write));
                }
                entries.extend(
                    self.writable_roots
                        .into_iter()
                        .map(|root| plain(EntryPath::Path(root.0), Access::Write)),
                );
            }
        }
        Permissions::Managed {
            file_system: FileSystem::Restricted {
                entries,
                glob_scan_max_depth: None,
            },
            network,
        }
    }
}
