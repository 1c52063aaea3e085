//! An executor that is registered and does nothing any more, which is told apart from a rendezvous that nobody reaches.

use std::time::Duration;

use lockgate_client::{
    Awaited, Client, ClientError, ConnectOptions, Credentials, Registry, Remote,
};
use lockgate_e2e::{DEADLINE, Executor, Rendezvous, lockgate};
use rustix::process::{Pid, Signal, kill_process};

/// A process that does nothing until this is dropped: then it can be told to end.
struct Stopped(Pid);

impl Stopped {
    fn here(pid: u32) -> Stopped {
        let pid = Pid::from_raw(pid.try_into().expect("a number")).expect("a pid");
        kill_process(pid, Signal::STOP).expect("it is there");
        Stopped(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::CONT);
    }
}

/// What a client of it waits for in vain.
async fn waited_for(registry: &str, token: &str, connect_timeout: Duration) -> (Awaited, Duration) {
    let credentials = Credentials::Token {
        token: token.to_owned(),
        from: "the test".to_owned(),
    };
    let remote = Remote {
        registry: Registry::new(registry, credentials).expect("a registry"),
        environment: "box".parse().expect("a name"),
        encrypt: true,
    };
    let options = ConnectOptions {
        connect_timeout,
        ..ConnectOptions::default()
    };
    let connecting = Client::connect_remote(remote, options);
    let connected = tokio::time::timeout(DEADLINE, connecting).await;
    match connected.expect("it gives up").expect_err("nobody answers") {
        ClientError::Timeout { of, after } => (of, after),
        error => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_executor_that_never_finishes_the_handshake_is_what_was_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let token = rendezvous.token("box", "executor");
    let executor = Executor::from_command(Executor::encrypting(rendezvous.url(), "box", &token));
    let token = rendezvous.token("box", "harness");
    let _stopped = Stopped::here(*executor.family().last().expect("itself"));

    let usual = ConnectOptions::default().connect_timeout;
    let longer = 2 * usual;
    let mut command = std::process::Command::new(lockgate());
    command
        .args(["exec", "--remote", rendezvous.url()])
        .args(["--environment-id", "box", "--", "true"])
        .env("LOCKGATE_TOKEN", &token);
    let running = tokio::task::spawn_blocking(move || command.output().expect("it runs"));
    // Within the time for connecting, and within that for the handshake alone where there is more of it.
    let ((first, within), (second, _), ran) = tokio::join!(
        waited_for(rendezvous.url(), &token, usual),
        waited_for(rendezvous.url(), &token, longer),
        running,
    );
    assert_eq!(within, usual);
    for of in [first, second] {
        let Awaited::Executor { to } = of else {
            panic!("{of:?}");
        };
        assert!(to.starts_with("box at http://127.0.0.1:"), "{to}");
    }
    let ran = ran.expect("no panic");
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(
        said.contains("the rendezvous answers, but not within"),
        "{said}"
    );
    assert!(!said.contains(&token), "{said}");
}
