//! A directory that is copied with what cannot be copied left out, and told.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::left_out;
use crate::apart::{mount, with_mounts};
use crate::world::{Way, World, both, everywhere, name};

fn copy(world: &World, rules: &[&str], from: &str, to: &str) -> Result<Vec<String>, String> {
    let files = world.files(rules);
    match files.copy_leaving_out(&world.abs(from), &world.abs(to)) {
        Ok(report) => {
            assert_eq!(report.left_out_count, report.left_out.len() as u64);
            Ok(left_out(&report))
        }
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn what_cannot_be_copied_is_told_and_all_else_is_copied() {
    everywhere(|world| {
        world.make(&[
            "from/a=a",
            "from/d/e/f=f",
            "from/in-the-way/x=x",
            "from/in-the-way/y/z=z",
            "from/l>a",
            "from/same>a",
            "from/z=z",
            "to/in-the-way=old",
            "to/l>elsewhere",
            "to/same>a",
            "to/z/",
        ]);
        mknodat(CWD, world.at("from/d/fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        fs::set_permissions(world.at("from/a"), fs::Permissions::from_mode(0o751)).unwrap();
        fs::set_permissions(world.at("from/d/e"), fs::Permissions::from_mode(0o500)).unwrap();
        let told = copy(world, &["from=read", "to=write"], "from", "to").unwrap();
        let names: Vec<_> = told.iter().map(|told| told.split(':').next()).collect();
        let wanted = ["d/fifo", "in-the-way", "l", "z"].map(Some);
        assert_eq!(names, wanted, "{told:?}");
        assert_eq!(told[2], "l: File exists (os error 17)");
        assert_eq!(
            (world.text("to/a"), world.text("to/d/e/f")),
            ("a".into(), "f".into())
        );
        assert_eq!(world.text("to/in-the-way"), "old");
        let bits = |path| fs::metadata(world.at(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((bits("to/a"), bits("to/d/e")), (0o751, 0o700));
        assert_eq!(
            fs::read_link(world.at("to/l")).unwrap().to_str(),
            Some("elsewhere")
        );
    });
}

#[test]
fn a_file_whose_reading_fails_is_one_of_them() {
    // It gives an error as long as nobody has set it.
    let source = lockgate_capfs::AbsPath::parse("/proc/sys/net/ipv6/conf/lo").unwrap();
    let world = World::new(Way::Direct);
    world.make(&["w/"]);
    let files = world.files(&[]);
    let report = files.copy_leaving_out(&source, &world.abs("w/to")).unwrap();
    let told = left_out(&report);
    assert!(
        told.len() == 1 && told[0].starts_with("stable_secret: "),
        "{told:?}"
    );
    assert!(world.text("w/to/mtu").ends_with('\n'));
}

#[test]
fn what_is_no_directory_or_would_hold_itself_is_as_in_any_copy() {
    everywhere(|world| {
        world.make(&["w/d/e/", "w/f=f", "w/l>d"]);
        let rules = &["w=write"];
        let both = |from, to| {
            (copy(world, rules, from, to), {
                let copied = world
                    .files(rules)
                    .copy(&world.abs(from), &world.abs(to), true);
                copied
                    .map(|()| Vec::new())
                    .map_err(|error| error.to_string())
            })
        };
        for (from, to) in [
            ("w/d", "w/d/e/g"),
            ("w/d", "w/d"),
            ("w/none", "w/x"),
            ("w/d", "w/l/x"),
            ("w/f", "w/d"),
        ] {
            let (ours, plain) = both(from, to);
            assert_eq!(ours, plain, "{from} {to}");
            assert!(ours.is_err());
        }
        assert_eq!(copy(world, rules, "w/f", "w/g"), Ok(vec![]));
        assert_eq!(copy(world, rules, "w/l", "w/m"), Ok(vec![]));
        assert!(fs::symlink_metadata(world.at("w/m")).unwrap().is_symlink());
    });
}

#[test]
fn attack_17_a_copy_that_goes_on_reads_and_writes_what_is_granted_only() {
    both(|world| {
        world.make(&[
            "w/from/f=f",
            "w/from/secret/k=k",
            "w/from/out>../../out",
            "out/k=k",
            "w/to/.git/x=x",
            "w/from/.git/x=new",
        ]);
        std::os::unix::fs::symlink(world.at("out"), world.at("w/to-out")).unwrap();
        let rules = &["w=write", "w/from/secret=deny", "w/to/.git=read"];
        let told = copy(world, rules, "w/from", "w/to").unwrap();
        assert_eq!(told, [".git/x: Read-only file system (os error 30)"]);
        assert!(!world.exists("w/to/secret"));
        assert_eq!(world.text("w/to/.git/x"), "x");
        assert!(copy(world, rules, "w/from", "w/to-out").is_err());
        assert!(copy(world, rules, "out", "w/new").is_err());
        assert!(copy(world, rules, "w/from/secret", "w/new").is_err());
        assert_eq!(fs::read_dir(world.at("out")).unwrap().count(), 1);
        assert!(!world.exists("w/new"));
    });
}

#[test]
fn attack_18_a_full_disk_ends_it_with_the_name_of_the_file() {
    with_mounts(|| {
        everywhere(|world| {
            world.make(&["w/", "big/d/e/large=", "big/small=x"]);
            mount("tmpfs", &world.at("w"), "size=1m");
            fs::write(world.at("big/d/e/large"), vec![b'.'; 3 << 20]).unwrap();
            let files = world.files(&["w=write", "big=read"]);
            let full = files.copy_leaving_out(&world.abs("big"), &world.abs("w/to"));
            let full = full.unwrap_err();
            let told = full.to_string();
            assert!(
                told.starts_with("d/e/large: No space left on device (os error 28)"),
                "{told}"
            );
            assert_eq!(world.text("w/to/small"), "x", "{}", name(&full));
        });
    });
}
