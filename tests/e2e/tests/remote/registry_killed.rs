//! Registries whose writers, servers and stores are killed by SIGKILL at any moment: what they acknowledged is there afterwards.

use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use lockgate_e2e::{Chance, DEADLINE, Nats, Rendezvous, kill_9, lockgate};
use rustix::process::Signal;

use crate::raw::ask;

/// Rounds of kills at least; in each, commands are under way.
const ROUNDS: usize = 12;

/// Commands of a round.
const COMMANDS: usize = 4;

#[test]
fn attack_35_what_a_store_acknowledged_outlives_whoever_is_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut rendezvous = Rendezvous::start(folder.path());
    let address = rendezvous.address().to_owned();
    let mut written = Written::to(vec![
        "--store".into(),
        rendezvous.store().display().to_string(),
    ]);
    let mut chance = Chance::printed();
    while !written.enough() {
        written.round(&mut chance, || {
            rendezvous.signal(Signal::KILL);
            rendezvous.wait();
            rendezvous = Rendezvous::at(folder.path(), &address, &[]);
        });
        written.holds(&rendezvous);
    }
}

#[test]
fn attack_35_what_nats_acknowledged_outlives_whoever_is_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut nats = Nats::start(folder.path());
    let port = nats.port().to_owned();
    let mut node = Rendezvous::node(&nats, "127.0.0.1:0");
    let address = node.address().to_owned();
    let mut written = Written::to(vec!["--nats".into(), nats.url().to_owned()]);
    let mut chance = Chance::printed();
    while !written.enough() {
        let is_nats = written.rounds.is_multiple_of(2);
        written.round(&mut chance, || {
            // By turns, so that both are.
            if is_nats {
                nats.kill();
                nats = Nats::at(folder.path(), &port);
            } else {
                node.signal(Signal::KILL);
                node.wait();
                node = Rendezvous::node(&nats, &address);
            }
        });
        written.holds(&node);
    }
}

/// What commands have written, as far as they said so.
struct Written {
    place: Vec<String>,
    /// Secrets and ids of tokens that were made ...
    made: Vec<(String, String)>,
    /// ... and secrets of those that were revoked.
    revoked: Vec<String>,
    killed: usize,
    rounds: usize,
}

impl Written {
    fn to(place: Vec<String>) -> Written {
        Written {
            place,
            made: Vec::new(),
            revoked: Vec::new(),
            killed: 0,
            rounds: 0,
        }
    }

    fn begin(&self, arguments: &[&str]) -> Child {
        Command::new(lockgate())
            .args(["rendezvous", "token"])
            .args(arguments)
            .args(&self.place)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs")
    }

    /// Some tokens are made and one is revoked, while two of the commands and something else are killed.
    fn round(&mut self, chance: &mut Chance, kill: impl FnOnce()) {
        self.rounds += 1;
        let doomed = self.made.pop();
        let revoking = doomed.map(|(secret, id)| (secret, self.begin(&["revoke", &id])));
        let making: Vec<_> = (0..COMMANDS)
            .map(|_| self.begin(&["create", "--environment", "box", "--role", "both"]))
            .collect();
        chance.pause(Duration::from_millis(40));
        let number = chance.number() as usize % COMMANDS;
        let revoker = revoking.as_ref().map(|(_, child)| child);
        for child in [Some(&making[number]), revoker.filter(|_| number == 0)] {
            // A zombie takes the signal as well: nobody has waited for it yet.
            child.into_iter().for_each(|child| kill_9(child.id()));
        }
        kill();
        for child in making {
            let output = self.ended(child);
            // It is shown once it is kept.
            if let Some(secret) = String::from_utf8_lossy(&output.stdout).strip_suffix('\n') {
                let words = String::from_utf8_lossy(&output.stderr).into_owned();
                let id = words.split("token ").nth(1);
                let id = id.and_then(|rest| rest.split(|c: char| !c.is_ascii_hexdigit()).next());
                self.made
                    .push((secret.to_owned(), id.expect("its id").to_owned()));
            }
        }
        if let Some((secret, child)) = revoking
            && self.ended(child).status.success()
        {
            self.revoked.push(secret);
        }
    }

    /// The end of a command: done, killed, or told why not.
    fn ended(&mut self, child: Child) -> Output {
        let output = child.wait_with_output().expect("its output");
        let words = String::from_utf8_lossy(&output.stderr);
        self.killed += usize::from(output.status.code().is_none());
        assert!(
            output.status.success()
                || output.status.code().is_none()
                || words.starts_with("lockgate: "),
            "{}: {words}",
            output.status
        );
        output
    }

    /// Whatever was acknowledged is in the list, and is what the server goes by.
    fn holds(&self, server: &Rendezvous) {
        let begun = Instant::now();
        let list = loop {
            let child = self.begin(&["list"]);
            let output = child.wait_with_output().expect("its output");
            if output.status.success() {
                break String::from_utf8(output.stdout).expect("text");
            }
            // NATS may still be on its way.
            let words = String::from_utf8_lossy(&output.stderr);
            assert!(begun.elapsed() < DEADLINE, "{words}");
        };
        for (_, id) in &self.made {
            assert!(list.contains(id.as_str()), "{id} is not in {list}");
        }
        let made = self.made.iter().map(|(secret, _)| (secret, 200));
        let revoked = self.revoked.iter().map(|secret| (secret, 401));
        for (secret, wanted) in made.chain(revoked) {
            loop {
                let (status, answer) = ask(server, "GET", "/cloud/environments", secret);
                // While it cannot follow its registry it says so to everybody.
                if status == wanted {
                    break;
                }
                // And for some seconds it may not have heard of a revocation.
                let is_behind = status == 503 || (status, wanted) == (200, 401);
                assert!(is_behind, "{status} for {wanted}: {answer}");
                assert!(begun.elapsed() < DEADLINE, "{answer}");
            }
        }
    }

    /// Often enough something was written, and somebody was killed.
    fn enough(&self) -> bool {
        let written = self.made.len().min(self.revoked.len() * 4);
        self.rounds >= ROUNDS && written >= COMMANDS * 2 && self.killed > 0
    }
}
