//! `fs get --resume` and `fs put --resume`: what was cut goes on, and no two versions of a file are ever mixed.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use crate::support::{Done, LOCKGATE, Server, done, lockgate, ok};

const LARGE: usize = 12_000_000;

/// What happens once so many bytes have come through.
pub(crate) type Then = Box<dyn FnOnce() -> bool + Send>;

/// Counts the bytes to and from a server. At the limit something happens, and if that says so the connection is cut.
pub(crate) struct Way {
    pub(crate) url: String,
    bytes: Arc<AtomicU64>,
}

impl Way {
    pub(crate) fn to(server: &Server, limit: u64, then: Then) -> Way {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("ws://{}", listener.local_addr().expect("bound"));
        let bytes = Arc::new(AtomicU64::new(0));
        let (target, count) = (server.url.replace("ws://", ""), Arc::clone(&bytes));
        let then = Arc::new(Mutex::new(Some(then)));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.expect("a client");
                let server = TcpStream::connect(&target).expect("the server");
                let copy = |of: &TcpStream| of.try_clone().expect("a descriptor");
                let ways = [(copy(&client), copy(&server)), (server, client)];
                for (mut from, mut to) in ways {
                    let (count, then) = (Arc::clone(&count), Arc::clone(&then));
                    std::thread::spawn(move || {
                        let mut buffer = vec![0; 64 << 10];
                        while let Ok(read @ 1..) = from.read(&mut buffer) {
                            let so_far = count.fetch_add(read as u64, Ordering::SeqCst);
                            if so_far + read as u64 > limit {
                                let then = then.lock().expect("not poisoned").take();
                                if then.is_some_and(|then| then()) {
                                    break;
                                }
                            }
                            if to.write_all(&buffer[..read]).is_err() {
                                break;
                            }
                        }
                        // Either may be closed already.
                        let _ = to.shutdown(Shutdown::Both);
                        let _ = from.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        Way { url, bytes }
    }

    fn cut_after(server: &Server, limit: u64) -> Way {
        Way::to(server, limit, Box::new(|| true))
    }

    fn whole(server: &Server) -> Way {
        Way::to(server, u64::MAX, Box::new(|| false))
    }

    fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::SeqCst)
    }
}

/// Either direction: a source, a destination, and the command between them.
#[derive(Clone, Copy)]
struct Direction {
    verb: &'static str,
    profile: bool,
}

const DIRECTIONS: [Direction; 4] = [
    Direction {
        verb: "get",
        profile: false,
    },
    Direction {
        verb: "get",
        profile: true,
    },
    Direction {
        verb: "put",
        profile: false,
    },
    Direction {
        verb: "put",
        profile: true,
    },
];

impl Direction {
    /// Once, whatever happens to the connection.
    fn run(self, way: &Way, from: &Path, to: &Path) -> Done {
        self.run_with("0", way, from, to)
    }

    fn run_with(self, retries: &str, way: &Way, from: &Path, to: &Path) -> Done {
        let (from, to) = (text(from), text(to));
        let parent = |path: &str| text(Path::new(path).parent().expect("a parent"));
        let mut args = vec!["fs".to_owned(), self.verb.to_owned(), "--resume".to_owned()];
        args.extend(["--url", &way.url, "--retries", retries].map(str::to_owned));
        if self.verb == "put" && Path::new(&from).is_dir() {
            args.push("--recursive".to_owned());
        }
        if self.profile {
            args.extend(match self.verb {
                "get" => ["--read".to_owned(), parent(&from)],
                _ => ["--write".to_owned(), parent(&to)],
            });
        }
        args.extend([from, to]);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        done(lockgate(&args).output().expect("runs"))
    }
}

fn text(path: &Path) -> String {
    path.to_str().expect("text").to_owned()
}

/// Bytes that nothing compresses and no two blocks share.
fn noise(seed: u32, len: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// Names of partial files anywhere below.
fn partials(below: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(below).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy();
        if name.starts_with(".lockgate-part-") {
            found.push(path.clone());
        }
        if path.is_dir() && !path.is_symlink() {
            found.extend(partials(&path));
        }
    }
    found
}

/// Everything below, with what there is to compare.
fn snapshot(below: &Path) -> Vec<(PathBuf, u32, i64, Vec<u8>)> {
    let mut found = Vec::new();
    let mut left = vec![below.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(&directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            let stat = path.symlink_metadata().expect("there");
            let name = path.strip_prefix(below).expect("below").to_owned();
            let (contents, mode, time) = if stat.is_symlink() {
                let target = fs::read_link(&path).expect("a link");
                (text(&target).into_bytes(), 0, 0)
            } else if stat.is_dir() {
                left.push(path.clone());
                (Vec::new(), stat.mode(), stat.mtime())
            } else {
                (
                    fs::read(&path).expect("readable"),
                    stat.mode(),
                    stat.mtime(),
                )
            };
            found.push((name, mode, time, contents));
        }
    }
    found.sort();
    found
}

fn set_time(path: &Path, seconds: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let file = fs::File::open(path).expect("there");
    file.set_modified(time).expect("set");
}

struct House {
    dir: tempfile::TempDir,
    server: Server,
}

impl House {
    fn new() -> House {
        let house = House {
            dir: tempfile::tempdir().expect("a directory"),
            server: Server::start(&[]),
        };
        for name in ["from", "to"] {
            fs::create_dir(house.at(name)).expect("made");
        }
        house
    }

