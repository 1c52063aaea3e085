//! A scope from plain grants, for embedders that have no profile.

use lockgate_grant::profile::{Access, Entry, EntryPath, FileSystem, Network, Permissions};
use lockgate_grant::{AbsPath, Sandbox};

use crate::capfs::{CapFs, ConfineError};
use crate::files::Files;

/// What a scope will grant. Nothing, until something is granted.
///
/// The rules are those of a permission profile: the most specific path wins, denying wins over writing and writing over reading where two say
/// something about the same path. What is not granted looks as if it were not there. And as under every profile, `.git`, `.agents` and
/// `.codex` directly below a path that may be written stay read-only, also while they do not exist, until they are granted by name.
#[derive(Clone, Debug)]
#[must_use = "nothing is opened before `open`"]
pub struct ScopeBuilder<'a> {
    capfs: &'a CapFs,
    entries: Vec<Entry>,
    directory: Option<AbsPath>,
}

/// Why a scope cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// A pattern that refers to no directory.
    #[error(
        "the pattern `{0}` is relative, and nothing says to what: begin it with `/`, or name a directory with `ScopeBuilder::directory`"
    )]
    RelativePattern(String),
    /// The rules cannot be enforced as they stand.
    #[error(transparent)]
    Confine(#[from] ConfineError),
}

impl<'a> ScopeBuilder<'a> {
    pub(crate) fn new(capfs: &'a CapFs) -> ScopeBuilder<'a> {
        ScopeBuilder {
            capfs,
            entries: Vec::new(),
            directory: None,
        }
    }

    fn with(mut self, path: EntryPath, access: Access) -> Self {
        self.entries.push(Entry {
            path,
            access,
            skip_missing: false,
        });
        self
    }

    /// A file, or a directory with all below it, may be read.
    pub fn read(self, path: AbsPath) -> Self {
        self.with(EntryPath::Path(path), Access::Read)
    }

    /// A file, or a directory with all below it, may be read and written.
    pub fn write(self, path: AbsPath) -> Self {
        self.with(EntryPath::Path(path), Access::Write)
    }

    /// Nothing may be done at a path or below it, whatever is granted above it.
    pub fn deny(self, path: AbsPath) -> Self {
        self.with(EntryPath::Path(path), Access::Deny)
    }

    /// Nothing may be done with what a git-style pattern matches, such as `/srv/**/*.key`.
    pub fn deny_glob(self, pattern: impl Into<String>) -> Self {
        self.with(EntryPath::Glob(pattern.into()), Access::Deny)
    }

    /// What relative patterns refer to.
    pub fn directory(mut self, path: AbsPath) -> Self {
        self.directory = Some(path);
        self
    }

    /// The profile that this comes to.
    pub fn into_sandbox(self) -> Sandbox {
        Sandbox {
            permissions: Permissions::Managed {
                file_system: FileSystem::Restricted {
                    entries: self.entries,
                    glob_scan_max_depth: None,
                },
                network: Network::Restricted,
            },
            cwd: self.directory,
            workspace_roots: None,
        }
    }

    /// Opens the scope. Looks the paths up, since links to them mean the same; so it may block.
    pub fn open(self) -> Result<Files, ScopeError> {
        if self.directory.is_none() {
            let relative = self.entries.iter().find_map(|entry| match &entry.path {
                EntryPath::Glob(pattern) if !pattern.starts_with('/') => Some(pattern.clone()),
                _ => None,
            });
            if let Some(pattern) = relative {
                return Err(ScopeError::RelativePattern(pattern));
            }
        }
        let capfs = self.capfs;
        Ok(capfs.open(&self.into_sandbox())?)
    }
}
