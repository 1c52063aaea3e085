//! A small tree of files to confine somebody in, and the language of the tables.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, UNIX_EPOCH};

use lockgate_capfs::{
    AbsPath, CacheChoice, CapFs, Digest, Entry, FileKind, Files, Follow, FsError, GuestSource,
    LeadsTo, Metadata, NewTimes, Options, PathBackEnd, Replacing, Sandbox, WalkOptions,
};

/// A directory of its own, and a way to its files: through the gate on one of the back ends, or directly.
pub(crate) struct World {
    pub(crate) capfs: &'static CapFs,
    pub(crate) way: Way,
    home: tempfile::TempDir,
    root: PathBuf,
    pub(crate) session: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Way {
    Gate(PathBackEnd),
    /// With the second guest, which has an implementation of its own.
    Second(PathBackEnd),
    Direct,
}

impl Way {
    /// Both back ends, and on one of them the second guest.
    pub(crate) const GATES: [Way; 3] = [
        Way::Gate(PathBackEnd::Openat2),
        Way::Gate(PathBackEnd::Walk),
        Way::Second(PathBackEnd::Openat2),
    ];
}

/// Runs a scenario on both back ends, and on one of them with the second guest.
pub(crate) fn both(scenario: impl Fn(&World)) {
    for way in Way::GATES {
        scenario(&World::new(way));
    }
}

/// The same, and without a sandbox: where everything is granted, there is no difference.
pub(crate) fn everywhere(scenario: impl Fn(&World)) {
    both(&scenario);
    scenario(&World::new(Way::Direct));
}

/// The second guest: ours, or the one that somebody is writing.
fn second() -> Vec<u8> {
    match std::env::var_os("LOCKGATE_TEST_GUEST") {
        Some(path) => fs::read(path).unwrap(),
        None => include_bytes!("../../../../guest/dist/fs-walk.wasm").to_vec(),
    }
}

fn capfs(way: Way) -> &'static CapFs {
    static STOCK: [OnceLock<CapFs>; 2] = [OnceLock::new(), OnceLock::new()];
    static OTHER: [OnceLock<CapFs>; 2] = [OnceLock::new(), OnceLock::new()];
    let at = |back_end| usize::from(back_end == PathBackEnd::Walk);
    match way {
        Way::Gate(back_end) => {
            STOCK[at(back_end)].get_or_init(|| CapFs::new(options(back_end)).unwrap())
        }
        Way::Second(back_end) => {
            OTHER[at(back_end)].get_or_init(|| CapFs::new(brought(&second(), back_end)).unwrap())
        }
        Way::Direct => capfs(Way::Gate(PathBackEnd::Openat2)),
    }
}

pub(crate) fn options(back_end: PathBackEnd) -> Options {
    Options {
        path_back_end: Some(back_end),
        cache: CacheChoice::At(cache()),
        ..Options::default()
    }
}

/// Compiled guests are shared by the tests of a build; another user's run has a place of its own.
fn cache() -> PathBuf {
    std::env::var_os("LOCKGATE_TEST_CACHE")
        .unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into())
        .into()
}

/// With a guest that takes the stock one's place.
pub(crate) fn brought(guest: &[u8], back_end: PathBackEnd) -> Options {
    Options {
        guest: GuestSource::Component {
            bytes: Arc::from(guest),
            pin: None,
        },
        ..options(back_end)
    }
}

impl World {
    pub(crate) fn new(way: Way) -> World {
        static SESSION: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
        let home = tempfile::tempdir().unwrap();
        let root = home.path().canonicalize().unwrap();
        let session = SESSION.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        World {
            capfs: capfs(way),
            way,
            home,
            root,
            session,
        }
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        assert!(self.home.path().exists());
        self.root.join(path.trim_start_matches('/'))
    }

    pub(crate) fn abs(&self, path: &str) -> AbsPath {
        AbsPath::parse(self.at(path)).unwrap()
    }

    /// Makes things: `d/` a directory, `f=text` a file, `l>target` a link (`$` in the target is the world's directory).
    pub(crate) fn make(&self, things: &[&str]) {
        for thing in things {
            if let Some((path, target)) = thing.split_once('>') {
                self.parents(path);
                symlink(
                    target.replace('$', self.root.to_str().unwrap()),
                    self.at(path),
                )
                .unwrap();
            } else if let Some((path, text)) = thing.split_once('=') {
                self.parents(path);
                fs::write(self.at(path), text).unwrap();
            } else {
                fs::create_dir_all(self.at(thing)).unwrap();
            }
        }
    }

    /// The same world through another capability filesystem.
    pub(crate) fn through(self, capfs: CapFs) -> World {
        // One test, one process: what is leaked ends with it.
        World {
            capfs: Box::leak(Box::new(capfs)),
            ..self
        }
    }

    fn parents(&self, path: &str) {
        fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
    }

    pub(crate) fn text(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap()
    }

