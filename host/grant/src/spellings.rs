//! Both spellings of every rule: as written, and where links lead, fixed once for the life of the scope.
//!
//! A link that the profile itself lets somebody replace must not widen anything: what is reached through it only narrows
//! (ATTACKS.md 13, 14: a `.git` planted as a link to `/home/me/.ssh` would otherwise turn a restriction into a grant).

use crate::confinement::{Host, Place};
use crate::error::ProfileError;
use crate::grants::Allowed;
use crate::path::AbsPath;
use crate::rules::Rules;

/// Where links may be the work of whoever the profile is to restrain: everything below what an entry opens for
/// writing, in either spelling, whatever other rules say there. Taken too widely rather than too narrowly.
pub(crate) struct Replaceable(Vec<AbsPath>);

impl Replaceable {
    pub(crate) fn any(&self, links: &[AbsPath]) -> bool {
        links.iter().any(|link| {
            self.0
                .iter()
                .any(|root| link != root && link.starts_with(root))
        })
    }
}

/// What entries elsewhere take back.
#[derive(Default)]
struct TakenBack {
    denied: Vec<AbsPath>,
    /// With what is left there at most.
    held: Vec<(Allowed, AbsPath)>,
}

impl TakenBack {
    fn take(&mut self, path: AbsPath, allowed: Allowed) {
        match allowed {
            Allowed::Nothing => self.denied.push(path),
            Allowed::Seen | Allowed::Read => self.held.push((allowed, path)),
            Allowed::Write => {}
        }
    }
}

impl<H: Host> Rules<'_, H> {
    /// Adds to each rule the spelling that links lead to.
    pub(crate) fn follow_links(&mut self) -> Result<Replaceable, ProfileError> {
        let mut places = Vec::new();
        let mut taken = TakenBack::default();
        for (path, rule) in &self.rules {
            match self.host.place(path) {
                Ok(place) => places.push((place, path.clone(), rule.allowed)),
                Err(reason) => {
                    self.may_be_unresolved(path, rule.allowed, reason)?;
                    if let Some(name) = self.real_name(path) {
                        taken.take(name, rule.allowed);
                    }
                }
            }
        }
        let mut replaceable = self.opened.clone();
        let reached = places
            .iter()
            .filter(|(_, path, _)| self.opened.contains(path));
        replaceable.extend(reached.map(|(place, _, _)| place.canonical.clone()));
        let replaceable = Replaceable(replaceable);

        for (place, path, allowed) in places {
            if place.canonical == path {
                continue;
            }
            if allowed < Allowed::Write {
                self.keep_links(&place, &path, allowed, &mut taken);
            }
            if replaceable.any(&place.links) {
                taken.take(place.canonical, allowed);
            } else {
                self.merge(place.canonical, allowed);
            }
        }
        // What leaves least first: what holds reading below a denied place must find it denied.
        for path in taken.denied {
            self.merge(path, Allowed::Nothing);
        }
        taken.held.sort_unstable();
        for (most, path) in taken.held {
            self.hold(path, most);
        }
        Ok(replaceable)
    }

    /// A link that a restricting entry goes through is not to be exchanged for another; the link that is the entry's own name
    /// is under the entry's rule, wherever its directory really is.
    fn keep_links(&self, place: &Place, path: &AbsPath, allowed: Allowed, taken: &mut TakenBack) {
        let own = self.real_name(path);
        for link in &place.links {
            let most = match own.as_ref() == Some(link) {
                true => allowed,
                false => Allowed::Read,
            };
            taken.take(link.clone(), most);
        }
    }

    /// The path with its directory's links resolved, but not its own.
    fn real_name(&self, path: &AbsPath) -> Option<AbsPath> {
        let parent = self.host.place(&path.parent()?).ok()?.canonical;
        parent.join(path.file_name()?).ok()
    }

    /// What cannot be resolved cannot be reached through the gate either, so that a grant of it may stand as it is written.
    /// But what takes something back must not miss.
    fn may_be_unresolved(
        &self,
        path: &AbsPath,
        allowed: Allowed,
        reason: String,
    ) -> Result<(), ProfileError> {
        let takes_back = path
            .parent()
            .is_some_and(|parent| self.allowed(&parent) > allowed);
        if allowed == Allowed::Nothing || takes_back {
            return Err(ProfileError::Unresolved {
                path: path.clone(),
                reason,
            });
        }
        Ok(())
    }
}