    fn at(&self, path: &str) -> PathBuf {
        let real = self.dir.path().canonicalize().expect("there");
        real.join(path)
    }

    /// Cut in the middle: how much is there afterwards at least; the server may still be at what it got last.
    fn cut(&self, direction: Direction, from: &Path, to: &Path, after: u64) -> u64 {
        let way = Way::cut_after(&self.server, after);
        let cut = direction.run(&way, from, to);
        assert_eq!(cut.code, Some(1), "{cut:?}");
        assert!(cut.err.contains("the same command goes on"), "{cut:?}");
        let len = |path: &PathBuf| fs::metadata(path).map_or(0, |found| found.len());
        partials(&self.at("to")).iter().map(len).sum()
    }
}

#[test]
fn a_file_goes_on_where_it_was_cut() {
    let house = House::new();
    for (number, direction) in DIRECTIONS.into_iter().enumerate() {
        let (from, to) = (house.at("from/large"), house.at("to/large"));
        let contents = noise(number as u32, LARGE);
        fs::write(&from, &contents).expect("written");
        fs::write(&to, "old").expect("written");
        fs::set_permissions(&to, fs::Permissions::from_mode(0o604)).expect("set");
        let there = house.cut(direction, &from, &to, 8_000_000);
        assert!(there > 4_000_000 && there < LARGE as u64, "{there}");
        assert_eq!(fs::read(&to).expect("there"), b"old");
        // Until it is whole it is nobody else's.
        let partial = partials(&house.at("to")).remove(0);
        let mode = fs::metadata(partial).expect("there").mode();
        assert_eq!(mode & 0o777, 0o600);
        let way = Way::whole(&house.server);
        ok(direction.run(&way, &from, &to));
        assert!(fs::read(&to).expect("there") == contents);
        // Base64 makes four bytes of three; the end of what was there is compared.
        let most = (LARGE as u64 - there + (1 << 18)) / 3 * 4 + 100_000;
        assert!(way.bytes() < most, "{} of {most}", way.bytes());
        assert!(partials(&house.at("to")).is_empty());
        let (old, new) = (fs::metadata(&from), fs::metadata(&to).expect("there"));
        assert_eq!(new.mode() & 0o777, 0o604);
        assert_eq!(new.mtime(), old.expect("there").mtime());
        // Once more: it is there already.
        let way = Way::whole(&house.server);
        ok(direction.run(&way, &from, &to));
        assert!(way.bytes() < 50_000, "{}", way.bytes());
    }
}

#[test]
fn a_lost_connection_is_made_again_and_the_transfer_goes_on_by_itself() {
    let house = House::new();
    fs::create_dir(house.at("from/tree")).expect("made");
    for number in 0..3 {
        let path = house.at(&format!("from/tree/large{number}"));
        fs::write(path, noise(number, 4_000_000)).expect("written");
    }
    fs::write(house.at("from/large"), noise(7, LARGE)).expect("written");
    for (number, direction) in DIRECTIONS.into_iter().enumerate() {
        for name in ["large", "tree"] {
            let from = house.at(&format!("from/{name}"));
            let to = house.at(&format!("to/{name}{number}"));
            // Cut once; the second connection is as good as any.
            let way = Way::cut_after(&house.server, 9_000_000);
            let went_on = direction.run_with("3", &way, &from, &to);
            assert_eq!(went_on.code, Some(0), "{went_on:?}");
            assert_eq!(
                went_on.err.matches("; going on\n").count(),
                1,
                "{went_on:?}"
            );
            // 16 million for all of it, and what was on its way: not twice as much.
            assert!(way.bytes() < 25_000_000, "{}", way.bytes());
            match name {
                "tree" => assert!(snapshot(&from) == snapshot(&to)),
                _ => assert!(fs::read(&from).expect("there") == fs::read(&to).expect("there")),
            }
        }
    }
}

#[test]
fn what_was_begun_of_another_version_is_never_continued() {
    let house = House::new();
    for (number, direction) in DIRECTIONS.into_iter().enumerate() {
        let (from, to) = (house.at("from/large"), house.at("to/new"));
        let _ = fs::remove_file(&to);
        fs::write(&from, noise(1, LARGE)).expect("written");
        set_time(&from, 1_000_000 + number as u64);
        house.cut(direction, &from, &to, 8_000_000);
        assert!(!to.exists());
        // As long as before, and other bytes.
        let contents = noise(2, LARGE);
        fs::write(&from, &contents).expect("written");
        let way = Way::whole(&house.server);
        ok(direction.run(&way, &from, &to));
        assert!(fs::read(&to).expect("there") == contents);
        assert!(way.bytes() > LARGE as u64);
        assert!(partials(&house.at("to")).is_empty());
    }
}

#[test]
fn a_partial_that_does_not_end_as_the_source_has_it_is_begun_again() {
    let mut house = House::new();
    for direction in DIRECTIONS {
        let (from, to) = (house.at("from/large"), house.at("to/new"));
        let _ = fs::remove_file(&to);
        let contents = noise(3, LARGE);
        fs::write(&from, &contents).expect("written");
        house.cut(direction, &from, &to, 8_000_000);
        // The old server writes nothing more.
        house.server = Server::start(&[]);
        // As after a power failure: the length is there and the bytes are not.
        let partial = partials(&house.at("to")).remove(0);
        let mut bytes = fs::read(&partial).expect("there");
        let end = bytes.len() - 100_000;
        bytes[end..].fill(0);
        fs::write(&partial, &bytes).expect("written");
        ok(direction.run(&Way::whole(&house.server), &from, &to));
        assert!(fs::read(&to).expect("there") == contents);
        // One that is longer than the source is none.
        fs::remove_file(&to).expect("removed");
        fs::write(&partial, noise(4, LARGE + 1)).expect("written");
        ok(direction.run(&Way::whole(&house.server), &from, &to));
        assert!(fs::read(&to).expect("there") == contents);
    }
}

#[test]
fn a_source_that_changes_meanwhile_leaves_the_old_file_and_nothing_else() {
    let house = House::new();
    for direction in DIRECTIONS {
        let (from, to) = (house.at("from/large"), house.at("to/large"));
        fs::write(&from, noise(5, LARGE)).expect("written");
        set_time(&from, 1_000_000);
        fs::write(&to, "old").expect("written");
        let changing = from.clone();
        let change = move || {
            // In place, so that what is open changes, too.
            let file = fs::OpenOptions::new().write(true).open(&changing);
            let mut file = file.expect("there");
            file.write_all(b"other").expect("written");
            false
        };
        let way = Way::to(&house.server, 4_000_000, Box::new(change));
        let failed = direction.run(&way, &from, &to);
        assert_eq!(failed.code, Some(1), "{failed:?}");
        assert!(
            failed.err.contains("it changed while it was read"),
            "{failed:?}"
        );
        assert_eq!(fs::read(&to).expect("there"), b"old");
        assert!(partials(&house.at("to")).is_empty());
        ok(direction.run(&Way::whole(&house.server), &from, &to));
        assert!(fs::read(&to).expect("there") == fs::read(&from).expect("there"));
    }
}

#[test]
fn a_tree_goes_on_where_it_was_cut_and_arrives_as_it_is() {
    let house = House::new();
    let from = house.at("from/tree");
    fs::create_dir_all(from.join("d/e/empty")).expect("made");
    for number in 0..40 {
        let path = from.join(format!("d/f{number}"));
        fs::write(path, noise(number, 100_000)).expect("written");
    }
    for number in 0..3 {
        let path = from.join(format!("d/e/large{number}"));
        fs::write(path, noise(number, 6_000_000)).expect("written");
    }
    fs::write(from.join("script"), "#!/bin/sh\n").expect("written");
    fs::write(from.join("nothing"), "").expect("written");
    for (path, mode) in [("script", 0o751), ("d/e", 0o750), ("nothing", 0o400)] {
        fs::set_permissions(from.join(path), fs::Permissions::from_mode(mode)).expect("set");
    }
    symlink("d/f1", from.join("link")).expect("linked");
    symlink("nowhere", from.join("d/broken")).expect("linked");
    for (number, path) in ["d/f1", "d/e/empty", "d/e", "d", "script"]
        .iter()
        .enumerate()
    {
        set_time(&from.join(path), 1_000_000_000 + number as u64);
    }
    let wanted = snapshot(&from);
    for (number, direction) in DIRECTIONS.into_iter().enumerate() {
        let to = house.at(&format!("to/{number}"));
        house.cut(direction, &from, &to, 20_000_000);
        let way = Way::whole(&house.server);
        ok(direction.run(&way, &from, &to));
        assert!(snapshot(&to) == wanted, "{}", direction.verb);
        // 20 of some 29 million had come through; a block of each file may have been on its way.
        assert!(way.bytes() < 16_000_000, "{}", way.bytes());
        // Again: a look, and what has changed.
        let way = Way::whole(&house.server);
        ok(direction.run(&way, &from, &to));
        assert!(way.bytes() < 100_000, "{}", way.bytes());
        fs::write(to.join("script"), "changed there").expect("written");
        fs::remove_file(to.join("link")).expect("removed");
        symlink("other", to.join("link")).expect("linked");
        set_time(&to.join("d"), 1);
        ok(direction.run(&Way::whole(&house.server), &from, &to));
        assert!(snapshot(&to) == wanted, "{}", direction.verb);
    }
}

#[test]
fn attack_03_nothing_is_written_through_a_link_and_the_rest_arrives() {
    let house = House::new();
    let from = house.at("from/tree");
    fs::create_dir_all(from.join("d")).expect("made");
    fs::write(from.join("d/small"), "new").expect("written");
    fs::write(from.join("d/large"), noise(1, 1_000_000)).expect("written");
    fs::write(from.join("file"), "new").expect("written");
    fs::write(from.join("free"), "new").expect("written");
    symlink("x", from.join("d/link")).expect("linked");
    for (number, direction) in DIRECTIONS.into_iter().enumerate() {
        let to = house.at(&format!("to/{number}"));
        let outside = house.at(&format!("outside{number}"));
        fs::create_dir_all(&to).expect("made");
        fs::create_dir(&outside).expect("made");
        fs::write(outside.join("kept"), "old").expect("written");
        symlink(&outside, to.join("d")).expect("linked");
        symlink(outside.join("kept"), to.join("file")).expect("linked");
        let told = direction.run(&Way::whole(&house.server), &from, &to);
        assert_eq!(told.code, Some(1), "{told:?}");
        for name in ["d", "d/small", "d/large", "d/link", "file"] {
            let line = format!("lockgate: {name}: ");
            assert!(told.err.contains(&line), "{name} in {told:?}");
        }
        assert!(told.err.contains("5 left out"), "{told:?}");
        assert_eq!(fs::read(to.join("free")).expect("there"), b"new");
        assert_eq!(fs::read_dir(&outside).expect("there").count(), 1);
        assert_eq!(fs::read(outside.join("kept")).expect("there"), b"old");
        assert!(to.join("d").is_symlink() && to.join("file").is_symlink());
    }
}

#[test]
fn where_a_link_leads_to_is_replaced_and_the_link_stays() {
    let house = House::new();
    let from = house.at("from/file");
    fs::write(&from, "new").expect("written");
    for (number, direction) in DIRECTIONS.into_iter().enumerate() {
        let (real, link) = (
            format!("to/real{number}"),
            house.at(&format!("to/link{number}")),
        );
        fs::write(house.at(&real), "older").expect("written");
        symlink(house.at(&real), &link).expect("linked");
        ok(direction.run(&Way::whole(&house.server), &from, &link));
        assert!(link.is_symlink());
        assert_eq!(fs::read(house.at(&real)).expect("there"), b"new");
    }
}

#[test]
fn what_cannot_go_on_says_why() {
    let house = House::new();
    fs::create_dir(house.at("from/d")).expect("made");
    fs::write(house.at("from/f"), "x").expect("written");
    // A file goes into a directory, and not over one in it.
    fs::write(house.at("from/g"), "x").expect("written");
    fs::create_dir(house.at("to/g")).expect("made");
    let run = |args: &[&str]| {
        let args = [&["fs"], args].concat();
        done(
            lockgate(&args)
                .current_dir(house.at(""))
                .output()
                .expect("runs"),
        )
    };
    for (args, code, message) in [
        (
            &["get", "--resume", "from/f", "-"][..],
            2,
            "stdout cannot go on",
        ),
        (
            &["put", "--resume", "-", "to/f"],
            2,
            "stdin cannot be read again",
        ),
        (
            &["put", "--resume", "--atomic", "from/f", "to/f"],
            2,
            "cannot be used with",
        ),
        (
            &["get", "--resume", "from/none", "to/f"],
            1,
            "from/none: it cannot be read: No such file",
        ),
        (
            &["put", "--resume", "from/none", "to/f"],
            1,
            "cannot read `from/none`: No such file",
        ),
        (
            &["put", "--resume", "from/d", "to/d"],
            1,
            "is a directory: send it with --recursive",
        ),
        (
            &["put", "--resume", "-r", "from/f", "to/f"],
            1,
            "is no directory",
        ),
        (
            &["get", "--resume", "from/g", "to"],
            1,
            "there is a directory",
        ),
        (
            &["put", "--resume", "from/f", "to/none/f"],
            1,
            "its directory is not there",
        ),
        (
            &["get", "--resume", "from/f", "/dev/null"],
            1,
            "not a regular file",
        ),
        (
            &["put", "--resume", "--write", "to/f", "from/f", "to/f"],
            1,
            "grant its directory with --write",
        ),
        (
            &["put", "--resume", "--read", "to", "from/f", "to/f"],
            1,
            "it takes --write",
        ),
    ] {
        let done = run(args);
        assert_eq!(
            (done.code, done.out.as_str()),
            (Some(code), ""),
            "{args:?} {done:?}"
        );
        assert!(done.err.contains(message), "{args:?} {done:?}");
    }
    // Nothing but what was there.
    let there = |path: &str| fs::read_dir(house.at(path)).expect("there").count();
    assert_eq!((there("to"), there("to/g")), (1, 0));
}

#[test]
fn a_person_who_watches_sees_how_far_it_is_and_nobody_else() {
    let house = House::new();
    fs::write(house.at("from/large"), noise(1, LARGE)).expect("written");
    let whole = ok(done(
        lockgate(&["fs", "get", "--resume", "from/large", "to/one"])
            .current_dir(house.at(""))
            .output()
            .expect("runs"),
    ));
    assert_eq!(whole, "");
    for args in [
        "get --resume from/large to/two",
        "get from/large to/three",
        "get from to/four",
    ] {
        let script = format!("{LOCKGATE} fs {args}; echo done");
        let args = ["exec", "--tty", "--", "sh", "-c", &script];
        let shown = lockgate(&args).current_dir(house.at("")).output();
        let shown = ok(done(shown.expect("runs")));
        assert!(shown.contains("/s"), "{shown:?}");
        assert!(
            args[5].contains("four") || shown.contains("% "),
            "{shown:?}"
        );
        // And the line is gone.
        assert!(shown.ends_with("\r\u{1b}[Kdone\r\n"), "{shown:?}");
    }
}

#[test]
fn a_partial_of_what_is_gone_at_the_source_is_told_and_stays() {
    let house = House::new();
    let from = house.at("from/tree");
    for (number, direction) in DIRECTIONS.into_iter().enumerate() {
        fs::create_dir_all(from.join("d")).expect("made");
        fs::write(from.join("d/gone"), noise(number as u32, LARGE)).expect("written");
        fs::write(from.join("f"), "f").expect("written");
        let to = house.at(&format!("to/{number}"));
        house.cut(direction, &from, &to, 8_000_000);
        let [partial] = &partials(&to)[..] else {
            panic!("{:?}", partials(&to));
        };
        fs::remove_file(from.join("d/gone")).expect("removed");
        fs::write(to.join("d/.lockgate-part-mine"), "kept").expect("written");
        let done = direction.run(&Way::whole(&house.server), &from, &to);
        let told = format!(
            "lockgate: 1 partial file of other transfers, which were cut or are running, is there, such as {}: ",
            text(partial)
        );
        assert!(
            done.code == Some(0) && done.err.starts_with(&told),
            "{done:?}"
        );
        assert!(partial.exists() && to.join("d/.lockgate-part-mine").exists());
        fs::remove_file(partial).expect("removed");
        ok(direction.run(&Way::whole(&house.server), &from, &to));
        fs::remove_file(to.join("d/.lockgate-part-mine")).expect("removed");
    }
}
