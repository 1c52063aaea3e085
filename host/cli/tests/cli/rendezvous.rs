//! `lockgate rendezvous` without anybody who connects: its store and its tokens.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Done, done, lockgate, ok, run_in, signal, wait_for};

fn token(dir: &Path, args: &[&str]) -> Done {
    let mut all = vec!["rendezvous", "token"];
    all.extend(args);
    all.extend(["--store", "rv.store"]);
    run_in(dir, &all)
}

fn create(dir: &Path, role: &str, args: &[&str]) -> Done {
    let mut all = vec!["create", "--environment", "box", "--role", role];
    all.extend(args);
    let done = token(dir, &all);
    assert_eq!(done.code, Some(0), "{done:?}");
    done
}

/// A file that is its owner's alone.
fn secret(path: &Path, contents: &str) {
    std::fs::write(path, contents).expect("written");
    std::fs::set_permissions(path, Permissions::from_mode(0o600)).expect("set");
}

#[test]
fn tokens_are_listed_below_what_the_columns_are_and_for_programs() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    let words = [
        ("executor", "for the executor of box;"),
        ("harness", "for harnesses of box;"),
        ("both", "for the executor of box and its harnesses;"),
    ];
    for (role, says) in words {
        let made = create(dir, role, &["--days", "3"]);
        assert!(made.err.contains(says), "{made:?}");
    }
    create(dir, "harness", &["--tenant", "a longer name"]);
    let listed = ok(token(dir, &["list"]));
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines.len(), 5, "{listed}");
    let head = lines[0].split_whitespace().collect::<Vec<_>>();
    assert_eq!(
        head,
        ["ID", "ROLE", "ENVIRONMENT", "TENANT", "CREATED", "ENDS"]
    );
    let ends = lines[0].find("ENDS").expect("a column");
    // Those of one second are in no order.
    for line in &lines[1..] {
        let expected = match line.contains("a longer name") {
            true => "never",
            false => "in 3 days",
        };
        assert_eq!(&line[ends..], expected, "{listed}");
    }

    let json: serde_json::Value =
        serde_json::from_str(&ok(token(dir, &["list", "--json"]))).expect("JSON");
    let tokens = json.as_array().expect("an array");
    assert_eq!(tokens.len(), 4);
    for token in tokens {
        let created = token["created"].as_u64().expect("a moment");
        let until = token["expires"].as_u64().map(|at| at - created);
        let expected = (token["tenant"] == "default").then_some(3 * 86_400);
        assert_eq!(until, expected, "{token}");
        assert!(token["environment"] == "box" && token["is_expired"] == false);
    }
    assert_eq!(
        tokens
            .iter()
            .filter(|token| token["role"] == "both")
            .count(),
        1
    );
    assert!(json[0].get("sha256").is_none(), "{json}");
}

#[test]
fn what_was_revoked_is_told() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    create(dir, "executor", &[]);
    let json: serde_json::Value =
        serde_json::from_str(&ok(token(dir, &["list", "--json"]))).expect("JSON");
    let id = json[0]["id"].as_str().expect("an id");
    let said = ok(token(dir, &["revoke", id]));
    let words = format!("revoked {id}, for the executor of box, made on ");
    assert!(said.starts_with(&words), "{said}");
    let empty = token(dir, &["list"]);
    assert!(
        empty.code == Some(0) && empty.out.is_empty() && empty.err.contains("there are no tokens"),
        "{empty:?}"
    );
    assert_eq!(ok(token(dir, &["list", "--json"])), "[]\n");
}

/// A name that was mistyped would be a rendezvous that turns everybody away.
#[test]
fn a_store_that_is_made_because_there_was_none_is_told_and_one_that_was_there_is_not() {
    let dir = tempfile::tempdir().expect("a folder");
    let said = |marker: &str| {
        let mut serve = lockgate(&["rendezvous", "serve", "--store", "typo.store"])
            .current_dir(dir.path())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        wait_for(serve.stdout.as_mut().expect("piped"), "\n");
        signal(&serve, rustix::process::Signal::TERM);
        let output = serve.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        said.contains(marker)
    };
    let made = "made a new store, typo.store: it has no tokens, so nobody can connect yet; `lockgate rendezvous token create --store typo.store`";
    assert!(said(made));
    assert!(!said("made a new store"));
}

/// A rendezvous that is there, with the store of this folder.
fn serving(dir: &Path, listen: &str) -> (Child, String) {
    let arguments = [
        "rendezvous",
        "serve",
        "--store",
        "rv.store",
        "--listen",
        listen,
    ];
    let mut serve = lockgate(&arguments)
        .current_dir(dir)
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs");
    let url = wait_for(serve.stdout.as_mut().expect("piped"), "\n");
    (serve, url.trim().replace("ws://", "http://"))
}

fn ended(mut child: Child) {
    signal(&child, rustix::process::Signal::TERM);
    child.wait().expect("it ends");
}

