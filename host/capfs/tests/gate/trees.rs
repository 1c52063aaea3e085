//! Trees as streams: what travels, what is left out and told, and what hostile tars do not get.

use std::fs;
use std::io::Read as _;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use lockgate_capfs::{Files, Follow, FsError, OutlineKind, TreeReport};
use proptest::prelude::*;
use tar::{Builder, EntryType, Header};

use crate::world::{World, both, everywhere, name};

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

/// Everything that the outline of a path has, as `name kind mode time`.
fn outline(world: &World, files: &Files, path: &str) -> (Vec<String>, TreeReport) {
    let mut outline = files.outline(&world.abs(path)).unwrap();
    let mut lines = Vec::new();
    while let Some(entry) = outline.next_entry().unwrap() {
        let kind = match entry.kind {
            OutlineKind::Directory => "directory".to_owned(),
            OutlineKind::File { size } => format!("file {size}"),
            OutlineKind::Link { target } => format!("link {}", target.display()),
        };
        let (mode, time) = (entry.mode, entry.modified_ms);
        lines.push(format!(
            "{} {kind} {mode:o} {time}",
            entry.name.to_string_lossy()
        ));
    }
    lines.sort();
    (lines, outline.report().clone())
}

#[test]
fn an_outline_has_all_of_a_tree_but_its_contents() {
    everywhere(|world| {
        world.make(&["from/f=text", "from/d/e=12", "from/l>d/e", "beside=x"]);
        for (path, mode) in [
            ("from/f", 0o4640),
            ("from/d/e", 0o600),
            ("from/d", 0o750),
            ("from", 0o700),
        ] {
            let mode = fs::Permissions::from_mode(mode);
            fs::set_permissions(world.at(path), mode).unwrap();
        }
        for (number, path) in ["from/f", "from/d/e", "from/d", "from"].iter().enumerate() {
            set_time(&world.at(path), 1_000_000_000 + number as u64);
        }
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        mknodat(CWD, world.at("from/d/fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        set_time(&world.at("from/d"), 1_000_000_002);
        let files = world.files(&["from=read"]);
        let (lines, report) = outline(world, &files, "from");
        let wanted = [
            " directory 700 1000000003000",
            "d directory 750 1000000002000",
            "d/e file 2 600 1000000001000",
            "f file 4 640 1000000000000",
            "l link d/e 777 0",
        ];
        assert_eq!(lines, wanted);
        assert_eq!((report.files, report.directories, report.links), (2, 1, 1));
        assert_eq!(report.special_bits, 1);
        assert_eq!(
            left_out(&report),
            ["d/fifo: neither a file nor a directory nor a link"]
        );
        // One file is a tree of one entry, also where a link leads to it.
        for path in ["from/d/e", "from/l"] {
            let (lines, _) = outline(world, &files, path);
            assert_eq!(lines, [" file 2 600 1000000001000"], "{path}");
        }
        for path in ["from/none", "from/f/g", "from/d/fifo"] {
            assert!(files.outline(&world.abs(path)).is_err(), "{path}");
        }
    });
}

#[test]
fn attack_17_an_outline_tells_nothing_of_what_is_not_granted() {
    everywhere(|world| {
        world.make(&["w/in/f=x", "w/out/secret=s", "w/l>out/secret"]);
        let files = world.files(&["w=read", "w/out=deny"]);
        if matches!(files, Files::Direct) {
            return;
        }
        let (lines, _) = outline(world, &files, "w");
        let names: Vec<_> = lines
            .iter()
            .map(|line| line.split(' ').next().unwrap_or_default())
            .collect();
        assert!(names.contains(&"in/f"), "{names:?}");
        assert!(
            !names.iter().any(|name| name.starts_with("out/")),
            "{names:?}"
        );
        assert!(files.outline(&world.abs("w/out")).is_err());
        assert!(files.outline(&world.abs("w/out/secret")).is_err());
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
fn attack_15_what_is_no_file_is_left_out_and_told() {
    everywhere(|world| {
        world.make(&["from/f=x", "to/"]);
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        mknodat(CWD, world.at("from/fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(world.at("from/socket")).unwrap();
        let files = world.files(&["from=read", "to=write"]);
        let (_, report) = download(world, &files, "from", 4_096);
        assert_eq!(report.files, 1);
        let why = "neither a file nor a directory nor a link";
        assert_eq!(
            left_out(&report),
            [format!("fifo: {why}"), format!("socket: {why}")]
        );

        let mut tar = Vec::new();
        for (kind, name) in [
            (EntryType::Fifo, "fifo"),
            (EntryType::Char, "null"),
            (EntryType::Block, "disk"),
            (EntryType::GNUSparse, "sparse"),
            (EntryType::Link, "hard"),
            (EntryType::new(b'V'), "label"),
            (EntryType::Regular, "f"),
        ] {
            entry(&mut tar, kind, name, "f", b"");
        }
        let report = upload(world, &files, "to", &tar, 1 << 20).unwrap();
        assert_eq!((report.files, report.left_out_count), (1, 6), "{report:?}");
        assert_eq!(contents(&world.at("to")).len(), 1);
    });
}

#[test]
fn attack_01_names_that_lead_out_of_an_upload_are_left_out() {
    everywhere(|world| {
        world.make(&["to/d/", "out/f=secret"]);
        let out = world.at("out/f");
        let files = world.files(&["to=write", "out=write"]);
        let mut tar = Vec::new();
        for name in [
            "../out/f",
            "d/../../out/f",
            "..",
            out.to_str().unwrap(),
            "/",
            "/etc/lockgate-tree",
        ] {
            entry(&mut tar, EntryType::Regular, name, "", b"evil");
            entry(
                &mut tar,
                EntryType::Directory,
                &format!("{name}/x"),
                "",
                b"",
            );
            entry(&mut tar, EntryType::Symlink, &format!("{name}/y"), "/", b"");
        }
        entry(&mut tar, EntryType::Regular, "fine", "", b"fine");
        let report = upload(world, &files, "to/d", &tar, 1_000).unwrap();
        assert_eq!((report.files, report.directories, report.links), (1, 0, 0));
        assert_eq!(report.left_out_count, 18);
        assert_eq!(world.text("out/f"), "secret");
        assert_eq!(contents(&world.at("out")).len(), 1);
        assert_eq!(world.text("to/d/fine"), "fine");
    });
}

#[test]
fn attack_03_no_entry_goes_through_a_link_that_came_before_it() {
    everywhere(|world| {
        world.make(&["to/d/", "out/f=secret"]);
        let out = world.at("out");
        symlink(&out, world.at("to/d/old")).unwrap();
        let files = world.files(&["to=write", "out=write"]);
        let mut tar = Vec::new();
        let out = out.to_str().unwrap();
        entry(&mut tar, EntryType::Symlink, "absolute", out, b"");
        entry(&mut tar, EntryType::Symlink, "relative", "../../out", b"");
        entry(
            &mut tar,
            EntryType::Symlink,
            "file",
            &format!("{out}/f"),
            b"",
        );
        for link in ["absolute", "relative", "old"] {
            entry(
                &mut tar,
                EntryType::Regular,
                &format!("{link}/f"),
                "",
                b"evil",
            );
            entry(
                &mut tar,
                EntryType::Regular,
                &format!("{link}/new/f"),
                "",
                b"evil",
            );
            entry(
                &mut tar,
                EntryType::Directory,
                &format!("{link}/d"),
                "",
                b"",
            );
            entry(&mut tar, EntryType::Directory, link, "", b"");
            entry(&mut tar, EntryType::Symlink, &format!("{link}/l"), "f", b"");
            entry(&mut tar, EntryType::Symlink, &format!("{link}/f"), "d", b"");
        }
        entry(&mut tar, EntryType::Regular, "file", "", b"evil");
        let report = upload(world, &files, "to/d", &tar, 700).unwrap();
        assert_eq!((report.files, report.directories, report.links), (0, 0, 3));
        assert_eq!(report.left_out_count, 19, "{:#?}", left_out(&report));
        assert!(
            left_out(&report).iter().all(|told| {
                told.ends_with("a symbolic link is in the way")
                    || told.ends_with("File exists (os error 17)")
                    || told.ends_with("Not a directory (os error 20)")
            }),
            "{:#?}",
            left_out(&report)
        );
        assert_eq!(world.text("out/f"), "secret");
        assert_eq!(contents(&world.at("out")).len(), 1);
    });
}

#[test]
fn attack_03_a_download_has_links_as_links() {
    everywhere(|world| {
        world.make(&[
            "w/from/d/f=x",
            "w/out/secret=s",
            "w/from/l>../out",
            "w/from/f>../out/secret",
            "w/start>from",
        ]);
        let files = world.files(&["w=read"]);
        // The directory where it begins may be reached through one.
        let (bytes, report) = download(world, &files, "w/start", 4_096);
        assert_eq!((report.files, report.directories, report.links), (1, 1, 2));
        let names: Vec<_> = tar::Archive::new(&*bytes)
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        assert!(
            !names.iter().any(|name| name.contains("secret")),
            "{names:?}"
        );
    });
}

#[test]
fn a_profile_decides_about_each_entry() {
    both(|world| {
        world.make(&[
            "w/f=x",
            "w/secret/key=s",
            "w/.env=e",
            "w/.git/config=c",
            "w/ro/f=x",
            "w/l>secret/key",
            "out/f=o",
        ]);
        let rules = ["w=write", "w/secret=deny", "w/**/.env=deny", "w/ro=read"];
        let files = world.files(&rules);
        let (bytes, report) = download(world, &files, "w", 4_096);
        let mut names: Vec<_> = tar::Archive::new(&*bytes)
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        names.sort();
        assert_eq!(names, [".git/", ".git/config", "f", "l", "ro/", "ro/f"]);
        assert_eq!(report.left_out_count, 0);

        let mut tar = Vec::new();
        for name in [
            "f",
            "secret/key",
            "secret/new",
            ".env",
            "d/.env",
            ".git/config",
            ".codex/x",
            "ro/f",
            "ro/new",
            "new",
        ] {
            entry(&mut tar, EntryType::Regular, name, "", b"evil");
        }
        entry(&mut tar, EntryType::Directory, "ro", "", b"");
        entry(&mut tar, EntryType::Symlink, "secret", ".", b"");
        entry(&mut tar, EntryType::Symlink, ".agents", ".", b"");
        let report = upload(world, &files, "w", &tar, 512).unwrap();
        assert_eq!(
            (report.files, report.links),
            (2, 0),
            "{:#?}",
            left_out(&report)
        );
        for (path, text) in [
            ("w/f", "evil"),
            ("w/new", "evil"),
            ("w/secret/key", "s"),
            ("w/.env", "e"),
            ("w/.git/config", "c"),
            ("w/ro/f", "x"),
        ] {
            assert_eq!(world.text(path), text, "{path}");
        }
        for path in [
            "w/secret/new",
            "w/.codex",
            "w/.agents",
            "w/ro/new",
            "w/d/.env",
        ] {
            assert!(!world.exists(path), "{path}");
        }
        for (path, wanted) in [
            ("out", "noent"),
            ("w/secret", "noent"),
            ("w/f", "notdir"),
            ("w/none", "noent"),
        ] {
            assert_eq!(
                name(&files.download(&world.abs(path)).unwrap_err()),
                wanted,
                "{path}"
            );
        }
        for (path, wanted) in [("out", "access"), ("w/ro/new", "rofs"), ("w/f", "exist")] {
            assert_eq!(
                name(&files.upload(&world.abs(path)).unwrap_err()),
                wanted,
                "{path}"
            );
        }
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
        for piece in [1 << 20, 512, 7] {
            let report = upload(world, &files, "to", &bytes, piece).unwrap();
            assert_eq!((report.files, report.bytes), (2, 50_009));
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
            assert_eq!(report.bytes, wanted.len() as u64);
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

#[test]
fn a_report_names_some_and_counts_all() {
    everywhere(|world| {
        world.make(&["to/"]);
        let files = world.files(&["to=write"]);
        let mut tar = Vec::new();
        for number in 0..1_000 {
            entry(
                &mut tar,
                EntryType::Regular,
                &format!("../{number}"),
                "",
                b"x",
            );
        }
        let report = upload(world, &files, "to", &tar, 1 << 20).unwrap();
        assert_eq!((report.left_out.len(), report.left_out_count), (200, 1_000));
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn attack_01_no_bytes_make_an_upload_panic_or_leave_its_directory(
        noise in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        cut in 1..2_000usize,
    ) {
        let world = World::new(crate::world::Way::Gate(lockgate_capfs::PathBackEnd::Openat2));
        world.make(&["to/d/", "out/f=secret"]);
        let files = world.files(&["to=write", "out=write"]);
        let mut tar = Vec::new();
        entry(&mut tar, EntryType::Directory, "d", "", b"");
        entry(&mut tar, EntryType::Symlink, "l", "../../out", b"");
        entry(&mut tar, EntryType::Regular, "l/f", "", b"evil");
        entry(&mut tar, EntryType::GNULongName, "././@LongLink", "", b"../../out/f\0");
        entry(&mut tar, EntryType::Regular, "x", "", b"evil");
        entry(&mut tar, EntryType::XHeader, "pax", "", b"17 path=../out/f\n");
        entry(&mut tar, EntryType::Regular, "y", "", b"evil");
        for (at, byte) in noise {
            let at = at.index(tar.len());
            tar[at] = byte;
            // Damage behind the checksum, too.
            let start = at / 512 * 512;
            let mut header = Header::new_gnu();
            header.as_mut_bytes().copy_from_slice(&tar[start..start + 512]);
            header.set_cksum();
            if header.entry_type().is_file() || header.entry_type().is_symlink() {
                tar[start..start + 512].copy_from_slice(header.as_bytes());
            }
        }
        let _ = upload(&world, &files, "to/d", &tar, cut);
        prop_assert_eq!(world.text("out/f"), "secret");
        prop_assert_eq!(fs::read_dir(world.at("out")).unwrap().count(), 1);
        prop_assert_eq!(fs::read_dir(world.at("to")).unwrap().count(), 1);
    }
}
