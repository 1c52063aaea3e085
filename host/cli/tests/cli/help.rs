//! What the command line says about itself, as snapshots, and how mistakes look.

use crate::support::{lockgate, run};

fn help(args: &[&str]) -> String {
    let output = lockgate(args).env("COLUMNS", "100").output().expect("runs");
    assert!(output.status.success() && output.stderr.is_empty());
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn every_subcommand_explains_itself() {
    let mut all = String::new();
    for args in [
        &["--help"][..],
        &["serve", "--help"],
        &["exec", "--help"],
        &["shell", "--help"],
        &["fs", "--help"],
        &["env", "--help"],
        &["env", "check", "--help"],
        &["env", "add", "--help"],
        &["discover", "--help"],
        &["mcp", "--help"],
        &["rendezvous", "--help"],
        &["rendezvous", "serve", "--help"],
        &["rendezvous", "token", "create", "--help"],
        &["fs", "put", "--help"],
        &["fs", "get", "--help"],
        &["policy", "--help"],
        &["policy", "new", "--help"],
        &["policy", "build", "--help"],
        &["policy", "test", "--help"],
        &["doctor", "--help"],
    ] {
        all.push_str(&format!("$ lockgate {}\n{}\n", args.join(" "), help(args)));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn lines_of_help_fit_a_terminal() {
    for args in [
        &["--help"][..],
        &["serve", "--help"],
        &["exec", "--help"],
        &["shell", "--help"],
        &["fs", "--help"],
        &["env", "--help"],
        &["env", "check", "--help"],
        &["env", "add", "--help"],
        &["discover", "--help"],
        &["rendezvous", "--help"],
        &["rendezvous", "serve", "--help"],
        &["rendezvous", "token", "create", "--help"],
        &["policy", "--help"],
        &["policy", "new", "--help"],
    ] {
        for line in help(args).lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }
}

#[test]
fn mistakes_are_ours_to_explain_and_exit_with_2() {
    for args in [
        &["bogus"][..],
        &["exec"],
        &["exec", "--set", "novalue", "--", "true"],
        &["exec", "--env", "A=b", "--", "true"],
        &[
            "exec",
            "--env",
            "a",
            "--url",
            "ws://127.0.0.1:1",
            "--",
            "true",
        ],
        &["env", "add", "a"],
        &["env", "add", "a", "--url", "ws://h", "--", "ssh"],
        &["env", "check", "--timeout", "0"],
        &["fs", "cat"],
        &["fs", "tree", "--depth", "0"],
        &["fs", "ls", "--bogus"],
        &["serve", "--process-sandbox", "maybe"],
        &["shell"],
    ] {
        let done = run(args);
        assert_eq!(
            (done.code, done.out.as_str()),
            (Some(2), ""),
            "{args:?} {done:?}"
        );
        assert!(done.err.starts_with("lockgate: "), "{args:?} {done:?}");
    }
}

#[test]
fn what_is_missing_is_told_with_all_that_would_do() {
    for (args, would_do) in [
        (
            &["env", "add", "a"][..],
            "<--url <URL>|--remote <URL>|PROGRAM>",
        ),
        (
            &["rendezvous", "serve"],
            "lockgate: give --store PATH or --nats URL",
        ),
        (
            &["rendezvous", "token", "list"],
            "lockgate: give --store PATH or --nats URL",
        ),
        (&["policy", "eval"], "<POLICY.wasm|--config <FILE>>"),
        (&["policy", "sign", "--key", "a"], "<--new|POLICY.wasm>"),
    ] {
        let done = run(args);
        assert_eq!(done.code, Some(2), "{args:?} {done:?}");
        let told = done.err.lines().find(|line| line.trim() == would_do);
        assert!(told.is_some(), "{args:?} {done:?}");
    }
}

#[test]
fn version_and_doctor_have_data_for_programs() {
    let version: serde_json::Value =
        serde_json::from_str(&run(&["version", "--json"]).out).expect("JSON");
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(run(&["--version"]).out, run(&["version"]).out);

    let doctor: serde_json::Value =
        serde_json::from_str(&run(&["doctor", "--json"]).out).expect("JSON");
    let titles: Vec<&str> = doctor
        .as_array()
        .expect("sections")
        .iter()
        .filter_map(|section| section["title"].as_str())
        .collect();
    for wanted in [
        "processes",
        "limits",
        "limits of policies",
        "limits of a client",
        "limits of remote streams",
        "limits of a rendezvous",
        "limits between nodes of a rendezvous",
        "not enforced",
    ] {
        assert!(titles.contains(&wanted), "{titles:?}");
        assert!(run(&["doctor"]).out.contains(wanted));
    }
}
