//! `lockgate shell` and `fs` through a rendezvous, both by a registry and by a URL.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use lockgate_client::{Client, ConnectOptions, Event, Process};
use lockgate_e2e::{Chance, DEADLINE, Proxy, Rendezvous, Server, is_running};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::time::timeout;

use crate::house::House;

/// A command of ours in a terminal that another server provides.
struct Terminal {
    process: Process,
    seen: String,
    _client: Client,
}

impl Terminal {
    async fn with(server: &Server, command: &Command) -> Terminal {
        let client = Client::connect_ws(server.url(), ConnectOptions::default()).await;
        let client = client.expect("connects");
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let argv: Vec<_> = words.map(|word| word.to_str().expect("text")).collect();
        let mut env =
            json!({"PATH": "/usr/bin:/bin", "TERM": "dumb", "HOME": "/", "LOCKGATE_CONFIG": ""});
        for (name, value) in command.get_envs() {
            let value = value.and_then(|value| value.to_str()).expect("text");
            env[name.to_str().expect("text")] = value.into();
        }
        let params =
            json!({"processId": "terminal", "argv": argv, "cwd": "/", "tty": true, "env": env});
        let params = serde_json::from_value(params).expect("params");
        let process = client.start(&params).await.expect("started");
        Terminal {
            process,
            seen: String::new(),
            _client: client,
        }
    }

    async fn types(&self, keys: &str) {
        let written = self.process.handle.write(keys.as_bytes()).await;
        written.expect("typed");
    }

    /// Waits for `text`, and what came before it: of the shell, and not what is said beside it of a connection that is away, wherever that comes in between.
    async fn sees(&mut self, text: &str) -> String {
        loop {
            self.seen = without_notices(&self.seen);
            if let Some(at) = self.seen.find(text) {
                let rest = self.seen.split_off(at + text.len());
                let mut before = std::mem::replace(&mut self.seen, rest);
                before.truncate(at);
                return before;
            }
            match timeout(DEADLINE, self.process.events.next()).await {
                Ok(Some(Event::Output { data, .. })) => {
                    self.seen.push_str(&String::from_utf8_lossy(&data));
                }
                other => panic!("no {text:?} but {other:?} after {:?}", self.seen),
            }
        }
    }

