//! A server that is killed by SIGKILL in the middle of overwriting a file: what the file holds then, and who says so.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};
use std::time::Instant;

use lockgate_e2e::{DEADLINE, Ground, Profile, Server, Shape, Way, Wire, kill_9, lockgate};
use rustix::process::Signal;

/// Large enough that a kill gets in between.
const BYTES: usize = 8 << 20;

/// Kills that are tried until one has come in the middle of the writing and not before or after it.
const KILLS: usize = 30;

/// A server whose ledger is on the ground, and its messages with it.
fn server(ground: &Ground) -> Server {
    let mut command = Server::command();
    let said = File::create(ground.path("said")).expect("created");
    command
        .env("XDG_STATE_HOME", ground.path("state"))
        .stderr(Stdio::from(said));
    Server::from_command(command)
}

/// Overwrites a file of `o`s with `n`s, kills the server when it has begun, and says how many `n`s there are.
async fn killed_while_overwriting(ground: &Ground, way: &Way) -> usize {
    let path = ground.path("w/f");
    fs::write(&path, vec![b'o'; BYTES]).expect("written");
    let mut server = server(ground);
    let mut wire = Wire::ready(&server).await;
    // What takes its time at first is done.
    assert_eq!(ground.run(&mut wire, way, "stat w/f").await, "file");
    let text = "n".repeat(BYTES);
    let (method, params) = ground.request(way, "write", "w/f", &text);
    wire.request(method, params).await;
    let file = File::open(&path).expect("opened");
    let (begun, mut first) = (Instant::now(), [b'o']);
    while first == [b'o'] {
        assert!(begun.elapsed() < DEADLINE, "the writing does not begin");
        file.read_exact_at(&mut first, 0).expect("read");
    }
    kill_9(server.proper());
    server.wait();
    let holds = fs::read(&path).expect("read");
    let new = holds.iter().take_while(|byte| **byte == b'n').count();
    assert_eq!(holds.len(), BYTES);
    assert!(
        holds[new..].iter().all(|byte| *byte == b'o'),
        "after the first part of the new contents come old ones"
    );
    new
}

async fn is_told(way: impl Fn(&Ground) -> Way) {
    let ground = Ground::new();
    ground.make(&["w/"]);
    let way = way(&ground);
    for _ in 0..KILLS {
        let new = killed_while_overwriting(&ground, &way).await;
        let mut next = server(&ground);
        next.signal(Signal::TERM);
        next.wait();
        let said = ground.text("said");
        if (1..BYTES).contains(&new) {
            let path = ground.path("w/f");
            assert!(
                said.contains(&format!("{path:?} may hold the first part")),
                "{said}"
            );
            let mut again = server(&ground);
            again.signal(Signal::TERM);
            again.wait();
            assert!(!ground.text("said").contains("may hold"), "told once");
            return;
        }
    }
    panic!("none of {KILLS} kills came in the middle of the writing");
}

#[tokio::test]
async fn what_kill_9_leaves_half_written_is_told_at_the_next_start() {
    is_told(|_| Way::direct(Shape::Late)).await;
}

#[tokio::test]
async fn what_kill_9_leaves_half_written_through_the_gate_is_told_at_the_next_start() {
    is_told(|ground| {
        let profile = Profile::new().write(ground.path("w"));
        Way::under(&profile, Shape::Late)
    })
    .await;
}

#[tokio::test]
async fn doctor_tells_what_kill_9_left_half_written() {
    let ground = Ground::new();
    ground.make(&["w/"]);
    let way = Way::direct(Shape::Late);
    let doctor = || {
        let output = Command::new(lockgate())
            .arg("doctor")
            .env("XDG_STATE_HOME", ground.path("state"))
            .output();
        String::from_utf8(output.expect("it runs").stdout).expect("text")
    };
    for _ in 0..KILLS {
        let new = killed_while_overwriting(&ground, &way).await;
        let told = doctor();
        if (1..BYTES).contains(&new) {
            assert!(told.contains("may hold the first part"), "{told}");
            assert!(!doctor().contains("may hold"), "told once");
            return;
        }
    }
    panic!("none of {KILLS} kills came in the middle of the writing");
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
