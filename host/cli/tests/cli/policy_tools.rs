//! `lockgate policy eval`, `bench`, `inspect`, `sign`, `verify` and `replay`, on the stock policies.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::policy_folder::{config, folder, json, policy, under};
use crate::support::{feed, ok};

#[test]
fn one_question_is_answered_with_an_exit_code() {
    let dir = folder();
    let read = policy(&dir, &["eval", "readonly.wasm", "--read", "a"]);
    assert_eq!(
        (read.code, read.out.lines().next()),
        (Some(0), Some("allow")),
        "{read:?}"
    );
    let write = policy(&dir, &["eval", "readonly.wasm", "--write", "a"]);
    assert!(
        write.code == Some(3) && write.out.starts_with("deny: "),
        "{write:?}"
    );
    let start = policy(
        &dir,
        &["eval", "readonly.wasm", "--json", "--", "sh", "-c", "true"],
    );
    assert_eq!(start.code, Some(3), "{start:?}");
    let answer = json(&start);
    assert_eq!(answer["decision"], "deny");
    let program = answer["action"]["program"].as_str().expect("a program");
    assert!(
        program.starts_with('/') && program.ends_with("/sh"),
        "{program}"
    );
    let allowed = format!("program {program}\n");
    let start = policy(
        &dir,
        &[
            "eval",
            "readonly.wasm",
            "--config-text",
            &allowed,
            "--",
            "sh",
        ],
    );
    assert_eq!(start.code, Some(0), "{start:?}");
    let get = policy(
        &dir,
        &[
            "eval",
            "readonly.wasm",
            "--config-text",
            "host a.test",
            "--get",
            "https://a.test/x",
        ],
    );
    assert_eq!(get.code, Some(0), "{get:?}");
    fs::write(
        dir.path().join("a.json"),
        r#"{"kind":"file","verb":"remove","paths":[{"path":"/a","access":"write"}]}"#,
    )
    .expect("written");
    let remove = policy(&dir, &["eval", "readonly.wasm", "--action", "a.json"]);
    assert_eq!(remove.code, Some(3), "{remove:?}");
    let action = fs::read(dir.path().join("a.json")).expect("there");
    let piped = feed(
        dir.path(),
        &["policy", "eval", "readonly.wasm", "--action", "-"],
        action,
    );
    assert_eq!(piped.status.code(), Some(3), "{piped:?}");
    let narrowed = policy(
        &dir,
        &[
            "eval",
            "workspace.wasm",
            "--config-text",
            "root /work",
            "--json",
            "--write",
            "/work/a",
        ],
    );
    assert!(
        json(&narrowed)["narrowing"]["grant"].is_array(),
        "{narrowed:?}"
    );
}

#[test]
fn questions_that_make_no_sense_are_told() {
    let dir = folder();
    for (args, code, says) in [
        (&["eval", "readonly.wasm"][..], 2, "nothing is asked"),
        (&["eval", "gone.wasm", "--read", "a"], 1, "No such file"),
        (
            &[
                "eval",
                "readonly.wasm",
                "--config-text",
                "prgram",
                "--read",
                "a",
            ],
            1,
            "it refuses its configuration",
        ),
        (
            &["eval", "readonly.wasm", "--get", "ftp://a"],
            2,
            "is no URL",
        ),
        (
            &["eval", "readonly.wasm", "--action", "readonly.wasm"],
            1,
            "an action is written as",
        ),
        (
            &["eval", "readonly.wasm", "--read", "a", "--write", "b"],
            2,
            "cannot be used with",
        ),
    ] {
        let done = policy(&dir, args);
        assert!(
            done.code == Some(code) && done.err.contains(says),
            "{args:?}: {done:?}"
        );
    }
}

#[test]
fn a_bench_tells_both_kinds_of_instances() {
    let dir = folder();
    let text = ok(policy(&dir, &["bench", "readonly.wasm", "--count", "50"]));
    assert!(
        text.contains("fresh ") && text.contains("reused "),
        "{text}"
    );
    let report = json(&policy(
        &dir,
        &["bench", "readonly.wasm", "--count", "50", "--json"],
    ));
    let decisions = report["decisions"].as_array().expect("rows");
    assert_eq!(decisions.len(), 2);
    for row in decisions {
        let at = |name: &str| row[name].as_f64().expect("a number");
        assert!(
            0.0 < at("p50") && at("p50") <= at("p99") && at("p99") <= at("max"),
            "{row}"
        );
        let memory = row["memory"].as_u64().expect("bytes");
        assert!((64 << 10..=64 << 20).contains(&memory), "{row}");
    }
}

