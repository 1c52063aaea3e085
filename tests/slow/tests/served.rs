//! A server below whose files something hangs: the requests that need it are answered, and everything else goes on.
//!
//! Each of these runs with the file system holding its answers until the test lets them go: what is answered before that was given up.

#![allow(missing_docs)]

use std::time::Instant;

use lockgate_e2e::{DEADLINE, Ground, Profile, Refusal, Server, Shape, Way, Wire, start_params};
use lockgate_server::limits::FILE_CALLS_HELD;
use lockgate_slow::{SlowFs, without_fuse};
use rustix::process::Signal;
use serde_json::{Value, json};

fn mounted() -> Option<SlowFs> {
    (!without_fuse()).then(|| SlowFs::mount(env!("CARGO_BIN_EXE_lockgate-slow-fs")))
}

/// One that gives up soon.
fn server() -> Server {
    Server::with_arguments(&["--file-seconds", "1", "--tree-seconds", "1"])
}

/// Without a sandbox, and under one with something to enforce that grants the slow files and the ground.
fn ways(slow: &SlowFs, ground: &Ground) -> [Way; 2] {
    let profile = Profile::new()
        .write(slow.path(""))
        .write(ground.path(""))
        .deny(ground.path("denied"));
    [Way::direct(Shape::Late), Way::under(&profile, Shape::Late)]
}

async fn begin(wire: &mut Wire, way: &Way, verb: &str, slow: &SlowFs, name: &str) -> i64 {
    let path = slow.path(name);
    let path = path.to_str().expect("UTF-8");
    let (method, params) = Ground::default().request(way, verb, path, "text");
    wire.request(method, params).await
}

#[track_caller]
fn given_up(answer: Result<Value, Refusal>) -> String {
    let refusal = answer.expect_err("it hangs");
    assert_eq!(refusal.code, -32603, "{refusal:?}");
    let text = "the file system does not answer: gave up after";
    assert!(refusal.message.starts_with(text), "{refusal:?}");
    refusal.message
}

#[tokio::test]
async fn a_read_that_hangs_is_answered_and_nobody_waits_behind_it() {
    let Some(mut slow) = mounted() else { return };
    let server = server();
    let ground = Ground::new();
    ground.make(&["f=text"]);
    for way in ways(&slow, &ground) {
        slow.hold();
        let mut wire = Wire::ready(&server).await;
        let mut other = Wire::ready(&server).await;
        let hanging = begin(&mut wire, &way, "read", &slow, "late-read").await;
        slow.held("read");
        assert_eq!(ground.run(&mut wire, &way, "read f").await, "text");
        assert_eq!(ground.run(&mut wire, &way, "list .").await, "f");
        assert_eq!(ground.run(&mut other, &way, "write f other").await, "ok");
        let (method, params) = ground.request(&way, "write", "f", "text");
        let behind = wire.request(method, params).await;
        let text = given_up(wire.answer(hanging).await);
        assert!(!text.contains("may still happen"), "{text}");
        assert_eq!(
            wire.answer(behind).await,
            Ok(json!({})),
            "it waits its turn and no longer"
        );
        assert_eq!(ground.run(&mut wire, &way, "read f").await, "text");
        slow.go();
        // A second answer to what was given up would come before this one, and fail the test.
        assert_eq!(ground.run(&mut wire, &way, "walk .").await, "f");
    }
}

#[tokio::test]
async fn a_change_that_hangs_is_answered_with_a_warning_and_the_next_one_runs() {
    let Some(mut slow) = mounted() else { return };
    let server = server();
    let ground = Ground::new();
    for way in ways(&slow, &ground) {
        slow.hold();
        let mut wire = Wire::ready(&server).await;
        let hanging = begin(&mut wire, &way, "write", &slow, "late-write").await;
        slow.held("write");
        let (method, params) = ground.request(&way, "write", "g", "text");
        let behind = wire.request(method, params).await;
        let text = given_up(wire.answer(hanging).await);
        assert!(text.contains("the change may still happen"), "{text}");
        assert_eq!(wire.answer(behind).await, Ok(json!({})));
        assert_eq!(ground.text("g"), "text");
        slow.go();
    }
}

#[tokio::test]
async fn attack_25_a_connection_whose_calls_all_hang_takes_the_threads_from_nobody_else() {
    let Some(mut slow) = mounted() else { return };
    let server = server();
    let ground = Ground::new();
    ground.make(&["f=text"]);
    let way = Way::direct(Shape::Late);
    slow.hold();
    let mut greedy = Wire::ready(&server).await;
    for number in 0..FILE_CALLS_HELD {
        let name = format!("late-read-{number}");
        begin(&mut greedy, &way, "read", &slow, &name).await;
    }
    // They run beside each other, and are answered in whatever order.
    for _ in 0..FILE_CALLS_HELD {
        let answer = greedy.message().await;
        let text = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(text.contains("gave up after"), "{answer}");
    }
    let refused = begin(&mut greedy, &way, "read", &slow, "late-read-more").await;
    let refusal = greedy.answer(refused).await.expect_err("too many hang");
    let text = format!("{FILE_CALLS_HELD} file calls of this connection hang");
    assert!(refusal.message.contains(&text), "{refusal:?}");
    let mut other = Wire::ready(&server).await;
    assert_eq!(ground.run(&mut other, &way, "write f other").await, "ok");
    slow.go();
    // As soon as the first has come back.
    let begun = Instant::now();
    while ground.run(&mut greedy, &way, "write f again").await != "ok" {
        assert!(begun.elapsed() < DEADLINE, "they are back by now");
    }
}

