//! What the reference's own tests promise of sandboxed files (PROTOCOL 11, "sandboxed:"), one test a promise.

use std::fs;
use std::os::unix::fs::MetadataExt;

use lockgate_e2e::{Ground, Profile};

use crate::confined;

fn write_w(ground: &Ground) -> Profile {
    Profile::new().write(ground.path("w"))
}

#[tokio::test]
async fn a_readable_root_is_read_by_every_method_and_changed_by_none() {
    confined(
        &[
            "r/f=text",
            "r/d/g=deep",
            "r/l>f",
            "r/dir>d",
            "r/broken>none",
            "w/f=w",
        ],
        |ground| {
            Profile::new()
                .read(ground.path("r"))
                .write(ground.path("w"))
        },
        &[
            ("read r/f", "text"),
            ("read r/l", "text"),
            ("read r/dir/g", "deep"),
            ("read! r/l", "link refused"),
            ("read r/none", "noent"),
            ("read r/d", "isdir"),
            ("stream r/f", "text"),
            ("stream r/l", "text"),
            ("stat r/f", "file"),
            ("stat r/dir", "link to directory"),
            ("stat r/broken", "noent"),
            ("list r", "d/ dir/ f l"),
            ("walk r", "r/d/ r/d/g r/f r/l"),
            ("real r/dir/g", "r/d/g"),
            ("copy r/f w/copied", "ok"),
            ("read w/copied", "text"),
            ("copytree r w/tree", "ok"),
            ("read w/tree/d/g", "deep"),
            ("write r/f x", "rofs"),
            ("write r/l x", "rofs"),
            ("write r/new x", "rofs"),
            ("mkdir r/new", "rofs"),
            ("mkdirs r/new/er", "rofs"),
            ("rm r/f", "rofs"),
            ("rm r/l", "rofs"),
            ("rmtree r/d", "rofs"),
            ("rmforce r/d", "rofs"),
            ("rmtree r", "rofs"),
            ("copy w/f r/f", "rofs"),
            ("copy w/f r/new", "rofs"),
            ("copytree w r/new", "rofs"),
        ],
        |ground| {
            assert_eq!(ground.text("r/f"), "text");
            assert_eq!(ground.snapshot("r").len(), 6);
        },
    )
    .await;
}

#[tokio::test]
async fn a_writable_root_is_changed_by_every_method() {
    confined(
        &["w/f=x", "w/l>f", "w/d/g=deep"],
        write_w,
        &[
            ("write w/f new", "ok"),
            ("read w/f", "new"),
            ("write w/l through", "ok"),
            ("read w/f", "through"),
            ("write! w/l x", "link refused"),
            ("mkdir w/made", "ok"),
            ("mkdir w/made", "exist"),
            ("mkdirs w/a/b/c", "ok"),
            ("mkdirs w", "ok"),
            ("write w/a/b/c/f y", "ok"),
            ("copy w/f w/a/f", "ok"),
            ("copytree w/d w/a/d", "ok"),
            ("read w/a/d/g", "deep"),
            ("copytree w/a w/a/b", "into itself"),
            ("rm w/a", "notempty"),
            ("rmtree w/a", "ok"),
            ("rm w/l", "ok"),
            ("rm w/none", "noent"),
            ("rmforce w/none", "ok"),
            ("walk w", "w/d/ w/d/g w/f w/made/"),
        ],
        |ground| assert_eq!(ground.text("w/f"), "through"),
    )
    .await;
}

#[tokio::test]
async fn what_is_not_granted_is_not_there_and_cannot_be_made() {
    confined(
        &["w/f=x", "other/f=secret", "other/d/"],
        write_w,
        &[
            ("read other/f", "noent"),
            ("read other/none", "noent"),
            ("stream other/f", "noent"),
            ("stat other", "noent"),
            ("stat other/f", "noent"),
            ("list other", "noent"),
            ("walk other", "noent"),
            ("real other/f", "noent"),
            ("write other/f x", "access"),
            ("write other/new x", "access"),
            ("mkdir other/new", "access"),
            ("mkdirs other/new/er", "access"),
            ("rm other/f", "access"),
            ("rmtree other", "access"),
            ("rmforce other/none", "access"),
            ("copy other/f w/stolen", "noent"),
            ("copytree other w/stolen", "noent"),
            ("copy w/f other/f", "access"),
            ("copytree w other/d", "access"),
            ("read /etc/passwd", "noent"),
            ("write /etc/lockgate-e2e x", "access"),
        ],
        |ground| {
            assert_eq!(ground.text("other/f"), "secret");
            assert_eq!(
                (ground.snapshot("other").len(), ground.has("w/stolen")),
                (2, false)
            );
        },
    )
    .await;
}

