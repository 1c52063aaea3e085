//! Remote mode as the reference spells it, and where addresses are not what they seem.

use std::process::Command;

use lockgate_e2e::{Executor, Proxy, Rendezvous, lockgate};

use crate::raw::ask;
use crate::work::{Outcome, Way, Work};

/// The same command with the token where the reference has it.
fn with_codex_key(mut command: Command, key: &str) -> Command {
    command.env_remove("LOCKGATE_TOKEN");
    command.env("CODEX_API_KEY", key);
    command
}

#[test]
fn exec_server_takes_a_name_and_the_references_variable() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let token = rendezvous.token("box", "executor");
    let usual = Executor::encrypting(rendezvous.url(), "box", &token);
    let mut command = Command::new(lockgate());
    command.arg("exec-server").args(usual.get_args().skip(1));
    command
        .args(["--name", "the one under the desk"])
        .env_clear();
    command.envs(
        usual
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    let executor = Executor::from_command(with_codex_key(command, &token));
    let harness = rendezvous.token("box", "harness");
    let way = Way::Encrypted {
        registry: rendezvous.url().to_owned(),
        environment: "box",
        token: String::new(),
    };
    let mut command = with_codex_key(way.command(&["exec"], &["--", "echo", "there"]), &harness);
    let output = command.output().expect("it runs");
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "there\n",
        "{words}"
    );
    let (status, said) = executor.stop();
    assert!(status.success(), "{said}");
    assert!(said.contains("name=\"the one under the desk\""), "{said}");
    assert!(!said.contains(&token), "{said}");
}

#[test]
fn our_own_variable_comes_before_the_references() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let token = rendezvous.token("box", "executor");
    let mut command = Executor::encrypting(rendezvous.url(), "box", &token);
    command.env("CODEX_API_KEY", "not-ours");
    let (status, said) = Executor::from_command(command).stop();
    assert!(status.success(), "{said}");
}

#[test]
fn with_a_public_url_both_ends_connect_to_what_stands_in_front() {
    let folder = tempfile::tempdir().expect("a folder");
    let front = Proxy::to("127.0.0.1:1");
    // As people write it, and as it is for a websocket.
    for scheme in ["http", "ws"] {
        let public = format!("{scheme}://{}", front.address());
        let rendezvous = Rendezvous::at(folder.path(), "127.0.0.1:0", &["--public-url", &public]);
        front.lead_to(rendezvous.address());
        let token = rendezvous.token("box", "executor");
        let path = "/cloud/environment/box/register";
        let (status, answer) = ask(&rendezvous, "POST", path, &token);
        assert_eq!(status, 200, "{answer}");
        let leads = format!("ws://{}/rendezvous?", front.address());
        let url = answer["url"].as_str().expect("a URL");
        assert!(url.starts_with(&leads), "{url}");
        // Only what is asked of the registry goes straight to it.
        let before = front.carried();
        let command = Executor::encrypting(rendezvous.url(), "box", &token);
        let _executor = Executor::from_command(command);
        let way = Way::Encrypted {
            registry: rendezvous.url().to_owned(),
            environment: "box",
            token: rendezvous.token("box", "harness"),
        };
        let outcome = Work::new(folder.path()).copy(&way, &folder.path().join("target"));
        assert!(matches!(outcome, Outcome::Done), "{outcome:?}");
        // Twelve megabytes, there and back, on their way to the rendezvous and from it.
        let carried = front.carried() - before;
        assert!(carried > 4 * 12_000_000, "{carried} bytes went through it");
    }
}
