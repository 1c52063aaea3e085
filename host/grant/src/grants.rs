//! What a profile comes to: for each path, whether it may be written, read, only seen, or is as if it were not there.
//!
//! A tree of names with a rule at some nodes. A look-up walks down from the root as far as there are nodes, so it costs a few
//! binary searches, however many rules there are elsewhere. The rules are what [`Confinement`](crate::Confinement) made of the
//! entries: both spellings of each, ties already settled.

use std::fmt;

use crate::globs::Globs;
use crate::path::AbsPath;
use crate::protection;

/// What may be done with a path. Ordered: each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Allowed {
    /// Nothing: it is as if it were not there.
    Nothing,
    /// Its own metadata and, of a link, its target: it lies above something granted, or just this is. No listing, no opening.
    Seen,
    /// Reading.
    Read,
    /// Reading and writing.
    Write,
}

/// What a scope holds.
#[derive(Clone)]
pub struct Grants {
    nodes: Vec<Node>,
    globs: Globs,
    /// These hold as well.
    within: Option<Box<Grants>>,
}

#[derive(Clone, Default)]
struct Node {
    rule: Option<Allowed>,
    /// Sorted by name.
    children: Vec<(Box<[u8]>, usize)>,
    /// Some rule strictly below grants something.
    grant_below: bool,
}

/// How far down the tree a path leads, and the last rule on the way.
#[derive(Clone, Copy)]
struct Way<'a> {
    node: Option<&'a Node>,
    allowed: Allowed,
}

/// What may be done at the end of a path, and whether there are rules below it.
struct Found {
    allowed: Allowed,
    below: bool,
}

impl Grants {
    /// Nothing at all.
    pub fn none() -> Grants {
        Grants::new([], Globs::default())
    }

    /// Everything may be read and written, but what is in these places stays as it is.
    pub fn around(own: &[AbsPath]) -> Grants {
        let root = AbsPath::root();
        let kept = own.iter().map(|place| (place, Allowed::Read));
        Grants::new(
            std::iter::once((&root, Allowed::Write)).chain(kept),
            Globs::default(),
        )
    }

    /// From rules of which no two have the same path.
    pub(crate) fn new<'a>(
        rules: impl IntoIterator<Item = (&'a AbsPath, Allowed)>,
        globs: Globs,
    ) -> Grants {
        let mut grants = Grants {
            nodes: vec![Node::default()],
            globs,
            within: None,
        };
        for (path, rule) in rules {
            grants.insert(path, rule);
        }
        for node in &mut grants.nodes {
            node.children.shrink_to_fit();
        }
        grants.nodes.shrink_to_fit();
        grants
    }

    fn insert(&mut self, path: &AbsPath, rule: Allowed) {
        let mut at = 0;
        for name in path.components() {
            self.nodes[at].grant_below |= rule > Allowed::Nothing;
            at = match self.nodes[at].slot(name) {
                Ok(slot) => self.nodes[at].children[slot].1,
                Err(slot) => {
                    let child = self.nodes.len();
                    self.nodes.push(Node::default());
                    self.nodes[at]
                        .children
                        .insert(slot, (Box::from(name), child));
                    child
                }
            };
        }
        self.nodes[at].rule = Some(rule);
    }

    /// What both of these allow. Each answer is the stricter one of the two, so that whatever is done within both is done within each.
    pub fn within(mut self, other: Grants) -> Grants {
        self.within = Some(Box::new(match self.within.take() {
            None => other,
            Some(within) => within.within(other),
        }));
        self
    }

    /// About how many bytes this takes in memory, its patterns at their worst.
    pub fn bytes(&self) -> usize {
        let children = self.nodes.iter().flat_map(|node| &node.children);
        let names: usize = children
            .map(|(name, _)| size_of::<(Box<[u8]>, usize)>() + 16 + name.len())
            .sum();
        let within = self.within.as_ref().map_or(0, |within| within.bytes());
        self.nodes.len() * size_of::<Node>() + names + self.globs.bytes() + within
    }

    /// What may be done with `path`, which must be the path of the thing itself: absolute, normalized, no link on the way.
    pub fn allowed(&self, path: &AbsPath) -> Allowed {
        self.allowed_bytes(path.as_bytes())
    }

    /// [`Grants::allowed`] of the bytes of a path that is known to be normalized.
    pub fn allowed_bytes(&self, path: &[u8]) -> Allowed {
        if self.globs.deny(path) {
            return Allowed::Nothing;
        }
        let allowed = self.find(path).allowed;
        match &self.within {
            Some(within) if allowed > Allowed::Nothing => allowed.min(within.allowed_bytes(path)),
            _ => allowed,
        }
    }

    /// True when any rule or pattern can treat something strictly below `path` differently from `path` itself.
    /// Then listings are filtered entry by entry, and the directory does not change its name.
    pub fn below(&self, path: &[u8]) -> bool {
        !self.globs.is_empty()
            || self.find(path).below
            || self
                .within
                .as_ref()
                .is_some_and(|within| within.below(path))
    }

    /// True when some rule is about a path strictly below `path`: what has the name is to be a directory, and not a link past the rule.
    pub fn rules_below(&self, path: &AbsPath) -> bool {
        let within = self.within.as_ref();
        self.find(path.as_bytes()).below || within.is_some_and(|within| within.rules_below(path))
    }

    /// True when the name `path` itself may be given to something, taken from it, or given to something else:
    /// that changes the directory that holds it as much as the thing.
    pub fn may_rename(&self, path: &AbsPath) -> bool {
        self.allowed(path) == Allowed::Write
            && path
                .parent()
                .is_some_and(|parent| self.allowed(&parent) == Allowed::Write)
    }

