//! The time and the output that a policy leaves a process hold for everything that it starts, however that cuts itself off.

use std::time::Instant;

use lockgate_e2e::{DEADLINE, Wire, is_running, kill_9, start_params};
use rustix::process::{Pid, Signal};
use serde_json::{Value, json};

use crate::Operator;

/// What has `bounded` in its command gets two seconds and a kilobyte, what has `held` ten, for what has something to do before they are over; all else what it likes.
const RULES: &str = r#"package lockgate

default allow := true

narrowing := {"time_limit": 2000, "output_limit": 1000} if {
    input.action.kind == "process-start"
    contains(input.action.argv[2], "bounded")
}

narrowing := {"time_limit": 10000, "output_limit": 1000} if {
    input.action.kind == "process-start"
    contains(input.action.argv[2], "held")
}
"#;

/// Forks, ends, leads a session of its own in the child, and says which that is.
const DAEMON: &str =
    "(setsid bash -c 'echo daemon $$; exec sleep 1000 </dev/null >/dev/null 2>&1' &)";

/// The keeper is the parent of the parent of a process.
const ABOVE: &str = "read -r a b c keeper rest </proc/$PPID/stat";

/// A command that can be told to go on.
fn reader(id: &str, command: &str) -> Value {
    let mut params = start_params(id, command);
    params["pipeStdin"] = json!(true);
    params
}

/// Tells it; the number of the request.
async fn go_on(wire: &mut Wire, id: &str) -> i64 {
    let write = json!({"processId": id, "chunk": "Cg=="});
    wire.request("process/write", write).await
}

/// Starts a command; the number of its daemon.
async fn daemon_of(wire: &mut Wire, id: &str, command: &str) -> u32 {
    wire.start(reader(id, command)).await;
    let mut shown = String::new();
    loop {
        shown.push_str(&wire.wait_for_output(id, "\n").await);
        let line = shown.lines().find_map(|line| line.strip_prefix("daemon "));
        if let Some(pid) = line.and_then(|pid| pid.parse().ok()) {
            return pid;
        }
    }
}

