//! What is so of an executor in this process and of no other.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lockgate_client::environments::config::Reach;
use lockgate_client::environments::{Environments, Setup, provider::Source};
use lockgate_client::executor::{Command, Executor, Files, Processes, Started, run};
use lockgate_client::{
    AbsPath, ApprovalDecision, ApprovalParams, ApprovalResult, Approver, Client, ClientError,
    ConnectOptions, Event,
};
use lockgate_e2e::{DEADLINE, is_running, lockgate};
use lockgate_local::{LocalError, Options};

use crate::house::in_process;
use crate::judge::Strict;

/// Tells its own number and that of one that has left its session, and goes on.
const FAMILY: &str = "setsid sleep 1000 & echo $$ $!; cat";

async fn here(options: Options) -> Client {
    let started = lockgate_local::start(options, ConnectOptions::default()).await;
    started.expect("it starts")
}

fn shell(script: &str) -> Command {
    Command::new(AbsPath::root(), ["sh", "-c", script]).env("PATH", "/usr/local/bin:/usr/bin:/bin")
}

/// The family, and the numbers of its members.
async fn family(executor: &Client) -> (Started, Vec<u32>) {
    let command = shell(FAMILY).piped();
    let started = Processes::start(executor, &command).await;
    let mut started = started.expect("it starts");
    let mut said = String::new();
    while !said.ends_with('\n') {
        match started.events.next().await {
            Some(Event::Output { data, .. }) => said.push_str(&String::from_utf8_lossy(&data)),
            event => panic!("{event:?}"),
        }
    }
    let pids = said
        .split_whitespace()
        .map(|pid| pid.parse().expect("a number"));
    (started, pids.collect())
}

