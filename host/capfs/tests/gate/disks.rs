//! Disks that are full, small, limited or read-only: what was in a file is there afterwards, or the error says what is.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::process::Command;

use lockgate_capfs::{AbsPath, CapFs, Files, Follow, Options, Own, PathBackEnd};

use crate::apart::{mount, remount, unmount, with_mounts};
use crate::filters::{in_a_thread, refuse};
use crate::world::{Way, World, everywhere, options};

/// Puts a filesystem of 1 MiB at `w`.
fn small(world: &World) {
    world.make(&["w/"]);
    mount("tmpfs", &world.at("w"), "size=1m,mode=755");
}

/// The same with ext4, which reserves, delays and counts quite differently.
fn small_ext4(world: &World) {
    world.make(&["w/"]);
    let image = world.at("image");
    let file = fs::File::create(&image).unwrap();
    file.set_len(4 << 20).unwrap();
    let made = Command::new("mkfs.ext4")
        .args(["-q", "-F", "-m", "0", "-O", "^has_journal"])
        .arg(&image)
        .status();
    let made = made.expect("`mkfs.ext4` of e2fsprogs is needed to run this test");
    assert!(made.success());
    let mounted = Command::new("mount")
        .args(["-o", "loop"])
        .args([&image, &world.at("w")])
        .status();
    assert!(mounted.unwrap().success(), "a loop device");
}

/// Takes all room but `left` bytes.
fn fill(world: &World, left: u64) {
    let filler = fs::File::options()
        .append(true)
        .create(true)
        .open(world.at("w/filler"));
    let mut filler = filler.unwrap();
    while filler.write(&[0; 4096]).is_ok_and(|wrote| wrote > 0) {}
    // What ext4 has delayed is settled now.
    filler.sync_all().unwrap();
    while filler.write(&[0; 4096]).is_ok_and(|wrote| wrote > 0) {}
    let len = filler.metadata().unwrap().len();
    filler.set_len(len - left).unwrap();
}

fn free(world: &World) -> u64 {
    let place = fs::File::open(world.at("w")).unwrap();
    rustix::fs::syncfs(&place).unwrap();
    let fs = rustix::fs::fstatvfs(&place).unwrap();
    fs.f_bfree * fs.f_frsize
}

fn at(world: &World, name: &str) -> AbsPath {
    world.abs(&format!("w/{name}"))
}

const FULL: &str = "No space left on device (os error 28)";

fn write(world: &World, files: &Files, name: &str, bytes: &[u8]) -> String {
    let outcome = files.write_file(&at(world, name), bytes, Follow::Links);
    outcome.map_or_else(|error| error.to_string(), |()| "ok".to_owned())
}

fn copy(world: &World, files: &Files, from: &str, to: &str) -> String {
    let outcome = files.copy(&at(world, from), &at(world, to), false);
    outcome.map_or_else(|error| error.to_string(), |()| "ok".to_owned())
}

/// What holds on any full disk.
fn nothing_is_lost(world: &World, files: &Files) {
    let old: Vec<u8> = (0..200_000_u32).map(|n| n as u8).collect();
    fs::write(world.at("w/f"), &old).unwrap();
    fs::write(world.at("w/source"), vec![b's'; 300_000]).unwrap();
    fs::write(world.at("w/empty"), "").unwrap();
    fs::hard_link(world.at("w/f"), world.at("w/other")).unwrap();
    // Sizes in the middle of a file, holes in all the rest.
    let sparse = fs::File::create(world.at("w/sparse")).unwrap();
    sparse.write_all_at(b"data", 500_000).unwrap();
    sparse.set_len(700_000).unwrap();
    fill(world, 64 << 10);
    let inode = fs::metadata(world.at("w/f")).unwrap().ino();
    let room = free(world);

    for grown in [300_000, 10 << 20] {
        assert_eq!(write(world, files, "f", &vec![b'n'; grown]), FULL);
        assert!(
            fs::read(world.at("w/f")).unwrap() == old,
            "the old contents"
        );
        assert_eq!(free(world), room, "what was reserved is given back");
    }
    assert_eq!(copy(world, files, "source", "f"), FULL);
    assert!(
        fs::read(world.at("w/other")).unwrap() == old,
        "the old contents"
    );
    assert_eq!(free(world), room, "what was reserved is given back");

    let holes = fs::read(world.at("w/sparse")).unwrap();
    assert_eq!(write(world, files, "sparse", &[b'n'; 600_000]), FULL);
    assert!(
        fs::read(world.at("w/sparse")).unwrap() == holes,
        "the holes"
    );

    let empty = format!("{FULL}: nothing was written, the file is empty");
    for name in ["new", "empty"] {
        assert_eq!(write(world, files, name, &[b'n'; 400_000]), empty);
        assert_eq!(copy(world, files, "source", name), empty);
        assert_eq!(fs::metadata(world.at("w").join(name)).unwrap().len(), 0);
    }

    // What needs no room works on a full disk, in place.
    fs::remove_file(world.at("w/sparse")).unwrap();
    fill(world, 0);
    assert_eq!(write(world, files, "f", &[b'w'; 200_000]), "ok");
    assert_eq!(fs::read(world.at("w/other")).unwrap(), [b'w'; 200_000]);
    assert_eq!(write(world, files, "f", b"short"), "ok");
    assert_eq!(fs::read(world.at("w/other")).unwrap(), b"short");
    assert_eq!(fs::metadata(world.at("w/f")).unwrap().ino(), inode);
}

