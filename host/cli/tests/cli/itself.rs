//! A directory is not sent or fetched into itself, whichever executor it is; the same path on another machine is another directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Done, LOCKGATE, Server, done, lockgate, ok};

const WAYS: [&[&str]; 4] = [
    &["fs", "get", "--recursive"],
    &["fs", "get", "--recursive", "--resume"],
    &["fs", "put", "--recursive"],
    &["fs", "put", "--recursive", "--resume"],
];

struct House(tempfile::TempDir);

impl House {
    /// `from`, with a file, a directory, and a link `link` to it from outside.
    fn new() -> House {
        let house = House(tempfile::tempdir().expect("a directory"));
        fs::create_dir_all(house.at("from/d")).expect("made");
        fs::write(house.at("from/f"), "x").expect("written");
        std::os::unix::fs::symlink("from", house.at("link")).expect("linked");
        house
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().canonicalize().expect("there").join(path)
    }

    fn run(&self, way: &[&str], more: &[&str], from: &str, to: &str) -> Done {
        let mut command = lockgate(way);
        command.args(more).arg(self.at(from)).arg(self.at(to));
        done(command.output().expect("runs"))
    }
}

/// All names below a directory.
fn names(below: &Path) -> Vec<PathBuf> {
    let (mut found, mut left) = (Vec::new(), vec![below.to_owned()]);
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).expect("listed") {
            let path = entry.expect("listed").path();
            found.push(path.clone());
            if path.is_dir() && !path.is_symlink() {
                left.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_directory_is_not_sent_or_fetched_into_itself() {
    let house = House::new();
    let server = Server::start(&[]);
    let write = house.at("");
    let write = write.to_str().expect("text");
    let before = names(&house.at("from"));
    for way in WAYS {
        for more in [
            &[][..],
            &["--write", write],
            &["--url", &server.url],
            &["--url", &server.url, "--write", write],
        ] {
            for (from, to) in [
                ("from", "from"),
                ("from", "from/new"),
                ("from", "from/d"),
                ("from", "from/d/new"),
                ("link", "from/new"),
                ("from", "link/d/new"),
            ] {
                let sent = house.run(way, more, from, to);
                assert_eq!(sent.code, Some(1), "{way:?} {more:?} {from} {to}: {sent:?}");
                assert!(
                    sent.err
                        .contains(": cannot copy a directory to itself or one of its descendants"),
                    "{way:?} {more:?} {from} {to}: {sent:?}"
                );
                assert_eq!(sent.err.lines().count(), 1, "{sent:?}");
                assert_eq!(
                    names(&house.at("from")),
                    before,
                    "{way:?} {more:?} {from} {to}"
                );
            }
        }
        // A name that begins like it is another one, and so is what is above it.
        ok(house.run(way, &[], "from", "from-too"));
        ok(house.run(way, &[], "from/d", "from"));
        fs::remove_dir_all(house.at("from-too")).expect("removed");
    }
}

#[test]
fn a_file_is_not_written_while_it_is_read() {
    let house = House::new();
    let server = Server::start(&[]);
    // More than a block, and more than a message.
    for (name, len) in [("block", 3_000_000), ("message", 52_000_000)] {
        let contents: Vec<u8> = (0..len).map(|n: u32| (n / 7) as u8).collect();
        let file = house.at("from").join(name);
        fs::write(&file, &contents).expect("written");
        fs::hard_link(&file, house.at(name)).expect("linked");
        let from = format!("from/{name}");
        for verb in ["get", "put", "append"] {
            // One message is read before it is written.
            let ways = match (verb, name) {
                ("put" | "append", "block") => &[None][..],
                _ => &[None, Some(&server.url)],
            };
            for url in ways {
                let more = url.map_or(vec![], |url| vec!["--url", url]);
                for to in [&*from, &format!("link/{name}"), name] {
                    if to == name && url.is_some() {
                        continue;
                    }
                    let sent = house.run(&["fs", verb], &more, &from, to);
                    assert_eq!(sent.code, Some(1), "{verb} {more:?} {to}: {sent:?}");
                    assert!(sent.err.ends_with(" are the same file\n"), "{sent:?}");
                    let now = fs::read(&file).expect("there");
                    assert!(now == contents, "{verb} {more:?} {to}: {}", now.len());
                }
            }
        }
        let partial = |path: &PathBuf| path.to_string_lossy().contains(".lockgate-part-");
        assert!(!names(&house.at("from")).iter().any(partial));
    }
}

#[test]
fn the_same_path_on_another_machine_is_another_directory() {
    let house = House::new();
    let place = house.at("from");
    for (number, way) in WAYS.into_iter().enumerate() {
        // Another machine as far as its files go: the server sees a disk of its own at that path.
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private"]);
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        let script = r#"mount -t tmpfs -o mode=755 test "$1" && mkdir "$1/d" && echo there > "$1/d/g" && exec "$2" serve"#;
        command.args(["sh", "-c", script, "sh"]).arg(&place);
        command.arg(LOCKGATE).env("LOCKGATE_CONFIG", "");
        command.stdout(std::process::Stdio::piped());
        let server = Server::started(command);
        for to in ["from", "from/d", &format!("from/new{number}")] {
            ok(house.run(way, &["--url", &server.url], "from", to));
        }
        // What came stays with its machine, and nothing of the trial stays.
        match way[1] {
            "get" => assert!(house.at("from/d/g").is_file()),
            _ => assert!(!house.at(&format!("from/new{number}")).exists()),
        }
        let partial = |path: &PathBuf| path.to_string_lossy().contains(".lockgate-part-");
        assert!(!names(&place).iter().any(partial));
    }
}

#[test]
fn a_file_is_not_copied_to_itself_by_whatever_name() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |path: &str| dir.path().join(path);
    std::fs::write(at("f"), "x").expect("written");
    std::fs::hard_link(at("f"), at("hard")).expect("linked");
    std::os::unix::fs::symlink("f", at("l")).expect("linked");
    for (from, to, named) in [
        ("f", "f", "f"),
        ("f", "./f", "./f"),
        ("f", "l", "l"),
        ("f", "hard", "hard"),
        ("l", "f", "f"),
    ] {
        for profile in [&[][..], &["--write", "."]] {
            let args = [&["fs", "cp"], profile, &[from, to]].concat();
            let done = crate::support::run_in(dir.path(), &args);
            assert_eq!(done.code, Some(1), "{args:?}: {done:?}");
            let said = format!("lockgate: {from} and {named} are the same file\n");
            assert_eq!(done.err, said, "{args:?}");
        }
    }
    let again = crate::support::run_in(dir.path(), &["fs", "cp", "-r", "f", "f"]);
    assert!(again.err.contains("are the same file"), "{again:?}");
    crate::support::ok(crate::support::run_in(dir.path(), &["fs", "cp", "f", "g"]));
    crate::support::ok(crate::support::run_in(dir.path(), &["fs", "cp", "f", "g"]));
}
