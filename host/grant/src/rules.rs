//! The rules of a profile on their way to grants: one for each path, ties settled.
//!
//! What links lead to comes in [`spellings`](crate::spellings), what stays read-only below writable roots in [`protection`](crate::protection).

use std::collections::BTreeMap;

use crate::confinement::Host;
use crate::error::ProfileError;
use crate::globs::Pattern;
use crate::grants::Allowed;
use crate::limits;
use crate::path::AbsPath;

/// A rule, before it is part of [`Grants`](crate::Grants).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) allowed: Allowed,
    /// No entry says so: it holds down what a wider rule would allow here, and gives way to any entry for its path.
    pub(crate) hold: bool,
}

/// An entry that no rule was made for, because nothing is at its path.
pub(crate) struct Skipped {
    /// Where it would be, links resolved.
    pub(crate) place: AbsPath,
    /// There are links on the way.
    pub(crate) linked: bool,
    pub(crate) allowed: Allowed,
}

pub(crate) struct Rules<'a, H> {
    pub(crate) host: &'a H,
    pub(crate) rules: BTreeMap<AbsPath, Rule>,
    /// What entries open for writing, also where another entry for the same path wins.
    pub(crate) opened: Vec<AbsPath>,
    pub(crate) patterns: Vec<Pattern>,
    pub(crate) skipped: Vec<Skipped>,
    /// Some entry takes something back, even if a tie or a missing path left no trace of it.
    pub(crate) narrowed: bool,
}

impl<'a, H: Host> Rules<'a, H> {
    pub(crate) fn new(host: &'a H) -> Rules<'a, H> {
        Rules {
            host,
            rules: BTreeMap::new(),
            opened: Vec::new(),
            patterns: Vec::new(),
            skipped: Vec::new(),
            narrowed: false,
        }
    }

    /// Takes what an entry says about a path. Of two entries for one path a denial wins, then the one that grants more.
    pub(crate) fn merge(&mut self, path: AbsPath, allowed: Allowed) {
        let rule = Rule {
            allowed,
            hold: false,
        };
        let held = self.rules.entry(path).or_insert(rule);
        let deny = held.allowed == Allowed::Nothing || allowed == Allowed::Nothing;
        if held.hold || (!deny && allowed > held.allowed) {
            *held = rule;
        } else if deny {
            held.allowed = Allowed::Nothing;
        }
    }

    /// Holds what may be done at `path` down to `most`; never grants. An entry that opens just this path stands.
    pub(crate) fn hold(&mut self, path: AbsPath, most: Allowed) {
        if self.allowed(&path) > most {
            self.rules.entry(path).or_insert(Rule {
                allowed: most,
                hold: true,
            });
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

    /// Where writing is allowed as a whole.
    pub(crate) fn writable_roots(&self) -> Vec<AbsPath> {
        self.rules
            .iter()
            .filter(|(_, rule)| rule.allowed == Allowed::Write)
            .map(|(path, _)| path.clone())
            .collect()
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

    /// Of what was skipped, that which would change the meaning by being there: it allows something else than there is
    /// without it, or holds links on the way to it, or is one more writable root with protected names of its own.
    pub(crate) fn matters_when_there(&self) -> Vec<AbsPath> {
        self.skipped
            .iter()
            .filter(|skipped| {
                skipped.linked
                    || skipped.allowed == Allowed::Write
                    || self.allowed(&skipped.place) != skipped.allowed
            })
            .map(|skipped| skipped.place.clone())
            .collect()
    }

    /// The last steps, for rules of which both spellings are known: what stays as it is against all of them.
    pub(crate) fn settle(&mut self) -> Result<(), ProfileError> {
        self.protect()?;
        self.keep_own_directories();
        // The other spellings may be longer.
        self.check_size()
    }

    /// Each path with what may be done there.
    pub(crate) fn plain(&self) -> impl Iterator<Item = (&AbsPath, Allowed)> {
        self.rules.iter().map(|(path, rule)| (path, rule.allowed))
    }

    /// Refuses what would make a scope as large as whoever wrote the profile likes.
    pub(crate) fn check_size(&self) -> Result<(), ProfileError> {
        let paths = || {
            let skipped = self.skipped.iter().map(|skipped| &skipped.place);
            self.rules.keys().chain(skipped)
        };
        let too_long = |what, bytes, max| match bytes > max {
            true => Err(ProfileError::TooLong { what, bytes, max }),
            false => Ok(()),
        };
        let bytes = paths().map(|path| path.as_bytes().len()).sum();
        too_long("paths", bytes, limits::RULE_BYTES)?;
        let names = paths().map(|path| path.components().count()).sum();
        if names > limits::RULE_NAMES {
            return Err(ProfileError::TooManyNames(names));
        }
        let pattern = |pattern: &Pattern| pattern.base.as_bytes().len() + pattern.rest.len();
        let bytes = self.patterns.iter().map(pattern).sum();
        too_long("glob patterns", bytes, limits::GLOBS_BYTES)
    }

    /// Each pattern at its base as written and where links lead.
    pub(crate) fn place_patterns(&self) -> Result<Vec<(Pattern, AbsPath)>, ProfileError> {
        let mut placed = Vec::new();
        for pattern in &self.patterns {
            let place = |path: &AbsPath| {
                self.host
                    .place(path)
                    .map_err(|reason| ProfileError::Unresolved {
                        path: path.clone(),
                        reason,
                    })
            };
            let canonical = place(&pattern.base)?.canonical;
            if canonical != pattern.base {
                placed.push((pattern.clone(), canonical));
            }
            // A pattern without wildcards is a path, which can be a link itself.
            if let Some(path) = &pattern.whole {
                let target = place(path)?.canonical;
                if target != *path {
                    let target = Pattern::of_path(&target)?;
                    placed.push((target.clone(), target.base));
                }
            }
            placed.push((pattern.clone(), pattern.base.clone()));
        }
        Ok(placed)
    }
}