    /// True when the last rule on the way to both is one and the same: they belong to one grant.
    pub fn under_one_rule(&self, one: &AbsPath, other: &AbsPath) -> bool {
        let rule = |path: &AbsPath| {
            let mut at = 0;
            let mut last = self.nodes[0].rule.map(|_| 0);
            for name in path.components() {
                match self.nodes[at].slot(name) {
                    Ok(slot) => at = self.nodes[at].children[slot].1,
                    Err(_) => break,
                }
                last = self.nodes[at].rule.map_or(last, |_| Some(at));
            }
            last
        };
        let within = self.within.as_ref();
        rule(one) == rule(other) && within.is_none_or(|within| within.under_one_rule(one, other))
    }

    fn find(&self, path: &[u8]) -> Found {
        let mut way = Way {
            node: Some(&self.nodes[0]),
            allowed: self.nodes[0].rule.unwrap_or(Allowed::Nothing),
        };
        // The same way by the usual spelling of protected names, from the first on that stands in another and is under a rule.
        // It may be the same thing or another: it is held down to what that rule says, never opened by it.
        let mut usual: Option<Way<'_>> = None;
        for name in path
            .split(|byte| *byte == b'/')
            .filter(|name| !name.is_empty())
        {
            if way.node.is_none() && usual.is_none_or(|usual| usual.node.is_none()) {
                break;
            }
            usual = match usual {
                None => way.step_to_usual(&self.nodes, name),
                Some(usual) => usual
                    .step_to_usual(&self.nodes, name)
                    .or_else(|| Some(usual.step(&self.nodes, name))),
            };
            way = way.step(&self.nodes, name);
        }
        let found = way.found();
        match usual.map(Way::found) {
            None => found,
            Some(usual) => Found {
                allowed: found.allowed.min(usual.allowed),
                below: found.below || usual.below,
            },
        }
    }
}

impl<'a> Way<'a> {
    fn step(self, nodes: &'a [Node], name: &[u8]) -> Way<'a> {
        let node = self
            .node
            .and_then(|node| Some(&nodes[node.children[node.slot(name).ok()?].1]));
        Way {
            node,
            allowed: node.and_then(|node| node.rule).unwrap_or(self.allowed),
        }
    }

    /// To the usual spelling of a protected name in another, when a rule is there.
    fn step_to_usual(self, nodes: &'a [Node], name: &[u8]) -> Option<Way<'a>> {
        let way = self.step(nodes, protection::usual_spelling(name)?);
        way.node?.rule.map(|_| way)
    }

    fn found(self) -> Found {
        let seen =
            self.allowed == Allowed::Nothing && self.node.is_some_and(|node| node.grant_below);
        Found {
            allowed: if seen { Allowed::Seen } else { self.allowed },
            below: self.node.is_some_and(|node| !node.children.is_empty()),
        }
    }
}

impl Node {
    fn slot(&self, name: &[u8]) -> Result<usize, usize> {
        self.children
            .binary_search_by(|(child, _)| (**child).cmp(name))
    }
}

impl fmt::Debug for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grants")
            .field("nodes", &self.nodes.len())
            .field("globs", &!self.globs.is_empty())
            .field("within", &self.within)
            .finish()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn grants(rules: &[(&str, Allowed)]) -> Grants {
        let rules: Vec<_> = rules
            .iter()
            .map(|(path, rule)| (AbsPath::parse(path).unwrap(), *rule))
            .collect();
        Grants::new(
            rules.iter().map(|(path, rule)| (path, *rule)),
            Globs::default(),
        )
    }

    #[test]
    fn the_most_specific_rule_wins_and_ancestors_are_seen() {
        use Allowed::*;
        let grants = grants(&[
            ("/w", Write),
            ("/w/ro", Read),
            ("/w/no", Nothing),
            ("/w/no/again/yes", Read),
            ("/etc/one", Read),
        ]);
        for (path, wanted) in [
            ("/", Seen),
            ("/etc", Seen),
            ("/etc/one", Read),
            ("/etc/two", Nothing),
            ("/etc/one/x", Read),
            ("/w", Write),
            ("/w/a/b", Write),
            ("/w/ro", Read),
            ("/w/ro/x", Read),
            ("/w/rox", Write),
            ("/w/no", Seen),
            ("/w/no/x", Nothing),
            ("/w/no/again", Seen),
            ("/w/no/again/yes/z", Read),
            ("/w-evil", Nothing),
            ("/workspace", Nothing),
        ] {
            assert_eq!(
                grants.allowed(&AbsPath::parse(path).unwrap()),
                wanted,
                "{path}"
            );
        }
        assert!(grants.below(b"/w") && grants.below(b"/") && grants.below(b"/w/no"));
        assert!(!grants.below(b"/w/ro") && !grants.below(b"/w/a"));
    }

    #[test]
    fn paths_belong_to_the_grant_of_the_last_rule_above_them() {
        use Allowed::*;
        let grants = grants(&[("/w", Write), ("/w/d", Write), ("/v", Write)]);
        let one = |one: &str, other: &str| {
            grants.under_one_rule(
                &AbsPath::parse(one).unwrap(),
                &AbsPath::parse(other).unwrap(),
            )
        };
        assert!(one("/w/a", "/w/b/c") && one("/w/d/x", "/w/d") && one("/x", "/y"));
        assert!(!one("/w/a", "/v/a") && !one("/w/a", "/w/d/a") && !one("/w", "/x"));
    }

    #[test]
    fn attack_13_a_granted_root_cannot_lose_its_name() {
        let grants = grants(&[("/w", Allowed::Write), ("/etc/file", Allowed::Write)]);
        let may = |path: &str| grants.may_rename(&AbsPath::parse(path).unwrap());
        assert!(may("/w/a"));
        assert!(!may("/w") && !may("/etc/file") && !may("/"));
    }
}
