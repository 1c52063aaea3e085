//! Symbolic links: followed wherever they stay inside the grants, by the guest, as the system would.

use crate::world::{both, everywhere};

#[test]
fn links_inside_the_grant_are_followed_like_the_system_follows_them() {
    everywhere(|world| {
        world.make(&[
            "w/f=text",
            "w/d/g=deep",
            "w/relative>f",
            "w/absolute>$/w/f",
            "w/dir>d",
            "w/d/up>../f",
            "w/chain1>chain2",
            "w/chain2>chain3",
            "w/chain3>d/g",
            "w/loop1>loop2",
            "w/loop2>loop1",
            "w/self>self",
            "w/dangling>nothing",
            "w/dots>./d/.././d/g",
            "w/d/back>../../w/d/g",
            "w/above>../../../../../../../../../../$/w/f",
            "w/through>dir/up",
            "w/slash>d/",
            "w/fileslash>f/",
            "w/filedot>f/.",
            "w/missingup>nothing/../f",
            "w/fileup>f/../f",
            "w/dirup>dir/../f",
            "w/d/e/",
            "w/e>d/e",
            "w/eup>e/../g",
            "w/double>d//g",
        ]);
        world.table(
            &["w=write"],
            &[
                ("read w/relative", "text"),
                ("read w/absolute", "text"),
                ("read w/dir/g", "deep"),
                ("read w/d/up", "text"),
                ("read w/dir/up", "text"),
                ("read w/chain1", "deep"),
                ("read w/loop1", "loop"),
                ("read w/self", "loop"),
                ("stat w/loop1", "loop"),
                ("read w/dangling", "noent"),
                ("stat w/dangling", "noent"),
                ("read w/dots", "deep"),
                ("read w/d/back", "deep"),
                ("read w/above", "text"),
                ("read w/through", "text"),
                ("list w/slash", "back e/ g up"),
                ("read w/fileslash", "notdir"),
                ("read w/filedot", "notdir"),
                ("read w/missingup", "noent"),
                ("read w/fileup", "notdir"),
                ("read w/dirup", "text"),
                ("read w/eup", "deep"),
                ("read w/double", "deep"),
                ("read w/relative/x", "notdir"),
                ("stat w/relative", "link to file"),
                ("stat w/dir", "link to directory"),
                ("stat w/dir/g", "file"),
                ("stat w/chain1", "link to file"),
                ("stat w/dir/up", "link to file"),
                ("real w/chain1", "w/d/g"),
                ("real w/dir/up", "w/f"),
                ("real w/above", "w/f"),
                ("list w/dir", "back e/ g up"),
                ("list w/d", "back e/ g up"),
            ],
        );
    });
}

#[test]
fn broken_links_are_left_out_of_listings() {
    everywhere(|world| {
        world.make(&[
            "w/f=x",
            "w/d/",
            "w/to-file>f",
            "w/to-dir>d",
            "w/broken>none",
            "w/loop>loop",
        ]);
        world.table(
            &["w=read"],
            &[
                ("list w", "d/ f to-dir/ to-file"),
                (
                    "walk w",
                    "w/d w/f w/loop:Too many levels of symbolic links (os error 40) w/to-file",
                ),
            ],
        );
    });
}

#[test]
fn forty_links_are_followed_and_no_more() {
    everywhere(|world| {
        world.make(&["w/l0=text"]);
        for link in 1..=41 {
            world.make(&[&format!("w/l{link}>l{}", link - 1)]);
        }
        world.table(
            &["w=read"],
            &[
                ("read w/l40", "text"),
                ("read w/l41", "loop"),
                ("real w/l40", "w/l0"),
            ],
        );
    });
}

#[test]
fn writing_through_links_writes_what_they_lead_to() {
    everywhere(|world| {
        world.make(&[
            "w/f=old",
            "w/l>f",
            "w/new>made",
            "w/d/",
            "w/dir>d",
            "w/newdir>made.d",
            "w/slash>made2/",
        ]);
        world.table(
            &["w=write"],
            &[
                ("write w/l text", "ok"),
                ("read w/f", "text"),
                ("stat w/l", "link to file"),
                ("write w/new born", "ok"),
                ("read w/made", "born"),
                ("write w/dir/x y", "ok"),
                ("read w/d/x", "y"),
                ("mkdirs w/newdir", "exist"),
                ("mkdirs w/dir/a/b", "ok"),
                ("stat w/d/a/b", "directory"),
                ("copy w/f w/dir/copied", "ok"),
                ("read w/d/copied", "text"),
                ("rm w/dir/x", "ok"),
                ("read w/d/x", "noent"),
                ("copy w/d/copied w/l", "ok"),
                ("stat w/l", "link to file"),
            ],
        );
        assert_eq!(world.text("w/made"), "born");
    });
}

