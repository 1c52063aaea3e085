//! A rendezvous and its executor, run as operators would.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal, kill_process};

use crate::server::family;
use crate::{Nats, Server, lockgate, reserved};

/// `lockgate rendezvous serve` with a store of its own. Ends with the value.
pub struct Rendezvous {
    child: Child,
    /// Reads what it says, where that is asked for.
    log: Option<JoinHandle<String>>,
    url: String,
    /// What says where its key and tokens are.
    place: Vec<OsString>,
}

impl Rendezvous {
    /// On any port, with a store in this folder.
    pub fn start(folder: &Path) -> Rendezvous {
        Rendezvous::at(folder, "127.0.0.1:0", &[])
    }

    /// On this address, with further arguments.
    pub fn at(folder: &Path, address: &str, arguments: &[&str]) -> Rendezvous {
        let place = ["--store".into(), folder.join("store").into()];
        Rendezvous::serve(place.to_vec(), address, arguments)
    }

    /// One that logs all that it can, for [`Rendezvous::stop`].
    pub fn logged(folder: &Path) -> Rendezvous {
        let place = ["--store".into(), folder.join("store").into()];
        let mut command = Command::new(lockgate());
        command.env("LOCKGATE_LOG", "trace").stderr(Stdio::piped());
        Rendezvous::run(command, place.to_vec(), "127.0.0.1:0", &[])
    }

    /// A node that shares what it knows over NATS.
    pub fn node(nats: &Nats, address: &str) -> Rendezvous {
        Rendezvous::node_with(&["--nats", nats.url()], address)
    }

    /// The same with these arguments that say where NATS is.
    pub fn node_with(place: &[&str], address: &str) -> Rendezvous {
        Rendezvous::serve(place.iter().map(OsString::from).collect(), address, &[])
    }

    fn serve(place: Vec<OsString>, address: &str, arguments: &[&str]) -> Rendezvous {
        Rendezvous::run(Command::new(lockgate()), place, address, arguments)
    }

    fn run(
        mut command: Command,
        place: Vec<OsString>,
        address: &str,
        arguments: &[&str],
    ) -> Rendezvous {
        // Tests start another where one was killed.
        let address = match address {
            "127.0.0.1:0" => reserved(),
            _ => address.to_owned(),
        };
        let mut child = command
            .args(["rendezvous", "serve", "--listen", &address])
            .args(&place)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the rendezvous starts");
        let mut url = String::new();
        BufReader::new(child.stdout.take().expect("stdout is a pipe"))
            .read_line(&mut url)
            .expect("the rendezvous prints its URL");
        let url = url.trim().to_owned();
        assert!(
            url.starts_with("http"),
            "the rendezvous printed {url:?} instead of its URL"
        );
        let log = child.stderr.take().map(|mut log| {
            std::thread::spawn(move || {
                let mut said = String::new();
                log.read_to_string(&mut said).expect("its log");
                said
            })
        });
        Rendezvous {
            child,
            log,
            url,
            place,
        }
    }

    /// `http://IP:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// `IP:PORT`.
    pub fn address(&self) -> &str {
        self.url.rsplit('/').next().expect("an address")
    }

    /// The file of its store.
    pub fn store(&self) -> &Path {
        Path::new(&self.place[1])
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `lockgate rendezvous ARGUMENTS --store …`; gives stdout.
    pub fn command(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {words}");
        String::from_utf8(output.stdout)
            .expect("text")
            .trim()
            .to_owned()
    }

    /// The same, also where it fails.
    pub fn output(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(lockgate());
        command.arg("rendezvous").args(arguments).args(&self.place);
        command.output().expect("the command runs")
    }

    /// A token of that role for that environment.
    pub fn token(&self, environment: &str, role: &str) -> String {
        self.command(&[
            "token",
            "create",
            "--environment",
            environment,
            "--role",
            role,
        ])
    }

    /// The id of a token, as the list has it.
    pub fn token_id(&self, environment: &str, role: &str) -> String {
        let list = self.command(&["token", "list"]);
        let line = list.lines().find(|line| {
            let parts: Vec<_> = line.split_whitespace().collect();
            parts.get(1) == Some(&role) && parts.get(2) == Some(&environment)
        });
        let line = line.expect("the token is listed");
        line.split_whitespace().next().expect("an id").to_owned()
    }

    /// A signed URL for harnesses of that environment; `address`: where they connect, if not to the rendezvous itself.
    pub fn harness_url(&self, environment: &str, address: Option<&str>) -> String {
        self.token(environment, "harness");
        let id = self.token_id(environment, "harness");
        let public = format!("ws://{}", address.unwrap_or_else(|| self.address()));
        self.command(&["url", "--token", &id, "--public-url", &public])
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it can be signalled");
    }

    /// Asks one that is logged to stop, and gives all that it said.
    pub fn stop(mut self) -> String {
        self.signal(Signal::TERM);
        let log = self.log.take().expect("it is logged");
        log.join().expect("its log")
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> std::process::ExitStatus {
        self.child.wait().expect("it can be waited for")
    }
}

impl Drop for Rendezvous {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = kill_process(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}

/// `lockgate serve --remote`. Ends with the value.
pub struct Executor {
    child: Child,
    /// Reads what it says, so that it never waits for us.
    log: Option<JoinHandle<String>>,
}

impl Executor {
    /// What starts one that registers with this registry, for streams without encryption.
    pub fn command(registry: &str, environment: &str, token: &str) -> Command {
        let mut command = Executor::encrypting(registry, environment, token);
        command.args(["--remote-transport", "direct"]);
        command
    }

    /// The same for encrypted streams, which is what it does if nothing is said.
    pub fn encrypting(registry: &str, environment: &str, token: &str) -> Command {
        let usual = Server::command();
        let mut command = Command::new(lockgate());
        command
            .args([
                "serve",
                "--remote",
                registry,
                "--environment-id",
                environment,
            ])
            .env_clear()
            .envs(
                usual
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .env("LOCKGATE_TOKEN", token);
        command
    }

    /// Starts it and waits until it has registered.
    pub fn start(registry: &str, environment: &str, token: &str) -> Executor {
        Executor::from_command(Executor::command(registry, environment, token))
    }

    /// The same for a command that was changed.
    pub fn from_command(mut command: Command) -> Executor {
        // Without a word on the log's level it must at least say when it is connected.
        if !command.get_envs().any(|(name, _)| name == "LOCKGATE_LOG") {
            command.env("LOCKGATE_LOG", "info");
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the executor starts");
        let mut log = BufReader::new(child.stderr.take().expect("stderr is a pipe"));
        let mut said = String::new();
        while !said.contains("connected to the rendezvous") {
            let before = said.len();
            log.read_line(&mut said).expect("its log");
            assert!(said.len() > before, "the executor ended: {said}");
        }
        let log = std::thread::spawn(move || {
            log.read_to_string(&mut said).expect("its log");
            said
        });
        Executor {
            child,
            log: Some(log),
        }
    }

    /// The process that was started.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The guardians and the server proper, which is the last.
    pub fn family(&self) -> Vec<u32> {
        family(self.pid())
    }

    /// Asks it to stop, and gives how it ended and all that it logged.
    pub fn stop(mut self) -> (std::process::ExitStatus, String) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("it can be signalled");
        let log = self.log.take().expect("its log");
        let said = log.join().expect("its log");
        (self.child.wait().expect("it ends"), said)
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}
