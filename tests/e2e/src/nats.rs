//! A NATS server, as several nodes of a rendezvous share one.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::DEADLINE;

/// `nats-server` with JetStream, on a port of its own. Ends with the value.
pub struct Nats {
    child: Child,
    url: String,
}

impl Nats {
    /// Keeps what it keeps in this folder.
    pub fn start(folder: &Path) -> Nats {
        Nats::at(folder, "-1")
    }

    /// The same on a port, such as that of one that was killed.
    pub fn at(folder: &Path, port: &str) -> Nats {
        let ports = tempfile::tempdir().expect("a folder");
        let child = Command::new("nats-server")
            .args(["-js", "-a", "127.0.0.1", "-p", port, "-sd"])
            .arg(folder.join("nats"))
            .arg("--ports_file_dir")
            .arg(ports.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nats-server runs (Debian: apt-get install nats-server; .ci/run does it)");
        let mut nats = Nats {
            child,
            url: String::new(),
        };
        let begun = Instant::now();
        loop {
            if let Some(url) = url_in(ports.path()) {
                nats.url = url;
                return nats;
            }
            assert!(begun.elapsed() < DEADLINE, "nats-server says no port");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Writes into the registry of the rendezvous, past it: as NATS' own protocol has it.
    pub fn put(&self, key: &str, value: &str) {
        let mut socket = TcpStream::connect(&self.url["nats://".len()..]).expect("a connection");
        let length = value.len();
        write!(
            socket,
            "CONNECT {{\"verbose\":false}}\r\nPUB $KV.lockgate.{key} {length}\r\n{value}\r\nPING\r\n"
        )
        .expect("it goes");
        let answer = BufReader::new(socket).lines().nth(1);
        assert_eq!(answer.expect("an answer").expect("a line"), "PONG");
    }

    /// `nats://IP:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The port.
    pub fn port(&self) -> &str {
        self.url.rsplit(':').next().expect("a port")
    }
}

/// What it wrote when it listened.
fn url_in(folder: &Path) -> Option<String> {
    let file = std::fs::read_dir(folder).ok()?.next()?.ok()?.path();
    // It may be half written.
    let ports: serde_json::Value = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    Some(ports["nats"][0].as_str()?.to_owned())
}

impl Drop for Nats {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = kill_process(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}
