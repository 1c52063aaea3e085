//! Attacks 1, 2, 12, 13 and 14, as far as a profile's meaning alone can stop them. What the gate adds is tried in `capfs`.

use super::made::{Made, check, confined, entries, path, sandbox};
use crate::confinement::Confinement;
use crate::error::ProfileError;
use crate::grants::Allowed::{Nothing, Read, Seen, Write};
use crate::path::AbsPath;

fn linked(links: &[(&str, &str)]) -> Made {
    let links = links
        .iter()
        .map(|(link, target)| (path(link), path(target)));
    Made {
        links: links.collect(),
        ..Made::default()
    }
}

#[test]
fn attack_01_the_way_a_profile_spells_its_paths_moves_no_rule() {
    check(
        &entries(
            Some("/w/"),
            &[
                ("/a//b/../c/./", "write"),
                ("file:///a/%2e%2e/d%20d", "read"),
                (":project_roots:./x//y/", "read"),
                ("/w/../w/x/../*.env", "deny"),
            ],
        ),
        &Made::default(),
        &[
            ("/a/c/f", Write),
            ("/a/b", Nothing),
            ("/d d/f", Read),
            ("/w/x/y/f", Read),
            ("/w/x", Seen),
            ("/w/.env", Nothing),
        ],
    );
}

#[test]
fn attack_02_a_twin_by_prefix_is_another_directory() {
    let host = Made {
        own: vec![path("/w/own")],
        ..Made::default()
    };
    check(
        &entries(
            None,
            &[
                ("/w", "write"),
                ("/w/no", "deny"),
                ("/w/glob*/in", "deny"),
                ("/w/plain", "none"),
            ],
        ),
        &host,
        &[
            ("/w-evil", Nothing),
            ("/work", Nothing),
            ("/w/note", Write),
            ("/w/globs/in", Nothing),
            ("/w/globs/inside", Write),
            ("/w/plainer", Write),
            ("/w/ownership", Write),
            ("/w/own/f", Read),
            ("/w/.gitignore", Write),
            ("/w/.git-evil", Write),
        ],
    );
}

#[test]
fn attack_12_a_denied_name_is_given_to_nothing_and_no_directory_moves_from_under_a_pattern() {
    let profile = entries(None, &[("/w", "write"), ("/w/**/.env", "deny")]);
    let grants = confined(&profile, &Made::default()).grants;
    assert!(!grants.may_rename(&path("/w/.env")) && !grants.may_rename(&path("/w/d/.env")));
    assert!(grants.may_rename(&path("/w/env")));
    // A directory may hold names that a pattern denies where it is and not where it would go.
    assert!(grants.below(b"/w/d"));
}

#[test]
fn attack_12_a_more_specific_grant_does_not_reach_below_a_denied_pattern() {
    check(
        &entries(
            None,
            &[
                ("/w", "write"),
                ("/w/secret*", "deny"),
                ("/w/secrets/public", "write"),
            ],
        ),
        &Made::default(),
        &[("/w/secrets", Nothing), ("/w/secrets/public/f", Nothing)],
    );
}

#[test]
fn attack_12_links_before_a_pattern_lead_it_along() {
    let host = linked(&[("/alias", "/real"), ("/real/key", "/store/key")]);
    check(
        &entries(
            None,
            &[
                ("/real", "read"),
                ("/store", "read"),
                ("/alias/**/*.env", "deny"),
            ],
        ),
        &host,
        &[("/real/d/.env", Nothing), ("/alias/d/.env", Nothing)],
    );
    // Without wildcards a pattern is a path, and its own link is followed as a denied path's is.
    for denied in ["/alias/key", "/real/key"] {
        let json = format!(
            r#"{{"permissions":{{"type":"managed","network":"restricted","file_system":{{"type":"restricted","entries":[
                {{"path":{{"type":"special","value":{{"kind":"root"}}}},"access":"read"}},
                {{"path":{{"type":"glob_pattern","pattern":"{denied}"}},"access":"deny"}}]}}}}}}"#
        );
        check(
            &sandbox(&json),
            &host,
            &[
                ("/store/key", Nothing),
                ("/real/key", Nothing),
                ("/store/k", Read),
            ],
        );
    }
}

