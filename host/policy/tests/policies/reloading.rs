//! Settings and files that change while the gate is in use.

use std::path::Path;

use lockgate_engine::Digest;
use lockgate_policy_gate::{
    Default as Fallback, Gate, ModuleError, ModuleSettings, Outcome, PolicyError, SecretKey,
    Settings, Trust, sign, signature_path,
};

use crate::common::{denied, guest, hostile, module, open, read, run, settings, subject};
use crate::text::{ALLOWS, Text};

fn signed(directory: &Path, text: &Text) -> ModuleSettings {
    let key = SecretKey::from_seed(&[3; 32]);
    let path = text.file(directory, "signed");
    std::fs::write(signature_path(&path), sign(&key, &text.bytes())).expect("written");
    ModuleSettings {
        trust: Trust {
            signed_by: Some(key.public()),
            ..Trust::default()
        },
        ..module(path)
    }
}

#[test]
fn a_policy_is_exchanged_and_the_next_decision_is_the_new_ones() {
    let gate = open([hostile("evaluate deny")]);
    assert_eq!(denied(&gate.decide(&subject(), &run(&["ls"]))).1, "as told");
    let reloaded = gate
        .reload(&settings([hostile("evaluate allow")]))
        .expect("reloaded");
    assert_eq!(reloaded.changed, ["hostile 0.1.0 has other settings"]);
    assert!(reloaded.kept.is_empty());
    assert_eq!(
        gate.decide(&subject(), &run(&["ls"])).outcome,
        Outcome::Allow
    );
    let nothing = gate
        .reload(&settings([hostile("evaluate allow")]))
        .expect("reloaded");
    assert!(nothing.changed.is_empty());
    let other = Settings {
        default: Fallback::Allow,
        ..settings([module(guest("policy-readonly"))])
    };
    let reloaded = gate.reload(&other).expect("reloaded");
    assert_eq!(
        reloaded
            .changed
            .iter()
            .map(|change| change.split(' ').next().unwrap_or_default())
            .collect::<Vec<_>>(),
        ["readonly", "hostile", "the"]
    );
}

#[test]
fn a_policy_that_cannot_be_loaded_leaves_the_one_that_is_running_in_its_place() {
    let home = tempfile::tempdir().expect("temporary directory");
    let path = ALLOWS.file(home.path(), "policy");
    let gate = open([module(&path)]);
    let digest = Digest::of(&ALLOWS.bytes());
    for broken in [&b"no component"[..], &ALLOWS.bytes()[..300], b""] {
        std::fs::write(&path, broken).expect("written");
        let pinned = ModuleSettings {
            trust: Trust {
                sha256: Some(Digest::of(broken)),
                ..Trust::default()
            },
            ..module(&path)
        };
        let reloaded = gate.reload(&settings([pinned])).expect("reloaded");
        assert_eq!((reloaded.changed.len(), reloaded.kept.len()), (0, 1));
        assert_eq!(
            (&*reloaded.kept[0].name, &reloaded.kept[0].path),
            ("text", &path)
        );
        assert_eq!(gate.report().policies[0].digest, digest);
        assert_eq!(gate.decide(&subject(), &read("/a")).outcome, Outcome::Allow);
    }
    // The file is one that was not meant.
    let deceived = ModuleSettings {
        trust: Trust {
            sha256: Some(digest),
            ..Trust::default()
        },
        ..module(&path)
    };
    let reloaded = gate.reload(&settings([deceived])).expect("reloaded");
    assert_eq!(reloaded.kept.len(), 1);
}

#[test]
fn attack_28_a_new_policy_that_cannot_be_loaded_changes_nothing_at_all() {
    let gate = open([hostile("evaluate deny")]);
    let more = Settings {
        default: Fallback::Allow,
        ..settings([
            hostile("evaluate allow"),
            ModuleSettings::new("/nowhere/policy.wasm"),
        ])
    };
    assert!(gate.reload(&more).is_err());
    assert_eq!(denied(&gate.decide(&subject(), &run(&["ls"]))).1, "as told");
}

#[test]
fn attack_28_an_older_version_does_not_come_back_by_its_signature() {
    let home = tempfile::tempdir().expect("temporary directory");
    let version = |version| Text { version, ..ALLOWS };
    let gate = open([signed(home.path(), &version("1.2.0"))]);
    let reload = |text: &Text| {
        gate.reload(&settings([signed(home.path(), text)]))
            .expect("reloaded")
    };
    let older = reload(&version("1.1.9"));
    assert!(
        matches!(older.kept[..], [ref kept] if matches!(kept.problem, ModuleError::Older { .. })),
        "{older:?}"
    );
    assert_eq!(gate.report().policies[0].description.version, "1.2.0");
    assert_eq!(
        reload(&version("1.3.0")).changed,
        ["text 1.3.0 takes the place of text 1.2.0"]
    );
    // Who pins the older one means it.
    let pinned = module(version("1.1.9").file(home.path(), "signed"));
    assert_eq!(
        gate.reload(&settings([pinned])).expect("reloaded").changed,
        ["text 1.1.9 takes the place of text 1.3.0"]
    );
    // After a restart nothing is running; then it is the configuration that says what is too old.
    let mut least = signed(home.path(), &version("1.1.9"));
    least.trust.min_version = Some("1.2.0".parse().expect("a version"));
    let refused = Gate::open(settings([least])).expect_err("too old");
    assert!(
        refused
            .to_string()
            .contains("nothing before 1.2.0 is accepted"),
        "{refused}"
    );
}

