//! What each operation does where everything it needs is granted (PROTOCOL.md 5.1).

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use crate::world::everywhere;

#[test]
fn files_are_read_written_and_described() {
    everywhere(|world| {
        world.make(&["w/f=text", "w/d"]);
        world.table(
            &["w=write"],
            &[
                ("read w/f", "text"),
                ("stat w/f", "file"),
                ("stat w/d", "directory"),
                ("stat w", "directory"),
                ("write w/f new", "ok"),
                ("read w/f", "new"),
                ("write w/f a longer one", "ok"),
                ("read w/f", "a longer one"),
                ("write w/f s", "ok"),
                ("read w/f", "s"),
                ("write w/g made", "ok"),
                ("read w/g", "made"),
                ("write w/empty ", "ok"),
                ("read w/empty", ""),
                ("read w/d", "isdir"),
                ("write w/d x", "isdir"),
                ("read w/none", "noent"),
                ("read w/f/x", "notdir"),
                ("write w/none/x y", "noent"),
                ("real w/f", "w/f"),
                ("real w", "w"),
                ("real w/none", "noent"),
                ("list w", "d/ empty f g"),
                ("list w/d", ""),
                ("list w/f", "notdir"),
                ("list w/none", "noent"),
            ],
        );
    });
}

#[test]
fn metadata_has_size_and_times() {
    everywhere(|world| {
        world.make(&["w/f=12345"]);
        let found = world
            .files(&["w=read"])
            .metadata(&world.abs("w/f"), Default::default())
            .unwrap();
        let native = fs::metadata(world.at("w/f")).unwrap();
        assert_eq!(found.size, 5);
        assert_eq!(
            found.modified_ms,
            native.mtime() * 1000 + native.mtime_nsec() / 1_000_000
        );
        assert!(found.created_ms > 0 || native.created().is_err());
    });
}

#[test]
fn writing_keeps_the_file_that_is_there() {
    everywhere(|world| {
        world.make(&["w/f=old", "w/script=#!"]);
        fs::hard_link(world.at("w/f"), world.at("w/other")).unwrap();
        fs::set_permissions(world.at("w/script"), fs::Permissions::from_mode(0o750)).unwrap();
        world.table(
            &["w=write"],
            &[
                ("write w/f new", "ok"),
                ("read w/other", "new"),
                ("write w/script new", "ok"),
            ],
        );
        assert_eq!(
            fs::metadata(world.at("w/script")).unwrap().mode() & 0o777,
            0o750
        );
    });
}

#[test]
fn directories_are_made_alone_or_with_those_above() {
    everywhere(|world| {
        world.make(&["w/f=x", "w/l>$/w/d"]);
        world.table(
            &["w=write"],
            &[
                ("mkdir w/d", "ok"),
                ("mkdir w/d", "exist"),
                ("mkdirs w/d", "ok"),
                ("mkdirs w", "ok"),
                ("mkdirs w/l", "ok"),
                ("mkdir w/l", "exist"),
                ("mkdir w/a/b", "noent"),
                ("mkdirs w/a/b/c/d", "ok"),
                ("stat w/a/b/c/d", "directory"),
                ("mkdirs w/l/x/y", "ok"),
                ("stat w/d/x/y", "directory"),
                ("mkdir w/f", "exist"),
                ("mkdirs w/f", "exist"),
                ("mkdir w/f/x", "notdir"),
                ("mkdirs w/f/x/y", "notdir"),
            ],
        );
    });
}

#[test]
fn removing_takes_names_and_trees_but_never_what_links_lead_to() {
    everywhere(|world| {
        world.make(&[
            "w/f=x",
            "w/d/e/f=x",
            "w/d/g=x",
            "w/empty",
            "w/kept/f=x",
            "w/l>$/w/kept",
            "w/d/l>$/w/kept",
        ]);
        world.table(
            &["w=write"],
            &[
                ("rm w/f", "ok"),
                ("rm w/f", "noent"),
                ("rmforce w/f", "ok"),
                ("rm w/empty", "ok"),
                ("rm w/d", "notempty"),
                ("rmtree w/d", "ok"),
                ("stat w/d", "noent"),
                ("rmtree w/l", "ok"),
                ("read w/kept/f", "x"),
                ("rmtree w/none", "noent"),
                ("rmforce w/none/deeper", "ok"),
            ],
        );
    });
}

#[test]
fn a_large_tree_is_copied_and_removed() {
    everywhere(|world| {
        for directory in 0..20 {
            let names: Vec<_> = (0..60)
                .map(|file| format!("w/t/{directory}/{file}={file}"))
                .collect();
            world.make(&names.iter().map(String::as_str).collect::<Vec<_>>());
        }
        let many: Vec<_> = (0..1500).map(|file| format!("w/t/many/{file}=")).collect();
        world.make(&many.iter().map(String::as_str).collect::<Vec<_>>());
        let files = world.files(&["w=write"]);
        assert_eq!(world.run(&files, "copytree w/t w/u"), "ok");
        assert_eq!(world.text("w/u/7/33"), "33");
        assert_eq!(world.run(&files, "list w/u/many").split(' ').count(), 1500);
        assert_eq!(
            world.run(&files, "walk w/u").split(' ').count(),
            21 + 20 * 60 + 1500
        );
        assert_eq!(world.run(&files, "rmtree w/t"), "ok");
        assert!(!world.exists("w/t") && world.exists("w/u"));
    });
}

