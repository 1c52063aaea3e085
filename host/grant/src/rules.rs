//! The rules of a profile on their way to grants: ties, both spellings, protections.
//!
//! A link that the profile itself lets somebody replace must not widen anything: what is reached through it only narrows
//! (ATTACKS.md 13, 14: a `.git` planted as a link to `/home/me/.ssh` would otherwise turn a protection into a grant).

use std::collections::BTreeMap;

use crate::confinement::Host;
use crate::error::ProfileError;
use crate::globs::Pattern;
use crate::grants::Allowed;
use crate::path::AbsPath;

/// Directly below a writable root these stay read-only, there or not: what is written in them changes what others run
/// (CVE-2025-61260: "configuration-based sandbox escape").
pub(crate) const PROTECTED: [&str; 3] = [".git", ".agents", ".codex"];

/// A rule, before it is part of [`Grants`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) allowed: Allowed,
    /// Not from the profile but for the protection of a writable root.
    pub(crate) protection: bool,
}

pub(crate) struct Rules<'a, H> {
    pub(crate) host: &'a H,
    pub(crate) rules: BTreeMap<AbsPath, Rule>,
    pub(crate) patterns: Vec<Pattern>,
    /// What was skipped because nothing is there, with what would be allowed otherwise.
    pub(crate) absent: Vec<(AbsPath, Allowed)>,
    /// Some entry takes something back, even if a tie or a missing path left no trace of it.
    pub(crate) narrowed: bool,
}