/// What is not promised, see SECURITY.md: a name is denied as it is written.
#[test]
fn attack_12_other_cases_and_normal_forms_are_other_names() {
    check(
        &entries(
            None,
            &[("/w", "write"), ("/w/*.env", "deny"), ("/w/\u{e9}", "deny")],
        ),
        &Made::default(),
        &[
            ("/w/a.ENV", Write),
            ("/w/\u{e9}", Nothing),
            ("/w/e\u{301}", Write),
        ],
    );
}

#[test]
fn attack_13_protected_names_are_so_in_any_case() {
    let profile = entries(
        None,
        &[
            ("/w", "write"),
            ("/v", "write"),
            ("/v/.codex", "write"),
            ("/v/.agents", "deny"),
            ("/r/.GIT/x", "read"),
        ],
    );
    check(
        &profile,
        &Made::default(),
        &[
            ("/w/.GIT/hooks/x", Read),
            ("/w/.Git", Read),
            ("/w/.CODEX/config.toml", Read),
            ("/w/d/.GIT", Write),
            ("/v/.Codex/x", Write),
            ("/v/.AGENTS/x", Nothing),
            ("/r/.GIT/x", Read),
        ],
    );
    assert!(
        !confined(&profile, &Made::default())
            .grants
            .may_rename(&path("/w/.GIT"))
    );
}

#[test]
fn attack_13_an_entry_for_git_leaves_what_its_pointer_leads_to_protected() {
    let host = Made {
        pointers: [(path("/w/.git"), path("/w/real/git"))].into(),
        ..Made::default()
    };
    for access in ["read", "deny"] {
        check(
            &entries(None, &[("/w", "write"), ("/w/.git", access)]),
            &host,
            &[("/w/real/git/hooks/x", Read), ("/w/real/x", Write)],
        );
    }
    check(
        &entries(None, &[("/w", "write"), ("/w/.git", "write")]),
        &host,
        &[("/w/real/git/hooks/x", Write)],
    );
    let legacy = r#"{"sandboxPolicy":{"type":"workspace-write"},"cwd":"/w"}"#;
    check(&sandbox(legacy), &host, &[("/w/real/git/hooks/x", Read)]);
}

#[test]
fn attack_13_no_link_on_the_way_to_what_is_read_only_can_be_exchanged() {
    let host = linked(&[
        ("/w/.git", "/w/links/git"),
        ("/w/links/git", "/w/store"),
        ("/w/docs", "/w/links/docs"),
        ("/w/links/docs", "/w/text"),
        ("/alias", "/w"),
        ("/w/no", "/w/hidden"),
    ]);
    let profile = entries(
        None,
        &[("/w", "write"), ("/w/docs", "read"), ("/alias/no", "deny")],
    );
    check(
        &profile,
        &host,
        &[
            ("/w/.git", Read),
            ("/w/links/git", Read),
            ("/w/store/hooks", Read),
            ("/w/docs", Read),
            ("/w/links/docs", Read),
            ("/w/text/f", Read),
            ("/w/no", Nothing),
            ("/w/hidden/f", Nothing),
            ("/w/links/other", Write),
        ],
    );
    // Nor the directory that they are in.
    assert!(confined(&profile, &host).grants.below(b"/w/links"));
}

/// Found by the plain reading: the link that a passing entry had held was taken for one that had its own rule.
#[test]
fn attack_13_a_protected_link_that_another_entry_goes_through_is_followed_all_the_same() {
    check(
        &entries(None, &[("/", "write"), ("/.codex/w", "deny")]),
        &linked(&[("/.codex", "/real")]),
        &[("/.codex", Read), ("/real/x", Read), ("/real/w", Nothing)],
    );
}

#[test]
fn attack_13_a_root_that_is_denied_by_another_name_is_so_with_its_protected_names() {
    check(
        &entries(None, &[("/w", "write"), ("/alias", "deny")]),
        &linked(&[("/alias", "/w")]),
        &[("/w/x", Nothing), ("/w/.git/config", Nothing)],
    );
}

