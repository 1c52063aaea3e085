//! What the rules of a profile come to, operation by operation (PROTOCOL.md 6.3, 6.6).

use std::sync::Arc;

use lockgate_grant::profile::{FileSystem, Permissions};

use crate::world::both;

#[test]
fn what_is_only_readable_is_not_changed() {
    both(|world| {
        world.make(&["r/f=text", "r/d/g=x", "w/f=w"]);
        world.table(
            &["r=read", "w=write"],
            &[
                ("read r/f", "text"),
                ("list r", "d/ f"),
                ("walk r", "r/d r/d/g r/f"),
                ("write r/f x", "rofs"),
                ("write r/new x", "rofs"),
                ("mkdir r/new", "rofs"),
                ("mkdirs r/d", "ok"),
                ("mkdirs r/d/new", "rofs"),
                ("rm r/f", "rofs"),
                ("rmtree r/d", "rofs"),
                ("rmforce r/none", "ok"),
                ("copy r/f w/copied", "ok"),
                ("read w/copied", "text"),
                ("copy w/f r/f", "rofs"),
                ("copytree r w/tree", "ok"),
                ("read w/tree/d/g", "x"),
                ("copytree w r/tree", "rofs"),
            ],
        );
        assert_eq!(world.text("r/f"), "text");
        assert!(world.exists("r/d/g"));
    });
}

#[test]
fn where_nothing_is_granted_nothing_is_there() {
    both(|world| {
        world.make(&["w/f=x", "other/f=secret", "workspace/f=secret"]);
        world.table(
            &["w=write"],
            &[
                ("read other/f", "noent"),
                ("read other/none", "noent"),
                ("stat other", "noent"),
                ("stat other/f", "noent"),
                ("list other", "noent"),
                ("real other/f", "noent"),
                ("walk other", "noent"),
                ("write other/f x", "access"),
                ("write other/new x", "access"),
                ("mkdirs other/new", "access"),
                ("rm other/f", "access"),
                ("rmforce other/f", "access"),
                ("rmforce other/none", "access"),
                ("copy other/f w/x", "noent"),
                ("copy w/f other/x", "access"),
                ("read workspace/f", "noent"),
                ("stat /etc/passwd", "noent"),
                ("read /etc/passwd", "noent"),
            ],
        );
        assert_eq!(world.text("other/f"), "secret");
    });
}

#[test]
fn what_lies_above_a_grant_is_seen_and_no_more() {
    both(|world| {
        world.make(&["a/b/w/f=x", "a/other=x", "a/b/file=x"]);
        world.table(
            &["a/b/w=write"],
            &[
                ("stat a", "directory"),
                ("stat a/b", "directory"),
                ("stat /", "directory"),
                ("real a/b", "a/b"),
                ("list a", "access"),
                ("list /", "access"),
                ("walk a", "a:Permission denied (os error 13)"),
                ("read a", "access"),
                ("write a x", "isdir"),
                ("stat a/other", "noent"),
                ("mkdir a", "access"),
                ("mkdirs a", "ok"),
                ("mkdirs a/new", "access"),
                ("rmtree a", "access"),
                ("rmtree a/b/w", "access"),
                ("copytree a a/b/w/x", "into itself"),
            ],
        );
    });
}

#[test]
fn denials_inside_grants_and_grants_inside_denials() {
    both(|world| {
        world.make(&[
            "w/f=x",
            "w/no/secret=s",
            "w/no/again/ok=o",
            "w/no/again/deny/s=s",
            "w/no/one=1",
            "w/l>no/secret",
        ]);
        world.table(
            &[
                "w=write",
                "w/no=deny",
                "w/no/again=read",
                "w/no/again/deny=none",
                "w/no/one=write",
            ],
            &[
                ("read w/no/secret", "noent"),
                ("read w/l", "noent"),
                ("stat w/no/secret", "noent"),
                ("stat w/no", "directory"),
                ("list w/no", "access"),
                ("read w/no/again/ok", "o"),
                ("list w/no/again", "ok"),
                ("read w/no/again/deny/s", "noent"),
                ("write w/no/again/new x", "rofs"),
                ("read w/no/one", "1"),
                ("write w/no/one 2", "ok"),
                ("rm w/no/one", "access"),
                ("write w/no/new x", "access"),
                ("list w", "f no/"),
                ("walk w", "w/f w/no w/no:Permission denied (os error 13)"),
                ("copytree w/no/again w/copy", "ok"),
                ("walk w/copy", "w/copy/ok"),
                ("rmtree w/no", "access"),
                ("rmforce w/no/secret", "access"),
                ("copy w/no/secret w/x", "noent"),
            ],
        );
        assert_eq!(world.text("w/no/secret"), "s");
    });
}

