//! The built binary, run as an operator would.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// The binary that `make test` built beside this test.
pub fn lockgate() -> PathBuf {
    let mut path = std::env::current_exe().expect("a test has a path");
    while path.pop() {
        let binary = path.join("lockgate");
        if binary.is_file() {
            return binary;
        }
    }
    panic!("the lockgate binary is not built: run `cargo build -p lockgate-cli` or `make test`");
}

/// A websocket server on a port of its own, with a clean environment. Ends with the value.
pub struct Server {
    child: Child,
    url: String,
}

impl Server {
    /// A server with default options.
    pub fn start() -> Server {
        Server::with_arguments(&[])
    }

    /// A server with further arguments.
    pub fn with_arguments(arguments: &[&str]) -> Server {
        let mut command = Server::command();
        command.args(arguments);
        Server::from_command(command)
    }

    /// The usual command, for tests that need something else in its environment.
    pub fn command() -> Command {
        let mut command = Command::new(lockgate());
        command
            .args(["serve", "--listen", "ws://127.0.0.1:0"])
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", std::env::temp_dir())
            .env("LOCKGATE_CACHE_DIR", cache_directory())
            .env("XDG_STATE_HOME", lockgate().with_file_name("test-state"));
        command
    }

    /// A server started by a command that prints its URL.
    pub fn from_command(mut command: Command) -> Server {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let stdout = child.stdout.take().expect("stdout is a pipe");
        let mut url = String::new();
        BufReader::new(stdout)
            .read_line(&mut url)
            .expect("the server prints its URL");
        let url = url.trim().to_owned();
        assert!(
            url.starts_with("ws://"),
            "the server printed {url:?} instead of its URL"
        );
        Server { child, url }
    }

    /// `ws://IP:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// `IP:PORT`.
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("ws://")
    }

    /// The process that was started (the guardian; the server proper is its child).
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The server proper: below the guardians, the first of which is what was started.
    pub fn proper(&self) -> u32 {
        let family = family(self.pid());
        assert_ne!(family.len(), 1, "there is a guardian");
        family[family.len() - 1]
    }

    /// Sends a signal to the process that was started.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("the server can be signalled");
    }

    /// Waits for the end and returns the exit status.
    pub fn wait(&mut self) -> std::process::ExitStatus {
        self.child.wait().expect("the server can be waited for")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}

/// Compiled guests are shared by all tests of a build, and by nobody else.
pub fn cache_directory() -> PathBuf {
    let path = lockgate().with_file_name("test-cache");
    std::fs::create_dir_all(&path).expect("the cache directory can be made");
    path
}

/// A guardian, those below it, and the server proper.
pub(crate) fn family(pid: u32) -> Vec<u32> {
    let mut family = vec![pid];
    loop {
        let last = family[family.len() - 1];
        let children = children(last);
        match children
            .iter()
            .find(|child| program(**child) == program(last))
        {
            Some(child) => family.push(*child),
            None => return family,
        }
    }
}

fn children(pid: u32) -> Vec<u32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children = children.unwrap_or_default();
    children
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

/// By its file: guardians have names of their own.
fn program(pid: u32) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/exe")).ok()
}
