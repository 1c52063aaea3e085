//! What policies are shown of processes, and what they can leave of them.

use lockgate_policy_gate::{Access, Action, ActionKind, GrantEntry, Narrowing};
use serde_json::{Value, json};

use super::client::{Client, Setting, allow, allow_within, base64, deny};
use super::refusals::start;
use crate::limits;
use crate::options::ProcessSandbox;

/// All that a process wrote, once it is over, and the whole last answer.
async fn output(client: &mut Client, id: &str) -> (String, Value) {
    let mut text = String::new();
    let mut after = 0;
    loop {
        let params = json!({"processId": id, "afterSeq": after, "waitMs": 10_000});
        let read = client.call("process/read", params).await.expect("readable");
        for chunk in read["chunks"].as_array().expect("chunks") {
            let bytes: lockgate_wire::Base64 =
                serde_json::from_value(chunk["chunk"].clone()).expect("base64");
            text.push_str(&String::from_utf8_lossy(&bytes.0));
        }
        after = read["nextSeq"].as_u64().expect("a number") - 1;
        if read["closed"] == true {
            return (text, read);
        }
    }
}

#[tokio::test]
async fn a_policy_is_shown_the_file_that_is_run_and_no_value_of_the_environment() {
    let mut client = Client::of(Setting::default(), |_| allow()).await;
    let cwd = client.path("");
    client
        .call("process/start", start("true", "x", &cwd))
        .await
        .expect("started");
    let asked = client.judge.asked();
    let [Action::ProcessStart(shown)] = &asked[..] else {
        panic!("one start: {asked:?}");
    };
    assert_eq!(shown.argv, ["true", "x"]);
    assert_eq!(shown.program.as_deref(), Some("/usr/bin/true"));
    assert_eq!(shown.env_names, ["PATH", "SECRET"]);
    assert!(!format!("{shown:?}").contains("s3cret"));
    assert!(!shown.tty && !shown.sandboxed);
}

/// What was shown to the policy runs, and nothing that took its name since.
#[tokio::test]
async fn attack_23_the_program_cannot_be_exchanged_after_the_decision() {
    let folders = tempfile::tempdir().expect("a directory");
    let root = folders.path().canonicalize().expect("it is there");
    let (first, second) = (root.join("first"), root.join("second"));
    for folder in [&first, &second] {
        std::fs::create_dir(folder).expect("made");
    }
    let script = |folder: &std::path::Path, says: &str| {
        use std::os::unix::fs::PermissionsExt;
        let path = folder.join("tool");
        std::fs::write(&path, format!("#!/bin/sh\necho {says}\n")).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("set");
    };
    script(&second, "decided");
    let path = format!("{}:{}", first.display(), second.display());
    let opinion = {
        let first = first.clone();
        move |action: &Action| {
            if action.kind() == ActionKind::ProcessStart {
                // While the policy thinks, an earlier folder of PATH gets a program of that name.
                script(&first, "exchanged");
            }
            allow()
        }
    };
    let mut client = Client::of(Setting::default(), opinion).await;
    let params = json!({
        "processId": "p", "argv": ["tool"], "cwd": root, "tty": false, "env": {"PATH": path},
    });
    client.call("process/start", params).await.expect("started");
    assert_eq!(output(&mut client, "p").await.0, "decided\n");
    assert!(first.join("tool").exists());
}

#[tokio::test]
async fn variables_that_a_policy_drops_are_not_there() {
    let narrowed = |_: &Action| {
        allow_within(Narrowing {
            drop_env: vec!["SECRET".to_owned()],
            ..Narrowing::default()
        })
    };
    let mut client = Client::of(Setting::default(), narrowed).await;
    let cwd = client.path("");
    client
        .call("process/start", start("printenv", "SECRET", &cwd))
        .await
        .expect("started");
    let (text, last) = output(&mut client, "p").await;
    assert_eq!((text.as_str(), &last["exitCode"]), ("", &json!(1)));
}