impl<'a, H: Host> Rules<'a, H> {
    pub(crate) fn new(host: &'a H) -> Rules<'a, H> {
        Rules {
            host,
            rules: BTreeMap::new(),
            patterns: Vec::new(),
            absent: Vec::new(),
            narrowed: false,
        }
    }

    /// Of two rules for one path a denial wins, then the one that grants more.
    pub(crate) fn merge(&mut self, path: AbsPath, rule: Rule) {
        let held = self.rules.entry(path).or_insert(rule);
        let deny = held.allowed == Allowed::Nothing || rule.allowed == Allowed::Nothing;
        if held.protection || (!deny && rule.allowed > held.allowed) {
            *held = rule;
        } else if deny {
            held.allowed = Allowed::Nothing;
        }
    }

    /// What the rules so far say about a path.
    pub(crate) fn allowed(&self, path: &AbsPath) -> Allowed {
        let mut at = Some(path.clone());
        while let Some(path) = at {
            if let Some(rule) = self.rules.get(&path) {
                return rule.allowed;
            }
            at = path.parent();
        }
        Allowed::Nothing
    }

    /// The rule allows less than there would be without it.
    fn takes_back(&self, path: &AbsPath, rule: &Rule) -> bool {
        path.parent()
            .is_some_and(|parent| self.allowed(&parent) > rule.allowed)
    }

    /// Everything may be written and no entry takes anything back: nothing to gate.
    pub(crate) fn full_write(&self) -> bool {
        self.patterns.is_empty()
            && !self.narrowed
            && self.rules.contains_key(&AbsPath::root())
            && self
                .rules
                .values()
                .all(|rule| rule.allowed == Allowed::Write)
    }

    /// The protected names of every writable root, where the profile has no rule of its own for them.
    pub(crate) fn protect(&mut self) {
        let roots = self
            .rules
            .iter()
            .filter(|(_, rule)| rule.allowed == Allowed::Write);
        let roots: Vec<_> = roots.map(|(path, _)| path.clone()).collect();
        for name in PROTECTED {
            for root in &roots {
                if let Ok(path) = root.join(name) {
                    self.rules.entry(path).or_insert(Rule {
                        allowed: Allowed::Read,
                        protection: true,
                    });
                }
            }
        }
    }

    /// Adds to each rule the spelling that links lead to.
    pub(crate) fn follow_links(&mut self) -> Result<(), ProfileError> {
        let mut places = Vec::new();
        for (path, rule) in &self.rules {
            match self.host.place(path) {
                Ok(place) => places.push((place, path.clone(), *rule)),
                // What cannot be resolved cannot be reached through the gate either; but what takes something back must not miss.
                Err(_) if rule.allowed > Allowed::Nothing && !self.takes_back(path, rule) => {}
                Err(reason) => {
                    return Err(ProfileError::Unresolved {
                        path: path.clone(),
                        reason,
                    });
                }
            }
        }
        // Where somebody may replace links, taken too widely rather than too narrowly.
        let writable = |rule: &Rule| rule.allowed == Allowed::Write;
        let literal = self
            .rules
            .iter()
            .filter(|(_, rule)| writable(rule))
            .map(|(path, _)| path.clone());
        let reached = places
            .iter()
            .filter(|(_, _, rule)| writable(rule))
            .map(|(place, _, _)| place.canonical.clone());
        let replaceable: Vec<_> = literal.chain(reached).collect();
        let planted = |link: &AbsPath| {
            replaceable
                .iter()
                .any(|root| link != root && link.starts_with(root))
        };

        let (narrowing, trusted): (Vec<_>, Vec<_>) = places
            .into_iter()
            .partition(|(place, _, rule)| rule.protection || place.links.iter().any(planted));
        for (place, path, rule) in &trusted {
            if place.canonical != *path {
                self.merge(place.canonical.clone(), *rule);
            }
        }
        for (place, path, rule) in &narrowing {
            if place.canonical != *path {
                self.narrow(place.canonical.clone(), rule.allowed);
            }
        }
        // Roots that are writable only under their other name have protected names there, too.
        self.protect();
        let protections: Vec<_> = self
            .rules
            .iter()
            .filter(|(_, rule)| rule.protection)
            .map(|(path, _)| path.clone())
            .collect();
        for path in protections {
            let unresolved = |reason| ProfileError::Unresolved {
                path: path.clone(),
                reason,
            };
            let place = self.host.place(&path).map_err(unresolved)?;
            self.narrow(place.canonical.clone(), Allowed::Read);
            if let Some(directory) = self.host.git_directory(&place.canonical) {
                let place = self.host.place(&directory).map_err(unresolved)?;
                self.narrow(directory, Allowed::Read);
                self.narrow(place.canonical, Allowed::Read);
            }
        }
        Ok(())
    }

    /// The executor's own directories stay as they are, against every entry.
    pub(crate) fn keep_own_directories(&mut self) {
        for own in self.host.own_directories() {
            for (_, rule) in self
                .rules
                .iter_mut()
                .filter(|(path, _)| path.starts_with(own))
            {
                rule.allowed = rule.allowed.min(Allowed::Read);
            }
            if self.allowed(own) == Allowed::Write {
                self.rules.insert(
                    own.clone(),
                    Rule {
                        allowed: Allowed::Read,
                        protection: true,
                    },
                );
            }
        }
    }

    /// Holds what may be done at `path` down to `most`; never grants.
    fn narrow(&mut self, path: AbsPath, most: Allowed) {
        let explicit = self
            .rules
            .get(&path)
            .is_some_and(|rule| !rule.protection && rule.allowed == Allowed::Write);
        if self.allowed(&path) > most && !(explicit && most == Allowed::Read) {
            self.rules.insert(
                path,
                Rule {
                    allowed: most,
                    protection: true,
                },
            );
        }
    }

    /// Each pattern at its base as written and where links lead.
    pub(crate) fn place_patterns(&self) -> Result<Vec<(&Pattern, AbsPath)>, ProfileError> {
        let mut placed = Vec::new();
        for pattern in &self.patterns {
            let unresolved = |reason| ProfileError::Unresolved {
                path: pattern.base.clone(),
                reason,
            };
            let canonical = self
                .host
                .place(&pattern.base)
                .map_err(unresolved)?
                .canonical;
            if canonical != pattern.base {
                placed.push((pattern, canonical));
            }
            placed.push((pattern, pattern.base.clone()));
        }
        Ok(placed)
    }
}