/// Waits until none of them runs.
fn are_gone(pids: &[u32]) {
    let begun = Instant::now();
    while pids.iter().any(|pid| is_running(*pid)) {
        assert!(begun.elapsed() < DEADLINE, "{pids:?} go on");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[tokio::test]
async fn its_processes_are_gone_when_it_is_closed() {
    let executor = here(in_process()).await;
    let (mut started, pids) = family(&executor).await;
    assert!(pids.iter().all(|pid| is_running(*pid)));
    Executor::close(&executor).await;
    are_gone(&pids);
    assert!(Executor::is_closed(&executor));
    while let Some(event) = started.events.next().await {
        assert!(
            matches!(
                event,
                Event::Failed(_) | Event::Exited { .. } | Event::Closed
            ),
            "{event:?}"
        );
    }
    let refused = Files::read(&executor, &AbsPath::root(), None).await;
    assert!(
        matches!(refused, Err(ClientError::Closed(_))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn it_lives_as_long_as_the_last_handle_and_no_longer() {
    let executor = here(in_process()).await;
    let (mut started, pids) = family(&executor).await;
    drop(executor);
    started
        .process
        .write(b"still here\n")
        .await
        .expect("written");
    let said = started.events.next().await;
    assert!(
        matches!(said, Some(Event::Output { ref data, .. }) if data == b"still here\n"),
        "{said:?}"
    );
    drop(started);
    tokio::task::spawn_blocking(move || are_gone(&pids))
        .await
        .expect("they go");
}

#[test]
fn a_runtime_that_ends_takes_its_processes_along() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (executor, started, pids) = runtime.block_on(async {
        let executor = here(in_process()).await;
        let (started, pids) = family(&executor).await;
        (executor, started, pids)
    });
    drop(runtime);
    are_gone(&pids);
    drop((executor, started));
}

#[tokio::test]
async fn two_of_them_know_nothing_of_each_other() {
    let (one, other) = (here(in_process()).await, here(in_process()).await);
    assert_ne!(one.session_id(), other.session_id());
    let (_of_one, pids) = family(&one).await;
    Executor::close(&other).await;
    assert!(pids.iter().all(|pid| is_running(*pid)));
    let output = run(&one, &shell("echo on"), 100).await.expect("it runs");
    assert_eq!(output.stdout, b"on\n");
    Executor::close(&one).await;
    are_gone(&pids);
}

#[tokio::test]
async fn policies_decide_in_process_too() {
    let executor = here(Options {
        policy: Some(Strict::denying_files("/etc")),
        ..in_process()
    })
    .await;
    let at = |path| AbsPath::parse(path).expect("a path");
    Files::metadata(&executor, &at("/usr"), None)
        .await
        .expect("allowed");
    let refused = Files::read(&executor, &at("/etc/passwd"), None).await;
    let error = refused.expect_err("denied");
    assert_eq!(error.code(), Some(-32600));
    assert!(error.to_string().contains("not in here"), "{error}");
    // By an open file, too.
    Files::open(&executor, &at("/etc/passwd"), 0, None)
        .await
        .expect_err("denied");
}

#[tokio::test]
async fn what_policies_ask_is_put_to_the_harness() {
    for agrees in [true, false] {
        let connect = ConnectOptions {
            approver: Some(Approver::new(move |question: ApprovalParams| async move {
                assert_eq!(question.prompt, "shall it run?");
                ApprovalResult {
                    decision: match agrees {
                        true => ApprovalDecision::Allow,
                        false => ApprovalDecision::Deny,
                    },
                    reason: None,
                }
            })),
            ..ConnectOptions::default()
        };
        let options = Options {
            policy: Some(Strict::asking()),
            ..in_process()
        };
        let executor = lockgate_local::start(options, connect)
            .await
            .expect("it starts");
        let ran = run(&executor, &shell("echo ran"), 100).await;
        match agrees {
            true => assert_eq!(ran.expect("agreed to").stdout, b"ran\n"),
            false => assert_eq!(ran.expect_err("denied").code(), Some(-32600)),
        }
    }
}

#[test]
fn where_sigchld_is_ignored_it_does_not_start() {
    // In a process of its own, which is this program with one test.
    let ran = std::process::Command::new("env")
        .arg("--ignore-signal=CHLD")
        .arg(std::env::current_exe().expect("this program"))
        .args(["--exact", "local::it_does_not_start_here", "--ignored"])
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && said.contains("1 passed"), "{said}");
}

#[tokio::test]
#[ignore = "run by another one, where SIGCHLD is ignored"]
async fn it_does_not_start_here() {
    let started = lockgate_local::start(in_process(), ConnectOptions::default()).await;
    let error = started.expect_err("no exit code would be known");
    assert!(matches!(error, LocalError::Children), "{error}");
    assert!(error.to_string().contains("SIGCHLD"), "{error}");
}

#[tokio::test]
async fn attack_21_bounds_are_refused_rather_than_this_program_started_again() {
    let policy = Some(Strict::bounding(Duration::from_millis(200)));
    let executor = here(Options {
        policy,
        ..in_process()
    })
    .await;
    let refused = run(&executor, &shell("true"), 100)
        .await
        .expect_err("refused");
    let text = refused.to_string();
    assert!(
        text.contains("keeper") && text.contains("cannot be one"),
        "{text}"
    );
}

#[tokio::test]
async fn a_keeper_that_is_named_holds_processes_to_their_bounds() {
    let executor = here(Options {
        policy: Some(Strict::bounding(Duration::from_millis(300))),
        keeper: Some(lockgate()),
        ..in_process()
    })
    .await;
    let (started, pids) = family(&executor).await;
    let output = tokio::time::timeout(DEADLINE, started.output(100)).await;
    output.expect("it is ended").expect("and says so");
    are_gone(&pids);
}

#[tokio::test]
async fn what_cannot_be_a_keeper_is_told_at_the_start() {
    for (keeper, reason) in [
        ("lockgate", "absolute path"),
        ("/nowhere/lockgate", "No such file"),
        ("/etc/passwd", "denied"),
        ("/etc", "directory"),
    ] {
        // For root everything is executable but what nobody may execute.
        let options = Options {
            keeper: Some(PathBuf::from(keeper)),
            ..in_process()
        };
        let error = lockgate_local::start(options, ConnectOptions::default()).await;
        let error = error.expect_err("no keeper");
        assert!(matches!(error, LocalError::Keeper { .. }), "{error}");
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[tokio::test]
async fn environments_start_it_when_it_is_needed_and_again() {
    let setup = Setup {
        local: Some(Reach::Connector(lockgate_local::connector(in_process()))),
        ..Setup::default()
    };
    let environments = Environments::new(&Source::Nothing, setup).expect("this host");
    let local = environments.default().expect("this host");
    let (one, same) = tokio::join!(local.client(), local.client());
    let (one, same) = (one.expect("it starts"), same.expect("the same"));
    assert_eq!(one.session_id(), same.session_id());
    let (_started, pids) = family(&one).await;
    environments.close().await;
    are_gone(&pids);
    let other: Arc<dyn Executor> = Arc::new(local.client().await.expect("another"));
    let output = run(&*other, &shell("echo again"), 100)
        .await
        .expect("it runs");
    assert_eq!(output.stdout, b"again\n");
}

#[tokio::test]
async fn environments_tell_why_it_does_not_start() {
    let options = Options {
        keeper: Some("keeper".into()),
        ..in_process()
    };
    let setup = Setup {
        local: Some(Reach::Connector(lockgate_local::connector(options))),
        ..Setup::default()
    };
    let environments = Environments::new(&Source::Nothing, setup).expect("this host");
    let error = environments
        .default()
        .expect("it")
        .client()
        .await
        .expect_err("no keeper");
    assert!(
        error.to_string().contains("expected an absolute path"),
        "{error}"
    );
}
