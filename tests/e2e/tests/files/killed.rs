//! A server that is killed by SIGKILL in the middle of overwriting a file: what the file holds then, and who says so.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};
use std::time::Instant;

use lockgate_e2e::{DEADLINE, Ground, Profile, Server, Shape, Way, Wire, kill_9, lockgate};
use rustix::process::Signal;
use serde_json::Value;

/// What a message can bring. On a busy machine it is often over before the kill.
const WRITTEN: usize = 8 << 20;

/// What is still being copied when the kill comes, however busy the machine is.
const COPIED: usize = 128 << 20;

/// Kills of servers that write. Each must leave what is promised.
const KILLS: usize = 5;

/// Kills that are tried until one has come in the middle of the copying and not before or after it.
const ATTEMPTS: usize = 10;

/// A server whose ledger is on the ground, and its messages with it.
fn server(ground: &Ground) -> Server {
    let mut command = Server::command();
    let said = File::create(ground.path("said")).expect("created");
    command
        .env("XDG_STATE_HOME", ground.path("state"))
        .stderr(Stdio::from(said));
    Server::from_command(command)
}

/// Makes a file of `o`s, asks for it to be overwritten with as many `n`s, kills the server when that has begun, and says how many
/// `n`s there are.
async fn killed_in(
    ground: &Ground,
    way: &Way,
    bytes: usize,
    (method, params): &(&'static str, Value),
) -> usize {
    let path = ground.path("w/f");
    fs::write(&path, vec![b'o'; bytes]).expect("written");
    let mut server = server(ground);
    let mut wire = Wire::ready(&server).await;
    // What takes its time at first is done.
    assert_eq!(ground.run(&mut wire, way, "stat w/f").await, "file");
    wire.request(method, params.clone()).await;
    let file = File::open(&path).expect("opened");
    let (begun, mut first) = (Instant::now(), [b'o']);
    while first == [b'o'] {
        assert!(begun.elapsed() < DEADLINE, "the writing does not begin");
        file.read_exact_at(&mut first, 0).expect("read");
    }
    kill_9(server.proper());
    server.wait();
    let holds = fs::read(&path).expect("read");
    let old = holds.iter().position(|byte| *byte == b'o');
    let new = old.unwrap_or(bytes);
    let promised = [vec![b'n'; new], vec![b'o'; bytes - new]].concat();
    assert!(
        holds == promised,
        "after the first part of the new contents come old ones"
    );
    new
}

fn write(ground: &Ground, way: &Way) -> (&'static str, Value) {
    ground.request(way, "write", "w/f", &"n".repeat(WRITTEN))
}

fn copy(ground: &Ground, way: &Way) -> (&'static str, Value) {
    fs::write(ground.path("w/source"), vec![b'n'; COPIED]).expect("written");
    ground.request(way, "copy", "w/source", "w/f")
}

fn confined(ground: &Ground) -> Way {
    Way::under(&Profile::new().write(ground.path("w")), Shape::Late)
}

/// What the next server says.
fn said_at_the_next_start(ground: &Ground) -> String {
    let mut next = server(ground);
    next.signal(Signal::TERM);
    next.wait();
    ground.text("said")
}

fn told(ground: &Ground) -> String {
    format!("{:?} may hold the first part", ground.path("w/f"))
}

#[tokio::test]
async fn kill_9_leaves_old_contents_new_ones_or_a_word_about_it() {
    let ground = Ground::new();
    ground.make(&["w/"]);
    for way in [Way::direct(Shape::Late), confined(&ground)] {
        let request = write(&ground, &way);
        for _ in 0..KILLS {
            let new = killed_in(&ground, &way, WRITTEN, &request).await;
            let said = said_at_the_next_start(&ground);
            assert!(new == WRITTEN || said.contains(&told(&ground)), "{said}");
        }
    }
}

async fn is_told(way: impl Fn(&Ground) -> Way, who: impl Fn(&Ground) -> String) {
    let ground = Ground::new();
    ground.make(&["w/"]);
    let way = way(&ground);
    let request = copy(&ground, &way);
    for _ in 0..ATTEMPTS {
        let new = killed_in(&ground, &way, COPIED, &request).await;
        let said = who(&ground);
        if new < COPIED {
            assert!(said.contains(&told(&ground)), "{said}");
            let again = who(&ground);
            assert!(!again.contains("may hold"), "told once: {again}");
            return;
        }
    }
    panic!("none of {ATTEMPTS} kills came in the middle of the copying");
}

#[tokio::test]
async fn what_kill_9_leaves_half_written_is_told_at_the_next_start() {
    is_told(|_| Way::direct(Shape::Late), said_at_the_next_start).await;
}

#[tokio::test]
async fn what_kill_9_leaves_half_written_through_the_gate_is_told_at_the_next_start() {
    is_told(confined, said_at_the_next_start).await;
}

#[tokio::test]
async fn doctor_tells_what_kill_9_left_half_written() {
    let doctor = |ground: &Ground| {
        let output = Command::new(lockgate())
            .arg("doctor")
            .env("XDG_STATE_HOME", ground.path("state"))
            .output();
        String::from_utf8(output.expect("it runs").stdout).expect("text")
    };
    is_told(|_| Way::direct(Shape::Late), doctor).await;
}

#[tokio::test]
async fn a_server_without_a_place_for_its_ledger_serves_all_the_same() {
    let ground = Ground::new();
    ground.make(&["f=old"]);
    let mut command = Server::command();
    command.env("XDG_STATE_HOME", "/dev/null");
    let server = Server::from_command(command);
    let mut wire = Wire::ready(&server).await;
    let table = [("write f ", "ok"), ("write f new", "ok"), ("read f", "new")];
    ground
        .table(&mut wire, &Way::direct(Shape::Late), &table)
        .await;
}