    pub(crate) fn exists(&self, path: &str) -> bool {
        self.at(path).symlink_metadata().is_ok()
    }

    /// The files that rules like `w=write` come to.
    pub(crate) fn files(&self, rules: &[&str]) -> Files {
        match self.way {
            Way::Direct => Files::Direct,
            Way::Gate(_) | Way::Second(_) => self
                .capfs
                .confine(&self.profile(rules), self.session)
                .unwrap(),
        }
    }

    pub(crate) fn profile(&self, rules: &[&str]) -> Arc<Sandbox> {
        let entries: Vec<_> = rules
            .iter()
            .map(|rule| {
                let (path, access) = rule.rsplit_once('=').unwrap();
                let path = match path {
                    "/" => PathBuf::from("/"),
                    path => self.at(path),
                };
                let path = path.to_str().unwrap();
                match path.contains('*') {
                    true => format!(r#"{{"path":{{"type":"glob_pattern","pattern":"{path}"}},"access":"{access}"}}"#),
                    false => format!(r#"{{"path":{{"type":"path","path":"{path}"}},"access":"{access}"}}"#),
                }
            })
            .collect();
        let json = format!(
            r#"{{"permissions":{{"type":"managed","file_system":{{"type":"restricted","entries":[{}]}},"network":"restricted"}}}}"#,
            entries.join(",")
        );
        serde_json::from_str(&json).unwrap()
    }

    /// Makes things, confines to rules, runs the table.
    #[track_caller]
    pub(crate) fn table(&self, rules: &[&str], table: &[(&str, &str)]) {
        let files = self.files(rules);
        for (operation, wanted) in table {
            let found = self.run(&files, operation);
            assert_eq!(
                found, *wanted,
                "{operation}, with {rules:?} by {:?}",
                self.way
            );
        }
    }

    /// Runs one operation and says what came of it.
    pub(crate) fn run(&self, files: &Files, operation: &str) -> String {
        let mut words = operation.splitn(3, ' ');
        let (verb, first, second) = (
            words.next().unwrap(),
            words.next().unwrap_or(""),
            words.next().unwrap_or(""),
        );
        let path = match first {
            "/" => AbsPath::root(),
            first if first.starts_with('/') => AbsPath::parse(first).unwrap(),
            first => self.abs(first),
        };
        let (verb, follow) = match verb.strip_suffix('!') {
            Some(verb) => (verb, Follow::Nothing),
            None => (verb, Follow::Links),
        };
        let done = |done: Result<(), FsError>| done.map(|()| "ok".to_owned());
        let said = match verb {
            "read" => files
                .open(&path, follow)
                .and_then(|file| file.read_all(1 << 20))
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
            "write" => done(files.write_file(&path, second.as_bytes(), follow)),
            "append" => done(files.append_file(&path, second.as_bytes(), follow)),
            "replace" => {
                let how = Replacing::default();
                done(files.replace_file(&path, second.as_bytes(), how, follow))
            }
            "create" => {
                let how = Replacing {
                    only_new: true,
                    ..Replacing::default()
                };
                done(files.replace_file(&path, second.as_bytes(), how, follow))
            }
            // `old|new`
            "exchange" | "overwrite" => {
                let (old, new) = second.split_once('|').unwrap();
                let old = Digest::of(old.as_bytes());
                let how = Replacing {
                    only_if: Some(old),
                    ..Replacing::default()
                };
                done(match verb {
                    "exchange" => files.replace_file(&path, new.as_bytes(), how, follow),
                    _ => files.write_file_if(&path, old, new.as_bytes(), follow),
                })
            }
            "mkdirs" => done(files.create_directory(&path, true, follow)),
            "mkdir" => done(files.create_directory(&path, false, follow)),
            "stat" => files.metadata(&path, follow).map(|found| kind(&found)),
            "real" => files
                .canonicalize(&path)
                .map(|path| self.relative(path.as_path())),
            "list" => files.read_directory(&path).map(|entries| {
                let mut names: Vec<_> = entries
                    .iter()
                    .map(|entry| {
                        let name = String::from_utf8_lossy(entry.name.as_bytes());
                        let mark = match (entry.is_directory(), entry.is_file()) {
                            (true, _) => "/",
                            (_, true) => "",
                            _ => "?",
                        };
                        format!("{name}{mark}")
                    })
                    .collect();
                names.sort();
                names.join(" ")
            }),
            // Nothing left out: `ls -F` for what there is, and of a link where it leads.
            "every" => files.list_directory(&path).map(|listed| {
                let mut names: Vec<_> = listed.entries.iter().map(described).collect();
                names.sort();
                if listed.truncated {
                    names.push("...".to_owned());
                }
                names.join(" ")
            }),
            "walk" | "walklinks" => {
                files
                    .walk(&path, &everything(verb == "walklinks"))
                    .map(|outcome| {
                        let mut found: Vec<_> = outcome
                            .entries
                            .iter()
                            .map(|entry| self.relative(entry.path.as_path()))
                            .collect();
                        found.extend(
                            outcome.errors.iter().map(|(path, why)| {
                                format!("{}:{why}", self.relative(path.as_path()))
                            }),
                        );
                        found.sort();
                        found.join(" ")
                    })
            }
            // Without force, so that what is missing is told.
            "rm" => done(files.remove(&path, false, false, follow)),
            "rmtree" => done(files.remove(&path, true, false, follow)),
            "rmforce" => done(files.remove(&path, true, true, follow)),
            "copy" => done(files.copy(&path, &self.abs(second), false)),
            "copytree" => done(files.copy(&path, &self.abs(second), true)),
            "rename" => done(files.rename(&path, &self.abs(second), true)),
            "renamefree" => done(files.rename(&path, &self.abs(second), false)),
            // The target first, as `ln -s` has it; `$` in it is the world's directory.
            "symlink" => done(files.symlink(
                first.replace('$', self.root.to_str().unwrap()).as_ref(),
                &self.abs(second),
            )),
            "chmod" => done(files.set_mode(&path, u32::from_str_radix(second, 8).unwrap(), follow)),
            // To the second it is told, counted from 1970.
            "touch" => {
                let time = UNIX_EPOCH + Duration::from_secs(second.parse().unwrap());
                let times = NewTimes {
                    accessed: None,
                    modified: Some(time),
                };
                done(files.set_times(&path, times, follow))
            }
            other => panic!("no verb {other}"),
        };
        said.unwrap_or_else(|error| name(&error))
    }

    fn relative(&self, path: &Path) -> String {
        match path.strip_prefix(&self.root) {
            Ok(below) => below.to_string_lossy().into_owned(),
            Err(_) => path.to_string_lossy().into_owned(),
        }
    }
}

fn described(entry: &Entry) -> String {
    let name = String::from_utf8_lossy(entry.name.as_bytes());
    let mark = match entry.kind {
        FileKind::File => "",
        FileKind::Directory => "/",
        FileKind::Symlink => "@",
        FileKind::Fifo => "|",
        FileKind::Socket => "=",
        FileKind::BlockDevice => "#",
        FileKind::CharacterDevice => "%",
        FileKind::Unknown => "?",
    };
    let leads_to = match entry.leads_to {
        None => "",
        Some(LeadsTo::File) => "file",
        Some(LeadsTo::Directory) => "directory",
        Some(LeadsTo::Other) => "other",
        Some(LeadsTo::Nowhere) => "nowhere",
    };
    format!("{name}{mark}{leads_to}")
}

/// Every path below a directory with its contents, or its target; nothing for what is no directory.
pub(crate) fn snapshot(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(directory) = left.pop() {
        let Ok(entries) = fs::read_dir(directory) else {
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            let kind = path.symlink_metadata().unwrap().file_type();
            let contents = match kind {
                kind if kind.is_symlink() => fs::read_link(&path)
                    .unwrap()
                    .into_os_string()
                    .into_encoded_bytes(),
                kind if kind.is_file() => fs::read(&path).unwrap(),
                _ => Vec::new(),
            };
            if kind.is_dir() {
                left.push(path.clone());
            }
            found.push((path, contents));
        }
    }
    found.sort();
    found
}

fn everything(follow: bool) -> WalkOptions {
    WalkOptions {
        max_depth: 64,
        max_directories: 10_000,
        max_entries: 50_000,
        follow_directory_symlinks: follow,
        prune_hidden_directories: false,
        prune_links: false,
    }
}

fn kind(found: &Metadata) -> String {
    let kind = match (found.is_directory, found.is_file) {
        (true, _) => "directory",
        (_, true) => "file",
        _ => "other",
    };
    let link = if found.is_symlink { "link to " } else { "" };
    format!("{link}{kind}")
}

/// Short names for the errors of the tables.
pub(crate) fn name(error: &FsError) -> String {
    match error {
        FsError::Os(errno) | FsError::Torn { cause: errno, .. } => match errno.raw_os_error() {
            1 => "perm".into(),
            2 => "noent".into(),
            13 => "access".into(),
            16 => "busy".into(),
            17 => "exist".into(),
            20 => "notdir".into(),
            21 => "isdir".into(),
            22 => "inval".into(),
            30 => "rofs".into(),
            36 => "nametoolong".into(),
            39 => "notempty".into(),
            40 => "loop".into(),
            other => format!("errno {other}"),
        },
        FsError::NotRegular => "not regular".into(),
        FsError::SymbolicLink => "link refused".into(),
        FsError::CopyIntoItself => "into itself".into(),
        FsError::CopyNeedsRecursive => "needs recursive".into(),
        FsError::CopyUnsupported => "unsupported".into(),
        FsError::OnlyInPlace => "only in place".into(),
        FsError::Changed => "changed".into(),
        other => other.to_string(),
    }
}

/// Bytes of this process that are in memory.
pub(crate) fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}
