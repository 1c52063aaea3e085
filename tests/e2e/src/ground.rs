//! A small tree of files to act upon over the wire, and the language of the tables that say what comes of it.
//!
//! An operation is a verb and paths below the ground: `read d/f`, `copy a b`. What comes of it is the text that
//! was read, a description of what was found, `ok`, or the short name of an error, which stands for its code
//! *and* its message.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::{Profile, Refusal, Shape, Wire, tree};

/// A directory that is removed with the value.
pub struct Ground {
    _home: tempfile::TempDir,
    root: PathBuf,
}

/// How requests are made: in which spelling, under which sandbox.
#[derive(Clone, Debug)]
pub struct Way {
    /// The spelling of paths.
    pub shape: Shape,
    /// The `sandbox` member; null for none.
    pub sandbox: Value,
}

impl Way {
    /// Without a sandbox.
    pub fn direct(shape: Shape) -> Way {
        Way {
            shape,
            sandbox: Value::Null,
        }
    }

    /// Under a profile.
    pub fn under(profile: &Profile, shape: Shape) -> Way {
        Way {
            shape,
            sandbox: profile.in_shape(shape),
        }
    }
}

impl Default for Ground {
    fn default() -> Self {
        Ground::new()
    }
}

impl Ground {
    /// In the system's temporary directory.
    pub fn new() -> Ground {
        Ground::within(std::env::temp_dir())
    }

    /// Where no profile grants it for being temporary: not below `/tmp` or `TMPDIR`, wherever this checkout
    /// and its target directory are.
    pub fn not_temporary() -> Ground {
        let temporary = [PathBuf::from("/tmp"), std::env::temp_dir()];
        let place = ["/var/tmp", env!("CARGO_MANIFEST_DIR")]
            .into_iter()
            .find(|place| {
                !temporary
                    .iter()
                    .any(|below| Path::new(place).starts_with(below))
            });
        Ground::within(place.expect("some place is not temporary"))
    }

    /// In this directory.
    pub fn within(parent: impl AsRef<Path>) -> Ground {
        let home = tempfile::tempdir_in(parent).expect("a directory can be made");
        let root = home.path().canonicalize().expect("it has a real path");
        Ground { _home: home, root }
    }

    /// A path below the ground; what begins with `/` stays as it is.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Makes things, and the directories above them: `d/` a directory, `f=text` a file, `l>target` a link (`$` in
    /// the target is the ground).
    pub fn make(&self, things: &[&str]) {
        for thing in things {
            let at = |path: &str| {
                let path = self.path(path);
                fs::create_dir_all(path.parent().expect("below the ground")).expect("made");
                path
            };
            if let Some((path, target)) = thing.split_once('>') {
                let target = target.replace('$', self.root.to_str().expect("UTF-8"));
                symlink(target, at(path)).expect("linked");
            } else if let Some((path, text)) = thing.split_once('=') {
                fs::write(at(path), text).expect("written");
            } else {
                fs::create_dir_all(self.path(thing)).expect("made");
            }
        }
    }

    /// A FIFO that nobody has open at the other end.
    pub fn make_fifo(&self, path: &str) {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let mode = Mode::RUSR | Mode::WUSR;
        mknodat(CWD, self.path(path), FileType::Fifo, mode, 0).expect("made");
    }

