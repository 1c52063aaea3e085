//! Harnesses that stream and copy, and know each byte that has to arrive.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use lockgate_e2e::{DEADLINE, lockgate};

/// What a process says over a second or two, in pieces of all sizes.
const SCRIPT: &str =
    "i=0; while [ $i -lt 60 ]; do seq $i $((i * 40)); echo e$i >&2; sleep 0.02; i=$((i + 1)); done";

/// How a harness reaches its executor.
pub(crate) enum Way {
    /// By a signed URL: as it is.
    Plain(String),
    /// By a registry, with this token: encrypted.
    Encrypted {
        registry: String,
        environment: &'static str,
        token: String,
    },
}

impl Way {
    /// `lockgate COMMAND …` that way.
    pub(crate) fn command(&self, command: &[&str], rest: &[&str]) -> Command {
        let mut built = Command::new(lockgate());
        built.args(command).stdin(Stdio::null());
        match self {
            Way::Plain(url) => built.args(["--url", url]),
            Way::Encrypted {
                registry,
                environment,
                token,
            } => built
                .args(["--remote", registry, "--environment-id", environment])
                .env("LOCKGATE_TOKEN", token),
        };
        built.args(rest);
        built
    }
}

/// How a piece of work ended. What arrived was right in any case.
#[derive(Debug)]
pub(crate) enum Outcome {
    Done,
    /// The connection did not come about.
    NeverConnected,
    /// It did, and failed later: in these words.
    Failed(String),
}

/// What is streamed and copied.
pub(crate) struct Work {
    said: Output,
    large: Vec<u8>,
    source: PathBuf,
}

impl Work {
    /// Keeps what it copies in this folder.
    pub(crate) fn new(folder: &Path) -> Work {
        let said = Command::new("sh").args(["-c", SCRIPT]).output();
        let large: Vec<u8> = (0..3_000_000_u32)
            .flat_map(|i| (i ^ (i << 7)).to_le_bytes())
            .collect();
        let source = folder.join("source");
        std::fs::write(&source, &large).expect("a file");
        Work {
            said: said.expect("it runs"),
            large,
            source,
        }
    }

    /// The file that is copied.
    pub(crate) fn source(&self) -> &Path {
        &self.source
    }

    /// Streams what a process says.
    pub(crate) fn stream(&self, way: &Way) -> Outcome {
        let output = run(way.command(&["exec"], &["--", "sh", "-c", SCRIPT]));
        let whole = output.status.success();
        holds(&output.stdout, &self.said.stdout, whole);
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        // What we say ourselves comes after what the process said.
        let (said, ours) = words.split_at(words.find("lockgate: ").unwrap_or(words.len()));
        holds(said.as_bytes(), &self.said.stderr, whole);
        // A process that was killed with its executor has said nothing wrong, and its code says so.
        let killed = matches!(output.status.code(), Some(128..));
        outcome(&output, ours, killed)
    }

    /// Copies a file there and back.
    pub(crate) fn copy(&self, way: &Way, target: &Path) -> Outcome {
        let [from, to] = [&self.source, target].map(|path| path.to_str().expect("a path"));
        let put = run(way.command(&["fs", "put"], &[from, to]));
        if !put.status.success() {
            return outcome(&put, &String::from_utf8_lossy(&put.stderr), false);
        }
        assert!(std::fs::read(target).expect("a file") == self.large);
        let cat = run(way.command(&["fs", "cat"], &[to]));
        holds(&cat.stdout, &self.large, cat.status.success());
        outcome(&cat, &String::from_utf8_lossy(&cat.stderr), false)
    }
}

/// Whether these are the bytes, or at least their beginning.
fn holds(came: &[u8], sent: &[u8], whole: bool) {
    assert!(sent.starts_with(came), "{} bytes came", came.len());
    assert!(!whole || came.len() == sent.len(), "{} bytes", came.len());
}

fn outcome(output: &Output, ours: &str, killed: bool) -> Outcome {
    if output.status.success() {
        return Outcome::Done;
    }
    assert!(
        killed || ours.starts_with("lockgate: "),
        "{}: {ours}",
        output.status
    );
    let never = [
        "cannot connect to",
        "no connection to",
        "no answer to initialize",
    ];
    match never.iter().any(|reason| ours.contains(reason)) {
        true => Outcome::NeverConnected,
        false => Outcome::Failed(ours.to_owned()),
    }
}

/// Nobody may be left waiting: a command that does not end is killed and shown.
fn run(mut command: Command) -> Output {
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let pid = child.id();
    let (ended, is_over) = std::sync::mpsc::channel();
    let waiting = std::thread::spawn(move || {
        let output = child.wait_with_output().expect("its output");
        // Who waits may have given up.
        let _ = ended.send(());
        output
    });
    let in_time = is_over.recv_timeout(2 * DEADLINE);
    if in_time.is_err() {
        lockgate_e2e::kill_9(pid);
    }
    let output = waiting.join().expect("its output");
    assert!(
        in_time.is_ok(),
        "{command:?} did not end: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Does it again while the first connection does not come about, which is for who called to try again.
pub(crate) fn until_connected(mut work: impl FnMut() -> Outcome) -> Outcome {
    let begun = Instant::now();
    loop {
        match work() {
            Outcome::NeverConnected if begun.elapsed() < 2 * DEADLINE => {
                std::thread::sleep(Duration::from_millis(100));
            }
            outcome => return outcome,
        }
    }
}