#[test]
fn copying_files_links_and_trees() {
    everywhere(|world| {
        world.make(&[
            "w/f=text",
            "w/old=something longer",
            "w/d/f=x",
            "w/d/e/g=y",
            "w/d/l>../f",
            "w/l>f",
            "w/into/f=z",
        ]);
        fs::set_permissions(world.at("w/f"), fs::Permissions::from_mode(0o4741)).unwrap();
        world.table(
            &["w=write"],
            &[
                ("copy w/f w/g", "ok"),
                ("read w/g", "text"),
                ("copy w/f w/old", "ok"),
                ("read w/old", "text"),
                ("copy w/f w/f", "ok"),
                ("read w/f", "text"),
                ("copy w/l w/m", "ok"),
                ("stat w/m", "link to file"),
                ("copy w/l w/m", "exist"),
                ("copy w/d w/e", "needs recursive"),
                ("copytree w/d w/e", "ok"),
                ("walk w/e", "w/e/e w/e/e/g w/e/f w/e/l"),
                ("copytree w/d w/into", "ok"),
                ("read w/into/f", "x"),
                ("copytree w/d w/d", "into itself"),
                ("copytree w/d w/d/e/deeper/still", "into itself"),
                ("copytree w/d w/deep/er", "ok"),
                ("copytree w/none w/x", "noent"),
                ("copy w/f w/none/x", "noent"),
                ("copy w/f w/d", "isdir"),
                ("copytree w/d w/f", "exist"),
            ],
        );
        assert_eq!(fs::read_link(world.at("w/m")).unwrap().to_str(), Some("f"));
        assert_eq!(
            fs::metadata(world.at("w/g")).unwrap().mode() & 0o7777,
            0o741,
            "no set-user-id in copies"
        );
    });
}

#[test]
fn attack_17_a_copied_directory_is_open_to_nobody_to_whom_the_other_was_not() {
    everywhere(|world| {
        world.make(&[
            "w/d/f=x",
            "w/d/private/g=y",
            "w/d/closed/in/h=z",
            "w/d/sticky/i=z",
            "w/d/nobody/j=z",
            "w/there/private/old=1",
        ]);
        let is_root = rustix::process::geteuid().is_root();
        let set = |path: &str, mode| {
            fs::set_permissions(world.at(path), fs::Permissions::from_mode(mode)).unwrap();
        };
        for (path, mode) in [
            ("w/d/private", 0o700),
            ("w/d/closed/in", 0o500),
            ("w/d/closed", 0o555),
            ("w/d/sticky", 0o3777),
            // Nobody else reads what is closed to its owner.
            ("w/d/nobody", if is_root { 0o070 } else { 0o770 }),
            ("w/d", 0o710),
            ("w/there/private", 0o751),
        ] {
            set(path, mode);
        }
        world.table(
            &["w=write"],
            &[
                ("copytree w/d w/copy", "ok"),
                ("copytree w/d w/there", "ok"),
                ("copytree w/d w/above/copy", "ok"),
                ("read w/copy/closed/in/h", "z"),
            ],
        );
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let umask = status.lines().find_map(|line| line.strip_prefix("Umask:"));
        let new = 0o777 & !u32::from_str_radix(umask.unwrap().trim(), 8).unwrap();
        let mode = |path: &str| fs::metadata(world.at(path)).unwrap().mode() & 0o7777;
        for top in ["w/copy", "w/above/copy"] {
            for (below, wanted) in [
                ("", 0o710),
                ("/private", 0o700),
                // Their owner has what it takes to fill them.
                ("/closed", 0o755),
                ("/closed/in", 0o700),
                ("/nobody", 0o770 & new),
                ("/sticky", new),
            ] {
                assert_eq!(mode(&format!("{top}{below}")), wanted, "{top}{below}");
            }
        }
        assert_eq!(mode("w/above"), new);
        // Those that are there keep theirs.
        assert_eq!(mode("w/there/private"), 0o751);
        assert_eq!(mode("w/there/closed"), 0o755);
    });
}

#[test]
fn copying_into_itself_is_seen_through_links() {
    everywhere(|world| {
        world.make(&["w/d/e/f=x", "w/l>$/w/d/e", "w/up>.."]);
        world.table(
            &["w=write"],
            &[
                ("copytree w/d w/l/new", "into itself"),
                ("copytree w/d w/l", "into itself"),
                ("copytree w/d w/up/w/d/x", "into itself"),
                ("copytree w/d w/up/w/x", "ok"),
                ("walk w/x", "w/x/e w/x/e/f"),
            ],
        );
    });
}

#[test]
fn walks_are_bounded_and_cut_cycles() {
    everywhere(|world| {
        world.make(&[
            "w/a/b/f=x",
            "w/a/round>$/w",
            "w/file>a/b/f",
            "w/gone>none",
            "w/.h/x=y",
        ]);
        world.table(
            &["w=read"],
            &[
                ("walk w", "w/.h w/.h/x w/a w/a/b w/a/b/f w/file"),
                (
                    "walklinks w",
                    "w/.h w/.h/x w/a w/a/b w/a/b/f w/a/round w/file",
                ),
                ("walk w/file", ""),
                ("walk w/a/round", ""),
                ("walk w/none", "noent"),
            ],
        );
    });
}

#[test]
fn a_file_stays_readable_while_its_name_goes() {
    everywhere(|world| {
        world.make(&["w/f=text"]);
        let file = world
            .files(&["w=write"])
            .open(&world.abs("w/f"), Default::default())
            .unwrap();
        fs::remove_file(world.at("w/f")).unwrap();
        assert_eq!(file.read_at(1, 2).unwrap(), b"ex");
        assert_eq!(file.size, 4);
    });
}
