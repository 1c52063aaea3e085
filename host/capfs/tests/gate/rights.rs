//! What the system itself permits, and what files carry besides their bytes: permission bits, set-user-id and its like, extended attributes.
//!
//! Grants never give more than the process has: as root most of this permits everything, as an ordinary user it refuses. The tests say both, and
//! run as both (`users.rs`).

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use lockgate_capfs::AbsPath;
use rustix::fs::XattrFlags;

use crate::world::{World, both, everywhere};

fn chmod(world: &World, path: &str, mode: u32) {
    fs::set_permissions(world.at(path), fs::Permissions::from_mode(mode)).unwrap();
}

fn mode(world: &World, path: &str) -> u32 {
    fs::symlink_metadata(world.at(path)).unwrap().mode() & 0o7777
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn a_grant_gives_no_more_than_the_systems_permissions() {
    let refused = |wanted| if is_root() { wanted } else { "access" };
    everywhere(|world| {
        world.make(&[
            "w/secret=x",
            "w/read-only=x",
            "w/shut/f=x",
            "w/unlisted/f=x",
            "w/kept/f=x",
            "w/f=x",
        ]);
        chmod(world, "w/secret", 0o000);
        chmod(world, "w/read-only", 0o444);
        // Listed but not to be entered; entered but not to be listed; nothing to be made or removed in.
        chmod(world, "w/shut", 0o644);
        chmod(world, "w/unlisted", 0o311);
        chmod(world, "w/kept", 0o555);
        world.table(
            &["w=write"],
            &[
                ("stat w/secret", "file"),
                ("read w/secret", refused("x")),
                ("copy w/secret w/x", refused("ok")),
                ("write w/secret x", refused("ok")),
                ("read w/read-only", "x"),
                ("write w/read-only x", refused("ok")),
                ("copy w/f w/read-only", refused("ok")),
                ("stat w/shut", "directory"),
                ("read w/shut/f", refused("x")),
                ("stat w/shut/f", refused("file")),
                ("write w/shut/new x", refused("ok")),
                ("read w/unlisted/f", "x"),
                ("list w/unlisted", refused("f")),
                ("copytree w/unlisted w/y", refused("ok")),
                ("read w/kept/f", "x"),
                ("write w/kept/new x", refused("ok")),
                ("mkdir w/kept/d", refused("ok")),
                ("rm w/kept/f", refused("ok")),
                ("rm w/secret", "ok"),
            ],
        );
        // So that the world can be removed.
        for path in ["w/shut", "w/unlisted", "w/kept"] {
            chmod(world, path, 0o755);
        }
    });
}

#[test]
fn in_a_sticky_directory_everybody_removes_what_is_theirs() {
    both(|world| {
        world.make(&["w/"]);
        // What `users.rs` made as root for the ordinary user, or the same for root.
        let directory = std::env::var_os("LOCKGATE_TEST_STICKY").map_or_else(
            || {
                world.make(&["sticky/theirs=x"]);
                chmod(world, "sticky", 0o1777);
                if is_root() {
                    chown(world.at("sticky/theirs"), Some(65534), None).unwrap();
                }
                world.at("sticky")
            },
            Into::into,
        );
        let profile = format!(
            r#"{{"permissions":{{"file_system":{{"entries":[{{"path":{{"type":"path","path":"{}"}},"access":"write"}}]}}}}}}"#,
            directory.display()
        );
        let profile = serde_json::from_str(&profile).unwrap();
        let files = world.capfs.confine(&profile, world.session).unwrap();
        let run = |verb: &str, name: &str| {
            world.run(&files, &format!("{verb} {}/{name}", directory.display()))
        };
        assert_eq!(run("write", "mine"), "ok");
        assert_eq!(run("read", "theirs"), "x");
        let others = !is_root() && fs::metadata(directory.join("theirs")).unwrap().uid() == 0;
        assert_eq!(run("rm", "theirs"), if others { "perm" } else { "ok" });
        assert_eq!(run("rm", "mine"), "ok");
    });
}

#[test]
fn attack_17_set_user_id_and_its_like_are_never_copied() {
    everywhere(|world| {
        world.make(&["w/f=x", "w/plain=y", "w/special=z", "w/d/f=x", "w/e/"]);
        chmod(world, "w/f", 0o6755);
        chmod(world, "w/plain", 0o755);
        chmod(world, "w/special", 0o4755);
        chmod(world, "w/d", 0o3775);
        chmod(world, "w/d/f", 0o7711);
        world.table(
            &["w=write"],
            &[
                ("copy w/f w/new", "ok"),
                // The same permissions, and rights of its owner that were given to other contents.
                ("copy w/plain w/special", "ok"),
                ("copytree w/d w/tree", "ok"),
            ],
        );
        assert_eq!(mode(world, "w/new"), 0o755);
        assert_eq!(mode(world, "w/special"), 0o755);
        assert_eq!(mode(world, "w/tree/f"), 0o711);
        assert_eq!(
            mode(world, "w/tree") & 0o7000,
            0,
            "directories are made, not copied"
        );
    });
}

#[test]
fn attack_17_writing_leaves_special_bits_to_the_system() {
    everywhere(|world| {
        world.make(&["w/f=x", "w/group/"]);
        chmod(world, "w/f", 0o6755);
        chmod(world, "w/group", 0o2775);
        world.table(
            &["w=write"],
            &[("write w/f new", "ok"), ("mkdir w/group/d", "ok")],
        );
        // Linux takes them away from whoever lacks CAP_FSETID; root's own writing keeps them, here as in a shell.
        let wanted = if is_root() { 0o6755 } else { 0o755 };
        assert_eq!(mode(world, "w/f"), wanted);
        assert_eq!(
            mode(world, "w/group/d") & 0o7000,
            0o2000,
            "inherited from above"
        );
    });
}

#[test]
fn attack_17_modes_are_changed_on_what_was_opened_and_never_through_a_link() {
    both(|world| {
        world.make(&[
            "w/f=x",
            "out/f=theirs",
            "w/l>$/out/f",
            "w/dir>$/out",
            "w/in>g",
            "w/g=y",
        ]);
        chmod(world, "w/f", 0o700);
        chmod(world, "w/g", 0o644);
        chmod(world, "out/f", 0o640);
        world.table(
            &["w=write"],
            &[
                ("copy w/f w/l", "access"),
                ("copy w/f w/dir/f", "access"),
                ("copy w/f w/dir/new", "access"),
                ("copy w/f w/in", "ok"),
            ],
        );
        assert_eq!(
            (mode(world, "out/f"), world.text("out/f")),
            (0o640, "theirs".to_owned())
        );
        assert_eq!(
            mode(world, "w/g"),
            0o700,
            "a link inside leads to the file that is written"
        );
    });
}

const NOTE: &str = "user.note";

fn note(world: &World, path: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; 100];
    let length = rustix::fs::lgetxattr(world.at(path), NOTE, &mut value).ok()?;
    value.truncate(length);
    Some(value)
}

