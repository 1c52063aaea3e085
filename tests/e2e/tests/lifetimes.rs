//! Nothing that a server started outlives it, whatever ends it.

use std::time::{Duration, Instant};

use lockgate_e2e::{DEADLINE, Server, Wire, is_running, kill_9, start_params};
use rustix::process::Signal;
use serde_json::json;

/// What tries to survive its process, its session, its server.
struct Survivors {
    /// In the process's own group, some deaf to signals.
    group: Vec<u32>,
    /// Left the group and the session (`setsid`), and hold the pipe.
    escaped: Vec<u32>,
}

impl Survivors {
    async fn start(wire: &mut Wire) -> Survivors {
        let command = "trap '' TERM HUP INT; echo group $$; sleep 1000 & echo group $!; \
                       setsid sleep 1000 & echo escaped $!; \
                       setsid sh -c 'sleep 1000 & echo escaped $!; wait' & wait";
        wire.start(start_params("survivors", command)).await;
        let mut shown = String::new();
        while shown.matches('\n').count() < 4 {
            shown.push_str(&wire.wait_for_output("survivors", "\n").await);
        }
        let pids = |kind: &str| -> Vec<u32> {
            let lines = shown
                .lines()
                .filter_map(|line| line.strip_prefix(kind)?.trim().parse().ok());
            lines.collect()
        };
        let survivors = Survivors {
            group: pids("group"),
            escaped: pids("escaped"),
        };
        assert_eq!(
            (survivors.group.len(), survivors.escaped.len()),
            (2, 2),
            "{shown}"
        );
        assert!(survivors.all().iter().all(|pid| is_running(*pid)));
        survivors
    }

    fn all(&self) -> Vec<u32> {
        [&self.group[..], &self.escaped[..]].concat()
    }
}

fn gone(pids: &[u32]) {
    let patience = Instant::now();
    while pids.iter().any(|pid| is_running(*pid)) {
        assert!(
            patience.elapsed() < DEADLINE,
            "something survived of {pids:?}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[tokio::test]
async fn kill_9_of_the_server_leaves_no_child_behind() {
    let mut server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let survivors = Survivors::start(&mut wire).await;
    kill_9(server.proper());
    gone(&survivors.all());
    assert!(!server.wait().success());
}

#[tokio::test]
async fn kill_9_of_the_guardian_leaves_no_child_behind() {
    let mut server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let survivors = Survivors::start(&mut wire).await;
    let proper = server.proper();
    server.signal(Signal::KILL);
    server.wait();
    gone(&survivors.all());
    gone(&[proper]);
}

#[tokio::test]
async fn sigterm_ends_the_server_with_code_0_and_its_children_gone() {
    let mut server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let survivors = Survivors::start(&mut wire).await;
    server.signal(Signal::TERM);
    let status = server.wait();
    assert_eq!(status.code(), Some(0));
    gone(&survivors.all());
    assert_eq!(wire.try_message().await, None, "the connection is closed");
}

#[tokio::test]
async fn attack_21_terminate_ends_the_group_and_reports_it() {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let survivors = Survivors::start(&mut wire).await;
    let running = wire
        .call("process/terminate", json!({"processId": "survivors"}))
        .await;
    assert_eq!(running, Ok(json!({"running": true})));
    loop {
        let (method, params) = wire.notification().await;
        match method.as_str() {
            "process/exited" => assert_eq!(params["exitCode"], -1),
            "process/closed" => break,
            _ => {}
        }
    }
    gone(&survivors.group);
}
