//! On a file system of one mebibyte, and one without a name left: what does not fit is refused in the system's words, and what is
//! left behind is what the operation says that it leaves.

use std::fs;

use lockgate_capfs::{Follow, FsError, OpenFor, Replacing};

use crate::apart::{mount, with_mounts};
use crate::world::{World, everywhere, name};

const KIB: usize = 1024;

/// A mebibyte at `w`, and next to it what does not fit.
fn small(world: &World, options: &str) {
    world.make(&["w/", "big/d/f=x", "big/d/e/g=y", "big/l>d"]);
    mount("tmpfs", &world.at("w"), options);
    for (name, kib) in [("a", 300), ("b", 300), ("c", 900)] {
        fs::write(world.at("big").join(name), vec![b'.'; kib * KIB]).unwrap();
    }
}

#[test]
fn attack_18_a_full_disk_is_told_and_what_was_there_stays() {
    with_mounts(|| {
        everywhere(|world| {
            small(world, "size=1m");
            world.make(&["w/kept=kept", "w/full/"]);
            world.table(
                &["w=write", "big=read"],
                &[
                    ("copy big/a w/a", "ok"),
                    ("copy big/b w/b", "ok"),
                    ("copy big/c w/c", "errno 28"),
                    ("read w/kept", "kept"),
                    ("stat w/a", "file"),
                    ("rm w/c", "ok"),
                    ("copytree big w/full/tree", "errno 28"),
                    ("rmtree w/full/tree", "ok"),
                    ("rm w/b", "ok"),
                    ("copy big/b w/b", "ok"),
                ],
            );
            assert_eq!(fs::read(world.at("w/a")).unwrap(), vec![b'.'; 300 * KIB]);
        });
    });
}

#[test]
fn attack_18_a_replacement_that_does_not_fit_leaves_the_old_file_and_nothing_else() {
    with_mounts(|| {
        everywhere(|world| {
            small(world, "size=1m");
            world.make(&["w/kept=kept"]);
            let files = world.files(&["w=write"]);
            let path = world.abs("w/kept");
            let much = vec![b'x'; 2 * KIB * KIB];
            for durable in [false, true] {
                let how = Replacing {
                    durable,
                    mode: None,
                    only_new: false,
                    only_if: None,
                };
                let refused = files.replace_file(&path, &much, how, Follow::Links);
                assert_eq!(name(&refused.unwrap_err()), "errno 28");
                assert_eq!(world.text("w/kept"), "kept");
                assert_eq!(fs::read_dir(world.at("w")).unwrap().count(), 1);
            }
            // A piece for which there is no room is told with how much of it is there.
            let file = files
                .open_write(&path, OpenFor::Append, Follow::Links)
                .unwrap();
            match file.write_at(0, &much).unwrap_err() {
                FsError::WrittenInPart { written, all, .. } => {
                    assert_eq!(all, much.len());
                    let size = fs::metadata(world.at("w/kept")).unwrap().len();
                    assert_eq!(size, 4 + written as u64);
                }
                other => panic!("{other}"),
            }
        });
    });
}

#[test]
fn attack_18_a_tree_that_does_not_fit_leaves_whole_files_and_one_cut_short() {
    with_mounts(|| {
        everywhere(|world| {
            small(world, "size=1m");
            world.table(
                &["w=write", "big=read"],
                &[("copytree big w/t", "errno 28")],
            );
            let mut cut_short = 0;
            for name in ["a", "b", "c"] {
                let Ok(copied) = fs::read(world.at("w/t").join(name)) else {
                    continue;
                };
                let source = fs::read(world.at("big").join(name)).unwrap();
                assert!(
                    source.starts_with(&copied),
                    "{name}: a beginning of its source"
                );
                cut_short += usize::from(copied.len() < source.len());
            }
            assert_eq!(
                cut_short, 1,
                "the copying ended with the file that did not fit"
            );
            assert_eq!(fs::read(world.at("big/c")).unwrap().len(), 900 * KIB);
        });
    });
}

#[test]
fn attack_18_where_no_name_is_left_nothing_is_made() {
    with_mounts(|| {
        everywhere(|world| {
            small(world, "size=1m,nr_inodes=4");
            world.make(&["w/f=kept", "w/d/"]);
            // The fourth is the root itself.
            world.make(&["w/last="]);
            world.table(
                &["w=write", "big=read"],
                &[
                    ("write w/new x", "errno 28"),
                    ("mkdir w/new", "errno 28"),
                    ("mkdirs w/d/a/b", "errno 28"),
                    ("mkdirs w/d", "ok"),
                    ("copy w/f w/new", "errno 28"),
                    ("copy big/l w/new", "errno 28"),
                    ("copytree big/d w/new", "errno 28"),
                    ("list w", "d/ f last"),
                    ("list w/d", ""),
                    ("write w/f more", "ok"),
                    ("rm w/last", "ok"),
                    ("mkdirs w/a/b", "errno 28"),
                    // Those above are made first, as `mkdir -p` does it.
                    ("list w", "a/ d/ f"),
                    ("read w/f", "more"),
                ],
            );
        });
    });
}
