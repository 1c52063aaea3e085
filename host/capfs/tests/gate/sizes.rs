//! Files whose size is not what it seems, or changes while they are read and copied.

use std::fs::{self, File, OpenOptions};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use lockgate_capfs::limits::MAX_READ_BYTES;
use lockgate_capfs::{Follow, FsError, PathBackEnd};

use crate::world::{Way, World, both, everywhere};

const TIB: u64 = 1 << 40;

/// Makes the largest file of nothing but holes that the file system takes, 16 TiB if it can be.
fn sparse(world: &World, path: &str) -> u64 {
    let file = File::create(world.at(path)).unwrap();
    let largest = [16 * TIB, 16 * TIB - (1 << 16), 8 * TIB, TIB]
        .into_iter()
        .find(|size| file.set_len(*size).is_ok());
    largest.expect("a file system that has sparse files of a tebibyte")
}

#[test]
fn attack_16_a_sparse_file_of_sixteen_tebibytes_is_refused_whole_and_read_in_part() {
    both(|world| {
        world.make(&["w/"]);
        let size = sparse(world, "w/sparse");
        let files = world.files(&["w=read"]);
        let huge = files.open(&world.abs("w/sparse"), Follow::Links).unwrap();
        assert_eq!(huge.size, size);
        // Whatever is asked for, and by the limit that held.
        for (asked, limit) in [(u64::MAX, MAX_READ_BYTES), (1_000, 1_000)] {
            let refused = huge.read_all(asked).unwrap_err();
            assert!(
                matches!(refused, FsError::TooLarge { limit: held } if held == limit),
                "{refused}"
            );
            assert!(refused.to_string().ends_with(&format!(" {limit} bytes")));
        }
        assert!(huge.try_read_all(u64::MAX).is_none());
        assert_eq!(huge.read_at(size / 2, 4).unwrap(), [0; 4]);
        assert_eq!(huge.read_at(size - 2, 10).unwrap(), [0; 2]);
        assert_eq!(huge.read_at(size, 10).unwrap(), [0_u8; 0]);
        assert!(huge.read_at(u64::MAX, 10).is_err());
    });
}

#[test]
fn attack_16_a_file_that_grows_or_shrinks_while_it_is_read_or_copied_ends_both() {
    for back_end in [PathBackEnd::Openat2, PathBackEnd::Walk] {
        let world = World::new(Way::Gate(back_end));
        world.make(&["w/f=x"]);
        let files = world.files(&["w=write"]);
        let (path, copy, stop) = (
            world.abs("w/f"),
            world.abs("w/copy"),
            AtomicBool::new(false),
        );
        const LARGEST: u64 = 1 << 20;
        thread::scope(|threads| {
            let changing = threads.spawn(|| {
                let file = OpenOptions::new().write(true).open(path.as_path()).unwrap();
                let (mut changes, letters) = (0_u64, vec![b'x'; LARGEST as usize]);
                while !stop.load(Ordering::Relaxed) {
                    file.set_len(changes % 7 * 1_000).unwrap();
                    std::os::unix::fs::FileExt::write_all_at(&file, &letters, 0).unwrap();
                    file.set_len(0).unwrap();
                    changes += 1;
                }
                changes
            });
            for round in 0..500 {
                let open = files.open(&path, Follow::Links).unwrap();
                // A limit holds whatever the size was when it was looked at.
                match open.read_all(LARGEST / 2) {
                    Ok(bytes) => assert!(bytes.len() as u64 <= LARGEST / 2),
                    Err(error) => assert!(matches!(error, FsError::TooLarge { .. }), "{error}"),
                }
                let bytes = open.read_at(0, 2 * LARGEST as usize).unwrap();
                assert!(bytes.len() as u64 <= LARGEST);
                if round % 5 == 0 {
                    files.copy(&path, &copy, false).unwrap();
                    assert!(fs::metadata(copy.as_path()).unwrap().len() <= LARGEST);
                }
            }
            stop.store(true, Ordering::Relaxed);
            assert!(changing.join().unwrap() > 0);
        });
    }
}

#[test]
fn attack_16_a_file_without_an_end_is_read_to_its_limit() {
    // One that grows by each reading of it: appended to by the reader's own hand.
    both(|world| {
        world.make(&["w/f=0123456789"]);
        let files = world.files(&["w=write"]);
        let open = files.open(&world.abs("w/f"), Follow::Links).unwrap();
        for _ in 0..20 {
            let text = world.text("w/f");
            fs::write(world.at("w/f"), text.repeat(2)).unwrap();
            let limit = 1_000;
            match open.read_all(limit) {
                Ok(bytes) => assert!(bytes.len() as u64 <= limit),
                Err(FsError::TooLarge { .. }) => return,
                Err(error) => panic!("{error}"),
            }
        }
        panic!("the limit was never met");
    });
}

#[test]
fn attack_16_holes_are_copied_as_holes() {
    everywhere(|world| {
        world.make(&["w/d/", "w/over=something that was there before"]);
        let size = sparse(world, "w/d/f");
        let file = OpenOptions::new()
            .write(true)
            .open(world.at("w/d/f"))
            .unwrap();
        for (offset, text) in [(0, "begin"), (size / 2, "middle"), (size - 3, "end")] {
            std::os::unix::fs::FileExt::write_all_at(&file, text.as_bytes(), offset).unwrap();
        }
        world.table(
            &["w=write"],
            &[
                ("copy w/d/f w/copied", "ok"),
                ("copy w/d/f w/over", "ok"),
                ("copytree w/d w/tree", "ok"),
            ],
        );
        for copy in ["w/copied", "w/over", "w/tree/f"] {
            use std::os::unix::fs::{FileExt, MetadataExt};
            let copied = File::open(world.at(copy)).unwrap();
            let found = copied.metadata().unwrap();
            assert_eq!(found.len(), size);
            assert!(
                found.blocks() * 512 < 1 << 20,
                "{copy} takes {} blocks",
                found.blocks()
            );
            let mut bytes = [0; 8];
            for (offset, wanted) in [
                (0, b"begin\0\0\0"),
                (size / 2, b"middle\0\0"),
                (size - 8, b"\0\0\0\0\0end"),
            ] {
                copied.read_exact_at(&mut bytes, offset).unwrap();
                assert_eq!(&bytes, wanted, "{copy} at {offset}");
            }
        }
    });
}
