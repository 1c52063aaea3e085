//! The environment of a child, from the server's own and a policy. Pure.
//!
//! The order is the whole meaning: inherit, drop what looks like a credential, drop `exclude`, insert `set`, keep `include_only`,
//! lay the request's `env` over it, and last remove what no child may ever see. Names are compared without regard to case.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

/// What a child takes over from the server before anything else is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inherit {
    /// Only the names of [`CORE`].
    Core,
    /// Everything.
    All,
    /// Nothing.
    None,
}

/// `envPolicy` of `process/start`. Patterns are globs over whole names: `*` is any run of characters, `?` is one.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Where it starts from.
    pub inherit: Inherit,
    /// Keeps the names of [`DEFAULT_EXCLUDES`], which are dropped otherwise.
    pub ignore_default_excludes: bool,
    /// Names to drop.
    pub exclude: Vec<String>,
    /// Inserted after the exclusions: an excluded name can be set.
    pub set: BTreeMap<String, String>,
    /// When not empty, only matching names stay (also of `set`, but not of the overlay).
    pub include_only: Vec<String>,
}

/// What [`Inherit::Core`] takes.
pub const CORE: [&str; 11] = [
    "PATH", "SHELL", "TMPDIR", "TEMP", "TMP", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME",
    "USER",
];

/// Names that look like credentials.
pub const DEFAULT_EXCLUDES: [&str; 3] = ["*KEY*", "*SECRET*", "*TOKEN*"];

/// Credentials of executors and their identity providers: no child gets them, not even when the request sets them.
pub const NEVER: [&str; 6] = [
    "CODEX_EXEC_SERVER_NOISE_AUTH_TOKEN",
    "NODE_REPL_AUTH_TOKEN",
    "CODEX_GUARDIAN_DECISIONS_API_KEY",
    "OPENAI_FEDERATION_RULE_ID",
    "OPENAI_IDENTITY_TOKEN_FILE",
    "OPENAI_WORKLOAD_IDENTITY_CONTEXT",
];

/// The child's environment, sorted by name. `server` is what the server itself has and matters only when there is a policy; `overlay` is the request's `env`.
pub fn build(
    server: impl IntoIterator<Item = (OsString, OsString)>,
    policy: Option<&Policy>,
    overlay: impl IntoIterator<Item = (OsString, OsString)>,
) -> Vec<(OsString, OsString)> {
    let mut child: BTreeMap<OsString, OsString> = match policy {
        Some(policy) => inherited(server, policy),
        None => BTreeMap::new(),
    };
    child.extend(overlay);
    child.retain(|name, _| !NEVER.iter().any(|never| same_name(name, never)));
    child.into_iter().collect()
}

fn inherited(
    server: impl IntoIterator<Item = (OsString, OsString)>,
    policy: &Policy,
) -> BTreeMap<OsString, OsString> {
    let wanted = |name: &OsStr| match policy.inherit {
        Inherit::All => true,
        Inherit::None => false,
        Inherit::Core => CORE.iter().any(|core| same_name(name, core)),
    };
    let mut excludes = Patterns::new(&policy.exclude);
    if !policy.ignore_default_excludes {
        excludes.add(&DEFAULT_EXCLUDES);
    }
    let include_only = Patterns::new(&policy.include_only);

    let mut child: BTreeMap<OsString, OsString> = server
        .into_iter()
        // A process can be given strings that no child can be given by name.
        .filter(|(name, _)| !name.is_empty() && !name.as_encoded_bytes().contains(&b'='))
        .filter(|(name, _)| wanted(name) && !excludes.match_name(name))
        .collect();
    let set = policy
        .set
        .iter()
        .map(|(name, value)| (name.into(), value.into()));
    child.extend(set);
    if !include_only.0.is_empty() {
        child.retain(|name, _| include_only.match_name(name));
    }
    child
}

fn same_name(name: &OsStr, other: &str) -> bool {
    name.as_encoded_bytes()
        .eq_ignore_ascii_case(other.as_bytes())
}

/// Patterns, folded once.
struct Patterns(Vec<Vec<char>>);

impl Patterns {
    fn new(patterns: &[impl AsRef<str>]) -> Patterns {
        let mut all = Patterns(Vec::new());
        all.add(patterns);
        all
    }

    fn add(&mut self, patterns: &[impl AsRef<str>]) {
        self.0
            .extend(patterns.iter().map(|pattern| fold(pattern.as_ref())));
    }

    fn match_name(&self, name: &OsStr) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let name = fold(&name.to_string_lossy());
        self.0.iter().any(|pattern| matches(pattern, &name))
    }
}

