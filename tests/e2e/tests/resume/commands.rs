//! `lockgate exec` and `shell` over connections that are cut: what the command does, what a person is told, and the exit code.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use lockgate_client::{Client, ConnectOptions, Event, Process};
use lockgate_e2e::{
    Chance, DEADLINE, Executor, Proxy, Rendezvous, Server, is_running, lockgate, tls_before,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::support::{House, soon, within};

/// `lockgate COMMAND --url … REST`, through the proxy.
fn command(house: &House, name: &str, rest: &[&str]) -> Command {
    let mut command = Command::new(lockgate());
    command
        .args([name, "--url", &house.url()])
        .args(rest)
        .env("LOCKGATE_CONFIG", "")
        .env_remove("LOCKGATE_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Reads lines until one has `text` in it.
fn line_with(from: &mut impl BufRead, text: &str) -> String {
    let mut line = String::new();
    while !line.contains(text) {
        line.clear();
        assert_ne!(from.read_line(&mut line).expect("readable"), 0, "no {text}");
    }
    line
}

/// An `exec` that has begun, cut off from its server for good, or until the proxy is opened again. It has been away for as long as a person
/// needs to see it.
struct CutOff {
    child: Child,
    log: BufReader<std::process::ChildStderr>,
    /// The command's, over there.
    pid: u32,
}

impl CutOff {
    fn new(house: &House, options: &[&str]) -> CutOff {
        let script = ["--", "sh", "-c", "echo $$; exec sleep 1000"];
        let mut child = command(house, "exec", &[options, &script].concat())
            .env("LOCKGATE_LOG", "info")
            .spawn()
            .expect("runs");
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        let mut log = BufReader::new(child.stderr.take().expect("piped"));
        let mut pid = String::new();
        out.read_line(&mut pid).expect("a line");
        house.proxy.shut();
        line_with(&mut log, "connection lost");
        CutOff {
            child,
            log,
            pid: pid.trim().parse().expect("a number"),
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("sent");
    }

    /// Its exit code, and the rest of what it said.
    fn ends(mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        self.log.read_to_string(&mut said).expect("text");
        (self.child.wait().expect("ends").code(), said)
    }
}

#[test]
fn exec_outlives_cuts_and_its_output_is_the_commands_alone() {
    let house = House::new();
    let script = "i=0; while [ $i -lt 150 ]; do echo $i; echo e$i >&2; sleep 0.02; i=$((i + 1)); done; exit 7";
    let child = command(&house, "exec", &["--", "sh", "-c", script])
        .spawn()
        .expect("runs");
    let waiting = std::thread::spawn(move || child.wait_with_output().expect("ends"));
    let mut chance = Chance::printed();
    // The first connection is tried once.
    while house.proxy.seen().len() < 10_000 {
        chance.pause(Duration::from_millis(5));
    }
    let mut cuts = 0;
    while !waiting.is_finished() {
        chance.pause(Duration::from_millis(200));
        cuts += u32::from(house.proxy.cut_any(chance.number()));
    }
    let output = waiting.join().expect("no panic");
    let lines = |mark: &str| {
        (0..150)
            .map(|line| format!("{mark}{line}\n"))
            .collect::<String>()
    };
    assert_eq!(String::from_utf8_lossy(&output.stdout), lines(""));
    assert_eq!(String::from_utf8_lossy(&output.stderr), lines("e"));
    assert_eq!(output.status.code(), Some(7));
    assert!(cuts > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_it_does_over_tls() {
    let server = Server::start();
    let (port, pem) = tls_before(server.address()).await;
    let proxy = Proxy::to(&format!("127.0.0.1:{port}"));
    let folder = tempfile::tempdir().expect("a folder");
    let trusted = folder.path().join("authority.pem");
    std::fs::write(&trusted, pem).expect("written");
    let (_, port) = proxy.address().rsplit_once(':').expect("a port");
    let url = format!("wss://localhost:{port}");
    let script = "i=0; while [ $i -lt 100 ]; do echo $i; sleep 0.02; i=$((i + 1)); done; exit 7";
    let child = Command::new(lockgate())
        .args(["exec", "--url", &url, "--", "sh", "-c", script])
        .env("LOCKGATE_CONFIG", "")
        .env("SSL_CERT_FILE", &trusted)
        .env_remove("SSL_CERT_DIR")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("runs");
    let waiting = std::thread::spawn(move || child.wait_with_output().expect("ends"));
    let cutting = tokio::task::spawn_blocking(move || {
        let mut chance = Chance::printed();
        while proxy.seen().len() < 10_000 && !waiting.is_finished() {
            chance.pause(Duration::from_millis(5));
        }
        let mut cuts = 0;
        while !waiting.is_finished() {
            chance.pause(Duration::from_millis(300));
            cuts += u32::from(proxy.cut_any(chance.number()));
        }
        (waiting.join().expect("no panic"), cuts)
    });
    let (output, cuts) = within(2 * DEADLINE, cutting).await.expect("no panic");
    let wanted: String = (0..100).map(|line| format!("{line}\n")).collect();
    assert_eq!(String::from_utf8_lossy(&output.stdout), wanted);
    assert_eq!(output.status.code(), Some(7));
    assert!(cuts > 0);
}

/// Longer than a client takes to give up a link on which it hears nothing, and a server to free the session after that.
const LONGER_THAN_A_SILENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_over_tls_that_goes_silent_is_told_of_and_replaced_and_the_command_loses_nothing() {
    let server = Server::start();
    let (port, pem) = tls_before(server.address()).await;
    let proxy = Proxy::to(&format!("127.0.0.1:{port}"));
    let folder = tempfile::tempdir().expect("a folder");
    let trusted = folder.path().join("authority.pem");
    std::fs::write(&trusted, pem).expect("written");
    let (_, port) = proxy.address().rsplit_once(':').expect("a port");
    let url = format!("wss://localhost:{port}");
    let mut child = Command::new(lockgate())
        .args([
            "exec",
            "--url",
            &url,
            "--",
            "sh",
            "-c",
            "echo begun; read line; echo got $line; exit 7",
        ])
        .env("LOCKGATE_CONFIG", "")
        .env("LOCKGATE_LOG", "info")
        .env("SSL_CERT_FILE", &trusted)
        .env_remove("SSL_CERT_DIR")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("runs");
    let exec = tokio::task::spawn_blocking(move || {
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        let mut log = BufReader::new(child.stderr.take().expect("piped"));
        line_with(&mut out, "begun");
        proxy.silence();
        let mut stdin = child.stdin.take().expect("piped");
        stdin
            .write_all(b"what was written meanwhile\n")
            .expect("taken");
        line_with(&mut log, "nothing was heard of the server for 1");
        line_with(&mut log, "connected again");
        let mut rest = String::new();
        out.read_to_string(&mut rest).expect("text");
        (rest, child.wait().expect("ends").code())
    });
    let (rest, code) = within(LONGER_THAN_A_SILENCE, exec).await.expect("no panic");
    assert_eq!(
        (&*rest, code),
        ("got what was written meanwhile\n", Some(7))
    );
}

#[test]
fn a_stream_that_goes_silent_is_told_of_until_something_is_heard_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let token = rendezvous.token("box", "executor");
    let _executor = Executor::start(rendezvous.url(), "box", &token);
    let proxy = Proxy::to(rendezvous.address());
    let url = rendezvous.harness_url("box", Some(proxy.address()));
    let script = "echo begun; read line; echo got $line; exit 7";
    let mut child = Command::new(lockgate())
        .args(["exec", "--url", &url, "--", "sh", "-c", script])
        .env("LOCKGATE_CONFIG", "")
        .env("LOCKGATE_LOG", "info")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("runs");
    let mut out = BufReader::new(child.stdout.take().expect("piped"));
    let mut log = BufReader::new(child.stderr.take().expect("piped"));
    line_with(&mut out, "begun");
    proxy.silence();
    let mut stdin = child.stdin.take().expect("piped");
    stdin
        .write_all(b"what was written meanwhile\n")
        .expect("taken");
    line_with(&mut log, "nothing was heard of the server for 2");
    proxy.hang_up_silent_clients();
    line_with(&mut log, "the server is heard again");
    let mut rest = String::new();
    out.read_to_string(&mut rest).expect("text");
    assert_eq!(rest, "got what was written meanwhile\n");
    assert_eq!(child.wait().expect("ends").code(), Some(7));
}

#[test]
fn what_exec_is_given_arrives_once_and_in_order_over_cuts() {
    let house = House::new();
    let mut child = command(&house, "exec", &["--", "cat"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("runs");
    let mut stdin = child.stdin.take().expect("piped");
    let wanted: String = (0..60_000).map(|line| format!("{line}\n")).collect();
    let given = wanted.clone();
    let writing = std::thread::spawn(move || {
        for part in given.as_bytes().chunks(4_000) {
            stdin.write_all(part).expect("taken");
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let waiting = std::thread::spawn(move || child.wait_with_output().expect("ends"));
    let mut chance = Chance::printed();
    while house.proxy.seen().len() < 10_000 {
        chance.pause(Duration::from_millis(5));
    }
    while !waiting.is_finished() {
        chance.pause(Duration::from_millis(200));
        house.proxy.cut_any(chance.number());
    }
    writing.join().expect("written");
    let output = waiting.join().expect("no panic");
    assert!(
        output.stdout == wanted.as_bytes(),
        "each byte once and in order"
    );
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_flood_loses_nothing_either_however_much_was_on_its_way() {
    let house = House::new();
    let mut child = command(&house, "exec", &["--", "seq", "1", "3000000"])
        .spawn()
        .expect("runs");
    let mut out = child.stdout.take().expect("piped");
    // Once it says something its start was answered; a cut before that would be an error.
    let mut said = vec![0];
    out.read_exact(&mut said).expect("output");
    let waiting = std::thread::spawn(move || {
        out.read_to_end(&mut said).expect("readable");
        let output = child.wait_with_output().expect("ends");
        std::process::Output {
            stdout: said,
            ..output
        }
    });
    let mut chance = Chance::printed();
    let mut cuts = 0;
    while !waiting.is_finished() {
        chance.pause(Duration::from_millis(100));
        cuts += u32::from(house.proxy.cut_any(chance.number()));
    }
    let output = waiting.join().expect("no panic");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*said), (Some(0), ""), "{cuts} cuts");
    let wanted: String = (1..=3_000_000).map(|line| format!("{line}\n")).collect();
    assert!(
        output.stdout == wanted.as_bytes(),
        "each byte once and in order"
    );
    assert!(cuts > 0);
}

#[test]
fn a_page_that_is_read_slowly_costs_nothing_over_a_cut() {
    let house = House::new();
    let mut child = command(&house, "exec", &["--", "seq", "1", "3000000"])
        .env("LOCKGATE_LOG", "lockgate_client=debug")
        .spawn()
        .expect("runs");
    let mut out = BufReader::new(child.stdout.take().expect("piped"));
    let mut log = BufReader::new(child.stderr.take().expect("piped"));
    let mut read = String::new();
    out.read_line(&mut read).expect("a line");
    // Nobody reads on, as in `| less`, and yet the cut is noticed.
    while !house.proxy.cut_any(0) {}
    line_with(&mut log, "session resumed");
    std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    out.read_to_string(&mut read).expect("text");
    let wanted: String = (1..=3_000_000).map(|line| format!("{line}\n")).collect();
    assert!(read == wanted, "each byte once and in order");
    assert_eq!(child.wait().expect("ends").code(), Some(0));
}

#[test]
fn an_interrupt_while_the_connection_is_away_leaves_and_says_what_becomes_of_the_command() {
    let house = House::new();
    let exec = CutOff::new(&house, &[]);
    exec.signal(Signal::INT);
    let (code, said) = exec.ends();
    assert_eq!(code, Some(125), "{said}");
    assert!(
        said.contains("left while the connection was away: the server ends the command"),
        "{said}"
    );
}

#[test]
fn so_does_a_signal_to_end_with_the_signals_own_code() {
    let house = House::new();
    let exec = CutOff::new(&house, &[]);
    exec.signal(Signal::TERM);
    let (code, said) = exec.ends();
    assert_eq!(code, Some(143), "{said}");
    assert!(
        said.contains("left while the connection was away"),
        "{said}"
    );
}

#[test]
fn three_interrupts_on_a_link_that_is_silent_end_exec_and_say_what_becomes_of_the_command() {
    let house = House::new();
    let script = "trap '' INT; echo begun; while :; do sleep 1; done";
    let mut child = command(&house, "exec", &["--", "sh", "-c", script])
        .spawn()
        .expect("runs");
    let mut out = BufReader::new(child.stdout.take().expect("piped"));
    line_with(&mut out, "begun");
    house.proxy.silence();
    // One after the other: those that come at once are one.
    let pid = Pid::from_child(&child);
    while child.try_wait().expect("there").is_none() {
        kill_process(pid, Signal::INT).expect("sent");
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().expect("ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(
        said.contains(
            "did not answer within 2 s: the server ends the command when it gives the session up"
        ),
        "{said}"
    );
}

#[test]
fn after_the_window_exec_fails_and_says_how_long_it_tried() {
    let house = House::new();
    let (code, said) = CutOff::new(&house, &["--resume-window", "1"]).ends();
    assert_eq!(code, Some(125), "{said}");
    assert!(
        said.contains("lost the command: ") && said.contains("could not be resumed within 1 s"),
        "{said}"
    );
}

#[test]
fn an_interrupt_after_the_connection_is_back_is_the_commands() {
    let house = House::new();
    let mut exec = CutOff::new(&house, &[]);
    assert!(is_running(exec.pid));
    house.proxy.reopen();
    line_with(&mut exec.log, "connected again");
    exec.signal(Signal::INT);
    let (code, said) = exec.ends();
    assert_eq!(code, Some(130), "{said}");
}

#[test]
fn without_a_window_exec_ends_with_its_connection() {
    let house = House::new();
    let options = [
        "--resume-window",
        "0",
        "--",
        "sh",
        "-c",
        "echo begun; exec sleep 1000",
    ];
    let mut child = command(&house, "exec", &options).spawn().expect("runs");
    let mut out = BufReader::new(child.stdout.take().expect("piped"));
    line_with(&mut out, "begun");
    house.proxy.shut();
    let output = child.wait_with_output().expect("ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(125), "{said}");
    assert!(said.starts_with("lockgate: lost the command: "), "{said}");
}

/// A terminal, which a server of ours provides, with a command of ours in it.
struct Terminal {
    process: Process,
    seen: String,
    _client: Client,
}

impl Terminal {
    async fn with(house: &House, rest: &[&str]) -> Terminal {
        let direct = Client::connect_ws(house.server.url(), ConnectOptions::default());
        let client = soon(direct).await.expect("connects");
        let program = lockgate();
        let mut argv = vec![program.to_str().expect("text").to_owned()];
        let url = house.url();
        argv.extend([rest[0], "--url", &url].map(str::to_owned));
        argv.extend(rest[1..].iter().map(|&word| word.to_owned()));
        let params = json!({
            "processId": "terminal", "argv": argv, "cwd": "/", "tty": true,
            "env": { "PATH": "/usr/bin:/bin", "TERM": "dumb", "HOME": "/", "LOCKGATE_CONFIG": "" },
        });
        let params = serde_json::from_value(params).expect("params");
        let process = soon(client.start(&params)).await.expect("started");
        Terminal {
            process,
            seen: String::new(),
            _client: client,
        }
    }

    async fn types(&self, keys: &str) {
        let written = self.process.handle.write(keys.as_bytes());
        soon(written).await.expect("typed");
    }

    /// Waits for `text` and forgets what came up to it.
    async fn sees(&mut self, text: &str) {
        loop {
            if let Some(at) = self.seen.find(text) {
                self.seen.drain(..at + text.len());
                return;
            }
            match tokio::time::timeout(DEADLINE, self.process.events.next()).await {
                Ok(Some(Event::Output { data, .. })) => {
                    self.seen.push_str(&String::from_utf8_lossy(&data));
                }
                other => panic!("no {text:?} but {other:?} after {:?}", self.seen),
            }
        }
    }

    async fn ends(&mut self) -> i32 {
        loop {
            match soon(self.process.events.next()).await {
                Some(Event::Exited { exit_code, .. }) => return exit_code,
                Some(Event::Output { data, .. }) => {
                    self.seen.push_str(&String::from_utf8_lossy(&data));
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_person_at_a_terminal_is_told_when_the_connection_is_away_and_when_it_is_back() {
    let house = House::new();
    let script = "echo begun; read line; echo got $line";
    let mut terminal = Terminal::with(&house, &["exec", "--", "sh", "-c", script]).await;
    terminal.sees("begun").await;
    house.proxy.shut();
    terminal.sees("lockgate: connection lost (").await;
    terminal.sees("Ctrl-C leaves").await;
    terminal.types("what was typed meanwhile\n").await;
    house.proxy.reopen();
    terminal.sees("lockgate: connected again").await;
    terminal.sees("got what was typed meanwhile").await;
    assert_eq!(terminal.ends().await, 0);
}

#[tokio::test]
async fn a_person_who_interrupts_three_times_is_told_that_the_command_was_killed() {
    let house = House::new();
    let script = "trap 'echo heard' INT; echo begun; while :; do sleep 0.01; done";
    let mut terminal = Terminal::with(&house, &["exec", "--", "sh", "-c", script]).await;
    terminal.sees("begun").await;
    for _ in 0..2 {
        terminal.types("\x03").await;
        terminal.sees("heard").await;
    }
    terminal.types("\x03").await;
    terminal
        .sees("interrupted three times: the command was killed")
        .await;
    assert_eq!(terminal.ends().await, 130);
}

#[tokio::test]
async fn a_shell_goes_on_where_it_was_and_can_be_left_while_it_is_away() {
    let house = House::new();
    let mut terminal = Terminal::with(&house, &["shell", "--cwd", "/"]).await;
    // What is typed is shown, and then said by the shell without the quotes.
    terminal.types("kept=value; echo re''ady\r").await;
    terminal.sees("ready").await;
    house.proxy.shut();
    terminal.sees("lockgate: connection lost (").await;
    terminal.types("echo it is $kept\r").await;
    house.proxy.reopen();
    terminal.sees("lockgate: connected again").await;
    terminal.sees("it is value").await;
    house.proxy.shut();
    terminal.sees("lockgate: connection lost (").await;
    // Of a raw terminal Ctrl-C is a key.
    terminal.types("\x03").await;
    terminal.sees("Ctrl-] three times leaves").await;
    terminal.types("\x1d\x1d\x1d").await;
    terminal.sees("left while the connection was away").await;
    assert_eq!(terminal.ends().await, 125);
}
