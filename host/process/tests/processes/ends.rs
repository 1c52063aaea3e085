//! How processes end, and those that do not want to: grandchildren that hold the pipe, sessions of their own, ignored signals.

use lockgate_process::Signal;

use crate::support::*;

#[tokio::test]
async fn a_grandchild_that_holds_the_pipe_keeps_it_open_after_the_exit() {
    let here = tempfile::tempdir().unwrap();
    let go = here.path().join("go");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &go,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    let process = sh(&format!(
        "(read x < {}; echo late) & echo early; exit 3",
        go.display()
    ));
    assert_eq!(exited(&process).await, 3);
    let now = process.log().snapshot(0, None);
    assert!(!now.closed);
    assert_eq!((text(&now).as_str(), now.next_seq), ("early\n", 3));
    assert!(!process.terminate(), "it has exited");

    std::fs::write(&go, "\n").unwrap();
    let all = closed(&process).await;
    assert_eq!(
        (text(&all).as_str(), all.exit_code, all.next_seq),
        ("early\nlate\n", Some(3), 5)
    );
    assert_eq!(all.chunks[1].seq, 3);
}

#[tokio::test]
async fn terminate_ends_the_group_and_reports_minus_one() {
    let process =
        sh("trap '' TERM INT HUP; sleep 1000 & echo inner=$!; echo ready; wait; sleep 1000");
    let inner = Watched::new(number(&process, "inner").await);
    until(&process, "ready").await;
    for signal in [Signal::TERMINATE, Signal::INTERRUPT] {
        process.signal(signal).unwrap();
    }
    assert!(process.log().exit_code().is_none());
    assert!(process.terminate());
    let all = closed(&process).await;
    assert_eq!(all.exit_code, Some(-1));
    assert_eq!(all.next_seq, all.chunks.last().unwrap().seq + 3);
    inner.assert_ends();
    assert!(!process.terminate());
}

#[tokio::test]
async fn terminate_reports_even_if_someone_outside_the_group_holds_the_pipe() {
    let process = sh("setsid sh -c 'echo far=$$; exec sleep 1000' & wait");
    let far = Watched::new(number(&process, "far").await);
    assert!(process.terminate());
    assert_eq!(closed(&process).await.exit_code, Some(-1));
    assert!(!far.is_gone(), "terminate ends the group only");
    far.kill();
}

#[tokio::test]
async fn the_end_of_a_session_reaches_what_left_the_group() {
    let process = sh(
        "setsid sh -c 'echo far=$$; sh -c \"echo deep=\\$\\$; exec sleep 1000\"; :' & echo ready; wait",
    );
    let far = Watched::new(number(&process, "far").await);
    let deep = Watched::new(number(&process, "deep").await);
    process.kill_tree();
    far.assert_ends();
    deep.assert_ends();
    assert_eq!(closed(&process).await.exit_code, Some(-1));
}

#[tokio::test]
async fn dropping_a_running_process_is_its_end() {
    let process = sh("setsid sh -c 'echo far=$$; exec sleep 1000' & echo own=$$; wait");
    let far = Watched::new(number(&process, "far").await);
    let own = Watched::new(number(&process, "own").await);
    let log = std::sync::Arc::clone(process.log());
    drop(process);
    own.assert_ends();
    far.assert_ends();
    soon(log.closed()).await;
    assert_eq!(log.exit_code(), Some(-1));
}

#[tokio::test]
async fn what_a_closed_command_left_running_lives_until_its_group_is_dropped() {
    let process = sh("sleep 1000 >/dev/null 2>&1 & echo left=$!");
    let left = Watched::new(number(&process, "left").await);
    assert_eq!(closed(&process).await.exit_code, Some(0));
    let group = process.group();
    drop(process);
    assert!(!left.is_gone());
    assert!(group.is_alive());
    group.signal(Signal::from_name("USR1").unwrap()).unwrap();
    left.assert_ends();
    let process = sh("sleep 1000 >/dev/null 2>&1 & echo left=$!");
    let left = Watched::new(number(&process, "left").await);
    closed(&process).await;
    drop(process);
    left.assert_ends();
}

#[tokio::test]
async fn a_group_without_members_is_not_alive() {
    let process = sh("exit 0");
    closed(&process).await;
    // A keeper takes a moment to go, too.
    emptied(&process).await;
    process.signal(Signal::KILL).unwrap();
    assert!(
        std::fs::metadata(format!("/proc/{}", process.pid())).is_err(),
        "it is reaped"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tree_that_keeps_forking_is_caught() {
    // Each generation leaves its session; a bounded fork bomb.
    let process = sh(
        "f() { [ $1 -gt 0 ] || exec sleep 1000; setsid sh -c \"$(cat <<'E'\necho p=$$; exec sleep 1000\nE\n)\" & f $(($1 - 1)); }; f 30",
    );
    soon(async {
        while text(&process.log().snapshot(0, None)).lines().count() < 30 {
            let changed = process.log().changed();
            if text(&process.log().snapshot(0, None)).lines().count() < 30 {
                changed.await;
            }
        }
    })
    .await;
    let all: Vec<Watched> = text(&process.log().snapshot(0, None))
        .lines()
        .map(|line| Watched::new(line.trim_start_matches("p=").parse().unwrap()))
        .collect();
    drop(process);
    for far in &all {
        far.assert_ends();
    }
}

#[tokio::test]
async fn a_stopped_child_can_be_ended() {
    let process = sh("echo ready; kill -STOP $$; echo on; sleep 1000");
    until(&process, "ready").await;
    process.signal(Signal::from_name("CONT").unwrap()).unwrap();
    assert!(process.terminate());
    assert_eq!(closed(&process).await.exit_code, Some(-1));
}
