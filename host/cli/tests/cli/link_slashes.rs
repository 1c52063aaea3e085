//! A slash behind a link to a directory names that directory, as to the system and coreutils.

use std::fs;
use std::os::unix::fs::symlink;

use crate::support::{ok, refused, run_in};

#[test]
fn a_link_with_a_slash_is_neither_renamed_nor_removed_and_what_it_leads_to_is_copied() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |path: &str| dir.path().join(path);
    fs::create_dir(at("d")).expect("made");
    fs::write(at("d/f"), "x").expect("written");
    fs::create_dir(at("into")).expect("made");
    symlink("d", at("ld")).expect("linked");
    symlink("none", at("broken")).expect("linked");
    for profile in [&[][..], &["--write", "."]] {
        let run = |args: &[&str]| {
            let args = [&["fs", args[0]], profile, &args[1..]].concat();
            run_in(dir.path(), &args)
        };
        for args in [
            &["mv", "ld/", "x"][..],
            &["mv", "ld/.", "x"],
            &["rm", "ld/"],
            &["rm", "-r", "ld/"],
            &["rm", "-rf", "ld//"],
            &["mv", "broken/", "x"],
            &["rm", "-r", "broken/"],
        ] {
            let path = args.iter().find(|arg| arg.contains('/')).expect("a path");
            let said = refused(run(args), path);
            assert!(said.contains("Not a directory"), "{args:?}: {said}");
        }
        refused(run(&["cp", "-r", "broken/", "x"]), "broken/");
        assert!(!run(&["cp", "ld/", "x"]).err.is_empty());
        for name in ["ld", "broken"] {
            assert!(at(name).is_symlink() && !at("x").exists(), "{name}");
        }
        ok(run(&["cp", "-r", "ld/", "c"]));
        ok(run(&["cp", "-r", "ld/", "into"]));
        for copy in ["c", "into/ld"] {
            assert!(!at(copy).is_symlink());
            assert_eq!(fs::read_to_string(at(copy).join("f")).expect("there"), "x");
            fs::remove_dir_all(at(copy)).expect("removed");
        }
        // Without the slash it is the link.
        ok(run(&["cp", "-r", "ld", "c"]));
        ok(run(&["mv", "c", "e"]));
        assert!(at("e").is_symlink());
        ok(run(&["rm", "-r", "e"]));
        assert!(at("d/f").exists() && !at("e").is_symlink());
    }
}
