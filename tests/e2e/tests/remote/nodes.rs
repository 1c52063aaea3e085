//! Several nodes over NATS: any of them serves any executor and any harness, and one that is killed costs nothing.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use lockgate_e2e::{Chance, DEADLINE, Executor, Nats, NatsCluster, Proxy, Rendezvous, lockgate};
use lockgate_relay::{Acks, Body, Frame, Segment};
use rustix::process::Signal;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::balanced::Balanced;
use crate::load::{Piece, each, under_load};
use crate::raw;
use crate::work::{Outcome, Way, Work, until_connected};

/// Frames of a harness that sends them and leaves.
const FRAMES: u32 = 400;

/// Kills, one after the other, of one of three nodes.
const KILLS: usize = 12;

fn sealed(registry: &str, token: &str) -> Way {
    Way::Encrypted {
        registry: registry.to_owned(),
        environment: "sealed",
        token: token.to_owned(),
    }
}

#[test]
fn any_node_serves_any_executor_and_any_harness() {
    let folder = tempfile::tempdir().expect("a folder");
    let nats = Nats::start(folder.path());
    let nodes = [(); 3].map(|()| Rendezvous::node(&nats, "127.0.0.1:0"));
    // Made at one, and good at all.
    let [executor_sealed, executor_open] =
        ["sealed", "open"].map(|name| nodes[0].token(name, "executor"));
    let harness = nodes[1].token("sealed", "harness");
    let _executors = [
        Executor::from_command(Executor::encrypting(
            nodes[0].url(),
            "sealed",
            &executor_sealed,
        )),
        Executor::start(nodes[1].url(), "open", &executor_open),
    ];
    let work = Work::new(folder.path());
    let target = folder.path().join("target");
    for node in &nodes {
        let open = Way::Plain(node.harness_url("open", None));
        for way in [sealed(node.url(), &harness), open] {
            for outcome in [
                until_connected(|| work.stream(&way)),
                until_connected(|| work.copy(&way, &target)),
            ] {
                assert!(matches!(outcome, Outcome::Done), "{outcome:?}");
            }
        }
    }
}

#[test]
fn a_token_that_is_revoked_at_one_node_is_worth_nothing_at_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let nats = Nats::start(folder.path());
    let [one, two] = [(); 2].map(|()| Rendezvous::node(&nats, "127.0.0.1:0"));
    let token = one.token("sealed", "executor");
    let _executor = Executor::from_command(Executor::encrypting(one.url(), "sealed", &token));
    let harness = one.token("sealed", "harness");
    let way = sealed(two.url(), &harness);
    let mut running = way.command(&["exec"], &["--", "sh", "-c", "echo there; sleep 60"]);
    let mut running = running.stdout(Stdio::piped()).spawn().expect("it runs");
    let mut hears = BufReader::new(running.stdout.take().expect("a pipe"));
    let mut heard = String::new();
    hears.read_line(&mut heard).expect("it says something");
    assert_eq!(heard, "there\n");
    one.command(&["token", "revoke", &one.token_id("sealed", "harness")]);
    assert!(!running.wait().expect("it ends").success());
    refused(&way, "revoked");
}

#[test]
fn tokens_that_three_nats_servers_keep_outlive_any_one_of_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut nats = NatsCluster::start(folder.path());
    let url = nats.url();
    let place = ["--nats", &url, "--nats-replicas", "3"];
    // They have to agree on who leads them first, and may not answer while they do.
    let patiently = |arguments: &[&str]| {
        let begun = Instant::now();
        loop {
            let mut command = Command::new(lockgate());
            let command = command.arg("rendezvous").args(arguments).args(place);
            let output = command.output().expect("it runs");
            if output.status.success() {
                return String::from_utf8(output.stdout)
                    .expect("text")
                    .trim()
                    .to_owned();
            }
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(begun.elapsed() < 2 * DEADLINE, "{arguments:?}: {said}");
        }
    };
    let token = |role| patiently(&["token", "create", "--environment", "sealed", "--role", role]);
    let (token, harness) = (token("executor"), token("harness"));
    let [one, two] = [(); 2].map(|()| Rendezvous::node_with(&place, "127.0.0.1:0"));
    let _executor = Executor::from_command(Executor::encrypting(one.url(), "sealed", &token));
    let work = Work::new(folder.path());
    let way = sealed(two.url(), &harness);
    let works = || until_connected(|| work.stream(&way));
    assert!(matches!(works(), Outcome::Done));
    let said = nats.describe("lockgate");
    assert!(said.contains("\"num_replicas\":3"), "{said}");
    nats.kill(0);
    let outcome = works();
    assert!(matches!(outcome, Outcome::Done), "{outcome:?}");
    let list = patiently(&["token", "list"]);
    assert_eq!(
        list.lines().filter(|line| line.contains("sealed")).count(),
        2,
        "{list}"
    );
}