#[tokio::test]
async fn a_process_ends_at_the_limits_that_a_policy_sets_and_says_so() {
    for (narrowing, script, says) in [
        (
            Narrowing {
                time_limit: Some(50),
                ..Narrowing::default()
            },
            "sleep 1000 & exec sleep 1000",
            "the executor ended the process: it may take at most 50 ms here",
        ),
        (
            Narrowing {
                output_limit: Some(7),
                ..Narrowing::default()
            },
            "echo 123456; echo more; exec sleep 1000",
            "the executor ended the process: it may write at most 7 bytes here",
        ),
    ] {
        let mut client =
            Client::of(Setting::default(), move |_| allow_within(narrowing.clone())).await;
        let params = json!({
            "processId": "p", "argv": ["/bin/sh", "-c", script], "cwd": client.path(""), "tty": false, "env": {"PATH": "/usr/bin:/bin"},
        });
        client.call("process/start", params).await.expect("started");
        let (text, last) = output(&mut client, "p").await;
        assert_eq!(last["failure"], says);
        assert!(["", "123456\n"].contains(&text.as_str()), "{text}");
        assert_eq!(last["exitCode"], -1);
    }
}

#[tokio::test]
async fn a_process_that_may_have_only_some_files_is_not_started_unless_something_else_confines_it()
{
    let narrowed = |_: &Action| {
        allow_within(Narrowing {
            grant: Some(vec![GrantEntry {
                path: "/tmp".to_owned(),
                access: Some(Access::Write),
            }]),
            ..Narrowing::default()
        })
    };
    let mut client = Client::of(Setting::default(), narrowed).await;
    let cwd = client.path("");
    let new = client.path("new");
    let (code, text) = client
        .refusal("process/start", start("touch", &new, &cwd))
        .await;
    assert_eq!(code, -32600);
    assert!(text.contains("--process-sandbox external"), "{text}");
    assert!(!client.directory().join("new").exists());
    // The id is free again.
    client
        .refusal("process/start", start("touch", &new, &cwd))
        .await;

    let setting = Setting {
        process_sandbox: ProcessSandbox::External,
        ..Setting::default()
    };
    let mut client = Client::of(setting, narrowed).await;
    let cwd = client.path("");
    client
        .call("process/start", start("true", "x", &cwd))
        .await
        .expect("started");
}

#[tokio::test]
async fn bytes_for_a_process_are_asked_in_pieces_and_all_or_nothing_is_written() {
    let opinion = |action: &Action| match action {
        Action::ProcessWrite(write) if write.data.contains(&b'!') => deny("no exclamations"),
        _ => allow(),
    };
    for quick in [true, false] {
        let setting = Setting {
            quick,
            ..Setting::default()
        };
        let mut client = Client::of(setting, opinion).await;
        let params = json!({
            "processId": "p", "argv": ["/bin/cat"], "cwd": client.path(""), "tty": false, "pipeStdin": true, "env": {},
        });
        client.call("process/start", params).await.expect("started");
        let long = format!("{}!", "x".repeat(limits::POLICY_WRITE_BYTES));
        let write =
            |text: &str| json!({"processId": "p", "chunk": base64(text), "writeId": text.get(..2)});
        // Sent together: they reach the process in turn.
        let first = client.ask("process/write", write("a\n"));
        let refused = client.ask("process/write", write(&long));
        let last = client.ask("process/write", write("b\n"));
        assert_eq!(
            client.answer(first).await.expect("written")["status"],
            "accepted"
        );
        let (code, text) = client.answer(refused).await.expect_err("denied");
        assert_eq!(
            (code, text.as_str()),
            (-32600, r#"policy "test" denies this: no exclamations"#)
        );
        assert_eq!(
            client.answer(last).await.expect("written")["status"],
            "accepted"
        );
        client
            .call("lockgate/process/closeStdin", json!({"processId": "p"}))
            .await
            .expect("closed");
        assert_eq!(output(&mut client, "p").await.0, "a\nb\n");
        let asked = client.judge.asked();
        let lens: Vec<usize> = asked
            .iter()
            .filter_map(|action| match action {
                Action::ProcessWrite(write) => Some(write.data.len()),
                _ => None,
            })
            .collect();
        assert_eq!(lens, [2, limits::POLICY_WRITE_BYTES, 1, 2]);
        // Again by its id: it was written, so nobody is asked.
        let again = client
            .call("process/write", write("a\n"))
            .await
            .expect("known");
        assert_eq!(again["status"], "accepted");
        assert_eq!(client.judge.asked().len(), asked.len());
    }
}