#[test]
fn attack_17_extended_attributes_stay_with_their_file_and_are_not_copied() {
    everywhere(|world| {
        world.make(&["w/f=x", "w/g=y", "w/d/f=z"]);
        for (path, value) in [
            ("w/f", "of f"),
            ("w/g", "of g"),
            ("w/d", "of d"),
            ("w/d/f", "of d/f"),
        ] {
            rustix::fs::setxattr(world.at(path), NOTE, value.as_bytes(), XattrFlags::CREATE)
                .expect("the temporary directory's file system has extended attributes");
        }
        world.table(
            &["w=write"],
            &[
                ("write w/f new", "ok"),
                ("copy w/f w/new", "ok"),
                ("copy w/f w/g", "ok"),
                ("copytree w/d w/e", "ok"),
            ],
        );
        assert_eq!(note(world, "w/f").unwrap(), b"of f", "kept by writing");
        assert_eq!(
            note(world, "w/g").unwrap(),
            b"of g",
            "kept by being copied over"
        );
        for path in ["w/new", "w/e", "w/e/f"] {
            assert_eq!(note(world, path), None, "{path}");
        }
    });
}

#[test]
fn attack_17_capabilities_of_a_program_end_with_its_being_written() {
    // `cap_net_raw` as the kernel keeps it: revision 2, effective; permitted and inheritable sets.
    const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    const NAME: &str = "security.capability";
    everywhere(|world| {
        world.make(&["w/written=x", "w/over=x", "w/f=y"]);
        for path in ["w/written", "w/over"] {
            let set = rustix::fs::setxattr(world.at(path), NAME, &CAPABILITY, XattrFlags::CREATE);
            // Nobody else may give any, so there is nothing to keep.
            assert_eq!(set.is_ok(), is_root());
        }
        world.table(
            &["w=write"],
            &[
                ("copy w/over w/copied", "ok"),
                ("write w/written new", "ok"),
                ("copy w/f w/over", "ok"),
            ],
        );
        for path in ["w/written", "w/over", "w/copied"] {
            let mut value = [0_u8; 20];
            let found = rustix::fs::getxattr(world.at(path), NAME, &mut value);
            assert_eq!(found, Err(rustix::io::Errno::NODATA), "{path}");
        }
    });
}

#[test]
fn attack_14_a_writable_root_that_is_not_there_yet_cannot_be_made_a_link() {
    both(|world| {
        world.make(&["out/f=theirs", "w/"]);
        let rules = ["w=write", "root=write"];
        let files = world.files(&rules);
        assert_eq!(world.run(&files, "symlink $/out root"), "access");
        assert_eq!(world.run(&files, "symlink $/out w/l"), "ok");
        // By none of the other ways that a link can come by a name.
        assert_eq!(world.run(&files, "copy w/l root"), "access");
        assert_eq!(world.run(&files, "rename w/l root"), "access");
        assert!(!world.exists("root"));
        // The next scope of the same profile would have taken the link for the operator's own.
        world.capfs.forget(world.session);
        assert_eq!(world.run(&world.files(&rules), "read out/f"), "noent");
        assert_eq!(world.run(&files, "mkdir root"), "ok");
    });
}

#[test]
fn attack_14_what_a_request_names_is_never_where_a_grant_begins() {
    both(|world| {
        world.make(&["w/f=mine", "out/f=theirs", "w/l>$/out"]);
        let files = world.files(&["w=write"]);
        // The scope was made once, by the profile: no path of a request moves it.
        for path in ["out", "out/f", "", "w/l", "/", "/etc"] {
            for verb in ["mkdirs", "rmtree", "list", "walk", "copytree"] {
                let operation = match verb {
                    "copytree" => format!("copytree {path} w/taken"),
                    verb => format!("{verb} {path}"),
                };
                if path == "w/l" && ["rmtree", "copytree"].contains(&verb) {
                    continue;
                }
                let _answer = world.run(&files, &operation);
            }
            assert_eq!(world.run(&files, "read out/f"), "noent");
            assert_eq!(world.run(&files, "read w/l/f"), "noent");
            assert_eq!(world.run(&files, "read w/f"), "mine");
        }
        let grants = match &files {
            lockgate_capfs::Files::Scoped(scope) => scope.grants(),
            lockgate_capfs::Files::Direct => panic!("confined"),
        };
        let outside = AbsPath::parse(world.at("out/f")).unwrap();
        assert_eq!(format!("{:?}", grants.allowed(&outside)), "Nothing");
        assert_eq!(world.text("out/f"), "theirs");
    });
}
