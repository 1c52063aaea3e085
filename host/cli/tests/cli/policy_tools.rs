//! `lockgate policy eval`, `bench`, `inspect`, `sign`, `verify`, `install` and `replay`, on the stock policies.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::support::{Done, done, feed, lockgate, ok, run_in};

/// A folder with the stock policies in it.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for name in ["readonly", "workspace"] {
        let built = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(format!("../../guest/dist/policy-{name}.wasm"));
        fs::copy(built, dir.path().join(format!("{name}.wasm"))).expect("copied");
    }
    dir
}

fn policy(dir: &tempfile::TempDir, args: &[&str]) -> Done {
    let mut all = vec!["policy"];
    all.extend(args);
    run_in(dir.path(), &all)
}

fn json(done: &Done) -> serde_json::Value {
    serde_json::from_str(&done.out).unwrap_or_else(|error| panic!("{error}: {done:?}"))
}

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
        serde_json::json!(["lockgate:policy/config@0.1.0"])
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

fn config(dir: &tempfile::TempDir) -> PathBuf {
    dir.path().join("lockgate.toml")
}

fn doctor(dir: &tempfile::TempDir) -> String {
    ok(run_in(dir.path(), &["doctor", "--config", "lockgate.toml"]))
}

#[test]
fn a_policy_is_installed_and_the_rest_of_the_configuration_stays_as_it_was() {
    let dir = folder();
    let before = "# ours\n[http]\nprivate = \"deny\"  # not there\n\n[policy]\ndefault = \"allow\" # for now\n";
    fs::write(config(&dir), before).expect("written");
    let install = |args: &[&str]| {
        let mut all = vec!["install", "--config", "lockgate.toml"];
        all.extend(args);
        policy(&dir, &all)
    };
    let said = ok(install(&["readonly.wasm"]));
    assert!(said.contains("is installed in"), "{said}");
    let text = fs::read_to_string(config(&dir)).expect("there");
    assert!(
        text.starts_with(before) && text.contains("path = \"readonly.wasm\""),
        "{text}"
    );
    assert!(doctor(&dir).contains("readonly (readonly "));
    // Again: nothing changes.
    assert!(ok(install(&["readonly.wasm"])).contains("is installed already"));
    assert_eq!(fs::read_to_string(config(&dir)).expect("there"), text);
    // What an operator has written about it stays.
    fs::write(
        config(&dir),
        text.replace("path =", "fail = \"abstain\" # hm\npath ="),
    )
    .expect("written");
    let said = ok(install(&[
        "--name",
        "readonly",
        "workspace.wasm",
        "--config-text",
        "root /work",
    ]));
    assert!(said.contains("takes the place of the one before"), "{said}");
    let text = fs::read_to_string(config(&dir)).expect("there");
    assert!(
        text.contains("fail = \"abstain\" # hm") && text.contains("root /work"),
        "{text}"
    );
    assert_eq!(text.matches("[[policy.module]]").count(), 1, "{text}");
    // Another one comes behind it, from a folder of its own.
    ok(install(&[
        "readonly.wasm",
        "--name",
        "second",
        "--copy-to",
        "policies",
    ]));
    let text = fs::read_to_string(config(&dir)).expect("there");
    assert!(text.contains("path = \"policies/readonly.wasm\""), "{text}");
    let said = doctor(&dir);
    assert!(
        said.contains("readonly (workspace ") && said.contains("second (readonly "),
        "{said}"
    );
}

#[test]
fn a_policy_that_fails_the_cases_beside_it_is_not_installed() {
    let dir = folder();
    let cases = |policy: &str, decision: &str| {
        let text = format!(
            "policy = \"{policy}\"\n[[case]]\nname = \"reading\"\naction = {{ kind = \"file\", verb = \"read\", \
             paths = [{{ path = \"/a\", access = \"read\" }}] }}\nexpect = {{ decision = \"{decision}\" }}\n"
        );
        fs::write(dir.path().join("cases.toml"), text).expect("written");
    };
    let install = || {
        policy(
            &dir,
            &["install", "readonly.wasm", "--config", "lockgate.toml"],
        )
    };
    cases("readonly.wasm", "deny");
    let refused = install();
    assert!(
        refused.code == Some(1) && refused.err.contains("1 of its cases failed"),
        "{refused:?}"
    );
    assert!(!config(&dir).exists());
    // Those of another policy say nothing about this one.
    cases("workspace.wasm", "deny");
    assert!(!ok(install()).contains("cases"));
    cases("readonly.wasm", "allow");
    assert!(ok(install()).starts_with("ok    reading\n1 cases, 0 failed\n"));
}

#[test]
fn a_policy_is_installed_for_some_kinds_of_actions() {
    let dir = folder();
    let install = |kinds: &str| {
        policy(
            &dir,
            &[
                "install",
                "readonly.wasm",
                "--config",
                "lockgate.toml",
                "--actions",
                kinds,
            ],
        )
    };
    for (kinds, says) in [
        ("process-write", "would never be asked"),
        ("files", "there are process-start"),
    ] {
        let refused = install(kinds);
        assert!(
            refused.code == Some(2) && refused.err.contains(says),
            "{refused:?}"
        );
        assert!(!config(&dir).exists());
    }
    ok(install("file,http"));
    let text = fs::read_to_string(config(&dir)).expect("there");
    assert!(text.contains("actions = [\"file\", \"http\"]"), "{text}");
    assert!(doctor(&dir).contains("file, http"));
}

