//! What stays read-only against wider grants: protected names below writable roots, and the executor's own directories.

use crate::confinement::Host;
use crate::error::ProfileError;
use crate::grants::Allowed;
use crate::path::AbsPath;
use crate::rules::{Rule, Rules};

/// Directly below a writable root these stay read-only, there or not: what is written in them changes what others run
/// (CVE-2025-61260: "configuration-based sandbox escape").
pub(crate) const PROTECTED: [&str; 3] = [GIT, ".agents", ".codex"];

const GIT: &str = ".git";

/// The spelling of a protected name that rules are kept under, if `name` is another spelling of it. On a mount that does
/// not tell cases apart (macOS folders in containers, `/mnt/c`, vfat) `.GIT` is `.git` (CVE-2014-9390).
pub(crate) fn usual_spelling(name: &[u8]) -> Option<&'static [u8]> {
    // Asked for every name of every path: most are told by their first byte.
    if name.first() != Some(&b'.') {
        return None;
    }
    PROTECTED
        .iter()
        .map(|protected| protected.as_bytes())
        .find(|protected| name != *protected && name.eq_ignore_ascii_case(protected))
}

impl<H: Host> Rules<'_, H> {
    /// The protected names of every writable root, where the profile has no rule of its own for them; with each `.git` that is
    /// a pointer file, whoever's rule it is under, the directories that it leads to.
    pub(crate) fn protect(&mut self) -> Result<(), ProfileError> {
        let mut repositories = Vec::new();
        for root in self.writable_roots() {
            for name in PROTECTED {
                // A root whose name leaves no room for a child can have none.
                let Ok(path) = root.join(name) else { continue };
                let opened = match self.rules.get(&path).filter(|rule| !rule.hold) {
                    Some(rule) => rule.allowed == Allowed::Write,
                    None => {
                        self.protect_one(&path)?;
                        false
                    }
                };
                if name == GIT && !opened {
                    repositories.push(path);
                }
            }
        }
        for repository in repositories {
            for directory in self.host.git_directories(&repository) {
                self.protect_one(&directory)?;
            }
        }
        Ok(())
    }

    /// Read-only at most: the path, every link on the way, and where they lead.
    fn protect_one(&mut self, path: &AbsPath) -> Result<(), ProfileError> {
        let place = self
            .host
            .place(path)
            .map_err(|reason| ProfileError::Unresolved {
                path: path.clone(),
                reason,
            })?;
        self.hold(path.clone(), Allowed::Read);
        for link in place.links {
            self.hold(link, Allowed::Read);
        }
        self.hold(place.canonical, Allowed::Read);
        Ok(())
    }

    /// The executor's own directories stay as they are, against every entry.
    pub(crate) fn keep_own_directories(&mut self) {
        for own in self.host.own_directories() {
            let below = self
                .rules
                .iter_mut()
                .filter(|(path, _)| path.starts_with(own));
            for (_, rule) in below {
                rule.allowed = rule.allowed.min(Allowed::Read);
            }
            if self.allowed(own) == Allowed::Write {
                let rule = Rule {
                    allowed: Allowed::Read,
                    hold: true,
                };
                self.rules.insert(own.clone(), rule);
            }
        }
    }
}
