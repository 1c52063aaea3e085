//! From a profile to what it means on this host.
//!
//! Four steps. Entries become rules with plain paths. Each rule is then held in both spellings, as written and where links
//! lead, fixed here once for the life of the scope. `minimal` adds what nothing else speaks of. Last come the names below every
//! writable root that stay read-only.

use crate::error::ProfileError;
use crate::globs::Globs;
use crate::grants::Grants;
use crate::limits;
use crate::path::AbsPath;
use crate::profile::{Access, EntryPath, FileSystem, Permissions, Sandbox, Special};
use crate::rules::Rules;

/// What stands between a request and its files.
#[derive(Clone, Debug)]
pub enum Confinement {
    /// Nothing: the profile restricts nothing that this executor has to enforce.
    Direct,
    /// These.
    Confined(Confined),
}

/// What a confined scope holds, and for how long that is so.
#[derive(Clone, Debug)]
pub struct Confined {
    /// What may be done.
    pub grants: Grants,
    /// Paths, links resolved, that an entry with `missing_path_behavior: "skip"` made no rule for, because nothing was there. When
    /// something has come to be at one of them, the profile means something else and the scope is to be made anew.
    pub absent: Vec<AbsPath>,
}

/// Where a path really is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The path with every link resolved, as far as it exists; what does not exist is appended as it is.
    pub canonical: AbsPath,
    /// The links that were followed, each by its own canonical path.
    pub links: Vec<AbsPath>,
    /// Something is there.
    pub exists: bool,
}

/// The facts about the executing host that a profile's meaning hangs on.
pub trait Host {
    /// Where the path is. An error (a loop, no permission to look) makes the profile refused when a rule hangs on it.
    fn place(&self, path: &AbsPath) -> Result<Place, String>;
    /// When `path`, its links followed, is a regular file that says `gitdir: X`: X, made absolute, and what X in turn names as
    /// the directory that it shares with other work trees.
    fn git_directories(&self, path: &AbsPath) -> Vec<AbsPath>;
    /// The value of `TMPDIR`, when it is an absolute path.
    fn temporary_directory(&self) -> Option<AbsPath>;
    /// Directories of the executor itself that no grant makes writable, whatever the profile says, by their canonical paths.
    fn own_directories(&self) -> &[AbsPath] {
        &[]
    }
}

/// A host of which nothing is known but names: every path is there and is what it says. It tells what a profile means as far as that hangs on nothing
/// else, for whoever stands at another machine than the files.
#[derive(Clone, Copy, Debug, Default)]
pub struct NamesOnly;

impl Host for NamesOnly {
    fn place(&self, path: &AbsPath) -> Result<Place, String> {
        Ok(Place {
            canonical: path.clone(),
            links: Vec::new(),
            exists: true,
        })
    }

    fn git_directories(&self, _: &AbsPath) -> Vec<AbsPath> {
        Vec::new()
    }

    fn temporary_directory(&self) -> Option<AbsPath> {
        None
    }
}

impl Confinement {
    /// Everything may be read and written, but what is the executor's own stays as it is: for a request that nothing else restricts.
    pub fn around_own(host: &impl Host) -> Confinement {
        Confinement::Confined(Confined {
            grants: Grants::around(host.own_directories()),
            absent: Vec::new(),
        })
    }

    /// What the profile means on this host.
    pub fn of(sandbox: &Sandbox, host: &impl Host) -> Result<Confinement, ProfileError> {
        let entries = match &sandbox.permissions {
            Permissions::Disabled
            | Permissions::External { .. }
            | Permissions::Managed {
                file_system: FileSystem::Unrestricted,
                ..
            } => return Ok(Confinement::Direct),
            Permissions::Managed {
                file_system: FileSystem::Restricted { entries, .. },
                ..
            } => entries,
        };
        if entries.len() > limits::ENTRIES {
            return Err(ProfileError::TooManyEntries(entries.len()));
        }
        let mut rules = Rules::new(host);
        let (minimal, others): (Vec<_>, Vec<_>) = entries.iter().partition(|entry| {
            entry.path == EntryPath::Special(Special::Minimal) && entry.access != Access::Deny
        });
        for entry in others {
            rules.take(sandbox, entry)?;
        }
        rules.check_size()?;
        if rules.full_write() {
            return Ok(Confinement::Direct);
        }
        let replaceable = rules.follow_links()?;
        // After all others: reading `minimal` never narrows what they grant.
        for entry in minimal {
            rules.read_minimal(entry.skip_missing, &replaceable);
        }
        rules.settle()?;
        let patterns = rules.place_patterns()?;
        let globs = Globs::compile(patterns.iter().map(|(pattern, base)| (pattern, base)))?;
        Ok(Confinement::Confined(Confined {
            absent: rules.matters_when_there(),
            grants: Grants::new(rules.plain(), globs),
        }))
    }
}