#[test]
fn attack_29_nats_with_accounts_lets_in_who_has_credentials_and_nobody_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let (nats, credentials, strange) = Nats::with_accounts(folder.path());
    let refused = |more: &[&str], says: &str| {
        let mut list = Command::new(lockgate());
        list.args(["rendezvous", "token", "list", "--nats", nats.url()]);
        let output = list.args(more).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(says), "{said}");
    };
    refused(&[], "check --nats and --nats-credentials");
    refused(
        &["--nats-credentials", "/nowhere.creds"],
        "the NATS credentials /nowhere.creds: No such file",
    );
    refused(
        &["--nats-credentials", strange.to_str().expect("text")],
        "check --nats and --nats-credentials",
    );
    let credentials = credentials.to_str().expect("text");
    let place = ["--nats", nats.url(), "--nats-credentials", credentials];
    let [one, two] = [(); 2].map(|()| Rendezvous::node_with(&place, "127.0.0.1:0"));
    let token = one.token("sealed", "executor");
    let _executor = Executor::from_command(Executor::encrypting(one.url(), "sealed", &token));
    let work = Work::new(folder.path());
    let way = sealed(two.url(), &one.token("sealed", "harness"));
    let outcome = until_connected(|| work.stream(&way));
    assert!(matches!(outcome, Outcome::Done), "{outcome:?}");
}

#[test]
fn attack_35_a_node_of_three_that_is_killed_under_load_loses_and_doubles_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let Balanced {
        executors: _executors,
        house,
        mut nodes,
        balancer: _balancer,
        addresses,
        nats,
    } = Balanced::start(folder.path());
    let work = Work::new(folder.path());
    let harnesses = each(&house.ways, &[Piece::Stream, Piece::Stream, Piece::Copy]);
    let done = under_load(&work, &harnesses, || {
        let mut chance = Chance::printed();
        for _ in 0..KILLS {
            chance.pause(Duration::from_millis(2_500));
            let number = chance.number() as usize % nodes.len();
            nodes[number].signal(Signal::KILL);
            nodes[number].wait();
            chance.pause(Duration::from_millis(1_500));
            nodes[number] = Rendezvous::node(&nats, &addresses[number]);
        }
    });
    assert!(done >= harnesses.len(), "{done} were done");
}

#[test]
fn attack_35_a_node_that_stood_still_for_a_while_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let nats = Nats::start(folder.path());
    let [theirs, ours] = [(); 2].map(|()| Rendezvous::node(&nats, "127.0.0.1:0"));
    let token = theirs.token("open", "executor");
    let mut executor = Executor::encrypting(theirs.url(), "open", &token);
    executor.args(["--remote-transport", "direct"]);
    let _executor = Executor::from_command(executor);
    let way = Way::Plain(ours.harness_url("open", None));
    let work = Work::new(folder.path());
    std::thread::scope(|scope| {
        let harnesses = [(); 3].map(|()| scope.spawn(|| until_connected(|| work.stream(&way))));
        std::thread::sleep(Duration::from_millis(400));
        theirs.signal(Signal::STOP);
        // Longer than it takes to be taken for dead.
        std::thread::sleep(Duration::from_secs(3));
        theirs.signal(Signal::CONT);
        for harness in harnesses {
            let outcome = harness.join().expect("no wrong byte");
            assert!(matches!(outcome, Outcome::Done), "{outcome:?}");
        }
    });
}

