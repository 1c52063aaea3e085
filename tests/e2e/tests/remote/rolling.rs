//! Three nodes that are stopped one after the other, as they are when a new version comes: whoever is connected moves, and no stream notices more than a pause.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use lockgate_e2e::{DEADLINE, Executor, Nats, Rendezvous};
use rustix::process::Signal;

use crate::balanced::Balanced;
use crate::counting::{Counting, Heard};
use crate::house::House;
use crate::load::{Piece, each, under_load};
use crate::raw::{ask, closed, connected};
use crate::work::{Outcome, Way, Work, until_connected};

/// Lines that each stream has to say between two stops.
const LINES: u64 = 100;

#[test]
fn nodes_that_are_stopped_one_after_the_other_lose_no_stream_and_executors_move_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let Balanced {
        executors,
        house,
        mut nodes,
        balancer: _balancer,
        addresses,
        nats,
    } = Balanced::start(folder.path());
    let token = |name, role| nodes[0].token(name, role);
    let late = ["late0", "late1", "late2"]
        .map(|name| (name, token(name, "executor"), token(name, "harness")));
    let House {
        ways,
        harness: seen_by,
        registry,
        ..
    } = &house;
    let work = Work::new(folder.path());
    let ends = folder.path().join("ends");
    let streams = [0, 1, 2, 3].map(|number| Counting::start(&ways[number % 2], &ends));
    let heard = streams.each_ref().map(Counting::heard);
    under_load(&work, &each(ways, &[Piece::Copy]), || {
        std::thread::scope(|scope| {
            for stream in streams {
                scope.spawn(|| stream.follow());
            }
            let mut newcomers = Vec::new();
            for (number, (name, executor, harness)) in late.into_iter().enumerate() {
                go_on(&heard);
                // Two of three: all that was connected is at the third one then.
                let others = [(number + 1) % 3, (number + 2) % 3];
                for stopped in [others[0], number] {
                    nodes[stopped].signal(Signal::TERM);
                    let status = nodes[stopped].wait();
                    assert!(status.success(), "{status}");
                }
                let left = &nodes[others[1]];
                for environment in ["sealed", "open"] {
                    there(left, environment, seen_by);
                }
                go_on(&heard);
                // Who registers now does so at the one that is left.
                newcomers.push(Executor::from_command(Executor::encrypting(
                    registry, name, &executor,
                )));
                let outcome = until_connected(|| {
                    work.stream(&Way::Encrypted {
                        registry: registry.clone(),
                        environment: name,
                        token: harness.clone(),
                    })
                });
                assert!(matches!(outcome, Outcome::Done), "{outcome:?}");
                for stopped in [others[0], number] {
                    nodes[stopped] = Rendezvous::node(&nats, &addresses[stopped]);
                }
            }
            go_on(&heard);
            std::fs::write(&ends, "").expect("a file");
        });
    });
    for executor in executors {
        let (status, said) = executor.stop();
        assert!(status.success(), "{said}");
        assert!(said.contains("closed by the other side (1012,"), "{said}");
    }
}

/// Waits until every stream has said something more.
fn go_on(streams: &[Heard]) {
    let until = streams.iter().map(|heard| (heard, heard.lines() + LINES));
    for (heard, lines) in until.collect::<Vec<_>>() {
        heard.wait_for(lines);
    }
}

/// Waits until that node says that the executor is connected.
fn there(node: &Rendezvous, environment: &str, token: &str) {
    let begun = Instant::now();
    loop {
        let (status, answer) = ask(node, "GET", "/cloud/environments", token);
        let list = answer["environments"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        if list
            .iter()
            .any(|one| one["environment_id"] == environment && one["connected"] == true)
        {
            return;
        }
        assert!(
            begun.elapsed() < DEADLINE,
            "{environment}: {status} {answer}"
        );
    }
}

#[tokio::test]
async fn from_sigterm_on_a_node_is_alive_but_not_ready_and_takes_no_registration() {
    let folder = tempfile::tempdir().expect("a folder");
    let nats = Nats::start(folder.path());
    let [one, other] = [(); 2].map(|()| Rendezvous::node(&nats, "127.0.0.1:0"));
    let mut one = one;
    let token = one.token("box", "executor");
    let url = one.harness_url("box", None);
    let executor = Executor::start(one.url(), "box", &token);
    let mut harness = connected(&url).await;
    let mut kept = Kept::open(one.address());
    let register = "/cloud/environment/box/register";
    assert_eq!(kept.ask("GET", "/livez", &token).0, 200);
    assert_eq!(kept.ask("GET", "/readyz", &token).0, 200);
    assert_eq!(kept.ask("POST", register, &token).0, 200);
    // It cannot say good-bye to NATS, and so is there for a while.
    nats.signal(Signal::STOP);
    one.signal(Signal::TERM);
    let close = closed(&mut harness).await;
    assert_eq!(u16::from(close.code), 1012, "{close:?}");
    for (method, path) in [("GET", "/readyz"), ("POST", register)] {
        let (status, words) = kept.ask(method, path, &token);
        assert!(
            status == 503 && words.contains("being restarted"),
            "{path}: {status} {words}"
        );
    }
    assert_eq!(kept.ask("GET", "/livez", &token).0, 200);
    nats.signal(Signal::CONT);
    assert!(one.wait().success());
    let _moved = Executor::start(other.url(), "box", &token);
    drop(executor);
}

/// One connection for many requests, as load balancers hold them.
struct Kept(BufReader<TcpStream>);

impl Kept {
    fn open(address: &str) -> Kept {
        Kept(BufReader::new(
            TcpStream::connect(address).expect("connected"),
        ))
    }

    /// The answer's status and body.
    fn ask(&mut self, method: &str, path: &str, token: &str) -> (u16, String) {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: box\r\ncontent-length: 0\r\nauthorization: Bearer {token}\r\n\r\n"
        );
        self.0.get_mut().write_all(head.as_bytes()).expect("sent");
        let (mut status, mut length) = (String::new(), 0);
        self.0.read_line(&mut status).expect("a status");
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).expect("a line");
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().expect("a number");
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).expect("a body");
        let code = status.split(' ').nth(1).and_then(|code| code.parse().ok());
        (
            code.unwrap_or_else(|| panic!("{path}: {status:?}")),
            String::from_utf8_lossy(&body).into_owned(),
        )
    }
}
