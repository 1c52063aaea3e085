//! What entries of every kind come to.

use super::made::{Made, check, confined, entries, path, sandbox};
use crate::confinement::Confinement;
use crate::error::ProfileError;
use crate::grants::Allowed::{Nothing, Read, Seen, Write};
use crate::limits;

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
    let long = format!("/{}", format!("{}/", "x".repeat(200)).repeat(20));
    let long: Vec<_> = (0..limits::RULE_BYTES / 4_000)
        .map(|number| format!("{long}{number}"))
        .collect();
    let many: Vec<_> = long.iter().map(|path| (&**path, "read")).collect();
    assert!(matches!(
        refused(None, &many),
        ProfileError::TooLong { what: "paths", .. }
    ));
    let deep: Vec<_> = (0..=limits::RULE_NAMES / 1_000)
        .map(|number| format!("/{}{number}", "a/".repeat(1_000)))
        .collect();
    let many: Vec<_> = deep.iter().map(|path| (&**path, "read")).collect();
    assert!(matches!(
        refused(None, &many),
        ProfileError::TooManyNames(_)
    ));
    let glob = format!("/a*{}", "b".repeat(1_000));
    let many: Vec<_> = vec![(&*glob, "deny"); limits::GLOBS_BYTES / 1_000 + 1];
    assert!(matches!(
        refused(None, &many),
        ProfileError::TooLong {
            what: "glob patterns",
            ..
        }
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