#[tokio::test]
async fn attack_02_a_name_that_only_begins_like_the_granted_one_is_another() {
    confined(
        &["w/f=mine", "w-evil/f=theirs", "w.d/f=theirs", "wf=theirs"],
        write_w,
        &[
            ("read w/f", "mine"),
            ("read w-evil/f", "noent"),
            ("write w-evil/f x", "access"),
            ("rmtree w-evil", "access"),
            ("list w.d", "noent"),
            ("read wf", "noent"),
        ],
        |ground| assert_eq!(ground.text("w-evil/f"), "theirs"),
    )
    .await;
}

#[tokio::test]
async fn writing_is_allowed_below_an_alias_and_below_what_it_stands_for() {
    confined(
        &["real/d/f=x", "alias>$/real/d", "other/f=secret"],
        |ground| Profile::new().write(ground.path("alias")),
        &[
            ("write alias/f one", "ok"),
            ("read real/d/f", "one"),
            ("write real/d/f two", "ok"),
            ("read alias/f", "two"),
            ("mkdirs alias/new", "ok"),
            ("real alias/f", "real/d/f"),
            ("write real/f x", "access"),
            ("write other/f x", "access"),
        ],
        |ground| {
            assert_eq!(
                (ground.text("real/d/f").as_str(), ground.has("real/f")),
                ("two", false)
            )
        },
    )
    .await;
}

#[tokio::test]
async fn an_additional_root_is_writable_beside_the_first() {
    confined(
        &["w/f=x", "more/f=x", "other/f=x"],
        |ground| write_w(ground).write(ground.path("more")),
        &[
            ("write w/f 1", "ok"),
            ("write more/f 2", "ok"),
            ("copy w/f more/copied", "ok"),
            ("copytree more w/tree", "ok"),
            ("read w/tree/copied", "1"),
            ("write other/f 3", "access"),
        ],
        |ground| assert_eq!(ground.text("other/f"), "x"),
    )
    .await;
}

#[tokio::test]
async fn attack_09_a_hard_link_inside_the_root_may_be_written_and_keeps_its_inode() {
    let server = lockgate_e2e::Server::start();
    let mut wire = lockgate_e2e::Wire::ready(&server).await;
    for shape in lockgate_e2e::Shape::BOTH {
        let ground = Ground::new();
        ground.make(&["other/f=old", "w/"]);
        fs::hard_link(ground.path("other/f"), ground.path("w/f")).expect("linked");
        let way = lockgate_e2e::Way::under(&write_w(&ground), shape);
        let table = [("write w/f new", "ok"), ("write other/f x", "access")];
        ground.table(&mut wire, &way, &table).await;
        assert_eq!(ground.text("other/f"), "new");
        let inode = |path| fs::metadata(ground.path(path)).expect("found").ino();
        assert_eq!(inode("w/f"), inode("other/f"));
    }
}

#[tokio::test]
async fn removing_a_link_removes_the_link_and_not_its_target() {
    confined(
        &[
            "w/file>$/other/f",
            "w/dir>$/other",
            "w/in>kept",
            "w/kept=k",
            "other/f=secret",
        ],
        write_w,
        &[
            ("rm w/file", "ok"),
            ("rmtree w/dir", "ok"),
            ("rmforce w/in", "ok"),
            ("list w", "kept"),
        ],
        |ground| {
            assert_eq!(ground.text("other/f"), "secret");
            assert_eq!(ground.snapshot("w").len(), 1);
        },
    )
    .await;
}

#[tokio::test]
async fn a_copied_link_is_the_same_link_and_opens_nothing_new() {
    confined(
        &[
            "w/d/out>$/other/f",
            "w/d/in>g",
            "w/d/g=mine",
            "other/f=secret",
        ],
        write_w,
        &[
            ("copy w/d/out w/copied", "ok"),
            ("read w/copied", "noent"),
            ("stat w/copied", "noent"),
            ("copytree w/d w/tree", "ok"),
            ("read w/tree/in", "mine"),
            ("read w/tree/out", "noent"),
            ("list w/tree", "g in"),
        ],
        |ground| {
            let target = fs::read_link(ground.path("w/tree/out")).expect("a link");
            assert_eq!(target, ground.path("other/f"));
            assert_eq!(ground.text("other/f"), "secret");
        },
    )
    .await;
}
