//! What is left of a profile within a policy's lists.

use std::collections::HashMap;

use super::made::{Made, entries, path, sandbox};
use crate::confinement::Confinement;
use crate::error::ProfileError;
use crate::grants::Allowed::{self, Nothing, Read, Seen, Write};
use crate::grants::Grants;
use crate::limits;
use crate::narrowing::{Access, GrantEntry, restricts};
use crate::path::PathError;
use crate::profile::Sandbox;

fn list(entries: &[(&str, &str)]) -> Vec<GrantEntry> {
    let entry = |(path, access): &(&str, &str)| GrantEntry {
        path: (*path).to_owned(),
        access: match *access {
            "none" => None,
            "look" => Some(Access::Look),
            "read" => Some(Access::Read),
            "write" => Some(Access::Write),
            other => panic!("no access {other}"),
        },
    };
    entries.iter().map(entry).collect()
}

fn linked(links: &[(&str, &str)]) -> Made {
    let links = links
        .iter()
        .map(|(link, target)| (path(link), path(target)));
    Made {
        links: links.collect(),
        ..Made::default()
    }
}

fn within(profile: &Sandbox, lists: &[Vec<GrantEntry>], host: &Made) -> Grants {
    let left = Confinement::of(profile, host)
        .and_then(|profile| profile.within(lists, host))
        .unwrap();
    match left {
        Confinement::Confined(confined) => confined.grants,
        Confinement::Direct => panic!("not confined"),
    }
}