/// A team signs many policies with one key: whoever can write files, and has no key, has these to choose from.
#[test]
fn attack_28_another_policy_of_the_same_signer_takes_no_place() {
    let home = tempfile::tempdir().expect("temporary directory");
    let other = Text {
        name: "else",
        version: "9.0.0",
        ..ALLOWS
    };
    let named = |text: &Text| ModuleSettings {
        name: Some("guard".to_owned()),
        ..signed(home.path(), text)
    };
    let gate = open([named(&ALLOWS)]);
    let reload = |module: ModuleSettings| gate.reload(&settings([module])).expect("reloaded");
    let kept = reload(named(&other)).kept;
    let [kept] = &kept[..] else {
        panic!("one: {kept:?}");
    };
    assert!(
        matches!(kept.problem, ModuleError::Another { .. }),
        "{kept:?}"
    );
    assert!(
        kept.problem
            .to_string()
            .starts_with("it calls itself \"else\", and only \"text\" is accepted")
    );
    assert_eq!(gate.report().policies[0].description.name, "text");
    // At a start it is the configuration that says which one is meant.
    let meant = |text: &Text, name: &str| {
        let mut module = named(text);
        module.trust.component_name = Some(name.to_owned());
        module
    };
    let refused = Gate::open(settings([meant(&other, "text")])).expect_err("another one");
    assert!(
        refused.to_string().contains("(`component_name`)"),
        "{refused}"
    );
    // Who names it means it, and is told both.
    assert_eq!(
        reload(meant(&other, "else")).changed,
        ["guard (else 9.0.0) takes the place of guard (text 1.0.0)"]
    );
}

/// A file that is half written names fewer policies than it will. What takes another one's place, under its name or in its file, is no loss.
#[test]
fn where_all_are_to_be_kept_a_policy_is_exchanged_and_never_gone() {
    let named = |name: &str, module: ModuleSettings| ModuleSettings {
        name: Some(name.to_owned()),
        ..module
    };
    let gate = open([hostile("evaluate deny"), module(guest("policy-readonly"))]);
    let names = || -> Vec<String> {
        let policies = gate.report().policies.into_iter();
        policies.map(|policy| policy.name).collect()
    };
    let keep = |modules: Vec<ModuleSettings>| gate.reload_keeping_all(&settings(modules));
    for half in [vec![], vec![hostile("evaluate deny")]] {
        let refused = keep(half).expect_err("a policy would be gone").to_string();
        assert!(refused.contains("readonly any more"), "{refused}");
        assert_eq!(names(), ["hostile", "readonly"]);
    }
    // Another file of the same name for itself, and another name for the same file.
    let home = tempfile::tempdir().expect("temporary directory");
    let moved = home.path().join("elsewhere.wasm");
    std::fs::copy(guest("test-policy-hostile"), &moved).expect("copied");
    let moved = ModuleSettings {
        config: "evaluate allow".to_owned(),
        ..module(moved)
    };
    keep(vec![
        moved.clone(),
        named("other", module(guest("policy-readonly"))),
    ])
    .expect("exchanged");
    assert_eq!(names(), ["hostile", "other"]);
    gate.reload(&settings([moved]))
        .expect("the operator says so");
    assert_eq!(names(), ["hostile"]);
}

#[test]
fn attack_28_a_component_is_the_one_that_is_pinned_or_none() {
    let home = tempfile::tempdir().expect("temporary directory");
    let signed = signed(home.path(), &ALLOWS);
    let refused = |module: ModuleSettings| {
        Gate::open(settings([module]))
            .expect_err("refused")
            .to_string()
    };
    let wrong = ModuleSettings {
        trust: Trust {
            sha256: Some(Digest::of(b"another")),
            ..signed.trust.clone()
        },
        ..signed.clone()
    };
    assert!(refused(wrong).contains("refusing to run it"));
    let unpinned = ModuleSettings {
        trust: Trust::default(),
        ..signed.clone()
    };
    assert!(refused(unpinned).contains("`sha256`"));
    let stranger = ModuleSettings {
        trust: Trust {
            signed_by: Some(SecretKey::from_seed(&[4; 32]).public()),
            ..Trust::default()
        },
        ..signed.clone()
    };
    assert!(refused(stranger).contains("was not made by"));
    assert!(Gate::open(settings([signed.clone()])).is_ok());
    let signature = signature_path(&signed.path);
    for text in ["", "ed25519:", &"x".repeat(100_000)] {
        std::fs::write(&signature, text).expect("written");
        assert!(refused(signed.clone()).contains("its signature"), "{text}");
    }
    std::fs::remove_file(&signature).expect("removed");
    assert!(refused(signed).contains("cannot be read"));
}

#[test]
fn two_policies_of_one_name_are_refused() {
    let twice = Gate::open(settings([hostile(""), hostile("evaluate deny")]));
    assert!(matches!(twice, Err(PolicyError::SameName(name)) if name == "hostile"));
    let named = ModuleSettings {
        name: Some("other".to_owned()),
        ..hostile("evaluate deny")
    };
    let gate = open([hostile("evaluate allow"), named]);
    assert_eq!(
        denied(&gate.decide(&subject(), &run(&["ls"]))).0,
        Some("other")
    );
}
