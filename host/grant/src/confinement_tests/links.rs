//! Both spellings of rules, links that may be planted, and what stays read-only against wider grants.

use proptest::prelude::*;

use super::made::{Made, check, entries, path};
use crate::confinement::{Confined, Confinement};
use crate::grants::Allowed::{Nothing, Read, Seen, Write};
use crate::path::AbsPath;
use crate::profile::{Access, Sandbox};

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
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

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