fn fold(text: &str) -> Vec<char> {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// Remembers only the last `*`: never slower than the product of both lengths, whatever the pattern.
fn matches(pattern: &[char], name: &[char]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    p = at + 1;
                    n = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: [(&str, &str); 9] = [
        ("PATH", "/usr/bin"),
        ("HOME", "/root"),
        ("home_dir", "x"),
        ("EDITOR", "vi"),
        ("API_KEY", "k"),
        ("my_secret_thing", "s"),
        ("GITHUB_TOKEN", "t"),
        ("OPENAI_FEDERATION_RULE_ID", "f"),
        ("A=B", "odd"),
    ];

    fn policy(inherit: Inherit) -> Policy {
        Policy {
            inherit,
            ignore_default_excludes: false,
            exclude: vec![],
            set: BTreeMap::new(),
            include_only: vec![],
        }
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        list.iter().map(|(n, v)| (n.into(), v.into())).collect()
    }

    fn built(policy: Option<&Policy>, overlay: &[(&str, &str)]) -> Vec<String> {
        build(pairs(&SERVER), policy, pairs(overlay))
            .into_iter()
            .map(|(name, value)| format!("{}={}", name.display(), value.display()))
            .collect()
    }

    #[test]
    fn without_a_policy_the_child_gets_exactly_what_the_request_says() {
        assert_eq!(
            built(None, &[("B", "2"), ("A", "1"), ("API_KEY", "mine")]),
            ["A=1", "API_KEY=mine", "B=2"]
        );
        assert!(built(None, &[]).is_empty());
    }

    #[test]
    fn each_way_to_inherit_takes_what_it_says() {
        assert_eq!(
            built(Some(&policy(Inherit::All)), &[]),
            ["EDITOR=vi", "HOME=/root", "PATH=/usr/bin", "home_dir=x"]
        );
        assert_eq!(
            built(Some(&policy(Inherit::Core)), &[]),
            ["HOME=/root", "PATH=/usr/bin"]
        );
        assert!(built(Some(&policy(Inherit::None)), &[]).is_empty());
    }

    #[test]
    fn core_names_are_found_in_any_case() {
        let out = build(
            pairs(&[("Path", "p"), ("lang", "l")]),
            Some(&policy(Inherit::Core)),
            [],
        );
        assert_eq!(out, pairs(&[("Path", "p"), ("lang", "l")]));
    }

    #[test]
    fn names_that_look_like_credentials_are_dropped_unless_the_policy_keeps_them() {
        let mut keep = policy(Inherit::All);
        keep.ignore_default_excludes = true;
        let out = built(Some(&keep), &[]);
        assert!(
            out.contains(&"API_KEY=k".into()) && out.contains(&"my_secret_thing=s".into()),
            "{out:?}"
        );
    }

    #[test]
    fn the_steps_come_in_their_order() {
        let all = Policy {
            exclude: vec!["edit*".into(), "H?ME".into()],
            set: [("EDITOR", "ed"), ("NEW_TOKEN", "set"), ("DROPPED", "1")]
                .map(|(n, v)| (n.to_owned(), v.to_owned()))
                .into(),
            include_only: vec!["*EDIT*".into(), "new_*".into(), "path".into()],
            ..policy(Inherit::All)
        };
        // Excluded and then set; a credential's name may be set; the overlay is not filtered and wins.
        assert_eq!(
            built(Some(&all), &[("OVER", "1"), ("PATH", "/bin")]),
            ["EDITOR=ed", "NEW_TOKEN=set", "OVER=1", "PATH=/bin"]
        );
    }

    #[test]
    fn names_no_child_may_have_are_removed_last_whoever_sets_them() {
        let mut all = policy(Inherit::All);
        all.ignore_default_excludes = true;
        all.set
            .insert("OPENAI_IDENTITY_TOKEN_FILE".into(), "x".into());
        let out = built(
            Some(&all),
            &[("codex_guardian_decisions_api_key", "x"), ("OK", "1")],
        );
        assert!(out.contains(&"OK=1".into()));
        assert!(
            !out.iter()
                .any(|v| v.contains("OPENAI") || v.contains("guardian")),
            "{out:?}"
        );
        assert_eq!(
            built(None, &[("NODE_REPL_AUTH_TOKEN", "x")]),
            Vec::<String>::new()
        );
    }

    #[test]
    fn globs_match_whole_names() {
        let table = [
            ("*", "", true),
            ("*", "ANY", true),
            ("a*c", "ABC", true),
            ("a*c", "abcd", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("", "", true),
            ("", "a", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("a**", "a", true),
            ("ÄÖ?", "äöü", true),
        ];
        for (pattern, name, expected) in table {
            assert_eq!(
                matches(&fold(pattern), &fold(name)),
                expected,
                "{pattern:?} on {name:?}"
            );
        }
    }

    #[test]
    fn a_pattern_made_to_be_slow_is_not() {
        let pattern = "*a".repeat(200);
        let name = "a".repeat(150) + &"b".repeat(5_000);
        assert!(!matches(&fold(&pattern), &fold(&name)));
    }
}