fn disabled() -> Sandbox {
    sandbox(r#"{"permissions":{"type":"disabled"}}"#)
}

#[track_caller]
fn check(grants: &Grants, wanted: &[(&str, Allowed)]) {
    for (text, allowed) in wanted {
        assert_eq!(grants.allowed(&path(text)), *allowed, "{text}");
    }
}

#[test]
fn a_list_alone_is_what_holds_where_nothing_else_restricts() {
    let lists = [list(&[
        ("/", "look"),
        ("/w", "write"),
        ("/w/ro", "read"),
        ("/w/no", "none"),
        ("/w/no/yes", "read"),
        ("/etc/../usr", "read"),
    ])];
    check(
        &within(&disabled(), &lists, &Made::default()),
        &[
            ("/", Seen),
            ("/etc/passwd", Seen),
            ("/w/f", Write),
            ("/w/ro/f", Read),
            ("/w/no", Seen),
            ("/w/no/f", Nothing),
            ("/w/no/yes/f", Read),
            ("/w-evil/f", Seen),
            ("/usr/bin", Read),
        ],
    );
}

#[test]
fn of_two_entries_for_a_path_none_wins_and_then_the_one_that_allows_more() {
    let lists = [list(&[
        ("/a", "look"),
        ("/a", "read"),
        ("/b", "write"),
        ("/b", "read"),
        ("/c", "write"),
        ("/c", "none"),
    ])];
    check(
        &within(&disabled(), &lists, &Made::default()),
        &[("/a/f", Read), ("/b/f", Write), ("/c/f", Nothing)],
    );
}

#[test]
fn all_lists_hold_and_the_profile_too() {
    let profile = entries(
        None,
        &[("/", "read"), ("/w", "write"), ("/w/**/*.key", "deny")],
    );
    let lists = [
        list(&[("/", "write"), ("/w/held", "read")]),
        list(&[("/w", "write"), ("/usr", "read")]),
    ];
    let grants = within(&profile, &lists, &Made::default());
    check(
        &grants,
        &[
            ("/", Seen),
            ("/etc", Nothing),
            ("/usr/f", Read),
            ("/w/f", Write),
            ("/w/a.key", Nothing),
            ("/w/held/f", Read),
        ],
    );
    let one = |one: &str, other: &str| grants.under_one_rule(&path(one), &path(other));
    assert!(one("/w/a", "/w/b") && !one("/w/a", "/w/held/a"));
    assert!(grants.rules_below(&path("/w")) && !grants.rules_below(&path("/w/a")));
    assert!(grants.may_rename(&path("/w/a")) && !grants.may_rename(&path("/w")));
    assert!(!grants.may_rename(&path("/w/held")) && !grants.may_rename(&path("/w/held/a")));
    let whole = within(
        &entries(None, &[("/w", "write")]),
        &[list(&[("/w", "read")])],
        &Made::default(),
    );
    assert!(!whole.below(b"/w/d") && whole.bytes() > Grants::none().bytes());
}

#[test]
fn what_takes_nothing_away_leaves_the_request_as_it_is() {
    let whole = [list(&[("/", "write"), ("/w", "write")])];
    let left = Confinement::of(&disabled(), &Made::default())
        .and_then(|profile| profile.within(&whole, &Made::default()));
    assert!(matches!(left, Ok(Confinement::Direct)));
    assert!(!restricts(&whole) && !restricts(&[]));
    for less in [
        list(&[]),
        list(&[("/w", "write")]),
        list(&[("/", "read")]),
        list(&[("/", "write"), ("/w", "look")]),
        list(&[("/", "write"), ("/", "none")]),
        list(&[("relative", "write")]),
    ] {
        assert!(restricts(&[whole[0].clone(), less.clone()]), "{less:?}");
    }
    check(
        &within(&disabled(), &[list(&[])], &Made::default()),
        &[("/", Nothing), ("/w", Nothing)],
    );
}

#[test]
fn attack_03_both_spellings_of_a_list_mean_the_same() {
    let host = linked(&[("/work", "/mnt/disk"), ("/secret", "/mnt/disk/s")]);
    let lists = [list(&[
        ("/work", "write"),
        ("/secret", "none"),
        ("/lib", "look"),
    ])];
    check(
        &within(&disabled(), &lists, &host),
        &[
            ("/work/f", Write),
            ("/mnt/disk/f", Write),
            ("/mnt/disk/s/f", Nothing),
            ("/secret", Nothing),
            ("/lib/f", Seen),
        ],
    );
}

#[test]
fn attack_03_a_link_that_a_list_lets_somebody_plant_widens_nothing() {
    let host = linked(&[
        ("/w/up", "/etc"),
        ("/w/seen", "/usr"),
        ("/w/no", "/srv"),
        ("/w/read", "/opt"),
    ]);
    let lists = [list(&[
        ("/w", "write"),
        ("/w/up", "write"),
        ("/w/seen", "look"),
        ("/w/no", "none"),
        ("/w/read", "read"),
        ("/usr", "read"),
        ("/srv", "read"),
    ])];
    check(
        &within(&disabled(), &lists, &host),
        &[
            ("/etc/passwd", Nothing),
            ("/opt/f", Nothing),
            ("/srv/f", Nothing),
            // An entry names it.
            ("/usr/f", Read),
            // Who could exchange the link would get past the rule.
            ("/w/seen", Seen),
            ("/w/read", Read),
        ],
    );
    let lists = [list(&[("/", "read"), ("/w", "write"), ("/w/seen", "look")])];
    check(
        &within(&disabled(), &lists, &host),
        &[("/usr/f", Seen), ("/usr", Seen), ("/etc/f", Read)],
    );
}

#[test]
fn attack_13_protected_names_stay_until_a_list_names_them() {
    let host = Made {
        pointers: HashMap::from([(path("/w/.git"), path("/repositories/w"))]),
        own: vec![path("/w/cache")],
        ..Made::default()
    };
    let lists = [list(&[
        ("/w", "write"),
        ("/v", "write"),
        ("/v/.git", "write"),
        ("/repositories", "write"),
    ])];
    check(
        &within(&disabled(), &lists, &host),
        &[
            ("/w/.git/config", Read),
            ("/w/.GIT/config", Read),
            ("/w/.codex/f", Read),
            ("/w/f", Write),
            ("/v/.git/config", Write),
            ("/repositories/w/hooks/f", Read),
            ("/repositories/other/f", Write),
            ("/w/cache/f", Read),
        ],
    );
}

#[test]
fn a_list_that_cannot_be_enforced_leaves_nothing() {
    let host = Made {
        unresolvable: vec![path("/w/loop")],
        ..Made::default()
    };
    let refused = |list: Vec<GrantEntry>| {
        let profile = Confinement::of(&disabled(), &host).unwrap();
        match profile.within(&[list], &host).unwrap_err() {
            ProfileError::Narrowing(error) => *error,
            other => panic!("{other}"),
        }
    };
    assert_eq!(
        refused(list(&[("/w", "write"), ("work", "read")])),
        ProfileError::Path {
            path: "work".into(),
            error: PathError::Relative
        }
    );
    for taken_back in ["none", "look", "read"] {
        let error = refused(list(&[("/w", "write"), ("/w/loop", taken_back)]));
        assert!(matches!(error, ProfileError::Unresolved { .. }), "{error}");
    }
    let many: Vec<_> = (0..=limits::ENTRIES)
        .flat_map(|number| list(&[(&*format!("/{number}"), "read")]))
        .collect();
    assert_eq!(refused(many), ProfileError::TooManyEntries(2049));
    let long = list(&[(&*format!("/{}", "a".repeat(5_000)), "read")]);
    let ProfileError::Path { path, .. } = refused(long) else {
        panic!("taken");
    };
    assert_eq!(path.len(), limits::SHOWN_PATH_CHARS);
}