#[tokio::test]
async fn a_profile_that_names_what_hangs_costs_its_own_requests_only() {
    let Some(mut slow) = mounted() else { return };
    let server = server();
    let ground = Ground::new();
    ground.make(&["f=text"]);
    // Nothing of the slow directory: the kernel lets look-ups in it wait for each other.
    let way = Way::under(&Profile::new().read(ground.path("")), Shape::Late);
    let hangs = Profile::new()
        .read(slow.path("late-lookup"))
        .read(ground.path(""));
    let hangs = Way::under(&hangs, Shape::Late);
    let mut wire = Wire::ready(&server).await;
    let (method, params) = ground.request(&hangs, "read", "f", "");
    let hanging = wire.request(method, params).await;
    slow.held("lookup");
    assert_eq!(ground.run(&mut wire, &way, "read f").await, "text");
    given_up(wire.answer(hanging).await);
    assert_eq!(ground.run(&mut wire, &way, "read f").await, "text");
    slow.go();
}

#[tokio::test]
async fn a_block_that_hangs_is_answered_and_closing_what_hangs_holds_nothing_up() {
    let Some(mut slow) = mounted() else { return };
    let server = server();
    let ground = Ground::new();
    ground.make(&["f=text"]);
    for (number, way) in ways(&slow, &ground).into_iter().enumerate() {
        let mut wire = Wire::ready(&server).await;
        for name in ["late-read", "late-close"] {
            let name = format!("{name}-{number}");
            let path = way.shape.path(slow.path(&name));
            let open = json!({"handleId": name, "path": path, "sandbox": way.sandbox});
            wire.call("fs/open", open).await.expect("opened");
        }
        let name = format!("late-read-{number}");
        let block = json!({"handleId": name, "offset": 0, "len": 5});
        let hanging = wire.request("fs/readBlock", block).await;
        slow.held("read");
        let close = json!({"handleId": format!("late-close-{number}")});
        wire.call("fs/close", close).await.expect("closed");
        slow.held("close");
        assert_eq!(ground.run(&mut wire, &way, "read f").await, "text");
        given_up(wire.answer(hanging).await);
        wire.call("fs/close", json!({"handleId": name}))
            .await
            .expect("closed");
        assert_eq!(ground.run(&mut wire, &way, "read f").await, "text");
    }
    slow.go();
}

#[tokio::test]
async fn a_process_whose_directory_hangs_does_not_start_and_its_id_is_free_again() {
    let Some(mut slow) = mounted() else { return };
    let server = server();
    let ground = Ground::new();
    let mut wire = Wire::ready(&server).await;
    let mut start = start_params("p", "echo started");
    start["cwd"] = Shape::Late.path(slow.path("late-lookup"));
    let hanging = wire.request("process/start", start).await;
    slow.held("lookup");
    let direct = Way::direct(Shape::Late);
    let write = ground.request(&direct, "write", "f", "text");
    let behind = wire.request(write.0, write.1).await;
    given_up(wire.answer(hanging).await);
    assert_eq!(wire.answer(behind).await, Ok(json!({})));
    wire.start(start_params("p", "echo started")).await;
    assert_eq!(wire.wait_for_output("p", "started").await, "started\n");
    slow.go();
}

#[tokio::test]
async fn sigterm_ends_a_server_whose_calls_hang() {
    let Some(mut slow) = mounted() else { return };
    let mut server = Server::start();
    let ground = Ground::new();
    let mut wire = Wire::ready(&server).await;
    for (way, name) in ways(&slow, &ground)
        .iter()
        .zip(["late-read", "late-read-too"])
    {
        begin(&mut wire, way, "read", &slow, name).await;
        slow.held("read");
    }
    let proper = server.proper();
    server.signal(Signal::TERM);
    assert_eq!(wire.try_message().await, None, "the connection is closed");
    // It has done what it can: what is left of it is what the kernel cannot end.
    let patience = Instant::now();
    while !only_waits_in_the_kernel(proper) {
        assert!(patience.elapsed() < DEADLINE, "it waits for a call");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    slow.go();
    assert_eq!(server.wait().code(), Some(0));
}

/// Whether a process has ended but for threads that wait where no signal reaches them.
fn only_waits_in_the_kernel(pid: u32) -> bool {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return true;
    };
    let states = tasks.flatten().filter_map(|task| {
        let stat = std::fs::read_to_string(task.path().join("stat")).ok()?;
        // The name, in brackets, may have any characters in it.
        stat.rsplit(')').next()?.trim().chars().next()
    });
    states
        .into_iter()
        .all(|state| matches!(state, 'D' | 'Z' | 'X'))
}
