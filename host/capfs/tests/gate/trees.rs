//! Trees as streams: they travel whole, and are written over what is there.

mod copies;
mod left_out;
mod lengths;
mod outlines;

use std::fs;
use std::io::Read as _;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

use lockgate_capfs::{Files, Follow, FsError, TreeReport};
use tar::{Builder, EntryType, Header};

use crate::world::{World, everywhere};

fn download(world: &World, files: &Files, path: &str, cut: usize) -> (Vec<u8>, TreeReport) {
    let mut tree = files.download(&world.abs(path)).unwrap();
    let mut bytes = Vec::new();
    loop {
        let piece = tree.read(cut).unwrap();
        bytes.extend_from_slice(&piece);
        if piece.len() < cut {
            return (bytes, tree.report().clone());
        }
    }
}

fn upload(
    world: &World,
    files: &Files,
    path: &str,
    bytes: &[u8],
    cut: usize,
) -> Result<TreeReport, FsError> {
    let mut tree = files.upload(&world.abs(path))?;
    for piece in bytes.chunks(cut) {
        tree.write(piece)?;
    }
    tree.finish()
}

/// What was left out, as `name: reason`.
fn left_out(report: &TreeReport) -> Vec<String> {
    let mut told: Vec<_> = report
        .left_out
        .iter()
        .map(|left| format!("{}: {}", left.name.to_string_lossy(), left.reason))
        .collect();
    told.sort();
    told
}

/// Every path below with what there is to compare: kind and bits, time, contents or target.
fn contents(below: &Path) -> Vec<(Vec<u8>, u32, i64, Vec<u8>)> {
    let mut found = Vec::new();
    let mut left = vec![below.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let stat = path.symlink_metadata().unwrap();
            let bytes = match stat.file_type() {
                kind if kind.is_dir() => {
                    left.push(path.clone());
                    Vec::new()
                }
                kind if kind.is_symlink() => {
                    fs::read_link(&path).unwrap().into_os_string().into_vec()
                }
                _ => fs::read(&path).unwrap(),
            };
            let time = if stat.is_symlink() { 0 } else { stat.mtime() };
            let name = path.strip_prefix(below).unwrap().as_os_str().as_bytes();
            found.push((name.to_vec(), stat.mode(), time, bytes));
        }
    }
    found.sort();
    found
}

fn set_time(path: &Path, seconds: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    fs::File::open(path).unwrap().set_modified(time).unwrap();
}

/// An entry as its fields say it, whatever they say.
fn entry(tar: &mut Vec<u8>, kind: EntryType, name: &str, target: &str, data: &[u8]) {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(data.len() as u64);
    let fields = header.as_gnu_mut().unwrap();
    fields.name[..name.len()].copy_from_slice(name.as_bytes());
    fields.linkname[..target.len()].copy_from_slice(target.as_bytes());
    header.set_cksum();
    tar.extend_from_slice(header.as_bytes());
    tar.extend_from_slice(data);
    tar.resize(tar.len().next_multiple_of(512), 0);
}

