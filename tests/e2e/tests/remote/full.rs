//! A store, or NATS, whose disk is full: what it holds goes on to hold, what does not fit is refused, and once there is room it goes on.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Instant;

use lockgate_e2e::{DEADLINE, Executor, Nats, Rendezvous, fill, lockgate, small_disk, with_mounts};
use rustix::process::Signal;
use serde_json::Value;

use crate::counting::Counting;
use crate::house::House;
use crate::raw::ask;
use crate::work::{Outcome, Way, Work, until_connected};

/// What is said where nothing more can be written.
const REFUSED: &str = "No space left on device (os error 28); nothing was changed. Make room on its disk, and run this again";

#[test]
fn attack_35_a_store_on_a_full_disk_keeps_what_it_has_and_refuses_the_rest() {
    with_mounts(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = folder.path().join("disk");
        small_disk(&disk);
        keeps_what_it_has(folder.path(), &disk);
        let done = Command::new("umount").arg("--lazy").arg(&disk).status();
        assert!(done.expect("it runs").success());
    });
}

fn keeps_what_it_has(folder: &Path, disk: &Path) {
    let mut rendezvous = Rendezvous::start(disk);
    let address = rendezvous.address().to_owned();
    let executor = rendezvous.token("box", "executor");
    let harness = rendezvous.token("box", "harness");
    let way = Way::Encrypted {
        registry: rendezvous.url().to_owned(),
        environment: "box",
        token: harness.clone(),
    };
    let create = ["token", "create", "--environment", "box", "--role", "both"];
    let mut made = vec![executor.clone(), harness.clone()];
    made.extend((0..8).map(|_| rendezvous.command(&create)));
    let filler = disk.join("filler");
    fill(&filler);
    // The last block of the store may have room for some.
    let refused = loop {
        let output = rendezvous.output(&create);
        if !output.status.success() {
            break output;
        }
        made.push(text(&output.stdout));
        assert!(made.len() < 1_000, "the disk does not become full");
    };
    says(&refused, REFUSED);
    assert!(refused.stdout.is_empty());
    // Not even a part of its line is left.
    let kept = std::fs::read(rendezvous.store()).expect("the store");
    assert_eq!(kept.last(), Some(&b'\n'));
    // Nor is there room for a revocation, though it takes less, as long as those are made that fit. Whoever is not revoked holds on.
    let others = listed(&rendezvous);
    let mut others = others.iter().filter(|token| token["role"] == "both");
    let refused = others.find_map(|token| {
        let id = token["id"].as_str().expect("an id");
        let output = rendezvous.output(&["token", "revoke", id]);
        if output.status.success() {
            return None;
        }
        Some(output)
    });
    says(&refused.expect("a revocation that does not fit"), REFUSED);
    made.retain(|token| ask(&rendezvous, "GET", "/cloud/environments", token).0 == 200);
    let id = rendezvous.token_id("box", "harness");
    let another = disk.join("another");
    let new = |folder: &Path| {
        let mut command = Command::new(lockgate());
        command.arg("rendezvous").args(create);
        command
            .arg("--store")
            .arg(folder)
            .output()
            .expect("it runs")
    };
    says(&new(&another), REFUSED);
    let holds = |rendezvous: &Rendezvous, tokens: &[String]| {
        for token in tokens {
            let (status, answer) = ask(rendezvous, "GET", "/cloud/environments", token);
            assert_eq!(status, 200, "{answer}");
        }
        assert_eq!(listed(rendezvous).len(), tokens.len());
    };
    holds(&rendezvous, &made);
    // Who has a token registers and connects as ever, also at one that is started now.
    rendezvous.signal(Signal::KILL);
    rendezvous.wait();
    let rendezvous = Rendezvous::at(disk, &address, &[]);
    holds(&rendezvous, &made);
    let command = Executor::encrypting(rendezvous.url(), "box", &executor);
    let _executor = Executor::from_command(command);
    let outcome = Work::new(folder).stream(&way);
    assert!(matches!(outcome, Outcome::Done), "{outcome:?}");
    // Room.
    std::fs::remove_file(&filler).expect("removed");
    made.push(rendezvous.token("box", "both"));
    holds(&rendezvous, &made);
    rendezvous.command(&["token", "revoke", &id]);
    let (status, answer) = ask(&rendezvous, "GET", "/cloud/environments", &harness);
    assert_eq!(status, 401, "{answer}");
    assert!(new(&another).status.success());
}

