//! From a profile to what it means on this host (PROTOCOL.md sections 6.3 and 6.4).
//!
//! Three steps. Entries become rules with plain paths. Each rule is then held in both spellings, as written and where links
//! lead, fixed here once for the life of the scope. Last come the names below every writable root that stay read-only.

use crate::error::ProfileError;
use crate::globs::{Globs, Pattern};
use crate::grants::{Allowed, Grants};
use crate::limits;
use crate::path::AbsPath;
use crate::profile::{Access, EntryPath, FileSystem, Permissions, Sandbox, Special};
use crate::rules::{Rule, Rules};

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
    /// Paths that an entry with `missing_path_behavior: "skip"` made no rule for, because nothing was there. When something
    /// has come to be at one of them, the profile means something else and the scope is to be made anew.
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
    /// When `path` is a regular file that says `gitdir: X`: X, made absolute.
    fn git_directory(&self, path: &AbsPath) -> Option<AbsPath>;
    /// The value of `TMPDIR`, when it is an absolute path.
    fn temporary_directory(&self) -> Option<AbsPath>;
    /// Directories of the executor itself that no grant makes writable, whatever the profile says, by their canonical paths.
    fn own_directories(&self) -> &[AbsPath] {
        &[]
    }
}

/// What programs need to start (`minimal`): system libraries, and of `/etc` what their loader, names and certificates need.
const MINIMAL: [&str; 21] = [
    "/bin",
    "/sbin",
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/nix/store",
    "/run/current-system/sw",
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/group",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/resolv.conf",
    "/etc/ssl",
];

impl Confinement {
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
        // `minimal` comes last: it never narrows what others grant.
        let (minimal, others): (Vec<_>, Vec<_>) = entries
            .iter()
            .partition(|entry| entry.path == EntryPath::Special(Special::Minimal));
        for entry in others.into_iter().chain(minimal) {
            rules.take(sandbox, &entry.path, entry.access, entry.skip_missing)?;
        }
        if rules.full_write() {
            return Ok(Confinement::Direct);
        }
        rules.protect();
        rules.follow_links()?;
        rules.keep_own_directories();
        let patterns = rules.place_patterns()?;
        let globs = Globs::compile(patterns.iter().map(|(pattern, base)| (*pattern, base)))?;
        let absent = rules
            .absent
            .iter()
            .filter(|(path, allowed)| rules.allowed(path) != *allowed);
        Ok(Confinement::Confined(Confined {
            grants: Grants::new(
                rules.rules.iter().map(|(path, rule)| (path, rule.allowed)),
                globs,
            ),
            absent: absent.map(|(path, _)| path.clone()).collect(),
        }))
    }
}

impl<H: Host> Rules<'_, H> {
    fn take(
        &mut self,
        sandbox: &Sandbox,
        path: &EntryPath,
        access: Access,
        skip_missing: bool,
    ) -> Result<(), ProfileError> {
        self.narrowed |= access == Access::Deny || (skip_missing && access == Access::Read);
        let special = match path {
            EntryPath::Path(path) => return self.add(path.clone(), access, skip_missing),
            EntryPath::Glob(_) if access != Access::Deny => return Err(ProfileError::GrantingGlob),
            EntryPath::Glob(pattern) => {
                self.patterns
                    .push(Pattern::parse(pattern, sandbox.cwd.as_ref())?);
                return match self.patterns.len() {
                    count if count > limits::GLOBS => Err(ProfileError::TooManyGlobs(count)),
                    _ => Ok(()),
                };
            }
            EntryPath::Special(special) => special,
        };
        match special {
            Special::Root => self.add(AbsPath::root(), access, skip_missing),
            Special::Minimal => {
                // Read-only, whatever the entry says; a denial is taken at its word.
                let access = if access == Access::Deny {
                    Access::Deny
                } else {
                    Access::Read
                };
                for place in MINIMAL {
                    let Ok(place) = AbsPath::parse(place) else {
                        continue;
                    };
                    // Reading `minimal` never narrows: a writable root above it stays writable there.
                    if access == Access::Deny || self.allowed(&place) == Allowed::Nothing {
                        self.add(place, access, skip_missing)?;
                    }
                }
                Ok(())
            }
            Special::ProjectRoots { subpath } => {
                for root in project_roots(sandbox)? {
                    self.add(below(root, subpath.as_deref())?, access, skip_missing)?;
                }
                Ok(())
            }
            // An operator's `TMPDIR=/` is a mistake and no reason to grant everything.
            Special::Tmpdir => match self
                .host
                .temporary_directory()
                .filter(|path| !path.is_root())
            {
                Some(path) => self.add(path, access, skip_missing),
                None => Ok(()),
            },
            Special::SlashTmp => match AbsPath::parse("/tmp") {
                Ok(path) => self.add(path, access, skip_missing),
                Err(_) => Ok(()),
            },
            Special::Unknown { kind } if access == Access::Deny => {
                Err(ProfileError::UnknownDenial(kind.clone()))
            }
            Special::Unknown { .. } => Ok(()),
        }
    }

    fn add(
        &mut self,
        path: AbsPath,
        access: Access,
        skip_missing: bool,
    ) -> Result<(), ProfileError> {
        // Project roots multiply entries: it is the rules that count.
        if self.rules.len() + self.absent.len() >= limits::ENTRIES {
            return Err(ProfileError::TooManyEntries(limits::ENTRIES + 1));
        }
        let allowed = match access {
            Access::Deny => Allowed::Nothing,
            Access::Read => Allowed::Read,
            Access::Write => Allowed::Write,
        };
        if skip_missing && self.host.place(&path).is_ok_and(|place| !place.exists) {
            self.absent.push((path, allowed));
            return Ok(());
        }
        self.merge(
            path,
            Rule {
                allowed,
                protection: false,
            },
        );
        Ok(())
    }
}

fn project_roots(sandbox: &Sandbox) -> Result<Vec<&AbsPath>, ProfileError> {
    match (&sandbox.workspace_roots, &sandbox.cwd) {
        (Some(roots), _) => Ok(roots.iter().collect()),
        (None, Some(cwd)) => Ok(vec![cwd]),
        (None, None) => Err(ProfileError::NeedsCwd),
    }
}

fn below(root: &AbsPath, subpath: Option<&str>) -> Result<AbsPath, ProfileError> {
    let mut path = root.clone();
    for name in subpath.unwrap_or_default().split('/') {
        path = match name {
            "" | "." if !subpath.is_some_and(|subpath| subpath.starts_with('/')) => path,
            name => path.join(name).map_err(|_| ProfileError::Subpath)?,
        };
    }
    Ok(path)
}

#[cfg(test)]
#[path = "confinement_tests.rs"]
mod tests;
