//! A NATS server, as several nodes of a rendezvous share one.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::DEADLINE;
use crate::nats_accounts::Accounts;
use crate::reserved;

/// `nats-server` with JetStream, on a port of its own. Ends with the value.
pub struct Nats {
    child: Child,
    url: String,
}

/// Three of them, which keep what they keep together.
pub struct NatsCluster {
    servers: Vec<Nats>,
}

impl NatsCluster {
    /// Each keeps its part in this folder.
    pub fn start(folder: &Path) -> NatsCluster {
        // Each has to know where the others are before they are there.
        let routes = [(); 3].map(|()| format!("nats://{}", reserved()));
        let all = routes.join(",");
        let begun = routes.iter().enumerate().map(|(number, route)| {
            let name = format!("n{number}");
            let mut command = Nats::command(&port(), &folder.join(&name));
            command.args([
                "--name",
                &name,
                "--cluster_name",
                "lockgate",
                "--cluster",
                route,
                "--routes",
                &all,
            ]);
            Nats::begin(command)
        });
        let servers = begun
            .collect::<Vec<_>>()
            .into_iter()
            .map(Begun::wait)
            .collect();
        NatsCluster { servers }
    }

    /// All addresses, as `--nats` takes them.
    pub fn url(&self) -> String {
        let urls: Vec<_> = self.servers.iter().map(Nats::url).collect();
        urls.join(",")
    }

    /// What they say of the stream that keeps a bucket.
    pub fn describe(&self, bucket: &str) -> String {
        self.servers[0].ask(&format!("$JS.API.STREAM.INFO.KV_{bucket}"), "")
    }

    /// Kills one of them.
    pub fn kill(&mut self, number: usize) {
        drop(self.servers.remove(number));
    }
}

/// One that has not said where it listens.
struct Begun {
    nats: Nats,
    ports: tempfile::TempDir,
}

impl Begun {
    fn wait(mut self) -> Nats {
        let begun = Instant::now();
        loop {
            if let Some(url) = url_in(self.ports.path()) {
                self.nats.url = url;
                return self.nats;
            }
            assert!(begun.elapsed() < DEADLINE, "nats-server says no port");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Nats {
    /// Keeps what it keeps in this folder.
    pub fn start(folder: &Path) -> Nats {
        Nats::at(folder, &port())
    }

    /// The same on a port, such as that of one that was killed.
    pub fn at(folder: &Path, port: &str) -> Nats {
        Nats::begin(Nats::command(port, &folder.join("nats"))).wait()
    }

    /// One that lets in whom an operator's accounts vouch for; with the file of such a user, and that of a stranger.
    pub fn with_accounts(folder: &Path) -> (Nats, PathBuf, PathBuf) {
        let accounts = Accounts::make(folder);
        let settings = folder.join("nats.conf");
        std::fs::write(&settings, accounts.settings).expect("written");
        let mut command = Nats::command(&port(), &folder.join("nats"));
        command.arg("-c").arg(settings);
        (
            Nats::begin(command).wait(),
            accounts.credentials,
            accounts.strange,
        )
    }

    fn command(port: &str, keeps: &Path) -> Command {
        let mut command = Command::new("nats-server");
        command
            .args(["-js", "-a", "127.0.0.1", "-p", port, "-sd"])
            .arg(keeps);
        command
    }

    fn begin(mut command: Command) -> Begun {
        let ports = tempfile::tempdir().expect("a folder");
        let child = command
            .arg("--ports_file_dir")
            .arg(ports.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nats-server runs (Debian: apt-get install nats-server; .ci/run does it)");
        let url = String::new();
        Begun {
            nats: Nats { child, url },
            ports,
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

    /// What is answered to this, asked past every node.
    pub fn ask(&self, subject: &str, question: &str) -> String {
        let length = question.len();
        let asked = format!("SUB answer 1\r\nPUB {subject} answer {length}\r\n{question}\r\n");
        heard(&self.url, &asked).1
    }

    /// What the first message of that kind is about: the last part of its subject.
    pub fn overhear(&self, subjects: &str) -> String {
        let subject = heard(&self.url, &format!("SUB {subjects} 1\r\n")).0;
        let last = subject.rsplit('.').next();
        last.expect("a part").to_owned()
    }

    /// Ends it as nothing can prevent, and waits until it is gone.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.child.wait().expect("it can be waited for");
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it can be signalled");
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

/// One that stays its own where it is killed and started again.
fn port() -> String {
    let address = reserved();
    address.rsplit(':').next().expect("a port").to_owned()
}

/// The first message that comes after this was said: its subject, and what it says.
fn heard(url: &str, said: &str) -> (String, String) {
    let mut socket = TcpStream::connect(&url["nats://".len()..]).expect("a connection");
    socket.set_read_timeout(Some(DEADLINE)).expect("set");
    write!(socket, "CONNECT {{\"verbose\":false}}\r\n{said}").expect("it goes");
    let lines = BufReader::new(socket)
        .lines()
        .map(|line| line.expect("a line"));
    let mut lines = lines.skip_while(|line| !line.starts_with("MSG "));
    let head = lines.next().expect("a message");
    let subject = head.split(' ').nth(1).expect("a subject").to_owned();
    (subject, lines.next().unwrap_or_default())
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