    /// The text of a file, read by the test itself.
    pub fn text(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).expect("readable")
    }

    /// Whether there is something, be it a broken link.
    pub fn has(&self, path: &str) -> bool {
        self.path(path).symlink_metadata().is_ok()
    }

    /// Every path below the ground with its text or target: what must not change in the course of an attack.
    pub fn snapshot(&self, below: &str) -> Vec<(PathBuf, Vec<u8>)> {
        let mut seen = Vec::new();
        let mut left = vec![self.path(below)];
        while let Some(directory) = left.pop() {
            for entry in fs::read_dir(directory).expect("listable") {
                let entry = entry.expect("an entry");
                let kind = entry.file_type().expect("a type");
                let content = if kind.is_dir() {
                    left.push(entry.path());
                    Vec::new()
                } else if kind.is_symlink() {
                    let target = fs::read_link(entry.path()).expect("a target");
                    target.into_os_string().into_encoded_bytes()
                } else {
                    fs::read(entry.path()).expect("readable")
                };
                seen.push((entry.path(), content));
            }
        }
        seen.sort();
        seen
    }

    /// Holds every operation of a table, in turn, to what is wanted of it.
    pub async fn table(&self, wire: &mut Wire, way: &Way, table: &[(&str, &str)]) {
        for (operation, wanted) in table {
            let found = self.run(wire, way, operation).await;
            assert_eq!(found, *wanted, "{operation}, in the {:?} shape", way.shape);
        }
    }

    /// Runs one operation and says what came of it.
    ///
    /// Verbs: `read`, `stream` (open and blocks), `pour` and `pourmore` (open to replace or append, and blocks), `write`, `mkdir`, `mkdirs`, `stat`, `real`, `list`, `walk`,
    /// `walklinks`, `fetch` (the names of a tree), `send` (a tree of one file), `rm`, `rmtree`, `rmforce`, `copy`, `copytree`; of ours `rename`, `renamefree` (to a free name), `symlink` (target
    /// and name), `replace`, `append`, `chmod` (octal), `touch` (milliseconds); with `!` links are not to be followed.
    pub async fn run(&self, wire: &mut Wire, way: &Way, operation: &str) -> String {
        let mut words = operation.splitn(3, ' ');
        let mut word = || words.next().unwrap_or_default();
        let (verb, first, second) = (word(), word(), word());
        if verb == "fetch" || verb == "outline" || verb == "send" {
            let at = way.shape.path(self.path(first));
            let done = match verb {
                "fetch" => tree::fetch(wire, &way.sandbox, at).await,
                "outline" => tree::outline(wire, &way.sandbox, at).await,
                _ => tree::send_file(wire, &way.sandbox, at, second).await,
            };
            return done.unwrap_or_else(|refusal| name(&refusal));
        }
        if verb == "pour" || verb == "pourmore" {
            let mode = if verb == "pour" { "replace" } else { "append" };
            let poured = self.pour(wire, way, mode, (first, second)).await;
            return poured.map_or_else(|refusal| name(&refusal), |()| "ok".to_owned());
        }
        if verb == "stream" {
            return self
                .stream(wire, way, first)
                .await
                .unwrap_or_else(|refusal| name(&refusal));
        }
        let (method, params) = self.request(way, verb, first, second);
        match wire.call(method, params).await {
            Ok(result) => {
                if verb == "watch" {
                    let ended = wire.call("lockgate/fs/unwatch", json!({"watchId": "watch"}));
                    assert_eq!(ended.await, Ok(json!({})));
                }
                self.describe(method, &result)
            }
            Err(refusal) => name(&refusal),
        }
    }

    /// The request that an operation comes to.
    pub fn request(
        &self,
        way: &Way,
        verb: &str,
        first: &str,
        second: &str,
    ) -> (&'static str, Value) {
        let (verb, nofollow) = match verb.strip_suffix('!') {
            Some(verb) => (verb, true),
            None => (verb, false),
        };
        let path = way.shape.path(self.path(first));
        let remove =
            |recursive, force| json!({"path": path, "recursive": recursive, "force": force});
        let copy = |recursive: bool| {
            let destination = way.shape.path(self.path(second));
            json!({"sourcePath": path, "destinationPath": destination, "recursive": recursive})
        };
        let rename = |overwrite: bool| {
            let destination = way.shape.path(self.path(second));
            json!({"sourcePath": path, "destinationPath": destination, "overwrite": overwrite})
        };
        let walk = |follow: bool| {
            let options = json!({
                "maxDepth": 64, "maxDirectories": 10_000, "maxEntries": 50_000, "followDirectorySymlinks": follow,
            });
            json!({"path": path, "options": options})
        };
        let (method, mut params) = match verb {
            "read" => ("fs/readFile", json!({"path": path})),
            "write" => {
                let data = base64_simd::STANDARD.encode_to_string(second);
                ("fs/writeFile", json!({"path": path, "dataBase64": data}))
            }
            "mkdir" => (
                "fs/createDirectory",
                json!({"path": path, "recursive": false}),
            ),
            "mkdirs" => (
                "fs/createDirectory",
                json!({"path": path, "recursive": true}),
            ),
            "stat" => ("fs/getMetadata", json!({"path": path})),
            "real" => ("fs/canonicalize", json!({"path": path})),
            "readlink" => ("lockgate/fs/readLink", json!({"path": path})),
            "list" => ("fs/readDirectory", json!({"path": path})),
            "walk" => ("fs/walk", walk(false)),
            "walklinks" => ("fs/walk", walk(true)),
            "rm" => ("fs/remove", remove(false, false)),
            "rmtree" => ("fs/remove", remove(true, false)),
            "rmforce" => ("fs/remove", remove(true, true)),
            "copy" => ("fs/copy", copy(false)),
            "copytree" => ("fs/copy", copy(true)),
            "rename" => ("lockgate/fs/rename", rename(true)),
            "renamefree" => ("lockgate/fs/rename", rename(false)),
            "symlink" => {
                let target = first.replace('$', self.root.to_str().expect("UTF-8"));
                let path = way.shape.path(self.path(second));
                (
                    "lockgate/fs/symlink",
                    json!({"target": target, "path": path}),
                )
            }
            "replace" | "append" => {
                let data = base64_simd::STANDARD.encode_to_string(second);
                let method = match verb {
                    "replace" => "lockgate/fs/replaceFile",
                    _ => "lockgate/fs/appendFile",
                };
                (method, json!({"path": path, "dataBase64": data}))
            }
            "chmod" => {
                let mode = u32::from_str_radix(second, 8).expect("octal");
                ("lockgate/fs/setMode", json!({"path": path, "mode": mode}))
            }
            "touch" => {
                let ms: i64 = second.parse().expect("milliseconds");
                (
                    "lockgate/fs/setTimes",
                    json!({"path": path, "modifiedAtMs": ms}),
                )
            }
            "watch" => (
                "lockgate/fs/watch",
                json!({"watchId": "watch", "path": path, "recursive": true}),
            ),
            other => panic!("no verb {other}"),
        };
        params["sandbox"] = way.sandbox.clone();
        if nofollow {
            params["followSymlinks"] = json!(false);
        }
        (method, params)
    }

    async fn pour(
        &self,
        wire: &mut Wire,
        way: &Way,
        mode: &str,
        (path, text): (&str, &str),
    ) -> Result<(), Refusal> {
        let path = way.shape.path(self.path(path));
        let open = json!({"handleId": "pour", "path": path, "mode": mode, "sandbox": way.sandbox});
        wire.call("fs/open", open).await?;
        for (n, piece) in text.as_bytes().chunks(7).enumerate() {
            let chunk = base64_simd::STANDARD.encode_to_string(piece);
            let block = json!({"handleId": "pour", "offset": n * 7, "chunk": chunk});
            wire.call("fs/writeBlock", block).await?;
        }
        wire.call("fs/close", json!({"handleId": "pour"})).await?;
        Ok(())
    }

    async fn stream(&self, wire: &mut Wire, way: &Way, path: &str) -> Result<String, Refusal> {
        let path = way.shape.path(self.path(path));
        let open = json!({"handleId": "stream", "path": path, "sandbox": way.sandbox});
        wire.call("fs/open", open).await?;
        let mut bytes = Vec::new();
        loop {
            let block = json!({"handleId": "stream", "offset": bytes.len(), "len": 7});
            let block = wire.call("fs/readBlock", block).await?;
            bytes.extend(decoded(&block["chunk"]));
            if block["eof"] == true {
                return Ok(String::from_utf8(bytes).expect("text"));
            }
        }
    }

    fn describe(&self, method: &str, result: &Value) -> String {
        match method {
            "fs/readFile" => String::from_utf8(decoded(&result["dataBase64"])).expect("text"),
            "fs/getMetadata" => {
                let link = if result["isSymlink"] == true {
                    "link to "
                } else {
                    ""
                };
                format!("{link}{}", kind(result, ["directory", "file", "other"]))
            }
            "fs/canonicalize" => self.relative(&result["path"]),
            "lockgate/fs/readLink" => result["target"].as_str().expect("text").to_owned(),
            "fs/readDirectory" => {
                let entries = result["entries"].as_array().expect("entries").iter();
                sorted(entries.map(|entry| {
                    let name = entry["fileName"].as_str().expect("a name");
                    format!("{name}{}", kind(entry, ["/", "", "?"]))
                }))
            }
            "fs/walk" => {
                let entries = result["entries"].as_array().expect("entries").iter();
                let entries = entries.map(|entry| {
                    let mark = if entry["kind"] == "directory" {
                        "/"
                    } else {
                        ""
                    };
                    format!("{}{mark}", self.relative(&entry["path"]))
                });
                let errors = result["errors"].as_array().expect("errors").iter();
                let errors = errors.map(|error| {
                    let message = error["message"].as_str().expect("a message");
                    format!("{}:{message}", self.relative(&error["path"]))
                });
                sorted(entries.chain(errors))
            }
            _ => {
                assert_eq!(*result, json!({}), "{method}");
                "ok".to_owned()
            }
        }
    }

    /// A path of an answer to a newer method, always a URI, without the ground.
    fn relative(&self, path: &Value) -> String {
        let path = path.as_str().expect("a path");
        assert!(path.starts_with("file:///"), "{path} is no URI");
        match path.strip_prefix(&uri_of(&self.root)) {
            Some("") => ".".to_owned(),
            Some(below) => below.trim_start_matches('/').to_owned(),
            None => path.to_owned(),
        }
    }
}

