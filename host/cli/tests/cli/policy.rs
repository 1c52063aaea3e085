//! `lockgate policy new` and `build` as an author uses them. What needs a registry is tests/e2e's.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::{done, lockgate, ok, run_in};

/// Puts programs into a folder that is the whole `PATH`, each a shell script.
fn programs(folder: &Path, scripts: &[(&str, &str)]) {
    for (name, script) in scripts {
        let path = folder.join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
    }
}

#[test]
fn a_new_project_is_whole_in_each_language() {
    for (language, source) in [
        ("rust", "src/lib.rs"),
        ("js", "policy.js"),
        ("python", "app.py"),
        ("c", "main.c"),
    ] {
        let dir = tempfile::tempdir().expect("a folder");
        let out = ok(run_in(
            dir.path(),
            &["policy", "new", "no-push", "--lang", language],
        ));
        assert!(out.contains(&format!("no-push/{source}")), "{out}");
        let text = fs::read_to_string(dir.path().join("no-push").join(source)).expect("a source");
        assert!(
            text.contains("What no-push decides") && !text.contains("{{"),
            "{text}"
        );
        let cases = fs::read_to_string(dir.path().join("no-push/cases.toml")).expect("cases");
        assert!(cases.contains("policy = \"no-push.wasm\""), "{cases}");
    }
}

#[test]
fn rust_is_what_is_taken_if_nothing_is_said() {
    let dir = tempfile::tempdir().expect("a folder");
    ok(run_in(dir.path(), &["policy", "new", "a"]));
    assert!(dir.path().join("a/lockgate-policy/src/lib.rs").is_file());
    assert!(dir.path().join("a/.cargo/config.toml").is_file());
}

