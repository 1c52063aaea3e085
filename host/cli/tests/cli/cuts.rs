//! Transfers that are cut: a way to a server that counts and breaks off, commands of both directions over it, and what there is to compare.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, SystemTime};

use crate::support::{Done, Server, done, lockgate};

pub(crate) const LARGE: usize = 12_000_000;

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

    pub(crate) fn cut_after(server: &Server, limit: u64) -> Way {
        Way::to(server, limit, Box::new(|| true))
    }

    pub(crate) fn whole(server: &Server) -> Way {
        Way::to(server, u64::MAX, Box::new(|| false))
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::SeqCst)
    }
}

/// Either direction: a source, a destination, and the command between them.
#[derive(Clone, Copy)]
pub(crate) struct Direction {
    pub(crate) verb: &'static str,
    profile: bool,
}

pub(crate) const DIRECTIONS: [Direction; 4] = [
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
    pub(crate) fn run(self, way: &Way, from: &Path, to: &Path) -> Done {
        self.run_with("0", way, from, to)
    }

    pub(crate) fn run_with(self, retries: &str, way: &Way, from: &Path, to: &Path) -> Done {
        let mut command = self.command(retries, &way.url, from, to);
        done(command.output().expect("runs"))
    }

    pub(crate) fn command(self, retries: &str, url: &str, from: &Path, to: &Path) -> Command {
        let (from, to) = (text(from), text(to));
        let parent = |path: &str| text(Path::new(path).parent().expect("a parent"));
        let mut args = vec!["fs".to_owned(), self.verb.to_owned(), "--resume".to_owned()];
        args.extend(["--url", url, "--retries", retries].map(str::to_owned));
        if Path::new(&from).is_dir() {
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
        lockgate(&args)
    }
}

pub(crate) fn text(path: &Path) -> String {
    path.to_str().expect("text").to_owned()
}

/// Bytes that nothing compresses and no two blocks share.
pub(crate) fn noise(seed: u32, len: usize) -> Vec<u8> {
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
pub(crate) fn partials(below: &Path) -> Vec<PathBuf> {
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
pub(crate) fn snapshot(below: &Path) -> Vec<(PathBuf, u32, i64, Vec<u8>)> {
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

pub(crate) fn set_time(path: &Path, seconds: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let file = fs::File::open(path).expect("there");
    file.set_modified(time).expect("set");
}

pub(crate) struct House {
    dir: tempfile::TempDir,
    pub(crate) server: Server,
}

impl House {
    pub(crate) fn new() -> House {
        let house = House {
            dir: tempfile::tempdir().expect("a directory"),
            server: Server::start(&[]),
        };
        for name in ["from", "to"] {
            fs::create_dir(house.at(name)).expect("made");
        }
        house
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        let real = self.dir.path().canonicalize().expect("there");
        real.join(path)
    }

    /// The command is killed in the middle.
    pub(crate) fn kill(&self, direction: Direction, from: &Path, to: &Path, after: u64) {
        let (started, child) = mpsc::channel::<Child>();
        let (killed, done) = mpsc::channel();
        let then = move || {
            let mut child = child.recv().expect("it was started");
            child.kill().expect("killed");
            killed.send(child.wait().expect("ended")).expect("heard");
            true
        };
        let way = Way::to(&self.server, after, Box::new(then));
        let mut command = direction.command("0", &way.url, from, to);
        started.send(command.spawn().expect("runs")).expect("heard");
        let status = done.recv().expect("it came so far");
        assert_eq!(status.signal(), Some(9), "{status:?}");
    }

    /// Cut in the middle: how much is there afterwards at least; the server may still be at what it got last.
    pub(crate) fn cut(&self, direction: Direction, from: &Path, to: &Path, after: u64) -> u64 {
        let way = Way::cut_after(&self.server, after);
        let cut = direction.run(&way, from, to);
        assert_eq!(cut.code, Some(1), "{cut:?}");
        assert!(cut.err.contains("the same command goes on"), "{cut:?}");
        let len = |path: &PathBuf| fs::metadata(path).map_or(0, |found| found.len());
        partials(&self.at("to")).iter().map(len).sum()
    }
}