fn uri_of(path: &Path) -> String {
    crate::profile::uri(path)
}

/// The bytes of a base64 member.
pub fn decoded(base64: &Value) -> Vec<u8> {
    let text = base64.as_str().expect("base64");
    base64_simd::STANDARD
        .decode_to_vec(text)
        .expect("strict base64")
}

fn kind<'a>(found: &Value, [directory, file, other]: [&'a str; 3]) -> &'a str {
    match (&found["isDirectory"], &found["isFile"]) {
        (Value::Bool(true), Value::Bool(false)) => directory,
        (Value::Bool(false), Value::Bool(true)) => file,
        (Value::Bool(false), Value::Bool(false)) => other,
        wrong => panic!("two kinds at once: {wrong:?}"),
    }
}

fn sorted(found: impl Iterator<Item = String>) -> String {
    let mut found: Vec<_> = found.collect();
    found.sort();
    found.join(" ")
}

/// The short name of an error that has the code and the message that belong together (PROTOCOL 5.1, 6.6), or both as
/// they are.
fn name(refusal: &Refusal) -> String {
    let named = [
        (-32600, "Operation not permitted (os error 1)", "perm"),
        (-32004, "No such file or directory (os error 2)", "noent"),
        (-32600, "Permission denied (os error 13)", "access"),
        (-32603, "File exists (os error 17)", "exist"),
        (-32603, "Not a directory (os error 20)", "notdir"),
        (-32603, "Is a directory (os error 21)", "isdir"),
        (-32603, "Read-only file system (os error 30)", "rofs"),
        (-32603, "File name too long (os error 36)", "nametoolong"),
        (-32603, "Directory not empty (os error 39)", "notempty"),
        (
            -32603,
            "Too many levels of symbolic links (os error 40)",
            "loop",
        ),
        (
            -32600,
            "not a regular file: only regular files can be read or written",
            "not regular",
        ),
        (
            -32600,
            "the file can be written but not replaced, because its directory cannot be changed: use fs/writeFile, which writes in place",
            "only in place",
        ),
        (
            -32600,
            "path goes through a symbolic link, and the request forbids following one (followSymlinks: false)",
            "link refused",
        ),
        (
            -32600,
            "fs/copy requires recursive: true when sourcePath is a directory",
            "needs recursive",
        ),
        (
            -32600,
            "fs/copy cannot copy a directory to itself or one of its descendants",
            "into itself",
        ),
        (
            -32600,
            "fs/copy only supports regular files, directories, and symlinks",
            "unsupported",
        ),
    ];
    named
        .iter()
        .find(|(code, message, _)| *code == refusal.code && *message == refusal.message)
        .map_or_else(
            || format!("{} {}", refusal.code, refusal.message),
            |(_, _, name)| (*name).to_owned(),
        )
}
