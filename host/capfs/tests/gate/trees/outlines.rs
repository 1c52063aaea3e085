//! Outlines of trees: all that is there but its contents, and nothing of what is not granted.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use lockgate_capfs::{Files, OutlineKind, TreeReport};

use super::{left_out, set_time};
use crate::world::{World, everywhere};

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