#[test]
fn attack_14_a_working_directory_grants_nothing_by_itself() {
    let with_cwd = |rules: &[(&str, &str)]| entries(Some("/home/me"), rules);
    check(
        &with_cwd(&[("/w", "write"), (":slash_tmp", "write")]),
        &Made::default(),
        &[("/home/me", Nothing), ("/w/x", Write)],
    );
    // Where the roots are named, the working directory is none of them.
    let mut profile = with_cwd(&[(":project_roots", "write")]);
    profile.workspace_roots = Some(vec![path("/w")]);
    check(
        &profile,
        &Made::default(),
        &[("/home/me/x", Nothing), ("/w/x", Write)],
    );
    profile.workspace_roots = Some(Vec::new());
    check(&profile, &Made::default(), &[("/home/me/x", Nothing)]);
    // And the server's own never takes its place.
    profile.workspace_roots = None;
    profile.cwd = None;
    assert_eq!(
        Confinement::of(&profile, &Made::default()).unwrap_err(),
        ProfileError::NeedsCwd
    );
}

#[test]
fn attack_14_a_working_directory_inside_a_writable_root_leads_nowhere_else() {
    check(
        &entries(
            Some("/w/planted"),
            &[("/w", "write"), (":project_roots", "write")],
        ),
        &linked(&[("/w/planted", "/home/me")]),
        &[("/home/me/x", Nothing), ("/w/planted", Write)],
    );
}

/// Found by adding denials to random profiles: what a tie takes back must not make the links below it trustworthy.
#[test]
fn attack_14_links_below_what_an_entry_opens_are_not_trusted_for_a_denial_beside_it() {
    check(
        &entries(None, &[("/w", "write"), ("/w", "deny"), ("/w/l", "read")]),
        &linked(&[("/w/l", "/etc")]),
        &[("/etc/x", Nothing), ("/w/x", Nothing)],
    );
}

#[test]
fn a_denial_through_a_planted_link_stands_against_minimal() {
    check(
        &entries(
            None,
            &[("/w", "write"), ("/w/l", "deny"), (":minimal", "read")],
        ),
        &linked(&[("/w/l", "/usr")]),
        &[("/usr/lib/x", Nothing)],
    );
}

#[test]
fn reading_minimal_never_narrows_what_its_links_lead_to() {
    check(
        &entries(None, &[("/usr", "write"), (":minimal", "read")]),
        &linked(&[("/bin", "/usr/bin"), ("/lib", "/usr/lib")]),
        &[("/usr/bin/x", Write), ("/usr/lib", Write), ("/bin", Read)],
    );
}

#[test]
fn what_was_skipped_is_told_by_its_real_path_and_when_it_would_be_a_writable_root() {
    let host = Made {
        missing: vec![path("/w/later"), path("/w/new"), path("/w/same")],
        ..linked(&[("/alias", "/w")])
    };
    let profile = entries(
        None,
        &[
            ("/w", "write"),
            ("/alias/later", "deny?"),
            ("/w/new", "write?"),
            ("/r", "read"),
        ],
    );
    let absent = confined(&profile, &host).absent;
    assert_eq!(absent, [path("/w/later"), path("/w/new")]);
}

#[test]
fn a_grant_that_cannot_be_resolved_stands_as_it_is_written_and_a_restriction_does_not() {
    let host = Made {
        unresolvable: vec![path("/alias/loop"), path("/w/loop")],
        ..linked(&[("/alias", "/w")])
    };
    // The link itself is still under the entry that it is named by.
    check(
        &entries(None, &[("/w", "write"), ("/alias/loop", "read")]),
        &host,
        &[("/w/loop", Read), ("/w/x", Write)],
    );
    for access in ["read", "deny"] {
        let refused = Confinement::of(
            &entries(None, &[("/w", "write"), ("/w/loop", access)]),
            &host,
        );
        let at: AbsPath = path("/w/loop");
        assert!(
            matches!(refused, Err(ProfileError::Unresolved { path, .. }) if path == at),
            "{access}"
        );
    }
}
