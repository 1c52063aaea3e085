//! Requests that an operator's policies narrow: without a profile of their own, and with one.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use lockgate_capfs::{CapFs, Files, GrantEntry, PathBackEnd, Sandbox};
use tar::{Builder, EntryType, Header};

use crate::world::{Way, World, both, options, snapshot};

/// Rules like `w=write`, of which `/` is the root itself.
fn list(world: &World, rules: &[&str]) -> Vec<GrantEntry> {
    let entry = |rule: &&str| {
        let (path, access) = rule.rsplit_once('=').unwrap();
        let path = match path {
            "/" => path.to_owned(),
            path => world.at(path).to_str().unwrap().to_owned(),
        };
        let json = match access {
            "none" => format!(r#"{{"path":"{path}"}}"#),
            access => format!(r#"{{"path":"{path}","access":"{access}"}}"#),
        };
        serde_json::from_str(&json).unwrap()
    };
    rules.iter().map(entry).collect()
}

fn capped(world: &World, sandbox: Option<&Arc<Sandbox>>, lists: &[&[&str]]) -> Files {
    let lists: Vec<_> = lists.iter().map(|rules| list(world, rules)).collect();
    world
        .capfs
        .confine_within(sandbox, &lists, world.session)
        .unwrap()
}

#[track_caller]
fn check(world: &World, files: &Files, table: &[(&str, &str)]) {
    for (operation, wanted) in table {
        let found = world.run(files, operation);
        assert_eq!(found, *wanted, "{operation}, by {:?}", world.way);
    }
}

#[test]
fn a_request_without_a_profile_gets_what_the_lists_allow() {
    both(|world| {
        world.make(&["w/f=mine", "ro/f=read", "seen/f=facts", "secret/f=theirs"]);
        let lists: [&[&str]; 2] = [
            &["w=write", "ro=read", "seen=look", "secret=write"],
            &["/=write", "secret=none"],
        ];
        check(
            world,
            &capped(world, None, &lists),
            &[
                ("read w/f", "mine"),
                ("write w/f more", "ok"),
                ("read ro/f", "read"),
                ("write ro/f more", "rofs"),
                ("stat seen/f", "file"),
                ("stat seen/none", "noent"),
                ("real seen/f", "seen/f"),
                ("read seen/f", "access"),
                ("list seen", "access"),
                ("write seen/f more", "access"),
                ("rm seen/f", "access"),
                ("stat secret/f", "noent"),
                ("stat secret", "noent"),
                ("read /etc/passwd", "noent"),
                ("copy seen/f w/g", "access"),
                ("copy ro/f w/g", "ok"),
            ],
        );
    });
}

#[test]
fn a_profile_and_the_lists_both_hold() {
    both(|world| {
        world.make(&["w/f=x", "w/in/f=x", "w/in/a.key=x", "out/f=x"]);
        let sandbox = world.profile(&["w=write", "w/in/*.key=deny"]);
        check(
            world,
            &capped(world, Some(&sandbox), &[&["/=read", "w/in=write"]]),
            &[
                ("read w/f", "x"),
                ("write w/f y", "rofs"),
                ("write w/in/f y", "ok"),
                ("read w/in/a.key", "noent"),
                ("write w/in/a.key y", "access"),
                ("read out/f", "noent"),
                ("rename w/in/f w/f", "rofs"),
                ("list w/in", "f"),
                // The name belongs to a directory that may only be read.
                ("rename w/in w/away", "access"),
            ],
        );
    });
}

#[test]
fn the_same_lists_again_find_the_same_scope() {
    let home = World::new(Way::Gate(PathBackEnd::Openat2));
    let world = home.through(CapFs::new(options(PathBackEnd::Openat2)).unwrap());
    world.make(&["w/f=x"]);
    let sandbox = world.profile(&["w=write"]);
    for _ in 0..2 {
        for sandbox in [None, Some(&sandbox)] {
            for lists in [
                &[&["w=read"][..]][..],
                &[&["w=write"]],
                &[&["w=write"], &["w=read"]],
            ] {
                let files = capped(&world, sandbox, lists);
                assert_eq!(world.run(&files, "read w/f"), "x");
            }
        }
    }
    let report = world.capfs.report();
    assert_eq!((report.scopes, report.warm_instances), (6, 6));
    let lists = [list(&world, &["w=read"])];
    let at_hand = |session| world.capfs.at_hand_within(None, &lists, session).is_some();
    assert!(at_hand(world.session) && !at_hand(world.session + 1));
    world.capfs.forget(world.session);
    assert!(!at_hand(world.session));
    assert_eq!(world.capfs.report().scopes, 0);
}

#[test]
fn lists_that_take_nothing_away_cost_nothing() {
    let world = World::new(Way::Gate(PathBackEnd::Openat2));
    for lists in [&[][..], &[&["/=write"][..]]] {
        let files = capped(&world, None, lists);
        assert!(matches!(files, Files::Direct), "{lists:?}");
    }
    let unremembered = world.capfs.at_hand_within(None, &[], u64::MAX);
    assert!(matches!(unremembered, Some(Files::Direct)));
}

#[test]
fn what_cannot_be_enforced_is_refused_and_not_left_out() {
    let world = World::new(Way::Gate(PathBackEnd::Openat2));
    world.make(&["w/loop>loop"]);
    let mut lists = [list(&world, &["w=write", "w/loop=none"])];
    let refused = |lists: &[Vec<GrantEntry>]| {
        let refused = world.capfs.confine_within(None, lists, world.session);
        refused.unwrap_err().to_string()
    };
    let error = refused(&lists);
    assert!(
        error.starts_with(
            "the grant that a policy narrows this request to cannot be enforced: sandbox path"
        ),
        "{error}"
    );
    lists[0][0].path = "w".to_owned();
    let error = refused(&lists);
    assert!(
        error.contains(r#"the path "w": path is not absolute"#),
        "{error}"
    );
}

#[test]
fn attack_03_no_link_leads_a_narrowed_request_out() {
    both(|world| {
        world.make(&[
            "secret/f=theirs",
            "w/file>$/secret/f",
            "w/dir>../secret",
            "w/d/chain>../dir",
            "w/dangling>$/secret/new",
        ]);
        let files = capped(world, None, &[&["w=write"]]);
        let before = snapshot(&world.at("secret"));
        check(
            world,
            &files,
            &[
                ("read w/file", "noent"),
                ("read w/dir/f", "noent"),
                ("read w/d/chain/f", "noent"),
                ("list w/dir", "noent"),
                ("write w/file mine", "access"),
                ("write w/dangling mine", "access"),
                ("write w/dir/new mine", "access"),
                ("append w/file mine", "access"),
                ("mkdirs w/dir/new/er", "access"),
                ("rm w/dir/f", "access"),
                ("chmod w/file 777", "noent"),
                ("copytree w/dir w/copy", "ok"),
                ("symlink $/secret w/planted", "ok"),
                ("read w/planted/f", "noent"),
                ("write w/planted/f mine", "access"),
                ("rename w/planted w/renamed", "ok"),
                ("read w/renamed/f", "noent"),
                ("rmtree w/dir", "ok"),
            ],
        );
        assert_eq!(snapshot(&world.at("secret")), before);
        // A link is copied as one.
        assert!(world.at("w/copy").is_symlink());
    });
}

#[test]
fn attack_01_no_spelling_leads_a_narrowed_request_out() {
    both(|world| {
        world.make(&["w/d/", "secret=theirs", "w-evil/f=theirs"]);
        let files = capped(world, None, &[&["w=write"]]);
        let inside = world.at("w").to_str().unwrap().to_owned();
        for path in [
            "../secret",
            "d/../../secret",
            "../w-evil/f",
            "../../../../../etc/passwd",
        ] {
            check(
                world,
                &files,
                &[(&format!("read {inside}/{path}"), "noent")],
            );
            let refused = world.run(&files, &format!("write {inside}/{path} mine"));
            assert_eq!(refused, "access", "{path}");
        }
    });
}

#[test]
fn attack_10_no_rename_takes_anything_in_or_out_of_a_narrowed_request() {
    both(|world| {
        world.make(&["w/f=mine", "w/d/g=mine", "ro/f=theirs", "secret/f=theirs"]);
        let lists: [&[&str]; 2] = [&["w=write", "ro=read"], &["/=write"]];
        let files = capped(world, None, &lists);
        check(
            world,
            &files,
            &[
                ("rename ro/f w/taken", "rofs"),
                ("rename secret/f w/taken", "noent"),
                ("rename w/f secret/given", "access"),
                ("rename w/f ro/given", "rofs"),
                ("rename w v", "access"),
                ("rename w/d secret", "access"),
                ("rename w/d w/e", "ok"),
            ],
        );
        assert_eq!(world.text("ro/f") + &world.text("w/e/g"), "theirsmine");
    });
}

#[test]
fn attack_09_a_hard_link_in_a_tree_gives_nothing_of_another_directory() {
    both(|world| {
        world.make(&["w/", "secret/f=theirs"]);
        let files = capped(world, None, &[&["w=write"]]);
        let mut tar = Builder::new(Vec::new());
        let mut add = |kind, name: &str, target: &str, data: &[u8]| {
            let mut header = Header::new_gnu();
            header.set_entry_type(kind);
            header.set_mode(0o644);
            header.set_size(data.len() as u64);
            let fields = header.as_gnu_mut().unwrap();
            fields.name[..name.len()].copy_from_slice(name.as_bytes());
            fields.linkname[..target.len()].copy_from_slice(target.as_bytes());
            header.set_cksum();
            tar.append(&header, data).unwrap();
        };
        let secret = world.at("secret");
        add(EntryType::Link, "hard", "../secret/f", b"");
        add(
            EntryType::Link,
            "whole",
            secret.join("f").to_str().unwrap(),
            b"",
        );
        add(EntryType::Symlink, "soft", secret.to_str().unwrap(), b"");
        add(EntryType::Regular, "soft/new", "", b"mine");
        add(EntryType::Regular, "soft/f", "", b"mine");
        add(EntryType::Regular, "../secret/f", "", b"mine");
        add(EntryType::Regular, "kept", "", b"mine");
        let tar = tar.into_inner().unwrap();

        let mut tree = files.upload(&world.abs("w")).unwrap();
        tree.write(&tar).unwrap();
        let report = tree.finish().unwrap();
        assert_eq!(world.text("w/kept"), "mine", "{report:?}");
        assert_eq!(world.text("secret/f"), "theirs");
        assert_eq!(fs::read_dir(&secret).unwrap().count(), 1);
        assert_eq!(secret.join("f").metadata().unwrap().nlink(), 1);

        // What comes down holds the link and nothing behind it.
        let mut tree = files.download(&world.abs("w")).unwrap();
        let mut bytes = Vec::new();
        loop {
            let piece = tree.read(1 << 16).unwrap();
            bytes.extend_from_slice(&piece);
            if piece.len() < 1 << 16 {
                break;
            }
        }
        let mut archive = tar::Archive::new(&*bytes);
        for entry in archive.entries().unwrap() {
            let mut text = String::new();
            entry.unwrap().read_to_string(&mut text).unwrap();
            assert_ne!(text, "theirs");
        }
    });
}

#[test]
fn attack_13_what_others_run_stays_as_it_is_until_a_list_names_it() {
    both(|world| {
        world.make(&["w/.git/config=theirs", "v/.git/config=theirs"]);
        let files = capped(world, None, &[&["w=write", "v=write", "v/.git=write"]]);
        check(
            world,
            &files,
            &[
                ("read w/.git/config", "theirs"),
                ("write w/.git/config mine", "rofs"),
                ("write w/.git/hooks mine", "rofs"),
                ("mkdirs w/.codex/x", "rofs"),
                ("rename w/.git w/git", "rofs"),
                ("rmtree w/.git", "rofs"),
                ("write v/.git/config mine", "ok"),
            ],
        );
    });
}
