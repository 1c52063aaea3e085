//! From the wire: every generation of the shape, told apart by the members that are there, never by trial and error.

use std::fmt::Display;

use serde::de::{Deserialize, Deserializer, Error};

use super::legacy::{PolicyKind, RawPolicy, RawPolicyNetwork};
use super::{Access, Entry, EntryPath, FileSystem, Network, Permissions, Sandbox, Special};
use crate::path::AbsPath;
use crate::uri;

impl<'de> Deserialize<'de> for Sandbox {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        RawSandbox::deserialize(from)?
            .into_sandbox()
            .map_err(D::Error::custom)
    }
}

/// A path in either spelling.
pub(super) struct RawPath(pub(super) AbsPath);

impl<'de> Deserialize<'de> for RawPath {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(from)?;
        uri::parse_path(&text)
            .map(RawPath)
            .map_err(|error| D::Error::custom(format_args!("sandbox path: {error}")))
    }
}

/// The outer object. `type` and the members after it are there when the object itself is a legacy policy.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawSandbox {
    permissions: Option<RawPermissions>,
    sandbox_policy: Option<RawPolicy>,
    #[serde(alias = "sandboxPolicyCwd")]
    cwd: Option<RawPath>,
    workspace_roots: Option<Vec<RawPath>>,
    policy_context: Option<RawContext>,
    // Of other platforms: checked for their types, then of no use here.
    #[serde(rename = "windowsSandboxLevel")]
    _windows_level: Option<WindowsLevel>,
    #[serde(rename = "windowsSandboxPrivateDesktop")]
    _windows_desktop: Option<bool>,
    #[serde(rename = "useLegacyLandlock")]
    _legacy_landlock: Option<bool>,

    r#type: Option<PolicyKind>,
    #[serde(rename = "network_access")]
    network_access: Option<RawPolicyNetwork>,
    #[serde(rename = "writable_roots")]
    writable_roots: Option<Vec<RawPath>>,
    #[serde(rename = "exclude_tmpdir_env_var")]
    exclude_tmpdir_env_var: Option<bool>,
    #[serde(rename = "exclude_slash_tmp")]
    exclude_slash_tmp: Option<bool>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawContext {
    cwd: Option<RawPath>,
    workspace_roots: Option<Vec<RawPath>>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WindowsLevel {
    Disabled,
    RestrictedToken,
    Elevated,
    Mxc,
}

impl RawSandbox {
    fn into_sandbox(self) -> Result<Sandbox, String> {
        let permissions = match (self.permissions, self.sandbox_policy, self.r#type) {
            (Some(permissions), _, None) => permissions.into_permissions()?,
            (None, Some(policy), None) => policy.into_permissions(),
            (None, None, Some(r#type)) => RawPolicy {
                r#type,
                network_access: self.network_access,
                writable_roots: self.writable_roots.unwrap_or_default(),
                exclude_tmpdir_env_var: self.exclude_tmpdir_env_var.unwrap_or_default(),
                exclude_slash_tmp: self.exclude_slash_tmp.unwrap_or_default(),
            }
            .into_permissions(),
            (None, None, None) => return Err("missing field `permissions`".into()),
            _ => {
                return Err(
                    "a sandbox with `permissions` or `sandboxPolicy` has no `type` of its own"
                        .into(),
                );
            }
        };
        let plain = |paths: Vec<RawPath>| paths.into_iter().map(|path| path.0).collect();
        let (cwd, roots) = match self.policy_context {
            Some(context) => (
                context.cwd.or(self.cwd),
                context.workspace_roots.or(self.workspace_roots),
            ),
            None => (self.cwd, self.workspace_roots),
        };
        Ok(Sandbox {
            permissions,
            cwd: cwd.map(|path| path.0),
            workspace_roots: roots.map(plain),
        })
    }
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum PermissionsKind {
    Managed,
    Disabled,
    External,
}

/// `permissions`: with `type` the profile since May 2026, without it the older one.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPermissions {
    r#type: Option<PermissionsKind>,
    file_system: Option<RawFileSystem>,
    network: Option<RawNetwork>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum FileSystemKind {
    Restricted,
    Unrestricted,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFileSystem {
    r#type: Option<FileSystemKind>,
    entries: Option<Vec<RawEntry>>,
    glob_scan_max_depth: Option<std::num::NonZeroU64>,
    read: Option<Vec<RawPath>>,
    write: Option<Vec<RawPath>>,
}

#[derive(serde::Deserialize)]
#[serde(untagged)]
enum RawNetwork {
    Named(NetworkName),
    Older(OlderNetwork),
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum NetworkName {
    Restricted,
    Enabled,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct OlderNetwork {
    #[serde(default)]
    enabled: Option<bool>,
}

impl RawNetwork {
    fn network(&self) -> Network {
        match self {
            RawNetwork::Named(NetworkName::Enabled)
            | RawNetwork::Older(OlderNetwork {
                enabled: Some(true),
            }) => Network::Enabled,
            _ => Network::Restricted,
        }
    }
}

impl RawPermissions {
    fn into_permissions(self) -> Result<Permissions, String> {
        let network = self.network.as_ref().map(RawNetwork::network);
        match (self.r#type, self.file_system) {
            (Some(PermissionsKind::Managed), file_system) => Ok(Permissions::Managed {
                file_system: file_system
                    .ok_or("missing field `file_system`")?
                    .into_tagged()?,
                network: network.ok_or("missing field `network`")?,
            }),
            (Some(PermissionsKind::Disabled), None) => Ok(Permissions::Disabled),
            (Some(PermissionsKind::External), None) => Ok(Permissions::External {
                network: network.ok_or("missing field `network`")?,
            }),
            (Some(_), Some(_)) => {
                Err("`file_system` belongs to permissions of the type `managed` only".into())
            }
            (None, file_system) => Ok(Permissions::Managed {
                file_system: match file_system {
                    Some(file_system) => file_system.into_older()?,
                    None => FileSystem::Restricted {
                        entries: Vec::new(),
                        glob_scan_max_depth: None,
                    },
                },
                network: network.unwrap_or_default(),
            }),
        }
    }
}

impl RawFileSystem {
    fn into_tagged(self) -> Result<FileSystem, String> {
        if self.read.is_some() || self.write.is_some() {
            return Err(
                "`read` and `write` belong to the older, untagged profile: use `entries`".into(),
            );
        }
        match self.r#type.ok_or("missing field `type` in `file_system`")? {
            FileSystemKind::Unrestricted if self.entries.is_some() => {
                Err("an unrestricted `file_system` has no `entries`".into())
            }
            FileSystemKind::Unrestricted => Ok(FileSystem::Unrestricted),
            FileSystemKind::Restricted => restricted(
                self.entries.ok_or("missing field `entries`")?,
                self.glob_scan_max_depth,
            ),
        }
    }

    fn into_older(self) -> Result<FileSystem, String> {
        if self.r#type.is_some() {
            return Err("a `file_system` with a `type` needs `permissions` with one".into());
        }
        match (self.entries, self.read, self.write) {
            (Some(entries), None, None) => restricted(entries, self.glob_scan_max_depth),
            (None, read, write) if self.glob_scan_max_depth.is_none() => {
                let rules = |paths: Option<Vec<RawPath>>, access| {
                    paths
                        .unwrap_or_default()
                        .into_iter()
                        .map(move |path| plain(EntryPath::Path(path.0), access))
                };
                let entries = rules(read, Access::Read)
                    .chain(rules(write, Access::Write))
                    .collect();
                Ok(FileSystem::Restricted {
                    entries,
                    glob_scan_max_depth: None,
                })
            }
            _ => Err("`file_system` has either `entries` or lists of `read` and `write`".into()),
        }
    }
}

fn restricted(
    entries: Vec<RawEntry>,
    depth: Option<std::num::NonZeroU64>,
) -> Result<FileSystem, String> {
    let entries = entries
        .into_iter()
        .map(RawEntry::into_entry)
        .collect::<Result<_, _>>()?;
    Ok(FileSystem::Restricted {
        entries,
        glob_scan_max_depth: depth.map(std::num::NonZeroU64::get),
    })
}

pub(super) fn plain(path: EntryPath, access: Access) -> Entry {
    Entry {
        path,
        access,
        skip_missing: false,
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    path: RawEntryPath,
    access: RawAccess,
    missing_path_behavior: Option<MissingPath>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum MissingPath {
    Skip,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawAccess {
    Read,
    Write,
    #[serde(alias = "none")]
    Deny,
}

#[derive(serde::Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum RawEntryPath {
    Path { path: RawPath },
    GlobPattern { pattern: String },
    Special { value: RawSpecial },
}

#[derive(serde::Deserialize)]
struct RawSpecial {
    kind: String,
    subpath: Option<String>,
    /// What a later time may have added: it belongs to kinds that are not known here, and to no other.
    #[serde(flatten)]
    more: std::collections::BTreeMap<String, serde::de::IgnoredAny>,
}

impl RawEntry {
    fn into_entry(self) -> Result<Entry, String> {
        Ok(Entry {
            path: match self.path {
                RawEntryPath::Path { path } => EntryPath::Path(path.0),
                RawEntryPath::GlobPattern { pattern } => EntryPath::Glob(pattern),
                RawEntryPath::Special { value } => EntryPath::Special(value.into_special()?),
            },
            access: match self.access {
                RawAccess::Read => Access::Read,
                RawAccess::Write => Access::Write,
                RawAccess::Deny => Access::Deny,
            },
            skip_missing: matches!(self.missing_path_behavior, Some(MissingPath::Skip)),
        })
    }
}

impl RawSpecial {
    fn into_special(self) -> Result<Special, String> {
        let unknown = self.more.keys().next();
        let special = match self.kind.as_str() {
            "root" => Special::Root,
            "minimal" => Special::Minimal,
            "project_roots" | "current_working_directory" => {
                return match unknown {
                    Some(member) => Err(misplaced(member, &self.kind)),
                    None => Ok(Special::ProjectRoots {
                        subpath: self.subpath.filter(|path| !path.is_empty()),
                    }),
                };
            }
            "tmpdir" => Special::Tmpdir,
            "slash_tmp" => Special::SlashTmp,
            _ => return Ok(Special::Unknown { kind: self.kind }),
        };
        match (self.subpath, unknown) {
            (Some(_), _) => Err(misplaced("subpath", &self.kind)),
            (None, Some(member)) => Err(misplaced(member, &self.kind)),
            (None, None) => Ok(special),
        }
    }
}

fn misplaced(member: impl Display, kind: impl Display) -> String {
    format!("`{member}` does not belong to a special path of the kind `{kind}`")
}
