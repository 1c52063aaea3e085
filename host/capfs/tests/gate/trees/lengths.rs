//! Lengths that are not true: of entries, of files that change while they are read, and of those that have none.

use std::fs;

use lockgate_capfs::{Files, TreeReport};
use tar::{EntryType, Header};

use super::{left_out, upload};
use crate::world::{Way, World, everywhere};

#[test]
fn attack_16_sizes_that_lie_end_the_tree_and_nothing_else() {
    everywhere(|world| {
        world.make(&["to/"]);
        let files = world.files(&["to=write"]);
        let header = |size: u64, kind: EntryType| {
            let mut header = Header::new_gnu();
            header.set_entry_type(kind);
            header.set_path("f").unwrap();
            header.set_mode(0o644);
            header.set_size(size);
            header.set_cksum();
            header.as_bytes().to_vec()
        };
        let ends = |bytes: &[u8]| {
            upload(world, &files, "to", bytes, 100)
                .unwrap_err()
                .to_string()
        };
        for (size, kind, wanted) in [
            (
                u64::MAX,
                EntryType::Regular,
                "a size is larger than any file",
            ),
            (u64::MAX, EntryType::Fifo, "a size is larger than any file"),
            (
                u64::MAX,
                EntryType::XGlobalHeader,
                "a size is larger than any file",
            ),
            (
                1 << 30,
                EntryType::XHeader,
                "what stands before an entry is too long",
            ),
            (
                1 << 30,
                EntryType::GNULongName,
                "what stands before an entry is too long",
            ),
        ] {
            assert!(ends(&header(size, kind)).contains(wanted), "{kind:?}");
        }
        // It says more than there is: what came is kept, and the end says that it is cut.
        let mut bytes = header(1_000, EntryType::Regular);
        bytes.extend_from_slice(&[b'x'; 600]);
        assert!(ends(&bytes).contains("in the middle"));
        assert_eq!(world.text("to/f"), "x".repeat(600));
        assert!(ends(&bytes[..300]).contains("in the middle"));
        bytes[0] = b'g';
        assert!(ends(&bytes).contains("checksum"));
        assert!(ends(&[b'x'; 512]).contains("checksum"));
        let mut pax = header(10, EntryType::XHeader);
        pax.extend_from_slice(&[b'x'; 512]);
        assert!(ends(&pax).contains("extended header"));
        // An empty tar is one, with its two blocks or without.
        for empty in [0, 512, 1_024, 10_240] {
            let report = upload(world, &files, "to", &vec![0; empty], 100).unwrap();
            assert_eq!(report, TreeReport::default());
        }
    });
}

#[test]
fn a_file_that_shrinks_while_it_is_read_arrives_as_far_as_it_was_read() {
    everywhere(|world| {
        world.make(&["from/g=behind it", "to/f=old"]);
        fs::write(world.at("from/f"), vec![b'x'; 100_000]).unwrap();
        let files = world.files(&["from=read", "to=write"]);
        let mut tree = files.download(&world.abs("from")).unwrap();
        // Only so many bytes have been read, whichever of the files comes first.
        let mut bytes = tree.read(2_048).unwrap();
        fs::write(world.at("from/f"), vec![b'x'; 50_000]).unwrap();
        bytes.extend(tree.read(1 << 20).unwrap());
        assert_eq!(
            left_out(tree.report()),
            ["f: it became shorter while it was read; 50000 bytes of it were"]
        );
        // It is told once, as what was left out, and is none of what arrived.
        assert_eq!((tree.report().files, tree.report().bytes), (1, 9));
        for piece in [1 << 20, 512, 7] {
            let report = upload(world, &files, "to", &bytes, piece).unwrap();
            assert_eq!((report.files, report.bytes), (1, 9));
            assert_eq!(report.left_out_count, 0);
            assert_eq!(world.text("to/f"), "x".repeat(50_000));
            assert_eq!(world.text("to/g"), "behind it");
        }
        // To others it is a tar like any other.
        let mut others = tar::Archive::new(&bytes[..]);
        let names = others.entries().unwrap().map(|entry| {
            let entry = entry.unwrap();
            entry.path().unwrap().display().to_string()
        });
        let mut names: Vec<_> = names.collect();
        names.sort();
        assert_eq!(names, ["f", "g"]);
    });
}

/// A file that became shorter, and nothing after it: as a tar.
fn shortened(world: &World) -> Vec<u8> {
    world.make(&["from/"]);
    fs::write(world.at("from/f"), vec![b'x'; 100_000]).unwrap();
    let mut tree = Files::Direct.download(&world.abs("from")).unwrap();
    let mut bytes = tree.read(2_048).unwrap();
    fs::write(world.at("from/f"), vec![b'x'; 50_000]).unwrap();
    bytes.extend(tree.read(1 << 20).unwrap());
    bytes
}

