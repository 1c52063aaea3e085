//! `fs get --resume` and `fs put --resume` of a tree whose ends are killed at points of chance, while the tree changes: each file that is there is whole, and
//! in the end all of it is there, and nothing else.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use lockgate_e2e::{Chance, DEADLINE, Proxy, Server, kill_9, lockgate};

/// Kills of each direction.
const ROUNDS: u64 = 12;

/// Somewhat less than what a change of the tree has to bring over.
const OF_ONE_ROUND: u64 = 4_000_000;

/// What a name may stand for: all that it ever stood for in the source.
type Versions = BTreeMap<PathBuf, Vec<Vec<u8>>>;

struct Work {
    dir: tempfile::TempDir,
    server: Server,
    proxy: Proxy,
    chance: Chance,
    versions: Versions,
    verb: &'static str,
}

impl Work {
    fn new(verb: &'static str) -> Work {
        let dir = tempfile::tempdir().expect("a folder");
        let server = Server::start();
        let proxy = Proxy::to(server.address());
        let mut work = Work {
            dir,
            server,
            proxy,
            chance: Chance::printed(),
            versions: Versions::new(),
            verb,
        };
        work.plant();
        work
    }

    fn from(&self) -> PathBuf {
        self.dir.path().join("from/tree")
    }

    fn to(&self) -> PathBuf {
        self.dir.path().join("to/tree")
    }

    /// Files of all sizes, one with holes, links that lead somewhere and nowhere, directories with nothing in them, and bits of all kinds.
    fn plant(&mut self) {
        let from = self.from();
        fs::create_dir_all(self.dir.path().join("to")).expect("made");
        for folder in ["many/deeper", "empty/emptier", "closed", "sp ace"] {
            fs::create_dir_all(from.join(folder)).expect("made");
        }
        for number in 0..40 {
            let contents = self.noise(number * 997);
            self.write(&format!("many/f{number}"), contents);
        }
        for (name, len) in [
            ("empty/nothing", 0),
            ("closed/within", 300_000),
            ("sp ace/%41 \u{e4}", 10),
            ("script", 1_000),
        ] {
            let contents = self.noise(len);
            self.write(name, contents);
        }
        let holes = from.join("many/deeper/holes");
        let file = fs::File::create(&holes).expect("made");
        file.set_len(2_000_000).expect("set");
        file.write_all_at(b"in the middle", 1_100_000)
            .expect("written");
        self.note(Path::new("many/deeper/holes"));
        let name = OsStr::from_bytes(b"many/\xff\xfe");
        fs::write(from.join(name), "no text").expect("written");
        self.note(Path::new(name));
        for (path, mode) in [
            ("script", 0o751),
            ("closed/within", 0o400),
            ("closed", 0o500),
        ] {
            fs::set_permissions(from.join(path), fs::Permissions::from_mode(mode)).expect("set");
        }
        symlink("many/f1", from.join("link")).expect("linked");
        symlink("nowhere", from.join("many/broken")).expect("linked");
        symlink("..", from.join("many/deeper/up")).expect("linked");
        self.change(0);
    }

    fn noise(&mut self, len: usize) -> Vec<u8> {
        let words = len.div_ceil(8);
        let mut bytes: Vec<u8> = (0..words)
            .flat_map(|_| self.chance.number().to_le_bytes())
            .collect();
        bytes.truncate(len);
        bytes
    }

    fn write(&mut self, name: &str, contents: Vec<u8>) {
        fs::write(self.from().join(name), contents).expect("written");
        self.note(Path::new(name));
    }

    fn note(&mut self, name: &Path) {
        let contents = fs::read(self.from().join(name)).expect("there");
        let versions = self.versions.entry(name.to_owned()).or_default();
        versions.push(contents);
    }

    /// What there is to do in a round: large files that are others, one that has grown in place, one that is as long as before, and new ones.
    fn change(&mut self, round: u64) {
        for name in ["large", "many/deeper/larger"] {
            let len = 1_500_000 + (self.chance.number() % 1_000_000) as usize;
            let contents = self.noise(len);
            self.write(name, contents);
        }
        let grown = {
            let mut grown = self.versions[Path::new("many/f7")]
                .last()
                .expect("one")
                .clone();
            grown.extend(self.noise(70_000));
            grown
        };
        self.write("many/f7", grown);
        let same_length = self.noise(8 * 997);
        self.write("many/f8", same_length);
        fs::create_dir_all(self.from().join(format!("new{round}/none"))).expect("made");
        let small = self.noise(5_000);
        self.write(&format!("new{round}/small"), small);
        symlink(
            format!("new{round}"),
            self.from().join(format!("link{round}")),
        )
        .expect("linked");
    }