#[test]
fn denied_names_are_left_out_of_listings_walks_and_copies() {
    both(|world| {
        world.make(&["w/a=1", "w/b=2", "w/d/c=3", "w/d/e/f=4"]);
        let rules = ["w=write", "w/b=deny", "w/d/e=deny"];
        world.table(
            &rules,
            &[
                ("list w", "a d/"),
                ("list w/d", "c"),
                ("walk w", "w/a w/d w/d/c"),
                ("copytree w/d w/t", "ok"),
                ("walk w/t", "w/t/c"),
                // What is denied stays, so what holds it cannot go.
                ("rmtree w/d", "notempty"),
            ],
        );
        assert_eq!(world.text("w/d/e/f"), "4");
    });
}

#[test]
fn single_files_are_granted_without_their_directory() {
    both(|world| {
        world.make(&["d/read=r", "d/write=w", "d/other=o", "d/l>write"]);
        world.table(
            &["d/read=read", "d/write=write", "d/none=write"],
            &[
                ("read d/read", "r"),
                ("write d/read x", "rofs"),
                ("write d/write new", "ok"),
                ("read d/write", "new"),
                ("rm d/write", "access"),
                ("rmforce d/write", "access"),
                ("stat d/other", "noent"),
                ("list d", "access"),
                ("stat d", "directory"),
                ("read d/l", "noent"),
                ("read d/none", "noent"),
                ("write d/none made", "ok"),
                ("read d/none", "made"),
                ("write d/more x", "access"),
            ],
        );
    });
}

#[test]
fn reading_everything_and_writing_a_little() {
    both(|world| {
        world.make(&[
            "w/f=x",
            "w/ro/g=y",
            "w/ro/rw/h=z",
            "other=o",
            "w/etc>/etc/hostname",
        ]);
        world.table(
            &["/=read", "w=write", "w/ro=read", "w/ro/rw=write"],
            &[
                ("read other", "o"),
                ("write other x", "rofs"),
                ("write w/f new", "ok"),
                ("write w/ro/g x", "rofs"),
                ("write w/ro/rw/h new", "ok"),
                ("rm w/ro/rw/h", "ok"),
                ("rmtree w/ro/rw", "access"),
                ("rmtree w/ro", "rofs"),
                ("write w/etc x", "rofs"),
                ("stat /etc/passwd", "file"),
                ("write /etc/passwd x", "rofs"),
                ("mkdirs /etc/new", "rofs"),
            ],
        );
        assert!(world.exists("w/ro/g") && world.exists("w/ro/rw"));
    });
}

#[test]
fn an_entry_that_was_skipped_below_an_alias_holds_once_its_path_is_there() {
    both(|world| {
        world.make(&["real/", "alias>$/real"]);
        let mut sandbox = world.profile(&["real=write", "alias/later=deny"]);
        let Permissions::Managed {
            file_system: FileSystem::Restricted { entries, .. },
            ..
        } = &mut Arc::make_mut(&mut sandbox).permissions
        else {
            panic!("managed and restricted");
        };
        entries[1].skip_missing = true;
        let files = world.capfs.confine(&sandbox, world.session).unwrap();
        assert_eq!(world.run(&files, "write real/later mine"), "ok");
        assert!(world.capfs.known(&sandbox, world.session).is_none());
        let files = world.capfs.confine(&sandbox, world.session).unwrap();
        assert_eq!(world.run(&files, "read real/later"), "noent");
        assert!(world.capfs.known(&sandbox, world.session).is_some());
    });
}

#[test]
fn attack_13_protected_names_are_read_only_there_or_not() {
    both(|world| {
        world.make(&[
            "w/.git/config=c",
            "w/f=x",
            "w/sub/.git/config=c",
            "w/l>.git",
            "w/.agents/x=y",
        ]);
        world.table(
            &["w=write"],
            &[
                ("read w/.git/config", "c"),
                ("list w/.git", "config"),
                ("write w/.git/config x", "rofs"),
                ("write w/.git/hooks x", "rofs"),
                ("write w/l/config x", "rofs"),
                ("mkdirs w/.git/hooks", "rofs"),
                ("rm w/.git/config", "rofs"),
                ("rmtree w/.git", "rofs"),
                ("rmtree w/.agents", "rofs"),
                ("mkdir w/.codex", "rofs"),
                ("write w/.codex x", "rofs"),
                ("write w/.codex/config.toml x", "rofs"),
                ("copy w/f w/.codex", "rofs"),
                ("copytree w/sub w/.codex", "rofs"),
                ("write w/sub/.git/config x", "ok"),
                ("write w/.gitignore x", "ok"),
                ("stat w/.codex", "noent"),
                ("rmforce w/.codex", "ok"),
            ],
        );
        assert_eq!(world.text("w/.git/config"), "c");
        world.table(
            &["w=write", "w/.git=write"],
            &[
                ("write w/.git/config x", "ok"),
                ("write w/.codex x", "rofs"),
            ],
        );
    });
}

