//! `lockgate policy replay`: what a policy would have decided otherwise than a log says.

use std::fs;

use crate::policy_folder::{config, folder, json, policy, under};
use crate::support::ok;

/// Configures the stock policy that confines to this folder, and its log. Its configuration.
fn confined(dir: &tempfile::TempDir) -> String {
    let root = dir.path().canonicalize().expect("there");
    let root = format!("root {}", root.display());
    let workspace = fs::read(dir.path().join("workspace.wasm")).expect("there");
    let digest = lockgate_policy_gate::Digest::of(&workspace);
    let module = format!("path = \"workspace.wasm\"\nsha256 = \"{digest}\"\nconfig = \"{root}\"\n");
    fs::write(
        config(dir),
        format!("[policy]\nlog = \"log.jsonl\"\n[[policy.module]]\n{module}"),
    )
    .expect("written");
    root
}

/// What confines an action is a part of its decision.
#[test]
fn attack_27_a_policy_that_confines_no_more_is_told_from_the_one_that_did() {
    let dir = folder();
    let root = confined(&dir);
    fs::write(dir.path().join("a"), "a").expect("written");
    ok(under(&dir, &["fs", "cat", "a"]));
    let replay = |component: &str, configured: &str| {
        let args = [
            "replay",
            "log.jsonl",
            component,
            "--config-text",
            configured,
        ];
        policy(&dir, &args)
    };
    let same = replay("workspace.wasm", &root);
    assert_eq!(same.code, Some(0), "{same:?}");
    assert!(same.out.contains(" 0 different"), "{same:?}");
    // It allows the same, and all else beside it.
    let wider = replay("workspace.wasm", "root /");
    assert_eq!(wider.code, Some(1), "{wider:?}");
    assert!(
        wider.out.contains("then allow, within {\"grant\":[") && wider.out.contains("now  allow"),
        "{wider:?}"
    );
    let args = [
        "replay",
        "log.jsonl",
        "workspace.wasm",
        "--config-text",
        "root /",
        "--json",
    ];
    let all = json(&policy(&dir, &args));
    let different = &all["different"][0];
    assert_ne!(different["then_within"], different["now_within"]);
    assert!(different["then_within"][0]["grant"].is_array(), "{all}");
}

/// A name that a client chose is quoted by a policy, logged, and read again.
#[test]
fn attack_25_what_clients_and_policies_say_drives_no_terminal() {
    let dir = folder();
    confined(&dir);
    let name = "a\u{1b}]0;title\u{7}\u{1b}[2K\nallow\r\u{9b}\u{2028}\u{202e}";
    fs::write(dir.path().join(name), "a").expect("written");
    ok(under(&dir, &["fs", "rm", name]));
    let outside = format!("/nowhere/{name}");
    let refused = under(&dir, &["fs", "rm", &outside]);
    let elsewhere = ["--config-text", "root /elsewhere"];
    let asked = |args: &[&str]| policy(&dir, &[args, &elsewhere[..]].concat());
    let replayed = asked(&["replay", "log.jsonl", "workspace.wasm"]);
    assert_eq!(replayed.code, Some(1), "{replayed:?}");
    let answered = asked(&["eval", "workspace.wasm", "--write", name]);
    assert_eq!(answered.code, Some(3), "{answered:?}");
    let encoded = asked(&["eval", "workspace.wasm", "--json", "--write", name]);
    let answer = json(&encoded);
    let reason = answer["reason"].as_str().expect("a reason");
    assert!(reason.contains(name), "the same text: {reason:?}");
    for shown in [
        &refused.err,
        &replayed.out,
        &answered.out,
        &encoded.out,
        &fs::read_to_string(dir.path().join("log.jsonl")).expect("a log"),
    ] {
        let drives =
            |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{2028}' | '\u{202e}');
        assert!(
            shown.contains("[2K") && !shown.contains(drives),
            "{shown:?}"
        );
    }
    for shown in [&replayed.out, &answered.out] {
        let forged = |line: &str| line.starts_with("allow");
        assert!(!shown.lines().any(forged), "{shown}");
    }
}