#[test]
fn attack_17_a_directory_that_is_made_is_never_more_open_than_was_asked_for() {
    everywhere(|world| {
        world.make(&["to/"]);
        let files = world.files(&["to=write"]);
        let mode = |path: &str| fs::metadata(world.at(path)).unwrap().mode() & 0o7777;
        let mut tar = Vec::new();
        for (name, mode) in [("p/", 0o700), ("p/q/", 0o510), ("not/named/r/", 0o700)] {
            let mut header = Header::new_gnu();
            header.set_entry_type(EntryType::Directory);
            header.set_path(name).unwrap();
            header.set_mode(mode);
            header.set_size(0);
            header.set_cksum();
            tar.extend_from_slice(header.as_bytes());
        }
        let mut tree = files.upload_with(&world.abs("to/d"), 0o701).unwrap();
        assert_eq!(mode("to/d") & !0o701, 0);
        // Nothing has come yet that says that they are whole.
        tree.write(&tar[..1024]).unwrap();
        let (outer, inner) = (mode("to/d/p"), mode("to/d/p/q"));
        assert_eq!(
            (outer & !0o700, inner & !0o710),
            (0, 0),
            "{outer:o} {inner:o}"
        );
        tree.write(&tar[1024..]).unwrap();
        assert_eq!(mode("to/d/not/named/r") & !0o700, 0);
        assert_ne!(mode("to/d/not/named") & 0o077, 0, "as any new directory");
        tree.finish().unwrap();
        assert_eq!((mode("to/d/p"), mode("to/d/p/q")), (0o700, 0o510));

        let make = |path: &str, recursive, bits| {
            files.create_directory_with(&world.abs(path), recursive, Follow::Nothing, bits)
        };
        make("to/above/new", true, 0o700).unwrap();
        make("to/single", false, 0o4711).unwrap();
        assert_eq!(mode("to/above/new"), 0o700);
        assert_eq!(mode("to/single") & !0o711, 0, "no special bits");
        assert_ne!(mode("to/above") & 0o077, 0, "as any new directory");
        // One that is there stays, and the bits are of one call only.
        make("to/above", true, 0o700).unwrap();
        assert_ne!(mode("to/above") & 0o077, 0);
        assert!(make("to/above", false, 0o700).is_err());
        files
            .create_directory(&world.abs("to/next"), true, Follow::Nothing)
            .unwrap();
        assert_ne!(mode("to/next") & 0o077, 0);
    });
}

#[test]
fn a_tree_travels_whole_whatever_the_pieces() {
    everywhere(|world| {
        let long = "long-name-".repeat(20);
        world.make(&[
            "from/f=text",
            "from/empty=",
            "from/d/e/x=deep",
            "from/d/script=#!",
            "from/nothing",
            "from/l>d/e",
            "from/broken>../none",
            &format!("from/{long}/{long}=x"),
            &format!("from/longlink>{long}/{long}"),
            "to/",
        ]);
        fs::write(world.at("from/d/big"), vec![7; 300_000]).unwrap();
        let odd = std::ffi::OsString::from_vec(b"odd\xff\xc3".to_vec());
        fs::write(world.at("from").join(odd), b"odd").unwrap();
        fs::set_permissions(
            world.at("from/d/script"),
            fs::Permissions::from_mode(0o4751),
        )
        .unwrap();
        fs::set_permissions(world.at("from/nothing"), fs::Permissions::from_mode(0o700)).unwrap();
        for (number, path) in ["from/f", "from/d/e", "from/d", "from/nothing"]
            .iter()
            .enumerate()
        {
            set_time(&world.at(path), 1_000_000_000 + number as u64);
        }
        let files = world.files(&["from=read", "to=write"]);
        let (whole, report) = download(world, &files, "from", 1 << 20);
        assert_eq!((report.files, report.directories, report.links), (7, 4, 3));
        assert_eq!(report.bytes, 4 + 4 + 2 + 1 + 300_000 + 3);
        assert_eq!(left_out(&report), [""; 0]);
        assert_eq!(report.special_bits, 1);
        for cut in [1, 511, 512, 513, 100_000] {
            assert_eq!(download(world, &files, "from", cut).0, whole, "{cut}");
        }
        // Set-user-id does not travel: it would give rights away.
        fs::set_permissions(world.at("from/d/script"), fs::Permissions::from_mode(0o751)).unwrap();
        let report = TreeReport {
            special_bits: 0,
            times_before_1970: 0,
            ..report
        };
        let wanted = contents(&world.at("from"));
        for cut in [1, 512, 1_000, 1 << 20] {
            let made = upload(world, &files, &format!("to/{cut}/new"), &whole, cut).unwrap();
            assert_eq!(made, report);
            assert_eq!(
                contents(&world.at(&format!("to/{cut}/new"))),
                wanted,
                "{cut}"
            );
        }
        // Once more over what is there.
        assert_eq!(
            upload(world, &files, "to/1/new", &whole, 4_096).unwrap(),
            report
        );
        assert_eq!(contents(&world.at("to/1/new")), wanted);
    });
}