#[test]
fn writes_keep_the_old_contents_when_the_disk_is_full() {
    with_mounts(|| {
        everywhere(|world| {
            small(world);
            nothing_is_lost(world, &world.files(&["w=write"]));
        });
    });
}

/// A loop device is root's to use: CI and whoever is root must show it, others have the one above.
#[test]
fn writes_keep_the_old_contents_when_an_ext4_disk_is_full() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not shown to this user: loop devices need root");
        return;
    }
    with_mounts(|| {
        everywhere(|world| {
            small_ext4(world);
            nothing_is_lost(world, &world.files(&["w=write"]));
            unmount(&world.at("w"));
        });
    });
}

/// The file system says of a quota what it says of a full disk, in another word. Here the word is put into its mouth.
#[test]
fn writes_keep_the_old_contents_when_a_quota_is_used_up() {
    everywhere(|world| {
        let old = vec![b'o'; 200_000];
        world.make(&["w/"]);
        fs::write(world.at("w/f"), &old).unwrap();
        fs::write(world.at("w/source"), vec![b's'; 300_000]).unwrap();
        let files = world.files(&["w=write"]);
        let quota = "Disk quota exceeded (os error 122)";
        in_a_thread(|| {
            refuse(
                BTreeMap::from([(libc::SYS_fallocate, Vec::new())]),
                libc::EDQUOT,
            );
            assert_eq!(write(world, &files, "f", &[b'n'; 300_000]), quota);
            assert_eq!(copy(world, &files, "source", "f"), quota);
            // What takes no more room than before is not the quota's business.
            assert_eq!(write(world, &files, "source", &[b'n'; 300_000]), "ok");
        });
        assert!(
            fs::read(world.at("w/f")).unwrap() == old,
            "the old contents"
        );
        in_a_thread(|| {
            let calls = [libc::SYS_fallocate, libc::SYS_pwrite64].map(|call| (call, Vec::new()));
            refuse(BTreeMap::from(calls), libc::EDQUOT);
            assert_eq!(write(world, &files, "f", b"less"), quota);
            let told = write(world, &files, "new", b"less");
            assert_eq!(
                told,
                format!("{quota}: nothing was written, the file is empty")
            );
        });
        assert!(
            fs::read(world.at("w/f")).unwrap() == old,
            "the old contents"
        );
    });
}

#[test]
fn a_copy_with_holes_over_a_file_keeps_its_old_contents_when_the_disk_is_full() {
    with_mounts(|| {
        everywhere(|world| {
            small(world);
            let files = world.files(&["w=write"]);
            fs::write(world.at("w/f"), [b'o'; 100_000]).unwrap();
            let source = fs::File::create(world.at("w/source")).unwrap();
            source.write_all_at(&[b's'; 200_000], 400_000).unwrap();
            source.set_len(900_000).unwrap();
            fill(world, 64 << 10);
            assert_eq!(copy(world, &files, "source", "f"), FULL);
            assert_eq!(fs::read(world.at("w/f")).unwrap(), [b'o'; 100_000]);
            fs::remove_file(world.at("w/filler")).unwrap();
            assert_eq!(copy(world, &files, "source", "f"), "ok");
            let copied = fs::read(world.at("w/f")).unwrap();
            assert!(copied == fs::read(world.at("w/source")).unwrap());
            let blocks = |name: &str| fs::metadata(world.at(name)).unwrap().blocks();
            assert!(blocks("w/f") <= blocks("w/source"), "holes are holes");
        });
    });
}