#[test]
fn a_log_is_asked_again_and_what_differs_is_told() {
    let dir = folder();
    let root = dir.path().canonicalize().expect("there");
    ok(policy(
        &dir,
        &["install", "readonly.wasm", "--config", "lockgate.toml"],
    ));
    let text = fs::read_to_string(config(&dir)).expect("there");
    fs::write(
        config(&dir),
        format!("[policy]\nlog = \"log.jsonl\"\n{text}"),
    )
    .expect("written");
    fs::write(dir.path().join("a"), "a").expect("written");
    ok(under(&dir, &["fs", "cat", "a"]));
    let refused = under(&dir, &["fs", "rm", "a"]);
    assert!(
        refused.err.contains("policy \"readonly\" denies this"),
        "{refused:?}"
    );

    let same = policy(&dir, &["replay", "log.jsonl", "readonly.wasm"]);
    assert_eq!(same.code, Some(0), "{same:?}");
    assert!(same.out.contains(" 0 different"), "{same:?}");
    let root = format!("root {}", root.display());
    let differs = policy(
        &dir,
        &[
            "replay",
            "log.jsonl",
            "workspace.wasm",
            "--config-text",
            &root,
        ],
    );
    assert_eq!(differs.code, Some(1), "{differs:?}");
    assert!(
        differs.out.contains("then deny: ") && differs.out.contains("now  allow"),
        "{differs:?}"
    );
    let all = json(&policy(
        &dir,
        &[
            "replay",
            "log.jsonl",
            "workspace.wasm",
            "--config-text",
            &root,
            "--json",
        ],
    ));
    assert_eq!(all["different"][0]["now"]["decision"], "allow");

    let mut log = fs::read_to_string(dir.path().join("log.jsonl")).expect("a log");
    let lines = log.lines().count();
    // What is written to a process is not in the log, so nobody can be asked about it again.
    let mut write: serde_json::Value =
        serde_json::from_str(log.lines().next().expect("a line")).expect("JSON");
    write["action"] = serde_json::json!({"kind": "process-write", "bytes": 3});
    log.push_str(&format!("{write}\n{{\"event\":\"deci"));
    fs::write(dir.path().join("log.jsonl"), log).expect("written");
    let damaged = policy(&dir, &["replay", "log.jsonl", "readonly.wasm"]);
    assert_eq!(damaged.code, Some(0), "{damaged:?}");
    for says in [
        "1 cannot be asked again".to_owned(),
        "1 lines damaged".to_owned(),
        format!("line {} cannot be read: ", lines + 2),
    ] {
        assert!(damaged.out.contains(&says), "{says}: {damaged:?}");
    }
    let gone = policy(&dir, &["replay", "gone.jsonl", "readonly.wasm"]);
    assert!(
        gone.code == Some(1) && gone.err.contains("gone.jsonl: No such file"),
        "{gone:?}"
    );
}

#[test]
fn what_is_no_decision_log_is_told_and_a_line_of_one_can_be_asked() {
    let dir = folder();
    fs::write(config(&dir), "[policy]\n").expect("written");
    let wrong = policy(&dir, &["replay", "lockgate.toml", "readonly.wasm"]);
    assert!(
        wrong.code == Some(1) && wrong.err.contains("is no decision log"),
        "{wrong:?}"
    );
    let line = r#"{"event":"decision","number":1,"action":{"kind":"file","verb":"remove","paths":[{"path":"/a","access":"write"}]}}"#;
    fs::write(dir.path().join("line"), line).expect("written");
    let denied = policy(&dir, &["eval", "readonly.wasm", "--action", "line"]);
    assert_eq!(denied.code, Some(3), "{denied:?}");
    let no_key = policy(&dir, &["verify", "--by", "team.pub", "readonly.wasm"]);
    assert!(
        no_key.code == Some(2) && no_key.err.contains("that is there"),
        "{no_key:?}"
    );
}

#[test]
fn a_log_is_asked_again_about_some_kinds_and_of_many_variables_a_count_is_shown() {
    let dir = folder();
    let names: Vec<String> = (0..35).map(|number| format!("V{number}")).collect();
    let line = |action: serde_json::Value| {
        serde_json::json!({
            "event": "decision", "time": "2026-11-28T00:00:00.000Z", "number": 1, "session": "0", "client": "c",
            "transport": "stdio", "action": action, "decision": "allow", "answers": [], "micros": 1,
        })
    };
    let start = serde_json::json!({"kind": "process-start", "argv": ["sh"], "program": "/bin/sh", "cwd": "/", "env_names": names,
        "tty": false, "sandboxed": false});
    let write = serde_json::json!({"kind": "file", "verb": "write", "paths": [{"path": "/a", "access": "write"}]});
    let log = format!("{}\n{}\n", line(start.clone()), line(write));
    fs::write(dir.path().join("log.jsonl"), log).expect("written");
    let all = policy(&dir, &["replay", "log.jsonl", "readonly.wasm"]);
    assert!(all.out.contains("2 different"), "{all:?}");
    assert!(
        all.out.contains("… 35 more (--json)") && !all.out.contains("V17"),
        "{all:?}"
    );
    let files = policy(
        &dir,
        &["replay", "log.jsonl", "readonly.wasm", "--actions", "file"],
    );
    assert!(
        files.out.contains("1 different, 1 not for readonly to see")
            && !files.out.contains("process-start"),
        "{files:?}"
    );
    let wrong = policy(
        &dir,
        &["replay", "log.jsonl", "readonly.wasm", "--actions", "files"],
    );
    assert_eq!(wrong.code, Some(2), "{wrong:?}");

    fs::write(dir.path().join("action.json"), start.to_string()).expect("written");
    let asked = policy(&dir, &["eval", "readonly.wasm", "--action", "action.json"]);
    assert!(
        asked.out.contains("… 35 more (--json)") && !asked.out.contains("V17"),
        "{asked:?}"
    );
    let asked = policy(
        &dir,
        &["eval", "readonly.wasm", "--json", "--action", "action.json"],
    );
    assert!(asked.out.contains("V17"), "{asked:?}");
}
