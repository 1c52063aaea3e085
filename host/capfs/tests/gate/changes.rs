//! Renaming, links, permission bits and times: what they do, and what they may not be used for.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use crate::world::{both, everywhere};

#[test]
fn names_are_given_to_files_links_and_directories() {
    everywhere(|world| {
        world.make(&["w/f=f", "w/g=g", "w/d/x=x", "w/e/", "w/l>f", "w/alias>d"]);
        world.table(
            &["w=write"],
            &[
                ("rename w/f w/h", "ok"),
                ("read w/h", "f"),
                ("stat w/f", "noent"),
                ("renamefree w/h w/g", "exist"),
                ("rename w/h w/g", "ok"),
                ("read w/g", "f"),
                // The link itself, not what it leads to.
                ("rename w/l w/m", "ok"),
                ("stat w/m", "noent"),
                ("rename w/g w/f", "ok"),
                ("stat w/m", "link to file"),
                // Over an empty directory, but over no other, and not below itself.
                ("rename w/d w/e", "ok"),
                ("read w/e/x", "x"),
                ("mkdir w/d", "ok"),
                ("rename w/d w/e", "notempty"),
                ("rename w/e w/e/below", "inval"),
                ("rename w/f w/e", "isdir"),
                ("rename w/e w/f", "notdir"),
                ("rename w/missing w/x", "noent"),
                ("rename w/f w/missing/x", "noent"),
                ("rename w/f w/f/x", "notdir"),
                // Through a link on the way, on both sides.
                ("rename w/f w/alias/f", "ok"),
                ("read w/d/f", "f"),
                ("renamefree w/alias/f w/alias/g", "ok"),
                ("read w/d/g", "f"),
            ],
        );
    });
}

#[test]
fn links_are_made_and_lead_no_further_than_the_grants() {
    both(|world| {
        world.make(&["w/d/", "out/f=theirs", "w/taken=x"]);
        world.table(
            &["w=write"],
            &[
                ("write w/d/f mine", "ok"),
                ("symlink d/f w/l", "ok"),
                ("read w/l", "mine"),
                ("symlink $/out/f w/out", "ok"),
                ("read w/out", "noent"),
                ("write w/out x", "access"),
                ("symlink ../out w/d/up", "ok"),
                ("read w/d/up/f", "noent"),
                ("symlink x w/taken", "exist"),
                ("symlink x w/l", "exist"),
                ("symlink x out/l", "access"),
                ("symlink loop w/loop", "ok"),
                ("read w/loop", "loop"),
            ],
        );
        assert_eq!(world.text("out/f"), "theirs");
    });
}

#[test]
fn attack_10_renaming_carries_nothing_from_one_grant_to_another() {
    both(|world| {
        world.make(&[
            "w/f=w",
            "r/f=r",
            "n/f=n",
            "w/d/no/f=n",
            "w/.git/config=c",
            "w/e/",
            "w/d2/sub/f=x",
            "w/link>../r",
            "one=1",
        ]);
        world.table(
            &[
                "w=write",
                "r=read",
                "w/d/no=deny",
                "w/d2/sub=read",
                "one=write",
            ],
            &[
                ("rename r/f w/x", "rofs"),
                ("rename w/f r/x", "rofs"),
                ("rename w/f n/x", "access"),
                ("rename n/f w/x", "noent"),
                ("rename w/f w/link/x", "rofs"),
                ("rename w/link/f w/x", "rofs"),
                // A rule below would stay with the name.
                ("rename w/d w/other", "access"),
                ("rename w/d2 w/other", "access"),
                ("rename w/e w/d2", "access"),
                ("rename w/d/no w/x", "noent"),
                ("rename w/.git w/git", "rofs"),
                ("rename w/e w/.agents", "rofs"),
                ("rename w/f w/.codex", "rofs"),
                // Granted roots keep their names.
                ("rename w w2", "access"),
                ("rename one w/one", "access"),
                ("rename w/f one", "access"),
                ("renamefree r/f w/x", "rofs"),
            ],
        );
        assert_eq!(
            (world.text("r/f"), world.text("n/f")),
            ("r".into(), "n".into())
        );
        assert!(world.exists("w/d/no/f") && world.exists("w/.git/config"));
    });
}

#[test]
fn permission_bits_are_set_where_writing_is_granted() {
    everywhere(|world| {
        world.make(&["w/f=f", "w/d/", "w/l>f"]);
        rustix::fs::mknodat(
            rustix::fs::CWD,
            world.at("w/fifo"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        world.table(
            &["w=write"],
            &[
                ("chmod w/fifo 666", "errno 95"),
                ("chmod w/f 640", "ok"),
                ("chmod w/d 750", "ok"),
                // It is no permission bit, and gives another user's rights away.
                ("chmod w/f 4755", "inval"),
                ("chmod w/f 1777", "inval"),
                ("chmod w/missing 600", "noent"),
                ("chmod! w/l 600", "link refused"),
            ],
        );
        let mode = |path: &str| fs::metadata(world.at(path)).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode("w/f"), mode("w/d")), (0o640, 0o750));
        world.table(&["w=write"], &[("chmod w/l 604", "ok")]);
        assert_eq!(mode("w/f"), 0o604);
    });
}

#[test]
fn attack_17_permission_bits_and_times_outside_stay() {
    both(|world| {
        world.make(&[
            "w/out>$/out/f",
            "out/f=theirs",
            "r/f=r",
            "w/.git/hooks/h=x",
            "w/to-r>../r/f",
        ]);
        fs::set_permissions(world.at("out/f"), fs::Permissions::from_mode(0o600)).unwrap();
        let before = |path: &str| {
            let found = fs::metadata(world.at(path)).unwrap();
            (
                found.mode(),
                found.mtime(),
                found.ctime(),
                found.ctime_nsec(),
            )
        };
        let paths = ["out/f", "r/f", "w/.git/hooks/h"];
        let were = paths.map(before);
        world.table(
            &["w=write", "r=read"],
            &[
                ("chmod w/out 777", "noent"),
                ("chmod out/f 777", "noent"),
                ("chmod r/f 777", "rofs"),
                ("chmod w/to-r 777", "rofs"),
                ("chmod w/.git/hooks/h 777", "rofs"),
                ("touch w/out 1", "noent"),
                ("touch r/f 1", "rofs"),
                ("touch w/to-r 1", "rofs"),
                ("touch w/.git 1", "rofs"),
            ],
        );
        assert_eq!(paths.map(before), were);
    });
}

#[test]
fn times_are_set_where_writing_is_granted() {
    everywhere(|world| {
        world.make(&["w/f=f", "w/d/", "w/l>f"]);
        world.table(
            &["w=write"],
            &[
                ("touch w/f 1000000000", "ok"),
                ("touch w/d 2000000000", "ok"),
                ("touch w/missing 1", "noent"),
                ("touch! w/l 1", "link refused"),
            ],
        );
        let time = |path: &str| fs::metadata(world.at(path)).unwrap().mtime();
        assert_eq!((time("w/f"), time("w/d")), (1_000_000_000, 2_000_000_000));
        world.table(&["w=write"], &[("touch w/l 5", "ok")]);
        assert_eq!(time("w/f"), 5);
    });
}