    /// The command, which goes on by itself as long as there is a server.
    fn begin(&mut self) -> Child {
        let mut command = Command::new(lockgate());
        command.args(["fs", self.verb, "--resume", "--retries", "20"]);
        command.args(["--url", &format!("ws://{}", self.proxy.address())]);
        // Through the gate and past it.
        let beside = self.chance.number().is_multiple_of(2);
        let profile = match self.verb {
            "get" => ("--read", self.dir.path().join("from")),
            _ => ("--write", self.dir.path().join("to")),
        };
        if beside {
            command.arg(profile.0).arg(profile.1);
        }
        command.arg("--recursive").args([self.from(), self.to()]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().expect("it runs")
    }

    /// Waits until so much has come through, or the command is done.
    fn wait(&self, child: &mut Child, carried: u64) {
        let began = Instant::now();
        while self.proxy.carried() < carried && child.try_wait().expect("a child").is_none() {
            assert!(began.elapsed() < DEADLINE, "neither goes on nor ends");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// No server, and then another one.
    fn exchange_server(&mut self) {
        kill_9(self.server.proper());
        self.server = Server::start();
        self.proxy.lead_to(self.server.address());
    }

    /// Whatever is there by its own name is one version of it, whole.
    fn look(&self) {
        let mut left = vec![self.to()];
        while let Some(folder) = left.pop() {
            // Something of it may still be on its way, and get its name meanwhile.
            let Ok(entries) = fs::read_dir(&folder) else {
                continue;
            };
            for path in entries.flatten().map(|entry| entry.path()) {
                let Ok(found) = path.symlink_metadata() else {
                    continue;
                };
                if found.is_dir() {
                    left.push(path);
                } else if found.is_file() && !is_partial(&path) {
                    let contents = fs::read(&path).expect("it is there for good");
                    let name = path.strip_prefix(self.to()).expect("below");
                    assert!(
                        self.versions[name].contains(&contents),
                        "{name:?} has {} bytes that it never had",
                        contents.len()
                    );
                }
            }
        }
    }
}

fn is_partial(path: &Path) -> bool {
    let name = path.file_name().expect("a name").as_bytes();
    name.starts_with(b".lockgate-part-")
}

fn finished(child: Child) -> Output {
    child.wait_with_output().expect("it ends")
}

/// All that is below, with what there is to compare.
fn everything(below: &Path) -> BTreeMap<PathBuf, (u32, i64, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut left = vec![below.to_owned()];
    while let Some(path) = left.pop() {
        let stat = path.symlink_metadata().expect("there");
        let (mode, time, contents) = if stat.is_symlink() {
            let target = fs::read_link(&path).expect("a link");
            (0, 0, target.into_os_string().as_bytes().to_vec())
        } else if stat.is_dir() {
            let entries = fs::read_dir(&path).expect("readable");
            left.extend(entries.map(|entry| entry.expect("an entry").path()));
            (stat.mode(), stat.mtime(), Vec::new())
        } else {
            (
                stat.mode(),
                stat.mtime(),
                fs::read(&path).expect("readable"),
            )
        };
        let name = path.strip_prefix(below).expect("below").to_owned();
        found.insert(name, (mode, time, contents));
    }
    // The tree is merged into that one, which stays as it is.
    found.remove(Path::new(""));
    found
}

fn same(found: &Path, wanted: &Path) {
    let (found, wanted) = (everything(found), everything(wanted));
    let names = |all: &BTreeMap<PathBuf, _>| all.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(&wanted));
    for (name, (mode, time, contents)) in &wanted {
        let (other_mode, other_time, other) = &found[name];
        assert_eq!((other_mode, other_time), (mode, time), "{name:?}");
        assert!(other == contents, "{name:?}");
    }
}

fn arrives_whoever_is_killed(verb: &'static str) {
    let mut work = Work::new(verb);
    let (mut clients, mut servers) = (0, 0);
    for round in 1..=ROUNDS {
        let mut child = work.begin();
        let at = work.proxy.carried() + work.chance.number() % OF_ONE_ROUND;
        work.wait(&mut child, at);
        if work.chance.number().is_multiple_of(2) {
            // It may have come to its end in this moment.
            clients += u64::from(child.try_wait().expect("a child").is_none());
            child.kill().expect("killed");
            finished(child);
        } else {
            work.exchange_server();
            let output = finished(child);
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{said}");
            servers += said.matches("; going on\n").count();
            same(&work.to(), &work.from());
        }
        work.look();
        work.change(round);
    }
    eprintln!("{clients} clients and {servers} servers were killed on the way");
    let output = finished(work.begin());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    same(&work.to(), &work.from());
}

#[test]
fn a_tree_that_is_fetched_arrives_whichever_end_is_killed() {
    arrives_whoever_is_killed("get");
}

#[test]
fn a_tree_that_is_sent_arrives_whichever_end_is_killed() {
    arrives_whoever_is_killed("put");
}
