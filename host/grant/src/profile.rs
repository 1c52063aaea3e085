//! The `sandbox` object of a request: what the client says the request may do (today's shape, that of May 2026 and the legacy one).
//!
//! Four generations of the shape are read into these types: the profile of today, that of May 2026, the untagged one before it,
//! and the legacy policy of April 2026. What is not understood inside `permissions` is an error, never skipped: it might have
//! been a restriction. Outside of it, unknown members are other platforms' business and are ignored.

mod decode;
mod encode;
mod legacy;

use crate::path::AbsPath;

/// The `sandbox` object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sandbox {
    /// What may be touched.
    pub permissions: Permissions,
    /// The directory that project roots and relative patterns refer to.
    pub cwd: Option<AbsPath>,
    /// The project roots, where they are not just `cwd`.
    pub workspace_roots: Option<Vec<AbsPath>>,
}

/// The permission profile.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Permissions {
    /// Restrictions are this executor's to enforce.
    Managed {
        /// On files.
        file_system: FileSystem,
        /// On the network.
        network: Network,
    },
    /// No restrictions at all.
    Disabled,
    /// Somebody else isolates the file system.
    External {
        /// On the network.
        network: Network,
    },
}

/// What a managed profile says about files.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FileSystem {
    /// Everything may be read and written.
    Unrestricted,
    /// Only what the entries grant.
    Restricted {
        /// The rules; their order means nothing.
        entries: Vec<Entry>,
        /// How deep an OS sandbox would expand globs. Ours matches them as they are and needs no bound; kept for the way back out.
        glob_scan_max_depth: Option<u64>,
    },
}

/// What a profile says about the network. Not enforced by this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Network {
    /// None.
    #[default]
    Restricted,
    /// Any.
    Enabled,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// What it is about.
    pub path: EntryPath,
    /// What may be done there and below.
    pub access: Access,
    /// `missing_path_behavior: "skip"`: no rule where the path does not exist.
    pub skip_missing: bool,
}

/// What may be done at an entry's path and below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Reading.
    Read,
    /// Reading and writing.
    Write,
    /// Nothing. (`deny`; formerly `none`.)
    Deny,
}

/// What an entry is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum EntryPath {
    /// A file or a directory with all below it.
    Path(AbsPath),
    /// What a git-style pattern matches; relative patterns refer to the sandbox's `cwd`. Only to be denied.
    Glob(String),
    /// A place that this host knows.
    Special(Special),
}

/// A place that the executing host knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Special {
    /// `/`.
    Root,
    /// What programs need to start: system libraries and the like.
    Minimal,
    /// The project roots, or `subpath` below each of them.
    ProjectRoots {
        /// Relative, without `..`.
        subpath: Option<String>,
    },
    /// The host's `TMPDIR`.
    Tmpdir,
    /// `/tmp`.
    SlashTmp,
    /// A kind of a later time. Grants nothing; as a denial it makes the profile refused.
    Unknown {
        /// Its name.
        kind: String,
    },
}

impl Sandbox {
    /// About how many bytes this takes in memory.
    pub fn bytes(&self) -> usize {
        let path = |path: &AbsPath| size_of::<AbsPath>() + path.as_bytes().len();
        let entry = |entry: &Entry| {
            let text = match &entry.path {
                EntryPath::Path(path) => path.as_bytes().len(),
                EntryPath::Glob(text) | EntryPath::Special(Special::Unknown { kind: text }) => {
                    text.len()
                }
                EntryPath::Special(Special::ProjectRoots { subpath }) => {
                    subpath.as_ref().map_or(0, String::len)
                }
                EntryPath::Special(_) => 0,
            };
            size_of::<Entry>() + text
        };
        let entries = match &self.permissions {
            Permissions::Managed {
                file_system: FileSystem::Restricted { entries, .. },
                ..
            } => &**entries,
            _ => &[],
        };
        let roots = self.workspace_roots.iter().flatten().chain(&self.cwd);
        size_of::<Sandbox>()
            + roots.map(path).sum::<usize>()
            + entries.iter().map(entry).sum::<usize>()
    }

    /// A restricted profile of plain path rules.
    pub fn restricted(rules: impl IntoIterator<Item = (AbsPath, Access)>) -> Sandbox {
        let entries = rules.into_iter().map(|(path, access)| Entry {
            path: EntryPath::Path(path),
            access,
            skip_missing: false,
        });
        Sandbox {
            permissions: Permissions::Managed {
                file_system: FileSystem::Restricted {
                    entries: entries.collect(),
                    glob_scan_max_depth: None,
                },
                network: Network::Restricted,
            },
            cwd: None,
            workspace_roots: None,
        }
    }
}
