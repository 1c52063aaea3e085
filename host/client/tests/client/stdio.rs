//! Spawned servers: they talk over their pipes and never outlive the connection.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::soon;
use lockgate_client::{Client, ClientError, ConnectOptions};
use rustix::process::{Pid, test_kill_process};
use serde_json::{Value, json};

const GREETING: &str = r#"read line; echo '{"id":1,"result":{"sessionId":"s-1"}}'; read line;"#;

async fn spawn(script: &str, dir: &Path) -> Result<Client, ClientError> {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(script).current_dir(dir);
    soon(Client::spawn_stdio(command, ConnectOptions::default())).await
}

/// Waits for the script to write a pid into `file`.
pub(crate) async fn pid(file: &Path) -> Pid {
    soon(async {
        loop {
            if let Some(pid) = std::fs::read_to_string(file)
                .ok()
                .and_then(|text| text.trim().parse().ok())
                .and_then(Pid::from_raw)
            {
                return pid;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}

pub(crate) async fn gone(pid: Pid) {
    soon(async {
        while alive(pid) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// A zombie that nobody has reaped yet (its parent may be slow) counts as gone.
fn alive(pid: Pid) -> bool {
    test_kill_process(pid).is_ok()
        && std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).is_ok_and(
            |stat| {
                !stat
                    .rsplit(')')
                    .next()
                    .unwrap_or_default()
                    .trim_start()
                    .starts_with('Z')
            },
        )
}

#[tokio::test]
async fn calls_work_over_the_pipes_and_stray_blank_lines_are_skipped() {
    let dir = tempfile::tempdir().expect("a directory");
    let script = format!(
        "{GREETING} read line; echo; echo noise >&2; echo \"  \"; echo '{{\"id\":2,\"result\":{{\"a\":1}}}}'; read line"
    );
    let client = spawn(&script, dir.path()).await.expect("starts");
    let answer: Value = soon(client.call("test/any", &json!({})))
        .await
        .expect("answered");
    assert_eq!(answer, json!({ "a": 1 }));
}

#[tokio::test]
async fn closing_ends_the_whole_group() {
    let dir = tempfile::tempdir().expect("a directory");
    let script =
        format!("{GREETING} sleep 1000 & echo $! > sleeper; trap '' TERM; wait; wait; sleep 1000");
    let client = spawn(&script, dir.path()).await.expect("starts");
    let sleeper = pid(&dir.path().join("sleeper")).await;
    assert!(alive(sleeper));
    soon(client.close()).await;
    assert!(
        !alive(sleeper),
        "also a leader that ignores SIGTERM is gone by now"
    );
}

#[tokio::test]
async fn dropping_the_client_ends_the_group_too() {
    let dir = tempfile::tempdir().expect("a directory");
    let client = spawn(
        &format!("{GREETING} sleep 1000 & echo $! > sleeper; wait"),
        dir.path(),
    )
    .await
    .expect("starts");
    let sleeper = pid(&dir.path().join("sleeper")).await;
    drop(client);
    gone(sleeper).await;
}

#[tokio::test]
async fn what_a_server_that_exits_leaves_behind_is_ended() {
    let dir = tempfile::tempdir().expect("a directory");
    // The sleeper keeps stdout open, so that the pipe does not end.
    let client = spawn(
        &format!("{GREETING} sleep 1000 & echo $! > sleeper; exit 3"),
        dir.path(),
    )
    .await
    .expect("starts");
    let error = soon(client.status()).await.expect_err("closed");
    assert!(
        matches!(
            error,
            ClientError::Closed(_) | ClientError::Interrupted { .. }
        ),
        "{error}"
    );
    gone(pid(&dir.path().join("sleeper")).await).await;
}

#[tokio::test]
async fn a_program_that_is_not_there_is_a_spawn_error() {
    let error = Client::spawn_stdio(
        Command::new("/nonexistent/lockgate"),
        ConnectOptions::default(),
    )
    .await
    .expect_err("refused");
    assert!(
        matches!(error, ClientError::Spawn { .. })
            && error.to_string().contains("/nonexistent/lockgate"),
        "{error}"
    );
}

#[tokio::test]
async fn a_server_that_says_something_else_is_told_apart_from_one_that_leaves() {
    let dir = tempfile::tempdir().expect("a directory");
    assert!(matches!(
        spawn("echo hello; read line", dir.path()).await,
        Err(ClientError::Protocol(_))
    ));
    assert!(matches!(
        spawn("exit 1", dir.path()).await,
        Err(ClientError::Closed(_))
    ));
}