#[test]
fn attack_35_nats_on_a_full_disk_keeps_what_it_has_and_who_is_there_goes_on() {
    with_mounts(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = folder.path().join("disk");
        small_disk(&disk);
        nats_keeps_what_it_has(folder.path(), &disk);
        let done = Command::new("umount").arg("--lazy").arg(&disk).status();
        assert!(done.expect("it runs").success());
    });
}

fn nats_keeps_what_it_has(folder: &Path, disk: &Path) {
    let mut nats = Nats::start(disk);
    let port = nats.port().to_owned();
    let node = Rendezvous::node(&nats, "127.0.0.1:0");
    let house = House::at(&node);
    let _executors = house.executors();
    let ends = folder.join("ends");
    let stream = Counting::start(&house.ways[0], &ends);
    let heard = stream.heard();
    std::thread::scope(|scope| {
        scope.spawn(|| stream.follow());
        let filler = disk.join("filler");
        fill(&filler);
        // There may be room for some. What NATS says depends on its version; that of Debian 12 says nothing any more.
        let create = ["token", "create", "--environment", "box", "--role", "both"];
        let mut made = vec![house.harness.clone()];
        let refused = loop {
            let output = node.output(&create);
            if !output.status.success() {
                break output;
            }
            made.push(text(&output.stdout));
            assert!(made.len() < 1_000, "the disk does not become full");
        };
        says(&refused, "the registry on NATS: ");
        assert!(refused.stdout.is_empty());
        let said = text(&refused.stderr);
        assert!(
            !said.contains("timed out") || said.contains("no room on its disk"),
            "{said}"
        );
        // Nobody new is let in, because nobody knows what is revoked meanwhile; who is there is served.
        let begun = Instant::now();
        let path = "/cloud/environment/sealed/connect";
        for (method, path) in [
            ("POST", path),
            ("GET", "/cloud/environments"),
            ("GET", "/readyz"),
        ] {
            while ask(&node, method, path, &house.harness).0 != 503 {
                assert!(begun.elapsed() < DEADLINE, "{path} is answered");
            }
        }
        heard.wait_for(heard.lines() + 100);
        // Room, and NATS started again.
        std::fs::remove_file(&filler).expect("removed");
        nats.kill();
        let _nats = Nats::at(disk, &port);
        for token in &made {
            let (mut status, mut answer) = (0, Value::Null);
            while status != 200 {
                assert!(matches!(status, 0 | 503), "{status} {answer}");
                assert!(begun.elapsed() < 2 * DEADLINE, "{answer}");
                (status, answer) = ask(&node, "GET", "/cloud/environments", token);
            }
        }
        let list = node.command(&["token", "list"]);
        assert!(list.lines().count() > made.len(), "{list}");
        node.token("box", "both");
        let outcome = until_connected(|| Work::new(folder).stream(&house.ways[0]));
        assert!(matches!(outcome, Outcome::Done), "{outcome:?}");
        let (_, answer) = ask(&node, "GET", "/cloud/environments", &house.harness);
        let there = answer["environments"].as_array().expect("a list").iter();
        let there = there.filter(|one| one["connected"] == true);
        assert_eq!(there.count(), 2, "{answer}");
        std::fs::write(&ends, "").expect("a file");
    });
}

/// All tokens, as the list has them.
fn listed(rendezvous: &Rendezvous) -> Vec<Value> {
    let list = rendezvous.command(&["token", "list", "--json"]);
    serde_json::from_str(&list).expect("a list")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

fn says(output: &Output, words: &str) {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(words), "{said}");
}
