//! `lockgate policy install`: what is written into a configuration, and what stays as it was.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::policy_folder::{config, doctor, folder, policy};
use crate::support::{ok, run_in};

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
    let allowed = "What no policy has an opinion on is allowed; `default = \"deny\"` or `\"ask\"` in [policy] says otherwise.\n";
    assert!(said.ends_with(allowed), "{said}");
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
    // What came, what went, and what of it stays.
    assert!(
        said.starts_with("readonly (workspace ")
            && said.contains(") takes the place of the one before (sha256:")
            && said.contains(
                "readonly.wasm) in lockgate.toml\nWhat the file says of it besides stays: fail.\n"
            ),
        "{said}"
    );
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
fn a_first_policy_is_told_what_becomes_of_what_it_has_no_opinion_on() {
    let dir = folder();
    let said = ok(policy(
        &dir,
        &["install", "readonly.wasm", "--config", "lockgate.toml"],
    ));
    let denied = "What no policy has an opinion on is denied; `default = \"allow\"` or `\"ask\"` in [policy] says otherwise.\n";
    assert!(said.ends_with(denied), "{said}");
    fs::write(config(&dir), "[policy]\ndefault = \"ask\"\n").expect("written");
    let said = ok(policy(
        &dir,
        &["install", "readonly.wasm", "--config", "lockgate.toml"],
    ));
    assert!(said.contains("is put to somebody; "), "{said}");
}

#[test]
fn a_component_that_was_built_anew_is_refused_with_the_command_that_pins_it() {
    let dir = folder();
    let named = [
        "install",
        "readonly.wasm",
        "--config",
        "lockgate.toml",
        "--name",
        "ours",
    ];
    ok(policy(&dir, &named));
    fs::copy(
        dir.path().join("workspace.wasm"),
        dir.path().join("readonly.wasm"),
    )
    .expect("copied");
    let text = fs::read_to_string(config(&dir)).expect("there");
    fs::write(config(&dir), format!("{text}config = \"root /work\"\n")).expect("written");

    let advice = "; if you have built it anew, `lockgate policy install readonly.wasm --config lockgate.toml --name ours` pins the new one";
    let refused = run_in(dir.path(), &["serve", "--config", "lockgate.toml"]);
    assert!(
        refused.code == Some(1) && refused.err.contains(advice),
        "{refused:?}"
    );
    let looked = run_in(dir.path(), &["doctor", "--config", "lockgate.toml"]);
    assert!(looked.out.contains(advice), "{looked:?}");
    ok(policy(&dir, &named));
    assert!(doctor(&dir).contains("ours (workspace "));
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

/// What is refused has copied nothing: the component that runs may be the one in that folder.
#[test]
fn a_copy_is_made_only_of_what_is_installed_and_takes_its_signature_along() {
    let dir = folder();
    let install = |args: &[&str]| {
        let mut all = vec![
            "install",
            "--config",
            "lockgate.toml",
            "--copy-to",
            "policies",
        ];
        all.extend(args);
        policy(&dir, &all)
    };
    let bad = install(&["readonly.wasm", "--config-text", "prgram"]);
    assert_eq!(bad.code, Some(1), "{bad:?}");
    assert!(!dir.path().join("policies").exists());
    ok(policy(
        &dir,
        &["sign", "--key", "team.pem", "--new", "readonly.wasm"],
    ));
    ok(install(&["readonly.wasm"]));
    assert!(dir.path().join("policies/readonly.wasm.sig").is_file());
    assert!(doctor(&dir).contains("readonly (readonly "));
}

/// A flag is heeded, whether the module is new or not.
#[test]
fn the_kinds_of_actions_are_changed_in_a_module_that_is_there() {
    let dir = folder();
    let install = |args: &[&str]| {
        let mut all = vec!["install", "--config", "lockgate.toml", "readonly.wasm"];
        all.extend(args);
        ok(policy(&dir, &all))
    };
    install(&[]);
    install(&["--actions", "file"]);
    let text = fs::read_to_string(config(&dir)).expect("there");
    assert!(text.contains("actions = [\"file\"]"), "{text}");
    assert!(doctor(&dir).contains("asked about file;"));
}

#[test]
fn doctor_tells_who_can_change_the_policies() {
    let dir = folder();
    ok(policy(
        &dir,
        &["install", "--config", "lockgate.toml", "readonly.wasm"],
    ));
    let said = doctor(&dir);
    assert!(
        said.contains("who changes policies") && said.contains("lockgate.toml, "),
        "{said}"
    );
}

/// A copy over the component of another module would put one policy in the place of two, or let no server start any more.
#[test]
fn attack_28_a_copy_takes_the_place_of_no_other_policys_files() {
    let dir = folder();
    let install = |args: &[&str]| {
        let mut all = vec!["install", "--config", "lockgate.toml"];
        all.extend(args);
        policy(&dir, &all)
    };
    ok(install(&["readonly.wasm", "--copy-to", "policies"]));
    fs::create_dir(dir.path().join("new")).expect("made");
    fs::copy(
        dir.path().join("workspace.wasm"),
        dir.path().join("new/readonly.wasm"),
    )
    .expect("copied");
    std::os::unix::fs::symlink("policies", dir.path().join("by-link")).expect("linked");
    let (before, file) = (
        fs::read_to_string(config(&dir)).expect("there"),
        config(&dir),
    );
    let other = [
        "new/readonly.wasm",
        "--name",
        "other",
        "--config-text",
        "root /work",
    ];
    for folder in ["policies", "by-link"] {
        let refused = install(&[&other[..], &["--copy-to", folder]].concat());
        assert!(
            refused.code == Some(2)
                && refused
                    .err
                    .contains("is named in the configuration for something else"),
            "{refused:?}"
        );
        assert_eq!(fs::read_to_string(&file).expect("there"), before);
        assert_eq!(
            fs::read(dir.path().join("policies/readonly.wasm")).expect("there"),
            fs::read(dir.path().join("readonly.wasm")).expect("there")
        );
    }
    // Its own file it may replace.
    let own = [
        "new/readonly.wasm",
        "--name",
        "readonly",
        "--config-text",
        "root /work",
    ];
    ok(install(&[&own[..], &["--copy-to", "policies"]].concat()));
    assert!(doctor(&dir).contains("readonly (workspace "));
}
