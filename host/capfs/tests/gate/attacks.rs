//! The groups of ATTACKS.md that one request can carry out by itself.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

use lockgate_capfs::{AbsPath, Follow};

use crate::world::{both, everywhere};

#[test]
fn attack_01_whatever_a_path_is_made_of_it_stays_inside() {
    both(|world| {
        world.make(&["w/f=mine", "w/d/", "secret=theirs"]);
        let files = world.files(&["w=write"]);
        let inside = world.at("w");
        let inside = inside.to_str().unwrap();
        let long = format!("{inside}/{}", "a".repeat(300));
        let deep = format!("{inside}/{}", "a/".repeat(1900));
        for (text, wanted) in [
            (format!("{inside}/../secret"), "noent"),
            (format!("{inside}/d/../../secret"), "noent"),
            (format!("{inside}//f"), "mine"),
            (format!("{inside}/./d/.././f/"), "mine"),
            (
                format!("{inside}/../../../../../../../../etc/passwd"),
                "noent",
            ),
            (format!("{inside}/f\\..\\..\\secret"), "noent"),
            (format!("{inside}/%2e%2e/secret"), "noent"),
            (format!("{inside}/..%2fsecret"), "noent"),
            (format!("{inside}/\u{ff0e}\u{ff0e}/secret"), "noent"),
            (format!("{inside}/\u{efae}\u{efae}/secret"), "noent"),
            (long, "nametoolong"),
            (deep, "noent"),
        ] {
            let Ok(path) = AbsPath::parse(&text) else {
                assert!(text.len() > 4095, "{text}");
                continue;
            };
            let found = files
                .open(&path, Follow::Links)
                .and_then(|file| file.read_all(100));
            let found = match &found {
                Ok(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                Err(error) => crate::world::name(error),
            };
            assert_eq!(found, wanted, "{text}");
        }
    });
}

#[test]
fn attack_01_names_that_are_not_utf8_can_be_used_like_any_other() {
    both(|world| {
        world.make(&["w/d/"]);
        let odd: &[&[u8]] = &[
            b"\xff",
            b"a\xc3",
            "\u{ef80}".as_bytes(),
            b"\xed\xa0\x80",
            b"new\nline",
            b"\\",
        ];
        for name in odd {
            fs::write(
                world.at("w/d").join(std::ffi::OsStr::from_bytes(name)),
                name,
            )
            .unwrap();
        }
        let files = world.files(&["w=write"]);
        let mut listed: Vec<_> = files
            .read_directory(&world.abs("w/d"))
            .unwrap()
            .into_iter()
            .map(|e| e.name)
            .collect();
        listed.sort();
        let mut wanted: Vec<_> = odd
            .iter()
            .map(|name| std::ffi::OsStr::from_bytes(name).to_owned())
            .collect();
        wanted.sort();
        assert_eq!(listed, wanted);
        for name in odd {
            let path = world
                .abs("w/d")
                .join(std::ffi::OsStr::from_bytes(name))
                .unwrap();
            assert_eq!(
                files
                    .open(&path, Follow::Links)
                    .unwrap()
                    .read_all(10)
                    .unwrap(),
                *name
            );
            assert_eq!(files.canonicalize(&path).unwrap(), path);
        }
        files
            .copy(&world.abs("w/d"), &world.abs("w/e"), true)
            .unwrap();
        assert_eq!(fs::read_dir(world.at("w/e")).unwrap().count(), odd.len());
        files
            .remove(&world.abs("w/d"), true, false, Follow::Links)
            .unwrap();
        assert!(!world.exists("w/d"));
        let link = world.abs("w/\u{e9}");
        std::os::unix::fs::symlink(std::ffi::OsStr::from_bytes(b"e/\xff"), link.as_path()).unwrap();
        assert_eq!(
            files
                .open(&link, Follow::Links)
                .unwrap()
                .read_all(10)
                .unwrap(),
            b"\xff"
        );
    });
}

#[test]
fn attack_02_a_directory_with_a_longer_name_is_another_one() {
    both(|world| {
        world.make(&["work/f=mine", "workspace-evil/f=theirs", "work.evil=theirs"]);
        world.table(
            &["work=write"],
            &[
                ("read work/f", "mine"),
                ("read workspace-evil/f", "noent"),
                ("write workspace-evil/f x", "access"),
                ("read work.evil", "noent"),
            ],
        );
    });
}

#[test]
fn attack_08_magic_links_and_procfs_are_refused() {
    both(|world| {
        world.make(&[
            "w/root>/proc/self/root",
            "w/cwd>/proc/self/cwd/Cargo.toml",
            "w/environ>/proc/self/environ",
            "w/fd>/proc/self/fd",
            "w/stdin>/dev/stdin",
            "w/devfd>/dev/fd/0",
        ]);
        world.table(
            &["/=read", "w=write"],
            &[
                ("read /proc/self/environ", "access"),
                ("read /proc/self/mem", "access"),
                ("read /proc/self/root/etc/passwd", "access"),
                ("read /proc/1/environ", "access"),
                ("read /proc/thread-self/environ", "access"),
                ("list /proc", "access"),
                ("list /proc/self/fd", "access"),
                ("stat /proc/self/exe", "access"),
                ("real /proc/self/exe", "access"),
                ("read w/root/etc/passwd", "access"),
                ("read w/cwd", "access"),
                ("read w/environ", "access"),
                ("list w/fd", "access"),
                ("read w/stdin", "access"),
                ("read w/devfd", "access"),
                ("read /dev/stdin", "access"),
                ("copytree /proc/self w/x", "access"),
                ("read /sys/kernel/uevent_seqnum", "access"),
            ],
        );
    });
}

#[test]
fn attack_09_a_hard_link_is_written_only_through_a_writable_name() {
    both(|world| {
        world.make(&["r/f=text", "w/d/"]);
        fs::hard_link(world.at("r/f"), world.at("r/g")).unwrap();
        world.table(
            &["r=read", "w=write"],
            &[
                ("write r/g x", "rofs"),
                // A copy is a file of its own.
                ("copy r/f w/f", "ok"),
                ("write w/f changed", "ok"),
                ("read r/f", "text"),
                ("copytree r w/t", "ok"),
                ("write w/t/g changed", "ok"),
                ("read r/g", "text"),
            ],
        );
        assert_eq!(fs::metadata(world.at("r/f")).unwrap().nlink(), 2);
    });
}

#[test]
fn attack_11_nothing_readable_is_truncated() {
    both(|world| {
        world.make(&["r/f=text", "w/l>$/r/f", "w/x=x"]);
        world.table(
            &["r=read", "w=write"],
            &[
                ("write r/f ", "rofs"),
                ("write w/l ", "rofs"),
                ("copy w/x w/l", "rofs"),
                ("copy w/x r/f", "rofs"),
            ],
        );
        assert_eq!(world.text("r/f"), "text");
    });
}

#[test]
fn attack_15_devices_fifos_and_sockets_are_never_opened() {
    both(|world| {
        world.make(&["w/f=x", "w/zero>/dev/zero", "w/tty>/dev/tty"]);
        rustix::fs::mknodat(
            rustix::fs::CWD,
            world.at("w/fifo"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(world.at("w/socket")).unwrap();
        world.table(
            &["/=read", "w=write"],
            &[
                ("read w/fifo", "not regular"),
                ("write w/fifo x", "not regular"),
                ("read w/socket", "not regular"),
                ("write w/socket x", "not regular"),
                ("read w/zero", "not regular"),
                ("read w/tty", "not regular"),
                ("read /dev/zero", "not regular"),
                ("write /dev/null x", "rofs"),
                ("stat w/fifo", "other"),
                ("stat w/zero", "link to other"),
                ("list w", "f fifo? socket? tty? zero?"),
                ("copy w/fifo w/x", "unsupported"),
                ("copy w/f w/fifo", "not regular"),
                ("copytree w w-copy", "rofs"),
                ("walk w", "w/f"),
                ("rm w/fifo", "ok"),
                ("rm w/socket", "ok"),
                ("rm w/zero", "ok"),
            ],
        );
    });
}

#[test]
fn attack_16_an_open_file_is_read_as_it_is_at_each_moment() {
    both(|world| {
        world.make(&["w/f=0123456789"]);
        let files = world.files(&["w=read"]);
        let open = files.open(&world.abs("w/f"), Follow::Links).unwrap();
        fs::OpenOptions::new()
            .write(true)
            .open(world.at("w/f"))
            .unwrap()
            .set_len(4)
            .unwrap();
        assert_eq!(open.read_all(100).unwrap(), b"0123");
        assert_eq!(open.read_at(2, 10).unwrap(), b"23");
        fs::write(world.at("w/f"), "0123456789abcdef").unwrap();
        assert_eq!(open.read_all(100).unwrap(), b"0123456789abcdef");
    });
}

#[test]
fn attack_19_names_that_are_special_to_windows_are_names_like_any_other() {
    everywhere(|world| {
        world.make(&["w/f=plain", "w/d/g=deep"]);
        for name in [
            "COM\u{b9}",
            "LPT\u{b3}.txt",
            "NUL",
            "CON.txt",
            "f::$DATA",
            "f:stream",
            "C:",
            "..\\f",
            "d\\g",
            "f.",
        ] {
            let at = |verb: &str| format!("{verb} w/{name}");
            world.table(
                &["w=write"],
                &[
                    (&at("read"), "noent"),
                    (&format!("write w/{name} mine"), "ok"),
                    (&at("read"), "mine"),
                    ("read w/f", "plain"),
                    ("read w/d/g", "deep"),
                    (&at("rm"), "ok"),
                ],
            );
        }
        world.table(&["w=write"], &[("list w", "d/ f")]);
    });
}
