//! The file system as tests have it.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Names the variable by which a machine says that it cannot have FUSE. Without it a mount that fails is a test that fails:
/// what hangs must not go untested because nobody noticed.
const WITHOUT_FUSE: &str = "LOCKGATE_TEST_WITHOUT_FUSE";

/// Well over what anything here takes.
const DEADLINE: Duration = Duration::from_secs(30);

/// Whether this machine was said to have no FUSE; then says that the test shows nothing.
pub fn without_fuse() -> bool {
    let without = std::env::var_os(WITHOUT_FUSE).is_some();
    if without {
        eprintln!("NOT TESTED: {WITHOUT_FUSE} is set, so there is no file system that could hang");
    }
    without
}

/// A mounted file system. Dropping it gives all answers and unmounts.
pub struct SlowFs {
    directory: tempfile::TempDir,
    server: Child,
    commands: Option<ChildStdin>,
    said: Receiver<String>,
}

impl SlowFs {
    /// Mounts it with the given server (`env!("CARGO_BIN_EXE_lockgate-slow-fs")`).
    pub fn mount(server: impl AsRef<Path>) -> SlowFs {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let mut server = Command::new(server.as_ref())
            .arg(directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let commands = server.stdin.take();
        let stdout = server.stdout.take().expect("stdout is a pipe");
        let (say, said) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if say.send(line).is_err() {
                    return;
                }
            }
        });
        let slow = SlowFs {
            directory,
            server,
            commands,
            said,
        };
        let first = slow.said.recv_timeout(DEADLINE);
        assert_eq!(
            first.as_deref(),
            Ok("mounted"),
            "no FUSE here? It needs /dev/fuse and the right to mount; set {WITHOUT_FUSE}=1 to go without these tests"
        );
        slow
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        let root = self.directory.path().canonicalize().expect("it is there");
        root.join(name)
    }

    /// Waits until an answer to this operation is held.
    pub fn held(&self, operation: &str) {
        self.wait_for(&format!("held {operation}"));
    }

    /// Gives what is held, and answers at once from now on.
    pub fn go(&mut self) {
        self.command("go");
    }

    /// Holds again.
    pub fn hold(&mut self) {
        self.command("hold");
    }

    fn command(&mut self, command: &str) {
        let commands = self.commands.as_mut().expect("open until the drop");
        writeln!(commands, "{command}").expect("the server reads");
        self.wait_for("done");
    }

    fn wait_for(&self, line: &str) {
        loop {
            let said = self.said.recv_timeout(DEADLINE);
            match said {
                Ok(said) if said == line => return,
                Ok(_) => {}
                Err(error) => panic!("the server never said `{line}`: {error}"),
            }
        }
    }
}

impl Drop for SlowFs {
    fn drop(&mut self) {
        self.commands = None;
        let _ = self.server.wait();
    }
}