async fn ends(pid: u32) {
    let patience = Instant::now();
    while is_running(pid) {
        assert!(patience.elapsed() < DEADLINE, "{pid} lives on");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// What `process/read` says at the end of it.
async fn failure(wire: &mut Wire, id: &str) -> String {
    loop {
        let read = json!({"processId": id, "waitMs": 1000});
        let read = wire.call("process/read", read).await.expect("it is known");
        if read["closed"] == true {
            return read["failure"].as_str().unwrap_or_default().to_owned();
        }
    }
}

#[tokio::test]
async fn attack_21_the_time_limit_of_a_policy_reaches_what_forked_twice_and_left_its_session() {
    let operator = Operator::with("policy-rego", RULES);
    let server = operator.starts();
    let mut wire = Wire::ready(&server).await;
    let free = daemon_of(&mut wire, "free", &format!("{DAEMON}; exit 3")).await;
    let long = daemon_of(
        &mut wire,
        "long",
        &format!("{DAEMON}; : bounded; exec sleep 1000"),
    )
    .await;
    let short = daemon_of(&mut wire, "short", &format!("{DAEMON}; : held; exit 5")).await;
    assert!(failure(&mut wire, "long").await.contains("at most 2000 ms"));
    assert_eq!(failure(&mut wire, "short").await, "");
    ends(long).await;
    ends(short).await;
    assert!(is_running(free), "no limit was set for it");
}

#[tokio::test]
async fn attack_21_the_output_limit_of_a_policy_reaches_what_left_its_session() {
    let operator = Operator::with("policy-rego", RULES);
    let server = operator.starts();
    let mut wire = Wire::ready(&server).await;
    let command = "(setsid bash -c 'echo daemon $$; : bounded; exec yes' &); exit 0";
    let daemon = daemon_of(&mut wire, "loud", command).await;
    assert!(
        failure(&mut wire, "loud")
            .await
            .contains("at most 1000 bytes")
    );
    ends(daemon).await;
}

/// It runs as the same user.
#[tokio::test]
async fn attack_21_who_kills_or_stops_the_keeper_of_its_limits_wins_nothing() {
    let operator = Operator::with("policy-rego", RULES);
    let server = operator.starts();
    let mut wire = Wire::ready(&server).await;
    let free = daemon_of(&mut wire, "free", &format!("{DAEMON}; exit 3")).await;
    // It has cut itself off. A daemon that did so later would be taken for one of the next.
    assert_eq!(failure(&mut wire, "free").await, "");
    let command = format!("{DAEMON}; : held; {ABOVE}; read x; kill -KILL $keeper; exec sleep 1000");
    let orphan = daemon_of(&mut wire, "killer", &command).await;
    let told = go_on(&mut wire, "killer").await;
    wire.answer(told).await.expect("written");
    assert!(
        failure(&mut wire, "killer")
            .await
            .contains("its keeper was killed")
    );
    ends(orphan).await;
    let command =
        format!("{DAEMON}; : bounded; {ABOVE}; kill -STOP $keeper $PPID; exec sleep 1000");
    let kept = daemon_of(&mut wire, "stopper", &command).await;
    assert!(
        failure(&mut wire, "stopper")
            .await
            .contains("at most 2000 ms")
    );
    ends(kept).await;
    assert!(is_running(free), "it was there before");
    assert_eq!(wire.run("after", "echo well").await.stdout, b"well\n");
}

#[tokio::test]
async fn attack_21_who_stops_the_server_has_no_more_time_for_that() {
    let operator = Operator::with("policy-rego", RULES);
    let server = operator.starts();
    let mut wire = Wire::ready(&server).await;
    let proper = server.proper();
    let command = format!("{DAEMON}; : bounded; read x; kill -STOP {proper}; exec sleep 1000");
    let daemon = daemon_of(&mut wire, "stopper", &command).await;
    let told = go_on(&mut wire, "stopper").await;
    ends(daemon).await;
    let pid = Pid::from_raw(proper.cast_signed()).expect("a pid");
    rustix::process::kill_process(pid, Signal::CONT).expect("sent");
    wire.answer(told).await.expect("written");
    assert!(
        failure(&mut wire, "stopper")
            .await
            .contains("at most 2000 ms")
    );
}

/// None of these lives for longer than it takes to fork.
#[tokio::test]
async fn attack_21_what_hops_from_process_to_process_does_not_profit_from_a_killed_keeper() {
    let operator = Operator::with("policy-rego", RULES);
    let server = operator.starts();
    let mut wire = Wire::ready(&server).await;
    let mark = format!("hopping-{}", std::process::id());
    let hop = "use POSIX; for (1..20) { last if !fork } for (;;) { exit if fork; setsid }";
    let command = format!(
        "perl -e '{hop}' {mark} >/dev/null 2>&1; : held; {ABOVE}; echo hops; read x; kill -KILL $keeper $PPID; exec sleep 1000"
    );
    wire.start(reader("hopper", &command)).await;
    wire.wait_for_output("hopper", "hops").await;
    // One look may miss who is just being forked.
    let patience = Instant::now();
    while marked(&mark) == 0 {
        assert!(patience.elapsed() < DEADLINE, "nothing hops");
    }
    let told = go_on(&mut wire, "hopper").await;
    wire.answer(told).await.expect("written");
    assert!(
        failure(&mut wire, "hopper")
            .await
            .contains("its keeper was killed")
    );
    let patience = Instant::now();
    let mut looks = 0;
    while looks < 20 {
        assert!(patience.elapsed() < DEADLINE, "something hops on");
        looks = if marked(&mark) == 0 { looks + 1 } else { 0 };
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
}

/// How many processes have this in their command line, and are not the shell that started them.
fn marked(mark: &str) -> usize {
    let processes = std::fs::read_dir("/proc").expect("listable").flatten();
    let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    let perl = |line: &Vec<u8>| line.starts_with(b"perl\0");
    lines
        .filter(|line| perl(line) && String::from_utf8_lossy(line).contains(mark))
        .count()
}

#[tokio::test]
async fn attack_21_nothing_below_a_keeper_outlives_the_server_or_the_session() {
    let operator = Operator::with("policy-rego", &RULES.replace("2000", "1000000"));
    let mut server = operator.starts();
    let mut wire = Wire::ready(&server).await;
    let command = format!("{DAEMON}; : bounded; exit 0");
    let daemon = daemon_of(&mut wire, "p", &command).await;
    kill_9(server.proper());
    ends(daemon).await;
    server.wait();

    let server = operator.starts();
    let mut wire = Wire::ready(&server).await;
    let daemon = daemon_of(&mut wire, "p", &command).await;
    server.signal(Signal::TERM);
    ends(daemon).await;
}
