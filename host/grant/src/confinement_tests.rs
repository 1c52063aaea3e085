#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::grants::Allowed;
use crate::profile::Access;
use crate::profile::Network;
use crate::protection::PROTECTED;

/// A host whose whole file system is a list of links and a list of what is missing.
#[derive(Default)]
struct Made {
    links: HashMap<AbsPath, AbsPath>,
    pointers: HashMap<AbsPath, AbsPath>,
    missing: Vec<AbsPath>,
    unresolvable: Vec<AbsPath>,
    own: Vec<AbsPath>,
}

impl Host for Made {
    fn place(&self, path: &AbsPath) -> Result<Place, String> {
        if self.unresolvable.contains(path) {
            return Err("no permission".into());
        }
        let (mut place, mut links) = (AbsPath::root(), Vec::new());
        for name in path.components() {
            place = AbsPath::from_bytes(&[place.as_bytes(), b"/", name].concat()).unwrap();
            while let Some(target) = self.links.get(&place) {
                links.push(place);
                place = target.clone();
            }
        }
        let exists = !self.missing.contains(&place);
        Ok(Place {
            canonical: place,
            links,
            exists,
        })
    }

    fn git_directories(&self, path: &AbsPath) -> Vec<AbsPath> {
        let place = self.place(path).unwrap().canonical;
        self.pointers.get(&place).cloned().into_iter().collect()
    }

    fn temporary_directory(&self) -> Option<AbsPath> {
        Some(path("/var/tmp/me"))
    }

    fn own_directories(&self) -> &[AbsPath] {
        &self.own
    }
}

fn path(text: &str) -> AbsPath {
    AbsPath::parse(text).unwrap()
}

fn sandbox(json: &str) -> Sandbox {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"))
}

