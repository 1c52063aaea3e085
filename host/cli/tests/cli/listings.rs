//! `fs ls` and `fs stat` of what is neither a file nor a directory, and of what is known besides.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

use crate::files::json;
use crate::support::{ok, run_in};

#[test]
fn a_listing_has_everything_and_the_long_one_says_what_it_is() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = dir.path();
    std::fs::create_dir_all(at.join("in/d")).expect("made");
    std::fs::write(at.join("out"), "x").expect("written");
    let odd = at.join("in").join(OsStr::from_bytes(b"z\xff"));
    std::fs::write(odd, "four").expect("written");
    let _socket = UnixListener::bind(at.join("in/socket")).expect("bound");
    for (target, name) in [
        ("none", "broken"),
        ("d", "to-d"),
        ("socket", "to-s"),
        ("../out", "up"),
    ] {
        symlink(target, at.join("in").join(name)).expect("made");
    }
    for (rules, up) in [
        (&[][..], "link to a file"),
        (&["--read", "in"], "link to nothing"),
    ] {
        let with = |arguments: &[&str]| run_in(at, &[arguments, rules].concat());
        let names = "broken\nd/\nsocket\nto-d/\nto-s\nup\nz\u{fffd}\n";
        assert_eq!(ok(with(&["fs", "ls", "in"])), names);
        let long = ok(with(&["fs", "ls", "-l", "in"]));
        let kinds: Vec<_> = long
            .lines()
            .map(|line| line.split("  ").next().expect("a column"))
            .collect();
        let wanted = [
            "link to nothing",
            "directory",
            "socket",
            "link to a directory",
            "link to a socket",
            up,
            "file",
        ];
        assert_eq!(kinds, wanted, "{long}");
        let tree = ok(with(&["fs", "tree", "in"]));
        let drawn = format!(
            "in\n├── broken (link to nothing)\n├── d/\n├── socket (socket)\n├── to-d (link to a directory)\n├── to-s (link)\n├── up ({up})\n└── z\u{fffd}\n"
        );
        assert_eq!(tree, drawn + "\n1 directory, 1 file, 4 links, 1 other\n");
        let tree = json(with(&["fs", "tree", "--json", "in"]));
        let paths = tree["entries"].as_array().expect("entries").iter();
        let paths: Vec<_> = paths
            .map(|entry| entry["path"].as_str().expect("text"))
            .collect();
        assert!(paths.is_sorted(), "{paths:?}");
        let of = |name: &str| {
            let entries = tree["entries"].as_array().expect("entries").iter();
            let path = format!("/in/{name}");
            let mut of =
                entries.filter(|entry| entry["path"].as_str().expect("text").ends_with(&path));
            of.next().expect(name).clone()
        };
        assert_eq!(
            (&of("d")["kind"], &of("socket")["kind"]),
            (&"directory".into(), &"socket".into())
        );
        assert_eq!(
            (&of("broken")["kind"], &of("broken")["leadsTo"]),
            (&"symlink".into(), &"nowhere".into())
        );
        assert_eq!(of("z%FF")["kind"], "file");
        let listed = json(with(&["fs", "ls", "-l", "--json", "in"]));
        assert_eq!(
            (
                &listed[0]["kind"],
                &listed[0]["leadsTo"],
                &listed[0]["metadata"]
            ),
            (
                &"symlink".into(),
                &"nowhere".into(),
                &serde_json::Value::Null
            )
        );
        assert_eq!(
            (&listed[6]["nameBase64"], &listed[6]["metadata"]["size"]),
            (&"ev8=".into(), &4.into())
        );
    }
}

#[test]
fn permissions_owner_and_names_are_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = dir.path();
    std::fs::create_dir(at.join("d")).expect("made");
    std::fs::write(at.join("f"), "x").expect("written");
    std::fs::hard_link(at.join("f"), at.join("g")).expect("made");
    std::fs::set_permissions(at.join("f"), std::fs::Permissions::from_mode(0o4640)).expect("set");
    let there = std::fs::metadata(at.join("f")).expect("there");
    let owner = format!("owner     {}:{}\n", there.uid(), there.gid());
    for rules in [&[][..], &["--read", "."]] {
        let with = |arguments: &[&str]| run_in(at, &[arguments, rules].concat());
        let told = ok(with(&["fs", "stat", "f"]));
        let wanted = format!(
            "type      file\nsize      1\nmode      4640 rwSr-----\n{owner}names     2\ncreated   "
        );
        assert!(told.starts_with(&wanted), "{told}");
        let told = json(with(&["fs", "stat", "--json", "f"]));
        assert_eq!(
            (&told["mode"], &told["uid"], &told["nlink"], &told["kind"]),
            (
                &0o4640.into(),
                &there.uid().into(),
                &2.into(),
                &"file".into()
            )
        );
        // Within a profile it would count what may be denied.
        let told = ok(with(&["fs", "stat", "d"]));
        assert_eq!(told.contains("\nnames     "), rules.is_empty(), "{told}");
    }
}

#[test]
fn a_link_is_told_with_what_it_says_also_if_that_leads_nowhere() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = dir.path();
    std::fs::create_dir(at.join("in")).expect("made");
    std::fs::write(at.join("in/f"), "x").expect("written");
    std::fs::write(at.join("out"), "x").expect("written");
    for (target, name) in [("f", "to-f"), ("none", "broken"), ("../out", "up")] {
        symlink(target, at.join("in").join(name)).expect("made");
    }
    let odd = OsStr::from_bytes(b"z\xff");
    symlink(odd, at.join("in/odd")).expect("made");
    for (rules, up) in [(&[][..], "file"), (&["--read", "in"], "nothing")] {
        let with = |arguments: &[&str]| run_in(at, &[arguments, rules].concat());
        let told = ok(with(&["fs", "stat", "in/to-f"]));
        assert!(
            told.starts_with("type      link to a file\ntarget    f\nsize      1\n"),
            "{told}"
        );
        let told = ok(with(&["fs", "stat", "in/broken"]));
        assert_eq!(told, "type      link to nothing\ntarget    none\n");
        let told = ok(with(&["fs", "stat", "in/up", "in/odd"]));
        let a = if up == "file" { "a " } else { "" };
        assert!(
            told.starts_with(&format!(
                "path      in/up\ntype      link to {a}{up}\ntarget    ../out\n"
            )) && told
                .ends_with("\npath      in/odd\ntype      link to nothing\ntarget    z\u{fffd}\n"),
            "{told}"
        );
        let told = json(with(&[
            "fs",
            "stat",
            "--json",
            "in/to-f",
            "in/broken",
            "in/odd",
        ]));
        assert_eq!(
            (&told[0]["target"], &told[0]["isFile"]),
            (&"f".into(), &true.into())
        );
        let broken = serde_json::json!({
            "path": "in/broken", "kind": "symlink", "isDirectory": false, "isFile": false, "isSymlink": true, "target": "none",
        });
        assert_eq!(told[1], broken);
        assert_eq!(told[2]["target"]["base64"], "ev8=");
        // What is not granted has no links either.
        let outside = with(&["fs", "stat", "out/none"]);
        assert_eq!(outside.code, Some(1), "{outside:?}");
    }
    symlink("in/f", at.join("secret")).expect("made");
    let refused = run_in(at, &["fs", "stat", "--read", "in", "secret"]);
    assert_eq!((refused.code, &*refused.out), (Some(1), ""), "{refused:?}");
}