    async fn ends(&mut self) -> i32 {
        loop {
            match timeout(DEADLINE, self.process.events.next()).await {
                Ok(Some(Event::Exited { exit_code, .. })) => return exit_code,
                Ok(Some(Event::Output { .. })) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

fn without_notices(seen: &str) -> String {
    let mut left = String::with_capacity(seen.len());
    let mut rest = seen;
    while let Some((before, notice)) = rest.split_once("\r\nlockgate: ") {
        let Some((_, after)) = notice.split_once("\r\n") else {
            break;
        };
        left.push_str(before);
        rest = after;
    }
    left + rest
}

#[test]
fn what_is_said_beside_a_shell_is_no_part_of_it() {
    for (seen, shell) in [
        ("1\r\n2", "1\r\n2"),
        ("1\r\nlockgate: away\r\n2\r\nlockgate: back\r\n3", "123"),
        ("1\r\nlockgate: not all", "1\r\nlockgate: not all"),
    ] {
        assert_eq!(without_notices(seen), shell);
    }
}

#[tokio::test]
async fn a_shell_through_a_rendezvous_is_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let house = House::at(&rendezvous);
    let _executors = house.executors();
    let here = Server::start();
    for way in &house.ways {
        let command = way.command(&["shell"], &["--cwd", "/", "-e", "WORD=set"]);
        let mut terminal = Terminal::with(&here, &command).await;
        // What is typed is shown, and then said by the shell without the quotes.
        terminal.types("tty && echo $WORD re''ady\r").await;
        terminal.sees("/dev/pts/").await;
        terminal.sees("set ready").await;
        // The size of the window, when it changes.
        let resized = terminal.process.handle.resize(33, 111).await;
        resized.expect("another size");
        terminal
            .types("until [ \"$(stty size)\" = '33 111' ]; do sleep 0.1; done; echo fi''ts\r")
            .await;
        terminal.sees("fits").await;
        // Ctrl-C is for what runs there.
        terminal
            .types("sh -c 'echo sle\"\"eping; exec sleep 1000'\r")
            .await;
        terminal.sees("sleeping").await;
        terminal.types("\x03").await;
        terminal.sees("^C").await;
        terminal.types("echo wai''ts; exit 7\r").await;
        terminal.sees("waits").await;
        assert_eq!(terminal.ends().await, 7);
    }
}

#[tokio::test]
async fn what_is_typed_and_shown_goes_through_cuts_once_and_in_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let proxy = Proxy::to(rendezvous.address());
    let house = House::behind(&rendezvous, proxy.address());
    let _executors = house.executors();
    let here = Server::start();
    let mut chance = Chance::printed();
    let mut terminals = Vec::new();
    for way in &house.ways {
        let command = way.command(&["shell"], &["--cwd", "/"]);
        let mut terminal = Terminal::with(&here, &command).await;
        terminal.types("stty -echo; PS1=; echo re''ady\r").await;
        terminal.sees("ready\r\n").await;
        terminals.push(terminal);
    }
    // Nobody has to connect for the first time any more: that may find no executor.
    for mut terminal in terminals {
        let mut cuts = 0;
        let mut cut = || cuts += u64::from(proxy.cut_any(chance.number() >> 32));
        for number in 0..60 {
            terminal.types("echo line").await;
            cut();
            terminal.types(&format!(" {number}\r")).await;
            let before = terminal.sees(&format!("line {number}\r\n")).await;
            assert_eq!(before, "", "before line {number}");
        }
        terminal.types("seq 1 200000; echo done\r").await;
        for first in (1..200_000).step_by(10_000) {
            let last = first + 9_999;
            let shown = terminal.sees(&format!("\r\n{last}\r\n")).await;
            let wanted: Vec<_> = (first..last).map(|number| number.to_string()).collect();
            assert!(
                shown == wanted.join("\r\n"),
                "up to {last}, each line once and in order"
            );
            cut();
        }
        assert_eq!(terminal.sees("done\r\n").await, "");
        assert!(cuts >= 40, "{cuts} cuts");
        terminal.types("exit 7\r").await;
        assert_eq!(terminal.ends().await, 7);
    }
}

#[test]
fn exec_through_a_rendezvous_passes_signals_and_exit_codes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let house = House::at(&rendezvous);
    let _executors = house.executors();
    for way in &house.ways {
        let begin = |script: &str| {
            let mut command = way.command(&["exec"], &["--", "sh", "-c", script]);
            let mut child = command.stdout(Stdio::piped()).spawn().expect("it runs");
            let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
            let mut first = String::new();
            output.read_line(&mut first).expect("a line");
            (child, output, first)
        };
        // Ctrl-C is the command's, which may make of it what it likes.
        let script = "trap 'echo caught; exit 9' INT; echo ready; while :; do sleep 0.05; done";
        let (mut child, mut output, ready) = begin(script);
        assert_eq!(ready, "ready\n");
        let signal = |child: &Child, signal| {
            kill_process(Pid::from_child(child), signal).expect("signalled");
        };
        signal(&child, Signal::INT);
        let mut rest = String::new();
        output.read_to_string(&mut rest).expect("text");
        assert_eq!(rest, "caught\n");
        assert_eq!(child.wait().expect("it ends").code(), Some(9));
        let (mut child, ..) = begin("echo; kill -KILL $$");
        assert_eq!(child.wait().expect("it ends").code(), Some(137));
        // Who ends exec ends the command.
        let (mut child, _output, pid) = begin("echo $$; exec sleep 1000");
        signal(&child, Signal::TERM);
        assert_eq!(child.wait().expect("it ends").code(), Some(143));
        let (pid, begun) = (pid.trim().parse().expect("a pid"), Instant::now());
        while is_running(pid) {
            assert!(begun.elapsed() < DEADLINE, "the command goes on");
        }
    }
}

#[test]
fn files_through_a_rendezvous_come_and_go() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let house = House::at(&rendezvous);
    let _executors = house.executors();
    for (number, way) in house.ways.iter().enumerate() {
        let at = |name: &str| {
            let path = folder.path().join(format!("{name}{number}"));
            path.to_str().expect("text").to_owned()
        };
        let fs = |arguments: &[&str]| {
            let output = way.command(&["fs", arguments[0]], &arguments[1..]).output();
            let output = output.expect("it runs");
            let words = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{arguments:?}: {words}");
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        let [from, there, back] = ["from", "there", "back"].map(at);
        std::fs::create_dir_all(format!("{from}/sub")).expect("folders");
        std::fs::write(format!("{from}/sub/one"), "one").expect("a file");
        fs(&["put", "-r", &from, &there]);
        assert!(fs(&["ls", &format!("{there}/sub")]).contains("one"));
        assert_eq!(fs(&["cat", &format!("{there}/sub/one")]), "one");
        assert!(fs(&["stat", "--json", &format!("{there}/sub/one")]).contains("3"));
        fs(&["get", "-r", &there, &back]);
        let came = std::fs::read_to_string(format!("{back}/sub/one"));
        assert_eq!(came.expect("a file"), "one");
    }
}
