//! Spawned servers: they talk over their pipes and never outlive the connection.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::soon;
use lockgate_client::{Awaited, Client, ClientError, ConnectOptions};
use rustix::process::{Pid, test_kill_process};
use serde_json::{Value, json};

const GREETING: &str = r#"read line; echo '{"id":1,"result":{"sessionId":"s-1","environmentInfo":{"shell":{"name":"sh","path":"/bin/sh"}}}}'; read line;"#;

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
    let cause = |spawned: Result<Client, ClientError>| match spawned {
        Err(ClientError::NoServer { cause, what, .. }) => (*cause, what),
        other => panic!("{other:?}"),
    };
    let strange = spawn("echo hello; read line", dir.path()).await;
    let (error, what) = cause(strange);
    assert!(matches!(error, ClientError::Protocol(_)), "{error}");
    assert!(what.starts_with("does not speak the protocol"), "{what}");
    let (error, what) = cause(spawn("exit 1", dir.path()).await);
    assert!(matches!(error, ClientError::Closed(_)), "{error}");
    assert!(what.starts_with("exited with code 1"), "{what}");
}

/// What a call of a server that does this comes to.
async fn called(script: &str) -> (Client, Result<Value, ClientError>) {
    let dir = tempfile::tempdir().expect("a directory");
    let script = format!("{GREETING} read line; {script}");
    let client = spawn(&script, dir.path()).await.expect("starts");
    let answer = soon(client.call("test/any", &json!({}))).await;
    (client, answer)
}

/// It is not started again: the next call says that it is gone.
async fn is_over(client: &Client) {
    let error = soon(async {
        loop {
            match client.status().await {
                Err(error @ (ClientError::Closed(_) | ClientError::Protocol(_))) => return error,
                Err(ClientError::Interrupted { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
    })
    .await;
    assert!(client.is_closed(), "{error}");
}

#[tokio::test]
async fn one_that_dies_in_a_call_leaves_it_unknown_and_is_not_started_again() {
    for death in ["exit 1", "kill -9 $$", "exec >&-; exec 0<&-; sleep 1000"] {
        let (client, answer) = called(death).await;
        let error = answer.expect_err(death);
        assert!(
            matches!(error, ClientError::Interrupted { .. }),
            "{death}: {error}"
        );
        is_over(&client).await;
        soon(client.close()).await;
    }
}

#[tokio::test]
async fn the_last_answer_of_one_that_dies_still_counts() {
    let (client, answer) = called(r#"echo '{"id":2,"result":1}'; kill -9 $$"#).await;
    assert_eq!(answer.expect("answered"), 1);
    is_over(&client).await;
}

#[tokio::test]
async fn one_that_hangs_in_the_handshake_is_a_timeout_and_is_ended() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut command = Command::new("/bin/sh");
    command
        .arg("-c")
        .arg("echo $$ > pid; read line; exec sleep 1000")
        .current_dir(dir.path());
    let options = ConnectOptions {
        initialize_timeout: Duration::from_millis(300),
        ..ConnectOptions::default()
    };
    let error = soon(Client::spawn_stdio(command, options))
        .await
        .expect_err("silence");
    assert!(
        matches!(&error, ClientError::NoServer { cause, .. } if matches!(&**cause, ClientError::Timeout { of: Awaited::Handshake { method }, .. } if method == "initialize")),
        "{error}"
    );
    gone(pid(&dir.path().join("pid")).await).await;
}

#[tokio::test]
async fn one_that_hangs_in_a_call_is_a_timeout_of_that_call_and_can_be_left() {
    let dir = tempfile::tempdir().expect("a directory");
    let script = format!("echo $$ > pid; {GREETING} trap '' TERM; while :; do sleep 1; done");
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(script).current_dir(dir.path());
    let options = ConnectOptions {
        call_timeout: Some(Duration::from_millis(100)),
        ..ConnectOptions::default()
    };
    let client = soon(Client::spawn_stdio(command, options))
        .await
        .expect("starts");
    for _ in 0..2 {
        let error = soon(client.status()).await.expect_err("silence");
        assert!(
            matches!(&error, ClientError::Timeout { of: Awaited::Answer { method }, .. } if method == "environment/status"),
            "{error}"
        );
    }
    assert!(!client.is_closed(), "it may only be slow");
    soon(client.close()).await;
    gone(pid(&dir.path().join("pid")).await).await;
}

#[tokio::test]
async fn one_that_stops_reading_holds_nobody_who_leaves() {
    let dir = tempfile::tempdir().expect("a directory");
    let script = format!("{GREETING} exec sleep 1000");
    let client = spawn(&script, dir.path()).await.expect("starts");
    // More than pipes and queues take.
    let calls: Vec<_> = (0..300)
        .map(|_| {
            let client = client.clone();
            let params = json!("x".repeat(64 * 1024));
            tokio::spawn(async move { client.call::<_, Value>("test/big", &params).await })
        })
        .collect();
    tokio::task::yield_now().await;
    soon(client.close()).await;
    for call in calls {
        let error = soon(call).await.expect("no panic").expect_err("closed");
        assert!(matches!(error, ClientError::Closed(_)), "{error}");
    }
}

#[tokio::test]
async fn garbage_between_messages_is_a_broken_protocol_that_names_no_contents() {
    for garbage in [
        "echo secret garbage",
        r#"echo '{"id":2,"result":1'"#,
        r"printf '\377\376\n'",
        r"printf '\0\0\0\n'",
        "echo '[]'",
        "echo null",
        "head -c 100000 /dev/urandom; echo",
    ] {
        let (client, answer) = called(&format!("{garbage}; read line")).await;
        let error = answer.expect_err(garbage);
        assert!(
            matches!(
                error,
                ClientError::Protocol(_) | ClientError::Interrupted { .. }
            ),
            "{garbage}: {error}"
        );
        assert!(!error.to_string().contains("secret"), "{error}");
        is_over(&client).await;
    }
}

#[tokio::test]
async fn a_line_without_an_end_is_cut_off_at_the_largest_message() {
    for (script, when) in [("", "before the handshake"), (GREETING, "after it")] {
        let dir = tempfile::tempdir().expect("a directory");
        let script = format!("echo $$ > pid; {script} exec cat /dev/zero");
        let outcome = match spawn(&script, dir.path()).await {
            Ok(client) => loop {
                match soon(client.status()).await.expect_err("no answer") {
                    ClientError::Interrupted { .. } => {}
                    error => break error,
                }
            },
            Err(error) => error,
        };
        assert!(
            outcome.to_string().contains("more than 67108864 bytes"),
            "{when}: {outcome}"
        );
        gone(pid(&dir.path().join("pid")).await).await;
    }
}

#[tokio::test]
async fn megabytes_on_stderr_hold_nobody_up() {
    let noise = "head -c 5000000 /dev/zero >&2; head -c 5000000 /dev/urandom >&2";
    let (client, answer) = called(&format!(
        r#"{noise}; echo '{{"id":2,"result":1}}'; {noise}; read line"#
    ))
    .await;
    assert_eq!(answer.expect("answered"), 1);
    soon(client.close()).await;
}

#[tokio::test]
async fn one_that_fills_stderr_before_the_handshake_still_gets_to_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let script = format!("head -c 3000000 /dev/zero >&2; {GREETING} read line");
    let client = spawn(&script, dir.path()).await.expect("starts");
    soon(client.close()).await;
}