#[tokio::test]
async fn the_last_frames_of_a_harness_reach_an_executor_at_another_node() {
    let folder = tempfile::tempdir().expect("a folder");
    let nats = Nats::start(folder.path());
    let [theirs, ours] = [(); 2].map(|()| Rendezvous::node(&nats, "127.0.0.1:0"));
    let mut executor = raw::executor(&theirs, "box").await;
    let url = ours.harness_url("box", None);
    let mut harness = loop {
        // The other node may hear of the executor a moment later.
        match tokio_tungstenite::connect_async(&url).await {
            Ok((harness, _)) => break harness,
            Err(error) => assert!(error.to_string().contains("503"), "{error}"),
        }
    };
    for seq in 0..FRAMES {
        let segment = Segment::new(seq, 0, 1, Bytes::from(vec![b'x'; 3_000])).expect("a segment");
        let message = raw::frame("s", Acks::PLAIN, Body::Data(segment));
        harness.send(message).await.expect("it goes");
    }
    harness.close(None).await.expect("it goes");
    let all = async {
        let mut next = 0;
        while let Some(Ok(Message::Binary(frame))) = executor.next().await {
            match Frame::decode(frame).expect("a frame").body {
                Body::Data(segment) => {
                    assert_eq!(segment.seq(), next);
                    next += 1;
                }
                // The harness is gone.
                Body::Reset(_) => return next,
                _ => {}
            }
        }
        panic!("the executor's connection was closed after {next} frames");
    };
    assert_eq!(timeout(DEADLINE, all).await.expect("in time"), FRAMES);
}

#[tokio::test]
async fn attack_33_where_streams_are_encrypted_no_frame_is_large_at_another_node_either() {
    let folder = tempfile::tempdir().expect("a folder");
    let nats = Nats::start(folder.path());
    let [theirs, ours] = [(); 2].map(|()| Rendezvous::node(&nats, "127.0.0.1:0"));
    let token = theirs.token("sealed", "executor");
    let _executor = Executor::from_command(Executor::encrypting(theirs.url(), "sealed", &token));
    let way = sealed(ours.url(), &ours.token("sealed", "harness"));
    let works = || until_connected(|| Work::new(folder.path()).stream(&way));
    assert!(matches!(works(), Outcome::Done));
    let mut hostile = raw::connected(&ours.harness_url("sealed", None)).await;
    let segment = Segment::new(0, 0, 1, Bytes::from(vec![b'x'; 1 << 20])).expect("a segment");
    let message = raw::frame("s", Acks { ack: 1, bits: 0 }, Body::Data(segment));
    // It may be cut before all of it is written.
    let _ = hostile.send(message).await;
    let ended = async {
        loop {
            match hostile.next().await {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            }
        }
    };
    timeout(DEADLINE, ended).await.expect("it is cut");
    assert!(matches!(works(), Outcome::Done));
}