#[test]
fn what_is_made_others_read_and_what_others_make_is_read() {
    everywhere(|world| {
        let long = "n".repeat(150);
        world.make(&[
            "from/d/f=text",
            "from/l>d/f",
            &format!("from/d/{long}=long"),
            "to/",
        ]);
        let files = world.files(&["from=read", "to=write"]);
        let (bytes, _) = download(world, &files, "from", 1 << 16);
        let mut found: Vec<_> = tar::Archive::new(&*bytes)
            .entries()
            .unwrap()
            .map(|entry| {
                let mut entry = entry.unwrap();
                let mut text = String::new();
                entry.read_to_string(&mut text).unwrap();
                let target = entry
                    .link_name()
                    .unwrap()
                    .unwrap_or_default()
                    .display()
                    .to_string();
                format!("{} {text}{target}", entry.path().unwrap().display())
            })
            .collect();
        found.sort();
        assert_eq!(
            found,
            [
                "d/ ".to_owned(),
                "d/f text".into(),
                format!("d/{long} long"),
                "l d/f".into()
            ]
        );

        let mut other = Builder::new(Vec::new());
        other
            .append_pax_extensions([
                ("path", long.as_bytes()),
                ("mtime", b"1234567890.25"),
                ("comment", b"x"),
            ])
            .unwrap();
        let mut header = Header::new_ustar();
        header.set_size(3);
        header.set_mode(0o600);
        other
            .append_data(&mut header, "short", &b"pax"[..])
            .unwrap();
        // As old as the format: no magic, a directory by its slash, none of those above named.
        let mut header = Header::new_old();
        header.set_size(0);
        header.set_mode(0o755);
        header.set_entry_type(EntryType::Regular);
        header.set_path("a/b/c/").unwrap();
        header.set_cksum();
        other.append(&header, &b""[..]).unwrap();
        let mut header = Header::new_ustar();
        header.set_size(1);
        header.set_mode(0o644);
        other
            .append_data(
                &mut header,
                format!("{long}/{}/f", "p".repeat(90)).replace(&long, "prefix"),
                &b"x"[..],
            )
            .unwrap();
        let bytes = other.into_inner().unwrap();
        let report = upload(world, &files, "to", &bytes, 300).unwrap();
        assert_eq!(left_out(&report), [""; 0]);
        assert_eq!(world.text(&format!("to/{long}")), "pax");
        assert_eq!(
            fs::metadata(world.at(&format!("to/{long}")))
                .unwrap()
                .mtime(),
            1_234_567_890
        );
        assert!(world.at("to/a/b/c").is_dir());
        assert_eq!(world.text(&format!("to/prefix/{}/f", "p".repeat(90))), "x");
    });
}

#[test]
fn an_upload_overwrites_in_place_and_replaces_nothing_by_another_kind() {
    everywhere(|world| {
        world.make(&["to/f=a longer text", "to/d/x=x", "to/file=f", "to/l>f"]);
        fs::hard_link(world.at("to/f"), world.at("to/other")).unwrap();
        let files = world.files(&["to=write"]);
        let mut tar = Vec::new();
        entry(&mut tar, EntryType::Regular, "f", "", b"new");
        entry(&mut tar, EntryType::Regular, "d", "", b"evil");
        entry(&mut tar, EntryType::Directory, "file", "", b"");
        entry(&mut tar, EntryType::Symlink, "file", "f", b"");
        entry(&mut tar, EntryType::Symlink, "d", "f", b"");
        entry(&mut tar, EntryType::Symlink, "l", "d", b"");
        let report = upload(world, &files, "to", &tar, 1 << 20).unwrap();
        assert_eq!((report.files, report.directories, report.links), (1, 0, 1));
        assert_eq!(report.left_out_count, 4, "{:#?}", left_out(&report));
        assert_eq!(world.text("to/other"), "new");
        assert_eq!(world.text("to/d/x"), "x");
        assert_eq!(world.text("to/file"), "f");
        assert_eq!(fs::read_link(world.at("to/l")).unwrap(), Path::new("d"));
    });
}

#[test]
fn an_upload_that_is_broken_off_leaves_no_old_bytes_behind_the_new() {
    everywhere(|world| {
        world.make(&["from/f=0123456789", "to/f=old old old old old"]);
        let files = world.files(&["from=read", "to=write"]);
        let (bytes, _) = download(world, &files, "from", 1 << 20);
        let mut tree = files.upload(&world.abs("to")).unwrap();
        tree.write(&bytes[..512 + 4]).unwrap();
        drop(tree);
        assert_eq!(world.text("to/f"), "0123");
    });
}