#[test]
fn remarks_stay_where_they_are_when_a_module_comes_behind_them() {
    let dir = folder();
    for before in [
        "# ours",
        "# ours\n\n",
        "[policy]\ndefault = \"allow\"\n# of the policies to come\n",
        "[policy]\ndefault = \"allow\"\n\n# about http\n[http]\nprivate = \"deny\" # yes\n# the end\n",
    ] {
        fs::write(config(&dir), before).expect("written");
        ok(policy(
            &dir,
            &["install", "readonly.wasm", "--config", "lockgate.toml"],
        ));
        let text = fs::read_to_string(config(&dir)).expect("there");
        let kept: Vec<&str> = before.lines().filter(|line| !line.is_empty()).collect();
        let found: Vec<&str> = text.lines().filter(|line| kept.contains(line)).collect();
        assert_eq!(found, kept, "{text}");
        let at = |line: &str| text.find(line).expect("there");
        match before.contains("[http]") {
            // What belongs to another table is not torn from it.
            true => assert!(text.contains("# about http\n[http]"), "{text}"),
            false => assert!(at(kept[kept.len() - 1]) < at("[[policy.module]]"), "{text}"),
        }
        assert!(doctor(&dir).contains("readonly (readonly "));
    }
}

#[test]
fn a_configuration_that_is_a_link_stays_one() {
    let dir = folder();
    let real = dir.path().join("real.toml");
    fs::write(&real, "# ours\n").expect("written");
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).expect("its mode");
    std::os::unix::fs::symlink("real.toml", config(&dir)).expect("a link");
    ok(policy(
        &dir,
        &["install", "readonly.wasm", "--config", "lockgate.toml"],
    ));
    assert!(config(&dir).is_symlink());
    let text = fs::read_to_string(&real).expect("there");
    assert!(
        text.starts_with("# ours\n") && text.contains("[[policy.module]]"),
        "{text}"
    );
    let mode = fs::metadata(&real).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
}

#[test]
fn a_configuration_is_made_where_there_is_none_and_none_is_made_worse() {
    let dir = folder();
    ok(policy(
        &dir,
        &["install", "readonly.wasm", "--config", "lockgate.toml"],
    ));
    assert!(doctor(&dir).contains("readonly (readonly "));
    for broken in [
        "[policy\n",
        "[polcy]\n",
        "policy = { default = \"allow\" }\n",
    ] {
        fs::write(config(&dir), broken).expect("written");
        let refused = policy(
            &dir,
            &["install", "readonly.wasm", "--config", "lockgate.toml"],
        );
        assert!(
            refused.code == Some(2) && refused.err.contains("lockgate.toml"),
            "{refused:?}"
        );
        assert_eq!(fs::read_to_string(config(&dir)).expect("there"), broken);
    }
    fs::write(config(&dir), "").expect("written");
    let bad = policy(
        &dir,
        &[
            "install",
            "readonly.wasm",
            "--config",
            "lockgate.toml",
            "--config-text",
            "prgram",
        ],
    );
    assert!(
        bad.code == Some(1) && bad.err.contains("it refuses its configuration"),
        "{bad:?}"
    );
    assert_eq!(fs::read_to_string(config(&dir)).expect("there"), "");
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
    let under = |args: &[&str]| {
        let mut command = lockgate(args);
        command
            .env("LOCKGATE_CONFIG", config(&dir))
            .current_dir(dir.path());
        done(command.output().expect("runs"))
    };
    ok(under(&["fs", "cat", "a"]));
    let refused = under(&["fs", "rm", "a"]);
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
    let mut command = lockgate(&["exec", "--", "sleep", "1000"]);
    command
        .env("LOCKGATE_CONFIG", config(&dir))
        .current_dir(dir.path());
    let ended = done(command.output().expect("runs"));
    assert_eq!(ended.code, Some(125), "{ended:?}");
    assert!(
        ended
            .err
            .contains("the executor ended the process: it may take at most 100 ms here"),
        "{ended:?}"
    );
}

#[test]
fn installed_again_a_policy_keeps_what_its_operator_has_written() {
    let dir = folder();
    let install = |args: &[&str]| {
        let mut all = vec!["install", "--config", "lockgate.toml", "readonly.wasm"];
        all.extend(args);
        policy(&dir, &all)
    };
    let key = ok(policy(
        &dir,
        &["sign", "--key", "team.pem", "--new", "readonly.wasm"],
    ));
    let key = key.lines().next().expect("a key");
    let signed = format!(
        "[[policy.module]]\nname = \"readonly\"\npath = \"old.wasm\"\nsigned_by = \"{key}\"\n"
    );
    fs::write(config(&dir), &signed).expect("written");
    ok(install(&[]));
    let text = fs::read_to_string(config(&dir)).expect("there");
    assert!(
        text.contains("signed_by") && !text.contains("sha256"),
        "{text}"
    );
    assert!(doctor(&dir).contains("signed by ed25519:"));
    // Without the signature that the operator asks for, it is not put in its place.
    fs::remove_file(dir.path().join("readonly.wasm.sig")).expect("removed");
    fs::write(config(&dir), &signed).expect("written");
    let refused = install(&[]);
    assert!(
        refused.code == Some(1) && refused.err.contains("sign it first"),
        "{refused:?}"
    );
    assert_eq!(fs::read_to_string(config(&dir)).expect("there"), signed);
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