#[test]
fn no_link_is_followed_where_the_request_forbids_it() {
    everywhere(|world| {
        world.make(&["w/f=text", "w/d/g=x", "w/l>f", "w/dir>d", "w/broken>none"]);
        world.table(
            &["w=write"],
            &[
                ("read! w/f", "text"),
                ("read! w/l", "link refused"),
                ("read! w/dir/g", "link refused"),
                ("stat! w/f", "file"),
                ("stat! w/l", "link refused"),
                ("stat! w/broken", "link refused"),
                ("write! w/l x", "link refused"),
                ("write! w/broken x", "link refused"),
                ("write! w/dir/x y", "link refused"),
                ("write! w/new y", "ok"),
                ("mkdirs! w/dir/x", "link refused"),
                ("mkdirs! w/made/x", "ok"),
                ("rm! w/dir/g", "link refused"),
                ("rm! w/l", "link refused"),
                ("rm! w/f", "ok"),
            ],
        );
        assert!(world.exists("w/l") && !world.exists("w/none"));
    });
}

#[test]
fn attack_03_links_out_of_the_grant_lead_nowhere() {
    both(|world| {
        world.make(&[
            "w/f=mine",
            "out/secret=theirs",
            "out/d/x=theirs",
            "w/absolute>$/out/secret",
            "w/relative>../out/secret",
            "w/dir>$/out/d",
            "w/up>..",
            "w/root>/",
            "w/chain>absolute",
            "w/create>$/out/new",
            "w/etc>/etc/passwd",
            "w/roundabout>../out/../w/f",
        ]);
        world.table(
            &["w=write"],
            &[
                ("read w/absolute", "noent"),
                ("read w/relative", "noent"),
                ("read w/dir/x", "noent"),
                ("list w/dir", "noent"),
                ("read w/up/out/secret", "noent"),
                ("list w/up/out", "noent"),
                ("read w/chain", "noent"),
                ("read w/etc", "noent"),
                ("read w/root/etc/passwd", "noent"),
                ("stat w/absolute", "noent"),
                ("stat w/dir", "noent"),
                ("real w/absolute", "noent"),
                ("write w/absolute x", "access"),
                ("write w/create x", "access"),
                ("write w/dir/new x", "access"),
                ("mkdirs w/dir/new", "access"),
                ("rm w/dir/x", "access"),
                ("rmforce w/dir/x", "access"),
                ("rmtree w/dir/", "ok"),
                ("copy w/absolute w/copied", "ok"),
                ("read w/copied", "noent"),
                ("copytree w/up/out w/copies", "noent"),
                ("copy w/f w/relative", "access"),
                // `out` may not be seen, so neither may what `..` leaves it to; bubblewrap has it so, too.
                ("read w/roundabout", "noent"),
                ("read w/up/w/f", "mine"),
            ],
        );
        assert_eq!(world.text("out/secret"), "theirs");
        assert!(!world.exists("out/new") && world.exists("out/d/x"));
    });
}

