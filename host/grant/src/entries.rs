//! From a profile's entries to rules with plain paths: what project roots, `TMPDIR` and the other special places are here.

use crate::confinement::Host;
use crate::error::ProfileError;
use crate::globs::Pattern;
use crate::grants::Allowed;
use crate::limits;
use crate::minimal;
use crate::path::AbsPath;
use crate::profile::{Access, Entry, EntryPath, Sandbox, Special};
use crate::rules::{Rules, Skipped};

impl<H: Host> Rules<'_, H> {
    /// Makes the rules of one entry.
    pub(crate) fn take(&mut self, sandbox: &Sandbox, entry: &Entry) -> Result<(), ProfileError> {
        let (access, skip) = (entry.access, entry.skip_missing);
        self.narrowed |= access == Access::Deny || (skip && access == Access::Read);
        let special = match &entry.path {
            EntryPath::Path(path) => return self.add(path.clone(), access, skip),
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
            Special::Root => self.add(AbsPath::root(), access, skip),
            Special::Minimal => {
                minimal::places().try_for_each(|place| self.add(place, access, skip))
            }
            Special::ProjectRoots { subpath } => project_roots(sandbox)?
                .into_iter()
                .try_for_each(|root| self.add(below(root, subpath.as_deref())?, access, skip)),
            // An operator's `TMPDIR=/` is a mistake and no reason to grant everything.
            Special::Tmpdir => match self.host.temporary_directory() {
                Some(path) if !path.is_root() || access == Access::Deny => {
                    self.add(path, access, skip)
                }
                _ => Ok(()),
            },
            Special::SlashTmp => match AbsPath::parse("/tmp") {
                Ok(path) => self.add(path, access, skip),
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
        if self.rules.len() + self.skipped.len() >= limits::ENTRIES {
            return Err(ProfileError::TooManyEntries(limits::ENTRIES + 1));
        }
        let allowed = match access {
            Access::Deny => Allowed::Nothing,
            Access::Read => Allowed::Read,
            Access::Write => Allowed::Write,
        };
        if skip_missing
            && let Ok(place) = self.host.place(&path)
            && !place.exists
        {
            self.skipped.push(Skipped {
                linked: !place.links.is_empty(),
                place: place.canonical,
                allowed,
            });
            return Ok(());
        }
        self.say(path, allowed);
        Ok(())
    }

    /// The rule that an entry comes to.
    pub(crate) fn say(&mut self, path: AbsPath, allowed: Allowed) {
        if allowed == Allowed::Write {
            self.opened.push(path.clone());
        }
        self.merge(path, allowed);
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
