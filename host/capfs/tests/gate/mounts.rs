//! Mount points, binds, overlays and read-only mounts below and above a grant.
//!
//! Rules are about names. A mount is somebody's decision who may change what every name of the machine means: what is mounted at a
//! granted name is granted, whatever it is elsewhere; but file systems that are no files (procfs and its like) are refused there as well.

use std::fs;
use std::os::unix::fs::MetadataExt;

use lockgate_capfs::Follow;

use crate::apart::{bind, mount, remount, unmount, with_mounts};
use crate::world::{both, everywhere};

#[test]
fn attack_18_a_mount_below_a_grant_is_part_of_it_and_no_way_out() {
    with_mounts(|| {
        everywhere(|world| {
            world.make(&["w/m/", "w/f=mine", "out/secret=theirs"]);
            mount("tmpfs", &world.at("w/m"), "rw");
            world.make(&["w/m/f=mounted", "w/m/d/g=deep", "w/m/l>../f", "w/in>m/d"]);
            world.table(
                &["w=write"],
                &[
                    ("read w/m/f", "mounted"),
                    ("read w/m/l", "mine"),
                    ("read w/in/g", "deep"),
                    ("list w/m", "d/ f l"),
                    ("write w/m/new x", "ok"),
                    ("walk w/m", "w/m/d w/m/d/g w/m/f w/m/l w/m/new"),
                    ("copytree w/m/d w/copied", "ok"),
                    ("copy w/m/f w/across", "ok"),
                    ("read w/across", "mounted"),
                    ("rm w/m", "busy"),
                ],
            );
        });
        both(|world| {
            world.make(&["w/m/", "out/secret=theirs"]);
            mount("tmpfs", &world.at("w/m"), "rw");
            world.make(&["w/m/up>../../out/secret", "w/m/absolute>$/out/secret"]);
            world.table(
                &["w=write"],
                &[
                    ("read w/m/up", "noent"),
                    ("read w/m/absolute", "noent"),
                    ("write w/m/up x", "access"),
                    ("rmtree w/m", "busy"),
                ],
            );
            assert_eq!(world.text("out/secret"), "theirs");
        });
    });
}

#[test]
fn attack_18_what_is_bound_to_a_granted_name_is_granted_by_that_name_only() {
    with_mounts(|| {
        both(|world| {
            world.make(&["w/b/", "w/ro/", "w/f=", "out/d/f=bound", "out/up=outside"]);
            bind(&world.at("out/d"), &world.at("w/b"));
            bind(&world.at("out/d"), &world.at("w/ro"));
            bind(&world.at("out/d/f"), &world.at("w/f"));
            world.make(&["w/b/l>../up", "w/b/far>../../out/up"]);
            world.table(
                &["w=write", "w/ro=read"],
                &[
                    ("read w/b/f", "bound"),
                    ("read w/f", "bound"),
                    ("read out/d/f", "noent"),
                    // `..` is settled by name: it leads to where the mount is, not to where it came from.
                    ("read w/b/../up", "noent"),
                    ("read w/b/l", "noent"),
                    ("read w/b/far", "noent"),
                    ("write w/ro/f x", "rofs"),
                    ("write w/b/f changed", "ok"),
                    ("rm w/f", "busy"),
                ],
            );
            assert_eq!(world.text("out/d/f"), "changed");
            assert_eq!(world.text("out/up"), "outside");
        });
    });
}

#[test]
fn attack_18_file_systems_that_are_no_files_are_refused_wherever_they_are_mounted() {
    with_mounts(|| {
        both(|world| {
            world.make(&["w/proc/", "w/sys/", "w/environ=", "w/pts/", "w/f=x"]);
            bind("/proc".as_ref(), &world.at("w/proc"));
            bind("/sys".as_ref(), &world.at("w/sys"));
            bind("/proc/self/environ".as_ref(), &world.at("w/environ"));
            bind("/dev/pts".as_ref(), &world.at("w/pts"));
            // Where making a file makes something else.
            world.make(&["w/queues/"]);
            mount("mqueue", &world.at("w/queues"), "rw");
            world.table(
                &["w=write"],
                &[
                    ("read w/proc/self/environ", "access"),
                    ("stat w/proc", "access"),
                    ("list w/proc", "access"),
                    ("read w/proc/self/root/etc/passwd", "access"),
                    ("real w/proc/self/exe", "access"),
                    ("write w/proc/self/oom_score_adj 1", "access"),
                    ("mkdir w/proc/made", "access"),
                    ("rm w/proc/version", "access"),
                    ("copytree w/proc/self w/copied", "access"),
                    ("copy w/f w/proc/version", "access"),
                    ("read w/environ", "access"),
                    ("write w/environ x", "access"),
                    ("copy w/environ w/copied", "access"),
                    ("list w/sys", "access"),
                    ("list w/pts", "access"),
                    ("write w/queues/new x", "access"),
                    ("copy w/f w/queues/new", "access"),
                    ("rename w/f w/queues/new", "access"),
                ],
            );
            assert!(!world.exists("w/queues/new"));
            unmount(&world.at("w/queues"));
            assert!(!world.exists("w/copied"));
        });
    });
}