#[test]
fn attack_03_chains_loops_and_dangling_links_lead_nowhere_else() {
    both(|world| {
        world.make(&[
            "w/f=mine",
            "w/d/",
            "out/secret=theirs",
            "out/d/x=theirs",
            // The fortieth link is the one that leads out.
            "w/l0>$/out/secret",
            "w/m0>$/out/d",
            "w/round>about",
            "w/about>round/x",
            "w/inner>d/none/deeper",
            "w/dangling>dangling2",
            "w/dangling2>d/made",
            "w/escaping>escaping2",
            "w/escaping2>../out/new",
            "w/file>f",
            "w/filed>f/",
        ]);
        for link in 1..40 {
            world.make(&[
                &format!("w/l{link}>l{}", link - 1),
                &format!("w/m{link}>./m{}", link - 1),
            ]);
        }
        world.table(
            &["w=write"],
            &[
                ("read w/l39", "noent"),
                ("stat w/l39", "noent"),
                ("real w/l39", "noent"),
                ("write w/l39 x", "access"),
                ("copy w/f w/l39", "access"),
                ("chmod w/l39 777", "noent"),
                ("list w/m39", "noent"),
                ("read w/m39/x", "noent"),
                ("write w/m39/x y", "access"),
                ("mkdirs w/m39/a/b", "access"),
                ("rm w/m39/x", "access"),
                ("rename w/m39/x w/taken", "noent"),
                ("rename w/f w/m39/f", "access"),
                ("read w/round", "loop"),
                ("list w/about/x", "loop"),
                ("write w/round x", "loop"),
                ("mkdirs w/round/x", "loop"),
                ("rm w/round/x", "loop"),
                ("copytree w/about/ w/x", "ok"),
                ("rename w/f w/round/f", "loop"),
                ("read w/inner", "noent"),
                ("write w/inner x", "noent"),
                ("write w/dangling born", "ok"),
                ("read w/d/made", "born"),
                ("write w/escaping x", "access"),
                ("mkdirs w/escaping/x", "access"),
                ("copy w/f w/escaping", "access"),
                ("read w/file/x", "notdir"),
                ("write w/file/x y", "notdir"),
                ("mkdirs w/file/x", "notdir"),
                ("list w/file", "notdir"),
                ("rm w/file/x", "notdir"),
                ("copytree w/d w/file/x", "notdir"),
                ("rename w/d w/file/x", "notdir"),
                ("read w/filed", "notdir"),
                ("write w/filed x", "notdir"),
            ],
        );
        assert_eq!(world.text("out/secret"), "theirs");
        assert!(!world.exists("out/new") && world.exists("out/d/x"));
        assert_eq!(world.text("w/f"), "mine");
    });
}

#[test]
fn attack_04_a_new_name_below_a_link_is_made_where_the_link_leads_or_not_at_all() {
    both(|world| {
        world.make(&[
            "w/in/",
            "out/",
            "w/inner>in",
            "w/outer>$/out",
            "w/deep>$/out/none",
            "w/rel>../out",
        ]);
        world.table(
            &["w=write"],
            &[
                ("write w/inner/x y", "ok"),
                ("mkdirs w/inner/a/b", "ok"),
                ("write w/outer/x y", "access"),
                ("write w/deep/x y", "access"),
                ("write w/rel/x y", "access"),
                ("mkdirs w/outer/a/b", "access"),
                ("mkdirs w/deep/a", "access"),
                ("copy w/in/x w/outer/x", "access"),
                ("copytree w/in w/outer/t", "access"),
            ],
        );
        assert_eq!(std::fs::read_dir(world.at("out")).unwrap().count(), 0);
        assert!(world.exists("w/in/a/b"));
    });
}

#[test]
fn links_from_one_grant_to_another_are_followed() {
    both(|world| {
        world.make(&[
            "w/l>$/r/f",
            "w/d>$/r",
            "r/f=text",
            "r/back>$/w/g",
            "w/g=writable",
        ]);
        world.table(
            &["w=write", "r=read"],
            &[
                ("read w/l", "text"),
                ("list w/d", "back f"),
                ("write w/l x", "rofs"),
                ("write w/d/new x", "rofs"),
                ("rm w/d/f", "rofs"),
                ("write r/back changed", "ok"),
                ("read w/g", "changed"),
                ("copy w/l w/copied", "ok"),
                ("stat w/copied", "link to file"),
                ("copytree w/d w/tree", "ok"),
                ("stat w/tree", "link to directory"),
            ],
        );
    });
}

#[test]
fn a_granted_root_is_reached_under_its_other_name_too() {
    both(|world| {
        world.make(&[
            "real/d/f=text",
            "alias>$/real",
            "chain>alias",
            "real/l>$/alias/d",
        ]);
        world.table(
            &["alias/d=write"],
            &[
                ("read alias/d/f", "text"),
                ("read real/d/f", "text"),
                ("read chain/d/f", "noent"),
                ("write alias/d/g x", "ok"),
                ("real alias/d/f", "real/d/f"),
                ("stat alias", "link to directory"),
                ("list alias", "access"),
                ("read alias/other", "noent"),
                ("rmtree alias", "access"),
            ],
        );
        world.table(
            &["alias=read"],
            &[("read alias/l/f", "text"), ("list alias", "d/ l/")],
        );
    });
}