#[test]
fn attack_33_who_speaks_for_a_node_takes_nobodys_pipe_and_no_place_without_a_url() {
    let folder = tempfile::tempdir().expect("a folder");
    let nats = Nats::start(folder.path());
    let node = Rendezvous::node(&nats, "127.0.0.1:0");
    let _executor = Executor::start(node.url(), "open", &node.token("open", "executor"));
    let url = node.harness_url("open", None);
    let (_, query) = url.split_once('?').expect("a query");
    let name = nats.overhear("lockgate.lockgate.alive.*");
    let attach = |pipe: u8, query: &str| {
        let pipe = [pipe; 16];
        let asked = serde_json::json!({"node": "nobody", "pipe": pipe, "query": query});
        nats.ask(
            &format!("lockgate.lockgate.attach.{name}"),
            &asked.to_string(),
        )
    };
    let here = r#"{"Here":{"encrypts":false}}"#;
    assert_eq!(attach(1, query), here);
    // A name that is taken stays whose it is, as long as its pipe is there.
    assert_eq!(attach(1, query), r#""Refused""#);
    assert_eq!(attach(2, query), here);
    assert_eq!(
        attach(3, &query.replace("signature=", "signature=0")),
        r#""Refused""#
    );
    assert_eq!(attach(4, ""), r#""Refused""#);
    assert_eq!(
        nats.ask(&format!("lockgate.lockgate.attach.{name}"), "{"),
        r#""Refused""#
    );
    // Others are served meanwhile.
    let work = Work::new(folder.path());
    let outcome = until_connected(|| work.stream(&Way::Plain(url.clone())));
    assert!(matches!(outcome, Outcome::Done), "{outcome:?}");
}

#[test]
fn attack_33_nats_that_lost_its_data_leaves_no_token_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let nats = Nats::start(folder.path());
    let port = nats.port().to_owned();
    let node = Rendezvous::node(&nats, "127.0.0.1:0");
    let before = node.token("sealed", "harness");
    refused(&sealed(node.url(), &before), "not connected");
    drop(nats);
    std::fs::remove_dir_all(folder.path().join("nats")).expect("its data");
    let _nats = Nats::at(folder.path(), &port);
    let after = node.token("sealed", "harness");
    refused(&sealed(node.url(), &before), "not known");
    refused(&sealed(node.url(), &after), "not connected");
}

#[test]
fn what_makes_no_sense_in_the_registry_stops_nobody_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let nats = Nats::start(folder.path());
    let node = Rendezvous::node(&nats, "127.0.0.1:0");
    let token = node.token("sealed", "harness");
    for key in ["token.0123456789ab", "environment.other", "later"] {
        nats.put(key, r#"{"of": "a later version"}"#);
    }
    refused(&sealed(node.url(), &token), "not connected");
    let another = Rendezvous::node(&nats, "127.0.0.1:0");
    refused(&sealed(another.url(), &token), "not connected");
    another.command(&["token", "revoke", "0123456789ab"]);
}

#[test]
fn without_nats_who_is_there_goes_on_and_nobody_new_is_let_in() {
    let folder = tempfile::tempdir().expect("a folder");
    let nats = Nats::start(folder.path());
    let port = nats.port().to_owned();
    let node = Rendezvous::node(&nats, "127.0.0.1:0");
    let token = node.token("sealed", "executor");
    let harness = node.token("sealed", "harness");
    let _executor = Executor::from_command(Executor::encrypting(node.url(), "sealed", &token));
    let way = sealed(node.url(), &harness);
    // Who is there stays, and goes on.
    let mut lasting = way.command(&["exec"], &["--", "cat"]);
    let mut lasting = lasting
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut says = lasting.stdin.take().expect("a pipe");
    let mut hears = BufReader::new(lasting.stdout.take().expect("a pipe"));
    let mut echo = |line: &str| {
        says.write_all(line.as_bytes()).expect("it goes");
        let mut heard = String::new();
        hears.read_line(&mut heard).expect("it comes");
        assert_eq!(heard, line);
    };
    echo("before\n");
    drop(nats);
    refused(&way, "cannot be followed");
    echo("meanwhile\n");
    let _nats = Nats::at(folder.path(), &port);
    let work = Work::new(folder.path());
    let begun = Instant::now();
    loop {
        match work.stream(&way) {
            Outcome::Done => break,
            outcome => assert!(begun.elapsed() < 2 * DEADLINE, "{outcome:?}"),
        }
    }
    echo("after\n");
    drop(says);
    assert!(lasting.wait().expect("it ends").success());
}

#[test]
fn a_token_that_a_node_has_not_heard_of_yet_is_not_refused_for_good() {
    let folder = tempfile::tempdir().expect("a folder");
    let nats = Nats::start(folder.path());
    let proxy = Proxy::to(&nats.url()["nats://".len()..]);
    let place = format!("nats://{}", proxy.address());
    let node = Rendezvous::node_with(&["--nats", &place], "127.0.0.1:0");
    // For some seconds neither of the two knows that nothing comes through.
    proxy.silence();
    let mut create = Command::new(lockgate());
    create.args(["rendezvous", "token", "create", "--environment", "sealed"]);
    create.args(["--role", "harness", "--nats", nats.url()]);
    let output = create.output().expect("it runs");
    let token = String::from_utf8(output.stdout).expect("text");
    let begun = Instant::now();
    loop {
        let (status, answer) = raw::ask(&node, "GET", "/cloud/environments", token.trim());
        if status == 200 {
            break;
        }
        assert_eq!(status, 503, "{answer}");
        assert!(begun.elapsed() < 2 * DEADLINE, "{answer}");
    }
    let (status, answer) = raw::ask(&node, "GET", "/cloud/environments", "nobody's");
    assert_eq!(status, 401, "{answer}");
}

/// Waits until a new harness is told so.
fn refused(way: &Way, reason: &str) {
    let begun = Instant::now();
    loop {
        let output = way.command(&["exec"], &["--", "true"]).output();
        let words = String::from_utf8_lossy(&output.expect("it runs").stderr).into_owned();
        if words.contains(reason) {
            return;
        }
        assert!(begun.elapsed() < DEADLINE, "{words}");
    }
}