#[test]
fn attack_18_a_read_only_mount_refuses_every_change_and_loses_nothing() {
    with_mounts(|| {
        everywhere(|world| {
            world.make(&["w/m/"]);
            mount("tmpfs", &world.at("w/m"), "rw");
            world.make(&["w/m/f=kept", "w/m/d/g=deep", "w/m/l>f", "w/x=x"]);
            let files = world.files(&["w=write"]);
            let open = files.open(&world.abs("w/m/f"), Follow::Links).unwrap();
            assert_eq!(world.run(&files, "write w/m/f kept"), "ok");
            // While the scope lives, as an operator or a failing disk would.
            remount(&world.at("w/m"), "ro");
            for (operation, wanted) in [
                ("read w/m/f", "kept"),
                ("read w/m/l", "kept"),
                ("list w/m", "d/ f l"),
                ("write w/m/f lost", "rofs"),
                ("write w/m/l lost", "rofs"),
                ("replace w/m/f lost", "rofs"),
                ("replace w/m/l lost", "rofs"),
                ("write w/m/new x", "rofs"),
                ("mkdir w/m/new", "rofs"),
                ("mkdirs w/m/d", "ok"),
                ("mkdirs w/m/d/new/er", "rofs"),
                ("rm w/m/f", "rofs"),
                ("rmtree w/m/d", "rofs"),
                ("rmforce w/m/d", "rofs"),
                ("copy w/x w/m/f", "rofs"),
                ("copy w/x w/m/new", "rofs"),
                ("copy w/m/l w/m/link", "rofs"),
                ("copytree w/m/d w/m/tree", "rofs"),
                ("copytree w/m/d w/tree", "ok"),
            ] {
                assert_eq!(
                    world.run(&files, operation),
                    wanted,
                    "{operation} by {:?}",
                    world.way
                );
            }
            assert_eq!(open.read_all(10).unwrap(), b"kept");
            remount(&world.at("w/m"), "rw");
            assert_eq!(world.run(&files, "write w/m/f new"), "ok");
        });
    });
}

#[test]
fn attack_18_a_mount_over_a_granted_directory_is_what_the_scope_means_from_then_on() {
    with_mounts(|| {
        both(|world| {
            world.make(&["w/f=below", "w/d/g=below"]);
            let files = world.files(&["w=write", "w/d=read"]);
            let run = |operation: &str| world.run(&files, operation);
            let open = files.open(&world.abs("w/f"), Follow::Links).unwrap();
            assert_eq!(run("read w/f"), "below");

            mount("tmpfs", &world.at("w"), "rw");
            assert_eq!(run("read w/f"), "noent");
            assert_eq!(run("list w"), "");
            assert_eq!(run("write w/f above"), "ok");
            assert_eq!(run("mkdirs w/d/x"), "rofs", "the rules hold for the names");
            assert_eq!(open.read_all(10).unwrap(), b"below");
            unmount(&world.at("w"));
            assert_eq!(run("read w/f"), "below");

            bind("/proc".as_ref(), &world.at("w"));
            assert_eq!(run("read w/self/environ"), "access");
            assert_eq!(run("list w"), "access");
            unmount(&world.at("w"));
            assert_eq!(run("list w"), "d/ f");
        });
    });
}

#[test]
fn attack_18_on_an_overlay_files_are_changed_above_and_stay_as_they_are_below() {
    with_mounts(|| {
        // Layers on different file systems: there a file gets another number when it is copied up.
        let lower = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        fs::create_dir(lower.path().join("d")).unwrap();
        for (path, text) in [("f", "lower"), ("g", "lower"), ("d/deep", "lower")] {
            fs::write(lower.path().join(path), text).unwrap();
        }
        std::os::unix::fs::symlink("/etc", lower.path().join("out")).unwrap();
        everywhere(|world| {
            world.make(&["upper/", "work/", "w/"]);
            let layers = format!(
                "lowerdir={},upperdir={},workdir={}",
                lower.path().display(),
                world.at("upper").display(),
                world.at("work").display()
            );
            mount("overlay", &world.at("w"), &layers);
            world.table(
                &["w=write"],
                &[
                    ("read w/f", "lower"),
                    ("write w/f upper", "ok"),
                    ("read w/f", "upper"),
                    ("copy w/f w/g", "ok"),
                    ("read w/g", "upper"),
                    ("rm w/g", "ok"),
                    ("read w/g", "noent"),
                    ("write w/d/new x", "ok"),
                    ("walk w/d", "w/d/deep w/d/new"),
                    ("copytree w/d w/e", "ok"),
                    ("rmtree w/d", "ok"),
                    ("list w/e", "deep new"),
                    ("write w/d x", "ok"),
                ],
            );
            if world.way != crate::world::Way::Direct {
                let files = world.files(&["w=write"]);
                assert_eq!(world.run(&files, "read w/out/passwd"), "noent");
                assert_eq!(world.run(&files, "write w/out/new x"), "access");
            }
        });
        for path in ["f", "g", "d/deep"] {
            assert_eq!(
                fs::read_to_string(lower.path().join(path)).unwrap(),
                "lower"
            );
        }
        assert_eq!(fs::metadata(lower.path().join("f")).unwrap().nlink(), 1);
    });
}

#[test]
fn attack_18_links_are_the_guests_to_follow_also_where_the_system_would_not() {
    with_mounts(|| {
        both(|world| {
            world.make(&["w/m/", "out/secret=theirs"]);
            mount("tmpfs", &world.at("w/m"), "nosymfollow");
            world.make(&["w/m/f=mine", "w/m/l>f", "w/m/out>$/out/secret"]);
            assert!(
                fs::read(world.at("w/m/l")).is_err(),
                "the system follows none"
            );
            world.table(
                &["w=write"],
                &[
                    ("read w/m/f", "mine"),
                    ("read w/m/l", "mine"),
                    ("read! w/m/l", "link refused"),
                    ("read w/m/out", "noent"),
                    ("write w/m/out x", "access"),
                    ("copy w/m/out w/m/copied", "ok"),
                ],
            );
        });
    });
}