fn entries(cwd: Option<&str>, entries: &[(&str, &str)]) -> Sandbox {
    let entries: Vec<_> = entries
        .iter()
        .map(|(path, access)| {
            let path = match path.strip_prefix(':') {
                None if path.contains('*') => {
                    format!(r#"{{"type":"glob_pattern","pattern":"{path}"}}"#)
                }
                None => format!(r#"{{"type":"path","path":"{path}"}}"#),
                Some(special) => {
                    let (kind, subpath) = special.split_once(':').unwrap_or((special, ""));
                    let subpath = if subpath.is_empty() {
                        String::new()
                    } else {
                        format!(r#","subpath":"{subpath}""#)
                    };
                    format!(r#"{{"type":"special","value":{{"kind":"{kind}"{subpath}}}}}"#)
                }
            };
            let (access, skip) = match access.strip_suffix('?') {
                Some(access) => (access, r#","missing_path_behavior":"skip""#),
                None => (*access, ""),
            };
            format!(r#"{{"path":{path},"access":"{access}"{skip}}}"#)
        })
        .collect();
    let cwd = cwd
        .map(|cwd| format!(r#","cwd":"{cwd}""#))
        .unwrap_or_default();
    sandbox(&format!(
        r#"{{"permissions":{{"type":"managed","file_system":{{"type":"restricted","entries":[{}]}},"network":"restricted"}}{cwd},"windowsSandboxLevel":"disabled"}}"#,
        entries.join(",")
    ))
}

fn confined(sandbox: &Sandbox, host: &Made) -> Confined {
    match Confinement::of(sandbox, host).unwrap() {
        Confinement::Confined(confined) => confined,
        Confinement::Direct => panic!("not confined"),
    }
}

#[track_caller]
fn check(sandbox: &Sandbox, host: &Made, wanted: &[(&str, Allowed)]) {
    let grants = confined(sandbox, host).grants;
    for (text, allowed) in wanted {
        assert_eq!(grants.allowed(&path(text)), *allowed, "{text}");
    }
}

use Allowed::{Nothing, Read, Seen, Write};

#[test]
fn the_profile_that_a_client_of_today_sends_for_a_workspace() {
    let profile = sandbox(
        r#"{"permissions":{"type":"managed","file_system":{"type":"restricted","entries":[
            {"path":{"type":"special","value":{"kind":"root"}},"access":"read"},
            {"path":{"type":"special","value":{"kind":"project_roots"}},"access":"write"},
            {"path":{"type":"special","value":{"kind":"slash_tmp"}},"access":"write"},
            {"path":{"type":"special","value":{"kind":"tmpdir"}},"access":"write"},
            {"path":{"type":"special","value":{"kind":"project_roots","subpath":".git"}},"access":"read","missing_path_behavior":"skip"},
            {"path":{"type":"special","value":{"kind":"project_roots","subpath":".agents"}},"access":"read","missing_path_behavior":"skip"},
            {"path":{"type":"special","value":{"kind":"project_roots","subpath":".codex"}},"access":"read","missing_path_behavior":"skip"}
        ]},"network":"restricted"},"cwd":"file:///w","workspaceRoots":["file:///w","file:///v%20v"],
        "windowsSandboxLevel":"disabled","windowsSandboxPrivateDesktop":true,"windowsSandboxProxySettingsMode":"reconcile","useLegacyLandlock":false}"#,
    );
    let host = Made {
        missing: vec![path("/w/.codex")],
        ..Made::default()
    };
    check(
        &profile,
        &host,
        &[
            ("/", Read),
            ("/etc/passwd", Read),
            ("/w", Write),
            ("/w/src/a", Write),
            ("/v v/src", Write),
            ("/tmp/x", Write),
            ("/var/tmp/me/x", Write),
            ("/var/tmp/you", Read),
            ("/w/.git", Read),
            ("/w/.git/hooks/pre-commit", Read),
            ("/w/.agents", Read),
            ("/w/.codex", Read),
            ("/w/.codex/config.toml", Read),
            ("/v v/.git/config", Read),
            ("/tmp/.git", Read),
            ("/w/src/.git", Write),
            ("/w/.gitignore", Write),
        ],
    );
    assert!(
        confined(&profile, &host).absent.is_empty(),
        "protected names need no second look"
    );
}

#[test]
fn profiles_that_restrict_nothing_need_no_gate() {
    let direct = |json: &str| {
        matches!(
            Confinement::of(&sandbox(json), &Made::default()).unwrap(),
            Confinement::Direct
        )
    };
    assert!(direct(
        r#"{"permissions":{"type":"disabled"},"windowsSandboxLevel":"disabled"}"#
    ));
    assert!(direct(
        r#"{"permissions":{"type":"external","network":"restricted"}}"#
    ));
    assert!(direct(
        r#"{"permissions":{"type":"managed","file_system":{"type":"unrestricted"},"network":"restricted"}}"#
    ));
    assert!(direct(r#"{"sandboxPolicy":{"type":"danger-full-access"}}"#));
    assert!(direct(
        r#"{"type":"external-sandbox","network_access":"enabled"}"#
    ));

    let direct = |rules: &[(&str, &str)]| {
        matches!(
            Confinement::of(&entries(Some("/w"), rules), &Made::default()).unwrap(),
            Confinement::Direct
        )
    };
    assert!(direct(&[(":root", "write")]));
    assert!(direct(&[
        (":root", "write"),
        (":root", "read"),
        (":minimal", "read"),
        (":later_kind", "read")
    ]));
    assert!(direct(&[
        (":root", "write"),
        ("/a", "write"),
        ("/a", "read")
    ]));
    assert!(!direct(&[(":root", "write"), ("/a", "read")]));
    assert!(!direct(&[(":root", "write"), ("/a", "none")]));
    assert!(!direct(&[
        (":root", "write"),
        ("/a", "write"),
        ("/a", "deny")
    ]));
    assert!(!direct(&[(":root", "write"), ("/a", "read?")]));
    assert!(!direct(&[(":root", "write"), ("/**/*.env", "none")]));
    assert!(!direct(&[(":root", "read")]));
    assert!(!direct(&[(":root", "write"), (":root", "none")]));
    assert!(!direct(&[]));
}

#[test]
fn denial_beats_write_beats_read_on_one_path_and_the_longer_path_beats_all() {
    let rules = [
        ("/w", "read"),
        ("/w", "write"),
        ("/w/a", "write"),
        ("/w/a", "deny"),
        ("/w/a/b", "read"),
        ("/w/c", "none"),
        ("/w/c", "read"),
    ];
    for rotation in 0..rules.len() {
        let mut rules = rules;
        rules.rotate_left(rotation);
        check(
            &entries(None, &rules),
            &Made::default(),
            &[
                ("/w", Write),
                ("/w/x", Write),
                ("/w/a", Seen),
                ("/w/a/x", Nothing),
                ("/w/a/b/c", Read),
                ("/w/c", Nothing),
            ],
        );
    }
}

#[test]
fn every_special_place() {
    check(
        &entries(Some("/w"), &[(":project_roots", "write")]),
        &Made::default(),
        &[("/w/a", Write), ("/v", Nothing)],
    );
    check(
        &entries(Some("/w"), &[(":current_working_directory", "read")]),
        &Made::default(),
        &[("/w/a", Read)],
    );
    check(
        &entries(Some("/w"), &[(":project_roots:docs/./old", "read")]),
        &Made::default(),
        &[("/w", Seen), ("/w/docs", Seen), ("/w/docs/old/x", Read)],
    );
    check(
        &entries(None, &[(":slash_tmp", "write")]),
        &Made::default(),
        &[("/tmp/a", Write), ("/tmpfile", Nothing)],
    );
    check(
        &entries(None, &[(":tmpdir", "write")]),
        &Made::default(),
        &[("/var/tmp/me/a", Write), ("/var/tmp", Seen)],
    );
    check(
        &entries(None, &[(":minimal", "write"), ("/usr/share", "write")]),
        &Made::default(),
        &[
            ("/usr/lib/x", Read),
            ("/usr/share/x", Write),
            ("/etc/shadow", Nothing),
            ("/home", Nothing),
        ],
    );
    check(
        &entries(None, &[(":tomorrow", "write"), ("/a", "read")]),
        &Made::default(),
        &[("/", Seen), ("/b", Nothing)],
    );
}

#[test]
fn what_cannot_be_enforced_is_refused() {
    let refused = |cwd, rules: &[(&str, &str)]| {
        Confinement::of(&entries(cwd, rules), &Made::default()).unwrap_err()
    };
    assert_eq!(
        refused(None, &[(":project_roots", "read")]),
        ProfileError::NeedsCwd
    );
    assert_eq!(refused(None, &[("*.env", "none")]), ProfileError::NeedsCwd);
    assert_eq!(
        refused(None, &[("/a*", "read")]),
        ProfileError::GrantingGlob
    );
    assert_eq!(
        refused(None, &[(":tomorrow", "deny")]),
        ProfileError::UnknownDenial("tomorrow".into())
    );
    for subpath in ["../x", "a/../../x", "/etc"] {
        assert_eq!(
            refused(
                Some("/w"),
                &[(&format!(":project_roots:{subpath}"), "read")]
            ),
            ProfileError::Subpath
        );
    }
    assert!(matches!(
        refused(None, &[("/a/[*", "deny")]),
        ProfileError::Glob(_)
    ));
    let many: Vec<_> = vec![("/a", "read"); limits::ENTRIES + 1];
    assert!(matches!(
        refused(None, &many),
        ProfileError::TooManyEntries(_)
    ));
    let roots = |count: usize| (0..count).map(|root| path(&format!("/r{root}"))).collect();
    let mut profile = entries(
        Some("/w"),
        &[(":project_roots", "write"), (":project_roots:a", "read")],
    );
    profile.workspace_roots = Some(roots(limits::ENTRIES / 2));
    assert!(Confinement::of(&profile, &Made::default()).is_ok());
    profile.workspace_roots = Some(roots(limits::ENTRIES / 2 + 1));
    assert!(matches!(
        Confinement::of(&profile, &Made::default()),
        Err(ProfileError::TooManyEntries(_))
    ));
    let many: Vec<_> = vec![("/a*", "deny"); limits::GLOBS + 1];
    assert!(matches!(
        refused(None, &many),
        ProfileError::TooManyGlobs(_)
    ));
    let host = Made {
        unresolvable: vec![path("/w/no")],
        ..Made::default()
    };
    let refused =
        Confinement::of(&entries(None, &[("/w", "write"), ("/w/no", "deny")]), &host).unwrap_err();
    assert!(matches!(refused, ProfileError::Unresolved { .. }));
    check(
        &entries(None, &[("/w", "write"), ("/v/x", "read")]),
        &host,
        &[("/w/a", Write)],
    );
}

#[test]
fn an_explicit_write_entry_opens_a_protected_name() {
    check(
        &entries(
            None,
            &[("/w", "write"), ("/w/.git", "write"), ("/w/.codex", "deny")],
        ),
        &Made::default(),
        &[
            ("/w/.git/config", Write),
            ("/w/.codex", Nothing),
            ("/w/.agents", Read),
        ],
    );
    check(
        &entries(None, &[("/w", "write"), ("/w/.git/info", "write")]),
        &Made::default(),
        &[("/w/.git/config", Read), ("/w/.git/info/exclude", Write)],
    );
}

#[test]
fn attack_13_the_target_of_a_git_pointer_file_is_protected() {
    let host = Made {
        pointers: [
            (path("/w/.git"), path("/w/real/git")),
            (path("/v/.git"), path("/elsewhere/git")),
        ]
        .into(),
        ..Made::default()
    };
    check(
        &entries(None, &[("/w", "write"), ("/v", "write")]),
        &host,
        &[
            ("/w/real/git/config", Read),
            ("/w/real", Write),
            ("/elsewhere/git/config", Nothing),
        ],
    );
}

#[test]
fn rules_hold_in_both_spellings() {
    let host = Made {
        links: [(path("/alias"), path("/real/dir"))].into(),
        ..Made::default()
    };
    check(
        &entries(None, &[("/alias", "write"), ("/alias/no", "deny")]),
        &host,
        &[
            ("/alias/x", Write),
            ("/real/dir/x", Write),
            ("/real/dir/no", Nothing),
            ("/real", Seen),
            ("/real/dir/.git/config", Read),
            ("/real/other", Nothing),
        ],
    );
    check(
        &entries(None, &[("/real", "read"), ("/alias/**/*.env", "deny")]),
        &host,
        &[
            ("/real/dir/a/b.env", Nothing),
            ("/real/dir/b", Read),
            ("/real/b.env", Read),
        ],
    );
}

#[test]
fn attack_13_a_link_planted_in_a_writable_root_grants_nothing() {
    let links = [
        (path("/w/.git"), path("/home/me/.ssh")),
        (path("/w/docs"), path("/etc")),
        (path("/w/build"), path("/home")),
        (path("/tmp/link"), path("/root")),
    ];
    let host = Made {
        links: links.into(),
        ..Made::default()
    };
    check(
        &entries(
            Some("/w"),
            &[
                (":project_roots", "write"),
                (":project_roots:.git", "read?"),
                ("/w/docs", "read"),
                ("/w/build", "write"),
                (":slash_tmp", "write"),
                ("/tmp/link/x", "write"),
            ],
        ),
        &host,
        &[
            ("/home/me/.ssh/id", Nothing),
            ("/etc/passwd", Nothing),
            ("/home", Nothing),
            ("/root/x", Nothing),
        ],
    );
}

#[test]
fn a_planted_link_can_still_take_back() {
    let host = Made {
        links: [
            (path("/w/.git"), path("/w/g")),
            (path("/w/no"), path("/w/n")),
        ]
        .into(),
        ..Made::default()
    };
    check(
        &entries(None, &[("/w", "write"), ("/w/no", "deny")]),
        &host,
        &[("/w/g/config", Read), ("/w/n/x", Nothing), ("/w/x", Write)],
    );
}

#[test]
fn the_executors_own_directories_are_never_writable() {
    let host = Made {
        own: vec![path("/home/me/.cache/lockgate")],
        ..Made::default()
    };
    check(
        &entries(
            None,
            &[
                ("/home", "write"),
                ("/home/me/.cache/lockgate/modules", "write"),
                ("/home/me/.cache", "write"),
            ],
        ),
        &host,
        &[
            ("/home/me/.cache/x", Write),
            ("/home/me/.cache/lockgate", Read),
            ("/home/me/.cache/lockgate/modules/a", Read),
            ("/home/me/.cache/lockgate/x", Read),
        ],
    );
}

#[test]
fn what_was_skipped_as_missing_is_told_when_it_would_matter() {
    let host = Made {
        missing: vec![path("/w/later"), path("/w/.git"), path("/no")],
        ..Made::default()
    };
    let profile = entries(
        None,
        &[
            ("/w", "write"),
            ("/w/later", "read?"),
            ("/w/.git", "read?"),
            ("/no", "deny?"),
        ],
    );
    check(&profile, &host, &[("/w/later", Write), ("/w/.git", Read)]);
    assert_eq!(confined(&profile, &host).absent, [path("/w/later")]);
}

#[test]
fn older_shapes_mean_what_their_successors_mean() {
    let legacy = sandbox(
        r#"{"sandboxPolicy":{"type":"workspace-write","writable_roots":["/extra"],"network_access":false,"exclude_slash_tmp":true},"sandboxPolicyCwd":"/w"}"#,
    );
    check(
        &legacy,
        &Made::default(),
        &[
            ("/w/a", Write),
            ("/w/.codex", Read),
            ("/extra/a", Write),
            ("/extra/.git/x", Read),
            ("/tmp/a", Read),
            ("/var/tmp/me/a", Write),
            ("/etc", Read),
        ],
    );
    let bare = sandbox(r#"{"type":"read-only"}"#);
    check(&bare, &Made::default(), &[("/etc", Read)]);
    let older = sandbox(
        r#"{"permissions":{"network":{"enabled":true},"file_system":{"read":["/r"],"write":["file:///w"]}}}"#,
    );
    check(
        &older,
        &Made::default(),
        &[("/r/x", Read), ("/w/x", Write), ("/x", Nothing)],
    );
    assert!(matches!(
        older.permissions,
        Permissions::Managed {
            network: Network::Enabled,
            ..
        }
    ));
    check(
        &sandbox(r#"{"permissions":{}}"#),
        &Made::default(),
        &[("/", Nothing)],
    );
}

#[test]
fn shapes_that_are_not_understood_are_decoding_errors() {
    for json in [
        r#"{}"#,
        r#"{"permissions":null}"#,
        r#"{"permissions":{"type":"tomorrow"}}"#,
        r#"{"permissions":{"type":"managed","network":"restricted"}}"#,
        r#"{"permissions":{"type":"managed","file_system":{"type":"restricted","entries":[]}}}"#,
        r#"{"permissions":{"type":"managed","file_system":{"type":"restricted"},"network":"restricted"}}"#,
        r#"{"permissions":{"type":"managed","file_system":{"type":"restricted","entries":[],"deny_also":["/a"]},"network":"restricted"}}"#,
        r#"{"permissions":{"type":"managed","file_system":{"type":"restricted","entries":[],"glob_scan_max_depth":0},"network":"restricted"}}"#,
        r#"{"permissions":{"type":"disabled","file_system":{"type":"restricted","entries":[]}}}"#,
        r#"{"permissions":{"file_system":{"type":"unrestricted"}}}"#,
        r#"{"permissions":{"file_system":{"read":["/a"],"entries":[]}}}"#,
        r#"{"permissions":{"file_system":{"deny":["/a"]}}}"#,
        r#"{"permissions":{"type":"disabled"},"windowsSandboxLevel":"other"}"#,
        r#"{"permissions":{"type":"disabled"},"cwd":"relative"}"#,
        r#"{"type":"read-only","sandboxPolicy":{"type":"read-only"}}"#,
        r#"{"sandboxPolicy":{"type":"workspace-write","deny":["/a"]}}"#,
    ] {
        assert!(serde_json::from_str::<Sandbox>(json).is_err(), "{json}");
    }
    let entry = |entry: &str| {
        let json = format!(
            r#"{{"permissions":{{"type":"managed","file_system":{{"type":"restricted","entries":[{entry}]}},"network":"restricted"}}}}"#
        );
        serde_json::from_str::<Sandbox>(&json)
    };
    assert!(entry(r#"{"path":{"type":"path","path":"/a"},"access":"read"}"#).is_ok());
    for json in [
        r#"{"path":{"type":"path","path":"a"},"access":"read"}"#,
        r#"{"path":{"type":"path","path":"/a\u0000"},"access":"read"}"#,
        r#"{"path":{"type":"path","path":"/a"},"access":"execute"}"#,
        r#"{"path":{"type":"path","path":"/a"},"access":"read","except":["/a/b"]}"#,
        r#"{"path":{"type":"path","path":"/a","recursive":false},"access":"read"}"#,
        r#"{"path":{"type":"path","path":"/a"},"access":"read","missing_path_behavior":"create"}"#,
        r#"{"path":{"type":"regex","pattern":".*"},"access":"deny"}"#,
        r#"{"path":{"type":"special","value":{"kind":"root","subpath":"x"}},"access":"read"}"#,
        r#"{"path":"/a","access":"read"}"#,
        r#"{"path":{"type":"path","path":"/a"}}"#,
    ] {
        assert!(entry(json).is_err(), "{json}");
    }
}

#[test]
fn what_is_written_is_read_back_the_same() {
    let profile = entries(
        Some("/w w"),
        &[
            ("/a%b", "read"),
            ("/c", "write?"),
            ("**/*.env", "none"),
            (":root", "read"),
            (":minimal", "read"),
            (":project_roots:x/y", "write"),
            (":tmpdir", "deny"),
            (":slash_tmp", "write"),
            (":tomorrow", "read"),
        ],
    );
    let again: Sandbox = serde_json::from_str(&serde_json::to_string(&profile).unwrap()).unwrap();
    assert_eq!(again, profile);
}

/// The rules as the protocol's text has them, by brute force over all entries.
fn naive(rules: &[(AbsPath, Access)], path: &AbsPath) -> Allowed {
    let at = |path: &AbsPath| {
        let here: Vec<_> = rules
            .iter()
            .filter(|(rule, _)| rule == path)
            .map(|(_, access)| *access)
            .collect();
        [
            (Access::Deny, Nothing),
            (Access::Write, Write),
            (Access::Read, Read),
        ]
        .into_iter()
        .find(|(access, _)| here.contains(access))
        .map(|(_, allowed)| allowed)
    };
    let mut up: Vec<AbsPath> = std::iter::successors(Some(path.clone()), AbsPath::parent).collect();
    let mut allowed = Nothing;
    for prefix in up.drain(..) {
        let protected = prefix
            .parent()
            .is_some_and(|parent| at(&parent) == Some(Write))
            && prefix
                .file_name()
                .is_some_and(|name| PROTECTED.iter().any(|protected| name == *protected));
        if let Some(found) = at(&prefix).or(protected.then_some(Read)) {
            allowed = found;
            break;
        }
    }
    let granted = |rule: &AbsPath| at(rule).is_some_and(|allowed| allowed > Nothing);
    if allowed == Nothing
        && rules
            .iter()
            .any(|(rule, _)| granted(rule) && rule != path && rule.starts_with(path))
    {
        allowed = Seen;
    }
    allowed
}

fn some_path() -> impl Strategy<Value = AbsPath> {
    let name = prop_oneof![
        Just("a"),
        Just("b"),
        Just("ab"),
        Just(".git"),
        Just(".codex")
    ];
    proptest::collection::vec(name, 0..5).prop_map(|names| path(&format!("/{}", names.join("/"))))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn grants_agree_with_a_naive_evaluator(
        rules in proptest::collection::vec(
            (some_path(), prop_oneof![Just(Access::Read), Just(Access::Write), Just(Access::Deny)]), 0..8),
        paths in proptest::collection::vec(some_path(), 1..20),
    ) {
        let profile = Sandbox::restricted(rules.iter().cloned());
        match Confinement::of(&profile, &Made::default()).unwrap() {
            Confinement::Direct => {
                prop_assert!(naive(&rules, &AbsPath::root()) == Write);
                prop_assert!(rules.iter().all(|(rule, access)|
                    *access == Access::Write || (*access == Access::Read && rules.contains(&(rule.clone(), Access::Write)))));
            }
            Confinement::Confined(Confined { grants, .. }) => for path in &paths {
                prop_assert_eq!(grants.allowed(path), naive(&rules, path), "{:?}", path);
            },
        }
    }

    #[test]
    fn whatever_links_there_are_a_planted_one_never_widens(
        targets in proptest::collection::vec((some_path(), some_path()), 0..4),
        subpaths in proptest::collection::vec((some_path(), any::<bool>()), 0..4),
        paths in proptest::collection::vec(some_path(), 1..20),
    ) {
        // All links lie below the one writable root, so that without them nothing outside it is granted.
        let root = path("/w");
        let inside = |path: &AbsPath| AbsPath::from_bytes(&[b"/w/l/", path.as_bytes()].concat()).unwrap();
        let links = targets.iter().map(|(link, target)| (inside(link), path(&format!("/outside{target}")))).collect();
        let mut rules = vec![(root.clone(), Access::Write)];
        rules.extend(subpaths.iter().map(|(sub, write)| (inside(sub), if *write { Access::Write } else { Access::Read })));
        let host = Made { links, ..Made::default() };
        let Confinement::Confined(Confined { grants, .. }) =
            Confinement::of(&Sandbox::restricted(rules), &host).unwrap() else { panic!() };
        for outside in &paths {
            let outside = path(&format!("/outside{outside}"));
            prop_assert_eq!(grants.allowed(&outside), Nothing);
        }
    }
}
