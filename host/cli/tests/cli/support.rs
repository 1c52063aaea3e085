//! Running the binary.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

pub(crate) const LOCKGATE: &str = env!("CARGO_BIN_EXE_lockgate");

/// `lockgate ARGS`, ready to be changed and run.
pub(crate) fn lockgate(args: &[&str]) -> Command {
    let mut command = Command::new(LOCKGATE);
    command
        .args(args)
        .env_remove("LOCKGATE_LOG")
        // No file, whatever whoever runs the tests has in their home directory.
        .env("LOCKGATE_CONFIG", "")
        .env("LOCKGATE_HOME", "/nonexistent")
        .env_remove("LOCKGATE_URL")
        .env_remove("CODEX_EXEC_SERVER_URL")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// What came of a command.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) fn done(output: Output) -> Done {
    Done {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs it in `dir` with nothing on stdin.
pub(crate) fn run_in(dir: &Path, args: &[&str]) -> Done {
    done(lockgate(args).current_dir(dir).output().expect("runs"))
}

pub(crate) fn run(args: &[&str]) -> Done {
    run_in(Path::new("/"), args)
}

/// Runs it with `input` on stdin, which is written while the output is read.
pub(crate) fn feed(dir: &Path, args: &[&str], input: Vec<u8>) -> Output {
    let mut child = lockgate(args)
        .current_dir(dir)
        .stdin(Stdio::piped())
        .spawn()
        .expect("runs");
    let mut stdin = child.stdin.take().expect("piped");
    let writer = std::thread::spawn(move || {
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().expect("ends");
    writer.join().expect("written");
    output
}

/// The output of what went well and had nothing to complain about.
pub(crate) fn ok(done: Done) -> String {
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{done:?}");
    done.out
}

/// A failure of one line that names `path`.
pub(crate) fn refused(done: Done, path: &str) -> String {
    assert_eq!((done.code, done.out.as_str()), (Some(1), ""), "{done:?}");
    assert!(
        done.err.starts_with(&format!("lockgate: {path}: ")),
        "{done:?}"
    );
    assert_eq!(done.err.lines().count(), 1, "{done:?}");
    done.err
}

/// `a/one`, `a/two`, `secret/key`, a link out.
pub(crate) fn place() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let at = dir.path();
    for name in ["a", "secret"] {
        std::fs::create_dir(at.join(name)).expect("made");
    }
    for (name, text) in [("a/one", "1\n"), ("a/two", "22\n"), ("secret/key", "k\n")] {
        std::fs::write(at.join(name), text).expect("written");
    }
    std::os::unix::fs::symlink("/etc/hostname", at.join("out")).expect("linked");
    dir
}

/// A websocket server that ends with the test.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
}

impl Server {
    pub(crate) fn start(args: &[&str]) -> Server {
        let mut command = lockgate(&["serve"]);
        command.args(args).stderr(Stdio::inherit());
        Server::started(command)
    }

    /// By a command that was prepared.
    pub(crate) fn started(mut command: Command) -> Server {
        let mut child = command.spawn().expect("runs");
        let mut url = String::new();
        BufReader::new(child.stdout.take().expect("piped"))
            .read_line(&mut url)
            .expect("a line");
        Server {
            child,
            url: url.trim_end().to_owned(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        signal(&self.child, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

pub(crate) fn signal(child: &Child, signal: rustix::process::Signal) {
    rustix::process::kill_process(rustix::process::Pid::from_child(child), signal).expect("sent");
}

/// Reads until `text` has come.
pub(crate) fn wait_for(from: &mut impl Read, text: &str) -> String {
    let mut seen = Vec::new();
    let mut byte = [0];
    while !seen.ends_with(text.as_bytes()) {
        assert_eq!(
            from.read(&mut byte).expect("readable"),
            1,
            "ended after {:?}",
            String::from_utf8_lossy(&seen)
        );
        seen.push(byte[0]);
    }
    String::from_utf8_lossy(&seen).into_owned()
}

/// Waits until no process runs with `mark` in its command line.
pub(crate) fn nobody_runs(mark: &str) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while running(mark) {
        assert!(
            std::time::Instant::now() < deadline,
            "{mark} is still running"
        );
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

pub(crate) fn running(mark: &str) -> bool {
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return false;
    };
    processes
        .flatten()
        .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
        .any(|line| String::from_utf8_lossy(&line).contains(mark))
}
