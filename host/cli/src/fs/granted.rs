//! What a profile from the command line says of a path, by the path's text alone: for advice, never for enforcement. The gate decides,
//! and knows of links.

use lockgate_grant::AbsPath;
use lockgate_grant::profile::{Access, EntryPath, FileSystem, Permissions, Sandbox};

/// Names that stay read-only directly in a writable directory, in any case of their letters.
const PROTECTED: [&[u8]; 3] = [b".git", b".agents", b".codex"];

/// The rules of a profile.
pub(super) struct Granted<'a> {
    paths: Vec<(&'a AbsPath, Access)>,
    /// Some are patterns.
    pub(super) globs: bool,
}

impl<'a> Granted<'a> {
    pub(super) fn by(sandbox: &'a Sandbox) -> Granted<'a> {
        let entries = match &sandbox.permissions {
            Permissions::Managed {
                file_system: FileSystem::Restricted { entries, .. },
                ..
            } => &**entries,
            _ => &[],
        };
        let paths = entries.iter().filter_map(|entry| match &entry.path {
            EntryPath::Path(path) => Some((path, entry.access)),
            _ => None,
        });
        Granted {
            paths: paths.collect(),
            globs: entries
                .iter()
                .any(|entry| matches!(entry.path, EntryPath::Glob(_))),
        }
    }

    /// Whether it is, or lies below, what a `--read` or `--write` names.
    pub(super) fn reaches(&self, path: &AbsPath) -> bool {
        let mut over = self.over(path);
        over.any(|(_, access)| access != Access::Deny)
    }

    /// What the most specific rule gives; of several for one path a denial wins, then `--write`.
    pub(super) fn access(&self, path: &AbsPath) -> Option<Access> {
        let rank = |access| match access {
            Access::Read => 0,
            Access::Write => 1,
            Access::Deny => 2,
        };
        self.over(path)
            .max_by_key(|(rule, access)| (rule.as_bytes().len(), rank(*access)))
            .map(|(_, access)| access)
    }

    /// Whether it is what a `--write` names and nothing makes its parent writable: its name belongs to somebody else.
    pub(super) fn is_root(&self, path: &AbsPath) -> bool {
        let named = self.paths.contains(&(path, Access::Write));
        let parent = || path.parent().and_then(|parent| self.access(&parent));
        named && parent() != Some(Access::Write)
    }

    /// Whether it is, or lies below, a protected name directly in what a `--write` names.
    pub(super) fn is_protected(&self, path: &AbsPath) -> bool {
        self.over(path).any(|(rule, access)| {
            let name = path.components().nth(rule.components().count());
            access == Access::Write
                && name.is_some_and(|name| {
                    let mut names = PROTECTED.iter();
                    names.any(|protected| protected.eq_ignore_ascii_case(name))
                })
        })
    }

    /// The rules for it and for what it lies in.
    fn over(&self, path: &AbsPath) -> impl Iterator<Item = (&'a AbsPath, Access)> {
        let rules = self.paths.iter().copied();
        rules.filter(|(rule, _)| path.starts_with(rule))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> AbsPath {
        AbsPath::parse(text).expect("a path")
    }

    fn sandbox(rules: &[(&str, Access)]) -> Sandbox {
        Sandbox::restricted(rules.iter().map(|(at, access)| (path(at), *access)))
    }

    #[test]
    fn the_most_specific_rule_decides_and_of_equals_the_strictest() {
        let sandbox = sandbox(&[
            ("/w", Access::Write),
            ("/w/r", Access::Read),
            ("/w/r/d", Access::Read),
            ("/w/r/d", Access::Deny),
        ]);
        let granted = Granted::by(&sandbox);
        for (at, access) in [
            ("/w", Some(Access::Write)),
            ("/w/x/y", Some(Access::Write)),
            ("/w/r/x", Some(Access::Read)),
            ("/w/r/d/x", Some(Access::Deny)),
            ("/w-evil", None),
            ("/", None),
        ] {
            assert_eq!(granted.access(&path(at)), access, "{at}");
            assert_eq!(granted.reaches(&path(at)), access.is_some(), "{at}");
        }
    }

    #[test]
    fn a_granted_directorys_name_belongs_to_who_may_write_its_parent() {
        let sandbox = sandbox(&[
            ("/w", Access::Write),
            ("/w/in", Access::Write),
            ("/r", Access::Read),
        ]);
        let granted = Granted::by(&sandbox);
        for (at, is_root) in [
            ("/w", true),
            ("/w/in", false),
            ("/w/x", false),
            ("/r", false),
        ] {
            assert_eq!(granted.is_root(&path(at)), is_root, "{at}");
        }
    }

    #[test]
    fn protected_names_are_those_directly_in_what_is_writable() {
        let sandbox = sandbox(&[("/w", Access::Write), ("/r", Access::Read)]);
        let granted = Granted::by(&sandbox);
        for (at, protected) in [
            ("/w/.git", true),
            ("/w/.GIT/config", true),
            ("/w/d/.git", false),
            ("/w/.github", false),
            ("/r/.git", false),
        ] {
            assert_eq!(granted.is_protected(&path(at)), protected, "{at}");
        }
    }
}
