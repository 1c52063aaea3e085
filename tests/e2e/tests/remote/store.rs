//! The store of a running rendezvous: kept to oneself, and whose content holds when it is another one.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use lockgate_e2e::{Executor, Rendezvous, lockgate};

use crate::raw::{ask, closed, executor};
use crate::work::{Outcome, Way, Work};

#[test]
fn attack_33_a_store_that_others_may_read_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let store = rendezvous.store().to_owned();
    std::fs::set_permissions(&store, Permissions::from_mode(0o644)).expect("its mode");
    for arguments in [
        &["serve"][..],
        &["token", "list"],
        &["token", "revoke", "x"],
    ] {
        let output = rendezvous.output(arguments);
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{words}");
        let advice = format!("chmod 600 {}", store.display());
        assert!(
            words.contains("mode 644") && words.contains(&advice),
            "{words}"
        );
    }
    std::fs::set_permissions(&store, Permissions::from_mode(0o600)).expect("its mode");
    rendezvous.command(&["token", "list"]);
}

#[tokio::test]
async fn attack_33_a_store_that_was_replaced_is_the_one_that_holds() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let mut before = executor(&rendezvous, "box").await;
    let old = rendezvous.token("box", "harness");
    // Made elsewhere, with another key, and moved over it.
    let other = folder.path().join("other");
    let [executor, harness] = ["executor", "harness"].map(|role| {
        let made = Command::new(lockgate())
            .args(["rendezvous", "token", "create", "--environment", "box"])
            .args(["--role", role, "--store"])
            .arg(&other)
            .output();
        let made = made.expect("it runs");
        assert!(made.status.success());
        let token = String::from_utf8(made.stdout).expect("text");
        token.trim().to_owned()
    });
    std::fs::rename(&other, rendezvous.store()).expect("renamed");
    let close = closed(&mut before).await;
    assert_eq!(u16::from(close.code), 1008, "{close:?}");
    let (status, answer) = ask(&rendezvous, "GET", "/cloud/environments", &old);
    assert_eq!(status, 401, "{answer}");
    let registry = rendezvous.url().to_owned();
    let command = Executor::encrypting(&registry, "box", &executor);
    let _executor = Executor::from_command(command);
    let way = Way::Encrypted {
        registry,
        environment: "box",
        token: harness,
    };
    let outcome = Work::new(folder.path()).stream(&way);
    assert!(matches!(outcome, Outcome::Done), "{outcome:?}");
    // Commands write to it, and the server reads that.
    let third = rendezvous.token("third", "harness");
    assert_eq!(
        ask(&rendezvous, "GET", "/cloud/environments", &third).0,
        200
    );
}
