//! Nothing survives the server, whoever kills whom. Drives `examples/guarded_server`.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

const EVERYONE: [&str; 9] = [
    "inner",
    "server",
    "child",
    "grandchild",
    "orphan",
    "keeper",
    "kept-child",
    "kept-grandchild",
    "kept-orphan",
];

struct Server {
    guardian: Child,
    stdout: BufReader<ChildStdout>,
    server: Pid,
    inner: Pid,
    keeper: Pid,
    everyone: Vec<(String, OwnedFd)>,
}

impl Server {
    fn start() -> Server {
        Server::start_with(&[])
    }

    fn start_with(arguments: &[&str]) -> Server {
        let own = std::env::current_exe().unwrap();
        let program = own
            .ancestors()
            .nth(2)
            .unwrap()
            .join("examples/guarded_server");
        assert!(
            program.exists(),
            "build it with `cargo build -p lockgate-process --examples`"
        );
        let mut guardian = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(guardian.stdout.take().unwrap());
        let mut said = HashMap::new();
        loop {
            let mut line = String::new();
            stdout.read_line(&mut line).unwrap();
            match line.trim().split_once('=') {
                Some((name, number)) => {
                    said.insert(name.to_owned(), number.parse::<i32>().unwrap())
                }
                None if line == "ready\n" => break,
                None => panic!("it said {line:?}"),
            };
        }
        assert_eq!(said["active"], i32::from(arguments.is_empty()));
        let everyone = EVERYONE
            .map(|name| {
                let pid = Pid::from_raw(said[name]).unwrap();
                (
                    name.to_owned(),
                    pidfd_open(pid, PidfdFlags::empty()).unwrap(),
                )
            })
            .into();
        Server {
            guardian,
            stdout,
            server: Pid::from_raw(said["server"]).unwrap(),
            inner: Pid::from_raw(said["inner"]).unwrap(),
            keeper: Pid::from_raw(said["keeper"]).unwrap(),
            everyone,
        }
    }

    fn assert_empty(&mut self) {
        for name in EVERYONE {
            self.assert_ends(name);
        }
        // Nobody holds the pipe any more either.
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
    }

    fn ends_within(&self, name: &str, seconds: i64) -> bool {
        let (_, pidfd) = self
            .everyone
            .iter()
            .find(|(known, _)| known == name)
            .unwrap();
        let time = Timespec {
            tv_sec: seconds,
            tv_nsec: 0,
        };
        poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&time)).unwrap() == 1
    }

    fn assert_ends(&self, name: &str) {
        assert!(self.ends_within(name, 20), "{name} lives on");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The guardian cleans up; killed itself it could not.
        let _ = kill_process(self.server, Signal::KILL);
        let _ = self.guardian.wait();
    }
}

#[test]
fn a_server_killed_by_sigkill_leaves_nothing_behind() {
    let mut house = Server::start();
    kill_process(house.server, Signal::KILL).unwrap();
    house.assert_empty();
    assert_eq!(house.guardian.wait().unwrap().signal(), Some(9));
}

#[test]
fn sigterm_to_the_guardian_ends_the_server_cleanly_and_its_code_is_passed_on() {
    let mut house = Server::start();
    kill_process(Pid::from_child(&house.guardian), Signal::TERM).unwrap();
    house.assert_empty();
    assert_eq!(house.guardian.wait().unwrap().code(), Some(7));
}

#[test]
fn sigterm_to_the_server_does_the_same() {
    let mut house = Server::start();
    kill_process(house.server, Signal::TERM).unwrap();
    house.assert_empty();
    assert_eq!(house.guardian.wait().unwrap().code(), Some(7));
}

#[test]
fn a_signal_the_server_does_not_handle_is_mirrored() {
    let mut house = Server::start();
    kill_process(Pid::from_child(&house.guardian), Signal::HUP).unwrap();
    house.assert_empty();
    assert_eq!(house.guardian.wait().unwrap().signal(), Some(1));
}

#[test]
fn the_outer_guardian_killed_takes_everything_with_it() {
    let mut house = Server::start();
    house.guardian.kill().unwrap();
    house.assert_empty();
}

#[test]
fn the_inner_guardian_killed_takes_everything_with_it() {
    let mut house = Server::start();
    kill_process(house.inner, Signal::KILL).unwrap();
    house.assert_empty();
    assert_eq!(house.guardian.wait().unwrap().signal(), Some(9));
}

#[test]
fn a_server_that_hangs_goes_with_its_guardian() {
    let mut house = Server::start();
    kill_process(house.server, Signal::STOP).unwrap();
    house.guardian.kill().unwrap();
    house.assert_empty();
}

/// Whoever kills its keeper falls to the guardian, and is found there. What was there before is left alone.
#[test]
fn attack_21_orphans_of_a_killed_keeper_are_ended_and_no_others() {
    let mut house = Server::start();
    kill_process(house.keeper, Signal::KILL).unwrap();
    for name in ["keeper", "kept-child", "kept-grandchild", "kept-orphan"] {
        house.assert_ends(name);
    }
    for name in ["inner", "server", "child", "grandchild", "orphan"] {
        assert!(!house.ends_within(name, 0), "{name} is gone");
    }
    house.guardian.kill().unwrap();
    house.assert_empty();
}

/// The server is the one that was started then.
#[test]
fn without_a_guardian_a_keeper_ends_what_is_its_own() {
    let mut alone = Server::start_with(&["alone"]);
    alone.guardian.kill().unwrap();
    for name in [
        "server",
        "keeper",
        "kept-child",
        "kept-grandchild",
        "kept-orphan",
    ] {
        alone.assert_ends(name);
    }
    for name in ["child", "grandchild", "orphan"] {
        assert!(!alone.ends_within(name, 0), "{name} has nobody to end it");
        let (_, pidfd) = alone
            .everyone
            .iter()
            .find(|(known, _)| known == name)
            .unwrap();
        pidfd_send_signal(pidfd, Signal::KILL).unwrap();
        alone.assert_ends(name);
    }
}

#[test]
fn guardians_are_small_and_hold_nothing() {
    let house = Server::start();
    for pid in [house.guardian.id() as i32, house.inner.as_raw_pid()] {
        let held: Vec<_> = std::fs::read_dir(format!("/proc/{pid}/fd"))
            .unwrap()
            .map(|fd| std::fs::read_link(fd.unwrap().path()).unwrap())
            .collect();
        assert!(
            held.len() == 3 && held.iter().all(|target| target.as_os_str() == "/dev/null"),
            "{held:?}"
        );
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let own: u64 = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"))
            .and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
            .unwrap();
        assert!(own < 1024, "{own} KiB of its own");
    }
}

#[test]
fn with_threads_there_already_it_goes_on_alone_and_says_so() {
    // The test harness runs this on a thread of its own.
    let guardian = lockgate_process::guardian::Guardian::start();
    assert!(!guardian.is_active());
    assert!(guardian.to_string().contains("threads"), "{guardian}");
}
