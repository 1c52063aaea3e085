//! Trees that are made to hurt whoever takes them.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use lockgate_capfs::{Files, FsError, TreeReport};
use tar::{EntryType, Header};

use crate::apart::with_mounts;
use crate::world::{Way, World, everywhere, resident};

/// An entry with a name of any length.
fn entry(tar: &mut Vec<u8>, kind: EntryType, name: &[u8], data: &[u8]) {
    if name.len() > 100 {
        let mut long = name.to_vec();
        long.push(0);
        block(tar, EntryType::GNULongName, b"././@LongLink", &long);
    }
    block(tar, kind, &name[..name.len().min(100)], data);
}

fn block(tar: &mut Vec<u8>, kind: EntryType, name: &[u8], data: &[u8]) {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o755);
    header.set_size(data.len() as u64);
    header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name);
    header.set_cksum();
    tar.extend_from_slice(header.as_bytes());
    tar.extend_from_slice(data);
    tar.resize(tar.len().next_multiple_of(512), 0);
}

fn upload(world: &World, files: &Files, path: &str, tar: &[u8]) -> Result<TreeReport, FsError> {
    let mut tree = files.upload(&world.abs(path))?;
    for piece in tar.chunks(1 << 20) {
        tree.write(piece)?;
    }
    tree.finish()
}

#[test]
fn attack_25_an_entry_as_deep_as_a_path_can_be_costs_no_stack() {
    let world = World::new(Way::Direct);
    world.make(&["w/"]);
    let room = 4_090 - world.at("w").as_os_str().len();
    let mut tar = Vec::new();
    let name = "a/".repeat(room / 2);
    entry(&mut tar, EntryType::Directory, name.as_bytes(), b"");
    let report = std::thread::scope(|scope| {
        // What threads have that do such work.
        let small = std::thread::Builder::new().stack_size(2 << 20);
        let upload = || upload(&world, &Files::Direct, "w", &tar).unwrap();
        small.spawn_scoped(scope, upload).unwrap().join().unwrap()
    });
    assert_eq!((report.directories, report.left_out), (1, vec![]));
}

#[test]
fn attack_25_a_directory_that_is_named_again_and_again_is_remembered_once() {
    everywhere(|world| {
        world.make(&["w/"]);
        let files = world.files(&["w=write"]);
        let mut tar = Vec::new();
        // As long as what stands before an entry may be, and yet a short path.
        let name = format!("{}d/", "./".repeat(30_000));
        entry(&mut tar, EntryType::Directory, name.as_bytes(), b"");
        let mut tree = files.upload(&world.abs("w")).unwrap();
        tree.write(&tar).unwrap();
        let before = resident();
        for _ in 0..300 {
            tree.write(&tar).unwrap();
        }
        let grown = resident().saturating_sub(before);
        assert!(grown < 8 << 20, "{grown} bytes");
        assert_eq!(tree.finish().unwrap().directories, 301);
    });
}

#[test]
fn attack_18_a_limit_on_file_sizes_costs_a_tree_one_entry_and_not_the_server() {
    with_mounts(|| {
        everywhere(|world| {
            world.make(&["w/f=old"]);
            let files = world.files(&["w=write"]);
            // Before the limit, which holds for all that this process writes: the guest is compiled and kept.
            world.run(&files, "stat w");
            let mut tar = Vec::new();
            entry(&mut tar, EntryType::Regular, b"f", &[b'n'; 20_001]);
            entry(&mut tar, EntryType::Regular, b"g", b"new");
            let unlimited = getrlimit(Resource::Fsize);
            let limit = Rlimit {
                current: Some(20_000),
                ..unlimited
            };
            setrlimit(Resource::Fsize, limit).unwrap();
            let report = upload(world, &files, "w", &tar).unwrap();
            setrlimit(Resource::Fsize, unlimited).unwrap();
            let left = &report.left_out[0];
            assert_eq!(
                (&*left.name, &*left.reason),
                ("f".as_ref(), "File too large (os error 27)")
            );
            assert_eq!(
                (world.text("w/f"), world.text("w/g")),
                ("old".into(), "new".into())
            );
        });
    });
}