#[test]
fn an_executor_says_that_it_is_back_after_it_said_that_its_rendezvous_was_lost() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    for role in ["executor", "harness"] {
        let made = create(dir, role, &[]);
        secret(&dir.join(role), &made.out);
    }
    let (rendezvous, url) = serving(dir, "127.0.0.1:0");
    let way = ["--remote", &url, "--environment-id", "box", "--token-file"];
    let mut arguments = vec!["serve"];
    arguments.extend(way);
    arguments.push("executor");
    let mut executor = lockgate(&arguments)
        .current_dir(dir)
        .spawn()
        .expect("it runs");
    let mut stderr = executor.stderr.take().expect("piped");
    let said = wait_for(&mut stderr, "registered with environment_id box\n");
    assert!(
        said.ends_with("lockgate: registered with environment_id box\n"),
        "{said}"
    );

    // A harness that leaves encryption out is told what to leave out.
    let mut direct = vec!["exec"];
    direct.extend(way);
    direct.extend(["harness", "--remote-transport", "direct", "--", "true"]);
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let refused = run_in(dir, &direct);
        if refused
            .err
            .contains("; leave out `--remote-transport direct`")
        {
            break;
        }
        // Its registration comes before its connection.
        assert!(
            refused.err.contains("not connected") && Instant::now() < deadline,
            "{refused:?}"
        );
    }

    ended(rendezvous);
    let said = wait_for(&mut stderr, "the connection to the rendezvous was lost");
    assert!(
        !said.contains("connected to the rendezvous again"),
        "{said}"
    );
    let (rendezvous, _) = serving(dir, url.trim_start_matches("http://"));
    let said = wait_for(&mut stderr, "connected to the rendezvous again");
    let rest = wait_for(&mut stderr, "\n");
    let line = said.lines().last().unwrap_or_default().to_owned() + &rest;
    // It was given no name, and so has none to tell.
    assert!(
        line.contains("environment=box") && !line.contains("name"),
        "{line}"
    );
    ended(executor);
    ended(rendezvous);
}

#[test]
fn who_meets_an_executor_that_does_not_encrypt_is_told_what_to_say_where_they_said_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    for role in ["executor", "harness"] {
        let made = create(dir, role, &[]);
        secret(&dir.join(role), &made.out);
    }
    let (rendezvous, url) = serving(dir, "127.0.0.1:0");
    let way = ["--remote", &url, "--environment-id", "box"];
    let plain = ["--token-file", "executor", "--remote-transport", "direct"];
    let serve = [&["serve"], &way[..], &plain].concat();
    let mut executor = lockgate(&serve).current_dir(dir).spawn().expect("it runs");
    let registered = "registered with environment_id box\n";
    wait_for(executor.stderr.as_mut().expect("piped"), registered);
    let run = |args: &[&str]| {
        let mut command = lockgate(args);
        command.env("LOCKGATE_HOME", dir).current_dir(dir);
        done(command.output().expect("runs"))
    };
    let token = ["--token-file", "harness"];
    ok(run(&[&["env", "add", "far"], &way[..], &token].concat()));
    let by_options = [&["exec"], &way[..], &token, &["--", "true"]].concat();
    let option = "; if it is to be so, `--remote-transport direct` has this end";
    let key = "; if it is to be so, `remote_transport = \"direct\"` of it in environments.toml has this end";
    let deadline = Instant::now() + Duration::from_secs(20);
    for (args, says, says_not) in [
        (&by_options[..], option, "environments.toml"),
        (&["exec", "--env", "far", "--", "true"], key, "--remote"),
        (&["env", "check", "far"], key, "--remote"),
    ] {
        loop {
            let refused = run(args);
            let said = refused.out + &refused.err;
            if said.contains("without encryption only") {
                assert!(said.contains(says) && !said.contains(says_not), "{said}");
                break;
            }
            // Its registration comes before its connection.
            assert!(
                said.contains("not connected") && Instant::now() < deadline,
                "{said}"
            );
        }
    }
    // As it is told.
    ok(run(&[
        &[
            "env",
            "add",
            "far",
            "--replace",
            "--remote-transport",
            "direct",
        ],
        &way[..],
        &token,
    ]
    .concat()));
    assert_eq!(
        ok(run(&["exec", "--env", "far", "--", "echo", "plain"])),
        "plain\n"
    );
    ended(executor);
    ended(rendezvous);
}

#[test]
fn who_calls_it_as_the_reference_is_told_in_its_words_that_it_is_registered() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    let made = create(dir, "executor", &[]);
    let (rendezvous, url) = serving(dir, "127.0.0.1:0");
    let mut executor = lockgate(&[
        "exec-server",
        "--remote",
        &url,
        "--environment-id",
        "box",
        "--name",
        "mine",
    ])
    .env("LOCKGATE_TOKEN", made.out.trim())
    .env("LOCKGATE_LOG", "info")
    .spawn()
    .expect("it runs");
    let mut stderr = executor.stderr.take().expect("piped");
    let said = wait_for(&mut stderr, "registered with environment_id box\n");
    let words = "codex exec-server remote environment registered with environment_id box";
    assert_eq!(said.lines().last(), Some(words));
    let said = wait_for(&mut stderr, "connected to the rendezvous");
    let line = said.lines().last().unwrap_or_default().to_owned() + &wait_for(&mut stderr, "\n");
    assert!(line.contains("name=\"mine\""), "{line}");
    ended(executor);
    ended(rendezvous);
}