#[test]
fn a_component_is_looked_into() {
    let dir = folder();
    let inspected = json(&policy(&dir, &["inspect", "readonly.wasm", "--json"]));
    assert_eq!(inspected["name"], "readonly");
    assert_eq!(
        inspected["imports"],
        serde_json::json!(["lockgate:policy/config@0.1.1"])
    );
    assert!(inspected["problem"].is_null() && inspected["signature"].is_null());
    let text = ok(policy(&dir, &["inspect", "readonly.wasm"]));
    assert!(
        text.contains(inspected["sha256"].as_str().expect("a digest")),
        "{text}"
    );
    // Something that is no policy: what it asks for is told, and why it cannot be one.
    let fs_guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest/dist/fs.wasm");
    let other = policy(&dir, &["inspect", fs_guest.to_str().expect("text")]);
    assert!(
        other.code == Some(1) && other.out.contains("cannot be used"),
        "{other:?}"
    );
    fs::write(dir.path().join("text.wasm"), "no component").expect("written");
    let nothing = policy(&dir, &["inspect", "text.wasm"]);
    assert!(
        nothing.code == Some(1) && nothing.err.contains("no WebAssembly component"),
        "{nothing:?}"
    );
}

#[test]
fn attack_28_a_signature_fits_one_component_and_one_key() {
    let dir = folder();
    let made = ok(policy(&dir, &["sign", "--key", "team.pem", "--new"]));
    let key = made.trim();
    assert!(key.starts_with("ed25519:"), "{made}");
    let mode = fs::metadata(dir.path().join("team.pem"))
        .expect("a key")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = policy(&dir, &["sign", "--key", "team.pem", "--new"]);
    assert!(
        again.code == Some(1) && again.err.contains("cannot be made"),
        "{again:?}"
    );
    let signed = ok(policy(
        &dir,
        &["sign", "--key", "team.pem", "readonly.wasm"],
    ));
    assert!(signed.contains(key), "{signed}");
    ok(policy(&dir, &["verify", "--by", key, "readonly.wasm"]));
    let inspected = json(&policy(&dir, &["inspect", "readonly.wasm", "--json"]));
    assert_eq!(inspected["signature"], "readonly.wasm.sig");
    ok(policy(
        &dir,
        &["verify", "--by", "team.pem", "readonly.wasm"],
    ));
    let secret = fs::read_to_string(dir.path().join("team.pem")).expect("a key");
    let body = secret.lines().nth(1).expect("base64");
    assert!(!signed.contains(body) && !made.contains(body));

    let other = ok(policy(&dir, &["sign", "--key", "other.pem", "--new"]));
    let refused = policy(&dir, &["verify", "--by", other.trim(), "readonly.wasm"]);
    assert!(
        refused.code == Some(1) && refused.out.starts_with("FAIL"),
        "{refused:?}"
    );
    fs::copy(
        dir.path().join("readonly.wasm.sig"),
        dir.path().join("workspace.wasm.sig"),
    )
    .expect("copied");
    let moved = policy(&dir, &["verify", "--by", key, "workspace.wasm"]);
    assert_eq!(moved.code, Some(1), "{moved:?}");
    let unsigned = dir.path().join("workspace.wasm.sig");
    fs::remove_file(unsigned).expect("removed");
    let missing = policy(&dir, &["verify", "--by", key, "workspace.wasm"]);
    assert!(
        missing.code == Some(1) && missing.out.contains("No such file"),
        "{missing:?}"
    );
    // One byte of a component that was signed.
    let component = dir.path().join("readonly.wasm");
    let mut bytes = fs::read(&component).expect("there");
    *bytes.last_mut().expect("a byte") ^= 1;
    fs::write(&component, bytes).expect("written");
    let tampered = policy(&dir, &["verify", "--by", key, "readonly.wasm"]);
    assert!(
        tampered.code == Some(1) && tampered.out.starts_with("FAIL"),
        "{tampered:?}"
    );
    let nonsense = policy(&dir, &["verify", "--by", "me", "readonly.wasm"]);
    assert_eq!(nonsense.code, Some(2), "{nonsense:?}");
}

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
fn a_command_that_meets_a_limit_of_a_policy_ends_and_says_so() {
    let dir = folder();
    let rego = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest/dist/policy-rego.wasm");
    let rules = "package lockgate\ndefault allow := true\nnarrowing.time_limit := 100 if input.action.kind == \"process-start\"\n";
    let rego = rego.to_str().expect("text");
    ok(policy(
        &dir,
        &[
            "install",
            rego,
            "--config",
            "lockgate.toml",
            "--config-text",
            rules,
        ],
    ));
    let ended = under(&dir, &["exec", "--", "sleep", "1000"]);
    assert_eq!(ended.code, Some(125), "{ended:?}");
    assert!(
        ended
            .err
            .contains("the executor ended the process: it may take at most 100 ms here"),
        "{ended:?}"
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
fn a_policy_that_has_no_configuration_and_needs_one_is_told_how_it_gets_one() {
    let dir = folder();
    let rego = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest/dist/policy-rego.wasm");
    let rego = rego.to_str().expect("text");
    let words = "; none was given: --config-text TEXT or --config-file FILE gives it one, and the folder of a project";
    for args in [&["eval", rego, "--read", "a"][..], &["bench", rego]] {
        let refused = policy(&dir, args);
        assert!(
            refused.code == Some(1) && refused.err.contains(words),
            "{refused:?}"
        );
    }
    let inspected = policy(&dir, &["inspect", rego]);
    for told in [
        "name  ",
        "sha256  ",
        "size  ",
        "imports  ",
        "exports  ",
        "cannot be used ",
        words,
    ] {
        assert!(inspected.out.contains(told), "{told}: {inspected:?}");
    }
    // Of one that was given it is not said that there was none.
    let wrong = policy(
        &dir,
        &["eval", rego, "--config-text", "nonsense", "--read", "a"],
    );
    assert!(
        wrong.code == Some(1) && !wrong.err.contains("none was given"),
        "{wrong:?}"
    );
}

#[test]
fn all_policies_of_a_configuration_are_asked_and_what_holds_is_told() {
    let dir = folder();
    let install = |component: &str, more: &[&str]| {
        let mut all = vec!["install", component, "--config", "lockgate.toml"];
        all.extend(more);
        ok(policy(&dir, &all))
    };
    install(
        "workspace.wasm",
        &["--config-text", "root /work", "--actions", "file"],
    );
    install("readonly.wasm", &[]);
    let eval = |more: &[&str]| {
        let mut all = vec!["eval", "--config", "lockgate.toml"];
        all.extend(more);
        policy(&dir, &all)
    };
    let written = eval(&["--write", "/work/a"]);
    assert_eq!(written.code, Some(3), "{written:?}");
    assert!(written.out.starts_with("deny by readonly: "), "{written:?}");
    for line in [
        "  workspace  allow (rule root), narrowed to {\"grant\"",
        "  readonly   deny: ",
    ] {
        assert!(written.out.contains(line), "{line}: {written:?}");
    }
    // Behind a denial nobody is asked, and who does not see a kind is not either.
    let outside = eval(&["--write", "/etc/a"]);
    assert!(
        outside.out.starts_with("deny by workspace: ")
            && outside
                .out
                .contains("  readonly   not asked: it was denied before"),
        "{outside:?}"
    );
    let start = json(&eval(&["--json", "--", "sh"]));
    assert_eq!(
        (&start["decision"], &start["policy"]),
        (&"deny".into(), &"readonly".into())
    );
    assert_eq!(
        start["answers"][0]["not_asked"],
        "it does not see actions of this kind"
    );
    assert_eq!(start["answers"][1]["verdict"]["decision"], "deny");
    assert!(start["action"]["env_names"].is_array());
    let read = eval(&["--read", "/work/a"]);
    assert!(
        read.code == Some(0) && read.out.starts_with("allow\n"),
        "{read:?}"
    );

    // What nobody has an opinion on.
    fs::write(config(&dir), "[policy]\ndefault = \"ask\"\n").expect("written");
    let asked = eval(&["--", "sh"]);
    assert!(
        asked.code == Some(4) && asked.out.starts_with("ask by default = \"ask\": "),
        "{asked:?}"
    );
    fs::write(config(&dir), "").expect("written");
    let none = eval(&["--", "sh"]);
    assert!(
        none.code == Some(1) && none.err.contains("has no [policy]"),
        "{none:?}"
    );
    let both = eval(&["readonly.wasm", "--read", "a"]);
    assert_eq!(both.code, Some(2), "{both:?}");
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
