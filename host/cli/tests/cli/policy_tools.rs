//! `lockgate policy eval`, `bench`, `inspect`, `sign` and `verify`, on the stock policies.

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