#[test]
fn attack_13_no_link_is_put_where_a_protected_name_lies_below() {
    both(|world| {
        // A writable root inside another, which is not there, and one that is there and empty.
        world.make(&[
            "w/evil/.git/hooks/pre-commit=x",
            "w/link>evil",
            "w/f=x",
            "w/empty/",
            "w/file=y",
        ]);
        world.table(
            &["w=write", "w/sub=write", "w/empty=write", "w/file=write"],
            &[
                ("symlink evil w/sub", "access"),
                ("rename w/link w/sub", "access"),
                ("copy w/link w/sub", "access"),
                ("rename w/evil w/sub", "access"),
                ("rm w/empty", "ok"),
                ("symlink evil w/empty", "access"),
                ("stat w/sub", "noent"),
                // Links elsewhere, and directories and files there, are nobody's concern.
                ("rename w/link w/other", "ok"),
                ("symlink evil w/more", "ok"),
                ("mkdir w/sub", "ok"),
                ("mkdir w/sub/.git", "rofs"),
                // Nor a file, which could be a directory by the time that it is renamed; but over a file that is granted by itself.
                ("rename w/f w/empty", "access"),
                ("rename w/f w/file", "ok"),
            ],
        );
    });
}

#[test]
fn attack_13_a_link_with_a_protected_name_behind_it_keeps_its_own() {
    both(|world| {
        // A writable root that is reached by a link in another: without the link, the next scope of this profile would not know it.
        world.make(&["w/real/.git/config=c", "w/x>real", "w/root>x", "w/f=x"]);
        world.table(
            &["w=write", "w/root=write", "w/f=write"],
            &[
                ("rm w/root", "access"),
                ("rmtree w/root", "access"),
                ("rename w/root w/other", "access"),
                ("rm w/x", "rofs"),
                ("write w/real/.git/config x", "rofs"),
                ("write w/root/new x", "ok"),
                // A file that is granted by itself is no link.
                ("rm w/f", "ok"),
            ],
        );
    });
}

#[test]
fn attack_13_a_git_pointer_file_protects_what_it_points_to() {
    both(|world| {
        let pointer = format!("w/.git=gitdir: {}\n", world.at("w/store").display());
        world.make(&[&pointer, "w/store/config=c", "w/f=x"]);
        world.table(
            &["w=write"],
            &[
                ("write w/store/config x", "rofs"),
                ("write w/.git x", "rofs"),
                ("rm w/.git", "rofs"),
                ("write w/f y", "ok"),
            ],
        );
        world.make(&["v/.git=gitdir: ../w/store", "w/store/config=c"]);
        world.table(
            &["v=write", "w=write"],
            &[("write w/store/config x", "rofs")],
        );
    });
}

#[test]
fn attack_13_a_protected_name_that_is_a_link_protects_what_it_leads_to() {
    both(|world| {
        world.make(&[
            "w/store/config=c",
            "w/.git>store",
            "w/f=x",
            "w/alias>.git",
            "w/.codex>nothing/yet",
        ]);
        world.table(
            &["w=write"],
            &[
                ("read w/.git/config", "c"),
                ("write w/.git/config x", "rofs"),
                ("write w/store/config x", "rofs"),
                ("write w/alias/config x", "rofs"),
                ("rm w/.git", "rofs"),
                ("rename w/.git w/git", "rofs"),
                ("rename w/f w/.git", "rofs"),
                ("symlink f w/.git", "rofs"),
                ("symlink f w/.agents", "rofs"),
                ("rename w/store w/elsewhere", "rofs"),
                ("rmtree w/store", "rofs"),
                ("mkdirs w/nothing/yet", "rofs"),
                ("write w/.codex x", "rofs"),
            ],
        );
        assert_eq!(world.text("w/store/config"), "c");
    });
}

#[test]
fn attack_12_deny_globs_hold_for_every_operation() {
    both(|world| {
        world.make(&[
            "w/a.env=s",
            "w/d/b.env=s",
            "w/d/ok=o",
            "w/keys/k=s",
            "w/l>d/b.env",
            "out/x.env=s",
        ]);
        world.table(
            &["w=write", "w/**/*.env=deny", "w/key*=deny"],
            &[
                ("read w/a.env", "noent"),
                ("read w/d/b.env", "noent"),
                ("read w/l", "noent"),
                ("stat w/a.env", "noent"),
                ("write w/a.env x", "access"),
                ("write w/new.env x", "access"),
                ("copy w/d/ok w/c.env", "access"),
                ("copytree w/d w/t", "ok"),
                ("list w/t", "ok"),
                ("list w", "d/ t/"),
                ("walk w", "w/d w/d/ok w/t w/t/ok"),
                ("read w/keys/k", "noent"),
                ("list w/keys", "noent"),
                ("rm w/a.env", "access"),
                ("rmtree w/d", "notempty"),
                ("mkdirs w/key", "access"),
            ],
        );
        assert_eq!(world.text("w/d/b.env"), "s");
    });
}

#[test]
fn a_granted_directory_that_does_not_exist_yet_can_be_made() {
    both(|world| {
        world.make(&["base/"]);
        world.table(
            &["base/new=write"],
            &[
                ("stat base/new", "noent"),
                ("mkdirs base/new/x", "ok"),
                ("write base/new/f x", "ok"),
                ("rmtree base/new", "access"),
            ],
        );
    });
}