#[test]
fn a_file_is_not_whole_before_what_comes_next_says_that_it_was_not_cut() {
    everywhere(|world| {
        world.make(&["to/"]);
        let bytes = shortened(world);
        let files = world.files(&["to=write"]);
        let source = fs::metadata(world.at("from/f")).unwrap();
        let modified = source.modified().unwrap() - std::time::Duration::from_secs(1000);
        // Up to the header that says so, and up to the end of that: its time would say that it is the source's.
        let contents = 512 + 100_000 + 352;
        for (end, wanted) in [(contents, 100_000), (contents + 512, 100_000)] {
            let mut into = files.upload(&world.abs("to")).unwrap();
            let mut old = tar::Header::new_gnu();
            old.as_mut_bytes().copy_from_slice(&bytes[..512]);
            old.set_mtime(since_1970(modified));
            old.set_cksum();
            into.write(old.as_bytes()).unwrap();
            into.write(&bytes[512..end]).unwrap();
            drop(into);
            let found = fs::metadata(world.at("to/f")).unwrap();
            assert_eq!(found.len(), wanted);
            let told = since_1970(found.modified().unwrap());
            assert_ne!(told, since_1970(modified), "{end}");
        }
        upload(world, &files, "to", &bytes, 1 << 20).unwrap();
        assert_eq!(world.text("to/f"), "x".repeat(50_000));
    });
}

fn since_1970(time: std::time::SystemTime) -> u64 {
    let since = time.duration_since(std::time::SystemTime::UNIX_EPOCH);
    since.unwrap().as_secs()
}

#[test]
fn others_read_a_tree_whose_last_file_became_shorter() {
    let world = World::new(Way::Direct);
    let bytes = shortened(&world);
    fs::write(world.at("tree.tar"), bytes).unwrap();
    let script = "import sys, tarfile; print([entry.name for entry in tarfile.open(sys.argv[1])])";
    for (program, arguments, wanted) in [
        ("python3", &["-c", script][..], "['f', '.']\n"),
        ("tar", &["-tf"], "f\n./\n"),
    ] {
        let mut command = std::process::Command::new(program);
        command.args(arguments).arg(world.at("tree.tar"));
        let output = command
            .output()
            .unwrap_or_else(|error| panic!("{program} is needed: {error}"));
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{program}: {output:?}");
        assert_eq!(told, wanted, "{program}");
    }
}

#[test]
fn no_tree_makes_a_file_longer_by_telling_its_end() {
    everywhere(|world| {
        world.make(&["to/old=0123456789"]);
        let files = world.files(&["to=write"]);
        let cut = |len: &str| {
            let mut builder = tar::Builder::new(Vec::new());
            let mut file = Header::new_ustar();
            file.set_size(4);
            file.set_mode(0o644);
            builder.append_data(&mut file, "f", &b"text"[..]).unwrap();
            let extension = [("LOCKGATE.cut", len.as_bytes())];
            builder.append_pax_extensions(extension).unwrap();
            builder.into_inner().unwrap()
        };
        for (len, wanted) in [("2", "te"), ("0", ""), ("4", "text"), ("9999999", "text")] {
            let report = upload(world, &files, "to", &cut(len), 100).unwrap();
            assert_eq!(world.text("to/f"), wanted);
            let whole = wanted == "text";
            let counted = (u64::from(whole), if whole { 4 } else { 0 });
            assert_eq!((report.files, report.bytes), counted);
        }
        assert!(upload(world, &files, "to", &cut("-1"), 100).is_err());
        // With no file before it there is nothing to cut.
        let alone = cut("0")[1_024..].to_vec();
        upload(world, &files, "to", &alone, 100).unwrap();
        assert_eq!(world.text("to/old"), "0123456789");
    });
}

#[test]
fn what_files_say_of_their_length_is_not_believed() {
    let files = Files::Direct;
    let of = |path: &str| lockgate_grant::AbsPath::parse(path).unwrap();
    let mut tree = files.download(&of("/proc/self/net")).unwrap();
    let mut bytes = Vec::new();
    loop {
        let more = tree.read(1 << 20).unwrap();
        if more.is_empty() {
            break;
        }
        bytes.extend(more);
    }
    let mut archive = tar::Archive::new(&bytes[..]);
    let mut found = None;
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.path().unwrap().as_ref() == std::path::Path::new("dev") {
            let mut text = String::new();
            std::io::Read::read_to_string(&mut entry, &mut text).unwrap();
            found = Some(text);
        }
    }
    assert!(found.unwrap().contains("lo:"));
    assert!(tree.report().bytes > 0);
}