#[test]
fn writes_keep_the_old_contents_where_the_disk_is_read_only() {
    with_mounts(|| {
        everywhere(|world| {
            small(world);
            world.make(&["w/f=old", "source=new"]);
            remount(&world.at("w"), "ro");
            world.table(
                &["w=write", "source=read"],
                &[
                    ("write w/f new", "rofs"),
                    ("write w/new x", "rofs"),
                    ("copy source w/f", "rofs"),
                    ("copy source w/new", "rofs"),
                    ("read w/f", "old"),
                    ("list w", "f"),
                ],
            );
        });
    });
}

#[test]
fn attack_18_a_limit_on_file_sizes_neither_ends_the_server_nor_destroys_contents() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    with_mounts(|| {
        everywhere(|world| {
            small(world);
            let files = world.files(&["w=write"]);
            // Before the limit, which holds for all that this process writes: the guest is compiled and kept.
            world.run(&files, "stat w");
            fs::write(world.at("w/f"), [b'o'; 10_000]).unwrap();
            fs::write(world.at("w/source"), [b's'; 30_000]).unwrap();
            fs::write(world.at("w/fits"), [b's'; 20_000]).unwrap();
            let unlimited = getrlimit(Resource::Fsize);
            let limit = Rlimit {
                current: Some(20_000),
                ..unlimited
            };
            setrlimit(Resource::Fsize, limit).unwrap();
            let refused = "File too large (os error 27)";
            assert_eq!(write(world, &files, "f", &[b'n'; 20_001]), refused);
            assert_eq!(write(world, &files, "new", &[b'n'; 20_001]), refused);
            assert_eq!(copy(world, &files, "source", "f"), refused);
            assert_eq!(fs::read(world.at("w/f")).unwrap(), [b'o'; 10_000]);
            assert_eq!(copy(world, &files, "fits", "f"), "ok");
            assert_eq!(write(world, &files, "f", &[b'n'; 20_000]), "ok");
            assert_eq!(world.run(&files, "append w/f x"), "errno 27");
            let much = "x".repeat(20_001);
            assert_eq!(
                world.run(&files, &format!("replace w/f {much}")),
                "errno 27"
            );
            assert_eq!(fs::read(world.at("w/f")).unwrap(), [b'n'; 20_000]);
            setrlimit(Resource::Fsize, unlimited).unwrap();
        });
    });
}

/// The executor's own notes, and the ledger of each server on this account.
#[test]
fn attack_26_nobody_writes_to_the_ledger_through_a_grant() {
    let world = World::new(Way::Gate(PathBackEnd::Openat2));
    lockgate_capfs::ledger::start(&world.at("state")).unwrap();
    let world = world.through(CapFs::new(options(PathBackEnd::Openat2)).unwrap());
    let files = world.files(&["=write"]);
    let name = fs::read_dir(world.at("state")).unwrap().next().unwrap();
    let name = name.unwrap().file_name().into_string().unwrap();
    assert_eq!(world.run(&files, "write f x"), "ok");
    assert_eq!(world.run(&files, &format!("write state/{name} 1")), "rofs");
    assert_eq!(world.run(&files, "write state/writes-1 1"), "rofs");
    assert_eq!(world.run(&files, &format!("rm state/{name}")), "rofs");
}

#[test]
fn attack_26_what_the_next_start_believes_is_written_through_no_grant() {
    let world = World::new(Way::Gate(PathBackEnd::Openat2));
    // Elsewhere than its name says, and not there yet.
    world.make(&[
        "disk/cache/",
        ".cache>disk/cache",
        "etc/real=x",
        "etc/conf>real",
    ]);
    let own = [".cache/lockgate", ".config/lockgate", "etc/conf"];
    let options = Options {
        own: Own::of(own.map(|path| world.at(path)).to_vec()).unwrap(),
        ..options(PathBackEnd::Openat2)
    };
    let world = world.through(CapFs::new(options).unwrap());
    world.table(
        &["=write"],
        &[
            ("mkdir .cache/lockgate", "rofs"),
            ("mkdir disk/cache/lockgate", "rofs"),
            ("rm .cache", "rofs"),
            ("rename .cache other", "rofs"),
            ("rename disk/cache other", "access"),
            ("mkdir .config", "ok"),
            ("mkdir .config/lockgate", "rofs"),
            ("write .config/lockgate x", "rofs"),
            ("rm .config", "ok"),
            ("mkdir mine", "ok"),
            ("symlink mine .config", "access"),
            ("write etc/conf x", "rofs"),
            ("rm etc/conf", "rofs"),
            ("write etc/other x", "ok"),
            ("mkdir .cache/other", "ok"),
        ],
    );
}