#[test]
fn a_folder_that_exists_is_left_alone() {
    let dir = tempfile::tempdir().expect("a folder");
    fs::create_dir(dir.path().join("a")).expect("made");
    let refused = run_in(dir.path(), &["policy", "new", "a"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        refused.err.contains("a folder of its own"),
        "{}",
        refused.err
    );
    assert_eq!(fs::read_dir(dir.path().join("a")).expect("it").count(), 0);

    let refused = run_in(dir.path(), &["policy", "new", "../a"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
}

#[test]
fn a_missing_tool_is_said_with_how_to_install_it() {
    let none = tempfile::tempdir().expect("an empty PATH");
    for (language, advice) in [
        ("rust", "rustup target add wasm32-unknown-unknown"),
        ("js", "Node.js"),
        ("python", "python3-venv"),
        ("c", "apt install make clang"),
    ] {
        let dir = tempfile::tempdir().expect("a folder");
        ok(run_in(
            dir.path(),
            &["policy", "new", "a", "--lang", language],
        ));
        let output = lockgate(&["policy", "build", "a"])
            .current_dir(dir.path())
            .env("PATH", none.path())
            .output();
        let failed = done(output.expect("runs"));
        assert_eq!(failed.code, Some(1), "{failed:?}");
        assert!(failed.err.contains(advice), "{language}: {}", failed.err);
    }
}

#[test]
fn a_build_runs_the_languages_tools_and_leaves_the_component_beside_the_cases() {
    let dir = tempfile::tempdir().expect("a folder");
    let tools = tempfile::tempdir().expect("a PATH");
    ok(run_in(dir.path(), &["policy", "new", "no-push"]));
    let component = "mkdir -p $out; printf '\\000asm\\015\\000\\001\\000rest' > $out/no_push.wasm";
    let cargo = format!(
        "PATH=/usr/bin:/bin; echo \"$*\" > arguments; out=target/wasm32-unknown-unknown/release; {component}"
    );
    programs(tools.path(), &[("cargo", &cargo)]);
    let build = || {
        let output = lockgate(&["policy", "build"])
            .current_dir(dir.path().join("no-push"))
            .env("PATH", tools.path())
            .output();
        done(output.expect("runs"))
    };
    let built = build();
    assert_eq!(built.code, Some(0), "{built:?}");
    assert!(built.out.contains("no-push.wasm: 12 bytes"), "{built:?}");
    let project = dir.path().join("no-push");
    let read = |name: &str| fs::read(project.join(name)).expect("written");
    assert_eq!(read("arguments"), b"build --release\n");
    assert_eq!(read("no-push.wasm"), b"\0asm\x0d\0\x01\0rest");

    // A module of core WebAssembly is no component.
    let core = cargo.replace("\\015\\000\\001\\000rest", "\\001\\000\\000\\000rest");
    programs(tools.path(), &[("cargo", &core)]);
    let refused = build();
    assert!(refused.err.contains("is no component"), "{refused:?}");

    programs(tools.path(), &[("cargo", "exit 101")]);
    let failed = build();
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert!(
        failed.err.contains("`cargo build --release` failed"),
        "{}",
        failed.err
    );
}

/// npm's tools make another component each time: a build that nobody asked for would take the policy from the configuration that pins it.
#[test]
fn cases_that_are_edited_do_not_build_a_policy_anew_and_its_source_does() {
    let dir = tempfile::tempdir().expect("a folder");
    let tools = tempfile::tempdir().expect("a PATH");
    ok(run_in(
        dir.path(),
        &["policy", "new", "careful", "--lang", "js"],
    ));
    let project = dir.path().join("careful");
    let npm = format!(
        "PATH=/usr/bin:/bin; case $1 in run) echo x >> {}; cp {STOCK}/dist/policy-readonly.wasm careful.wasm;; esac",
        tools.path().join("builds").display()
    );
    programs(tools.path(), &[("npm", &npm)]);
    let cases = "policy = \"careful.wasm\"\n[[case]]\nname = \"files stay\"\nexpect = { decision = \"deny\" }\naction = { kind = \"file\", verb = \"write\", paths = [{ path = \"/a\", access = \"write\" }] }\n";
    let builds_after = |changed: &str, contents: &str| {
        let path = project.join(changed);
        fs::write(&path, contents).expect("written");
        // Whatever the clock's grain is, this was changed after the last build.
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(3600);
        let file = fs::File::options().append(true).open(path);
        file.expect("there").set_modified(later).expect("set");
        let output = lockgate(&["policy", "test", "careful"])
            .current_dir(dir.path())
            .env("PATH", tools.path())
            .output();
        let tested = done(output.expect("runs"));
        assert!(tested.out.ends_with("1 cases, 0 failed\n"), "{tested:?}");
        let builds = fs::read_to_string(tools.path().join("builds"));
        builds.expect("one").lines().count()
    };
    assert_eq!(builds_after("cases.toml", cases), 1, "it was not there");
    assert_eq!(builds_after("cases.toml", cases), 1);
    assert_eq!(builds_after("cases.json", "{}"), 1);
    assert_eq!(builds_after("README.md", "words"), 1);
    assert_eq!(builds_after("policy.js", "// other"), 2);
}

#[test]
fn what_is_no_project_is_not_built() {
    let dir = tempfile::tempdir().expect("a folder");
    let refused = run_in(dir.path(), &["policy", "build"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        refused.err.contains("lockgate policy new NAME"),
        "{}",
        refused.err
    );

    fs::write(dir.path().join("Makefile"), "").expect("written");
    let refused = run_in(dir.path(), &["policy", "build"]);
    assert!(refused.err.contains("cases.toml"), "{}", refused.err);
}

const STOCK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../guest");

#[test]
fn the_examples_of_the_engines_decide_what_their_cases_say() {
    for (engine, file) in [
        ("cedar", "workspace.cedar"),
        ("rego", "workspace.rego"),
        ("rules", "team.rules"),
    ] {
        let examples = format!("{STOCK}/policy-{engine}/examples");
        let out = ok(run_in(
            Path::new(&examples),
            &[
                "policy",
                "test",
                &format!("{STOCK}/dist/policy-{engine}.wasm"),
                "--cases",
                "cases.toml",
                "--config-file",
                file,
            ],
        ));
        assert!(out.ends_with(" 0 failed\n"), "{out}");
    }
}

#[test]
fn a_case_that_is_not_met_is_shown_with_what_came_and_fails() {
    let dir = tempfile::tempdir().expect("a folder");
    let cases = "[[case]]\nname = \"files change\"\nexpect = { decision = \"allow\" }\naction = { kind = \"file\", verb = \"write\", paths = [{ path = \"/a\", access = \"write\" }] }\n";
    fs::write(dir.path().join("cases.toml"), cases).expect("written");
    let readonly = format!("{STOCK}/dist/policy-readonly.wasm");
    let test = ["policy", "test", &readonly, "--cases", "cases.toml"];
    let failed = run_in(dir.path(), &test);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    let out = &failed.out;
    assert!(
        out.starts_with("FAIL  files change\n") && out.ends_with("1 cases, 1 failed\n"),
        "{out}"
    );
    assert!(
        out.contains("\"decision\": \"allow\"") && out.contains("\"decision\": \"deny\""),
        "{out}"
    );

    let as_json = r#"{"case": [{"name": "files stay", "expect": {"decision": "deny"},
        "action": {"kind": "file", "verb": "write", "paths": [{"path": "/a", "access": "write"}]}}]}"#;
    fs::write(dir.path().join("cases.json"), as_json).expect("written");
    let out = ok(run_in(
        dir.path(),
        &["policy", "test", &readonly, "--cases", "cases.json"],
    ));
    assert_eq!(out, "ok    files stay\n1 cases, 0 failed\n");

    let cases = cases.replace("\"allow\"", "\"alow\"");
    fs::write(dir.path().join("cases.toml"), cases).expect("written");
    let refused = run_in(dir.path(), &test);
    assert!(
        refused.err.contains("there are allow, deny, ask, abstain"),
        "{refused:?}"
    );
}

#[test]
fn who_tests_a_policy_is_told_what_is_missing() {
    let dir = tempfile::tempdir().expect("a folder");
    let readonly = format!("{STOCK}/dist/policy-readonly.wasm");
    fs::copy(readonly, dir.path().join("x.wasm")).expect("copied");
    for (what, words) in [
        (
            "nosuch",
            "nosuch: there is no such project or component; `lockgate policy new NAME`",
        ),
        (
            "x.wasm",
            "there is no cases.toml: say with --cases FILE where they are",
        ),
    ] {
        let refused = run_in(dir.path(), &["policy", "test", what]);
        assert!(
            refused.code == Some(1) && refused.err.contains(words),
            "{refused:?}"
        );
    }
}
