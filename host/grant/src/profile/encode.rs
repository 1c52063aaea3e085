//! Onto the wire: always today's shape, paths as URIs.

use serde::ser::{Serialize, SerializeMap, SerializeStruct, Serializer};

use super::{Access, Entry, EntryPath, FileSystem, Network, Permissions, Sandbox, Special};
use crate::path::AbsPath;
use crate::uri;

impl Serialize for Sandbox {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let uris = |roots: &Vec<AbsPath>| roots.iter().map(uri::to_file_uri).collect::<Vec<_>>();
        let mut object = to.serialize_map(None)?;
        object.serialize_entry("permissions", &self.permissions)?;
        if let Some(cwd) = &self.cwd {
            object.serialize_entry("cwd", &uri::to_file_uri(cwd))?;
        }
        if let Some(roots) = &self.workspace_roots {
            object.serialize_entry("workspaceRoots", &uris(roots))?;
        }
        object.serialize_entry("windowsSandboxLevel", "disabled")?;
        object.serialize_entry("windowsSandboxPrivateDesktop", &false)?;
        object.serialize_entry("useLegacyLandlock", &false)?;
        object.end()
    }
}

impl Serialize for Permissions {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut object = to.serialize_map(None)?;
        match self {
            Permissions::Managed {
                file_system,
                network,
            } => {
                object.serialize_entry("type", "managed")?;
                object.serialize_entry("file_system", file_system)?;
                object.serialize_entry("network", network)?;
            }
            Permissions::Disabled => object.serialize_entry("type", "disabled")?,
            Permissions::External { network } => {
                object.serialize_entry("type", "external")?;
                object.serialize_entry("network", network)?;
            }
        }
        object.end()
    }
}

impl Serialize for FileSystem {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut object = to.serialize_map(None)?;
        match self {
            FileSystem::Unrestricted => object.serialize_entry("type", "unrestricted")?,
            FileSystem::Restricted {
                entries,
                glob_scan_max_depth,
            } => {
                object.serialize_entry("type", "restricted")?;
                object.serialize_entry("entries", entries)?;
                if let Some(depth) = glob_scan_max_depth {
                    object.serialize_entry("glob_scan_max_depth", depth)?;
                }
            }
        }
        object.end()
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(match self {
            Network::Restricted => "restricted",
            Network::Enabled => "enabled",
        })
    }
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut object = to.serialize_struct("Entry", 2 + usize::from(self.skip_missing))?;
        object.serialize_field("path", &self.path)?;
        object.serialize_field(
            "access",
            match self.access {
                Access::Read => "read",
                Access::Write => "write",
                Access::Deny => "deny",
            },
        )?;
        if self.skip_missing {
            object.serialize_field("missing_path_behavior", "skip")?;
        }
        object.end()
    }
}

impl Serialize for EntryPath {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut object = to.serialize_map(Some(2))?;
        match self {
            EntryPath::Path(path) => {
                object.serialize_entry("type", "path")?;
                object.serialize_entry("path", &uri::to_file_uri(path))?;
            }
            EntryPath::Glob(pattern) => {
                object.serialize_entry("type", "glob_pattern")?;
                object.serialize_entry("pattern", pattern)?;
            }
            EntryPath::Special(special) => {
                object.serialize_entry("type", "special")?;
                object.serialize_entry("value", special)?;
            }
        }
        object.end()
    }
}

impl Serialize for Special {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut object = to.serialize_map(None)?;
        let kind = match self {
            Special::Root => "root",
            Special::Minimal => "minimal",
            Special::ProjectRoots { .. } => "project_roots",
            Special::Tmpdir => "tmpdir",
            Special::SlashTmp => "slash_tmp",
            Special::Unknown { kind } => kind,
        };
        object.serialize_entry("kind", kind)?;
        if let Special::ProjectRoots {
            subpath: Some(subpath),
        } = self
        {
            object.serialize_entry("subpath", subpath)?;
        }
        object.end()
    }
}
